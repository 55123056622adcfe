"""N5 and zarr: what the metadata say, the role of each file, and every voxel read back over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts

from publisher import serve
from publisher.artifacts.volume import look
from publisher.errors import InvalidInput
from publisher.formats import arrays
from tests.rig import Rig

SHAPE = (20, 18, 16)
VOXELS = np.random.default_rng(1).integers(1, 2**40, SHAPE).astype(np.uint64)
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
SHARDED = {
    "name": "sharding_indexed",
    "configuration": {"chunk_shape": [8, 8, 8], "codecs": [BYTES, {"name": "gzip"}]},
}


def n5(**more: object) -> dict[str, Any]:
    block = {"blockSize": [8, 8, 8], "compression": {"type": "gzip"}}
    return {"driver": "n5", "metadata": {**block, "dataType": "uint64", "dimensions": list(SHAPE), **more}}


def zarr2(**more: object) -> dict[str, Any]:
    metadata = {"shape": list(SHAPE), "chunks": [8, 8, 8], "dtype": "<u8", "compressor": {"id": "gzip"}, **more}
    return {"driver": "zarr", "metadata": metadata}


def zarr3(**more: object) -> dict[str, Any]:
    grid = {"name": "regular", "configuration": {"chunk_shape": [8, 8, 8]}}
    metadata = {"shape": list(SHAPE), "data_type": "uint64", "chunk_grid": grid, "codecs": [BYTES, {"name": "gzip"}]}
    return {"driver": "zarr3", "metadata": {**metadata, **more}}


GRID16 = {"name": "regular", "configuration": {"chunk_shape": [16, 16, 16]}}
WRITTEN: dict[str, dict[str, Any]] = {
    "n5": n5(),
    "n5 raw": n5(compression={"type": "raw"}),
    "n5 blosc": n5(compression={"type": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 1}),
    "zarr2": zarr2(),
    "zarr2 folders": zarr2(dimension_separator="/", compressor={"id": "blosc"}),
    "zarr2 raw": zarr2(compressor=None),
    "zarr3": zarr3(),
    "zarr3 sharded": zarr3(chunk_grid=GRID16, codecs=[SHARDED]),
    "zarr3 v2 keys": zarr3(chunk_key_encoding={"name": "v2"}),
}


def write(folder: Path, spec: dict[str, Any], voxels: npt.NDArray[Any] = VOXELS) -> None:
    """Write an array with tensorstore, which knows nothing of publisher."""
    ts.open({**spec, "kvstore": {"driver": "file", "path": f"{folder}/"}, "create": True}).result()[...] = voxels


def opened(url: str, driver: str) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = ts.open({"driver": driver, "kvstore": url, "open": True}).result().read().result()
    return found


def files(folder: Path, role: Callable[[str], str]) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): role(path.relative_to(folder).as_posix())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("case", WRITTEN)
def test_every_voxel_is_read_back_over_http(case: str, rig: Rig) -> None:
    write(rig.sources / "a", WRITTEN[case])
    facts, role, encoded_names = look(rig.sources / "a")
    assert not encoded_names
    rig.extra = (rig.tree("a", role=role),)
    rig.publish()
    assert {entry.headers.content_encoding for entry in rig.entries} == {None}  # the codec is inside
    with serve.running(rig.root) as base:
        back = opened(f"{base}/v1/files/a/", WRITTEN[case]["driver"])
        assert np.array_equal(back, VOXELS)
    # The control: a reader that finds nothing sees zeros, which none of these voxels is.
    chunk = next(
        path
        for path in rig.root.rglob("*")
        if path.is_file() and "/files/a/" in str(path) and not path.name.endswith((".json", ".zarray"))
    )
    chunk.unlink()
    with serve.running(rig.root) as base:
        assert not np.array_equal(opened(f"{base}/v1/files/a/", WRITTEN[case]["driver"]), VOXELS)
    assert facts.data_type == "uint64"
    assert facts.role == "segmentation"


FACTS = {
    "n5": ("n5", "gzip", False, SHAPE, (8, 8, 8)),
    "n5 raw": ("n5", "raw", False, SHAPE, (8, 8, 8)),
    "zarr2": ("zarr2", "gzip", False, SHAPE[::-1], (8, 8, 8)),
    "zarr2 raw": ("zarr2", "raw", False, SHAPE[::-1], (8, 8, 8)),
    "zarr3": ("zarr3", "bytes+gzip", False, SHAPE[::-1], (8, 8, 8)),
    "zarr3 sharded": ("zarr3", "sharding_indexed", True, SHAPE[::-1], (16, 16, 16)),
}


@pytest.mark.parametrize("case", FACTS)
def test_facts_are_those_of_the_metadata(case: str, tmp_path: Path) -> None:
    write(tmp_path / "a", WRITTEN[case])
    facts = arrays.facts(tmp_path / "a")
    assert facts is not None
    (scale,) = facts.scales
    assert (facts.format, scale.encoding, scale.sharded, scale.size_voxels, scale.chunk_voxels) == FACTS[case]
    assert (scale.key, scale.voxel_size_nm, scale.offset_voxels) == ("", (0.0, 0.0, 0.0), (0, 0, 0))


ROLES = {
    "n5": {"attributes.json": "json", "0/0/0": "array/chunk", "2/2/1": "array/chunk"},
    "zarr2": {".zarray": "json", "0.0.0": "array/chunk"},
    "zarr2 folders": {".zarray": "json", "2/2/1": "array/chunk"},
    "zarr3": {"zarr.json": "json", "c/0/0/0": "array/chunk"},
    "zarr3 sharded": {"zarr.json": "json", "c/0/0/0": "array/shard", "c/1/1/0": "array/shard"},
    "zarr3 v2 keys": {"zarr.json": "json", "0.0.0": "array/chunk"},
}


@pytest.mark.parametrize("case", ROLES)
def test_every_file_has_its_role(case: str, tmp_path: Path) -> None:
    write(tmp_path / "a", WRITTEN[case])
    found = files(tmp_path / "a", arrays.roles(tmp_path / "a"))
    assert {name: found[name] for name in ROLES[case]} == ROLES[case]
    chunks = {role for name, role in found.items() if name not in arrays.METADATA}
    assert len(chunks) == 1


@pytest.mark.parametrize(
    ("dtype", "role"),
    [("<u8", "segmentation"), ("<u4", "segmentation"), ("|u1", "image"), ("<u2", "image"), ("<f4", "image")],
)
def test_wide_whole_numbers_are_labels(dtype: str, role: str, tmp_path: Path) -> None:
    write(tmp_path / "a", zarr2(dtype=dtype), (VOXELS % 200).astype(dtype))
    facts = arrays.facts(tmp_path / "a")
    assert facts is not None
    assert facts.role == role
    assert (
        facts.data_type == {"<u8": "uint64", "<u4": "uint32", "|u1": "uint8", "<u2": "uint16", "<f4": "float32"}[dtype]
    )


def group(
    folder: Path, kind: str, attributes: dict[str, Any], levels: dict[str, tuple[int, ...]], **more: object
) -> None:
    """Write a group of arrays: `levels` is a shape by path."""
    make = {"zarr2": zarr2, "zarr3": zarr3, "n5": n5}[kind]
    for path, shape in levels.items():
        spec = make(**{"dimensions" if kind == "n5" else "shape": list(shape)}, **more)
        if len(shape) > 3:
            spec["metadata"]["chunks"] = [1] * (len(shape) - 3) + [8, 8, 8]
        write(folder / path, spec, np.ones(shape, np.uint64))
    if kind == "zarr2":
        (folder / ".zgroup").write_text('{"zarr_format": 2}')
        (folder / ".zattrs").write_text(json.dumps(attributes))
    elif kind == "zarr3":
        text = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        (folder / "zarr.json").write_text(json.dumps(text))
    else:
        (folder / "attributes.json").write_text(json.dumps(attributes))


def ome(
    axes: object, *levels: tuple[str, list[float]], above: list[float] | None = None, **more: object
) -> dict[str, Any]:
    datasets = [{"path": path, "coordinateTransformations": [{"type": "scale", "scale": s}]} for path, s in levels]
    image: dict[str, Any] = {"version": "0.4", "axes": axes, "datasets": datasets, **more}
    if above:
        image["coordinateTransformations"] = [{"type": "scale", "scale": above}]
    return {"multiscales": [image]}


NM = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
UM = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
TCZYX = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}, *NM]
XYZ = NM[::-1]
ZYX_LEVELS = {"0": (16, 18, 20), "1": (8, 9, 10)}

# Attributes, arrays, and the scales that must be found: (key, nm along x y z, size along x y z).
MULTISCALES: dict[str, tuple[str, dict[str, Any], dict[str, tuple[int, ...]], list[tuple[Any, ...]]]] = {
    "0.4": ("zarr2", ome(NM, ("0", [40, 8, 4]), ("1", [80, 16, 8])), ZYX_LEVELS,
            [("0", (4, 8, 40), (20, 18, 16)), ("1", (8, 16, 80), (10, 9, 8))]),
    "0.5": ("zarr3", {"ome": ome(NM, ("0", [40, 8, 4]), ("1", [80, 16, 8]))}, ZYX_LEVELS,
            [("0", (4, 8, 40), (20, 18, 16)), ("1", (8, 16, 80), (10, 9, 8))]),
    "micrometres": ("zarr2", ome(UM, ("0", [0.04, 0.008, 0.004])), {"0": (16, 18, 20)},
                    [("0", (4, 8, 40), (20, 18, 16))]),
    "coarse first": ("zarr2", ome(NM, ("1", [80, 16, 8]), ("0", [40, 8, 4])), ZYX_LEVELS,
                     [("0", (4, 8, 40), (20, 18, 16)), ("1", (8, 16, 80), (10, 9, 8))]),
    "time and channel": ("zarr2", ome(TCZYX, ("0", [1, 1, 40, 8, 4])), {"0": (1, 2, 16, 18, 20)},
                         [("0", (4, 8, 40), (20, 18, 16))]),
    "x first": ("zarr2", ome(XYZ, ("0", [4, 8, 40])), {"0": (20, 18, 16)}, [("0", (4, 8, 40), (20, 18, 16))]),
    "nested paths": ("zarr2", ome(NM, ("scale0/image", [40, 8, 4])), {"scale0/image": (16, 18, 20)},
                     [("scale0/image", (4, 8, 40), (20, 18, 16))]),
    "a scale of all": ("zarr2", ome(NM, ("0", [10, 2, 1]), above=[4, 4, 4]), {"0": (16, 18, 20)},
                       [("0", (4, 8, 40), (20, 18, 16))]),
    "axes of 0.3": ("zarr2", ome(["z", "y", "x"], ("0", [40, 8, 4])), {"0": (16, 18, 20)},
                    [("0", (4, 8, 40), (20, 18, 16))]),
    "no axes": ("zarr2", {"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]}, {"0": (16, 18, 20)},
                [("0", (0, 0, 0), (20, 18, 16))]),
    "labels beside": ("zarr2", ome(NM, ("0", [40, 8, 4])), {"0": (16, 18, 20), "other": (4, 4, 4)},
                      [("0", (4, 8, 40), (20, 18, 16))]),
    "no words at all": ("zarr2", {}, {"s1": (8, 9, 10), "s10": (4, 4, 4), "s0": (16, 18, 20)},
                        [("s0", (0, 0, 0), (20, 18, 16)), ("s1", (0, 0, 0), (10, 9, 8)), ("s10", (0, 0, 0), (4, 4, 4))]),
    "not even wrong": ("zarr2", {"multiscales": ["x", {"axes": [1, {}], "datasets": "no"}]}, {"0": (16, 18, 20)},
                       [("0", (0, 0, 0), (20, 18, 16))]),
    "n5-viewer": ("n5", {"pixelResolution": {"unit": "um", "dimensions": [0.004, 0.008, 0.04]}, "scales": [[1, 1, 1], [2, 2, 1]]},
                  {"s0": (20, 18, 16), "s1": (10, 9, 16)},
                  [("s0", (4, 8, 40), (20, 18, 16)), ("s1", (8, 16, 40), (10, 9, 16))]),
    "bigdataviewer": ("n5", {"resolution": [4, 8, 40], "units": ["nm", "nm", "nm"], "downsamplingFactors": [[1, 1, 1], [4, 4, 4]]},
                      {"s0": (20, 18, 16), "s1": (5, 5, 4)},
                      [("s0", (4, 8, 40), (20, 18, 16)), ("s1", (16, 32, 160), (5, 5, 4))]),
}  # fmt: skip


@pytest.mark.parametrize("case", MULTISCALES)
def test_multiscales_are_read_as_their_metadata_mean_them(case: str, tmp_path: Path) -> None:
    kind, attributes, levels, wanted = MULTISCALES[case]
    group(tmp_path, kind, attributes, levels)
    facts = arrays.facts(tmp_path)
    assert facts is not None
    found = [(s.key, tuple(round(n, 6) for n in s.voxel_size_nm), s.size_voxels) for s in facts.scales]
    assert found == wanted
    roles = files(tmp_path, arrays.roles(tmp_path))
    assert {name for name, role in roles.items() if role == "json"} == {
        name for name in roles if name.rpartition("/")[2] in arrays.METADATA
    }


def test_named_axes_win_over_the_usual_order(tmp_path: Path) -> None:
    write(tmp_path / "a", zarr3(dimension_names=["x", "y", "z"]))
    write(tmp_path / "b", zarr3(dimension_names=["z", "y", "x"]))
    sizes = [facts.scales[0].size_voxels for name in "ab" if (facts := arrays.facts(tmp_path / name))]
    assert sizes == [SHAPE, SHAPE[::-1]]


@pytest.mark.parametrize(
    ("meta", "nm"),
    [
        ({"pixelResolution": {"unit": "nm", "dimensions": [4, 8, 40]}}, (4, 8, 40)),
        ({"pixelResolution": {"unit": "µm", "dimensions": [4, 8, 40]}}, (4000, 8000, 40000)),
        ({"pixelResolution": [4, 8, 40]}, (4, 8, 40)),
        ({"resolution": [4, 8, 40], "units": ["um", "um", "um"]}, (4000, 8000, 40000)),
        ({"resolution": [4, 8]}, (0, 0, 0)),
        ({"resolution": "8 nm"}, (0, 0, 0)),
        ({}, (0, 0, 0)),
    ],
)
def test_an_n5_array_s_own_resolution(meta: dict[str, Any], nm: tuple[float, ...], tmp_path: Path) -> None:
    write(tmp_path / "a", n5())
    path = tmp_path / "a/attributes.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | meta))
    facts = arrays.facts(tmp_path / "a")
    assert facts is not None
    assert facts.scales[0].voxel_size_nm == nm


def test_what_is_no_volume_is_refused_or_left_to_others(tmp_path: Path) -> None:
    assert arrays.facts(tmp_path) is None
    with pytest.raises(InvalidInput, match="is not a volume"):
        look(tmp_path)
    group(tmp_path / "flat", "zarr2", {}, {"table": (16, 18)}, chunks=[8, 8])
    with pytest.raises(InvalidInput, match="no zarr2 array of three or more axes"):
        arrays.facts(tmp_path / "flat")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/zarr.json").write_text('{"shape": [1, 2')
    with pytest.raises(InvalidInput, match=r"zarr\.json:1:\d+: is not JSON"):
        arrays.facts(tmp_path / "broken")
