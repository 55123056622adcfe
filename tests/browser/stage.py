"""A small target with everything that a viewer draws, and scenes of it; made by hand, so that each can be broken."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np

from publisher.record import Access, Described, Record, SceneRef

PUBLIC = "http://published.example/data"  # what scenes point to; they are read from where they are served
DATASET = {"name": "ball", "title": "Ball", "description": "A ball.", "license": "CC0-1.0", "authors": [{"name": "A"}]}
AWAY = "precomputed://http://nowhere.invalid/em"  # no host can have this name
SIZE = 64  # voxels of 8 nm
SPHERE = [(32 + 20 * x, 32 + 20 * y, 32 + 20 * z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]


def precomputed(folder: Path, values: np.ndarray[Any, Any], encoding: str, **scale: Any) -> None:
    """Write a volume of two scales' worth of chunks, each 32 voxels wide, unsharded."""
    import tensorstore as ts

    kind = "segmentation" if values.dtype == np.uint64 else "image"
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "multiscale_metadata": {"type": kind, "data_type": values.dtype.name, "num_channels": 1},
        "scale_metadata": {
            "size": list(values.shape),
            "resolution": [8, 8, 8],
            "chunk_size": [32, 32, 32],
            "encoding": encoding,
            **scale,
        },
    }
    ts.open(spec, create=True).result()[..., 0] = values


def skeleton(folder: Path, body: int, points_nm: np.ndarray[Any, Any]) -> None:
    """Write one skeleton, a line through all points."""
    folder.mkdir(parents=True)
    (folder / "info").write_text(json.dumps({"@type": "neuroglancer_skeletons", "vertex_attributes": []}))
    edges = [(at, at + 1) for at in range(len(points_nm) - 1)]
    counts = struct.pack("<II", len(points_nm), len(edges))
    data = counts + points_nm.astype("<f4").tobytes() + np.array(edges, "<u4").tobytes()
    (folder / str(body)).write_bytes(data)


def mesh(folder: Path, body: int, points_nm: np.ndarray[Any, Any]) -> None:
    """Write one mesh in the legacy format: the cube whose corners are eight points."""
    folder.mkdir(parents=True)
    (folder / "info").write_text(json.dumps({"@type": "neuroglancer_legacy_mesh"}))
    (folder / f"{body}:0").write_text(json.dumps({"fragments": [f"{body}:0:all"]}))
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))], "<u4")
    (folder / f"{body}:0:all").write_bytes(struct.pack("<I", 8) + points_nm.astype("<f4").tobytes() + faces.tobytes())


def build(root: Path) -> None:
    """Write the data: a ball as labels, a texture as image, a skeleton and a mesh in it, all where they should be."""
    at = np.indices((SIZE,) * 3) - (SIZE - 1) / 2
    labels = np.where((at**2).sum(axis=0) < 24**2, 7, 0).astype(np.uint64)
    precomputed(root / "v1/seg", labels, "compressed_segmentation", compressed_segmentation_block_size=[8, 8, 8])
    texture = np.random.default_rng(1).integers(60, 200, (SIZE,) * 3, np.uint8)
    precomputed(root / "v1/em", texture, "raw")
    corners_nm = np.array(SPHERE, float) * 8
    skeleton(root / "v1/skeletons", 7, corners_nm)
    mesh(root / "v1/meshes", 7, corners_nm)


def scene() -> dict[str, Any]:
    """Return a scene that shows all of it."""

    def source(name: str) -> str:
        return f"precomputed://{PUBLIC}/v1/{name}"

    segments = {"type": "segmentation", "name": "Neurons", "segments": ["7"]}
    return {
        "dimensions": {axis: [8e-9, "m"] for axis in "xyz"},
        "position": [32.5, 32.5, 32.5],
        "crossSectionScale": 0.2,
        "projectionScale": 96,
        "showSlices": False,
        "showAxisLines": True,  # what is so by default is no field that the viewer dropped
        "showDefaultAnnotations": False,
        "layers": [
            {**segments, "source": [source("seg"), source("skeletons"), source("meshes")]},
            {
                "type": "image",
                "name": "EM",
                "source": source("em"),
                "opacity": 0.5,
                "visible": True,
                "blend": "default",
            },
        ],
        "layout": "xy-3d",
    }


def record(scenes: list[str], origins: tuple[str, ...] = ("*",)) -> Record:
    """Return the record of a release with these scenes."""
    names = {"seg": "volumes", "em": "volumes", "skeletons": "skeletons", "meshes": "meshes"}
    artifacts = tuple(Described(name, section, name, "", "", f"v1/{name}", None) for name, section in names.items())
    artifacts += (Described("away", "volumes", "away", "", "", "", None, external=AWAY),)
    refs = tuple(SceneRef(name, name, f"v1/{name}.json") for name in scenes)
    return Record("v1", "draft", "2026-01-01", DATASET, PUBLIC, Access("public", origins), artifacts, refs, {})


class Stage:
    """Scenes, each of which may have its own broken copy of the data."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scenes: dict[str, dict[str, Any]] = {}
        build(root)

    def add(self, name: str) -> None:
        """Add a scene that is as it should be, until it is broken."""
        self.scenes[name] = scene()

    def copy(self, name: str, source: str) -> Path:
        """Give a scene its own copy of one source, and return its folder."""
        folder = self.root / "v1" / f"{name}-{source}"
        shutil.copytree(self.root / "v1" / source, folder)
        text = json.dumps(self.scenes[name]).replace(f"/v1/{source}", f"/v1/{name}-{source}")
        self.scenes[name].update(json.loads(text))
        return folder

    def write(self) -> None:
        """Write the scenes."""
        for name, state in self.scenes.items():
            (self.root / f"v1/{name}.json").write_text(json.dumps(state))


def zipped(folder: Path) -> None:
    """Compress a volume's chunks under their own names: served without Content-Encoding."""
    for path in folder.rglob("*_*_*/*-*"):
        path.write_bytes(gzip.compress(path.read_bytes()))
