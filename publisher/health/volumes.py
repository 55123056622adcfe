"""Volumes: metadata, scales, and every chunk that is there or is not, for each format of arrays."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from numpy.typing import NDArray

from publisher.health import arrays, chunks, holes, info, shards
from publisher.health.occupied import Occupied
from publisher.health.presence import Cell, Grid
from publisher.health.readers import TELL, Second
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding


def check(volume: Subject, depth: Depth) -> Iterator[Finding]:
    """Look at a volume of any format."""
    yield from _precomputed(volume, depth) if volume.facts.format == "precomputed" else arrays.check(volume, depth)


def _precomputed(volume: Subject, depth: Depth) -> Iterator[Finding]:
    said = list(info.check(volume))
    yield from said
    if any(finding.severity == "error" and finding.check == "info" for finding in said):
        return  # names and lengths would be held against an `info` that is wrong
    in_files, in_shards = chunks.scales(volume), shards.scales(volume)
    if depth != "quick":
        of_files, of_shards = in_files.values(), in_shards.values()
        yield from _refused(volume, [*(scale.second for scale in of_files), *(scale.second for scale in of_shards)])
    yield from chunks.names(volume, shards.taken(volume.files(), in_shards), in_files, depth)
    yield from shards.check(volume, in_shards, depth)
    levels = list(_levels(volume, in_files, in_shards))
    fetch = partial(_voxels, volume, levels, in_files, in_shards)
    grids = [level.present.grid for level in levels]
    occupied = Occupied(fetch, grids, smooth=volume.facts.role == "image")
    alike = all(finding.check != "scales" for finding in said)
    for group in [levels] if alike else [[level] for level in levels]:  # what does not agree proves nothing
        yield from holes.check(volume, group, depth, occupied)


def _refused(volume: Subject, seconds: list[Second]) -> Iterator[Finding]:
    for second in seconds:
        if second.able and second.refusal:
            message = f"tensorstore cannot open scale {second.key}: {second.refusal} → {TELL}"
            yield volume.finding("readers", "warning", message, "info")


def _voxels(
    volume: Subject,
    levels: list[holes.Level],
    in_files: dict[str, chunks.Scale],
    in_shards: dict[str, shards.Scale],
    number: int,
    cell: Cell,
) -> tuple[NDArray[Any], tuple[int, int]] | None:
    """Return the voxels of a chunk, and which values may be nothing, where there is somebody to decode it."""
    key, grid = levels[number].place, levels[number].present.grid
    second = in_files[key].second if key in in_files else in_shards[key].second
    if not second.able:
        return None
    try:
        if key in in_shards:
            return second.voxels(grid, cell), second.faint
        name = chunks.name(grid, cell)
        data = volume.read(f"{key}/{name}")
        return (second.voxels(grid, cell, data, name), second.faint) if data is not None else None
    except (OSError, ValueError, zlib.error):
        return None  # a damaged chunk is a finding of its own


def _levels(
    volume: Subject, in_files: dict[str, chunks.Scale], in_shards: dict[str, shards.Scale]
) -> Iterator[holes.Level]:
    """Yield the scales of which it is known which chunks are stored, finest first."""
    for scale in volume.facts.scales:
        key, voxel = scale.key.strip("/"), holes.voxel(scale.voxel_size_nm)
        if key in in_files:
            seen = tuple(grid.present for grid in in_files[key].grids)
        else:
            seen = (in_shards[key].present,) if in_shards[key].complete and in_shards[key].files else ()
        for present in seen:
            name = partial(chunks.name, present.grid)
            yield holes.Level(key, present, voxel, name, _file(key, present.grid, in_shards.get(key)))


def _file(key: str, grid: Grid, scale: shards.Scale | None) -> Callable[[Cell], str]:
    """Return what says in which file the chunk of a cell belongs."""
    if scale is None:
        return lambda cell: f"{key}/{chunks.name(grid, cell)}"
    return lambda cell: f"{key}/{shards.home(scale, cell)}"
