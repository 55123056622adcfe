"""Skeletons, meshes, annotations and segment properties: a good one is silent, each broken one is named in words."""

from __future__ import annotations

import copy
import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from publisher.formats import sharded
from publisher.health.manifests import z_before
from publisher.health.subject import Kind
from tests.unit import layers
from tests.unit.layers import TETRAHEDRON, findings, fragment, manifest, skeleton, told, write

Files = dict[str, Any]
GOOD: dict[str, tuple[Kind, Callable[[], Files]]] = {
    "skeletons": ("skeletons", layers.skeletons),
    "legacy": ("meshes", layers.legacy),
    "multires": ("meshes", layers.multiresolution),
    "properties": ("properties", layers.properties),
    "annotations": ("annotations", layers.annotations),
}


def info(**more: Any) -> Callable[[Files], None]:
    return lambda files: files["info"].update(more)


def without(name: str) -> Callable[[Files], None]:
    return lambda files: files["info"].pop(name)


def file(name: str, data: Any) -> Callable[[Files], None]:
    return lambda files: files.update({name: data})


def cut(name: str, size: int) -> Callable[[Files], None]:
    return lambda files: files.update({name: files[name][:size]})


def gone(name: str) -> Callable[[Files], None]:
    return lambda files: files.pop(name)


def one(number: int, **more: Any) -> Callable[[Files], None]:
    """Change one segment property."""
    return lambda files: files["info"]["inline"]["properties"][number].update(more)


def ids(*values: Any) -> Callable[[Files], None]:
    return lambda files: files["info"]["inline"].update(ids=list(values))


def level(**more: Any) -> Callable[[Files], None]:
    return lambda files: files["info"]["spatial"][0].update(more)


def patched(name: str, at: int, data: bytes) -> Callable[[Files], None]:
    return lambda files: files.update({name: files[name][:at] + data + files[name][at + len(data) :]})


def grown(name: str, data: bytes) -> Callable[[Files], None]:
    return lambda files: files.update({name: files[name] + data})


