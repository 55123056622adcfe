"""Words for people: "did you mean", sizes, counts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_STEP = 1000
_ROUND = 999.5  # what three digits would show as 1,000 is one of the next unit


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" where a known word is near, else nothing."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return f"; did you mean {folded[near[0]]!r}?" if near else ""


def size(size_bytes: float) -> str:
    """Return a size as people say it, in powers of 1000: 13.2 MB."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB")
    value = float(size_bytes)
    for unit in units:
        if value < _ROUND or unit == units[-1]:
            break
        value /= _STEP
    return count(int(value), "byte") if unit == "bytes" else f"{value:.3g} {unit}"


def count(number: int, noun: str) -> str:
    """Return a count with its noun: 1 object, 14,836 objects."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
