"""Meshes that are built, read back by cloud-volume: vertices in nm, at every level, in every form."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import DracoPy
import numpy as np
import pytest
from pydantic import TypeAdapter

from publisher.builders import cut, levels, mesh_sources, meshes
from publisher.builders.meshes import Options
from publisher.errors import InvalidInput
from publisher.facts import Facts, MeshFacts
from publisher.formats import multires, precomputed, sharded
from publisher.formats.sharded import Sharding
from tests import shapes

UNIT = 8.0
# Voxels of 8 nm: a torus 80 µm wide, with so many faces that it falls into several levels and fragments; and a small one.
LARGE = shapes.torus(150, 60, radius=4000, centre=(9000, 8000, 7000))
SMALL = shapes.torus(12, 8, radius=100, centre=(500, 900, 100))
FORMS = {
    "unsharded": Options(UNIT),
    "sharded": Options(UNIT, sharded=True),
    "ten bits": Options(UNIT, bits=10),
    "legacy": Options(UNIT, form="legacy"),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    shapes.write(folder / "722817260.obj", *LARGE)
    shapes.write(folder / "12.ply", *SMALL)
    return folder


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, meshes.Built]:
    return {name: made(source, tmp_path_factory.mktemp("work"), options) for name, options in FORMS.items()}


def made(source: Path, work: Path, options: Options = FORMS["unsharded"], ids: Any = None) -> meshes.Built:
    numbered = ids == "numbered"
    return meshes.build(mesh_sources.find(source, {} if numbered else ids or {}, numbered=numbered), work, options)


def read(folder: Path, segment: int, lod: int | None = None) -> Any:
    """Read a mesh as cloud-volume does: below a volume whose `info` names the folder."""
    from cloudvolume import CloudVolume

    volume = {
        "@type": "neuroglancer_multiscale_volume",
        "type": "segmentation",
        "data_type": "uint64",
        "num_channels": 1,
        "mesh": folder.name,
        "scales": [
            {"key": "8", "size": [64, 64, 64], "resolution": [8, 8, 8], "chunk_sizes": [[64, 64, 64]],
             "voxel_offset": [0, 0, 0], "encoding": "raw"}
        ],
    }  # fmt: skip
    (folder.parent / "info").write_text(json.dumps(volume))
    mesh = CloudVolume(f"precomputed://file://{folder.parent}", progress=False, use_https=False).mesh
    found = mesh.get(segment) if lod is None else mesh.get(segment, lod=lod)
    return found[segment] if isinstance(found, dict) else found


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("segment", "shape"), [(722817260, LARGE), (12, SMALL)])
@pytest.mark.parametrize(
    ("form", "near_nm"), [("unsharded", 0.3), ("sharded", 0.3), ("legacy", 0.01), ("ten bits", 14)]
)
def test_every_vertex_is_where_it_was(form: str, near_nm: float, segment: int, shape: Any, built: Any) -> None:
    mesh = read(built[form].folder, segment)
    vertices, faces = shape[0] * UNIT, shape[1]
    some = vertices[:: 1 + len(vertices) // 1000]
    assert shapes.furthest(some, mesh.vertices) < near_nm
    assert shapes.area(mesh.vertices, mesh.faces) == pytest.approx(shapes.area(vertices, faces), rel=near_nm / 1000)
    assert np.abs(mesh.vertices.min(axis=0) - vertices.min(axis=0)).max() < near_nm
    assert np.abs(mesh.vertices.max(axis=0) - vertices.max(axis=0)).max() < near_nm


def test_units_that_are_wrong_are_seen(source: Path, tmp_path: Path) -> None:
    """The control of the test above: voxels that are taken for nm are off by far more than is let pass."""
    mesh = read(made(source, tmp_path / "work", Options(1.0)).folder, 12)
    assert shapes.furthest(SMALL[0] * UNIT, mesh.vertices) > 1000


@pytest.mark.parametrize("form", ["unsharded", "sharded"])
def test_coarser_levels_have_fewer_faces_and_the_same_place(form: str, built: Any) -> None:
    folder = built[form].folder
    vertices, faces = LARGE[0] * UNIT, LARGE[1]
    count = len(multires.decode((built["unsharded"].folder / "722817260.index").read_bytes()).levels)
    assert count >= 3
    before = np.inf
    for lod in range(count):
        mesh = read(folder, 722817260, lod)
        assert len(mesh.faces) < before
        before = len(mesh.faces)
        assert shapes.area(mesh.vertices, mesh.faces) == pytest.approx(shapes.area(vertices, faces), rel=0.05)
        assert shapes.furthest(mesh.vertices[::29], vertices) < 5000
    assert before < len(faces) / 3


def nodes_of(folder: Path, segment: int) -> Iterator[tuple[int, Any, Any]]:
    """Yield each fragment of a segment: its level, its node, and its vertices and faces as draco has them."""
    manifest = multires.decode((folder / f"{segment}.index").read_bytes())
    data, at = (folder / str(segment)).read_bytes(), 0
    for lod, level in enumerate(manifest.levels):
        for node, size in zip(level.nodes.tolist(), level.sizes.tolist(), strict=True):
            if size:
                yield lod, tuple(node), DracoPy.decode(data[at : at + size])
            at += size
    assert at == len(data) == manifest.size_bytes


def test_fragments_keep_to_their_nodes_and_halves(built: Any) -> None:
    """Integer coordinates in the range; above the finest level, no face on both sides of the middle of its node."""
    parts = list(nodes_of(built["unsharded"].folder, 722817260))
    assert len(parts) > 20
    for lod, node, mesh in parts:
        points = np.asarray(mesh.points)
        assert [(part["data_type"], part["num_components"]) for part in mesh.attributes] == [(5, 3)], node  # int32
        assert (points == np.floor(points)).all()
        assert points.min() >= 0
        assert points.max() <= 65535
        if lod:
            corners = points[mesh.faces]
            assert ((corners <= 32768).all(axis=1) | (corners >= 32768).all(axis=1)).all()


def test_the_octree_has_no_orphans_and_stands_in_z_order(built: Any) -> None:
    manifest = multires.decode((built["unsharded"].folder / "722817260.index").read_bytes())
    for fine, coarse in zip(manifest.levels, manifest.levels[1:], strict=False):
        assert {tuple(node) for node in (fine.nodes >> 1).tolist()} <= {tuple(node) for node in coarse.nodes.tolist()}
        assert fine.scale_nm <= coarse.scale_nm
    assert manifest.levels[-1].nodes.tolist() == [[0, 0, 0]]
    for level in manifest.levels:
        codes = [sum(((n >> bit) & 1) << (3 * bit + axis) for bit in range(21) for axis, n in enumerate(node))
                 for node in level.nodes.tolist()]  # fmt: skip
        assert codes == sorted(set(codes))


def test_cutting_changes_no_area_and_leaves_no_crossing() -> None:
    vertices, faces = LARGE[0] - LARGE[0].min(axis=0), LARGE[1]
    points, pieces = cut.cut(vertices, faces, 327.5)
    assert shapes.area(points, pieces) == pytest.approx(shapes.area(vertices, faces), rel=1e-12)
    corners = points[pieces] / 327.5
    assert (np.ceil(corners.max(axis=1)) - np.floor(corners.min(axis=1)) <= 1).all()
    assert len(pieces) > len(faces)


def test_a_face_that_spans_many_cells_is_cut_into_all_of_them() -> None:
    vertices = np.array([[0, 0, 0.5], [100, 0, 0.5], [0, 100, 0.5]])
    points, pieces = cut.cut(vertices, np.array([[0, 1, 2]]), 1.0)
    assert shapes.area(points, pieces) == pytest.approx(5000, rel=1e-9)
    cells = np.unique(np.floor(points[pieces].mean(axis=1)).astype(int), axis=0)
    assert len(cells) == 100 * 101 / 2


def test_a_manifest_there_and_back(built: Any) -> None:
    data = (built["unsharded"].folder / "722817260.index").read_bytes()
    assert multires.decode(data).encode() == data


@pytest.mark.parametrize("data", [b"", bytes(28)[:27], bytes(24) + b"\x02\0\0\0" + bytes(10), bytes(48)])
def test_a_manifest_that_cannot_be(data: bytes) -> None:
    with pytest.raises(multires.Broken):
        multires.decode(data)


def test_in_a_shard_fragments_stand_before_their_manifest(built: Any) -> None:
    folder, alone = built["sharded"].folder, built["unsharded"].folder
    sharding = Sharding.from_json(json.loads((folder / "info").read_text())["sharding"])
    data = (folder / "0.shard").read_bytes()
    found = {}
    for entry in sharded.entries(lambda at, size: data[at : at + size], len(data), sharding):
        fragments = (alone / str(entry.key)).read_bytes()
        assert data[entry.offset - len(fragments) : entry.offset] == fragments
        found[entry.key] = data[entry.offset : entry.offset + entry.size]
    assert found == {key: (alone / f"{key}.index").read_bytes() for key in (12, 722817260)}


def test_fragments_behind_their_manifest_cannot_be_read(built: Any, tmp_path: Path) -> None:
    """The control of the order in shards."""
    alone, folder = built["unsharded"].folder, tmp_path / "v" / "wrong"
    sharding = Sharding(0, 0)
    manifests = {key: (alone / f"{key}.index").read_bytes() for key in (12, 722817260)}
    fragments = {key: (alone / str(key)).read_bytes() for key in manifests}
    # The large one's fragments come after its manifest; what is before it is as long, and something else.
    before = {12: fragments[12], 722817260: (fragments[12] * 1000)[: len(fragments[722817260])]}
    sharded.write(folder, sharding, (sharded.Item(key, manifests[key], [before[key]]) for key in manifests))
    (folder / "info").write_text(json.dumps(multires.info(16, 1, sharding.to_json())))
    assert len(read(folder, 12).faces) == len(SMALL[1])
    with pytest.raises(DracoPy.FileTypeException):
        read(folder, 722817260)


def test_a_missing_manifest_is_no_mesh(built: Any) -> None:
    with pytest.raises(TypeError) as error:
        read(built["unsharded"].folder, 13)
    assert "NoneType" in str(error.value)  # cloud-volume's way to say that there is no manifest


@pytest.mark.parametrize("form", FORMS)
def test_the_facts_are_what_a_scene_needs(form: str, built: Any) -> None:
    facts = built[form].facts
    assert (facts.count, facts.ids) == (2, ("12", "722817260"))
    assert (facts.form, facts.sharded) == ("legacy" if form == "legacy" else "multiresolution", form == "sharded")
    every = np.concatenate([LARGE[0], SMALL[0]]) * UNIT
    assert np.abs(np.array(facts.bounds_nm) - [every.min(axis=0), every.max(axis=0)]).max() < 0.01
    assert shapes.furthest([facts.vertex_nm], every) < 0.01


@pytest.mark.parametrize("form", FORMS)
def test_a_second_run_builds_nothing_and_another_folder_has_the_same_bytes(
    form: str, source: Path, built: Any, tmp_path: Path
) -> None:
    again = made(source, tmp_path / "work", FORMS[form])
    assert files(again.folder) == files(built[form].folder)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*") if path.is_file()}
    third = made(source, tmp_path / "work", FORMS[form])
    assert third == again
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*") if path.is_file()} == stamps


def test_what_changes_is_built_again_and_what_goes_is_gone(tmp_path: Path) -> None:
    folder, work = tmp_path / "source", tmp_path / "work"
    for name in ("1.obj", "2.obj", "3.obj"):
        shapes.write(folder / name, *SMALL)
    first = made(folder, work)
    before = files(first.folder)
    stamps = {name: (first.folder / name).stat().st_mtime_ns for name in before}
    shapes.write(folder / "2.obj", SMALL[0] + 5, SMALL[1])
    (folder / "3.obj").unlink()
    after = files(made(folder, work).folder)
    assert sorted(after) == ["1", "1.index", "2", "2.index", "info"]
    assert [name for name in after if after[name] != before[name]] == ["2.index"]  # moved by whole steps of the grid
    assert all((first.folder / name).stat().st_mtime_ns == stamps[name] for name in ("1", "1.index", "info"))
    legacy = made(folder, work, Options(UNIT, form="legacy"))
    assert sorted(files(legacy.folder)) == ["1:0", "1:0:all", "2:0", "2:0:all", "info"]
    packed = made(folder, work, Options(UNIT, sharded=True))
    assert sorted(files(packed.folder)) == ["0.shard", "info"]


@pytest.mark.parametrize("form", ["unsharded", "sharded"])
def test_a_build_that_was_killed_is_finished_by_the_next(form: str, source: Path, built: Any, tmp_path: Path) -> None:
    """Killed in the middle: a mesh without its record, half a file, a shard that was begun."""
    work = tmp_path / "work"
    made(source, work, FORMS[form])
    (work / "records" / "12").unlink()
    (work / "files" / "12").write_bytes(b"half")
    (work / "files" / ".722817260.part").write_bytes(b"half")
    if form == "sharded":
        (work / "packed").unlink()
        (work / "shards" / ".0.shard.part").write_bytes(b"half")
        (work / "shards" / "0.shard").unlink()
    assert files(made(source, work, FORMS[form]).folder) == files(built[form].folder)


def test_names_become_a_list_of_segments(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    for name in ("LH(R).obj", "neuropil.stl"):
        shapes.write(folder / name, *SMALL)
    for ids, listed in (({"LH(R)": 7, "neuropil": 5}, ["5", "7"]), ("numbered", ["1", "2"])):
        done = made(folder, tmp_path / "work", ids=ids)
        assert json.loads((done.folder / "info").read_text())["segment_properties"] == "segment_properties"
        inline = json.loads((done.folder / "segment_properties" / "info").read_text())["inline"]
        assert inline["ids"] == listed
        values = inline["properties"][0]["values"]
        assert values == (["neuropil", "LH(R)"] if ids != "numbered" else ["LH(R)", "neuropil"])


def test_a_mesh_too_small_to_be_true_asks_for_its_units(tmp_path: Path) -> None:
    shapes.write(tmp_path / "source" / "7.obj", SMALL[0] / 1000, SMALL[1])
    assert (
        "7.obj: is 0.267 nm wide → are its `units` right?"
        in told(tmp_path / "source", tmp_path / "work", options=Options(1))[0]
    )


def test_far_from_the_origin_no_vertex_is_cut_off() -> None:
    """Beyond 4 mm, float32 has not every place of the grid: its origin is still before all vertices."""
    vertices = SMALL[0] * UNIT + 123_456_789.3
    made_levels = levels.build(vertices, SMALL[1], 16)
    assert (np.array(made_levels.manifest.origin_nm) <= vertices.min(axis=0)).all()
    size = int(made_levels.manifest.levels[0].sizes[0])
    points = np.asarray(DracoPy.decode(made_levels.fragments[:size]).points)
    step = made_levels.manifest.chunk_nm[0] / 65535
    assert shapes.furthest(vertices, points * step + np.array(made_levels.manifest.origin_nm)) < 0.3


def told(source: Path, work: Path, ids: Any = None, options: Options = FORMS["unsharded"]) -> list[str]:
    with pytest.raises(InvalidInput) as error:
        made(source, work, options, ids)
    return [str(problem) for problem in error.value.problems]


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    for name in ("LH(R).obj", "12.obj", "12.stl", "0.obj"):
        shapes.write(folder / name, *SMALL)
    (folder / "13.obj").write_text("v 1 2\n")
    (folder / "14.obj").write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    (folder / "notes.txt").write_text("not a mesh")
    problems = told(folder, tmp_path / "work", {"neuropil": 1})
    assert [problem.rpartition("source/")[2].partition(" → ")[0] for problem in problems] == [
        "0.obj: is not named after a segment",
        "13.obj:1: is not a vertex: 'v 1 2'",
        "14.obj: has no face with an area",
        "LH(R).obj: is not named after a segment",
        "has an id for 'neuropil', and no file is called that",
        "has two meshes of segment 12",
    ]
    assert "`ids: {LH(R): 1, …}`" in problems[3]


def test_a_folder_without_meshes(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    assert "has no meshes in its source" in told(tmp_path / "source", tmp_path / "work")[0]


def test_legacy_fragments_become_levels_of_detail(built: Any, tmp_path: Path) -> None:
    """A folder of `<id>:0` and fragments that has no `info` is a source, too; its vertices are nm."""
    for name, data in files(built["legacy"].folder).items():
        if name != "info":
            (tmp_path / "source").mkdir(exist_ok=True)
            (tmp_path / "source" / name).write_bytes(data)
    mesh = read(made(tmp_path / "source", tmp_path / "work", Options(1.0)).folder, 12)
    assert shapes.furthest(SMALL[0] * UNIT, mesh.vertices) < 0.3


def test_a_transform_moves_and_turns(source: Path, tmp_path: Path) -> None:
    rows = (0.0, 1.0, 0.0, 100.0, 1.0, 0.0, 0.0, -50.0, 0.0, 0.0, 2.0, 0.0)
    mesh = read(made(source, tmp_path / "work", Options(UNIT, transform=rows)).folder, 12)
    expected = (SMALL[0] * UNIT) @ np.array([[0, 1, 0], [1, 0, 0], [0, 0, 2]]) + [100, -50, 0]
    assert shapes.furthest(expected, mesh.vertices) < 0.3


def test_notes_are_one_line_a_kind(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    for segment in range(1, 6):
        shapes.write(folder / f"{segment}.obj", SMALL[0], SMALL[1][1:])
    (folder / "9.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\nf 1 1 2\n")
    notes = [str(note).partition(" → ")[0] for note in made(folder, tmp_path / "work").notes]
    assert notes == [
        "has faces without an area in 1 of 6 files (9.obj): 1 in all",
        "has open edges in 6 of 6 files (1.obj, 2.obj, 3.obj, …): 19 in all",
        "has polygons with more than three corners in 1 of 6 files (9.obj): 1 in all",
    ]


def test_many_meshes_are_put_into_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshes, "SHARDED_FROM", 3)
    for segment in (1, 2, 3):
        shapes.write(tmp_path / "source" / f"{segment}.obj", *SMALL)
    assert made(tmp_path / "source", tmp_path / "work").facts.sharded
    os.unlink(tmp_path / "source" / "3.obj")  # noqa: PTH108 - as any program does
    assert not made(tmp_path / "source", tmp_path / "work").facts.sharded


def test_the_grid_is_fine_for_neurons_and_coarse_for_regions() -> None:
    assert levels.grid(200_000, 900, 13_000, 16) == (0.25, 5)
    assert levels.grid(660_000, 10_500, 18_000, 16) == (2.0, 4)
    assert levels.grid(100, 5, 100, 16) == (0.25, 1)
    step, count = levels.grid(10_000, 10, 10_000_000, 16)
    assert count == 6
    assert step * 65535 * 2**5 >= 10_000


def test_without_the_extra_it_says_what_to_install(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meshes, "find_spec", lambda name: None if name == "DracoPy" else object())
    (problem,) = told(source, tmp_path / "work")
    assert "needs DracoPy" in problem
    assert 'pip install ".[mesh]"' in problem
    assert made(source, tmp_path / "work", FORMS["legacy"]).facts.count == 2


@pytest.mark.parametrize("form", FORMS)
def test_a_folder_that_passes_through_is_looked_at(form: str, built: Any, tmp_path: Path) -> None:
    """What somebody else built has the same facts, as far as they can be read: the coarsest level is as large as the mesh."""
    own = built[form].facts
    seen = precomputed.mesh_facts(built[form].folder, "")
    assert (seen.form, seen.sharded, seen.count, seen.ids) == (own.form, own.sharded, own.count, own.ids)
    (low, high), (own_low, own_high) = np.array(seen.bounds_nm), np.array(own.bounds_nm)
    most_nm = 0.01 * (own_high - own_low).max()
    assert np.abs(low - own_low).max() < most_nm
    assert np.abs(high - own_high).max() < most_nm
    assert (seen.vertex_nm is not None) == (form == "legacy")
    if form == "legacy":  # as cloud-volume stores them
        for name, data in files(built[form].folder).items():
            path = tmp_path / (f"{name}.gz" if name != "info" else name)
            path.write_bytes(gzip.compress(data) if name != "info" else data)
        assert precomputed.mesh_facts(tmp_path, "") == seen


def test_a_folder_that_is_damaged_is_described_by_its_info(built: Any, tmp_path: Path) -> None:
    (tmp_path / "info").write_bytes((built["sharded"].folder / "info").read_bytes())
    (tmp_path / "0.shard").write_bytes(b"short")
    facts = precomputed.mesh_facts(tmp_path, "seg")
    assert (facts.form, facts.sharded, facts.segmentation, facts.count) == ("multiresolution", True, "seg", 0)


def test_older_records_can_be_read() -> None:
    old = {"form": "legacy", "sharded": False, "segmentation": "s", "kind": "meshes"}
    assert TypeAdapter(Facts).validate_python(old) == MeshFacts("legacy", sharded=False, segmentation="s")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["unsharded", "sharded"])
def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(
    form: str, source: Path, built: Any, tmp_path: Path
) -> None:
    """SIGKILL, ever later, until a run is through; no run starts clean of what the last one left."""
    work = tmp_path / "work"
    options = f"meshes.Options({UNIT}, sharded={form == 'sharded'})"
    program = "import sys; from pathlib import Path; from publisher.builders import mesh_sources, meshes; "
    program += f"meshes.build(mesh_sources.find(Path(sys.argv[1]), {{}}), Path(sys.argv[2]), {options})"
    kills, seconds, through = 0, 0.2, False
    while not through:
        running = subprocess.Popen([sys.executable, "-c", program, str(source), str(work)])
        try:
            through = running.wait(timeout=seconds) == 0
            assert through
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            kills += 1
            seconds *= 1.1
    assert kills > 3
    assert files(work / ("shards" if form == "sharded" else "files")) == files(built[form].folder)
