"""Chunks that are not stored: legitimately, because there is nothing in them, or because they were lost.

Readers take what is not stored for 0. That is meant where the scales agree: a chunk may be missing where the coarser
scale has none either, or nothing at that place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher.facts import Triple
from publisher.health.presence import Cell, Grid, Present
from publisher.health.sample import SAMPLE
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding, Severity

MAX_COMPARED = 1 << 26  # cells of a grid that are held as bytes to compare two scales
SPARSE = 0.9  # of a segmentation's chunks: where fewer are stored, empty ones were left out on purpose
_NAMED = 3

Occupied = Callable[[int, Grid, Cell], bool | None]
"""Whether the scale of a number has anything at the place of a chunk of the next finer one; None if that is not known."""


_Lost = tuple[Cell, Severity, str]  # and why it cannot be empty


class Level(NamedTuple):
    """One scale: where it lies, what is stored of it, its voxel along the grid's own axes, and how a chunk is called."""

    place: str
    present: Present
    voxel: tuple[float, ...]
    name: Callable[[Cell], str]


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
        lost, proved = _lost(volume, levels, number, depth, occupied)
        for cell, severity, why in lost:
            message = f"is not stored, but {why} → write the chunk again; if it is empty on purpose, write the other scale again"
            yield volume.finding("missing", severity, message, level.name(cell))
        if not lost:
            yield _told(volume, level, proved=proved)


def _told(volume: Subject, level: Level, *, proved: bool) -> Finding:
    present = level.present
    sparse = present.count < SPARSE * present.expected and volume.facts.role == "segmentation"
    missing = f"{present.expected - present.count:,} of its {present.expected:,} chunks are not stored, and read as 0"
    if proved or sparse:
        because = "the other scales are empty there, too" if proved else "as labels that are sparse"
        message = f"{missing}: {because} → nothing to do; readers that use cloud-volume need fill_missing=True"
        return volume.finding("missing", "note", message, level.place)
    first = ", ".join(level.name(cell).rpartition("/")[2] for cell in present.holes(_NAMED))
    message = f"{missing}, first {first} → write them; or, if they are empty, write zeros so that nobody need wonder"
    return volume.finding("missing", "warning", message, level.place)


def _lost(
    volume: Subject, levels: Sequence[Level], number: int, depth: Depth, occupied: Occupied
) -> tuple[list[_Lost], bool]:
    """Return the chunks of a scale that others prove to be lost; and whether they prove that all others are empty."""
    level = levels[number]
    if not level.present.known or level.present.expected > MAX_COMPARED or len(levels) == 1:
        return [], False
    empty = ~level.present.array()
    lost: list[_Lost] = []
    doubt = False
    if number + 1 < len(levels) and (cover := _covered(level, levels[number + 1])) is not None:
        suspects = np.argwhere(empty & cover)
        few = suspects if depth == "full" else suspects[:: max(1, len(suspects) // SAMPLE)]
        answers = (
            []
            if depth == "quick"
            else [(tuple(c), occupied(number + 1, level.present.grid, tuple(c))) for c in few.tolist()]
        )
        why = f"scale {levels[number + 1].place} has data there"
        lost += [(cell, "error", why) for cell, answer in answers if answer]
        doubt |= bool(len(suspects)) and (not answers or any(answer is None for _, answer in answers))
    elif number + 1 < len(levels):
        return [], False
    if number > 0 and (inside := _filled(levels[number - 1], level)) is not None:
        full = np.argwhere(empty & inside)
        # What is small may vanish in a coarser scale, so this proves nothing.
        why = f"all that scale {levels[number - 1].place} has at its place are"
        lost += [(tuple(cell), "warning", why) for cell in full.tolist()] if volume.facts.role == "image" else []
        if number + 1 == len(levels):
            some = _filled(levels[number - 1], level, whole=False)
            doubt |= some is not None and bool((empty & some).any()) and not lost
    elif number > 0:
        return lost, False
    return lost, not doubt


def _covered(fine: Level, coarse: Level) -> NDArray[Any] | None:
    """Return for each chunk of a scale whether a chunk of the coarser one that holds the same place is stored."""
    ranges = _ranges(fine, coarse)
    if ranges is None or not coarse.present.known or coarse.present.expected > MAX_COMPARED:
        return None
    stored = coarse.present.array()
    for axis, (low, high) in enumerate(ranges):
        stored = np.take(stored, low, axis) | np.take(stored, high, axis)
    return stored


def _filled(fine: Level, coarse: Level, *, whole: bool = True) -> NDArray[Any] | None:
    """Return for each chunk of a coarser scale whether all (or any) chunks of the finer one at its place are stored."""
    ranges = _ranges(fine, coarse)
    if ranges is None or not fine.present.known or fine.present.expected > MAX_COMPARED:
        return None
    stored = fine.present.array()
    for axis, (low, _) in enumerate(ranges):
        starts = np.searchsorted(low, np.arange(coarse.present.cells[axis]))
        if (starts >= len(low)).any():
            return None
        stored = (np.logical_and if whole else np.logical_or).reduceat(stored, starts, axis)
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


def nothing_known(number: int, grid: Grid, cell: Cell) -> None:
    """Say that nobody can look into the content."""
    del number, grid, cell


def voxel(lengths: Triple) -> tuple[float, ...]:
    """Return a voxel as a grid of three axes has it; ones where nobody knows."""
    return lengths if min(lengths) > 0 else (1.0, 1.0, 1.0)
