"""Sums of numbers without rounding: the same mean in any order, in any batches, on any machine."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

_MANTISSA = 53
_HALF = 27
_SMALLEST = -1074 - _MANTISSA  # all exponents are above
ROWS = 1 << 20  # of one call at most: halves of mantissas (2^27) add up to less than 2^53, which a float64 holds


class Sum:
    """An exact sum of int64, uint64 or finite float64."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._whole, self._scaled, self._count = 0, 0, 0

    def add(self, values: npt.NDArray[Any]) -> None:
        """Add some values, at most `ROWS`."""
        self._count += len(values)
        if values.dtype.kind == "f":
            self._scaled += _scaled(values)
        elif len(values):
            kind = values.dtype.type
            high, low = values >> kind(32), values & kind(0xFFFFFFFF)
            self._whole += (int(high.sum()) << 32) + int(low.sum())

    def mean(self) -> float | None:
        """Return the mean, rounded once; None where there is no value."""
        if not self._count:
            return None
        return float((self._whole + Fraction(self._scaled, 1 << -_SMALLEST)) / self._count)


def _scaled(values: npt.NDArray[np.float64]) -> int:
    """Return the sum of finite numbers times 2^1127, which makes each of them whole."""
    if not len(values):
        return 0
    fractions, exponents = np.frexp(values)
    whole = np.ldexp(fractions, _MANTISSA).astype(np.int64)
    least = int(exponents.min())
    places = exponents - least
    high = np.bincount(places, weights=whole >> _HALF)
    low = np.bincount(places, weights=whole & ((1 << _HALF) - 1))
    total = 0
    for place in np.flatnonzero((high != 0) | (low != 0)).tolist():
        total += ((int(high[place]) << _HALF) + int(low[place])) << (least + place - _MANTISSA - _SMALLEST)
    return total
