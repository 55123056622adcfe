"""Which values of an image are shown black and white: those that most of it lies between, in each format, the same each time."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from publisher.artifacts import Bench
from publisher.artifacts.volume import Volume
from publisher.facts import VolumeFacts

SIDE = 96
SPECS: dict[str, dict[str, Any]] = {
    "precomputed": {"driver": "neuroglancer_precomputed"},
    "sharded": {"driver": "neuroglancer_precomputed"},
    "gz": {"driver": "neuroglancer_precomputed"},
    "n5": {"driver": "n5"},
    "zarr": {"driver": "zarr"},
    "zarr3": {"driver": "zarr3"},
}
SHARDING = {"@type": "neuroglancer_uint64_sharded_v1", "hash": "identity", "preshift_bits": 1, "minishard_bits": 1}


def image(dtype: str, low: float, high: float) -> np.ndarray[Any, Any]:
    """Return a texture between two values, a sixth of it never imaged, and single voxels as bright as the type allows."""
    values = np.random.default_rng(1).uniform(low, high, (SIDE,) * 3)
    values[:16] = 0
    values[::31, ::31, ::31] = np.finfo(dtype).max if dtype == "float32" else np.iinfo(dtype).max
    return values.astype(dtype)


def written(folder: Path, values: np.ndarray[Any, Any], form: str = "precomputed") -> Path:
    import tensorstore as ts

    spec = {**SPECS[form], "kvstore": {"driver": "file", "path": f"{folder}/"}}
    chunk = [32] * 3
    if spec["driver"] == "neuroglancer_precomputed":
        scale: dict[str, Any] = {"size": list(values.shape), "resolution": [8, 8, 8], "chunk_size": chunk}
        scale["encoding"] = "raw"
        if form == "sharded":
            scale["sharding"] = {
                **SHARDING,
                "shard_bits": 2,
                "data_encoding": "gzip",
                "minishard_index_encoding": "gzip",
            }
        spec["multiscale_metadata"] = {"type": "image", "data_type": values.dtype.name, "num_channels": 1}
        spec["scale_metadata"] = scale
        ts.open(spec, create=True).result()[..., 0] = values
    elif form == "n5":
        spec["metadata"] = {"dimensions": list(values.shape), "blockSize": chunk, "dataType": values.dtype.name}
        spec["metadata"]["compression"] = {"type": "gzip"}
        ts.open(spec, create=True).result()[...] = values
    else:
        ts.open(spec, create=True, dtype=values.dtype, shape=values.shape).result()[...] = values
    if form == "gz":
        for path in [*folder.glob("*/*-*")]:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    return folder


def contrast(folder: Path) -> tuple[float, float] | None:
    made = Volume.model_validate({"name": "v", "source": "v"}).stage(
        Bench(folder, "v1/v", None, folder.with_name("work"), lambda _: folder)
    )
    assert isinstance(made.facts, VolumeFacts)
    return made.facts.contrast


@pytest.mark.parametrize("form", SPECS)
def test_the_values_that_most_of_it_lies_between(form: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "v", image("uint16", 900, 3100), form)
    found = contrast(folder)
    assert found is not None
    assert found == (pytest.approx(911, abs=5), pytest.approx(3089, abs=5))
    assert contrast(folder) == found


def test_numbers_below_one_and_none(tmp_path: Path) -> None:
    values = image("float32", 0.001, 0.002)
    values[5] = np.nan
    assert contrast(written(tmp_path / "v", values)) == (pytest.approx(0.001, rel=0.02), pytest.approx(0.002, rel=0.02))


@pytest.mark.parametrize(
    "values", [image("uint8", 20, 90), np.zeros((64,) * 3, "uint16"), np.full((64,) * 3, 7, "uint16")]
)
def test_where_there_is_nothing_to_stretch(values: np.ndarray[Any, Any], tmp_path: Path) -> None:
    assert contrast(written(tmp_path / "v", values)) is None


def test_a_part_of_a_large_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large it is: chunks that lie all over it, and no more of them than 32."""
    from publisher.formats.voxels import Voxels

    side, boxes = 256, []
    values = np.zeros((side,) * 3, "uint16")
    values[side // 2 :] = 500
    values[:, side // 2 :] += 100
    folder = written(tmp_path / "v", values)
    read = Voxels.read
    monkeypatch.setattr(Voxels, "read", lambda self, box: (boxes.append(box), read(self, box))[1])
    assert contrast(folder) == (100, 600)
    assert len(boxes) == 32
    for axis in range(3):
        assert {start[axis] // 64 for start, _ in boxes} == {0, 1, 2, 3}
