"""Layers against each other: vertices in their own segments, and which slip explains that they are not; real data too."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as pf
import pytest

from publisher.artifacts import Bench
from publisher.artifacts.skeletons import Skeletons
from publisher.artifacts.table import Table
from publisher.artifacts.volume import Volume, look
from publisher.facts import AnnotationFacts, MeshFacts, SkeletonFacts
from publisher.health import across, check, occurrence
from publisher.health.places import of as places_of
from publisher.health.subject import Subject
from publisher.objects import Finding
from publisher.record import Described, Space
from publisher.tree import Tree
from tests.unit import layers

INPUTS = Path(__file__).parents[2] / "releases" / "inputs"
SPACE = Space("em", (8.0, 8.0, 8.0), "nm", "")
SIDES = (60, 50, 40)  # voxels of 8 x 8 x 40 nm
VOXEL = (8.0, 8.0, 40.0)
OFFSET = (100, 200, 300)


def labels() -> np.ndarray[Any, Any]:
    """Segments 7, 9 and 11 as bars along x at different y and z; nothing else."""
    made = np.zeros(SIDES, np.uint64)
    made[:, 5:11, 5:9] = 7
    made[:, 20:26, 12:16] = 9
    made[:, 35:41, 22:26] = 11
    return made


CENTRES = {7: (8, 7), 9: (23, 14), 11: (38, 24)}


def vertices(segment: int) -> np.ndarray[Any, Any]:
    """Places (30, 3) in nm along the middle of a bar."""
    y, z = CENTRES[segment]
    voxels = np.array([(x, y, z) for x in range(10, 40)], float) + np.array(OFFSET) + 0.5
    return voxels * VOXEL


def segmentation(folder: Path, *, gz: bool = False, sharded: bool = False, encoding: str = "raw") -> Path:
    import tensorstore as ts

    scale: dict[str, Any] = {
        "size": SIDES, "resolution": VOXEL, "voxel_offset": OFFSET, "chunk_size": [16, 16, 16], "encoding": encoding,
    }  # fmt: skip
    if encoding == "compressed_segmentation":
        scale["compressed_segmentation_block_size"] = [8, 8, 8]
    if sharded:
        scale["sharding"] = {
            "@type": "neuroglancer_uint64_sharded_v1", "hash": "identity", "preshift_bits": 0, "minishard_bits": 2,
            "shard_bits": 1, "data_encoding": "gzip", "minishard_index_encoding": "gzip",
        }  # fmt: skip
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "multiscale_metadata": {"type": "segmentation", "data_type": "uint64", "num_channels": 1},
        "scale_metadata": scale,
    }
    store = ts.open(spec, create=True).result()
    store[..., 0] = labels()
    if gz:
        for path in [path for path in folder.rglob("*-*") if path.is_file()]:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    return folder


def volume(folder: Path, name: str = "segmentation") -> Subject:
    facts, role, encoded = look(folder)
    artifact = Described(name, "volumes", name, "", "Image data", f"v1/{name}", SPACE, facts=facts)
    return Subject("volume", artifact, Tree(name, f"v1/{name}", folder, role=role, encoded_names=encoded))


def skeletons(folder: Path, change: Callable[[Any], Any] = lambda nm: nm, unit: float = 8.0) -> Subject:
    files: dict[str, Any] = {"info": layers.skeletons()["info"]}
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for segment in CENTRES:
        nm = change(vertices(segment))
        low, high = np.minimum(low, nm.min(axis=0)), np.maximum(high, nm.max(axis=0))
        files[str(segment)] = layers.skeleton(nm, [[at, at + 1] for at in range(len(nm) - 1)], np.ones(len(nm)))
    layers.write(folder, files)
    facts = SkeletonFacts(("swc", "precomputed"), 3, 90, unit, (tuple(low), tuple(high)), None, (), "segmentation")
    return layers.subject(folder, "skeletons", facts=facts)


def only(found: Any, check: str) -> list[tuple[str, str]]:
    return [(each.severity, each.message) for each in found if each.check == check]


def seen(*subjects: Subject) -> list[tuple[str, str]]:
    return only(across.check(subjects, "sample"), "across")


WELL = "100% of 90 vertices lie in their own segments of segmentation (within 3 x 3 x 3 voxels of 8_8_40)"


@pytest.mark.parametrize(
    "how", [{}, {"gz": True}, {"encoding": "compressed_segmentation"}, {"encoding": "compressed_segmentation", "gz": True}, {"sharded": True}],
    ids=["raw", "raw as .gz", "compressed", "compressed as .gz", "sharded"],
)  # fmt: skip
def test_vertices_find_their_own_labels(how: dict[str, Any], tmp_path: Path) -> None:
    seg = volume(segmentation(tmp_path / "seg", **how))
    assert list(across.check([seg, skeletons(tmp_path / "sk")], "sample")) == [
        Finding("across", "note", "v1/layer", WELL, "layer")
    ]


SLIPS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "8 nm units as nm": (lambda nm: nm / 8, "multiplied by 8 it would be 100%", 'say `units: "64 nm"` in the manifest'),
    "nm as 8 nm units": (lambda nm: nm * 8, "divided by 8 it would be 100%", 'say `units: "1 nm"` in the manifest'),
    "nm as um": (lambda nm: nm * 1000, "divided by 1000 it would be 100%", 'say `units: "0.008 nm"` in the manifest'),
    "voxels": (lambda nm: nm / VOXEL, "multiplied by the voxel size (8 x 8 x 40 nm) it would be 100%", "coordinates must be nm"),
    "z, y, x": (lambda nm: nm[:, ::-1], "with their axes reversed (z, y, x) it would be 100%", "coordinates must be nm, as x, y, z"),
    "z, y, x in voxels": (
        lambda nm: (nm / VOXEL)[:, ::-1], "reversed (z, y, x) and multiplied by the voxel size it would be 100%", "coordinates",
    ),
    "from the corner": (
        lambda nm: nm - np.array(OFFSET) * VOXEL, "moved by voxel_offset it would be 100%", "coordinates must be nm",
    ),
    "offset twice": (lambda nm: nm + np.array(OFFSET) * VOXEL, "moved back by voxel_offset it would be 100%", "coordinates"),
    "voxels from the corner": (
        lambda nm: nm / VOXEL - np.array(OFFSET), "multiplied by the voxel size and moved by voxel_offset it would be 100%", "coordinates",
    ),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_the_slip_is_named(slip: str, tmp_path: Path) -> None:
    change, words, cure = SLIPS[slip]
    ((severity, message),) = seen(volume(segmentation(tmp_path / "seg")), skeletons(tmp_path / "sk", change))
    assert severity == "error"
    assert message.startswith("0% of 90 vertices lie in their own segments of segmentation"), message
    what, _, hint = message.partition(" → ")
    assert what.endswith(f"; {words}")
    assert hint.startswith(cure)


def test_other_segments_are_no_slip(tmp_path: Path) -> None:
    layer = skeletons(tmp_path / "sk")
    (layer.folder / "7").rename(layer.folder / "700")
    seg = volume(segmentation(tmp_path / "seg"))
    ((severity, message),) = seen(seg, layer)
    assert (severity, message[:3]) == ("note", "67%")
    for segment in (9, 11):
        (layer.folder / str(segment)).rename(layer.folder / f"{segment}00")
    ((severity, message),) = seen(seg, layer)
    assert severity == "warning"
    assert message.endswith(
        "and no slip of units, axes or offset explains it → is segmentation the segmentation that these were made from?"
    )


def box(segment: int) -> tuple[Any, Any]:
    """The surface of a bar in nm: its eight corners, and faces."""
    y, z = CENTRES[segment]
    low = (np.array([10, y - 3, z - 2]) + OFFSET) * VOXEL
    high = (np.array([50, y + 3, z + 2]) + OFFSET) * VOXEL
    corners = [[(low, high)[at >> axis & 1][axis] for axis in range(3)] for at in range(8)]
    faces = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6]]
    return np.array(corners), faces


@pytest.mark.parametrize("form", ["legacy", "multires", "multires in shards"])
@pytest.mark.parametrize("factor", [1.0, 8.0])
def test_meshes(form: str, factor: float, tmp_path: Path) -> None:
    from publisher.formats import sharded

    files: dict[str, Any] = {"info": {"@type": "neuroglancer_legacy_mesh"}}
    items = []
    for segment in CENTRES:
        corners, faces = box(segment)
        corners = corners * factor
        if form == "legacy":
            files |= {f"{segment}:0": {"fragments": ["a" * segment]}, "a" * segment: layers.fragment(corners, faces)}
            continue
        low, shape = corners.min(axis=0), np.ptp(corners, axis=0)
        data = layers.draco(np.round((corners - low) / shape * 65535), faces)
        manifest = layers.manifest([[len(data)]], shape=tuple(shape), origin=tuple(low))
        files |= {"info": layers.multiresolution()["info"], f"{segment}.index": manifest, str(segment): data}
        items.append(sharded.Item(segment, manifest, [data]))
    if form == "multires in shards":
        sharding = sharded.Sharding(0, 0)
        files = {"info": files["info"] | {"sharding": sharding.to_json()}}
        sharded.write(tmp_path / "mesh", sharding, [items[at] for at in sharding.order([i.key for i in items])])
    layers.write(tmp_path / "mesh", files)
    mesh = layers.subject(
        tmp_path / "mesh", "meshes", facts=MeshFacts("legacy", sharded=False, segmentation="segmentation")
    )
    assert layers.told(layers.findings(tmp_path / "mesh", "meshes")) == []
    ((severity, message),) = seen(volume(segmentation(tmp_path / "seg")), mesh)
    if factor == 1:
        assert (severity, message) == ("note", WELL.replace("90", "24"))
        made = {tuple(place.nm) for place in places_of(mesh)}
        wanted = [tuple(corner) for segment in CENTRES for corner in box(segment)[0].tolist()]
        assert all(min(np.abs(np.array(place) - other).max() for other in wanted) < 0.1 for place in made)
    else:
        assert severity == "error"
        assert (
            "divided by 8 it would be 100% → coordinates must be nm: correct `units` where they are built from files"
            in message
        )


@pytest.mark.parametrize(("unit", "severity"), [(8e-9, "note"), (1e-9, "error")])
def test_points_and_the_segments_that_they_are_related_to(unit: float, severity: str, tmp_path: Path) -> None:
    points = np.concatenate([vertices(segment) / 8 for segment in CENTRES])
    bodies = [segment for segment in CENTRES for _ in range(30)]
    files = layers.annotations(points, bodies)
    high = (points.max(axis=0) + 1).tolist()
    files["info"] |= {"dimensions": {axis: [unit, "m"] for axis in "xyz"}, "upper_bound": high}
    layers.write(tmp_path / "notes", files)
    about = ("POINT", {}, (), (), (), ("body",), False, "segmentation")
    notes = layers.subject(tmp_path / "notes", "annotations", facts=AnnotationFacts(*about))  # type: ignore[arg-type]
    ((got, message),) = seen(volume(segmentation(tmp_path / "seg")), notes)
    assert got == severity, message
    if severity == "note":
        assert message == WELL.replace("vertices", "points")
    else:
        assert (
            "multiplied by 8 it would be 100% → correct `units` where they are built from a table, else `dimensions` and bounds"
            in message
        )


def test_points_beside_their_segments_are_only_a_note(tmp_path: Path) -> None:
    """Synapses lie at membranes: where most are outside, and no slip explains it, that is told and no more."""
    points = np.concatenate([vertices(segment) / 8 + [0, 6, 0] for segment in CENTRES])
    files = layers.annotations(points, [segment for segment in CENTRES for _ in range(30)])
    layers.write(
        tmp_path / "notes", files | {"info": files["info"] | {"upper_bound": (points.max(axis=0) + 1).tolist()}}
    )
    about = ("POINT", {}, (), (), (), ("body",), False, "segmentation")
    notes = layers.subject(tmp_path / "notes", "annotations", facts=AnnotationFacts(*about))  # type: ignore[arg-type]
    ((severity, message),) = seen(volume(segmentation(tmp_path / "seg")), notes)
    assert (severity, message[:8]) == ("note", "0% of 90")


def test_boxes_that_do_not_touch(tmp_path: Path) -> None:
    seg = volume(segmentation(tmp_path / "seg"))
    layer = skeletons(tmp_path / "sk", lambda nm: nm / 8)
    ((severity, message),) = only(across.check([seg, layer], "quick"), "boxes")
    assert severity == "error"
    assert message == (
        "lies at (110, 208, 1538) to (140, 238, 1622) nm, and segmentation at (800, 1600, 12000) to (1280, 2000, 13600) nm: "
        "they do not touch → are the units, axes and offset right?"
    )
    assert only(across.check([seg, skeletons(tmp_path / "good")], "quick"), "boxes") == []


def test_volumes_of_one_space(tmp_path: Path) -> None:
    one = volume(segmentation(tmp_path / "a"), "a")
    segmentation(tmp_path / "b")
    info = json.loads((tmp_path / "b" / "info").read_text())
    info["scales"][0] |= {"resolution": [64, 64, 320], "voxel_offset": [12, 25, 38]}
    (tmp_path / "b" / "info").write_text(json.dumps(info))
    ((severity, message),) = only(across.check([one, volume(tmp_path / "b", "b")], "quick"), "boxes")
    assert severity == "warning"
    assert message.startswith("is 8 times as large as a along every axis, in the same space")
    assert only(across.check([one, volume(segmentation(tmp_path / "c"), "c")], "quick"), "boxes") == []


def properties(folder: Path, ids: list[int]) -> Subject:
    inline = {
        "ids": [str(each) for each in ids],
        "properties": [{"id": "a", "type": "label", "values": ["x"] * len(ids)}],
    }
    layers.write(folder, {"info": {"@type": "neuroglancer_segment_properties", "inline": inline}})
    return layers.subject(folder, "properties", name="segmentation")


def test_ids_that_do_not_occur(tmp_path: Path) -> None:
    seg = volume(segmentation(tmp_path / "seg", gz=True))
    assert list(across.check([seg, properties(tmp_path / "good", [7, 9, 11])], "sample")) == []
    ((severity, message),) = only(across.check([seg, properties(tmp_path / "some", [7, 8, 9])], "sample"), "ids")
    assert severity == "warning"
    assert message == "1 of 3 ids, such as 8, do not occur in segmentation → are they of another version of it?"
    ((severity, message),) = only(across.check([seg, properties(tmp_path / "none", [1, 2])], "sample"), "ids")
    assert severity == "error"
    assert message.startswith("none of its 2 ids, such as 1, occurs in segmentation (8_8_40)")


def test_segments_without_skeletons(tmp_path: Path) -> None:
    seg, layer = volume(segmentation(tmp_path / "seg")), skeletons(tmp_path / "sk")
    listed = properties(tmp_path / "props", [7, 9, 11])
    assert only(across.check([seg, layer, listed], "sample"), "ids") == []
    (layer.folder / "9").unlink()
    ((severity, message),) = only(across.check([seg, layer, listed], "sample"), "ids")
    assert severity == "note"
    assert message.startswith("1 of 3 segments have properties and no skeleton, such as 9")


def test_a_column_that_refers_to_segments(tmp_path: Path) -> None:
    seg = volume(segmentation(tmp_path / "seg"))
    path = tmp_path / "t.feather"
    pf.write_feather(pa.table({"body": pa.array([7, 9, None, 0, 12], pa.uint64()), "n": [1, 2, 3, 4, 5]}), path)
    table = Table.model_validate({"name": "t", "source": "x", "references": {"body": "segmentation"}})
    facts = table.stage(Bench(path, "v1/t.feather", None, tmp_path, lambda _: path)).facts
    described = Described("t", "tables", "t", "", "Annotations", "v1/t.feather", None, facts=facts)
    (found,) = occurrence.of_table(described, path, "v1/t.feather", [seg], "sample")
    words = (
        "the column 'body': 1 of 3 ids, such as 12, do not occur in segmentation → are they of another version of it?"
    )
    assert found == Finding("ids", "warning", "v1/t.feather", words, "t")


def test_a_column_of_rounded_numbers(tmp_path: Path) -> None:
    seg = volume(segmentation(tmp_path / "seg"))
    path = tmp_path / "t.feather"
    pf.write_feather(pa.table({"body": [7.0, 9.0]}), path)
    table = Table.model_validate({"name": "t", "source": "x", "references": {"body": "segmentation"}})
    facts = table.stage(Bench(path, "v1/t.feather", None, tmp_path, lambda _: path)).facts
    described = Described("t", "tables", "t", "", "Annotations", "v1/t.feather", None, facts=facts)
    (found,) = occurrence.of_table(described, path, "v1/t.feather", [seg], "sample")
    assert (found.severity, found.message[:67]) == (
        "warning",
        "the column 'body' is double, and refers to segments of segmentation",
    )


def narrow(folder: Path, data_type: str, kind: str = "segmentation") -> Subject:
    """A volume of another type, of which nothing is read but what its `info` says."""
    segmentation(folder)
    info = json.loads((folder / "info").read_text())
    (folder / "info").write_text(json.dumps(info | {"data_type": data_type, "type": kind}))
    return volume(folder)


LARGE = 2**40 + 7


def large(folder: Path, kind: str) -> Subject:
    """Return a layer with something of segment 7, and something of one with a large id."""
    if kind == "legacy":
        made = layers.legacy()
        layers.write(folder, made | {f"{LARGE}:0": made["77:0"]})
        return layers.subject(folder, "meshes", facts=MeshFacts("legacy", sharded=False, segmentation="segmentation"))
    if kind == "multires":
        made = layers.multiresolution()
        layers.write(folder, made | {f"{LARGE}.index": made["1.index"], f"{LARGE}": made["1"]})
        facts = MeshFacts("multiresolution", sharded=False, segmentation="segmentation")
        return layers.subject(folder, "meshes", facts=facts)
    if kind == "skeletons":
        made = layers.skeletons()
        layers.write(folder, made | {f"{LARGE}": made["1"]})
        about = SkeletonFacts(("precomputed",), 3, 9, 1.0, None, None, (), "segmentation")
        return layers.subject(folder, "skeletons", facts=about)
    if kind == "properties":
        return properties(folder, [7, LARGE])
    layers.write(folder, layers.annotations(bodies=(7, LARGE, 9)))
    about = ("POINT", {}, (), (), (), ("body",), False, "segmentation")
    return layers.subject(folder, "annotations", facts=AnnotationFacts(*about))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["legacy", "multires", "skeletons", "properties", "annotations"])
def test_ids_that_no_voxel_can_have(kind: str, tmp_path: Path) -> None:
    layer = large(tmp_path / "layer", kind)
    narrower, wide = narrow(tmp_path / "narrow", "uint32"), volume(segmentation(tmp_path / "wide"))
    ((severity, message),) = only(across.check([narrower, layer], "sample"), "types")
    assert severity == "error"
    assert f"the id {LARGE}, and no voxel of segmentation can have it: those are uint32" in message
    assert only(across.check([wide, layer], "sample"), "types") == []
    assert only(across.check([narrower, layer], "quick"), "types") == []


@pytest.mark.parametrize(("data_type", "severity"), [("float32", "error"), ("uint8", "warning")])
def test_what_belongs_to_an_image(data_type: str, severity: str, tmp_path: Path) -> None:
    layer = skeletons(tmp_path / "sk")
    image = narrow(tmp_path / "image", data_type, "image")
    found = only(across.check([image, layer], "quick"), "types")
    assert [each[0] for each in found] == [severity]
    assert found[0][1].startswith(
        f"is of the segments of segmentation, which is an image of {data_type}: the viewer has"
    )
    assert only(across.check([volume(segmentation(tmp_path / "seg")), layer], "quick"), "types") == []


LINKED = {"skeletons": "sk", "mesh": "mesh", "segment_properties": "props"}


def with_links(folder: Path) -> Path:
    segmentation(folder)
    info = json.loads((folder / "info").read_text())
    (folder / "info").write_text(json.dumps(info | LINKED))
    skeletons(folder / "sk")
    layers.write(folder / "mesh", layers.legacy())
    layers.write(folder / "props", layers.properties())
    return folder


def test_skeletons_inside_their_volume_are_looked_up_in_it(tmp_path: Path) -> None:
    seg = volume(with_links(tmp_path / "seg"))
    found = check([seg.tree], [seg.artifact], depth="sample")
    assert WELL in [each.message for each in found if each.severity == "note"]


def test_where_tensorstore_is_missing_that_is_said(tmp_path: Path) -> None:
    segmentation(tmp_path / "seg")
    skeletons(tmp_path / "sk")
    code = f"""
