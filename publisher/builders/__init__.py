"""What makes layers that were not there: one module a kind of layer, from values to files in a folder."""
