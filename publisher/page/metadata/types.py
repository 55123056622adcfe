"""Arrow's names of types, taken apart."""

from __future__ import annotations

import re


def inner(arrow: str) -> tuple[str, bool]:
    """Return the type of a column's values, and whether a row has a list of them.

    A dictionary is how values are stored, not what they are.
    """
    if match := re.fullmatch(r"dictionary<values=(.+), indices=\w+, ordered=\d>", arrow):
        return inner(match[1])
    if match := re.fullmatch(r"(?:large_|fixed_size_)?list(?:_view)?<\w+: (.+?)(?: not null)?>(?:\[\d+\])?", arrow):
        return inner(match[1])[0], True
    return arrow, False
