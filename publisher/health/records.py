"""How annotations are encoded, by their `info`; decoded into numbers.

Source: neuroglancer, src/datasource/precomputed/annotations.md: geometry as float32, then properties of 4 bytes, of 2, of
1, then up to 3 bytes of padding; lists of annotations are a uint64 count, the records, and a uint64 id each.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROPERTY_BYTES = {
    "uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4, "float32": 4, "rgb": 3, "rgba": 4,
}  # fmt: skip
VECTORS = {"POINT": 1, "LINE": 2, "AXIS_ALIGNED_BOUNDING_BOX": 2, "ELLIPSOID": 2}


@dataclass(frozen=True, slots=True)
class Layout:
    """What one annotation takes: float32 numbers of geometry, and bytes with properties and padding."""

    rank: int
    floats: int
    size_bytes: int
    relationships: int


@dataclass(frozen=True, slots=True)
class Single:
    """One annotation of the index by id: its geometry, and the ids that it is related to, by relationship."""

    geometry: NDArray[np.float32]
    related: tuple[tuple[int, ...], ...]


def layout(info: dict[str, Any]) -> Layout | None:
    """Return the layout, None where `info` does not tell one (or of polylines, whose records differ in length)."""
    try:
        rank, vectors = len(info["dimensions"]), VECTORS[str(info["annotation_type"]).upper()]
        properties = sum(PROPERTY_BYTES[each["type"]] for each in info.get("properties", ()))
        relationships = len(info.get("relationships", ()))
    except (KeyError, TypeError):
        return None
    floats = rank * vectors
    return Layout(rank, floats, 4 * floats + -(-properties // 4) * 4, relationships)


def many(data: bytes, shape: Layout) -> tuple[NDArray[np.float32], NDArray[np.uint64]] | str:
    """Return geometry (n, floats) and ids (n,) of a list of annotations, or what is wrong with its size."""
    if len(data) < 8:  # noqa: PLR2004 - the count
        return f"is {len(data)} bytes long, too short for a list of annotations"
    count = int(np.frombuffer(data, "<u8", 1)[0])
    wanted = 8 + count * (shape.size_bytes + 8)
    if len(data) != wanted:
        message = (
            f"is {len(data)} bytes long; {count} annotations of {shape.size_bytes} bytes and their ids take {wanted}"
        )
        return f"{message} → is the padding there, and are the properties those of `info`?"
    rows = np.frombuffer(data, np.uint8, count * shape.size_bytes, 8).reshape(count, shape.size_bytes)
    geometry = np.ascontiguousarray(rows[:, : 4 * shape.floats]).view("<f4")
    return geometry, np.frombuffer(data, "<u8", count, 8 + count * shape.size_bytes)


def single(data: bytes, shape: Layout) -> Single | str:
    """Return one annotation of the index by id, or what is wrong with its size."""
    at = shape.size_bytes
    related: list[tuple[int, ...]] = []
    for _ in range(shape.relationships):
        if len(data) < at + 4:
            break
        count = int.from_bytes(data[at : at + 4], "little")
        if len(data) < at + 4 + 8 * count:
            break
        related.append(struct.unpack_from(f"<{count}Q", data, at + 4))
        at += 4 + 8 * count
    if len(related) != shape.relationships or len(data) != at:
        message = f"is {len(data)} bytes long; an annotation takes {shape.size_bytes} and its related ids"
        return f"{message} → is the padding there, and are properties and relationships those of `info`?"
    return Single(np.frombuffer(data, "<f4", shape.floats), tuple(related))
