"""Scales of a volume, whatever its format: in order, one inside the other, and enough of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

from publisher.facts import Triple, Whole
from publisher.health.subject import Subject
from publisher.objects import Finding

LARGE_VOXELS = 512**3  # of the coarsest scale: an overview of more takes a viewer minutes
_WHOLE = 0.02  # how far a factor may be from a whole number: metadata round their lengths
_AXES = "xyz"


class Level(NamedTuple):
    """One scale as its metadata say, axes x, y, z: size and offset in its voxels, and nm a voxel."""

    name: str
    size: Whole
    voxel_nm: Triple
    offset: Triple = (0.0, 0.0, 0.0)


def check(volume: Subject, levels: Sequence[Level], file: str) -> Iterator[Finding]:
    """Look at the scales in the order in which the metadata file `file` lists them."""
    yield from _order(volume, levels, file)
    finest = levels[0]
    for level in levels[1:]:
        yield from _factors(volume, finest, level, file)
        yield from _extent(volume, finest, level, file)
    coarsest = min(prod(level.size) for level in levels)
    if coarsest > LARGE_VOXELS:
        few = "has one scale only, and it" if len(levels) == 1 else "has a coarsest scale that"
        message = f"{few} holds {coarsest:,} voxels, all of which a viewer loads for an overview → add coarser scales"
        yield volume.finding("scales", "warning", message, file)


def _order(volume: Subject, levels: Sequence[Level], file: str) -> Iterator[Finding]:
    for before, after in pairwise(levels):
        if any(a < b for a, b in zip(after.voxel_nm, before.voxel_nm, strict=True)):
            message = (
                f"lists scale {after.name} ({_nm(after)}) after {before.name} ({_nm(before)}), which is coarser: readers "
                "take the first for the finest → list the scales from fine to coarse"
            )
            yield volume.finding("scales", "error", message, file)
        elif after.voxel_nm == before.voxel_nm:
            message = f"has two scales of {_nm(after)}, {before.name} and {after.name} → keep one of them, or mend `resolution`"
            yield volume.finding("scales", "warning", message, file)


def _factors(volume: Subject, finest: Level, level: Level, file: str) -> Iterator[Finding]:
    factors = [a / b for a, b in zip(level.voxel_nm, finest.voxel_nm, strict=True)]
    odd = [factor for factor in factors if abs(factor - round(factor)) > _WHOLE * factor]
    if odd and min(factors) >= 1:
        message = (
            f"scale {level.name} has voxels of {_nm(level)}, which are {odd[0]:.4g} of those of {finest.name} "
            f"({_nm(finest)}) → factors are whole numbers: is the `resolution` right?"
        )
        yield volume.finding("scales", "warning", message, file)


def _extent(volume: Subject, finest: Level, level: Level, file: str) -> Iterator[Finding]:
    """Compare the box of a scale with that of the finest: sizes and offsets that are rounded differ by a voxel each."""
    for axis, name in enumerate(_AXES):
        (low, high), (base_low, base_high) = _box(level, axis), _box(finest, axis)
        voxel = level.voxel_nm[axis]
        begins, ends = abs(low - base_low) / voxel, abs(high - base_high) / voxel
        if max(begins, ends) <= 1 + 1e-6:
            continue
        message = (
            f"scale {level.name} spans {low:,.6g} to {high:,.6g} nm along {name}, but {finest.name} spans "
            f"{base_low:,.6g} to {base_high:,.6g} nm → correct its `size`, `resolution` or offset: they show the same data"
        )
        yield volume.finding("scales", "error" if max(begins, ends) > 2 + 1e-6 else "warning", message, file)
        return


def _box(level: Level, axis: int) -> tuple[float, float]:
    voxel = level.voxel_nm[axis]
    return level.offset[axis] * voxel, (level.offset[axis] + level.size[axis]) * voxel


def _nm(level: Level) -> str:
    return f"{' x '.join(f'{length:g}' for length in level.voxel_nm)} nm"
