"""The manifest of a multi-resolution mesh as numbers, and what is wrong with them.

Source: neuroglancer, src/datasource/precomputed/meshes.md, "Multi-resolution mesh manifest file format".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from publisher.objects import Severity

_HEAD = 28  # two times three float32, and the number of levels
_MOST_LEVELS = 64
_DRACO = b"DRACO"


class Manifest(NamedTuple):
    """Lengths in stored coordinates; `positions` and `sizes` (bytes) of fragments by level of detail, finest first."""

    chunk_shape: tuple[float, ...]
    grid_origin: tuple[float, ...]
    lod_scales: tuple[float, ...]
    vertex_offsets: tuple[tuple[float, ...], ...]
    positions: tuple[tuple[tuple[int, ...], ...], ...]
    sizes: tuple[tuple[int, ...], ...]


def parse(data: bytes) -> Manifest | str:
    """Return the manifest, or what is wrong with its size."""
    if len(data) < _HEAD:
        return f"is {len(data)} bytes long, too short for the manifest of a mesh"
    (levels,) = struct.unpack_from("<I", data, 24)
    if not 0 < levels <= _MOST_LEVELS or len(data) < _HEAD + 20 * levels:
        return f"says that there are {levels} levels of detail, and is {len(data)} bytes long"
    scales = struct.unpack_from(f"<{levels}f", data, _HEAD)
    flat = struct.unpack_from(f"<{3 * levels}f", data, _HEAD + 4 * levels)
    counts = struct.unpack_from(f"<{levels}I", data, _HEAD + 16 * levels)
    wanted = _HEAD + 20 * levels + 16 * sum(counts)
    if len(data) != wanted:
        told = ", ".join(map(str, counts))
        return f"is {len(data)} bytes long; levels of {told} fragments take {wanted} → is it cut off?"
    at = _HEAD + 20 * levels
    positions, sizes = [], []
    for count in counts:
        numbers = struct.unpack_from(f"<{4 * count}I", data, at)
        positions.append(tuple(zip(*(numbers[axis * count : (axis + 1) * count] for axis in range(3)), strict=True)))
        sizes.append(numbers[3 * count :])
        at += 16 * count
    return Manifest(
        chunk_shape=struct.unpack_from("<3f", data),
        grid_origin=struct.unpack_from("<3f", data, 12),
        lod_scales=scales,
        vertex_offsets=tuple(flat[at : at + 3] for at in range(0, 3 * levels, 3)),
        positions=tuple(positions),
        sizes=tuple(sizes),
    )


def troubles(manifest: Manifest) -> Iterator[tuple[Severity, str]]:
    """Yield what is wrong with what a manifest says: shape, scales that grow, fragments in Z order."""
    if not all(0 < side < float("inf") for side in manifest.chunk_shape):
        yield "error", f"`chunk_shape` must be three lengths above 0, not {list(manifest.chunk_shape)}"
    places = (*manifest.grid_origin, *(number for offset in manifest.vertex_offsets for number in offset))
    if not all(abs(number) < float("inf") for number in places):
        yield "error", "`grid_origin` or `vertex_offsets` is no number (NaN or infinite)"
    scales = manifest.lod_scales
    told = [float(f"{scale:.4g}") for scale in scales]
    if not all(0 <= scale < float("inf") for scale in scales):
        yield "error", f"`lod_scales` must be lengths from 0 up, not {told}"
    elif any(one >= two for one, two in pairwise(scales)):
        yield "error", f"`lod_scales` must grow from level to level, and are {told}: the viewer takes the wrong level"
    for level, positions in enumerate(manifest.positions):
        if any(not z_before(one, two) for one, two in pairwise(positions)):
            message = (
                f"the fragments of level {level} are not in Z order, or one is there twice: the viewer misses some"
            )
            yield "error", f"{message} → sort them, with x as the lowest bit"


def z_before(one: tuple[int, ...], two: tuple[int, ...]) -> bool:
    """Whether a place comes before another in Z order, x the lowest bit: the highest bit that differs decides."""
    axis = max(range(len(one)), key=lambda at: ((one[at] ^ two[at]).bit_length(), at))
    return one[axis] < two[axis]


def draco_trouble(manifest: Manifest, fragments: bytes) -> str:
    """Return what is wrong with where the fragments lie: each that is not empty begins as Draco does; "" for nothing."""
    start = 0
    for level, sizes in enumerate(manifest.sizes):
        for number, size in enumerate(sizes):
            if size and not fragments.startswith(_DRACO, start):
                message = (
                    f"fragment {number} of level {level}, at byte {start} of the mesh, does not begin as Draco does"
                )
                return f"{message} → are the sizes in the manifest those of this mesh?"
            start += size
    return ""
