"""Chunks that are not stored: legitimately, because there is nothing in them, or because they were lost.

Readers take what is not stored for 0. That is meant where the scales agree: a chunk may be missing where the coarser
scale has none either, or nothing at that place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher.facts import Triple
from publisher.health.occupied import Occupied
from publisher.health.presence import Cell, Present
from publisher.health.sample import SAMPLE
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding, Severity

MAX_COMPARED = 1 << 22  # cells of a grid that are compared with another scale's, in at most 100 MB
SPARSE = 0.9  # of a segmentation's chunks: where fewer are stored, empty ones were left out on purpose
_NAMED = 3

_Lost = tuple[Cell, Severity, str]  # and why it cannot be empty


class Level(NamedTuple):
    """One scale: where it lies, what is stored of it, its voxel along the grid's own axes, what a chunk is called, and its file."""

    place: str
    present: Present
    voxel: tuple[float, ...]
    name: Callable[[Cell], str]
    file: Callable[[Cell], str]


def check(volume: Subject, levels: Sequence[Level], depth: Depth, occupied: Occupied) -> Iterator[Finding]:
    """Say what is not stored of each scale, finest first; errors are what a coarser or finer scale proves to be lost."""
    for number, level in enumerate(levels):
        present = level.present
        if present.count == 0:
            message = (
                f"none of its {present.expected:,} chunks is stored → write the scale, or take it out of the metadata"
            )
            yield volume.finding("missing", "error", message, level.place)
            continue
        if present.count >= present.expected:
            continue
        lost, proved = _lost(levels, number, depth, occupied)
        for cell, severity, why in lost:
            name, file = level.name(cell), level.file(cell)
            chunk = f"chunk {name} is" if not file.endswith(name) else "is"
            message = f"{chunk} not stored, but {why} → write the chunk again; if it is empty on purpose, write the other scale again"
            yield volume.finding("missing", severity, message, file)
        if not lost:
            yield _told(volume, level, proved=proved)


def _told(volume: Subject, level: Level, *, proved: bool) -> Finding:
    present = level.present
    sparse = present.count < SPARSE * present.expected and volume.facts.role == "segmentation"
    number = present.expected - present.count
    verbs = "is not stored, and reads" if number == 1 else "are not stored, and read"
    missing = f"{number:,} of its {present.expected:,} chunks {verbs} as empty"
    if proved or sparse:
        because = "the other scales are empty there, too" if proved else "as labels that are sparse"
        others = (
            "; readers that use cloud-volume need fill_missing=True" if volume.facts.format == "precomputed" else ""
        )
        message = f"{missing}: {because} → nothing to do{others}"
        return volume.finding("missing", "note", message, level.place)
    first = ", ".join(level.name(cell) for cell in present.holes(_NAMED))
    named = f", first {first}" if first else ""
    message = f"{missing}{named} → write them; or, if they are empty, write zeros so that nobody need wonder"
    return volume.finding("missing", "warning", message, level.place)


def _lost(levels: Sequence[Level], number: int, depth: Depth, occupied: Occupied) -> tuple[list[_Lost], bool]:
    """Return the chunks of a scale that others prove to be lost; and whether they prove that all others are empty."""
    level = levels[number]
    if not level.present.known or level.present.expected > MAX_COMPARED or len(levels) == 1:
        return [], False
    empty = ~level.present.array()
    lost: list[_Lost] = []
    answers: list[tuple[Cell, bool | None]] = []
    if number + 1 < len(levels):
        if (cover := _covered(level, levels[number + 1])) is None:
            return [], False
        answers = list(_asked_coarser(levels, number, np.argwhere(empty & cover), depth, occupied))
        lost += [(cell, "error", f"scale {levels[number + 1].place} has data there") for cell, yes in answers if yes]
    if number > 0:
        if (inside := _filled(levels[number - 1], level)) is None:
            return lost, False
        below = list(_asked_finer(levels, number, np.argwhere(empty & inside), depth, occupied))
        lost += [(cell, "error", f"scale {levels[number - 1].place} has data there") for cell, yes in below if yes]
        answers += below if number + 1 == len(levels) else []
    known = {cell for cell, _, _ in lost}
    return list({row[0]: row for row in lost}.values()), all(yes is False for cell, yes in answers if cell not in known)


