"""SWC: what is wrong is named by its line; the precomputed form is read back by cloud-volume, and byte by byte."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from publisher.artifacts import Bench, Made
from publisher.artifacts.skeletons import Skeletons
from publisher.errors import InvalidInput, Problem
from publisher.facts import SkeletonFacts
from publisher.formats import swc
from publisher.plan import plan
from publisher.targets import Nowhere

# A root with two children, one of which has a child; ids are neither dense nor in order.
GOOD = b"""# made by hand
7 1 100 200.5 300 4 -1
9 3 110 200.5 300 2.5 7
8 3 100 210.5 300 1 7

  3 3 100 210.5 310 0.5 8
"""


def parsed(data: bytes) -> swc.Skeleton:
    made = swc.parse(data, "1.swc")
    assert isinstance(made, swc.Skeleton), made
    return made


def problems(data: bytes) -> list[tuple[str, str]]:
    made = swc.parse(data, "1.swc")
    assert isinstance(made, list), made
    return [(problem.where, problem.message) for problem in made]


def test_nodes_and_edges_are_those_of_the_file() -> None:
    made = parsed(GOOD)
    assert made.nodes.tolist() == [[100, 200.5, 300], [110, 200.5, 300], [100, 210.5, 300], [100, 210.5, 310]]
    assert made.edges.tolist() == [[1, 0], [2, 0], [3, 2]]
    assert made.radii.tolist() == [4, 2.5, 1, 0.5]
    assert made.roots == 1


WRITTEN = {
    "CRLF": GOOD.replace(b"\n", b"\r\n"),
    "CR": GOOD.replace(b"\n", b"\r"),
    "tabs": GOOD.replace(b" ", b"\t"),
    "no newline at the end": GOOD.rstrip(),
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "a form feed and latin-1 in a comment": GOOD.replace(b"by hand", b"by\x0c1 hand \x85 \xe9"),
    "an eighth column": GOOD.replace(b" -1", b" -1 99").replace(b" 7\n", b" 7 99\n"),
    "ids as floats": GOOD.replace(b"7 1 ", b"7.0 1 ").replace(b" -1", b" -1.0"),
    "comments between": GOOD.replace(b"8 3", b"# 1 2 3\n   # more\n8 3"),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_the_same_skeleton_however_it_is_written(how: str) -> None:
    made, wanted = parsed(WRITTEN[how]), parsed(GOOD)
    assert np.array_equal(made.nodes, wanted.nodes)
    assert np.array_equal(made.edges, wanted.edges)


def test_several_roots_are_a_forest() -> None:
    made = parsed(b"1 1 0 0 0 1 -1\n2 1 1 0 0 1 -1\n3 1 2 0 0 1 2\n")
    assert made.roots == 2
    assert made.edges.tolist() == [[2, 1]]
    alone = parsed(b"1 1 0 0 0 1 -1\n")
    assert alone.edges.shape == (0, 2)


def node(number: int, parent: int) -> str:
    return f"{number} 3 {number} 0 0 1 {parent}"


BAD = {
    "missing parent": ([node(1, -1), node(2, 1), node(3, 9)], [("1.swc:3", "node 3 has the parent 9")]),
    "twice": ([node(1, -1), node(2, 1), node(2, 1), node(2, 1)], [("1.swc:3", "twice"), ("1.swc:4", "twice")]),
    "its own parent": ([node(1, -1), node(2, 2)], [("1.swc:2", "node 2 is its own ancestor")]),
    "cycle of three": ([node(5, -1), node(1, 3), node(2, 1), node(3, 2)], [("1.swc:2", "node 1 is its own ancestor")]),
    "two cycles, and a tree on one": (
        [node(1, 2), node(2, 1), node(3, 4), node(4, 3), node(5, 1), node(6, 5), node(7, -1)],
        [("1.swc:1", "node 1 is"), ("1.swc:3", "node 3 is")],
    ),
    "six numbers": (["# comment", "1 1 0 0 0 1", node(1, -1)], [("1.swc:2", "is not an SWC node")]),
    "words": ([node(1, -1), "", "two 3 0 0 0 1 1"], [("1.swc:3", "is not an SWC node")]),
    "not a number": (
        [node(1, -1), "2 3 nan 0 0 1 1", "3 3 0 inf 0 1 1"],
        [("1.swc:2", "is not"), ("1.swc:3", "is not")],
    ),
    "half an id": ([node(1, -1), "1.5 3 0 0 0 1 1"], [("1.swc:2", "is not an SWC node")]),
    "half a parent": ([node(1, -1), "2 3 0 0 0 1 1.5"], [("1.swc:2", "is not an SWC node")]),
    "beyond float32": ([node(1, -1), "2 3 1e39 0 0 1 1"], [("1.swc:2", "is not an SWC node")]),
    "empty": ([], [("1.swc", "holds no node")]),
    "comments only": (["# nothing"], [("1.swc", "holds no node")]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_tree_is_named_by_its_lines(case: str) -> None:
    lines, wanted = BAD[case]
    found = problems("\n".join(lines).encode())
    assert [where for where, _ in found] == [where for where, _ in wanted]
    assert all(words in message for (_, message), (_, words) in zip(found, wanted, strict=True)), found


def test_many_cycles_and_a_long_neuron_take_no_time_to_speak_of() -> None:
    pairs = "\n".join(f"{node(2 * n, 2 * n + 1)}\n{node(2 * n + 1, 2 * n)}" for n in range(20_000))
    assert len(problems(pairs.encode())) == 20_000
    chain = "\n".join(node(n, n - 1 if n > 1 else -1) for n in range(1, 60_001))
    assert len(parsed(chain.encode()).edges) == 59_999


def test_the_encoding_is_the_specification_s_byte_by_byte() -> None:
    data = swc.encode(parsed(GOOD), 8.0)
    nodes, edges = struct.unpack_from("<II", data)
    assert (nodes, edges) == (4, 3)
    floats = struct.unpack_from("<12f", data, 8)
    assert floats[:3] == (800.0, 1604.0, 2400.0)
    assert struct.unpack_from("<6I", data, 8 + 48) == (1, 0, 2, 0, 3, 2)
    assert struct.unpack_from("<4f", data, 8 + 48 + 24) == (32.0, 20.0, 8.0, 4.0)
    assert len(data) == 8 + 48 + 24 + 16
    assert swc.encode(parsed(GOOD), 1.0) != data


def stage(source: Path, work: Path, units: str = "8 nm", **more: object) -> Made:
    artifact = Skeletons.model_validate({"name": "skeletons", "source": "x", "units": units, **more})
    return artifact.stage(Bench(source, "v1/skeletons/skeletons", None, work, lambda _: work))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "swc"
    folder.mkdir()
    (folder / "722817260.swc").write_bytes(GOOD)
    (folder / "1.swc").write_bytes(b"1 1 1000 1000 1000 1 -1\n")
    (folder / "README.md").write_bytes(b"not a skeleton")
    return folder


@pytest.mark.parametrize(("units", "nm"), [("8 nm", 8.0), ("nm", 1.0), ("um", 1000.0), ("0.5 um", 500.0)])
def test_cloud_volume_reads_what_was_made_in_nanometres(source: Path, tmp_path: Path, units: str, nm: float) -> None:
    from cloudvolume.skeleton import Skeleton

    made = stage(source, tmp_path / "work", units)
    assert not made.problems
    folder = made.trees[1].path
    info = json.loads((folder / "info").read_text())
    read = Skeleton.from_precomputed(
        (folder / "722817260").read_bytes(), segid=722817260, vertex_attributes=info["vertex_attributes"]
    )
    assert np.allclose(
        read.vertices, np.array([[100, 200.5, 300], [110, 200.5, 300], [100, 210.5, 300], [100, 210.5, 310]]) * nm
    )
    assert read.edges.tolist() == [[1, 0], [2, 0], [3, 2]]
    assert np.allclose(read.radii, np.array([4, 2.5, 1, 0.5]) * nm)
    assert read.transform.tolist() == np.array(info["transform"], float).reshape(3, 4).tolist()
    facts = made.facts
    assert isinstance(facts, SkeletonFacts)
    assert (facts.count, facts.nodes, facts.swc_unit_nm) == (2, 5, nm)
    assert facts.bounds_nm == ((100 * nm, 200.5 * nm, 300 * nm), (1000 * nm,) * 3)
    assert facts.node_nm == (1000 * nm,) * 3  # of the first file by name
    assert set(facts.ids) == {"722817260", "1"}


def test_cloud_volume_opens_the_published_folder(source: Path, tmp_path: Path) -> None:
    """Also through a volume's `skeletons`, as readers of a segmentation do."""
    from cloudvolume import CloudVolume

    volume = tmp_path / "volume"
    made = stage(source, volume)
    scale = {
        "key": "8", "size": [64, 64, 64], "resolution": [8, 8, 8], "chunk_sizes": [[64, 64, 64]], "encoding": "raw",
        "voxel_offset": [0, 0, 0],
    }  # fmt: skip
    relative = made.trees[1].path.relative_to(volume).as_posix()
    head = {"type": "segmentation", "data_type": "uint64", "num_channels": 1, "skeletons": relative, "scales": [scale]}
    (volume / "info").write_text(json.dumps(head))
    reader = CloudVolume(f"file://{volume}", progress=False)
    assert reader.skeleton.get(722817260).vertices[0].tolist() == [800.0, 1604.0, 2400.0]
    with pytest.raises(Exception, match="404"):
        reader.skeleton.get(404)


