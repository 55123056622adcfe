"""The spatial index: a grid that is halved from level to level, and which annotation is at which level and in which cell.

Source of the rules: neuroglancer, src/datasource/precomputed/annotations.md. Level 0 is one cell; each further level
halves the longest axes, so that cells become as deep as wide. A level holds the same share of what is left everywhere, so
that it is a fair sample of the whole; the share is such that no cell has more than about `LIMIT`.

Annotations come in an order that has nothing to do with where they are; so the first rows are a sample, and a level is a
run of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Annotations of a cell: 280 kB of points with a few properties, so that a request is worth its while; and a picture of
# one cell is neither empty nor a blot. Neuroglancer's own examples and ngsidekick use the same.
LIMIT = 10_000
_AIM = 9_600  # four standard deviations below: which of a cell's annotations are among the first rows is chance
GRID_BITS = 24  # 16 million cells at the finest level: counting them takes 64 MB
SPAN = 27  # cells that an annotation with an extent may be written to; a larger one goes to a coarser level
_LONGER = 2**0.5  # an axis is halved when it is longer than this part of the longest
_DIGITS = 7  # binary digits of a cell's size after its first: sums of sizes are exact, in the viewer's float32 too

Cells = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grid:
    """A grid along x, y, z in units of the coordinates: where it begins, its finest cells, halvings by level."""

    lower: NDArray[np.float64]
    finest: NDArray[np.float64]
    halvings: tuple[tuple[int, int, int], ...]

    @property
    def upper(self) -> NDArray[np.float64]:
        """Where it ends."""
        end: NDArray[np.float64] = self.lower + self.finest * np.exp2(self.halvings[-1])
        return end

    def shape(self, level: int) -> tuple[int, int, int]:
        """Return the number of cells of a level."""
        x, y, z = self.halvings[level]
        return 1 << x, 1 << y, 1 << z

    def chunk(self, level: int) -> NDArray[np.float64]:
        """Return the size of a level's cells."""
        sizes: NDArray[np.float64] = self.finest * np.exp2(self._coarser(level))
        return sizes

    def cells(self, points: NDArray[Any], level: int) -> Cells:
        """Return the cell of each point (n, 3) at a level; what is at the upper end is in the last."""
        places: Cells = self._finest(points) >> self._coarser(level)
        return places

    def _finest(self, points: NDArray[Any]) -> Cells:
        places = np.floor((points.astype(np.float64) - self.lower) / self.finest).astype(np.int64)
        cells: Cells = np.clip(places, 0, np.array(self.shape(len(self.halvings) - 1), np.int64) - 1)
        return cells

    def _coarser(self, level: int) -> Cells:
        return np.array(self.halvings[-1], np.int64) - np.array(self.halvings[level], np.int64)


