"""Neuroglancer's legacy mesh fragments: the number of vertices, the vertices, the faces.

Source of the format: neuroglancer, src/datasource/precomputed/meshes.md, "Legacy single-resolution mesh format".
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from publisher.errors import InvalidInput, Problem
from publisher.formats.surfaces.surface import Surface


def read(path: Path, where: str) -> Surface:
    """Read one fragment; raise InvalidInput where its size cannot be."""
    data = path.read_bytes()
    count = int.from_bytes(data[:4], "little")
    if len(data) < 4 + 12 * count or (len(data) - 4 - 12 * count) % 12:
        message = f"is {len(data)} bytes long, which {count} vertices and whole faces cannot be"
        raise InvalidInput(Problem(where, message, "is it whole, and a neuroglancer mesh?"))
    vertices = np.frombuffer(data, "<f4", 3 * count, 4).reshape(-1, 3)
    faces = np.frombuffer(data, "<u4", offset=4 + 12 * count).reshape(-1, 3)
    return Surface(vertices.astype(np.float64), faces.astype(np.int64))


def fragments(path: Path) -> list[Path]:
    """Return the fragments that a manifest `<id>:0` names and that are there; none for any other file."""
    if not path.name.endswith(":0"):
        return []
    try:
        return [each for each in _named(path) if each.is_file()]
    except InvalidInput:
        return []


def _named(path: Path, where: str = "") -> list[Path]:
    try:
        names = json.loads(path.read_bytes())["fragments"]
        if all(isinstance(name, str) and "/" not in name for name in names):
            return [path.parent / name for name in names]
    except (ValueError, KeyError, TypeError):
        pass
    raise InvalidInput(Problem(where, "is not a list of fragments", 'like {"fragments": ["12.ngmesh"]}'))


def read_manifest(path: Path, where: str) -> Surface:
    """Read all fragments that the manifest `<id>:0` names, which lie beside it, as one surface."""
    paths = _named(path, where)
    if missing := [each.name for each in paths if not each.is_file()]:
        raise InvalidInput([Problem(where, f"names the fragment {name!r}, which is not there") for name in missing])
    parts = [read(each, f"{where}: fragment {each.name}") for each in paths]
    if not parts:
        return Surface(np.empty((0, 3)), np.empty((0, 3), np.int64))
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    faces = [part.faces + start for part, start in zip(parts, starts, strict=True)]
    return Surface(np.concatenate([part.vertices for part in parts]), np.concatenate(faces))


def encode(vertices_nm: NDArray[np.floating], faces: NDArray[np.integer]) -> bytes:
    """Return a fragment: vertices (n, 3) in nm, as float32; faces (m, 3)."""
    return len(vertices_nm).to_bytes(4, "little") + vertices_nm.astype("<f4").tobytes() + faces.astype("<u4").tobytes()
