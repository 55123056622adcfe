"""Skeletons in shards: cloud-volume and tensorstore, which did not write them, read what the SWC files say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from publisher.artifacts import Bench, Made
from publisher.artifacts.skeletons import Skeletons
from publisher.builders import skeletons as builder
from publisher.facts import SkeletonFacts
from publisher.formats import swc
from publisher.health.skeletons import check
from publisher.plan import plan
from publisher.targets import Nowhere
from tests.rig import peak_bytes
from tests.unit import layers

COUNT = 300
IDS = [*range(1, COUNT), 2**64 - 1]


def text(segment: int) -> bytes:
    at = segment % 1000
    return f"1 1 {at} 2 3 4 -1\n2 3 {at} 5.5 6 0.5 1\n3 3 {at + 1} 7 8 1 1\n".encode()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "swc"
    folder.mkdir()
    for segment in IDS:
        (folder / f"{segment}.swc").write_bytes(text(segment))
    return folder


def stage(source: Path, work: Path, **more: object) -> Made:
    given = {"name": "skeletons", "source": "x", "units": "8 nm", **more}
    return Skeletons.model_validate(given).stage(Bench(source, "v1/sk", None, work, lambda _: work))


def wanted(segment: int) -> np.ndarray[Any, Any]:
    at = segment % 1000
    return np.array([[at, 2, 3], [at, 5.5, 6], [at + 1, 7, 8]]) * 8.0


def test_cloud_volume_reads_every_one(source: Path, tmp_path: Path) -> None:
    from cloudvolume import CloudVolume
    from cloudvolume.exceptions import EmptyFileException

    volume = tmp_path / "volume"
    made = stage(source, volume, sharded=True)
    folder = made.trees[1].path
    scale = {
        "key": "8", "size": [64, 64, 64], "resolution": [8, 8, 8], "chunk_sizes": [[64, 64, 64]], "encoding": "raw",
        "voxel_offset": [0, 0, 0],
    }  # fmt: skip
    head = {"type": "segmentation", "data_type": "uint64", "num_channels": 1, "scales": [scale]}
    (volume / "info").write_text(json.dumps(head | {"skeletons": folder.relative_to(volume).as_posix()}))
    reader = CloudVolume(f"file://{volume}", progress=False)
    for segment in (1, 2, 150, COUNT - 1, 2**64 - 1):
        read = reader.skeleton.get(segment)
        assert read.vertices.tolist() == wanted(segment).tolist()
        assert read.edges.tolist() == [[1, 0], [2, 0]]
        assert read.radii.tolist() == [32.0, 4.0, 8.0]
    with pytest.raises(EmptyFileException, match="1000 is missing"):
        reader.skeleton.get(1000)


def test_tensorstore_finds_every_key_with_the_bytes_of_the_file(source: Path, tmp_path: Path) -> None:
    import tensorstore as ts

    folder = stage(source, tmp_path / "work", sharded=True).trees[1].path
    info = json.loads((folder / "info").read_text())
    base = {"driver": "file", "path": f"{folder}/"}
    store = ts.KvStore.open(
        {"driver": "neuroglancer_uint64_sharded", "base": base, "metadata": info["sharding"]}
    ).result()
    for segment in IDS:
        parsed = swc.parse(text(segment), "")
        assert isinstance(parsed, swc.Skeleton)
        assert store.read(segment.to_bytes(8, "big")).result().value == swc.encode(parsed, 8.0)
    assert store.read((5000).to_bytes(8, "big")).result().state == "missing"


def test_shards_are_published_and_healthy(source: Path, tmp_path: Path) -> None:
    made = stage(source, tmp_path / "work", sharded=True)
    keys = {change.key for change in plan(made.trees, Nowhere(), None, version="v1", final=False).changes}
    assert {key for key in keys if "precomputed" in key} == {
        "v1/sk/skeletons-precomputed/info",
        "v1/sk/skeletons-precomputed/0.shard",
    }
    assert [made.trees[1].role(name) for name in ("info", "0.shard")] == ["json", "shard"]
    assert list(check(layers.subject(made.trees[1].path, "skeletons"), "full")) == []


def test_auto_goes_by_the_number(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (stage(source, tmp_path / "a").trees[1].path / "150").is_file()
    monkeypatch.setattr(builder, "SHARDED_FROM", COUNT)
    packed = stage(source, tmp_path / "b").trees[1].path
    assert sorted(path.name for path in packed.iterdir()) == ["0.shard", "info"]
    assert (stage(source, tmp_path / "c", sharded=False).trees[1].path / "150").is_file()


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize("sharded", [True, False])
def test_a_rerun_builds_nothing_and_parses_nothing(
    *, sharded: bool, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage(source, tmp_path / "work", sharded=sharded)
    folder = first.trees[1].path
    before = times(folder)
    with monkeypatch.context() as patch:
        patch.setattr(swc, "parse", None)
        second = stage(source, tmp_path / "work", sharded=sharded)
    assert (second.facts, times(folder)) == (first.facts, before)
    assert isinstance(first.facts, SkeletonFacts)
    assert first.facts.count == COUNT
    (folder / ("0.shard" if sharded else "150")).unlink()
    assert stage(source, tmp_path / "work", sharded=sharded).facts == first.facts
    assert set(times(folder)) == set(before)
    (source / "150.swc").unlink()
    third = stage(source, tmp_path / "work", sharded=sharded)
    assert isinstance(third.facts, SkeletonFacts)
    assert third.facts.count == COUNT - 1


def test_the_same_files_give_the_same_bytes(source: Path, tmp_path: Path) -> None:
    one, two = (stage(source, tmp_path / name, sharded=True).trees[1].path for name in "ab")
    assert (one / "0.shard").read_bytes() == (two / "0.shard").read_bytes()


def test_a_problem_in_one_file_is_told_and_mended(source: Path, tmp_path: Path) -> None:
    (source / "150.swc").write_bytes(b"1 1 0 0 0 1 7\n")
    (problem,) = stage(source, tmp_path / "work", sharded=True).problems
    assert problem.where.endswith("150.swc:1")
    (source / "150.swc").write_bytes(text(150))
    made = stage(source, tmp_path / "work", sharded=True)
    assert not made.problems
    assert list(check(layers.subject(made.trees[1].path, "skeletons"), "full")) == []


def test_an_id_beyond_64_bits_is_no_segment(tmp_path: Path) -> None:
    (tmp_path / "swc").mkdir()
    (tmp_path / "swc" / f"{2**64}.swc").write_bytes(text(1))
    (problem,) = stage(tmp_path / "swc", tmp_path / "work").problems
    assert problem.hint == "ids are below 2^64"


STAGE = """
import sys
from pathlib import Path
from tests.unit.test_skeleton_shards import stage
stage(Path(sys.argv[1]), Path(sys.argv[2]), sharded=True)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_skeletons(tmp_path: Path) -> None:
    (tmp_path / "swc").mkdir()
    chain = "".join(f"{at} 3 {at} 0 0 1 {at - 1 if at > 1 else -1}\n" for at in range(1, 400)).encode()
    peaks = []
    for start, stop in ((1, 1001), (1001, 6001)):
        for segment in range(start, stop):
            (tmp_path / "swc" / f"{segment}.swc").write_bytes(chain)
        peaks.append(peak_bytes(STAGE, tmp_path / "swc", tmp_path / f"work{stop}"))
    assert peaks[1] < peaks[0] + (16 << 20)
