"""STL: triangles, each with its own corners; binary (little-endian, 50 bytes a triangle) or text.

Source of the format: 3D Systems' StereoLithography Interface Specification, 1989. Normals mean nothing here.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from publisher.errors import InvalidInput, Problem
from publisher.formats.surfaces.surface import NAMED, Surface, merged

_HEAD, _TRIANGLE = 84, np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
_VERTEX = re.compile(rb"^[ \t]*vertex[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)[ \t]*\r?$", re.MULTILINE)
_LIKE = re.compile(rb"^[ \t]*(vertex\b.*?)[ \t]*\r?$", re.MULTILINE)


def read(path: Path, where: str) -> Surface:
    """Read a file; raise InvalidInput with the line, or the size, that cannot be."""
    data = path.read_bytes()
    count = int.from_bytes(data[80:_HEAD], "little")
    if len(data) == _HEAD + 50 * count and len(data) >= _HEAD:  # some binary files begin with `solid` too
        return merged(np.frombuffer(data, _TRIANGLE, count, _HEAD)["corners"].astype(np.float64))
    if data.lstrip()[:5] == b"solid":
        return _text(data, where)
    message = f"is {len(data)} bytes long, and {count} triangles in binary STL are {_HEAD + 50 * count}"
    raise InvalidInput(Problem(where, message, "is it whole, and STL?"))


def _text(data: bytes, where: str) -> Surface:
    problems = []
    try:
        rows = np.array([found.groups() for found in _VERTEX.finditer(data)]).astype(np.float64).reshape(-1, 3)
        good = sum(1 for _ in _LIKE.finditer(data)) == len(rows) and bool(np.isfinite(rows).all())
    except ValueError:
        good = False
    if not good:
        for found in _LIKE.finditer(data):
            words = found[1].split()[1:]
            if len(words) != 3 or not all(_is_number(word) for word in words):  # noqa: PLR2004 - x, y, z
                line = data.count(b"\n", 0, found.start()) + 1
                shown = found[1][:60].decode("utf-8", "replace")
                problems.append(Problem(f"{where}:{line}", f"is not a vertex: {shown!r}", "like: vertex 1.5 2 3"))
    elif len(rows) % 3:
        problems.append(Problem(where, f"has {len(rows)} vertices, which are no whole triangles", "is it whole?"))
    if problems:
        raise InvalidInput(problems[:NAMED])
    return merged(rows.reshape(-1, 3, 3))


def _is_number(word: bytes) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False
