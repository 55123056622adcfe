"""The example's neurons and regions, from OBJ files to meshes that cloud-volume reads over HTTP and the client draws."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from publisher import serve
from tests import shapes
from tests.e2e.conftest import publisher

BODIES = ["1734350788", "1734350908", "722817260", "754534424", "754538881"]
MANIFEST = """
schema: 1
version: v1
date: 2026-11-21
status: final
dataset: {{name: built, title: Built, description: Built., license: CC-BY-4.0, authors: [{{name: A. Author}}]}}
space: {{name: hemibrain EM, voxel_size: [8, 8, 8], units: nm}}
volumes: [{{name: segmentation, title: Neurons, description: Neurons., source: {inputs}/segmentation}}]
meshes:
  - {{name: neurons, source: {inputs}/meshes, units: 8 nm, segmentation: segmentation, sharded: {sharded}, format: {form}}}
  - {{name: regions, source: {inputs}/rois, units: 8 nm, ids: {{lh: 1, neuropil: 2}}, format: {form}}}
scenes: [{{name: main, layers: [{{artifact: segmentation}}, {{artifact: regions, segments: [1, 2]}}]}}]
"""


def slow(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.slow)


def release(inputs: Path, folder: Path, form: str, *, sharded: bool = False) -> Any:
    folder.mkdir(exist_ok=True)
    text = MANIFEST.format(inputs=inputs, form=form, sharded=str(sharded).lower())
    (folder / "v1.yaml").write_text(text)
    return publisher("release", folder / "v1.yaml", "--target", folder / "public", "--json")


@pytest.fixture(scope="module", params=["sharded", slow("multiresolution"), slow("legacy")])
def live(inputs: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("meshes")
    form = "legacy" if request.param == "legacy" else "multiresolution"
    done = release(inputs, folder, form, sharded=request.param == "sharded")
    assert done.code == 0, done.err
    with serve.running(folder / "public") as base:
        yield base, folder, request.param, done


def obj(path: Path) -> tuple[Any, Any]:
    """Read an OBJ file without publisher: vertices in voxels of 8 nm, and faces."""
    text = path.read_text()
    vertices = np.array(re.findall(r"^v (\S+) (\S+) (\S+)", text, re.MULTILINE), float)
    faces = [
        [int(word.partition("/")[0]) for word in line.split()] for line in re.findall(r"^f (.+)$", text, re.MULTILINE)
    ]
    return vertices, np.array(faces) - 1


def mesh_of(base: str, key: str, segment: int) -> Any:
    """Read a mesh over HTTP, through the volume that cloud-volume takes the folder to belong to."""
    from cloudvolume import CloudVolume

    volume = CloudVolume(
        f"precomputed://{base}/v1/volumes/segmentation", mesh_dir=f"../../{key}", progress=False, use_https=False
    )
    found = volume.mesh.get(segment)
    return found[segment] if isinstance(found, dict) else found


@pytest.mark.parametrize("body", BODIES)
def test_neurons_are_where_they_were(body: str, live: Any, inputs: Path) -> None:
    base, _, _, _ = live
    vertices, faces = obj(inputs / "meshes" / f"{body}.obj")
    mesh = mesh_of(base, "meshes/neurons", int(body))
    assert shapes.furthest(vertices[::9] * 8, mesh.vertices) < 0.3
    # Of a legacy mesh, cloud-volume drops faces that are there twice, as flat neurites of these files have them.
    assert shapes.area(mesh.vertices, mesh.faces) == pytest.approx(shapes.area(vertices * 8, faces), rel=5e-3)


@pytest.mark.parametrize(("segment", "name"), [(1, "lh"), (2, "neuropil")])
def test_regions_keep_their_names_and_places(segment: int, name: str, live: Any, inputs: Path) -> None:
    base, folder, form, _ = live
    vertices, faces = obj(inputs / "rois" / f"{name}.obj")
    mesh = mesh_of(base, "meshes/regions", segment)
    near_nm = 0.1 if form == "legacy" else 1.8  # edges of 10 µm on a grid of 2 nm
    assert shapes.furthest(vertices[::9] * 8, mesh.vertices) < near_nm
    assert shapes.area(mesh.vertices, mesh.faces) == pytest.approx(shapes.area(vertices * 8, faces), rel=1e-4)
    properties = json.loads((folder / "public/v1/meshes/regions/segment_properties/info").read_text())["inline"]
    assert (properties["ids"], properties["properties"][0]["values"]) == (["1", "2"], ["lh", "neuropil"])


@pytest.mark.slow
def test_a_second_run_changes_nothing_and_another_work_folder_makes_the_same(
    live: Any, inputs: Path, tmp_path: Path
) -> None:
    _, folder, form, first = live
    form, sharded = ("legacy" if form == "legacy" else "multiresolution"), form == "sharded"
    again = release(inputs, folder, form, sharded=sharded)
    assert (again.code, again.json["uploaded"], again.json["skipped"]) == (0, 0, first.json["objects"])
    other = release(inputs, tmp_path, form, sharded=sharded)
    assert other.json["objects"] == first.json["objects"]

    def objects(root: Path) -> dict[str, bytes]:
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    assert objects(tmp_path / "public/v1/meshes") == objects(folder / "public/v1/meshes")
