"""Annotations from tables: all indexes say what the table says, to readers that did not write them; any order of rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from publisher.builders.annotations import grid, indexes
from publisher.errors import InvalidInput
from publisher.facts import AnnotationFacts
from publisher.formats.sharding import Sharding
from publisher.tree import specs
from tests.annotated import Read, Reader, differences, expected, facts_of, stage, synapses, written
from tests.rig import peak_bytes

SAID: dict[str, Any] = {"id": "id", "relationships": {"pre": "Pre Body", "post": "post"}}
POINT = ("x", "y", "z")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that happens to millions, with thousands: levels, shards, minishards, blocks."""
    monkeypatch.setattr(grid, "LIMIT", 200)
    monkeypatch.setattr(grid, "_AIM", 180)
    monkeypatch.setattr(indexes, "SHARD_BYTES", 20_000)
    monkeypatch.setattr(indexes, "MINISHARD_KEYS", 8)
    monkeypatch.setattr(indexes, "BLOCK", 500)
    monkeypatch.setattr("publisher.builders.annotations.build.BLOCK", 700)
    monkeypatch.setattr("publisher.builders.annotations.build.SORT_BYTES", 40_000)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("files", [10, 10**6], ids=["sharded", "unsharded"])
def test_every_index_says_what_the_table_says(
    files: int, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del small
    monkeypatch.setattr(indexes, "FILES", files)
    source = written(tmp_path / "synapses.parquet", synapses(3000))
    made = stage(source, tmp_path / "work", **SAID)
    facts, folder = facts_of(made), made.trees[0].path
    info = json.loads((folder / "info").read_text())
    entries = [info["by_id"], *info["relationships"], info["spatial"][-1]]
    assert [("sharding" in entry) for entry in entries] == [files == 10] * len(entries)
    if files == 10:
        bits = [entry["sharding"]["shard_bits"] for entry in entries]
        assert bits[0] >= 2
        assert max(bits[1:]) >= 2
    assert len(info["spatial"]) >= 3
    assert facts.count == 3000
    assert differences(folder, expected(source, facts, SAID, POINT)) == []


def test_types(tmp_path: Path) -> None:
    facts = facts_of(stage(written(tmp_path / "a.parquet", synapses(500)), tmp_path / "work", **SAID))
    kinds = {one.id: (one.type, one.labels) for one in facts.described}
    assert kinds == {
        "wide": ("uint32", ()),
        "signed": ("int32", ()),
        "score": ("float32", ()),
        "short": ("uint16", ()),
        "tiny": ("int8", ()),
        "transmitter": ("uint8", ("ACh", "GABA", "Glu", "(none)")),
        "sure": ("uint8", ("false", "true")),
        "colour": ("rgb", ()),
        "glow": ("rgba", ()),
    }
    sizes = {"uint32": 4, "int32": 4, "float32": 4, "uint16": 2}
    in_order = [sizes.get(one.type, 1) for one in facts.described]
    assert in_order == sorted(in_order, reverse=True)
    assert facts.relationships == ("pre", "post")


@pytest.mark.parametrize("files", [10, 10**6], ids=["sharded", "unsharded"])
def test_cloud_volume_reads_them(files: int, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cloudvolume.datasource.precomputed.annotation import PrecomputedAnnotationSource

    del small
    monkeypatch.setattr(indexes, "FILES", files)
    source = written(tmp_path / "synapses.parquet", synapses(2000))
    made = stage(source, tmp_path / "work", **SAID)
    wanted = expected(source, facts_of(made), SAID, POINT)
    cloud = PrecomputedAnnotationSource(f"precomputed://file://{made.trees[0].path}")
    ids = list(wanted)[::37]  # not all by `ids()`: 12.15 looks for shards below by_id/by_id
    for key, one in cloud.get_by_id(ids).items():
        assert tuple(one.geometry[0].tolist()) == wanted[key].place
        assert {name.removeprefix("rel_"): tuple(ids.tolist()) for name, ids in one.relationships.items()} == (
            wanted[key].related
        )
        assert float(one.properties["wide"][0]) == wanted[key].properties["wide"]
    bodies = {body for one in wanted.values() for body in (one.related or {})["pre"]}
    for body, found in cloud.get_by_relationship("pre", sorted(bodies)).items():
        assert sorted(found.ids.tolist()) == sorted(key for key, one in wanted.items() if one.related["pre"] == (body,))
    seen: list[int] = []
    for level in range(len(cloud.meta.info["spatial"])):
        found = cloud.get_all(mip=level)
        for key, place in zip(found.ids.tolist(), found.geometry.tolist(), strict=True):
            assert tuple(place) == wanted[key].place
        seen += found.ids.tolist()
    assert sorted(seen) == sorted(wanted)


GEOMETRIES = {
    "line": ("x1", "y1", "z1", "x2", "y2", "z2"),
    "box": ("x1", "y1", "z1", "x2", "y2", "z2"),
    "ellipsoid": ("x", "y", "z", "rx", "ry", "rz"),
}


def extended(geometry: str, count: int) -> dict[str, Any]:
    """Return short and long ones: a few cross the whole volume, some have no extent along an axis."""
    chance = np.random.default_rng(2)
    first = chance.uniform(0, 4000, (count, 3)).astype(np.float32)
    reach = chance.normal(0, 1, (count, 3)) * np.where(chance.random(count) < 0.05, 1500, 60)[:, None]
    reach[::7, 1] = 0
    second = np.abs(reach) if geometry == "ellipsoid" else (first + reach).clip(0, 4000)
    columns = np.concatenate([first, second], axis=1).astype(np.float32).T
    made: dict[str, Any] = dict(zip(GEOMETRIES[geometry], columns, strict=True))
    return made | {"id": np.arange(count) * 7 + 3, "kind": np.where(chance.random(count) < 0.5, "a", "b")}


def samples(geometry: str, place: tuple[float, ...]) -> np.ndarray[Any, Any]:
    """Return points of an annotation: what a cell that holds one of them must list."""
    first, second = np.array(place[:3]), np.array(place[3:])
    if geometry == "line":
        return first + np.linspace(0, 1, 300)[:, None] * (second - first)
    steps = np.stack(np.meshgrid(*[np.linspace(0, 1, 12)] * 3), axis=-1).reshape(-1, 3)
    if geometry == "box":
        return first + steps * (second - first)
    ball = steps * 2 - 1
    return first + ball[(ball**2).sum(axis=1) <= 1] * second


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_what_has_an_extent_is_in_every_cell_that_it_meets(geometry: str, small: None, tmp_path: Path) -> None:
    del small
    source = written(tmp_path / "a.parquet", extended(geometry, 1500))
    made = stage(source, tmp_path / "work", geometry=geometry, id="id")
    wanted = expected(source, facts_of(made), {"id": "id"}, GEOMETRIES[geometry])
    folder = made.trees[0].path
    assert differences(folder, wanted) == []
    reader = Reader(folder)
    assert reader.info["annotation_type"] == {"line": "LINE", "box": "AXIS_ALIGNED_BOUNDING_BOX"}.get(
        geometry, "ELLIPSOID"
    )
    lower = np.array(reader.info["lower_bound"])
    assert len(reader.info["spatial"]) >= 2
    several = 0
    for level, spec in enumerate(reader.info["spatial"]):
        size, last = np.array(spec["chunk_size"]), np.array(spec["grid_shape"]) - 1
        cells: dict[int, set[tuple[int, ...]]] = {}
        for cell, found in reader.cells(level):
            for key, _ in found:
                cells.setdefault(key, set()).add(cell)
        for key, listed in cells.items():
            points = (samples(geometry, wanted[key].place) - lower) / size
            inner = points[(np.abs(points - np.round(points)) > 1e-6).all(axis=1)]  # on a face, either cell will do
            met = set(map(tuple, np.clip(np.floor(inner), 0, last).astype(int).tolist()))
            assert met <= listed
            reach = points.max(axis=0) - points.min(axis=0)
            assert len(listed) <= np.prod(np.ceil(reach + 1e-6) + 1)
            several += len(listed) > 1
    assert several > 50


def test_any_order_of_rows_gives_the_same_bytes(small: None, tmp_path: Path) -> None:
    del small
    table = pa.table(synapses(2500))
    order = np.random.default_rng(3).permutation(table.num_rows)
    first = stage(written(tmp_path / "a.parquet", table), tmp_path / "one", **SAID)
    second = stage(written(tmp_path / "b.parquet", table.take(order)), tmp_path / "two", **SAID)
    assert contents(first.trees[0].path) == contents(second.trees[0].path)
    assert first.facts == second.facts
    numbered = {"relationships": SAID["relationships"]}  # the control: numbers of rows are another order
    others = [
        stage(written(tmp_path / f"{at}.parquet", rows.drop_columns(["id"])), tmp_path / f"{at}", **numbered)
        for at, rows in enumerate((table, table.take(order)))
    ]
    assert contents(others[0].trees[0].path) != contents(others[1].trees[0].path)


def test_csv_parquet_and_feather_give_the_same(tmp_path: Path) -> None:
    import pyarrow.feather as pf
    from pyarrow import csv

    table = pa.table({**synapses(300), "tiny": np.arange(300) % 9}).drop_columns(["score"])
    pf.write_feather(table, tmp_path / "a.feather")
    csv.write_csv(table, tmp_path / "a.csv")
    sources = [written(tmp_path / "a.parquet", table), tmp_path / "a.feather", tmp_path / "a.csv"]
    parquet, feather, words = (
        contents(stage(source, tmp_path / source.suffix, **SAID).trees[0].path) for source in sources
    )
    assert parquet == feather == words


def test_each_level_is_a_fair_sample(small: None, tmp_path: Path) -> None:
    """In every octant, the first level has the same share of what is there; ids in a row make no difference."""
    del small
    columns = {**synapses(8000), "id": np.arange(8000)}
    made = stage(written(tmp_path / "a.parquet", columns), tmp_path / "work", **SAID)
    reader = Reader(made.trees[0].path)
    places = np.stack([columns[axis] for axis in "xyz"], axis=1)
    found = np.array([key for _, cell in reader.cells(1) for key, _ in cell])
    half = places > np.median(places, axis=0)
    octant = half @ [1, 2, 4]
    share = np.bincount(octant[found], minlength=8) / np.bincount(octant, minlength=8)
    many = np.bincount(octant, minlength=8) > 300
    assert many.sum() >= 3
    overall = len(found) / len(places)
    noise = np.sqrt(overall / np.bincount(octant, minlength=8))
    assert (np.abs(share - overall) < 4 * noise)[many].all(), share
    assert [spec["limit"] <= 200 for spec in reader.info["spatial"]] == [True] * len(reader.info["spatial"])


@pytest.mark.parametrize(
    "damage",
    ["a byte of a place", "a cell that is gone", "a cell that is there twice", "another limit", "a lost relationship"],
)
def test_control_damage_is_seen(damage: str, small: None, tmp_path: Path) -> None:
    """Without this, an empty list of differences would say nothing."""
    del small
    source = written(tmp_path / "a.parquet", synapses(400))
    made = stage(source, tmp_path / "work", **SAID)
    folder = made.trees[0].path
    cells = sorted((folder / "spatial1").iterdir())
    if damage == "a byte of a place":
        file = next((folder / "by_id").iterdir())
        data = bytearray(file.read_bytes())
        data[2] ^= 0x40
        file.write_bytes(data)
    elif damage == "a cell that is gone":
        max(cells, key=lambda path: path.stat().st_size).unlink()
    elif damage == "a cell that is there twice":
        (folder / "spatial0" / "0_0_0").write_bytes(max(cells, key=lambda path: path.stat().st_size).read_bytes())
    elif damage == "another limit":
        info = json.loads((folder / "info").read_text())
        info["spatial"][0]["limit"] += 1
        (folder / "info").write_text(json.dumps(info))
    else:
        next((folder / "rel_post").iterdir()).unlink()
    assert differences(folder, expected(source, facts_of(made), SAID, POINT)) != []


def test_one_point(tmp_path: Path) -> None:
    source = written(tmp_path / "a.parquet", {"x": [3], "y": [4], "z": [5]})
    made = stage(source, tmp_path / "work")
    info = json.loads((made.trees[0].path / "info").read_text())
    assert (info["lower_bound"], info["upper_bound"]) == ([3, 4, 5], [4, 5, 6])
    assert info["dimensions"] == {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [4e-8, "m"]}
    assert differences(made.trees[0].path, expected(source, facts_of(made), {}, POINT)) == []
    assert facts_of(made).example == (3, 4, 5)


def test_all_points_at_one_place(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No grid parts them: there is an end to the levels, and the crowd is told."""
    del small
    monkeypatch.setattr("publisher.builders.annotations.build.CROWDED", 300)
    source = written(tmp_path / "a.parquet", {axis: [7.5] * 3000 for axis in "xyz"})
    made = stage(source, tmp_path / "work", units="nm")
    assert len(json.loads((made.trees[0].path / "info").read_text())["spatial"]) == 9
    assert [warning.message for warning in made.warnings if "at almost one place" in warning.message]
    monkeypatch.setattr(Reader, "cells", the_cell_of_7_5)
    assert differences(made.trees[0].path, expected(source, facts_of(made), {}, POINT)) == []


def the_cell_of_7_5(self: Reader, level: int) -> Iterator[tuple[tuple[int, ...], list[tuple[int, Read]]]]:
    """Read one cell, where a grid has millions."""
    size = np.array(self.info["spatial"][level]["chunk_size"])
    cell = tuple(((7.5 - np.array(self.info["lower_bound"])) // size).astype(int).tolist())
    yield cell, [(int(one.id), self.decoded(one)) for one in self.reader.spatial[level][cell]]


def test_ids_of_every_size(tmp_path: Path) -> None:
    ids = np.array([0, 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    columns = {"id": ids, **dict.fromkeys("xyz", np.arange(6)), "body": ids[::-1].copy()}
    said = {"id": "id", "relationships": {"body": "body"}}
    source = written(tmp_path / "a.parquet", columns)
    made = stage(source, tmp_path / "work", **said)
    assert differences(made.trees[0].path, expected(source, facts_of(made), said, POINT)) == []
    signed = written(
        tmp_path / "b.parquet", {**columns, "id": ids[:4].astype(np.int64)[[0, 1, 2, 3, 3, 3]] - [0, 0, 0, 0, 1, 2]}
    )
    again = stage(signed, tmp_path / "signed", **said)
    assert differences(again.trees[0].path, expected(signed, facts_of(again), said, POINT)) == []


def test_usual_names_of_columns(tmp_path: Path) -> None:
    corners = [f"{end}_{axis}" for end in ("pre", "post") for axis in "xyz"]
    made = stage(
        written(tmp_path / "a.parquet", {name: [1.0, 2.0] for name in corners}), tmp_path / "a", geometry="line"
    )
    assert (facts_of(made).annotation_type, facts_of(made).properties) == ("LINE", ())
    spheres = written(tmp_path / "b.parquet", {name: [1.0, 2.0] for name in ("X", "Y", "Z", "radius")})
    made = stage(spheres, tmp_path / "b", geometry="ellipsoid")
    assert facts_of(made).properties == ()
    named = written(tmp_path / "c.parquet", {name: [1.0, 2.0] for name in ("east", "y", "z")})
    assert facts_of(stage(named, tmp_path / "c", columns={"x": "east"})).count == 2


def test_units_and_space(tmp_path: Path) -> None:
    source = written(tmp_path / "a.parquet", {axis: [1, 2] for axis in "xyz"})
    made = stage(source, tmp_path / "a", units="8 nm")
    assert facts_of(made).dimensions == dict.fromkeys("xyz", (8e-9, "m"))
    with pytest.raises(InvalidInput, match="has no units, and no space"):
        stage(source, tmp_path / "b", space=None)


def table(**changed: Any) -> dict[str, Any]:
    columns = {"id": [1, 2, 3], "x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0], "z": [1.0, 2.0, 3.0], "body": [4, None, 6]}
    return {name: values for name, values in {**columns, **changed}.items() if values is not None}


NAN, INF = float("nan"), float("inf")
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "NaN": (table(x=[1.0, NAN, NAN]), {}, "column 'x' is not finite in row 2, and 1 other row"),
    "infinite": (table(z=[1.0, 2.0, -INF]), {}, "column 'z' is not finite in row 3"),
    "too large for float32": (table(z=[1.0, 2.0, 1e39]), {}, "column 'z' is not finite in row 3"),
    "a missing place": (table(y=[None, 2.0, 3.0]), {}, "column 'y' is missing in row 1"),
    "no column z": (table(z=None), {}, "has no columns that could be x, y, z of a point"),
    "another name": (table(), {"columns": {"x": "ex"}}, "has no column 'ex'; did you mean 'x'?"),
    "a role that is none": (table(), {"columns": {"x1": "x"}}, "'x1' under `columns`, which a point does not have"),
    "words for places": (table(x=["a", "b", "c"]), {}, "needs numbers for coordinates"),
    "an id twice": (table(id=[1, 5, 5]), {"id": "id"}, "the column 'id' has 5 twice"),
    "a negative id": (table(id=[1, -2, 3]), {"id": "id"}, "column 'id' has a negative id in row 2"),
    "no id": (table(id=[1, None, 3]), {"id": "id"}, "column 'id' has no id in row 2"),
    "ids with fractions": (table(id=[1.0, 2.5, 3.0]), {"id": "id"}, "needs whole numbers for id"),
    "a negative body": (
        table(body=[4, -1, 6]),
        {"relationships": {"body": "body"}},
        "'body' has a negative id in row 2",
    ),
    "bodies of words": (table(body=["a", "b", "c"]), {"relationships": {"b": "body"}}, "needs whole numbers for relat"),
    "no rows": ({name: pa.array([], pa.float64()) for name in "xyz"}, {}, "has no annotations"),
    "a negative radius": (
        table(r=[1.0, -1.0, 1.0]),
        {"geometry": "ellipsoid"},
        "'r' is negative for a radius in row 2",
    ),
    "an id beyond 32 bits as a property": (table(body=[2**40, 5, 6]), {"properties": ["body"]}, "32 bits at most"),
    "a property that is none": (table(when=[[1], [2], [3]]), {"properties": ["when"]}, "no property of the viewer can"),
    "a name the viewer refuses": (
        table(),
        {"properties": [{"column": "body", "name": "1st"}]},
        "calls a property '1st'",
    ),
    "two of a name": (table(a=[1, 2, 3], A=[1, 2, 3]), {}, "would have two properties 'a'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case: str, tmp_path: Path) -> None:
    columns, said, message = WRONG[case]
    with pytest.raises(InvalidInput) as caught:
        stage(written(tmp_path / "a.parquet", columns), tmp_path / "work", **said)
    assert message in str(caught.value)
    assert all(problem.hint for problem in caught.value.problems)
    assert not list((tmp_path / "work").rglob("info"))


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    columns = table(x=[NAN, 1.0, 1.0], y=[1.0, INF, 1.0], id=[-1, 2, None])
    with pytest.raises(InvalidInput) as caught:
        stage(written(tmp_path / "a.parquet", columns), tmp_path / "work", id="id")
    assert len(caught.value.problems) == 4


def test_columns_that_nobody_named_are_left_out_with_a_warning(tmp_path: Path) -> None:
    names = [f"neuron {at}" for at in range(1200)]
    columns = {
        **dict.fromkeys("xyz", np.arange(1200)),
        "name": names,
        "huge": np.arange(1200) + 2**40,
        "good": [1] * 1200,
    }
    made = stage(written(tmp_path / "a.parquet", columns), tmp_path / "work")
    assert facts_of(made).properties == ("good",)
    assert ["1,000 different words" in w.message or "32 bits" in w.message for w in made.warnings] == [True, True]


def test_coordinates_that_float32_rounds_are_told(tmp_path: Path) -> None:
    made = stage(written(tmp_path / "a.parquet", {axis: [1, 2**24 + 1] for axis in "xyz"}), tmp_path / "work")
    assert "stored to the nearest even number" in made.warnings[0].message


def test_a_rerun_builds_nothing_and_a_change_builds_anew(tmp_path: Path) -> None:
    source = written(tmp_path / "a.parquet", synapses(200))

    def built(**said: Any) -> tuple[Any, dict[Path, int]]:
        made = stage(source, tmp_path / "work", **{**SAID, **said})
        return made.facts, {path: path.stat().st_mtime_ns for path in made.trees[0].path.rglob("*") if path.is_file()}

    first = built()
    os.utime(source, (1, 1))
    assert built() == first
    assert built(segmentation="seg")[1] == first[1]
    assert built(units="8 nm")[1] != first[1]
    again = built()
    written(source, synapses(200, seed=9))
    assert built()[1] != again[1]
    assert sorted(path.name for path in (tmp_path / "work" / "annotations").iterdir()) == ["notes", "notes.made.json"]


KILLED = """
import os, sys
from pathlib import Path
from publisher.builders.annotations import build
from tests.annotated import stage
build.write_cells = lambda *_: os._exit(9)
stage(Path(sys.argv[1]), Path(sys.argv[2]), id="id")
"""


def test_a_killed_build_counts_for_nothing(tmp_path: Path) -> None:
    source, work = written(tmp_path / "a.parquet", synapses(1500)), tmp_path / "work"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", KILLED, source, work], env=env, check=False)
    assert done.returncode == 9
    assert list((work / "annotations" / ".notes.part").rglob("*.shard"))
    made = stage(source, work, id="id")
    whole = stage(source, tmp_path / "other", id="id")
    assert contents(made.trees[0].path) == contents(whole.trees[0].path)
    assert not (work / "annotations" / ".notes.part").exists()


def test_objects_have_the_roles_of_annotations(small: None, tmp_path: Path) -> None:
    del small
    made = stage(written(tmp_path / "a.parquet", synapses(1500)), tmp_path / "work", **SAID)
    objects = list(specs(made.trees[0], final=True))
    by_end = {one.key.rpartition("/")[2].partition(".")[2] or "plain": one.headers for one in objects}
    assert by_end["shard"].content_encoding is None
    kinds = {one.key: one.headers.content_encoding for one in objects}
    assert all(kinds[key] == "gzip" for key in kinds if "/rel_post/" in key)


def test_facts_of_older_records_load() -> None:
    old = {
        "annotation_type": "POINT",
        "dimensions": {"x": [8e-9, "m"]},
        "lower_bound": [0],
        "upper_bound": [1],
        "properties": ["kind"],
        "relationships": [],
        "sharded": False,
        "kind": "annotations",
    }
    facts = TypeAdapter(AnnotationFacts).validate_python(old)
    assert (facts.count, facts.described, facts.related) == (None, (), {})


def test_shards_of_cells_keep_neighbours_together() -> None:
    sharding = indexes.by_place((256, 256, 256), 10_000_000, 40)
    assert sharding.hash == "identity"
    assert sharding.shard_bits + sharding.minishard_bits + sharding.preshift_bits == 24
    assert indexes.by_place((1, 1, 1), 5, 40) == Sharding(0, 0, 0, "identity", data_encoding="gzip")


MANY = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.annotated import stage
stage(Path(sys.argv[1]), Path(sys.argv[2]), id="id", relationships={{"pre": "pre", "post": "post"}})
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_annotations(tmp_path: Path) -> None:
    from benchmarks.builders import synapses as many

    root = str(Path(__file__).parents[2])
    peaks = []
    for count in (200_000, 2_000_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        many(folder, count)
        peaks.append(peak_bytes(MANY.format(root=root), folder / "points.parquet", folder / "work"))
    print(f"peak memory {[peak >> 20 for peak in peaks]} MB")
    assert peaks[1] - peaks[0] < 200 << 20  # a list of them all would hold more: 130 bytes each