def test_the_swc_files_pass_as_they_are_and_others_do_not(source: Path, tmp_path: Path) -> None:
    made = stage(source, tmp_path / "work")
    keys = [c.key for c in plan(made.trees, Nowhere(), None, version="v1", final=False).changes]
    assert keys == [
        "v1/skeletons/skeletons/skeletons-precomputed/1",
        "v1/skeletons/skeletons/skeletons-precomputed/722817260",
        "v1/skeletons/skeletons/skeletons-precomputed/info",
        "v1/skeletons/skeletons/skeletons-swc/1.swc",
        "v1/skeletons/skeletons/skeletons-swc/722817260.swc",
    ]
    only = stage(source, tmp_path / "work", formats=["swc"])
    assert [tree.key for tree in only.trees] == ["v1/skeletons/skeletons/skeletons-swc"]


def test_staging_again_touches_nothing_and_forgets_what_is_gone(source: Path, tmp_path: Path) -> None:
    folder = stage(source, tmp_path / "work").trees[1].path
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(before) == {"1", "722817260", "info"}
    stage(source, tmp_path / "work")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    (source / "1.swc").unlink()
    (folder / ".722817260.part").write_bytes(b"left by a killed run")
    stage(source, tmp_path / "work")
    assert sorted(path.name for path in folder.iterdir()) == ["722817260", "info"]


