"""A histogram in one pass, without knowing the range before: bins as wide as a power of two, which double as it grows.

Bins begin at multiples of their width, so that two neighbours become one without a value to look at again. What comes out
depends on the smallest and the largest value alone, and not on the order of the others: counts are exact.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from publisher.summary import Histogram, Value

BINS = 32  # at most; at least half as many, but for whole numbers of a small range
_SMALLEST = -1074  # exponent of the smallest float


class Bins:
    """Counts of numbers of one type: int64, uint64 (bins as wide as 1 or more), or finite float64."""

    def __init__(self) -> None:
        """Begin without a range."""
        self._low: Any = None
        self._high: Any = None
        self._exponent = _SMALLEST
        self._first = 0  # number of the first bin: it begins at first * 2^exponent
        self._counts = np.zeros(1, np.int64)

    def add(self, values: npt.NDArray[Any], times: npt.NDArray[np.int64] | None = None) -> None:
        """Count some values, each once or as many times as is said."""
        if not len(values):
            return
        self._fit(values.min().item(), values.max().item())
        places = _places(values, self._exponent, self._first)
        if times is None:
            self._counts += np.bincount(places, minlength=len(self._counts))
        else:
            np.add.at(self._counts, places, times)

    def _fit(self, low: float, high: float) -> None:
        """Make room for a range: with wider bins, as narrow as they can be."""
        new = self._low is None
        if not new and self._low <= low and high <= self._high:
            return
        low, high = (low, high) if new else (min(low, self._low), max(high, self._high))
        exponent = _least(low, high)
        while _number(high, exponent) - _number(low, exponent) >= BINS:
            exponent += 1
        first = _number(low, exponent)
        counts = np.zeros(_number(high, exponent) - first + 1, np.int64)
        if not new:
            shift = exponent - self._exponent
            for place in np.flatnonzero(self._counts).tolist():
                counts[((self._first + place) >> shift) - first] += self._counts[place]
        self._low, self._high, self._exponent, self._first, self._counts = low, high, exponent, first, counts

    @property
    def low(self) -> Any:  # noqa: ANN401 - int or float, as the values are
        """The smallest value; None where there was none."""
        return self._low

    @property
    def high(self) -> Any:  # noqa: ANN401
        """The largest value."""
        return self._high

    def edges(self) -> list[Any]:
        """Return where the bins begin and the last one ends: numbers of the values' kind."""
        numbers = range(self._first, self._first + len(self._counts) + 1)
        if isinstance(self._low, int):
            return [number << self._exponent for number in numbers]
        return [_edge(number, self._exponent) for number in numbers]

    def counts(self) -> list[int]:
        """Return how many values are in each bin."""
        found: list[int] = self._counts.tolist()
        return found


def histogram(
    bins: Bins, edge: Callable[[Any], Value], of: Literal["values", "lengths"] = "values"
) -> Histogram | None:
    """Return the bins, with edges as they are to be told; None where all values are the same, and where there is none."""
    if bins.low == bins.high:
        return None
    return Histogram(of, tuple(map(edge, bins.edges())), tuple(bins.counts()))


def _least(low: float, high: float) -> int:
    """Return an exponent that is not too large yet: no bin narrower than what its largest number can be told apart by."""
    if isinstance(low, int):
        return max(0, (int(high) - low).bit_length() - 6)
    if low == high == 0:
        return _SMALLEST
    reach = math.frexp(high / 2 - low / 2)[1] - 8 if high > low else _SMALLEST
    precision = math.frexp(max(abs(low), abs(high)))[1] - 53
    return max(_SMALLEST, precision, reach)


def _number(value: float, exponent: int) -> int:
    if isinstance(value, int):
        return value >> exponent
    scaled = math.ldexp(value, -exponent)
    return -1 if value < 0 and scaled == 0 else math.floor(scaled)  # so small that nothing was left of it but its side


def _edge(number: int, exponent: int) -> float:
    try:
        return math.ldexp(number, exponent)
    except OverflowError:
        return math.copysign(sys.float_info.max, number)


def _places(values: npt.NDArray[Any], exponent: int, first: int) -> npt.NDArray[np.intp]:
    if values.dtype.kind != "f":
        kind = values.dtype.type
        places: npt.NDArray[np.intp] = ((values >> kind(exponent)) - kind(first)).astype(np.intp)
        return places
    scaled = values * 2.0**-exponent if abs(exponent) < 1000 else np.ldexp(values, -exponent)  # noqa: PLR2004 - in range
    if exponent > 0:
        scaled[(values < 0) & (scaled == 0)] = -1  # as above
    return (np.floor(scaled, out=scaled).astype(np.intp) - first).astype(np.intp, copy=False)