def _grouped(levels: Sequence[Level], number: int, suspects: NDArray[Any], depth: Depth) -> list[list[int]]:
    """Order cells by the coarser chunk that they ask for, which is decoded once; of many chunks take evenly spaced ones."""
    ranges = _ranges(levels[number], levels[number + 1])
    assert ranges is not None
    parents = np.stack([low[suspects[:, axis]] for axis, (low, _) in enumerate(ranges)], axis=1)
    order = np.lexsort(parents.T[::-1])
    suspects, parents = suspects[order], parents[order]
    fresh = (np.diff(parents, axis=0, prepend=parents[:1] - 1) != 0).any(axis=1)
    group = np.cumsum(fresh) - 1
    every = 1 if depth == "full" else max(1, -(-int(fresh.sum()) // SAMPLE))
    chosen: list[list[int]] = suspects[group % every == 0].tolist()
    return chosen


def _asked_coarser(
    levels: Sequence[Level], number: int, suspects: NDArray[Any], depth: Depth, occupied: Occupied
) -> Iterator[tuple[Cell, bool | None]]:
    """Ask of cells that are not stored whether the next coarser scale has anything there; None is nobody knows."""
    level, coarser = levels[number], levels[number + 1]
    factor = tuple(a / b for a, b in zip(coarser.voxel, level.voxel, strict=True))
    grid = level.present.grid
    for cell in map(tuple, _grouped(levels, number, suspects, depth)):
        begin = grid.begin(cell)
        end = tuple(at + size for at, size in zip(begin, grid.shape(cell), strict=True))
        yield cell, None if depth == "quick" else occupied.within(number + 1, factor, begin, end)


def _asked_finer(
    levels: Sequence[Level], number: int, suspects: NDArray[Any], depth: Depth, occupied: Occupied
) -> Iterator[tuple[Cell, bool | None]]:
    """Ask of cells that are not stored whether the next finer scale has so much there that they cannot be empty."""
    level, finer = levels[number], levels[number - 1]
    factor = tuple(a / b for a, b in zip(level.voxel, finer.voxel, strict=True))
    ranges, stored = _ranges(finer, level), finer.present.array()
    assert ranges is not None
    every = 1 if depth == "full" else max(1, -(-len(suspects) // (SAMPLE // 8)))
    for cell in map(tuple, suspects[::every].tolist()):
        inside = [np.flatnonzero(low == at) for (low, _), at in zip(ranges, cell, strict=True)]
        children = (child for child in product(*(axis.tolist() for axis in inside)) if stored[child])
        answers = [None if depth == "quick" else occupied.solid(number - 1, factor, child) for child in children]
        yield cell, True if True in answers else None if None in answers else False


def _covered(fine: Level, coarse: Level) -> NDArray[Any] | None:
    """Return for each chunk of a scale whether a chunk of the coarser one that holds the same place is stored."""
    ranges = _ranges(fine, coarse)
    if ranges is None or not coarse.present.known or coarse.present.expected > MAX_COMPARED:
        return None
    stored = coarse.present.array()
    for axis, (low, high) in enumerate(ranges):
        stored = np.take(stored, low, axis) | np.take(stored, high, axis)
    return stored


def _filled(fine: Level, coarse: Level) -> NDArray[Any] | None:
    """Return for each chunk of a coarser scale whether any chunk of the finer one at its place is stored."""
    ranges = _ranges(fine, coarse)
    if ranges is None or not fine.present.known or fine.present.expected > MAX_COMPARED:
        return None
    stored = fine.present.array()
    for axis, (low, _) in enumerate(ranges):
        starts = np.searchsorted(low, np.arange(coarse.present.cells[axis]))
        if (starts >= len(low)).any():
            return None
        stored = np.logical_or.reduceat(stored, starts, axis)
    return stored


def _ranges(fine: Level, coarse: Level) -> list[tuple[NDArray[Any], NDArray[Any]]] | None:
    """Return for each axis the first and the last coarse chunk of each fine one; None where they lie too differently."""
    found = []
    one, other = fine.present.grid, coarse.present.grid
    for axis, cells in enumerate(one.cells):
        factor = coarse.voxel[axis] / fine.voxel[axis]
        begin = one.offset[axis] + np.arange(cells) * one.chunk[axis]
        end = np.minimum(begin + one.chunk[axis], one.offset[axis] + one.size[axis])
        low = np.floor((begin / factor - other.offset[axis]) / other.chunk[axis]).astype(int)
        high = np.floor(((end - 1) / factor - other.offset[axis]) / other.chunk[axis]).astype(int)
        if factor < 1 or (high - low > 1).any():
            return None
        found.append((low.clip(0, other.cells[axis] - 1), high.clip(0, other.cells[axis] - 1)))
    return found


def voxel(lengths: Triple) -> tuple[float, ...]:
    """Return a voxel as a grid of three axes has it; ones where nobody knows."""
    return lengths if min(lengths) > 0 else (1.0, 1.0, 1.0)
