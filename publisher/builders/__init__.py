"""What publisher makes itself, from what the viewer cannot read: one module or package is one kind of layer."""
