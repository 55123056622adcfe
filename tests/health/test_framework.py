"""What health does around its checks: it stops a release before anything is sent, remembers, names some of many."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from publisher import health
from publisher.artifacts.volume import look
from publisher.cli.app import app
from publisher.health import decode, readers, volumes
from publisher.health.decode import Expected
from publisher.health.gathered import NAMED, Gathered
from publisher.health.sample import Sample
from publisher.health.subject import Depth
from publisher.objects import Finding
from publisher.record import Described
from publisher.tree import Tree
from tests.health.makers import array, chunks, edit, precomputed, told, write_json

MANIFEST = """\
schema: 1
version: v1
date: 2026-01-01
status: draft
dataset: {name: ill, title: Ill, description: A volume., license: CC0-1.0, authors: [{name: A}]}
space: {name: EM, voxel_size: [8, 8, 8], units: nm}
volumes: [{name: v, source: v}]
"""


def run(folder: Path, *words: str) -> tuple[int, str, dict[str, Any]]:
    (folder / "release.yaml").write_text(MANIFEST)
    result = CliRunner().invoke(app, [words[0], str(folder / "release.yaml"), *words[1:], "--json"])
    return result.exit_code, result.stderr, json.loads(result.stdout)


def test_an_error_stops_a_release_before_anything_is_written(tmp_path: Path) -> None:
    precomputed(tmp_path / "v", layout="gz")
    path = chunks(tmp_path / "v")[0]
    path.write_bytes(path.read_bytes()[:-9])
    target = tmp_path / "public"
    code, said, result = run(tmp_path, "release", "--target", str(target), "--until", "publish")
    assert code == 2
    words = "is gzip that is not whole: it ends too early"
    assert result["problems"] == [{"where": str(path), "message": words, "hint": "write the chunk again"}]
    assert f"{path}: {words} → write the chunk again" in said
    assert not target.exists()


def test_a_warning_is_told_and_stops_nothing(tmp_path: Path) -> None:
    precomputed(tmp_path / "v")
    (tmp_path / "v/8_8_8/notes.txt").write_text("x")
    code, said, result = run(tmp_path, "release", "--target", str(tmp_path / "public"), "--until", "publish")
    assert code == 0
    words = "is no chunk: those of scale 8_8_8 are named x0-x1_y0-y1_z0-z1 → move it elsewhere"
    assert f"warning {tmp_path}/v/8_8_8/notes.txt: {words}" in said
    assert result["findings"] == [
        {
            "check": "stray",
            "severity": "warning",
            "key": "v1/volumes/v/8_8_8/notes.txt",
            "artifact": "v",
            "message": words,
        }
    ]


@pytest.mark.parametrize(("depth", "found"), [("quick", 0), ("sample", 1), ("full", 1)])
def test_how_deep_validate_looks(depth: str, found: int, tmp_path: Path) -> None:
    precomputed(tmp_path / "v", "jpeg")
    path = chunks(tmp_path / "v")[0]
    path.write_bytes(path.read_bytes()[:-60])
    code, _, result = run(tmp_path, "validate", "--depth", depth)
    assert (code, len(result["problems"])) == (2 if found else 0, found)


def test_what_was_looked_at_is_remembered_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = precomputed(tmp_path / "v")
    looked: list[Depth] = []

    def counted(volume: Any, depth: Depth) -> Any:
        looked.append(depth)
        return volumes.check(volume, depth)

    monkeypatch.setitem(health.CHECKS, "volume", counted)

    def look_at(depth: Depth, *, reread: bool = False) -> tuple[Finding, ...]:
        facts, role, encoded_names = look(source)
        artifact = Described("v", "volumes", "v", "", "", "v", None, facts=facts)
        tree = Tree("v", "v", source, role=role, encoded_names=encoded_names)
        return health.check([tree], [artifact], depth=depth, work=tmp_path, reread=reread)

    assert look_at("sample") == ()
    assert look_at("sample") == look_at("quick") == ()  # a deeper look answers for a shallower one
    assert looked == ["sample"]
    assert look_at("full") == ()
    assert look_at("sample") == ()
    assert look_at("sample", reread=True) == ()
    assert looked == ["sample", "full", "sample"]
    chunks(source)[0].unlink()
    first = look_at("sample")
    assert [finding.check for finding in first] == ["missing"]
    assert look_at("sample") == first
    assert looked == ["sample", "full", "sample", "sample"]
    (tmp_path / "health.json").write_text("{damaged")
    assert look_at("sample") == first
    assert len(looked) == 5


def test_of_many_the_first_are_named_whatever_their_order() -> None:
    findings = [Finding("chunk", "error", f"v/{n:03}", "is bad → mend it", "v") for n in range(50)]
    for order in (findings, findings[::-1], findings[25:] + findings[:25]):
        gathered = Gathered()
        gathered.add([*order, Finding("info", "warning", "v/info", "is odd", "v")])
        *named, more, odd = gathered.all()
        assert named == findings[:NAMED]
        assert (more.key, more.message) == ("v", "and 30 more like this → mend what is named, and look again")
        assert odd.check == "info"


def test_a_sample_is_the_same_in_any_order() -> None:
    names = [f"{n}-{n + 1}" for n in range(5000)]
    samples = []
    for order in (names, names[::-1]):
        sample = Sample[str](50)
        for name in order:
            sample.offer(name, name)
        samples.append((sample.all(), sample.parted(10)))
    assert samples[0] == samples[1]
    assert len(samples[0][0]) == 50
    assert samples[0][0] != sorted(names)[:50]


BOX = Expected((32, 16, 8), 1, "uint32")


@pytest.mark.parametrize(
    ("encoding", "data", "words"),
    [
        ("compresso", b"cpso\0\4" + struct.pack("<HHH", 32, 16, 8) + bytes(9), ""),
        (
            "compresso",
            b"cpso\0\4" + struct.pack("<HHH", 32, 16, 9) + bytes(9),
            "is compresso of 32 x 16 x 9 voxels of 4 bytes, but must be 32 x 16 x 8 voxels of uint32",
        ),
        ("compresso", b"what", "is not compresso"),
        ("crackle", b"crkl\0\0\0" + struct.pack("<III", 32, 16, 8), ""),
        (
            "crackle",
            b"crkl\0\0\0" + struct.pack("<III", 16, 16, 8),
            "is crackle of 16 x 16 x 8 voxels, but must be 32 x 16 x 8 voxels of uint32",
        ),
        ("jxl", b"\xff\x0a..", ""),
        ("jxl", b"\xff\xd8..", "is not JPEG XL"),
        ("fpzip", b"anything", ""),
        ("fpzip", b"", "is empty"),
    ],
)
def test_headers_of_encodings_that_no_reader_here_decodes(encoding: str, data: bytes, words: str) -> None:
    assert decode.trouble(encoding, data, BOX) == words


def test_what_cloud_volume_writes_has_no_finding(tmp_path: Path) -> None:
    """Another writer, with its own `.gz` names and its `provenance`."""
    from cloudvolume import CloudVolume

    for encoding, dtype, kind in (("raw", np.uint8, "image"), ("compressed_segmentation", np.uint64, "segmentation")):
        info = CloudVolume.create_new_info(
            1, kind, np.dtype(dtype).name, encoding, [8, 8, 40], [10, 20, 30], [100, 90, 70], chunk_size=[32, 32, 32]
        )
        volume = CloudVolume(f"file://{tmp_path}/{encoding}", info=info, progress=False)
        volume.commit_info()
        volume.commit_provenance()
        volume[:] = np.random.default_rng(1).integers(1, 9, (100, 90, 70, 1)).astype(dtype)
        assert told(tmp_path / encoding, "full") == []


def test_an_info_that_is_stored_as_gzip(tmp_path: Path) -> None:
    for layout in ("gz", "sharded"):
        volume = precomputed(tmp_path / layout, "compressed_segmentation", "uint64", "segmentation", layout)
        packed = gzip.compress((volume / "info").read_bytes())
        (volume / "info").unlink()
        (volume / "info.gz").write_bytes(packed)
        assert told(volume, "full") == []


def test_values_below_zero_and_below_one_are_something(tmp_path: Path) -> None:
    """What a coarser scale has is looked for as it is: -1 and 0.5 are as good as 200."""
    for dtype, value in (("int16", -1), ("float32", 0.5)):
        volume = precomputed(tmp_path / dtype, "raw", dtype)
        for path in chunks(volume):
            count = path.stat().st_size // np.dtype(dtype).itemsize
            path.write_bytes(np.full(count, value, dtype).tobytes())
        assert told(volume) == []
        (volume / "8_8_8/32-64_32-64_0-32").unlink()
        hint = "write the chunk again; if it is empty on purpose, write the other scale again"
        assert told(volume) == [
            f"error missing v/8_8_8/32-64_32-64_0-32: is not stored, but scale 16_16_16 has data there → {hint}"
        ]


@pytest.mark.parametrize("dtype", ["bool", "complex64", "float64"])
def test_types_that_are_not_shown_break_nothing(dtype: str, tmp_path: Path) -> None:
    said = told(array(tmp_path / "v", "zarr", dtype, {"fill_value": None}), "full")
    assert len(said) == 1
    assert "which neuroglancer cannot show: its layer stays empty" in said[0]


def test_without_a_second_reader_the_first_still_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "available", lambda: False)
    volume = precomputed(tmp_path / "v", "compressed_segmentation", "uint64", "segmentation")
    assert told(volume, "full") == []
    lost, cut = chunks(volume)[20], chunks(volume)[21]
    cut.write_bytes(cut.read_bytes()[:-400])
    lost.unlink()
    assert told(volume) == [
        f"error chunk v/8_8_8/{cut.name}: is cut off: a block's values lie beyond its end → write the chunk again",
        (
            f"warning missing v/8_8_8: 1 of its 36 chunks is not stored, and reads as empty, first {lost.name} → "
            "write them; or, if they are empty, write zeros so that nobody need wonder"
        ),
    ]
    zarr = array(tmp_path / "z", "zarr3")
    assert told(zarr, "full") == []


def test_large_volumes_without_a_pyramid(tmp_path: Path) -> None:
    volume = precomputed(tmp_path / "v", scales=1)
    edit("info", lambda value: value["scales"][0].update(size=[2000, 2000, 2000]))(volume)
    assert (
        "warning scales v/info: has one scale only, and it holds 8,000,000,000 voxels, all of which a viewer loads for "
        "an overview → add coarser scales"
    ) in told(volume, "quick")


def test_folders_that_a_volume_links_to_are_subjects_of_their_own(tmp_path: Path) -> None:
    source = precomputed(tmp_path / "v", "compressed_segmentation", "uint64", "segmentation")
    edit("info", lambda value: value.update(skeletons="deep/skeletons"))(source)
    here = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
    write_json(source / "deep/skeletons/info", {"@type": "neuroglancer_skeletons", "transform": here})
    (source / "deep/skeletons/1").write_bytes(struct.pack("<II3f", 1, 0, 8, 8, 8))
    facts, role, encoded_names = look(source)
    artifact = Described("v", "volumes", "v", "", "", "v", None, facts=facts)
    found = list(health.subjects([Tree("v", "v", source, role=role, encoded_names=encoded_names)], [artifact]))
    assert [(each.kind, each.key) for each in found] == [("volume", "v"), ("skeletons", "v/deep/skeletons")]
    assert [file.relative for file in found[1].files()] == ["1", "info"]
    assert not [file for file in found[0].files() if "deep" in file.relative]
    assert [each for each in told(source) if not each.startswith("warning across")] == []  # it is no skeleton of these
