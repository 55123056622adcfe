"""One surface → levels of detail, each cut into fragments on an octree, encoded with draco.

The grid is chosen so that what people have is kept. With 16 bits its step at full detail is 1/4 nm or a half, a quarter …
of that: a vertex moves by less than 0.22 nm, and one on a whole or half voxel of 8 nm does not move at all. With 10 bits,
where a fragment of that step would be 256 nm wide, the step is 2 nm: a vertex moves by up to 1.8 nm. A region of the brain
with edges of 10 µm would so fall into thousands of fragments with a few faces each; where a fragment would be narrower
than 16 edges, on average, the step is doubled until it is not. With 16 bits, that is for edges beyond 2 µm.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from publisher.builders.cut import Floats, Whole, cut
from publisher.formats.multires import Level, Manifest, z_order

STEP_NM = {16: 0.25, 10: 2.0}
FACES = 1 << 15  # of a fragment, on average at the most: a request is then some 100 KB
LEAST = 1000  # faces; they are 5 KB, and with fewer the thin branches of a neuron are gone
EDGES = 16  # edges, on average, that a fragment is wide at the most where its step had to grow
_SHARE = 4  # a level has a quarter of the faces of the finer one: half the resolution of a surface


class Built(NamedTuple):
    """A segment in its multi-resolution form: the manifest, and its fragments one after the other."""

    manifest: Manifest
    fragments: bytes


def build(vertices_nm: Floats, faces: Whole, bits: int) -> Built:
    """Build all levels of a surface: vertices (n, 3) in nm, faces (m, 3) as rows of it; at least one has an area."""
    low, high = vertices_nm[faces].min(axis=(0, 1)), vertices_nm[faces].max(axis=(0, 1))
    extent = float((high - low).max())
    step, count = _grid(extent, _resolution(vertices_nm, faces), len(faces), bits)
    origin = (np.floor(low / step) * step).astype(np.float32).astype(np.float64)
    width = (1 << bits) - 1
    levels, data, nodes = [], [], np.empty((0, 3), np.int64)
    scale = 0.0
    for lod, (points, corners) in enumerate(_coarser(vertices_nm - origin, faces, count)):
        found = dict(_fragments(points / (step * 2**lod), corners, width, halves=lod > 0))
        # A node without a fragment keeps its finer ones reachable: else the viewer never asks for them.
        nodes = np.unique(np.concatenate([nodes >> 1, np.array(list(found), np.int64).reshape(-1, 3)]), axis=0)
        nodes = nodes[np.argsort(z_order(nodes))]
        pieces = [found.get((x, y, z), b"") for x, y, z in nodes.tolist()]
        scale = max(scale, _resolution(points, corners))
        levels.append(Level(scale, nodes.astype(np.uint32), np.array([len(piece) for piece in pieces], np.uint32)))
        data += pieces
    x, y, z = origin.tolist()
    return Built(Manifest((step * width,) * 3, (x, y, z), tuple(levels)), b"".join(data))


def _grid(extent_nm: float, edge_nm: float, faces: int, bits: int) -> tuple[float, int]:
    """Return the step at full detail in nm and the number of levels, so that the coarsest is a single fragment."""
    width = (1 << bits) - 1
    step = STEP_NM[bits]
    while 2 * step * width <= EDGES * edge_nm:
        step *= 2
    count = 1 + max(0, int(np.ceil(np.log(faces / FACES) / np.log(_SHARE))))
    while step * width * 2 ** (count - 1) < extent_nm + step:
        count += 1
    while count > 1 and step * width * 2 ** (count - 2) >= extent_nm + step:
        step /= 2
    return step, count


def _coarser(vertices: Floats, faces: Whole, count: int) -> Iterator[tuple[Floats, Whole]]:
    """Yield a surface, and the same with ever fewer faces."""
    import fast_simplification  # noqa: PLC0415 - an extra, and only this needs it

    for lod in range(count):
        if lod and len(faces) > LEAST:
            target = max(LEAST, len(faces) // _SHARE)
            unit = _resolution(vertices, faces)  # its thresholds are made for edges of about one
            scaled = vertices / unit
            points, corners = fast_simplification.simplify(scaled, faces.astype(np.int32), target_count=target)
            if len(corners):
                vertices, faces = points.astype(np.float64) * unit, corners.astype(np.int64)
        yield vertices, faces


def _resolution(vertices: Floats, faces: Whole) -> float:
    """Return how long an edge is on average, in the units of the vertices."""
    corners = vertices[faces]
    return float(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).mean())


def _fragments(
    vertices: Floats, faces: Whole, width: int, *, halves: bool
) -> Iterator[tuple[tuple[int, int, int], bytes]]:
    """Yield the nodes that have faces, each with its fragment; vertices are in steps of this level.

    Where there are finer levels, no face may cross the middle of its node either: the viewer draws eighths of it.
    """
    import DracoPy  # noqa: PLC0415 - an extra, and only this needs it

    vertices, faces = cut(vertices, faces, width / 2 if halves else width)
    corners = vertices[faces]
    nodes = np.floor(corners.mean(axis=1) / width).astype(np.int64)
    nodes = np.maximum(nodes, 0)
    order = np.argsort(z_order(nodes), kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(nodes[order], axis=0) != 0).any(axis=1)]))
    for group in np.split(order, starts[1:]):
        node = nodes[group[0]]
        # Halves are rounded up, on both sides of a plane: the viewer takes 2**(bits - 1) for the middle.
        places = np.clip(np.floor(corners[group] - node * width + 0.5), 0, width).astype(np.uint64)
        keys = (places[..., 0] << np.uint64(32)) | (places[..., 1] << np.uint64(16)) | places[..., 2]
        _, first, inverse = np.unique(keys.ravel(), return_index=True, return_inverse=True)
        made = inverse.reshape(-1, 3)
        made = made[(made != np.roll(made, 1, axis=1)).all(axis=1)]
        if len(made):
            points = places.reshape(-1, 3)[first].astype(np.int32)
            x, y, z = node.tolist()
            yield (x, y, z), bytes(DracoPy.encode(points, made.astype(np.uint32), compression_level=7))
