"""File formats of the field: what a folder holds, and the role of each file in it. One module per format."""