import sys
sys.modules["tensorstore"] = None
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from publisher.health import across
from tests.unit.test_health_across import Described, Path, SPACE, Tree, layers, look, skeletons, volume
found = across.check([volume(Path({str(tmp_path / "seg")!r})), skeletons(Path({str(tmp_path / "sk")!r}))], "sample")
print([(each.severity, each.message) for each in found])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    message = (
        "whether vertices lie in their segments of segmentation was not looked at, because tensorstore is not installed"
    )
    assert f"{message}: install publisher with its extra 'inputs'" in done.stdout.replace("\\'", "'")
    assert done.stdout.startswith("[('note', ")


def release(units: str, tmp_path: Path) -> list[Finding]:
    """The example's own skeletons and segmentation."""
    table = INPUTS / "body-annotations.csv"
    seg = Volume.model_validate({"name": "segmentation", "source": "x", "segment_properties": "bodies"})
    bones = Skeletons.model_validate(
        {"name": "skeletons", "source": "x", "units": units, "segmentation": "segmentation"}
    )
    trees, described = [], []
    for artifact, name in ((seg, "segmentation"), (bones, "skeletons-swc")):
        made = artifact.stage(Bench(INPUTS / name, f"v1/{artifact.name}", SPACE, tmp_path, lambda _: table))
        trees += made.trees
        about = (artifact.name, artifact.section, artifact.name, "", "Files", f"v1/{artifact.name}", SPACE)
        described.append(Described(*about, facts=made.facts))
    return [each for each in check(trees, described) if each.check in {"across", "boxes", "ids", "skeletons"}]


