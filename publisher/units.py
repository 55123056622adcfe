"""Lengths in words: "8 nm", "um" → nanometres."""

from __future__ import annotations

import re

_NM = {"nm": 1.0, "um": 1e3, "µm": 1e3, "mm": 1e6, "m": 1e9}


_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)?\s*(nm|um|µm|mm|m)\s*")


def is_length(units: str) -> bool:
    """Whether words are a length."""
    return _LENGTH.fullmatch(units) is not None


def nanometres(units: str) -> float:
    """Return how many nanometres one unit is; raise ValueError for words that are no length."""
    match = _LENGTH.fullmatch(units)
    if match is None:
        raise ValueError(units)
    return float(match[1] or 1) * _NM[match[2]]