FILES = {"722817260.swc": GOOD, "1.swc": b"1 1 1000 1000 1000 1 -1\n"}


def tar(mode: str, prefix: str) -> Callable[[Path, dict[str, bytes]], None]:
    def write(path: Path, files: dict[str, bytes]) -> None:
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            for name, data in files.items():
                member = tarfile.TarInfo(prefix + name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))

    return write


def pack_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        for name, data in files.items():
            archive.writestr(f"folder/{name}", data)


ARCHIVES = {
    "a.tar": tar("w", ""),
    "a.tar.gz": tar("w:gz", "skeletons/"),
    "b.tar.gz": tar("w:gz", "./"),  # what `tar -C folder -cz .` writes
    "a.tar.xz": tar("w:xz", "x/y/"),
    "a.zip": pack_zip,
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_hold_the_same_skeletons(name: str, source: Path, tmp_path: Path) -> None:
    ARCHIVES[name](tmp_path / name, {**FILES, "notes.txt": b"x", "._1.swc": b"of a Mac"})
    packed, plain = stage(tmp_path / name, tmp_path / "a"), stage(source, tmp_path / "b")
    assert not packed.problems
    assert packed.facts == plain.facts
    for one, two in zip(packed.trees, plain.trees, strict=True):
        names = sorted(path.name for path in one.path.iterdir())
        assert names == sorted(path.name for path in two.path.iterdir() if path.name != "README.md")
        assert all((one.path / n).read_bytes() == (two.path / n).read_bytes() for n in names)


def test_an_archive_that_lost_a_skeleton_loses_it_here_too(tmp_path: Path) -> None:
    pack_zip(tmp_path / "a.zip", FILES)
    stage(tmp_path / "a.zip", tmp_path / "work")
    pack_zip(tmp_path / "a.zip", {"1.swc": FILES["1.swc"]})
    made = stage(tmp_path / "a.zip", tmp_path / "work")
    assert [sorted(path.name for path in tree.path.iterdir()) for tree in made.trees] == [["1.swc"], ["1", "info"]]


def test_a_hard_link_in_a_tar_is_a_file_like_others(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        first = tarfile.TarInfo("1.swc")
        first.size = len(GOOD)
        archive.addfile(first, io.BytesIO(GOOD))
        second = tarfile.TarInfo("2.swc")
        second.type, second.linkname = tarfile.LNKTYPE, "1.swc"
        archive.addfile(second)
    facts = stage(tmp_path / "a.tar", tmp_path / "work").facts
    assert isinstance(facts, SkeletonFacts)
    assert facts.ids == ("1", "2")


def refused(source: Path, work: Path) -> tuple[Problem, ...]:
    with pytest.raises(InvalidInput) as caught:
        stage(source, work)
    return caught.value.problems


def test_an_archive_with_one_name_twice_is_refused(tmp_path: Path) -> None:
    tar("w", "")(tmp_path / "a.tar", {"a/1.swc": GOOD, "b/1.swc": GOOD})
    assert "a/1.swc and b/1.swc" in refused(tmp_path / "a.tar", tmp_path / "work")[0].message


@pytest.mark.parametrize("name", ["/etc/1.swc", "../1.swc", "a/../../1.swc", "a\\1.swc", "a/\x1b[2J.swc"])
def test_a_name_that_climbs_out_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    tar("w", "")(tmp_path / "a.tar", {name: GOOD})
    assert "climbs out or hides" in refused(tmp_path / "a.tar", tmp_path / "work")[0].message
    assert not list((tmp_path / "work").rglob("*.swc"))


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_damaged_archive_is_refused_in_words(name: str, keep: float, tmp_path: Path) -> None:
    noise = {
        f"{n}.swc": GOOD + b"# " + bytes((n * i * i) % 251 for i in range(5000)).hex().encode() for n in range(1, 9)
    }
    ARCHIVES[name](tmp_path / name, noise)
    data = (tmp_path / name).read_bytes()
    stage(tmp_path / name, tmp_path / "good")
    if name == "a.zip":  # its directory is at the end: damage the middle instead
        at = int(len(data) * keep) - 200
        (tmp_path / name).write_bytes(data[:at] + bytes(150) + data[at + 150 :])
    else:
        (tmp_path / name).write_bytes(data[: int(len(data) * keep)])
    (problem,) = refused(tmp_path / name, tmp_path / "work")
    assert "cannot be unpacked" in problem.message


@pytest.mark.parametrize("name", ["neuron.swc", "01.swc", "-1.swc", "1.0.swc", "sub/1.swc", "\uff11.swc"])
def test_a_file_that_is_not_named_after_a_segment_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "swc" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(GOOD)
    (problem,) = stage(tmp_path / "swc", tmp_path / "work").problems
    assert problem.where == str(path)
    assert "not named after a segment" in problem.message


def test_nothing_is_guessed(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no units"):
        Skeletons.model_validate({"name": "s", "source": "x"}).stage(
            Bench(source, "v1/s", None, tmp_path, lambda _: tmp_path)
        )
    (tmp_path / "empty").mkdir()
    (problem,) = stage(tmp_path / "empty", tmp_path / "work").problems
    assert "holds no .swc file" in problem.message