def test_the_example_s_skeletons_lie_in_their_neurons(tmp_path: Path) -> None:
    (found,) = release("8 nm", tmp_path)
    share = int(found.message.partition("%")[0])
    assert found.severity == "note"
    assert share >= 99


def test_the_example_with_the_8_nm_slip(tmp_path: Path) -> None:
    found = [each for each in release("nm", tmp_path) if each.check == "across"]
    assert [each.severity for each in found] == ["error"]
    assert 'multiplied by 8 it would be 100% → say `units: "8 nm"` in the manifest' in found[0].message


def test_no_info_makes_a_look_across_stumble(tmp_path: Path) -> None:
    seg = volume(segmentation(tmp_path / "seg"))
    points = vertices(7) / 8
    notes = layers.annotations(points, [7] * 30)["info"] | {"upper_bound": (points.max(axis=0) + 1).tolist()}
    about = ("POINT", {}, (), (), (), ("body",), False, "segmentation")
    layers.write(tmp_path / "notes", layers.annotations(points, [7] * 30))
    bones = skeletons(tmp_path / "sk")
    made = {
        tmp_path / "notes": (notes, "annotations", AnnotationFacts(*about)),  # type: ignore[arg-type]
        bones.folder: (layers.skeletons()["info"], "skeletons", bones.artifact.facts),
    }
    for folder, (info, kind, facts) in made.items():
        for name in info:
            for odd in (None, -1, float("inf"), "x", [None], {"a": 1}, {"x": [1, "m"], "y": [1], "z": 3}):
                layers.write(folder, {"info": info | {name: odd}})
                subject = layers.subject(folder, kind, facts=facts)  # type: ignore[arg-type]
                assert all(
                    each.severity in {"error", "warning", "note"} for each in across.check([seg, subject], "full")
                )
        layers.write(folder, {"info": info})
        assert seen(seg, layers.subject(folder, kind, facts=facts))[0][1].startswith("100% of ")  # type: ignore[arg-type]


