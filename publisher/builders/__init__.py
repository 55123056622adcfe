"""What is made of the sources so that viewers can read it: one module is one kind of thing that is built."""
