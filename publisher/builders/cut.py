"""Cutting a surface at the planes of a grid, so that no triangle crosses one. What is drawn stays the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def cut(vertices: Floats, faces: Whole, width: float) -> tuple[Floats, Whole]:
    """Cut faces (m, 3) at all planes that lie at multiples of `width` along x, y and z.

    New vertices on a plane have its very coordinate; those of neighbours that share an edge are one. `width` times the
    number of a plane must be exact in float64 (whole or half numbers are).
    """
    for axis in range(3):
        vertices, faces = _along(vertices, faces, axis, width)
    return vertices, faces


def _along(vertices: Floats, faces: Whole, axis: int, width: float) -> tuple[Floats, Whole]:
    done: list[Whole] = []
    while True:
        places = vertices[faces, axis]
        low, high = np.floor(places.min(axis=1) / width), np.ceil(places.max(axis=1) / width)
        crossing = high - low > 1
        done.append(faces[~crossing])
        if not crossing.any():
            return vertices, np.concatenate(done)
        # The plane nearest the middle of each face: one that crosses n planes is done after log2(n) rounds.
        planes = np.floor((low[crossing] + high[crossing]) / 2)
        vertices, faces = _split(vertices, faces[crossing], axis, planes, width)


def _split(vertices: Floats, faces: Whole, axis: int, planes: Floats, width: float) -> tuple[Floats, Whole]:
    """Cut each face by a plane of its own, which has corners of it on both sides."""
    sides = np.sign(vertices[faces, axis] - (planes * width)[:, None]).astype(np.int64)
    touching = (sides == 0).any(axis=1)
    # The corner that is alone on its side comes first; where one lies on the plane, that one.
    alone = np.where(touching[:, None], sides == 0, sides == -sides.sum(axis=1, keepdims=True)).argmax(axis=1)
    faces = np.take_along_axis(faces, (alone[:, None] + np.arange(3)) % 3, axis=1)
    a, b, c = faces.T
    starts = np.concatenate([b[touching], a[~touching], a[~touching]])
    ends = np.concatenate([c[touching], b[~touching], c[~touching]])
    of = np.concatenate([planes[touching], planes[~touching], planes[~touching]])
    vertices, new = _crossings(vertices, (starts, ends), axis, of, width)
    count = int(touching.sum())
    bc, (ab, ac) = new[:count], np.split(new[count:], 2)
    at, bt, ct = a[touching], b[touching], c[touching]
    an, bn, cn = a[~touching], b[~touching], c[~touching]
    pieces = [(at, bt, bc), (at, bc, ct), (an, ab, ac), (ab, bn, cn), (ab, cn, ac)]
    return vertices, np.concatenate([np.stack(piece, axis=1) for piece in pieces])


def _crossings(
    vertices: Floats, edges: tuple[Whole, Whole], axis: int, planes: Floats, width: float
) -> tuple[Floats, Whole]:
    """Add the point where each edge meets its plane, once for each edge and plane; return their numbers, too."""
    low, high = np.minimum(*edges), np.maximum(*edges)
    order = np.lexsort((planes, high, low))
    keys = np.stack([low, high, planes.astype(np.int64)], axis=1)[order]
    first = np.concatenate([[True], (keys[1:] != keys[:-1]).any(axis=1)])
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(first) - 1 + len(vertices)
    one, other, plane = (column for column in keys[first].T)
    start, end = vertices[one], vertices[other]
    share = (plane * width - start[:, axis]) / (end[:, axis] - start[:, axis])
    points = start + share[:, None] * (end - start)
    points[:, axis] = plane * width
    return np.concatenate([vertices, points]), numbers
