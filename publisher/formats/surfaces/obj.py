"""Wavefront OBJ: lines `v x y z` and `f a b c`, vertices counted from 1, or backwards from the last with negative numbers.

Source of the format: Wavefront's Advanced Visualizer manual, appendix B1. Texture and normal indexes (`f 1/2/3 …`), further
numbers of a vertex, and all other lines mean nothing for the surface.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from publisher.errors import InvalidInput, Problem
from publisher.formats.surfaces.surface import NAMED, Surface, numbers, triangles

BLOCK = 16 << 20  # bytes of text at once
_OTHER = re.compile(rb"\s*(#|vn|vt|vp|o|g|s|mg|l|p|mtllib|usemtl|$)")  # lines without a surface
_MORE = re.compile(rb"/\S*")
_FACE = "a face is three or more numbers of vertices: f 1 2 3"


def read(path: Path, where: str) -> Surface:
    """Read a file; raise InvalidInput with the line of what is wrong in it."""
    with path.open("rb") as file:
        surface = _plain(file)
        if surface is None or next(surface.problems(where), None) is not None:
            file.seek(0)
            surface = _careful(file, where)
    return surface


def _plain(file: IO[bytes]) -> Surface | None:
    """Read what nearly all files are: three numbers on every line. None where there is anything else."""
    vertices, faces = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how numpy says that a text was not all numbers
        for lines in _blocks(file):
            found = numbers([line[2:] for line in lines if line[:2] == b"v "], 3)
            corners = [line[2:] for line in lines if line[:2] == b"f "]
            if corners and b"/" in corners[0]:
                corners = [_MORE.sub(b"", line) for line in corners]
            made = numbers(corners, 3)
            if found is None or made is None:
                return None
            if not all(_OTHER.match(line) for line in lines if line[:2] not in {b"v ", b"f "}):
                return None
            vertices.append(found)
            faces.append(made)
    if not vertices:
        return None
    index = np.concatenate(faces)
    if not np.isfinite(index).all() or (index < 1).any() or (index != np.floor(index)).any():
        return None
    return Surface(np.concatenate(vertices), index.astype(np.int64) - 1)


def _blocks(file: IO[bytes]) -> Iterator[list[bytes]]:
    rest = b""
    while block := file.read(BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        yield lines
    yield [rest]


def _careful(file: IO[bytes], where: str) -> Surface:
    """Read line by line: polygons, negative numbers, and what is wrong where."""
    vertices: list[tuple[float, ...]] = []
    faces: list[tuple[int, int, int]] = []
    lines: list[int] = []  # of each face
    split = 0
    problems: list[Problem] = []
    for number, line in enumerate(file, 1):
        words = line.split()
        if not words or words[0] not in {b"v", b"f"}:
            continue
        shown = line.strip()[:60].decode("utf-8", "replace")
        if words[0] == b"v":
            place = _place(words[1:])
            if place is None:
                problems.append(Problem(f"{where}:{number}", f"is not a vertex: {shown!r}", "three numbers: v 1.5 2 3"))
            vertices.append(place or (0.0, 0.0, 0.0))
        else:
            corners = _corners(words[1:], len(vertices))
            if len(corners) < 3:  # noqa: PLR2004 - a triangle
                problems.append(Problem(f"{where}:{number}", f"is not a face: {shown!r}", _FACE))
            faces += triangles(corners)
            lines += [number] * (len(corners) - 2)
            split += len(corners) > 3  # noqa: PLR2004 - likewise
    for face, number in zip(faces, lines, strict=True):
        if problem := next((corner for corner in face if not 0 <= corner < len(vertices)), None):
            message = f"has vertex {problem + 1}, and there are {len(vertices)}"
            problems.append(Problem(f"{where}:{number}", message, "is the file whole?"))
    if problems:
        raise InvalidInput(sorted(problems, key=_line)[:NAMED])
    surface = Surface(np.array(vertices, float).reshape(-1, 3), np.array(faces, np.int64).reshape(-1, 3), split)
    if empty := list(surface.problems(where)):
        raise InvalidInput(empty)
    return surface


def _place(words: list[bytes]) -> tuple[float, ...] | None:
    try:
        place = tuple(float(word) for word in words[:3])
    except ValueError:
        return None
    return place if len(place) == 3 and all(map(math.isfinite, place)) else None  # noqa: PLR2004 - x, y, z


def _corners(words: list[bytes], known: int) -> list[int]:
    """Return the corners of a face, counted from 0, or none where they are no numbers."""
    try:
        given = [int(word.partition(b"/")[0]) for word in words]
    except ValueError:
        return []
    return [] if 0 in given else [corner - 1 if corner > 0 else known + corner for corner in given]


def _line(problem: Problem) -> int:
    return int(problem.where.rpartition(":")[2])