def staged(tmp_path: Path, **more: Any) -> tuple[list[Tree], list[Described]]:
    """The small segmentation with what refers to it: SWC files alone, and a table."""
    folder = tmp_path / "swc"
    folder.mkdir()
    for segment in CENTRES:
        rows = (f"{at} 3 {x / 8} {y / 8} {z / 8} 1 -1" for at, (x, y, z) in enumerate(vertices(segment).tolist(), 1))
        (folder / f"{segment}.swc").write_text("\n".join(rows))
    pf.write_feather(pa.table({"body": pa.array([7, 9, 12], pa.uint64())}), tmp_path / "t.feather")
    artifacts = {
        segmentation(tmp_path / "seg"): Volume.model_validate({"name": "segmentation", "source": "x"}),
        folder: Skeletons.model_validate(
            {
                "name": "bones",
                "source": "x",
                "formats": ["swc"],
                "segmentation": "segmentation",
                "units": "8 nm",
                **more,
            }
        ),
        tmp_path / "t.feather": Table.model_validate(
            {"name": "t", "source": "x", "references": {"body": "segmentation"}}
        ),
    }
    trees, described = [], []
    for source, artifact in artifacts.items():
        made = artifact.stage(Bench(source, f"v1/{artifact.name}", SPACE, tmp_path / "work", tmp_path.joinpath))
        trees += made.trees
        about = (artifact.name, artifact.section, artifact.name, "", "Files", f"v1/{artifact.name}", SPACE)
        described.append(Described(*about, facts=made.facts))
    return trees, described


