"""Small good layers that tests break: skeletons, meshes, annotations, segment properties; and a look at their health."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from publisher.facts import Facts
from publisher.health import CHECKS
from publisher.health.subject import Depth, Kind, Subject
from publisher.objects import Finding
from publisher.record import Described
from publisher.tree import Tree

IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
RADIUS = {"id": "radius", "data_type": "float32", "num_components": 1}


def subject(folder: Path, kind: Kind, *, name: str = "layer", section: str = "", facts: Facts | None = None) -> Subject:
    artifact = Described(name, section or f"{kind}", name, "", "Files", f"v1/{name}", None, facts=facts)
    return Subject(kind, artifact, Tree(name, f"v1/{name}", folder, encoded_names=True))


def findings(folder: Path, kind: Kind, depth: Depth = "full") -> list[Finding]:
    return list(CHECKS[kind](subject(folder, kind), depth))


def told(found: Iterable[Finding]) -> list[tuple[str, str, str]]:
    """Findings as (severity, key below the layer, message)."""
    return [(each.severity, each.key.removeprefix("v1/layer").lstrip("/"), each.message) for each in found]


def write(folder: Path, files: Mapping[str, Any]) -> Path:
    """Write files: bytes as they are, everything else as JSON; None removes one."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return folder


def skeleton(nodes: Any, edges: Any, *attributes: Any) -> bytes:
    nodes, edges = np.asarray(nodes, "<f4"), np.asarray(edges, "<u4").reshape(-1, 2)
    more = b"".join(np.asarray(each, "<f4").tobytes() for each in attributes)
    return struct.pack("<II", len(nodes), len(edges)) + nodes.tobytes() + edges.tobytes() + more


def skeletons() -> dict[str, Any]:
    nodes = [[0, 0, 0], [8, 0, 0], [16, 8, 0]]
    return {
        "info": {"@type": "neuroglancer_skeletons", "transform": IDENTITY, "vertex_attributes": [RADIUS]},
        "1": skeleton(nodes, [[0, 1], [1, 2]], [1, 2, 3]),
        "77": skeleton(nodes, [[0, 1]], [1, 2, 3]),
    }


def fragment(nodes: Any, faces: Any) -> bytes:
    nodes = np.asarray(nodes, "<f4").reshape(-1, 3)
    return struct.pack("<I", len(nodes)) + nodes.tobytes() + np.asarray(faces, "<u4").tobytes()


TETRAHEDRON = [[0, 0, 0], [64, 0, 0], [0, 64, 0], [0, 0, 64]], [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]


def legacy() -> dict[str, Any]:
    return {
        "info": {"@type": "neuroglancer_legacy_mesh"},
        "1:0": {"fragments": ["1:0:1", "1:0:2"]},
        "1:0:1": fragment(*TETRAHEDRON),
        "1:0:2": fragment(*TETRAHEDRON),
        "77:0": {"fragments": ["77:0:1"]},
        "77:0:1": fragment(*TETRAHEDRON),
    }


def draco(points: Any, faces: Any) -> bytes:
    """Encode quantised places: whole numbers from 0 up."""
    import DracoPy

    return bytes(DracoPy.encode(np.asarray(points, np.uint32), np.asarray(faces, np.uint32), quantization_bits=16))


def manifest(
    sizes: list[list[int]],
    *,
    positions: list[list[tuple[int, int, int]]] | None = None,
    scales: list[float] | None = None,
    shape: tuple[float, ...] = (64.0, 64.0, 64.0),
    origin: tuple[float, ...] = (0.0, 0.0, 0.0),
) -> bytes:
    levels = len(sizes)
    positions = positions or [[(at, 0, 0) for at in range(len(level))] for level in sizes]
    parts = [struct.pack("<6fI", *shape, *origin, levels)]
    parts.append(np.asarray(scales or [2.0**at for at in range(levels)], "<f4").tobytes())
    parts.append(np.zeros((levels, 3), "<f4").tobytes())
    parts.append(np.asarray([len(level) for level in sizes], "<u4").tobytes())
    for level, places in zip(sizes, positions, strict=True):
        parts += [np.asarray(places, "<u4").reshape(-1, 3).T.tobytes(), np.asarray(level, "<u4").tobytes()]
    return b"".join(parts)


def multiresolution(transform: list[float] | None = None) -> dict[str, Any]:
    piece = draco([[0, 0, 0], [65535, 0, 0], [0, 65535, 0], [0, 0, 65535]], TETRAHEDRON[1])
    return {
        "info": {
            "@type": "neuroglancer_multilod_draco",
            "vertex_quantization_bits": 16,
            "transform": transform or IDENTITY,
            "lod_scale_multiplier": 1.0,
        },
        "1.index": manifest([[len(piece), len(piece)], [len(piece)]]),
        "1": piece * 3,
    }


def properties() -> dict[str, Any]:
    return {
        "info": {
            "@type": "neuroglancer_segment_properties",
            "inline": {
                "ids": ["1", "77", "18446744073709551615"],
                "properties": [
                    {"id": "name", "type": "label", "values": ["a", "b", ""]},
                    {"id": "size", "type": "number", "data_type": "uint8", "values": [0, 255, 7]},
                    {"id": "tags", "type": "tags", "tags": ["x", "y"], "values": [[0], [], [0, 1]]},
                ],
            },
        }
    }


BODY = {"id": "body", "key": "body"}


def annotations(points: Any = ((10, 20, 30), (90, 20, 30), (10, 20, 80)), bodies: Any = (7, 7, 9)) -> dict[str, Any]:
    """Points with a uint8 property (and three bytes of padding), related to bodies; a grid of 2 x 1 x 1 cells."""
    points = np.asarray(points, "<f4").reshape(-1, 3)
    records = [point.tobytes() + bytes([number % 5, 0, 0, 0]) for number, point in enumerate(points)]

    def listed(rows: list[int]) -> bytes:
        ids = np.asarray(rows, "<u8").tobytes()
        return struct.pack("<Q", len(rows)) + b"".join(records[row] for row in rows) + ids

    cells: dict[str, list[int]] = {}
    for row, point in enumerate(points):
        cells.setdefault(f"{min(int(point[0] // 50), 1)}_0_0", []).append(row)
    files: dict[str, Any] = {
        "info": {
            "@type": "neuroglancer_annotations_v1",
            "annotation_type": "POINT",
            "dimensions": {axis: [8e-9, "m"] for axis in "xyz"},
            "lower_bound": [0, 0, 0],
            "upper_bound": [100, 100, 100],
            "properties": [{"id": "kind", "type": "uint8", "enum_values": [0, 1], "enum_labels": ["pre", "post"]}],
            "relationships": [BODY],
            "by_id": {"key": "by_id"},
            "spatial": [{"key": "spatial0", "grid_shape": [2, 1, 1], "chunk_size": [50, 100, 100], "limit": 1000}],
        }
    }
    for row, body in enumerate(bodies):
        files[f"by_id/{row}"] = records[row] + struct.pack("<IQ", 1, body)
    for body in set(bodies):
        files[f"body/{body}"] = listed([row for row, other in enumerate(bodies) if other == body])
    return files | {f"spatial0/{cell}": listed(rows) for cell, rows in cells.items()}