NODES = [[0, 0, 0], [8, 0, 0], [float("nan"), 8, 0]]
UINT8 = {"id": "vertex_types", "data_type": "uint8", "num_components": 1}
DROPS = "the viewer drops the layer"
# What is broken in which good layer, how, and (severity, file, beginning of the message).
BROKEN: dict[str, tuple[str, Callable[[Files], Any], list[tuple[str, str, str]]]] = {
    "no transform": (
        "skeletons", without("transform"), [("warning", "info", "`transform` is missing: the viewer takes the identity")],
    ),
    "a flat transform": (
        "skeletons", info(transform=[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
        [("error", "info", "`transform` makes everything flat: its determinant is 0 → correct its scales")],
    ),
    "eleven numbers": ("skeletons", info(transform=[1] * 11), [("error", "info", "`transform` must be 12 numbers")]),
    "a uint8 attribute": (
        "skeletons",
        lambda files: (info(vertex_attributes=[UINT8])(files), cut("1", 60 + 3 - 12 + 1)(files)),
        [
            ("error", "info", "the vertex attribute 'vertex_types' is uint8, and the viewer takes float32 alone: the whole layer fails"),
            ("error", "1", "is 52 bytes long; 3 vertices and 2 edges take 63"),
            ("error", "77", "is 64 bytes long; 3 vertices and 1 edges take 55"),
        ],
    ),
    "an attribute of no type": (
        "skeletons", info(vertex_attributes=[{"id": "x", "data_type": "float64", "num_components": 1}]),
        [("error", "info", "`vertex_attributes[0].data_type` must be one of float32")],
    ),
    "an attribute twice": (
        "skeletons",
        lambda files: (info(vertex_attributes=[layers.RADIUS] * 2)(files), grown("1", bytes(12))(files), grown("77", bytes(12))(files)),
        [("error", "info", "two vertex attributes are called 'radius': the layer fails")],
    ),
    "a skeleton cut off": (
        "skeletons", cut("1", 50),
        [("error", "1", "is 50 bytes long; 3 vertices and 2 edges take 72 with the attributes of `info` → is it cut off")],
    ),
    "attributes left out": (
        "skeletons", cut("1", 60),
        [("error", "1", "is 60 bytes long; 3 vertices and 2 edges take 72 with the attributes of `info` → its attributes are not in it")],
    ),
    "two bytes": ("skeletons", file("1", b"ab"), [("error", "1", "is 2 bytes long, too short for a skeleton")]),
    "no vertex": ("skeletons", file("1", bytes(8)), [("warning", "1", "has no vertex: there is nothing to see")]),
    "a vertex that is NaN": (
        "skeletons", file("1", skeleton(NODES, [[0, 1]], [1, 1, 1])), [("error", "1", "has a vertex that is no number")],
    ),
    "an edge too far": (
        "skeletons", file("1", skeleton(np.zeros((3, 3)), [[0, 3]], [1, 1, 1])),
        [("error", "1", "has an edge to vertex 3, and 3 vertices (they count from 0)")],
    ),
    "a stray": ("skeletons", file("001", b"x"), [("note", "001", "is no skeleton: those are named after their id")]),
    "nothing": (
        "skeletons", lambda files: (gone("1")(files), gone("77")(files)), [("warning", "", "holds no skeleton")],
    ),
    "damaged gzip": (
        "skeletons", lambda files: (gone("1")(files), file("1.gz", gzip.compress(bytes(500))[:20])(files)),
        [("error", "1", "cannot be read: it ends too early")],
    ),
    "a manifest that is no JSON": ("legacy", file("1:0", b"{"), [("error", "1:0", "is not JSON")]),
    "a manifest without fragments": (
        "legacy", file("1:0", {"fragments": "1:0:1"}), [("error", "1:0", "must be an object with a list of names")],
    ),
    "a manifest of none": ("legacy", file("1:0", {"fragments": []}), [("warning", "1:0", "names no fragment")]),
    "a fragment is gone": (
        "legacy", gone("1:0:2"), [("error", "1:0:2", "is missing, and 1:0 names it: the viewer shows nothing of this segment")],
    ),
    "a fragment cut off": (
        "legacy", cut("1:0:1", 60), [("error", "1:0:1", "is 60 bytes long; 4 vertices take 52, and each triangle 12 more")],
    ),
    "a triangle too far": (
        "legacy", file("1:0:1", fragment(TETRAHEDRON[0], [[0, 1, 4]])),
        [("error", "1:0:1", "has a triangle with vertex 4, and 4 vertices (they count from 0)")],
    ),
    "a mesh that is NaN": (
        "legacy", file("1:0:1", fragment([[0, 0, 0], [1, 1, float("inf")], [1, 0, 0]], [[0, 1, 2]])),
        [("error", "1:0:1", "has a vertex that is no number")],
    ),
    "a mesh of nothing": ("legacy", file("1:0:1", bytes(4)), [("warning", "1:0:1", "has 0 vertices and 0 triangles")]),
    "a level that nobody asks for": (
        "legacy", file("1:1", {"fragments": ["1:0:1"]}), [("warning", "1:1", "is never asked for")],
    ),
    "no legacy mesh": (
        "legacy", lambda files: [files.pop(name) for name in list(files) if name != "info"],
        [("warning", "", "holds no mesh → legacy meshes have manifests named <segment id>:0")],
    ),
    "12 bits": (
        "multires", info(vertex_quantization_bits=12),
        [("error", "info", "`vertex_quantization_bits` must be 10 or 16, not 12: the layer fails")],
    ),
    "no multiplier": (
        "multires", without("lod_scale_multiplier"), [("error", "info", "`lod_scale_multiplier` must be a number above 0")],
    ),
    "a mesh without its manifest": (
        "multires", file("5", b"DRACO"),
        [("error", "5", "has no 5.index beside it: no reader finds this mesh → copy it too, or remove both")],
    ),
    "a manifest without its mesh": (
        "multires", gone("1"), [("error", "1", "is missing, and 1.index describes it: the viewer shows nothing")],
    ),
    "a manifest cut off": (
        "multires", cut("1.index", 100), [("error", "1.index", "is 100 bytes long; levels of 2, 1 fragments take 116 → is it cut off?")],
    ),
    "no levels": (
        "multires", patched("1.index", 24, bytes(4)), [("error", "1.index", "says that there are 0 levels of detail")],
    ),
    "meshes cut off": ("multires", lambda files: cut("1", len(files["1"]) - 1)(files), [("error", "1", "is ")]),
    "meshes of other sizes": (
        "multires",
        lambda files: file("1.index", manifest([[len(files["1"]) // 3 - 1, len(files["1"]) // 3 + 1], [len(files["1"]) // 3]]))(files),
        [("error", "1.index", "fragment 1 of level 0, at byte ")],
    ),
    "scales that fall": (
        "multires",
        lambda files: file("1.index", manifest([[len(files["1"]) // 3] * 2, [len(files["1"]) // 3]], scales=[4, 2]))(files),
        [("error", "1.index", "`lod_scales` must not fall from level to level, and are [4.0, 2.0]")],
    ),
    "fragments out of order": (
        "multires",
        lambda files: file(
            "1.index", manifest([[len(files["1"]) // 3] * 2, [len(files["1"]) // 3]], positions=[[(0, 1, 0), (1, 0, 0)], [(0, 0, 0)]])
        )(files),
        [("error", "1.index", "the fragments of level 0 are not in Z order, or one is there twice")],
    ),
    "a shape of nothing": (
        "multires", patched("1.index", 0, bytes(4)), [("error", "1.index", "`chunk_shape` must be three lengths above 0")],
    ),
    "a hash that nobody knows": (
        "multires",
        info(sharding={"@type": "neuroglancer_uint64_sharded_v1", "hash": "md5", "preshift_bits": 0, "minishard_bits": 0, "shard_bits": 0}),
        [("error", "info", "sharding: hash must be identity or murmurhash3_x86_128, not 'md5': the layer fails")],
    ),
    "values too few": (
        "properties", one(0, values=["a", "b"]), [("error", "info", f"the property 'name' has 2 values, and there are 3 ids: {DROPS}")],
    ),
    "ids that are numbers": (
        "properties", ids(1, 77, "5"),
        [("error", "info", f"`inline.ids` must be whole numbers from 0 up, written as strings; 1 and 1 more is not: {DROPS}")],
    ),
    "an id with a zero before it": ("properties", ids("1", "077", "5"), [("error", "info", "`inline.ids` must be")]),
    "an id beyond 64 bits": ("properties", ids("1", str(2**64), "5"), [("error", "info", "`inline.ids` must be")]),
    "an id twice": ("properties", ids("1", "5", "1"), [("error", "info", "segment 1 is there twice: the viewer shows one of the two")]),
    "two labels": (
        "properties", one(1, type="label", values=["", "", ""]),
        [("error", "info", "2 properties are of type label (name, size), and one may be → make the others strings")],
    ),
    "two of a name": ("properties", one(1, id="name"), [("error", "info", "two properties are called 'name' → rename one of them")]),
    "a type of its own": ("properties", one(0, type="word"), [("error", "info", "the property 'name' must be one of label")]),
    "null in a label": (
        "properties", one(0, values=["a", None, ""]), [("error", "info", "the property 'name' must hold text, and has None")],
    ),
    "null in a number": (
        "properties", one(1, values=[1, None, None]),
        [("error", "info", "the number 'size' has None in 2 places, which the viewer takes for 0")],
    ),
    "NaN in a number": (
        "properties", one(1, data_type="float32", values=[1, float("nan"), 2]),
        [("error", "info", f"the number 'size' has NaN or Infinity among its values, which JSON does not know: {DROPS}")],
    ),
    "a uint64 number": (
        "properties", one(1, data_type="uint64"),
        [("error", "info", "the number 'size' must have a `data_type` of uint8, int8, uint16, int16, uint32, int32, float32, not 'uint64'")],
    ),
    "a number too large": (
        "properties", one(1, values=[0, 256, -1]),
        [("error", "info", "the number 'size' is uint8, and has values from -1 to 256: the viewer shows others")],
    ),
    "a tag with a space": (
        "properties", one(2, tags=["x", "y z"]), [("warning", "info", "the tag 'y z' of 'tags' cannot be searched for")],
    ),
    "a tag with its sign": ("properties", one(2, tags=["#x", "y"]), [("warning", "info", "the tag '#x' of 'tags' cannot")]),
    "tags that differ by case": (
        "properties", one(2, tags=["X", "x"]), [("warning", "info", "the tag 'x' of 'tags' is there twice: the viewer ignores case")],
    ),
    "a tag that is none": (
        "properties", one(2, values=[[0], [2], []]),
        [("error", "info", "the property 'tags' has tags [2] in place 1, and numbers from 0 to 1 are tags")],
    ),
    "tags that fall": (
        "properties", one(2, values=[[1, 0], [], []]), [("error", "info", "the property 'tags' has tags [1, 0] in place 0, which must grow")],
    ),
    "no tags": ("properties", one(2, tags=None), [("error", "info", "the property 'tags' needs `tags`, a list of words")]),
    "no inline": ("properties", without("inline"), [("warning", "info", "has no `inline`: there is nothing to search")]),
    "small letters": (
        "annotations", info(annotation_type="point"),
        [("warning", "info", "`annotation_type` is 'point' in small letters: cloud-volume refuses the folder → write 'POINT'")],
    ),
    "no such type": ("annotations", info(annotation_type="SPHERE"), [("error", "info", "`annotation_type` must be one of POINT")]),
    "a dimension of nothing": (
        "annotations", info(dimensions={"x": [0, "m"], "y": [1, "m"], "z": [1, "m"]}),
        [("error", "info", "the dimension 'x' must be a length above 0 and a unit")],
    ),
    "a unit of words": (
        "annotations", info(dimensions={"x": [8, "voxel"], "y": [8, "nm"], "z": [8, "nm"]}),
        [("error", "info", "the dimension 'x' has the unit 'voxel', which the viewer does not know → write m")],
    ),
    "a property's name": (
        "annotations", info(properties=[{"id": "Kind", "type": "uint8"}]), [("error", "info", "the property 'Kind' must begin with a small letter")],
    ),
    "a property's type": (
        "annotations", info(properties=[{"id": "kind", "type": "uint64"}]), [("error", "info", "the property 'kind' must be one of uint8")],
    ),
    "labels too few": (
        "annotations", info(properties=[{"id": "kind", "type": "uint8", "enum_values": [1], "enum_labels": []}]),
        [("error", "info", "the property 'kind' must have as many `enum_labels` as `enum_values`")],
    ),
    "another property": (
        "annotations", info(properties=[{"id": "a", "type": "float32"}, {"id": "b", "type": "uint8"}]),
        [
            ("error", "by_id/0", "is 28 bytes long; an annotation takes 20 and its related ids"),
            ("error", "by_id/1", "is 28"), ("error", "by_id/2", "is 28"),
            ("error", "spatial0/0_0_0", "is 56 bytes long; 2 annotations of 20 bytes and their ids take 64 → is the padding there"),
            ("error", "spatial0/1_0_0", "is 32"),
            ("error", "body/7", "is 56"), ("error", "body/9", "is 32"),
        ],
    ),
    "a grid too small": (
        "annotations", level(grid_shape=[1, 1, 1]),
        [("error", "info", "the grid of `spatial[0]` covers 50 x 100 x 100 of 100 x 100 x 100: what lies beyond is never shown")],
    ),
    "no limit": ("annotations", level(limit=0), [("error", "info", "`spatial[0].limit` must be a whole number above 0, not 0")]),
    "a limit too low": (
        "annotations", level(limit=1), [("warning", "spatial0/0_0_0", "holds 2 annotations, and `limit` of spatial[0] is 1")],
    ),
    "a lost cell": (
        "annotations", gone("spatial0/1_0_0"),
        [("error", "", "has 3 annotations by id, and its cells hold 2 of them → cells are missing, which the viewer takes for empty")],
    ),
    "a lost annotation": (
        "annotations", gone("by_id/2"),
        [
            ("error", "", "has 2 annotations by id, and its cells hold 3 → some cannot be selected"),
            ("error", "body/9", "lists the annotation 2, which the index by id does not have"),
        ],
    ),
    "lost related ids": (
        "annotations", gone("body/9"),
        [("error", "by_id/2", "is related to segment 9 as 'body', and 'body' has no list of it: the viewer shows nothing")],
    ),
    "a cell off the grid": (
        "annotations", file("spatial0/2_0_0", bytes(8)), [("error", "spatial0/2_0_0", "lies outside the grid of 2 x 1 x 1 cells")],
    ),
    "a cell's name": ("annotations", file("spatial0/a_b", bytes(8)), [("note", "spatial0/a_b", "is no cell: those are named by 3")]),
    "points in another cell": (
        "annotations", lambda files: files.update({"spatial0/0_0_0": files["spatial0/1_0_0"], "spatial0/1_0_0": files["spatial0/0_0_0"]}),
        [
            ("error", "spatial0/0_0_0", "holds 1 annotations that lie elsewhere, the first in 1_0_0"),
            ("error", "spatial0/1_0_0", "holds 2 annotations that lie elsewhere, the first in 0_0_0"),
        ],
    ),
    "a point that is NaN": (
        "annotations", patched("by_id/0", 0, struct.pack("<f", float("nan"))), [("error", "by_id/0", "has a coordinate that is no number")],
    ),
    "bounds too small": (
        "annotations", lambda files: (info(upper_bound=[100, 100, 50])(files), level(chunk_size=[50, 100, 50])(files)),
        [
            ("error", "by_id/2", "has 1 annotations beyond the bounds of `info`, the first at (10, 20, 80)"),
            ("error", "spatial0/0_0_0", "has 1 annotations beyond"), ("error", "body/9", "has 1 annotations beyond"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("depth", ["quick", "sample", "full"])
def test_a_good_layer_is_silent(name: str, depth: Any, tmp_path: Path) -> None:
    kind, make = GOOD[name]
    assert told(findings(write(tmp_path, make()), kind, depth)) == []


@pytest.mark.parametrize("name", GOOD)
def test_a_good_layer_with_gz_names_is_silent(name: str, tmp_path: Path) -> None:
    kind, make = GOOD[name]
    write(tmp_path, make())
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert told(findings(tmp_path, kind)) == []


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_named(case: str, tmp_path: Path) -> None:
    name, breaks, wanted = BROKEN[case]
    kind, make = GOOD[name]
    files = copy.deepcopy(make())
    breaks(files)
    found = told(findings(write(tmp_path, files), kind))
    assert [row[:2] for row in found] == [row[:2] for row in wanted], found
    assert all(row[2].startswith(words) for row, (_, _, words) in zip(found, wanted, strict=True)), found


def test_z_order_has_x_as_the_lowest_bit() -> None:
    cells = [(x, y, z) for x in range(4) for y in range(4) for z in range(4)]

    def code(cell: tuple[int, int, int]) -> int:
        return sum((cell[axis] >> bit & 1) << (3 * bit + axis) for bit in range(2) for axis in range(3))

    assert all(z_before(one, two) == (code(one) < code(two)) for one in cells for two in cells)


def shards(folder: Path, files: Files, before: dict[int, bytes] | None = None) -> sharded.Sharding:
    """Write values named by ids into shards, and the sharding into `info`."""
    sharding = sharded.Sharding(1, 1, data_encoding="gzip")
    keys = [int(name.removesuffix(".index")) for name in files if name != "info"]
    names = {int(name.removesuffix(".index")): name for name in files if name != "info"}
    order = [keys[at] for at in sharding.order(np.array(keys, np.uint64)).tolist()]
    ahead = before or {}
    items = [sharded.Item(key, files[names[key]], [ahead[key]] if key in ahead else []) for key in order]
    sharded.write(folder, sharding, items)
    files["info"]["sharding"] = sharding.to_json()
    write(folder, {"info": files["info"]})
    return sharding


def test_skeletons_in_shards(tmp_path: Path) -> None:
    files = layers.skeletons()
    shards(tmp_path / "good", files)
    assert told(findings(tmp_path / "good", "skeletons")) == []
    files = layers.skeletons()
    files["77"] = files["77"][:-1]
    shards(tmp_path / "bad", files)
    ((severity, key, message),) = told(findings(tmp_path / "bad", "skeletons"))
    assert (severity, key[-6:]) == ("error", ".shard")
    assert message.startswith("id 77: is 63 bytes long; 3 vertices and 1 edges take 64")


def test_shards_that_do_not_hold(tmp_path: Path) -> None:
    sharding = shards(tmp_path, layers.skeletons())
    names = sorted(path.name for path in tmp_path.glob("*.shard"))
    whole = (tmp_path / names[0]).read_bytes()
    (tmp_path / names[0]).write_bytes(whole[:-1])
    found = told(findings(tmp_path, "skeletons"))
    assert [(severity, key) for severity, key, _ in found] == [("error", names[0])]
    assert "outside of the file → write the shard again" in found[0][2]
    (tmp_path / names[0]).write_bytes(whole)
    (tmp_path / "00.shard").write_bytes(whole)
    (tmp_path / "notes.txt").write_bytes(b"x")
    found = told(findings(tmp_path, "skeletons"))
    assert ("error", "00.shard") in [row[:2] for row in found]
    assert ("note", "notes.txt", "is in no index: this folder is kept in shards") in found
    (tmp_path / "00.shard").unlink()
    (tmp_path / "notes.txt").unlink()
    other = sharding.to_json() | {"hash": "identity"}
    write(tmp_path, {"info": layers.skeletons()["info"] | {"sharding": other}})
    moved = [key for key in (1, 77) if sharding.place(key) != sharded.Sharding.from_json(other).place(key)]
    found = [row for row in told(findings(tmp_path, "skeletons")) if row[0] == "error"]
    assert moved
    assert len(found) == len(moved)
    assert all("and readers look for it in minishard" in message for _, _, message in found)


def test_meshes_in_shards_stand_before_their_manifest(tmp_path: Path) -> None:
    files = layers.multiresolution()
    data = files.pop("1")
    shards(tmp_path / "good", copy.deepcopy(files), {1: data})
    assert told(findings(tmp_path / "good", "meshes")) == []
    shards(tmp_path / "behind", copy.deepcopy(files))
    ((severity, _, message),) = told(findings(tmp_path / "behind", "meshes"))
    assert severity == "error"
    assert message.startswith("id 1: its fragments of ")
    assert message.endswith("a mesh stands right before its manifest")
    shards(tmp_path / "other", copy.deepcopy(files), {1: bytes(len(data))})
    ((_, _, message),) = told(findings(tmp_path / "other", "meshes"))
    assert message.startswith("id 1: fragment 0 of level 0, at byte 0 of the mesh, does not begin as Draco does")


def test_a_sample_is_the_same_each_time_and_bounded(tmp_path: Path) -> None:
    files = layers.skeletons()
    files |= {str(number): b"ab" for number in range(1000, 2000)}
    write(tmp_path, files)
    first, second = findings(tmp_path, "skeletons", "sample"), findings(tmp_path, "skeletons", "sample")
    assert first == second
    assert 190 <= len(first) <= 200
    assert len(findings(tmp_path, "skeletons", "full")) == 1000
    assert findings(tmp_path, "skeletons", "quick") == []


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inside for place in places(one, (*at, key)))]


@pytest.mark.parametrize("name", GOOD)
def test_no_info_makes_a_check_stumble(name: str, tmp_path: Path) -> None:
    """Whatever stands anywhere in `info`: findings, and no traceback. What is of another type is found somewhere."""
    kind, make = GOOD[name]
    write(tmp_path, make())
    found = 0
    for place in [at for at in places(make()["info"]) if at and at != ("@type",)]:
        for odd in (None, -1, float("inf"), "x", [None], {"a": 1}, 10**30):
            changed = copy.deepcopy(make()["info"])
            holder = changed
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = odd
            write(tmp_path, {"info": changed})
            found += bool(findings(tmp_path, kind))
    assert found > 10 or name == "legacy"


@pytest.mark.parametrize("name", GOOD)
def test_no_bytes_make_a_check_stumble(name: str, tmp_path: Path) -> None:
    kind, make = GOOD[name]
    numbers = np.random.default_rng(7)
    for file_name, data in make().items():
        whole = data if isinstance(data, bytes) else b"{}"
        for _ in range(20):
            at, size = (int(each) for each in numbers.integers(0, len(whole) + 1, 2))
            broken = whole[:at] + numbers.bytes(size % 9) + whole[at + size % 5 :]
            if file_name != "info":
                write(tmp_path, make() | {file_name: broken})
                findings(tmp_path, kind)
    assert told(findings(write(tmp_path, make()), kind)) == []
