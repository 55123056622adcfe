"""What the release is, in the formats that catalogues, reference managers and programs read.

One module writes one format, as a pure function of the card, which is what was measured and what the manifest says.
What a format demands and nobody said is never made up: the document is left out, and the key that is missing is named.
"""
