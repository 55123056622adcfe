"""How much of a column may be held in memory while its values pass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a column may hold: values known one by one, bytes of them, and the size of the sketch (a power of two)."""

    known: int = 32_768
    text_bytes: int = 1 << 20
    bits: int = 16

    @classmethod
    def of(cls, columns: int) -> Limits:
        """Return the limits for a table of so many columns: together they hold about as much, however many there are."""
        share = max(columns, 1)
        known = max(256, min(32_768, (1 << 21) // share))
        return cls(known, 32 * known, max(10, min(16, ((1 << 24) // share).bit_length() - 1)))
