"""Multi-resolution meshes: the manifest of a segment, and the grid that its fragments stand on.

Source of the rules: neuroglancer, src/datasource/precomputed/meshes.md. A node of level `lod` is a cube of
`chunk_nm * 2**lod`; within it a coordinate is a whole number from 0 to `2**bits - 1`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPE = "neuroglancer_multilod_draco"
IDENTITY = (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)


class Broken(ValueError):
    """A manifest that breaks the specification."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of detail: its resolution in nm, its nodes (n, 3) in Z order, and the bytes of each one's fragment."""

    scale_nm: float
    nodes: NDArray[np.uint32]
    sizes: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Where the fragments of a segment stand, finest level first; lengths in nm (of the stored model)."""

    chunk_nm: tuple[float, float, float]
    origin_nm: tuple[float, float, float]
    levels: tuple[Level, ...]

    def encode(self) -> bytes:
        """Return the bytes of `<id>.index`."""
        count = len(self.levels)
        parts = [
            struct.pack("<6fI", *self.chunk_nm, *self.origin_nm, count),
            np.array([level.scale_nm for level in self.levels], "<f4").tobytes(),
            bytes(12 * count),  # vertex_offsets
            np.array([len(level.nodes) for level in self.levels], "<u4").tobytes(),
        ]
        for level in self.levels:
            parts += [level.nodes.T.astype("<u4").tobytes(), level.sizes.astype("<u4").tobytes()]
        return b"".join(parts)

    @property
    def size_bytes(self) -> int:
        """How many bytes all fragments are together."""
        return sum(int(level.sizes.sum(dtype=np.uint64)) for level in self.levels)


def decode(data: bytes) -> Manifest:
    """Read a manifest; raise Broken where its size or its numbers cannot be."""
    if len(data) < 28:  # noqa: PLR2004 - the fixed part
        raise Broken(f"is {len(data)} bytes long; a manifest has at least 28")
    *lengths, count = struct.unpack_from("<6fI", data)
    at = 28
    if len(data) < at + 20 * count:
        raise Broken(f"is {len(data)} bytes long, which {count} levels of detail do not fit in")
    scales = np.frombuffer(data, "<f4", count, at)
    numbers = np.frombuffer(data, "<u4", count, at + 16 * count)
    at += 20 * count
    if len(data) != at + 16 * int(numbers.sum(dtype=np.uint64)):
        raise Broken(f"is {len(data)} bytes long; its {count} levels of detail need {at + 16 * int(numbers.sum())}")
    if not np.isfinite(lengths).all() or min(lengths[:3]) <= 0:
        raise Broken(f"has chunks of {lengths[:3]} and the origin {lengths[3:]}")
    levels = []
    for scale, number in zip(scales.tolist(), numbers.tolist(), strict=True):
        nodes = np.frombuffer(data, "<u4", 3 * number, at).reshape(3, -1).T
        levels.append(Level(scale, nodes, np.frombuffer(data, "<u4", number, at + 12 * number)))
        at += 16 * number
    x, y, z, *origin = lengths
    return Manifest((x, y, z), (origin[0], origin[1], origin[2]), tuple(levels))


def info(bits: int, lod_scale_multiplier: float, sharding: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the `info` of a folder whose stored model is in nm."""
    made: dict[str, Any] = {
        "@type": TYPE,
        "vertex_quantization_bits": bits,
        "transform": list(IDENTITY),
        "lod_scale_multiplier": lod_scale_multiplier,
    }
    return made if sharding is None else made | {"sharding": sharding}


def z_order(nodes: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return the Morton code of nodes (n, 3) with coordinates below 2^21, x lowest: what the nodes are sorted by."""
    codes = np.zeros(len(nodes), np.uint64)
    for bit in range(21):
        for axis in range(3):
            codes |= ((nodes[:, axis].astype(np.uint64) >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return codes