IDS_TOLD = (
    "the column 'body': 1 of 3 ids, such as 12, do not occur in segmentation → are they of another version of it?"
)


def test_what_refers_to_segments_without_being_a_layer(tmp_path: Path) -> None:
    trees, described = staged(tmp_path)
    found = [each for each in check(trees, described) if each.check in {"across", "ids"}]
    assert found == [
        Finding("ids", "warning", "v1/t", IDS_TOLD, "t"),
        Finding("across", "note", "v1/bones/skeletons-swc", WELL, "bones"),
    ]


def test_swc_files_alone_with_the_8_nm_slip(tmp_path: Path) -> None:
    (found, *_) = [each for each in check(*staged(tmp_path, units="nm")) if each.check == "across"]
    assert (found.severity, found.key) == ("error", "v1/bones/skeletons-swc")
    assert found.message.endswith('multiplied by 8 it would be 100% → say `units: "8 nm"` in the manifest')


def test_what_was_found_is_remembered_until_something_changes(tmp_path: Path) -> None:
    trees, described = staged(tmp_path)
    first = check(trees, described, work=tmp_path / "memory")
    assert check(trees, described, work=tmp_path / "memory") == first
    pf.write_feather(pa.table({"body": pa.array([7, 9, 11], pa.uint64())}), tmp_path / "t.feather")
    again = check(trees, described, work=tmp_path / "memory")
    assert [each for each in first if each not in again] == [Finding("ids", "warning", "v1/t", IDS_TOLD, "t")]


