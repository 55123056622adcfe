"""The forms of layers that are tried beside volumes: meshes, skeletons, annotations and segment properties.

What belongs to segments lies in a folder of a small volume, as its `info` says; annotations are folders of their own. The
content is the same in each form: a ring, a line with two bends, a lattice of annotations, two segments with their words.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np

from publisher.builders import mesh_sources, meshes, skeletons
from publisher.builders.annotations import grid, indexes
from publisher.builders.meshes import Options
from publisher.tree import File, Tree, walk
from tests import annotated, shapes
from tests.browser.formats import VOXEL_NM
from tests.browser.lattice import lattice

SEGMENT, SIDE = 7, 64  # of the volume, in voxels
MIDDLE, RADIUS = SIDE / 2, 18.0  # of the ring, in voxels: from 12 to 24 away from its middle
RING = shapes.torus(240, 80, radius=RADIUS, centre=(MIDDLE, MIDDLE, MIDDLE))
BENDS = np.array([(12, 12, 32), (12, 52, 32), (52, 52, 32), (52, 12, 32)], float)  # in voxels
NAME, TAG = "the seventh", "round"
SAID = {"id": "id", "relationships": {"body": "body"}, "units": f"{VOXEL_NM} nm"}

Kind = Literal["meshes", "skeletons", "annotations", "properties"]
LINKS: dict[Kind, str] = {"meshes": "mesh", "skeletons": "skeletons", "properties": "segment_properties"}


@dataclass(frozen=True)
class LayerForm:
    """One form of a layer: what it is called in the table, and what writes its folder."""

    name: str  # of the artifact
    title: str
    stored: str  # unsharded, gzip or sharded
    kind: Kind
    build: Callable[[Path], None]
    geometry: str = ""  # of annotations
    published: bool = True  # else it is read where it lies, as plain files
    quick: bool = False  # in `make test`

    @property
    def section(self) -> str:
        """Where the manifest lists it."""
        return "annotations" if self.kind == "annotations" else "volumes"

    @property
    def inside(self) -> str:
        """The folder below the artifact that has it."""
        return LINKS.get(self.kind, "")


def write(form: LayerForm, folder: Path) -> None:
    """Write a form; what belongs to segments with a volume around it."""
    if form.inside:
        _volume(folder, form.inside)
    form.build(folder / form.inside)


def _volume(folder: Path, link: str) -> None:
    """Write labels that are all the one segment, linked to a folder."""
    scale = {"key": "s", "size": [SIDE] * 3, "resolution": [VOXEL_NM] * 3, "chunk_sizes": [[SIDE] * 3]}
    scale |= {"voxel_offset": [0, 0, 0], "encoding": "raw"}
    info = {"@type": "neuroglancer_multiscale_volume", "type": "segmentation", "data_type": "uint64"}
    (folder / "s").mkdir(parents=True)
    (folder / "info").write_text(json.dumps({**info, "num_channels": 1, "scales": [scale], link: link}))
    chunk = "_".join([f"0-{SIDE}"] * 3)
    (folder / "s" / chunk).write_bytes(np.full(SIDE**3, SEGMENT, "<u8").tobytes())


def ring(folder: Path, options: Options, *, packed_manifest: bool = False) -> None:
    """Build the ring from an OBJ file."""
    with tempfile.TemporaryDirectory() as place:
        shapes.write(Path(place, "source", f"{SEGMENT}.obj"), *RING)
        built = meshes.build(mesh_sources.find(Path(place, "source"), {}), Path(place, "work"), options)
        shutil.copytree(built.folder, folder)
    if packed_manifest:
        _packed(folder / f"{SEGMENT}.index")


def bends(folder: Path, *, sharded: bool) -> None:
    """Build the line from an SWC file, with many nodes between its bends."""
    corners = np.concatenate([a + np.linspace(0, 1, 200)[:, None] * (b - a) for a, b in pairwise(BENDS)])
    rows = (f"{at} 0 {x} {y} {z} 1 {at - 1 if at > 1 else -1}\n" for at, (x, y, z) in enumerate(corners, 1))
    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "source")
        source.mkdir()
        (source / f"{SEGMENT}.swc").write_text("".join(rows))
        tree = Tree("line", "", source)
        options = skeletons.Options(VOXEL_NM, ("precomputed",), sharded=sharded)
        built = skeletons.build(
            source, lambda: (file for file in walk(tree) if isinstance(file, File)), Path(place, "made"), options
        )
        shutil.copytree(built.folder, folder)


def annotations(folder: Path, geometry: str, *, sharded: bool) -> None:
    """Build the lattice from a table, in several levels; each index in shards, or each in files."""
    notes(folder, lattice(geometry), sharded=sharded, geometry=geometry)


def notes(folder: Path, columns: dict[str, Any], *, sharded: bool, geometry: str = "point") -> None:
    """Build annotations of columns `id`, `body` and coordinates in voxels, in several levels of few."""
    with ExitStack() as stack, tempfile.TemporaryDirectory() as place:
        limits = {"FILES": 0 if sharded else 10**6, "SHARD_BYTES": 8000, "MINISHARD_KEYS": 8}
        stack.enter_context(patch.multiple(indexes, **limits))
        stack.enter_context(patch.multiple(grid, LIMIT=100, _AIM=90))
        table = annotated.written(Path(place, "table.parquet"), columns)
        made = annotated.stage(table, Path(place, "work"), geometry=geometry, **SAID)
        shutil.copytree(made.trees[0].path, folder)


def properties(folder: Path, *, packed: bool) -> None:
    """Write words, tags and numbers of two segments."""
    listed: list[dict[str, Any]] = [
        {"id": "label", "type": "label", "values": [NAME, "the ninth"]},
        {"id": "tags", "type": "tags", "tags": ["flat", TAG], "values": [[1], [0, 1]]},
        {"id": "size", "type": "number", "data_type": "uint32", "values": [4_000_000_000, 3]},
    ]
    inline = {"ids": [str(SEGMENT), "9"], "properties": listed}
    folder.mkdir()
    (folder / "info").write_text(json.dumps({"@type": "neuroglancer_segment_properties", "inline": inline}))
    if packed:
        _packed(folder / "info")


def _packed(path: Path) -> None:
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()


def _annotations(geometry: str, title: str, *, quick: bool = False) -> list[LayerForm]:
    made = []
    for stored in ("unsharded", "gzip", "sharded"):
        build = partial(annotations, geometry=geometry, sharded=stored == "sharded")
        name, fast = f"{geometry}-{stored}", quick and stored == "sharded"
        plain = stored != "unsharded"
        made.append(
            LayerForm(
                name, f"annotations, {title}", stored, "annotations", build, geometry, published=plain, quick=fast
            )
        )
    return made


_LEGACY = partial(ring, options=Options(VOXEL_NM, form="legacy"))
_LOOSE = partial(ring, options=Options(VOXEL_NM, sharded=False))
_WORDS = "segment properties: label, tags, number"
LAYERS: tuple[LayerForm, ...] = (
    LayerForm("legacy-plain", "meshes, legacy", "unsharded", "meshes", _LEGACY, published=False),
    LayerForm("legacy-gzip", "meshes, legacy", "gzip", "meshes", _LEGACY, quick=True),
    LayerForm("draco", "meshes, multi-resolution draco", "unsharded", "meshes", _LOOSE),
    LayerForm(
        "draco-gzip",
        "meshes, multi-resolution draco",
        "manifests gzip",
        "meshes",
        partial(_LOOSE, packed_manifest=True),
    ),
    LayerForm(
        "draco-sharded",
        "meshes, multi-resolution draco",
        "sharded",
        "meshes",
        partial(ring, options=Options(VOXEL_NM, sharded=True)),
        quick=True,
    ),
    LayerForm("skeletons-plain", "skeletons", "unsharded", "skeletons", partial(bends, sharded=False), published=False),
    LayerForm("skeletons-gzip", "skeletons", "gzip", "skeletons", partial(bends, sharded=False)),
    LayerForm("skeletons-sharded", "skeletons", "sharded", "skeletons", partial(bends, sharded=True), quick=True),
    *_annotations("point", "points", quick=True),
    *_annotations("line", "lines"),
    *_annotations("box", "boxes"),
    *_annotations("ellipsoid", "ellipsoids"),
    LayerForm(
        "properties-plain", _WORDS, "unsharded", "properties", partial(properties, packed=False), published=False
    ),
    LayerForm("properties-gzip", _WORDS, "gzip", "properties", partial(properties, packed=True), quick=True),
)
