"""Which cells of a grid of chunks are stored: one bit each, so that 10^8 chunks are 12 MB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_CELLS = 1 << 31  # 256 MB of bits; of larger grids only the number of chunks is known

Cell = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Chunks of a scale, in the order of axes that its format has: sizes in voxels, `offset` of the first voxel."""

    size: tuple[int, ...]
    chunk: tuple[int, ...]
    offset: tuple[int, ...]

    @property
    def cells(self) -> tuple[int, ...]:
        """How many chunks there are along each axis."""
        return tuple(-(-size // chunk) for size, chunk in zip(self.size, self.chunk, strict=True))

    def has(self, cell: Sequence[int]) -> bool:
        """Whether a cell is inside."""
        return len(cell) == len(self.size) and all(0 <= at < n for at, n in zip(cell, self.cells, strict=True))

    def shape(self, cell: Sequence[int]) -> tuple[int, ...]:
        """Return how many voxels the chunk of a cell has along each axis: the last ones are clipped."""
        rows = zip(cell, self.size, self.chunk, strict=True)
        return tuple(min(chunk, size - at * chunk) for at, size, chunk in rows)

    def begin(self, cell: Sequence[int]) -> tuple[int, ...]:
        """Return the first voxel of a cell."""
        rows = zip(cell, self.chunk, self.offset, strict=True)
        return tuple(at * chunk + offset for at, chunk, offset in rows)


class Present:
    """The cells of a grid that are stored."""

    def __init__(self, grid: Grid) -> None:
        """Begin with none."""
        self.grid, self.cells = grid, grid.cells
        self.expected, self.count = prod(self.cells), 0
        self._steps = tuple(prod(self.cells[axis + 1 :]) for axis in range(len(self.cells)))
        self._bits = bytearray(-(-self.expected // 8)) if self.known else bytearray()

    @property
    def known(self) -> bool:
        """Whether it is known which cells are stored, and not only how many."""
        return self.expected <= MAX_CELLS

    def add(self, cell: Iterable[int]) -> None:
        """Take a cell of the grid as stored."""
        self.count += 1
        if self._bits:
            at = 0
            for place, step in zip(cell, self._steps):  # noqa: B905 - a million of these
                at += place * step
            self._bits[at >> 3] |= 1 << (at & 7)

    def array(self) -> NDArray[Any]:
        """Return one bool for each cell, in the order of the grid's axes."""
        bits = np.frombuffer(self._bits, np.uint8)
        return np.unpackbits(bits, count=self.expected, bitorder="little").astype(bool).reshape(self.cells)

    def holes(self, most: int) -> Iterator[Cell]:
        """Yield the first cells that are not stored, at most so many."""
        if not self.known:
            return
        found = 0
        for start in range(0, len(self._bits), 1 << 20):
            block = np.frombuffer(self._bits, np.uint8, min(1 << 20, len(self._bits) - start), start)
            rest = self.expected - 8 * start
            empty = np.flatnonzero(np.unpackbits(block, count=min(rest, 8 * len(block)), bitorder="little") == 0)
            for at in empty[: most - found].tolist():
                found += 1
                yield tuple(int(place) for place in np.unravel_index(at + 8 * start, self.cells))
            if found >= most:
                return
