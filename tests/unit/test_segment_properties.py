"""Segment properties from tables: labels, tags and numbers, each value where its segment is; the health check agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as pf
import pytest

from publisher.artifacts.volume import Volume
from publisher.builders.segment_properties import Choice, Made, build
from publisher.errors import InvalidInput
from publisher.health.properties import troubles
from tests.rig import peak_bytes

COLUMNS: dict[str, Any] = {
    "body": pa.array([30, 2**64 - 1, 5, None, 7], pa.uint64()),
    "type": ["DA1 lPN", "DA1 lPN", None, "lost", "DA1 lPN"],
    "side": pa.array(["L", "R", "L", "L", "L"]).dictionary_encode(),
    "instance": ["c", "d", None, "e", "b"],
    "size": [70_000, 1, 2, 3, 65_535],
    "score": [0.1, 2.5, -1e-3, 9.0, 1e10],
    "gaps": [1, None, 3, 4, 5],
    "has_soma": [True, False, None, True, True],
    "when": pa.array([1, 2, 3, 4, 5], pa.timestamp("s")),
    "parent": pa.array([2**60, 2**60 + 1, 3, 4, 5], pa.int64()),
}


def table(folder: Path, **columns: Any) -> Path:
    path = folder / "bodies.feather"
    pf.write_feather(pa.table(columns or COLUMNS), path)
    return path


def made(
    folder: Path, choice: Choice | None = None, **columns: Any
) -> tuple[dict[str, dict[str, Any]], list[str], Made]:
    """Build, check, and return the properties by id, the ids, and what was said."""
    told = build(table(folder, **columns), folder / "props", choice)
    info = json.loads((folder / "props" / "info").read_text())
    assert list(troubles(info)) == []
    assert info["@type"] == "neuroglancer_segment_properties"
    return {each["id"]: each for each in info["inline"]["properties"]}, info["inline"]["ids"], told


def tags_of(properties: dict[str, dict[str, Any]]) -> list[list[str]]:
    tags = properties["tags"]
    return [[tags["tags"][at] for at in row] for row in tags["values"]]


def test_every_column_becomes_what_it_is_good_for(tmp_path: Path) -> None:
    properties, ids, told = made(tmp_path)
    assert ids == ["5", "7", "30", str(2**64 - 1)]
    assert properties["instance"] == {"id": "instance", "type": "label", "values": ["", "b", "c", "d"]}
    assert properties["size"] == {
        "id": "size", "type": "number", "data_type": "uint32", "values": [2, 65_535, 70_000, 1],
    }  # fmt: skip
    assert properties["score"]["data_type"] == "float32"
    assert np.array(properties["score"]["values"], np.float32).tolist() == np.float32([-1e-3, 1e10, 0.1, 2.5]).tolist()
    assert properties["parent"] == {
        "id": "parent", "type": "string", "values": ["3", "5", str(2**60), str(2**60 + 1)],
    }  # fmt: skip
    assert tags_of(properties) == [["L"], ["DA1_lPN", "L", "has_soma"], ["DA1_lPN", "L", "has_soma"], ["DA1_lPN", "R"]]
    described = dict(zip(properties["tags"]["tags"], properties["tags"]["tag_descriptions"], strict=True))
    assert described == {
        "DA1_lPN": "type: DA1 lPN", "lost": "type", "L": "side", "R": "side", "has_soma": "has_soma",
    }  # fmt: skip
    assert {name: why.partition(",")[0] for name, why in told.left_out} == {
        "gaps": "has no value in 1 of 4 places",
        "when": "is of the type timestamp[s]",
    }
    assert told.count == 4


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    choice = Choice(id="parent", label="type", description="instance", tags=("side",), numbers=("gaps",), missing=-1)
    properties, ids, told = made(tmp_path, choice)
    assert ids == ["3", "4", "5", str(2**60), str(2**60 + 1)]
    assert {name: each["type"] for name, each in properties.items()} == {
        "body": "string", "type": "label", "instance": "description", "size": "string", "score": "string",
        "gaps": "number", "has_soma": "string", "tags": "tags",
    }  # fmt: skip
    assert (properties["gaps"]["data_type"], properties["gaps"]["values"]) == ("int8", [3, 4, 5, 1, -1])
    assert properties["body"]["values"] == ["5", "", "7", "30", str(2**64 - 1)]
    assert [name for name, _ in told.left_out] == ["when"]


TYPES = {
    "uint8": [0, 255], "int8": [-128, 127], "uint16": [0, 256], "int16": [-129, 0], "uint32": [0, 2**32 - 1],
    "int32": [-(2**31), 2**31 - 1], "float32": [-1, 2**32],
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_whole_numbers_take_the_narrowest_type(kind: str, tmp_path: Path) -> None:
    properties, _, _ = made(tmp_path, body=[1, 2], n=TYPES[kind])
    assert properties["n"]["data_type"] == kind
    assert np.array(properties["n"]["values"], kind).tolist() == np.array(TYPES[kind], kind).tolist()


def test_words_with_many_values_are_strings_and_few_are_tags(tmp_path: Path) -> None:
    rows = 3000
    many = [f"w{at}" for at in range(rows)]
    few = [f"w{at % 900}" for at in range(rows)]
    long = ["x" * 65] * rows
    properties, _, _ = made(tmp_path, body=list(range(rows)), many=many, few=few, long=long)
    assert {name: each["type"] for name, each in properties.items()} == {
        "many": "string", "long": "string", "tags": "tags",
    }  # fmt: skip
    assert len(properties["tags"]["tags"]) == 900
    assert tags_of(properties) == [[word] for word in few]


def test_one_value_in_two_columns_and_two_spellings_in_one(tmp_path: Path) -> None:
    """The viewer has one list of tags and ignores case: what would be the same tag is told apart, or made one."""
    properties, _, _ = made(
        tmp_path, Choice(tags=("pre", "post", "s")), body=[1, 2, 3, 4], pre=["GABA", "x", "x", "GABA"], post=["gaba", "gaba", "y", "y"], s=["A b", "a B", "#q", ""]
    )  # fmt: skip
    assert tags_of(properties) == [
        ["pre:GABA", "post:gaba", "A_b"], ["x", "post:gaba", "A_b"], ["x", "y", "q"], ["pre:GABA", "y"],
    ]  # fmt: skip


REFUSED: dict[str, tuple[dict[str, Any], Choice, str]] = {
    "twice": ({"body": [5, 5]}, Choice(), "needs one row a segment, and bodies.feather has segment 5 twice"),
    "below nothing": ({"body": [5, -5]}, Choice(), "needs segment ids, and the column 'body' of bodies.feather holds -5"),
    "a half": ({"body": [5, 1.5]}, Choice(), "holds 1.5"),
    "words": ({"body": ["5", "x"]}, Choice(), "holds 'x'"),
    "no ids": ({"a": [5]}, Choice(), "needs a column of segment ids, and bodies.feather has a"),
    "a misspelt one": (
        {"body": [5], "size": [1]}, Choice(numbers=("sizes",)), "has no column 'sizes' for its segment properties; did you mean 'size'?",
    ),
    "numbers with gaps": (
        {"body": [5, 6], "n": [1, None]}, Choice(numbers=("n",)), "has 'n' among the numbers of its segment properties, and it has no value in 1 of 2 places",
    ),
    "numbers that are words": ({"body": [5], "n": ["a"]}, Choice(numbers=("n",)), "it is of the type string"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_words(case: str, tmp_path: Path) -> None:
    columns, choice, words = REFUSED[case]
    with pytest.raises(InvalidInput) as caught:
        build(table(tmp_path, **columns), tmp_path / "props", choice)
    assert words in caught.value.problems[0].message, caught.value.problems
    assert not (tmp_path / "props").exists()


def test_ids_as_text_and_an_empty_table(tmp_path: Path) -> None:
    assert made(tmp_path, body=["10", "9"], n=[1, 2])[1] == ["9", "10"]
    properties, ids, _ = made(
        tmp_path, body=pa.array([], pa.int64()), n=pa.array([], pa.int64()), s=pa.array([], pa.string())
    )
    assert ids == []
    assert properties["n"]["values"] == []


def test_the_same_table_gives_the_same_file_and_leaves_it_alone(tmp_path: Path) -> None:
    path = table(tmp_path)
    build(path, tmp_path / "props")
    before = (tmp_path / "props" / "info").stat()
    build(path, tmp_path / "props")
    after = (tmp_path / "props" / "info").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert [each.name for each in (tmp_path / "props").iterdir()] == ["info"]


def test_the_manifest_takes_a_name_or_a_mapping() -> None:
    head = {"name": "seg", "source": "x"}
    short = Volume.model_validate({**head, "segment_properties": "bodies"})
    long = Volume.model_validate({**head, "segment_properties": {"table": "bodies", "tags": ["type"], "missing": -1}})
    assert short.links == long.links == (("segment_properties", "bodies"),)
    assert long.segment_properties is not None
    assert long.segment_properties.tags == ("type",)
    with pytest.raises(ValueError, match="extra"):
        Volume.model_validate({**head, "segment_properties": {"table": "bodies", "tag": ["type"]}})


BUILD = """
import sys
from pathlib import Path
from publisher.builders.segment_properties import build
build(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_million_segments_take_bounded_memory(tmp_path: Path) -> None:
    rows = 1_000_000
    numbers = np.random.default_rng(1)
    path = table(
        tmp_path, body=numbers.permutation(rows), name=[f"neuron {at}" for at in range(rows)],
        type=[f"t{at}" for at in numbers.integers(0, 500, rows)], size=numbers.integers(0, 2**31, rows),
    )  # fmt: skip
    assert peak_bytes(BUILD, path, tmp_path / "props") < 600 << 20
    info = json.loads((tmp_path / "props" / "info").read_text())
    assert len(info["inline"]["ids"]) == rows
    assert list(troubles(info)) == []
