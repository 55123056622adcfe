"""What lies in a precomputed mesh folder: how many meshes, of which segments, and where. Lengths in nm.

Source of the rules: neuroglancer, src/datasource/precomputed/meshes.md and sharded.md. Names may end in `.gz`, for
objects that are stored with gzip.
"""

from __future__ import annotations

import gzip
import heapq
import json
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher.errors import InvalidInput
from publisher.facts import MeshFacts, Triple
from publisher.formats import multires, sharded
from publisher.formats.surfaces import ngmesh
from publisher.headers import GZIP_MAGIC

SAMPLE = 10  # segments that are named, and looked at for their place
_NAMES = {"legacy": re.compile(r"([0-9]+):0(\.gz)?"), "multiresolution": re.compile(r"([0-9]+)\.index(\.gz)?")}
_DAMAGED = (RuntimeError, OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, InvalidInput)

Points = NDArray[np.float64]


class _Manifest(NamedTuple):
    """Where the manifest of a segment lies: a file, or bytes of a shard."""

    segment: int
    path: Path
    offset: int = 0
    size: int = -1


def look(folder: Path, info: dict[str, Any], facts: MeshFacts) -> MeshFacts:
    """Return what an `info` says with what is in the folder; what cannot be read is left out, for checks to tell.

    The bounding box is that of the first meshes by number, at most `SAMPLE`; the vertex is one of the first, where it
    takes no decoder to read it.
    """
    try:
        number, sample = _sampled(_sharded(folder, info["sharding"]) if facts.sharded else _listed(folder, facts.form))
        places = [_corners(folder, info, facts, each) for each in sample]
    except _DAMAGED:
        return facts
    facts = replace(facts, count=number, ids=tuple(str(each.segment) for each in sample))
    if not places:
        return facts
    every = np.concatenate([[place.min(axis=0), place.max(axis=0)] for place in places])
    vertex = _triple(places[0][len(places[0]) // 2]) if facts.form == "legacy" else None
    return replace(facts, bounds_nm=(_triple(every.min(axis=0)), _triple(every.max(axis=0))), vertex_nm=vertex)


def _triple(values: Points) -> Triple:
    x, y, z = values.tolist()
    return x, y, z


def _sampled(manifests: Iterator[_Manifest]) -> tuple[int, list[_Manifest]]:
    """Count a stream, and keep the first of it by number."""
    numbers = count()
    sample = heapq.nsmallest(SAMPLE, (each for each, _ in zip(manifests, numbers, strict=False)))
    return next(numbers), sample


def _listed(folder: Path, form: str) -> Iterator[_Manifest]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if found := _NAMES[form].fullmatch(entry.name):
                yield _Manifest(int(found[1]), Path(entry.path))


def _sharded(folder: Path, value: Any) -> Iterator[_Manifest]:  # noqa: ANN401 - JSON
    sharding = sharded.Sharding.from_json(value)
    for path in sorted(folder.glob("*.shard")):
        with path.open("rb") as file:
            for entry in sharded.entries(sharded.reader(file), path.stat().st_size, sharding):
                yield _Manifest(entry.key, path, entry.offset, entry.size)


def _corners(folder: Path, info: dict[str, Any], facts: MeshFacts, manifest: _Manifest) -> Points:
    """Return points that span a mesh (n, 3): its vertices where they can be read, or the corners of its finest nodes."""
    with manifest.path.open("rb") as file:
        file.seek(manifest.offset)
        data = file.read(manifest.size)
    if facts.form == "legacy":
        names = json.loads(_plain(data))["fragments"]
        return np.concatenate([ngmesh.decode(_stored(folder / name), name).vertices for name in names])
    if facts.sharded:
        data = sharded.unpacked(data, sharded.Sharding.from_json(info["sharding"]).data_encoding, "manifest")
    found = multires.decode(_plain(data))
    corners = _coarsest(manifest, found, int(info["vertex_quantization_bits"]), sharded=facts.sharded)
    if corners is None:
        nodes = found.levels[0].nodes
        corners = np.concatenate([nodes, nodes + 1]) * np.array(found.chunk_nm) + np.array(found.origin_nm)
    matrix = np.array(info.get("transform") or multires.IDENTITY, float).reshape(3, 4)
    made: Points = corners @ matrix[:, :3].T + matrix[:, 3]
    return made


def _coarsest(at: _Manifest, found: multires.Manifest, bits: int, *, sharded: bool) -> Points | None:
    """Return the vertices of the coarsest level (n, 3), which hardly differ in extent; None where nothing reads Draco.

    A node may be far larger than what is in it: a mesh of 1 µm in a node of 16 would be looked at from far away.
    """
    try:
        import DracoPy  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    level, depth = found.levels[-1], len(found.levels) - 1
    sizes = level.sizes.tolist()
    path = at.path if sharded else at.path.with_name(str(at.segment))
    with path.open("rb") as file:
        file.seek((at.offset if sharded else found.size_bytes) - sum(sizes))
        parts = [(node, file.read(size)) for node, size in zip(level.nodes, sizes, strict=True)]
    places = [node + np.asarray(DracoPy.decode(data).points, float) / ((1 << bits) - 1) for node, data in parts if data]
    points = np.concatenate(places) if places else np.zeros((0, 3))
    return points * np.array(found.chunk_nm) * (1 << depth) + np.array(found.origin_nm) if len(points) else None


def _stored(path: Path) -> bytes:
    """Read a file, or what is stored for it as gzip under a name of its own."""
    return _plain(path.read_bytes() if path.is_file() else path.with_name(f"{path.name}.gz").read_bytes())


def _plain(data: bytes) -> bytes:
    return gzip.decompress(data) if data.startswith(GZIP_MAGIC) else data
