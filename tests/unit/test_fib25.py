"""The FIB-25 demonstration on a small sample of the same form: its meshes lie where its labels are, and its manifest holds."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from publisher import manifest
from tests.e2e.conftest import RELEASES, publisher

HERE = RELEASES / "examples" / "fib25"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(HERE)
    sys.modules.pop("demo", None)
    import demo

    return demo


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A ball of body 20 in body 10, of two supervoxels; 0 is nothing. Slices of 40 x 48, 32 of them."""
    import h5py
    from PIL import Image

    (tmp_path / "data" / "em").mkdir(parents=True)
    z, y, x = np.indices((32, 40, 48))
    stack = np.where((z - 16) ** 2 + (y - 20) ** 2 + (x - 30) ** 2 < 100, np.where(x < 30, 2, 3), 1)
    for at in range(32):
        Image.fromarray((stack[at] * 60).astype(np.uint8)).save(tmp_path / f"data/em/iso.{at + 100}.png")
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file["stack"] = stack.astype(np.int32)
        file["transforms"] = np.array([[0, 0], [1, 10], [2, 20], [3, 20]])
    (tmp_path / "data" / "groundtruth.h5.gz").write_bytes(gzip.compress(held.getvalue()))
    return tmp_path / "data"


def test_meshes_and_volumes_agree(demo: ModuleType, sample: Path, tmp_path: Path) -> None:
    import tensorstore as ts

    inputs = tmp_path / "inputs"
    inputs.mkdir()
    demo.prepare(sample, inputs, 2)
    assert {path.name for path in (inputs / "meshes").iterdir()} == {"10.ply", "20.ply"}
    assert (inputs / "bodies.csv").read_text().splitlines()[0] == "body,name,voxels"
    kvstore = {"driver": "file", "path": f"{inputs}/segmentation/"}
    labels = ts.open({"driver": "neuroglancer_precomputed", "kvstore": kvstore}).result().read().result()[..., 0]
    assert labels.shape == (48, 40, 32)
    assert (labels[30, 20, 16], labels[2, 2, 2]) == (20, 10)
    data = (inputs / "meshes" / "20.ply").read_bytes()
    count = int(data.partition(b"element vertex ")[2].split(b"\n")[0])
    vertices = np.frombuffer(data.partition(b"end_header\n")[2], "<f4", count * 3).reshape(-1, 3)
    assert np.allclose((vertices.min(axis=0) + vertices.max(axis=0)) / 2, np.array([30.5, 20.5, 16.5]) * 10, atol=2)
    at = np.floor(vertices / 10).astype(int)
    around = [labels[tuple((at + step).clip(0, np.array(labels.shape) - 1).T)] == 20 for step in np.ndindex(3, 3, 3)]
    around += [labels[tuple((at - step).clip(0, np.array(labels.shape) - 1).T)] == 20 for step in np.ndindex(3, 3, 3)]
    assert np.any(around, axis=0).mean() > 0.99


def test_the_manifest_is_whole_and_its_release_published(demo: ModuleType, sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "inputs").mkdir(parents=True)
    demo.prepare(sample, out / "inputs", 2)
    shutil.copyfile(HERE / "v1.yaml", out / "v1.yaml")
    assert manifest.load(out / "v1.yaml").release.views[0].name == "main"
    done = publisher("release", out / "v1.yaml", "--until", "publish", "--quiet")
    assert done.code == 0, done.err
    assert (out / "public/v1/meshes/meshes/info").is_file()


def test_a_folder_without_slices_is_told(demo: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds no slices"):
        demo.read_image(tmp_path)
