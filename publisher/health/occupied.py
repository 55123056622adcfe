"""Whether one scale of a volume has anything at the place of a chunk of another."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.health.presence import Cell, Grid

Fetch = Callable[[int, Cell], tuple[NDArray[Any], tuple[int, int]] | None]
"""Gives the voxels of a chunk by scale and cell, and `Second.faint`; None if nobody knows them."""


class Occupied:
    """Tells whether a scale has anything at the place of a chunk of another, by what its own chunks hold."""

    def __init__(self, fetch: Fetch, grids: list[Grid], *, smooth: bool) -> None:
        """Take what gives a chunk's voxels by scale and cell, and the grids of the scales.

        In a smooth volume, an image, what a chunk holds may have spread into a voxel beside it in the coarser scale.
        """
        self._fetch = lru_cache(maxsize=16)(fetch)
        self._grids, self._rim = grids, int(smooth)

    def within(self, number: int, factor: tuple[float, ...], low: Cell, high: Cell) -> bool | None:
        """Whether a scale, so many times coarser than another, has anything from one voxel of that to another."""
        grid = self._grids[number]
        begin = [int(-(-at // f)) + self._rim for at, f in zip(low, factor, strict=True)]
        end = [int(at // f) - self._rim for at, f in zip(high, factor, strict=True)]
        if any(first >= last for first, last in zip(begin, end, strict=True)):
            return None
        cell = tuple((at - o) // n for at, o, n in zip(begin, grid.offset, grid.chunk, strict=True))
        if not grid.has(cell) or (fetched := self._fetch(number, cell)) is None:
            return None
        start = grid.begin(cell)
        window = tuple(slice(a - s, b - s) for a, b, s in zip(begin, end, start, strict=True))
        part, (nothing, something) = fetched[0][window], fetched[1]
        if nothing == 0:
            return bool((part != 0).any())
        return None if nothing < part.max() < something else bool(part.max() >= something)

    def solid(self, number: int, factor: tuple[float, ...], cell: Cell) -> bool | None:
        """Whether a chunk fills a voxel of a scale that is so many times coarser, which then cannot be 0."""
        fetched = self._fetch(number, cell)
        if fetched is None or not all(float(f).is_integer() for f in factor):
            return None
        seen = np.asarray((fetched[0] >= fetched[1][1] if fetched[1][0] else fetched[0] != 0).any(axis=-1))
        for axis, (f, at) in enumerate(zip(map(int, factor), self._grids[number].begin(cell), strict=True)):
            seen = _all_of(seen, axis, f, -at % f)
        return bool(seen.any())


def _all_of(seen: NDArray[Any], axis: int, factor: int, first: int) -> NDArray[Any]:
    """Return where so many in a row along an axis are all true, beginning with the first whole row."""
    rows = max(0, seen.shape[axis] - first) // factor
    part = np.take(seen, range(first, first + rows * factor), axis)
    shape = (*part.shape[:axis], rows, factor, *part.shape[axis + 1 :])
    return np.asarray(part.reshape(shape).all(axis=axis + 1))
