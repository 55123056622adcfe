"""Surfaces to build meshes from, written as the files that people have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def torus(around: int, across: int, *, radius: float = 20000, centre: tuple[float, float, float] = (0, 0, 0)) -> Any:
    """Return vertices (n, 3) and faces (2n, 3) of a closed torus: `radius` around, a third of that across."""
    u, v = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    a, b = u * 2 * np.pi / around, v * 2 * np.pi / across
    ring = radius * (1 + np.cos(b) / 3)
    vertices = np.stack([ring * np.cos(a), ring * np.sin(a), radius / 3 * np.sin(b)], axis=-1).reshape(-1, 3) + centre

    def at(i: Any, j: Any) -> Any:
        return ((i % around) * across + j % across).ravel()

    one = np.stack([at(u, v), at(u + 1, v), at(u + 1, v + 1)], axis=1)
    other = np.stack([at(u, v), at(u + 1, v + 1), at(u, v + 1)], axis=1)
    return vertices, np.concatenate([one, other])


def write(path: Path, vertices: Any, faces: Any, form: str = "") -> Path:
    """Write a surface in the format that the file's name ends in; `form` picks among those that one ending has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    vertices, faces = np.asarray(vertices, float), np.asarray(faces)
    kind = form or path.suffix[1:]
    corners = vertices[faces]
    if kind == "obj":
        lines = ["# made up", "o thing"] + [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
        path.write_text("\n".join(lines + [f"f {a} {b} {c}" for a, b, c in faces + 1]) + "\n")
    elif kind == "stl-text":
        text = "".join(
            "facet normal 0 0 1\n outer loop\n"
            + "".join(f"  vertex {x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in three)
            + " endloop\nendfacet\n"
            for three in corners
        )
        path.write_text(f"solid thing\n{text}endsolid thing\n")
    elif kind == "stl":
        rows = np.zeros(len(faces), [("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")])
        rows["v"] = corners
        path.write_bytes(b"solid, but binary".ljust(80) + len(faces).to_bytes(4, "little") + rows.tobytes())
    elif kind == "ngmesh":
        data = vertices.astype("<f4").tobytes() + faces.astype("<u4").tobytes()
        path.write_bytes(len(vertices).to_bytes(4, "little") + data)
    else:
        order = {"ply": "binary_little_endian", "ply-big": "binary_big_endian", "ply-text": "ascii"}[kind]
        head = f"ply\nformat {order} 1.0\ncomment made up\nelement vertex {len(vertices)}\n"
        head += "property float x\nproperty float y\nproperty float z\nproperty uchar red\n"
        head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
        mark = ">" if kind == "ply-big" else "<"
        points = np.zeros(len(vertices), [("v", f"{mark}f4", 3), ("red", "u1")])
        points["v"] = vertices
        rows = np.zeros(len(faces), [("n", "u1"), ("i", f"{mark}i4", 3)])
        rows["n"], rows["i"] = 3, faces
        text = "".join(f"{x} {y} {z} 7\n" for x, y, z in vertices) + "".join(f"3 {a} {b} {c}\n" for a, b, c in faces)
        body = text.encode() if kind == "ply-text" else points.tobytes() + rows.tobytes()
        path.write_bytes(head.encode() + body)
    return path


def area(vertices: Any, faces: Any) -> float:
    a, b, c = (np.asarray(vertices, float)[np.asarray(faces)[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def furthest(points: Any, among: Any) -> float:
    """Return how far the point that is furthest from all of `among` is from its nearest of them."""
    points, among = np.asarray(points, float), np.asarray(among, float)
    found = 0.0
    for some in np.array_split(points, max(1, len(points) // 200)):
        apart = np.linalg.norm(some[:, None] - among[None], axis=2).min(axis=1)
        found = max(found, float(apart.max()))
    return found
