"""Volumes: metadata, scales, and every chunk that is there or is not, for each format of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from publisher.health import chunks, holes, info, shards
from publisher.health.presence import Cell, Grid
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding


def check(volume: Subject, depth: Depth) -> Iterator[Finding]:
    """Look at a volume of any format."""
    if volume.facts.format == "precomputed":
        yield from _precomputed(volume, depth)


def _precomputed(volume: Subject, depth: Depth) -> Iterator[Finding]:
    broken = False
    for finding in info.check(volume):
        broken |= finding.severity == "error" and finding.check == "info"
        yield finding
    if broken:
        return  # names and lengths would be held against an `info` that is wrong
    in_files, in_shards = chunks.scales(volume), shards.scales(volume)
    yield from chunks.names(volume, shards.taken(volume.files(), in_shards), in_files, depth)
    yield from shards.check(volume, in_shards, depth)
    yield from holes.check(volume, list(_levels(volume, in_files, in_shards)), depth, holes.nothing_known)


def _levels(
    volume: Subject, in_files: dict[str, chunks.Scale], in_shards: dict[str, shards.Scale]
) -> Iterator[holes.Level]:
    """Yield the scales of which it is known which chunks are stored, finest first."""
    for scale in volume.facts.scales:
        key, voxel = scale.key.strip("/"), holes.voxel(scale.voxel_size_nm)
        if key in in_files:
            seen = in_files[key].seen
        else:
            seen = (in_shards[key].present,) if in_shards[key].complete and in_shards[key].files else ()
        for present in seen:
            yield holes.Level(key, present, voxel, _naming(key, present.grid, in_shards.get(key)))


def _naming(key: str, grid: Grid, scale: shards.Scale | None) -> Callable[[Cell], str]:
    """Return what says where the chunk of a cell is stored."""
    if scale is None:
        return lambda cell: f"{key}/{chunks.name(grid, cell)}"
    return partial(_in_shard, scale)


def _in_shard(scale: shards.Scale, cell: Cell) -> str:
    return f"{scale.key}/{chunks.name(scale.present.grid, cell)}"
