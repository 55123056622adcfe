"""Precomputed folders: facts, the role of every file, and every voxel read back over HTTP by two readers."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorstore as ts
import urllib3

from publisher import serve
from publisher.artifacts.volume import look
from publisher.errors import InvalidInput
from publisher.formats import precomputed
from publisher.headers import rule, rule_for_name
from publisher.objects import Form
from publisher.tree import Tree, specs
from tests.rig import Rig

SIZE = (100, 70, 40)
LABELS = np.random.default_rng(1).integers(1, 2**50, (5, 5, 5), np.uint64)
LABELS = LABELS.repeat(20, 0).repeat(14, 1).repeat(8, 2)
IMAGE = (LABELS % 200 + 1).astype(np.uint8)
SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 1, "minishard_bits": 1, "shard_bits": 2,
    "hash": "identity", "minishard_index_encoding": "gzip", "data_encoding": "gzip",
}  # fmt: skip
CSEG = {"encoding": "compressed_segmentation", "compressed_segmentation_block_size": [8, 8, 8]}

# (data, fields of the scale, the Content-Encoding that its chunks must be sent with)
VOLUMES: dict[str, tuple[npt.NDArray[Any], dict[str, Any], str | None]] = {
    "raw labels": (LABELS, {"encoding": "raw"}, "gzip"),
    "compressed_segmentation": (LABELS, CSEG, "gzip"),
    "raw image": (IMAGE, {"encoding": "raw"}, "gzip"),
    "png": (IMAGE, {"encoding": "png"}, None),
    "jpeg": (IMAGE, {"encoding": "jpeg"}, None),
    "sharded labels": (LABELS, {**CSEG, "sharding": SHARDING}, None),
    "sharded image": (IMAGE, {"encoding": "raw", "sharding": SHARDING}, None),
    "offset": (LABELS, {**CSEG, "voxel_offset": [13, 5, 7]}, "gzip"),
}


def write(folder: Path, data: npt.NDArray[Any], **scale: Any) -> None:
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "multiscale_metadata": {
            "type": "segmentation" if data.dtype == np.uint64 else "image",
            "data_type": str(data.dtype),
            "num_channels": 1,
        },
        "scale_metadata": {"key": "8_8_8", "size": SIZE, "resolution": [8, 8, 8], "chunk_size": [32, 32, 32], **scale},
        "create": True,
    }
    ts.open(spec).result()[..., 0] = data


def tensorstore(url: str) -> npt.NDArray[Any]:
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"{url}/", "open": True}
    found: npt.NDArray[Any] = ts.open(spec).result().read().result()
    return found[..., 0]


def cloudvolume(url: str) -> npt.NDArray[Any]:
    from cloudvolume import CloudVolume

    volume = CloudVolume(f"precomputed://{url}", progress=False, use_https=True, fill_missing=False)
    return np.asarray(volume[volume.bounds])[..., 0]


def pillow(url: str) -> npt.NDArray[Any]:
    """Read one chunk of 32 x 32 x 32 voxels as the picture that it is: x across, y and z down."""
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(urllib3.request("GET", url).data)))
    return picture.reshape(32, 32, 32).transpose(2, 1, 0)


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gz files"])
@pytest.mark.parametrize("case", VOLUMES)
def test_two_readers_find_every_voxel_over_http(case: str, compressed: bool, rig: Rig) -> None:  # noqa: FBT001
    data, scale, encoding = VOLUMES[case]
    folder = rig.sources / "a"
    write(folder, data, **scale)
    if compressed:  # as cloud-volume leaves chunks on a disk; shards and pictures it never compresses
        for path in [*folder.rglob("*-*"), folder / "info"] if encoding else [folder / "info"]:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    _, role, encoded_names = look(folder)
    rig.extra = (Tree("a", "v1/files/a", folder, role=role, encoded_names=encoded_names),)
    rig.publish()
    found = {entry.headers.content_encoding for entry in rig.entries if not entry.key.endswith("/info")}
    assert found == {encoding}
    with serve.running(rig.root) as base:
        url = f"{base}/v1/files/a"
        back = tensorstore(url)
        if case == "jpeg":  # as near as the source itself
            assert np.abs(back.astype(int) - data).max() < 40
        else:
            assert np.array_equal(back, data)
        if case == "png":  # cloud-volume needs another package for it: a picture of one chunk will do
            assert np.array_equal(back[:32, :32, :32], pillow(f"{url}/8_8_8/0-32_0-32_0-32"))
        else:
            assert np.array_equal(back, cloudvolume(url))


def test_the_readers_would_notice_one_wrong_voxel(rig: Rig) -> None:
    write(rig.sources / "a", LABELS, **CSEG)
    other = LABELS.copy()
    other[50, 40, 20] += 1
    write(rig.sources / "b", other, **CSEG)
    rig.extra = tuple(
        Tree(name, f"v1/files/{name}", rig.sources / name, role=look(rig.sources / name)[1]) for name in "ab"
    )
    rig.publish()
    with serve.running(rig.root) as base:
        for reader in (tensorstore, cloudvolume):
            assert np.argwhere(reader(f"{base}/v1/files/b") != LABELS).tolist() == [[50, 40, 20]]


@pytest.mark.parametrize("case", VOLUMES)
def test_facts_are_those_of_the_info(case: str, tmp_path: Path) -> None:
    data, scale, _ = VOLUMES[case]
    write(tmp_path, data, **scale)
    facts = precomputed.volume_facts(tmp_path)
    (found,) = facts.scales
    assert (facts.format, facts.data_type, facts.channels) == ("precomputed", str(data.dtype), 1)
    assert facts.role == ("segmentation" if data is LABELS else "image")
    assert (found.key, found.encoding, found.sharded) == ("8_8_8", scale["encoding"], "sharding" in scale)
    assert (found.voxel_size_nm, found.size_voxels, found.chunk_voxels) == ((8, 8, 8), SIZE, (32, 32, 32))
    assert found.offset_voxels == tuple(scale.get("voxel_offset", (0, 0, 0)))


def info(**more: object) -> dict[str, Any]:
    scale = {
        "key": "8_8_8", "size": [64, 64, 64], "resolution": [8, 8, 8], "chunk_sizes": [[64, 64, 64]],
        "encoding": "raw", "voxel_offset": [0, 0, 0],
    }  # fmt: skip
    jpeg = {**scale, "key": "deep/16", "encoding": "jpeg"}
    base = {"@type": "neuroglancer_multiscale_volume", "type": "segmentation", "data_type": "uint64", "num_channels": 1}
    return {**base, "scales": [scale, jpeg], "mesh": "mesh", "skeletons": "skel", **more}


# Every file of a volume with everything beside it, each with what it must be.
TREE: dict[str, tuple[object, str]] = {
    "info": (info(), "json"),
    "provenance": ({}, "json"),
    "8_8_8/0-64_0-64_0-64": (b"x", "chunk/raw"),
    "8_8_8/0-64_0-64_64-128": (b"x", "chunk/raw"),
    "deep/16/0-64_0-64_0-64": (b"x", "chunk/jpeg"),
    "8_8_8/0.shard": (b"x", "shard"),
    "mesh/1:0": (b"{}", "mesh/manifest"),
    "mesh/1:0:0-64_0-64_0-64": (b"x", "mesh/fragment"),
    "mesh/fragment7": (b"x", "mesh/fragment"),
    "mesh/README.md": (b"x", ""),
    "multires/info": ({"@type": "neuroglancer_multilod_draco", "vertex_quantization_bits": 10}, "json"),
    "multires/722817260": (b"x", "mesh/multiresolution"),
    "multires/722817260.index": (b"x", "mesh/index"),
    "multires/0a.shard": (b"x", "shard"),
    "skel/info": ({"@type": "neuroglancer_skeletons"}, "json"),
    "skel/722817260": (b"x", "skeleton"),
    "skel/notes.txt": (b"x", ""),
    "props/info": ({"@type": "neuroglancer_segment_properties"}, "json"),
    "synapses/info": ({"@type": "neuroglancer_annotations_v1"}, "json"),
    "synapses/spatial0/0_0_0": (b"x", "annotation"),
    "synapses/by_id/17": (b"x", "annotation"),
    "synapses/pre/722817260": (b"x", "annotation"),
    "synapses/by_id/0.shard": (b"x", "shard"),
    "elsewhere/file.csv": (b"x", ""),
}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    for name, (content, _) in TREE.items():
        path = tmp_path / "volume" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return tmp_path / "volume"


def test_every_file_has_its_role_and_the_headers_of_its_rule(volume: Path) -> None:
    role = precomputed.roles(volume)
    assert {name: role(name) for name in TREE} == {name: wanted for name, (_, wanted) in TREE.items()}
    made = {}
    for spec in specs(Tree("a", "v", volume, role=role, encoded_names=True), final=True):
        assert not hasattr(spec, "message"), spec
        made[spec.key[2:]] = spec  # type: ignore[union-attr]
    assert set(made) == set(TREE)
    for name, spec in made.items():
        wanted = TREE[name][1]
        row = rule(wanted) if wanted else rule_for_name(name)
        assert spec.headers.content_type == row.content_type, name  # type: ignore[union-attr]
        assert (spec.form is Form.GZIP) is (row.gzip == "should"), name  # type: ignore[union-attr]


def test_a_compressed_info_says_the_same(volume: Path) -> None:
    wanted = precomputed.volume_facts(volume)
    for path in (volume / "info", volume / "multires/info"):
        path.with_name("info.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert precomputed.volume_facts(volume) == wanted
    assert precomputed.roles(volume)("multires/1.index") == "mesh/index"


def test_a_mesh_folder_without_info_is_legacy_only_where_the_volume_names_it(volume: Path) -> None:
    (volume / "info").write_text(json.dumps(info(mesh="other")))
    assert precomputed.roles(volume)("mesh/1:0") == ""
    (volume / "info").write_text(json.dumps(info(mesh="nested/mesh")))
    assert precomputed.roles(volume)("nested/mesh/1:0") == "mesh/manifest"
    shutil.rmtree(volume / "mesh")


def broken(**scale: object) -> dict[str, Any]:
    made = info()
    made["scales"] = [{**made["scales"][0], **scale}]
    return made


BROKEN = {
    "no type": (info(type="volume"), "`type` must be one of image, segmentation"),
    "another @type": (info(**{"@type": "neuroglancer_skeletons"}), "`@type` must be"),
    "data type": (info(data_type="uint128"), "`data_type` must be"),
    "no scales": (info(scales=[]), "`scales` must be"),
    "scales that are none": (info(scales=[1]), "`scales` must be"),
    "key twice": (info(scales=[info()["scales"][0]] * 2), "two scales have the key 8_8_8"),
    "key outside": (broken(key="../x"), r"`scales\[0\].key` must be"),
    "key absolute": (broken(key="/x"), r"`scales\[0\].key` must be"),
    "size": (broken(size=[64, 64]), r"`scales\[0\].size` must be"),
    "size of nothing": (broken(size=[0, 64, 64]), r"`scales\[0\].size` must be"),
    "size in halves": (broken(size=[1.5, 64, 64]), r"`scales\[0\].size` must be"),
    "resolution": (broken(resolution=[8, 8, 0]), r"`scales\[0\].resolution` must be"),
    "resolution as words": (broken(resolution="8 nm"), r"`scales\[0\].resolution` must be"),
    "chunks": (broken(chunk_sizes=[]), r"`scales\[0\].chunk_sizes` must be"),
    "chunks of nothing": (broken(chunk_sizes=[[0, 64, 64]]), r"`scales\[0\].chunk_sizes` must be"),
    "encoding": (broken(encoding="gzip"), r"`scales\[0\].encoding` must be"),
    "a list": ([], "must hold a JSON object"),
    "channels": (info(num_channels="1"), "`num_channels` must be"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_info_that_breaks_the_specification_is_refused_by_field(case: str, tmp_path: Path) -> None:
    value, words = BROKEN[case]
    (tmp_path / "info").write_text(json.dumps(value))
    with pytest.raises(InvalidInput, match=words) as caught:
        precomputed.volume_facts(tmp_path)
    assert caught.value.problems[0].where.startswith(str(tmp_path / "info"))


ANNOTATIONS: dict[str, Any] = {
    "@type": "neuroglancer_annotations_v1",
    "annotation_type": "POINT",
    "dimensions": {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [8e-9, "m"]},
    "lower_bound": [0, 0, 0],
    "upper_bound": [1000, 1000, 1000.5],
    "properties": [{"id": "confidence", "type": "float32"}],
    "relationships": [{"id": "pre", "key": "pre"}],
    "by_id": {"key": "by_id"},
    "spatial": [{"key": "spatial0", "sharding": SHARDING}],
}


def test_annotations_and_meshes_are_described_by_their_info(tmp_path: Path) -> None:
    (tmp_path / "info").write_text(json.dumps(ANNOTATIONS))
    facts = precomputed.annotation_facts(tmp_path, "seg")
    assert facts.dimensions == {"x": (8e-9, "m"), "y": (8e-9, "m"), "z": (8e-9, "m")}
    assert (facts.lower_bound, facts.upper_bound) == ((0, 0, 0), (1000, 1000, 1000.5))
    assert (facts.properties, facts.relationships, facts.sharded) == (("confidence",), ("pre",), True)
    (tmp_path / "info").write_text(json.dumps({**ANNOTATIONS, "spatial": [], "properties": []}))
    assert not precomputed.annotation_facts(tmp_path, "").sharded
    for kind, form in (("neuroglancer_legacy_mesh", "legacy"), ("neuroglancer_multilod_draco", "multiresolution")):
        (tmp_path / "info").write_text(json.dumps({"@type": kind}))
        assert precomputed.mesh_facts(tmp_path, "seg").form == form


@pytest.mark.parametrize(
    "wrong",
    [
        {"@type": "neuroglancer_skeletons"},
        {"annotation_type": "CUBE"},
        {"dimensions": {"x": 8e-9}},
        {"dimensions": {"x": ["8", "m"]}},
        {"dimensions": []},
        {"lower_bound": [0, 0]},
        {"upper_bound": ["a", 0, 0]},
        {"properties": [{}]},
        {"relationships": ["pre"]},
        {"spatial": [1]},
    ],
    ids=str,
)
def test_annotations_that_break_the_specification_are_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "info").write_text(json.dumps({**ANNOTATIONS, **wrong}))
    with pytest.raises(InvalidInput, match=f"`{next(iter(wrong))}") as caught:
        precomputed.annotation_facts(tmp_path, "")
    assert caught.value.problems[0].where == str(tmp_path / "info")
