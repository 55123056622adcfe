"""Places of things that belong to segments: vertices of skeletons and meshes, points of annotations. A sample of each, in nm."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.formats.precomputed import LEGACY_MESH
from publisher.health import manifests, meshes, skeletons
from publisher.health.keyed import Value, below, is_id, sharding_of, values
from publisher.health.records import layout, single
from publisher.health.sample import chosen
from publisher.health.slips import MOST_PLACES, Place
from publisher.health.stored import matrix
from publisher.health.subject import Subject
from publisher.objects import Finding

SEGMENTS = 20  # that vertices are taken from
_M_IN_NM = 1e9
_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9, "p": 1e-12}

Points = NDArray[np.float64]


class NoDraco(Exception):
    """Meshes are Draco, and nothing here reads that."""


def of(subject: Subject) -> list[Place]:
    """Return at most `MOST_PLACES` places of a layer, the same ones each time; raise NoDraco."""
    if subject.kind == "annotations":
        return list(_annotations(subject))
    numbers = random.Random(subject.key)  # noqa: S311 - a sample
    few: list[tuple[int, Points]] = []
    for segment, points in _segments(subject):
        there = points[np.isfinite(points).all(axis=1)]
        few.append((segment, there[numbers.sample(range(len(there)), min(MOST_PLACES, len(there)))]))
    each = MOST_PLACES // max(1, len(few))
    places: list[Place] = []
    for segment, points in few:
        nm = _nm(points[:each], matrix(subject.info))
        places += [Place((segment,), (x, y, z)) for x, y, z in nm.tolist()]
    return places


def ids(subject: Subject, most: int | None) -> Iterator[int]:
    """Yield ids of segments that have a skeleton or mesh here: so many by chance."""
    if subject.info.get("@type") == LEGACY_MESH:
        names = (file.relative.partition(":")[0] for file in subject.files() if file.relative.endswith(":0"))
        yield from (int(name) for name in chosen(names, most, subject.key) if isinstance(name, str) and is_id(name))
        return
    yield from (value.id for value in _values(subject, most))


def _values(subject: Subject, most: int | None) -> Iterator[Value]:
    sharding = sharding_of(subject.info, subject, "across")
    if isinstance(sharding, Finding):
        return
    if subject.kind == "meshes" and sharding is None:
        found: Iterator[Value | Finding] = meshes.unsharded(subject)
    else:
        found = values(subject, sharding, "across", "")
    yield from (one for one in chosen(found, most, subject.key) if isinstance(one, Value))


def _segments(subject: Subject) -> Iterator[tuple[int, Points]]:
    """Yield segments with their vertices (n, 3) in stored coordinates; what does not hold is left to its own check."""
    if subject.info.get("@type") == LEGACY_MESH:
        for segment in ids(subject, SEGMENTS):
            yield segment, _legacy(subject, segment)
        return
    extra = skeletons.attribute_bytes(subject.info)
    for value in _values(subject, SEGMENTS):
        data = value.read()
        if isinstance(data, bytes):
            yield value.id, _skeleton(data, extra or 0) if subject.kind == "skeletons" else _mesh(value, data)


def _skeleton(data: bytes, extra_bytes: int) -> Points:
    nodes, edges = np.frombuffer(data[:8].ljust(8, b"\0"), "<u4").tolist()
    if len(data) != 8 + nodes * (12 + extra_bytes) + edges * 8:
        return np.zeros((0, 3))
    return np.frombuffer(data, "<f4", nodes * 3, 8).reshape(-1, 3).astype(np.float64)


def _legacy(subject: Subject, segment: int) -> Points:
    fragments = meshes.legacy_fragments(subject, f"{segment}:0")
    for fragment in fragments if isinstance(fragments, list) else ():
        data = subject.read(fragment) or b""
        count = int(np.frombuffer(data[:4].ljust(4, b"\0"), "<u4")[0])
        if count and len(data) >= 4 + 12 * count:
            return np.frombuffer(data, "<f4", count * 3, 4).reshape(-1, 3).astype(np.float64)
    return np.zeros((0, 3))


def _mesh(value: Value, data: bytes) -> Points:
    """Return vertices of the finest level: those of its first fragments."""
    manifest = manifests.parse(data)
    if isinstance(manifest, str):
        return np.zeros((0, 3))
    total = sum(map(sum, manifest.sizes))
    fragments = value.before(total) if value.entry else value.place.read(str(value.id))
    bits = value.place.info.get("vertex_quantization_bits")
    if not fragments or not isinstance(bits, int):
        return np.zeros((0, 3))
    places: list[Points] = []
    start = 0
    for cell, size in zip(manifest.positions[0], manifest.sizes[0], strict=True):
        if size and sum(map(len, places)) < MOST_PLACES:
            places.append(_draco(fragments[start : start + size]) / ((1 << bits) - 1) + np.array(cell))
        start += size
    origin = np.array(manifest.grid_origin) + np.array(manifest.vertex_offsets[0])
    grid = np.concatenate([np.zeros((0, 3)), *places])
    return np.asarray(grid * np.array(manifest.chunk_shape) + origin, np.float64)


def _draco(data: bytes) -> Points:
    try:
        import DracoPy  # noqa: PLC0415 - an extra
    except ImportError:
        raise NoDraco from None
    try:
        return np.asarray(DracoPy.decode(data).points, np.float64)
    except (RuntimeError, ValueError):
        return np.zeros((0, 3))


def _nm(points: Points, transform: Sequence[float]) -> Points:
    rows = np.array(transform).reshape(3, 4)
    return np.asarray(points @ rows[:, :3].T + rows[:, 3], np.float64)


def _annotations(subject: Subject) -> Iterator[Place]:
    info, shape = subject.info, layout(subject.info)
    units = nm_of(info)
    if (
        shape is None
        or units is None
        or not shape.relationships
        or not isinstance(info.get("by_id"), dict)
        or not isinstance(info["by_id"].get("key"), str)
    ):
        return
    sharding = sharding_of(info["by_id"], subject, "across")
    if isinstance(sharding, Finding):
        return
    for value in chosen(values(below(subject, info["by_id"]["key"]), sharding, "across", ""), MOST_PLACES, subject.key):
        data = value.read() if isinstance(value, Value) else ""
        made = single(data, shape) if isinstance(data, bytes) else ""
        if isinstance(made, str):
            continue
        owners = tuple(segment for related in made.related for segment in related if segment)
        if owners and np.isfinite(made.geometry).all():
            x, y, z = (float(made.geometry[at]) * factor for at, factor in units)
            yield Place(owners, (x, y, z))


def nm_of(info: dict[str, Any]) -> list[tuple[int, float]] | None:
    """Return for x, y, z the place among the dimensions and nm a unit; None where they are not all lengths."""
    dimensions = info.get("dimensions")
    if not isinstance(dimensions, dict):
        return None
    found = []
    for axis in "xyz":
        pair = dimensions.get(axis)
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], int | float):  # noqa: PLR2004
            return None
        scale, unit = pair[0], str(pair[1])
        if not unit.endswith("m") or unit[:-1] not in _PREFIX:
            return None
        found.append((list(dimensions).index(axis), float(scale) * _PREFIX[unit[:-1]] * _M_IN_NM))
    return found