def array_of(kind: str, folder: Path) -> Path:
    """Write the same labels as N5 (x, y, z), or as OME-Zarr (z, y, x, also with channels before them)."""
    import tensorstore as ts

    made = np.zeros(np.add(SIDES, OFFSET), np.uint64)  # these formats have no offset: the labels lie where they are
    made[tuple(slice(at, None) for at in OFFSET)] = labels()
    driver = {"n5": "n5", "zarr2": "zarr", "zarr3": "zarr3", "zarr2 with channels": "zarr"}[kind]
    made = made if kind == "n5" else made.T
    made = made[None] if "channels" in kind else made
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{folder}/s0/"}}
    ts.open(spec, create=True, dtype=ts.uint64, shape=made.shape).result()[...] = made
    lengths = [*([1.0] if "channels" in kind else []), *reversed(VOXEL)]
    names = [*("c" * ("channels" in kind)), *"zyx"]
    axes = [
        {"name": name, "type": "space", "unit": "nanometer"} if name != "c" else {"name": "c", "type": "channel"}
        for name in names
    ]
    scale = [{"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": lengths}]}]
    multiscales = [{"version": "0.4", "axes": axes, "datasets": scale}]
    if kind == "n5":
        layers.write(folder, {"attributes.json": {"resolution": VOXEL, "units": ["nm"] * 3, "n5": "2.0.0"}})
        attributes = json.loads((folder / "s0" / "attributes.json").read_text())
        layers.write(folder, {"s0/attributes.json": attributes | {"resolution": VOXEL, "units": ["nm"] * 3}})
    elif kind == "zarr3":
        head = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": {"ome": {"version": "0.5", "multiscales": multiscales}},
        }
        layers.write(folder, {"zarr.json": head})
    else:
        layers.write(folder, {".zgroup": {"zarr_format": 2}, ".zattrs": {"multiscales": multiscales}})
    return folder


@pytest.mark.parametrize("kind", ["n5", "zarr2", "zarr3", "zarr2 with channels"])
def test_labels_in_other_formats(kind: str, tmp_path: Path) -> None:
    seg = volume(array_of(kind, tmp_path / "seg"))
    assert seg.facts.scales[0].size_voxels == tuple(np.add(SIDES, OFFSET))
    well = WELL.replace("8_8_40", "s0")
    assert seen(seg, skeletons(tmp_path / "sk")) == [("note", well)]
    ((severity, message),) = seen(seg, skeletons(tmp_path / "slip", lambda nm: nm[:, ::-1]))
    assert severity == "error"
    assert "with their axes reversed (z, y, x) it would be 100%" in message
    ((_, message),) = only(across.check([seg, properties(tmp_path / "some", [7, 8, 9])], "sample"), "ids")
    assert message.startswith("1 of 3 ids, such as 8, do not occur in segmentation")
