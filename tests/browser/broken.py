"""A small release with a layer of every kind, and what can be broken in it: before it is published, or behind its back."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from publisher.builders import mesh_sources, meshes
from publisher.builders.meshes import Options
from publisher.health.stored import IDENTITY
from tests import shapes
from tests.browser import formats, stage
from tests.browser.layer_forms import notes

SIDE, LOW, HIGH = 64, 8, 56  # voxels of 8 nm; the segment fills a cube
RING = shapes.torus(60, 20, radius=15, centre=(32, 32, 32))
LAYERS = {"em": "EM", "n5": "Density", "ome": "Light", "seg": "Neurons", "notes": "Synapses"}
SHADER = "void main() { emitRGB(toNormalised(getDataValue())); }"


def manifest(source: str = "sources", **scene: Any) -> dict[str, Any]:
    """Return the release's manifest; the words are put over its scene."""
    author = {"name": "A"}
    said: dict[str, dict[str, Any]] = {"em": {}, "n5": {}, "ome": {}, "seg": {"segments": [7]}, "notes": {}}
    layers = [{"artifact": name, "name": LAYERS[name], **words} for name, words in said.items()]
    return {
        "schema": 1,
        "version": "v1",
        "date": "2026-01-01",
        "status": "draft",
        "dataset": {"name": "all", "title": "All", "description": "All.", "license": "CC0-1.0", "authors": [author]},
        "space": {"name": "EM", "voxel_size": [8, 8, 8], "units": "nm"},
        "volumes": [{"name": name, "source": f"{source}/{name}"} for name in ("em", "n5", "ome", "seg")],
        "meshes": [{"name": "skins", "source": f"{source}/skins", "segmentation": "seg"}],
        "annotations": [{"name": "notes", "source": f"{source}/notes", "segmentation": "seg"}],
        "scenes": [{"name": "main", "position": [32.5, 32.5, 32.5], "layers": layers, "layout": "xy-3d", **scene}],
    }


def build(root: Path) -> None:
    """Write the sources."""
    at = np.indices((SIDE,) * 3)
    inside = ((at >= LOW) & (at < HIGH)).all(axis=0)
    _volume(root / "seg", np.where(inside, 7, 0).astype(np.uint64), "segmentation")
    _volume(root / "em", np.random.default_rng(1).integers(60, 200, (SIDE,) * 3, np.uint8), "image")
    forms = {form.name: form for form in formats.FORMS}
    formats.write(forms["n5-gzip-uint8"], root / "n5")
    formats.write(forms["ome05"], root / "ome")
    corners = np.array(stage.SPHERE, float) * 8
    stage.skeleton(root / "seg" / "skeletons", 7, corners)
    stage.mesh(root / "seg" / "mesh", 7, corners)
    skeletons = {"@type": "neuroglancer_skeletons", "transform": list(map(int, IDENTITY)), "vertex_attributes": []}
    (root / "seg" / "skeletons" / "info").write_text(json.dumps(skeletons))
    info = json.loads((root / "seg" / "info").read_text())
    (root / "seg" / "info").write_text(json.dumps({**info, "mesh": "mesh", "skeletons": "skeletons"}))
    shapes.write(root / "obj" / "7.obj", *RING)
    for name, unit in (("skins", 8), ("skins-in-nm", 1)):
        built = meshes.build(mesh_sources.find(root / "obj", {}), root / "work" / name, Options(unit, sharded=True))
        shutil.copytree(built.folder, root / name)
    places = np.random.default_rng(2).uniform(LOW + 4, HIGH - 4, (3, 2000))
    rows: dict[str, Any] = dict(zip("xyz", places, strict=True))
    rows |= {"id": np.arange(2000), "body": np.full(2000, 7, np.uint64)}
    notes(root / "notes", rows, sharded=True)


def _volume(folder: Path, values: np.ndarray[Any, Any], kind: str) -> None:
    """Write a precomputed volume of two scales."""
    import tensorstore as ts

    data = values[..., None]
    for level in range(2):
        scale = {
            "size": list(data.shape[:3]),
            "resolution": [8 << level] * 3,
            "chunk_size": [32] * 3,
            "encoding": "raw",
        }
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": kind, "data_type": values.dtype.name, "num_channels": 1},
            "scale_metadata": scale,
        }
        ts.open(spec, create=True).result().write(data).result()
        method = "mode" if kind == "segmentation" else "mean"
        data = ts.downsample(ts.array(data), [2, 2, 2, 1], method).read().result()


@dataclass(frozen=True)
class Place:
    """Where the release lies: its sources, or the objects that are live."""

    root: Path
    live: bool

    def folder(self, name: str) -> Path:
        if not self.live:
            return self.root / name
        section = {"skins": "meshes", "notes": "annotations"}.get(name, "volumes")
        return self.root / "v1" / section / name

    def change(self, name: str, relative: str, new: Callable[[bytes], bytes]) -> None:
        """Change the content of an object, however it is stored."""
        path = self.file(name, relative)
        packed = path.suffix == ".gz"
        data = path.read_bytes()
        data = new(gzip.decompress(data) if packed else data)
        path.write_bytes(gzip.compress(data, mtime=0) if packed else data)

    def file(self, name: str, relative: str) -> Path:
        path = self.folder(name) / relative
        return path if path.exists() else path.with_name(f"{path.name}.gz")


Break = Callable[[Place], None]


def gone(name: str, relative: str) -> Break:
    return lambda place: place.file(name, relative).unlink()


def edited(name: str, relative: str, change: Callable[[dict[str, Any]], object]) -> Break:
    def new(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return json.dumps(value).encode()

    return lambda place: place.change(name, relative, new)


def scaled(name: str, relative: str, skipped: int, factor: float) -> Break:
    """Multiply the eight vertices that stand behind so many bytes."""

    def new(data: bytes) -> bytes:
        points = np.frombuffer(data[skipped : skipped + 96], "<f4") * factor
        return data[:skipped] + points.astype("<f4").tobytes() + data[skipped + 96 :]

    return lambda place: place.change(name, relative, new)


def cut(name: str, pattern: str) -> Break:
    """Cut the files of a pattern in half."""

    def do(place: Place) -> None:
        paths = [path for path in place.folder(name).glob(pattern) if path.is_file()]
        assert paths
        for path in paths:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return do


def replaced(name: str, relative: str, data: bytes) -> Break:
    return lambda place: place.change(name, relative, lambda _: data)


def in_nm(place: Place) -> None:
    """Put meshes in place of the good ones whose voxels were taken for nm."""
    shutil.rmtree(place.folder("skins"))
    shutil.copytree(
        (place.root if not place.live else place.root.parent / "sources") / "skins-in-nm", place.folder("skins")
    )


def cells_lost(place: Place) -> None:
    (level, *_) = sorted(place.folder("notes").glob("spatial*"))
    for path in level.iterdir():
        path.unlink()


def encoding_dropped(place: Place) -> None:
    """Store gzip under the names of what is not: nothing says so any more."""
    for path in [*place.folder("em").glob("*/*.gz")]:
        path.rename(path.with_suffix(""))
