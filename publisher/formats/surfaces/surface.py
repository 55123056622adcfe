"""A surface: vertices and triangles in memory, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from publisher.errors import Problem

NAMED = 10  # problems of one kind that are told of one file
HOLDS_NOTHING = "remove it, or write the mesh"


@dataclass(frozen=True, slots=True)
class Surface:
    """A mesh: `vertices` (n, 3) in whatever units the file has, `faces` (m, 3) as rows of `vertices`.

    `split` is how many polygons with more corners were cut into triangles, `dropped` how many faces had no area.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    split: int = 0
    dropped: int = 0

    def problems(self, where: str) -> Iterator[Problem]:
        """Yield why this cannot be drawn. Vertices and faces are counted from 1."""
        if not len(self.vertices) or not len(self.faces):
            yield Problem(where, f"holds no {'face' if len(self.vertices) else 'vertex'}", HOLDS_NOTHING)
            return
        for row in np.flatnonzero(~np.isfinite(self.vertices).all(axis=1))[:NAMED].tolist():
            yield Problem(where, f"vertex {row + 1} is not finite: {self.vertices[row].tolist()}", "write numbers")
        wrong = (self.faces < 0) | (self.faces >= len(self.vertices))
        for row in np.flatnonzero(wrong.any(axis=1))[:NAMED].tolist():
            corner = self.faces[row][wrong[row]][0]
            yield Problem(where, f"face {row + 1} has vertex {corner + 1}, and there are {len(self.vertices)}")


def repaired(surface: Surface) -> Surface:
    """Return a surface without faces that have no area (two equal corners, or three in a line), and count them."""
    a, b, c = (surface.vertices[surface.faces[:, corner]] for corner in range(3))
    flat = (np.cross(b - a, c - a) == 0).all(axis=1)
    return replace(surface, faces=surface.faces[~flat], dropped=int(flat.sum()))


def open_edges(surface: Surface) -> int:
    """Return how many edges belong to one face only: none of a closed surface."""
    first, second = surface.faces[:, [0, 1, 2]].ravel(), surface.faces[:, [1, 2, 0]].ravel()
    edges = np.minimum(first, second) * np.int64(len(surface.vertices)) + np.maximum(first, second)
    edges.sort()
    starts = np.flatnonzero(np.concatenate([[True], edges[1:] != edges[:-1]]))
    return int((np.diff(starts, append=len(edges)) == 1).sum())


def merged(corners: NDArray[np.float64]) -> Surface:
    """Return the surface of triangles (m, 3, 3) that were written corner by corner: equal corners become one vertex."""
    rows = np.ascontiguousarray(corners.reshape(-1, 3)) + 0.0  # -0.0 equals 0.0, but not byte for byte
    _, first, inverse = np.unique(rows.view("V24").ravel(), return_index=True, return_inverse=True)
    return Surface(rows[first], inverse.reshape(-1, 3).astype(np.int64))


def triangles(corners: list[int]) -> list[tuple[int, int, int]]:
    """Cut a polygon into triangles around its first corner."""
    return [(corners[0], corners[at], corners[at + 1]) for at in range(1, len(corners) - 1)]


def numbers(lines: list[bytes], columns: int) -> NDArray[np.float64] | None:
    """Return lines of so many numbers each as an array (n, columns); None where they are not, which is to be looked at."""
    if not lines:
        return np.empty((0, columns))
    try:
        flat = np.fromstring(b" ".join(lines), sep=" ")  # several times as fast as Python's float
    except (ValueError, DeprecationWarning):
        return None
    return flat.reshape(-1, columns) if len(flat) == columns * len(lines) else None