def settle(
    low: NDArray[Any],
    high: NDArray[Any],
    unit_nm: NDArray[Any],
    count: int,
    rows: Callable[[int], Iterable[NDArray[Any]]],
) -> tuple[Grid, list[int]]:
    """Return a grid around all annotations, and for each level the first row that is not in it or a coarser one.

    Args:
        low: the smallest coordinates along x, y, z.
        high: the greatest.
        unit_nm: nm a unit along x, y, z.
        count: how many rows there are.
        rows: yields the places (n, 3) of the rows from one on, in their order, by blocks; asked once a level.

    """
    lower = np.floor(low.astype(np.float64))
    extent = np.maximum(np.floor(high.astype(np.float64)) + 1 - lower, 1)
    halvings: list[tuple[int, int, int]] = []
    ends: list[int] = []
    done = 0
    for level in _halved(extent * unit_nm):
        halvings.append(level)
        most = _fullest(Grid(lower, extent / np.exp2(level), (level,)), rows(done))
        last = most <= LIMIT or sum(level) >= GRID_BITS
        done = count if last else done + max(1, (count - done) * _AIM // most)
        ends.append(done)
        if last:
            break
    return Grid(lower, _round_up(extent / np.exp2(halvings[-1])), tuple(halvings)), ends


def _halved(extent: NDArray[np.float64]) -> Iterator[tuple[int, int, int]]:
    """Yield how often each axis is halved, from level to level, down to the finest grid."""
    times = np.zeros(3, np.int64)
    while True:
        x, y, z = times.tolist()
        yield x, y, z
        left = extent / np.exp2(times)
        longest = np.flatnonzero(left * _LONGER > left.max())
        times[longest[: GRID_BITS - int(times.sum())]] += 1


def _round_up(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sizes that few binary digits hold, whole from 1 on, at most a hundredth larger than those below 128."""
    step = np.exp2(np.floor(np.log2(sizes)) - _DIGITS)
    step = np.where(sizes >= 1, np.maximum(step, 1), step)
    rounded: NDArray[np.float64] = np.ceil(sizes / step) * step
    return rounded


def _fullest(grid: Grid, blocks: Iterable[NDArray[Any]]) -> int:
    """Return how many annotations the fullest cell of a grid of one level has."""
    shape = grid.shape(0)
    counts = np.zeros(int(np.prod(shape)), np.int32)
    for places in blocks:
        cells, times = np.unique(np.ravel_multi_index(tuple(grid.cells(places, 0).T), shape), return_counts=True)
        counts[cells] += times.astype(np.int32)
    return int(counts.max())


def levels(grid: Grid, ends: list[int], first: int, low: NDArray[Any], high: NDArray[Any]) -> Cells:
    """Return the level of each row from `first` on: that of its run, or a coarser one for what is large."""
    found = np.searchsorted(np.array(ends), np.arange(first, first + len(low)), side="right")
    for level in range(len(ends) - 1, 0, -1):
        here = np.flatnonzero(found == level)
        span = np.prod(grid.cells(high[here], level) - grid.cells(low[here], level) + 1, axis=1)
        found[here[span > SPAN]] -= 1
    return found


def touched(low: Cells, high: Cells) -> tuple[NDArray[np.intp], Cells]:
    """Return every cell from `low` to `high` of each row (n, 3): the number of the row, and the cell."""
    size = high - low + 1
    times = np.prod(size, axis=1)
    rows = np.repeat(np.arange(len(low)), times)
    at = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    places = np.empty((len(rows), 3), np.int64)
    for axis in (2, 1, 0):
        places[:, axis] = at % size[rows, axis]
        at //= size[rows, axis]
    return rows, low[rows] + places


def crosses(
    geometry: str, first: NDArray[Any], second: NDArray[Any], low: NDArray[Any], high: NDArray[Any]
) -> NDArray[np.bool_]:
    """Return whether each line or ellipsoid meets the cell from `low` to `high`, its faces too; all are (n, 3).

    A box meets every cell that its own bounds meet.
    """
    meets: NDArray[np.bool_]
    if geometry == "ellipsoid":
        away = (np.clip(first, low, high) - first) / np.maximum(second, np.finfo(np.float64).tiny)
        meets = (away**2).sum(axis=1) <= 1 + 1e-9
    elif geometry == "line":
        along = second - first
        flat = along == 0
        step = np.where(flat, 1, along)
        enter, leave = (low - first) / step, (high - first) / step
        enter, leave = np.minimum(enter, leave), np.maximum(enter, leave)
        inside = (first >= low) & (first <= high)
        enter, leave = np.where(flat, 0, enter), np.where(flat, 1, leave)
        hit = np.maximum(enter.max(axis=1), 0) <= np.minimum(leave.min(axis=1), 1) + 1e-9
        meets = hit & (inside | ~flat).all(axis=1)
    else:
        meets = np.ones(len(first), np.bool_)
    return meets


def uncoded(codes: NDArray[np.uint64], shape: tuple[int, int, int]) -> Cells:
    """Return the cells (n, 3) of compressed Morton codes."""
    cells = np.zeros((len(codes), 3), np.int64)
    needed = [(size - 1).bit_length() for size in shape]
    turns = [(bit, axis) for bit in range(max(needed)) for axis in range(3) if bit < needed[axis]]
    for at, (bit, axis) in enumerate(turns):
        cells[:, axis] |= ((codes >> np.uint64(at)) & np.uint64(1)).astype(np.int64) << bit
    return cells
