"""Tables: no id loses a digit, no leading zero is eaten, no category is mixed up; read back with pandas."""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
from pyarrow import csv as arrow_csv

from publisher.artifacts import Bench, Made
from publisher.artifacts.table import Table
from publisher.errors import InvalidInput
from publisher.facts import TableFacts
from publisher.formats import tables
from tests.rig import peak_bytes

BIG = 2**53 + 1  # the first whole number that float64 cannot hold


def csv(folder: Path, data: str | bytes, name: str = "table.csv", **types: str) -> tuple[dict[str, str], pd.DataFrame]:
    """Write a CSV file, convert it, and return the types in the Feather file and what pandas reads of it."""
    source = folder / name
    source.write_bytes(data if isinstance(data, bytes) else data.encode())
    out = folder / "table.feather"
    measured = tables.convert(tables.open_source(source, types), out, "feather", "lz4")
    table = pf.read_table(out)
    assert measured.summary.rows == table.num_rows
    assert [column.type for column in measured.summary.columns] == [str(field.type) for field in table.schema]
    assert [column.nulls for column in measured.summary.columns] == [column.null_count for column in table.columns]
    return {field.name: str(field.type) for field in table.schema}, pd.read_feather(out, dtype_backend="pyarrow")


def column(folder: Path, *cells: str) -> tuple[str, list[Any]]:
    """Return the type and the values of a CSV column; a second column keeps empty cells from being empty lines."""
    kinds, frame = csv(folder, "a,b\n" + "".join(f"{cell},x\n" for cell in cells))
    return kinds["a"], [None if pd.isna(value) else value for value in frame["a"]]


INF = float("inf")
COLUMNS: dict[str, tuple[tuple[str, ...], str, list[Any]]] = {
    "small whole numbers": (("1", "-2", "0"), "int64", [1, -2, 0]),
    "ids above 2^53": ((str(BIG), str(2**63 - 1)), "int64", [BIG, 2**63 - 1]),
    "uint64": (("1", str(2**64 - 1)), "uint64", [1, 2**64 - 1]),
    "below int64 and above it": (("-1", str(2**64 - 1)), "string", ["-1", str(2**64 - 1)]),
    "above uint64": (("1", str(2**64)), "string", ["1", str(2**64)]),
    "leading zeros": (("007", "7"), "string", ["007", "7"]),
    "leading zeros with a point": (("00.5", "1"), "string", ["00.5", "1"]),
    "whole numbers with gaps": (("1", "", "NA", "nan", "null"), "int64", [1, None, None, None, None]),
    "ids with gaps": ((str(BIG), ""), "int64", [BIG, None]),
    "an id of 16 digits beside a fraction": ((str(BIG), "0.5"), "string", [str(BIG), "0.5"]),
    "15 digits beside a fraction": (("999999999999999", "0.5"), "double", [999999999999999.0, 0.5]),
    "fractions": (("1", "2.5", "-1e-3", "1E5"), "double", [1.0, 2.5, -0.001, 1e5]),
    "fractions without all digits": ((".5", "5.", "+5.25"), "double", [0.5, 5.0, 5.25]),
    "infinite": (("1.5", "inf", "-inf"), "double", [1.5, INF, -INF]),
    "a plus sign": (("+5", "3"), "double", [5.0, 3.0]),
    "truth": (("True", "false", "TRUE", ""), "bool", [True, False, True, None]),
    "truth and words": (("True", "maybe"), "string", ["True", "maybe"]),
    "zeros and ones are numbers": (("1", "0"), "int64", [1, 0]),
    "words where NA is a word": (("NA", "None", "", "x"), "string", ["NA", "None", None, "x"]),
    "nothing at all": (("", ""), "string", [None, None]),
    "nothing but NA": (("NA", "NA"), "string", ["NA", "NA"]),
    "hexadecimal": (("0x10", "1"), "string", ["0x10", "1"]),
    "underscores and commas": (("1_000", '"1,000"'), "string", ["1_000", "1,000"]),
    "spaces": ((" 1", "2"), "string", [" 1", "2"]),
    "dates are words": (("2026-11-21", "2026-01-01"), "string", ["2026-11-21", "2026-01-01"]),
    "letters of the world": (("é", "脳"), "string", ["é", "脳"]),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_a_csv_column_gets_the_narrowest_type_that_holds_every_cell(case: str, tmp_path: Path) -> None:
    cells, kind, values = COLUMNS[case]
    assert column(tmp_path, *cells) == (kind, values)


def test_the_whole_column_decides_and_not_its_first_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.formats.csv.BLOCK", 4096)
    many = [str(n) for n in range(5000)]
    assert column(tmp_path, *many)[0] == "int64"
    assert column(tmp_path, *many, "0.5")[0] == "double"
    kind, values = column(tmp_path, *many, "007")
    assert (kind, values[-1], values[0]) == ("string", "007", "0")


WRITTEN = {
    "plain": b'body,type\n1,"a,b"\n2,"say ""hi"""\n',
    "CRLF": b'body,type\r\n1,"a,b"\r\n2,"say ""hi"""\r\n',
    "CR": b'body,type\r1,"a,b"\r2,"say ""hi"""\r',
    "byte order mark": b'\xef\xbb\xbfbody,type\n1,"a,b"\n2,"say ""hi"""\n',
    "tabs": b'body\ttype\n1\ta,b\n2\t"say ""hi"""\n',
    "no newline at the end": b'body,type\n1,"a,b"\n2,"say ""hi"""',
    "quoted header": b'"body","type"\n"1","a,b"\n2,"say ""hi"""\n',
}


@pytest.mark.parametrize("how", WRITTEN)
def test_the_same_table_however_it_is_written(how: str, tmp_path: Path) -> None:
    kinds, frame = csv(tmp_path, WRITTEN[how])
    assert kinds == {"body": "int64", "type": "string"}
    assert frame.to_dict("list") == {"body": [1, 2], "type": ["a,b", 'say "hi"']}


@pytest.mark.parametrize("lines", [2, 400_000], ids=["short", "longer than a block"])
def test_newlines_inside_quotes_stay_inside(lines: int, tmp_path: Path) -> None:
    _, frame = csv(tmp_path, 'a,b\n1,"' + "line\n" * lines + '"\n2,y\n')
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].str.len().tolist() == [5 * lines, 1]


def test_a_manifest_s_type_wins_over_what_is_seen(tmp_path: Path) -> None:
    data = "id,n,flag,x\n1,7,1,1\n2,,0,2\n"
    kinds, frame = csv(tmp_path, data, id="string", n="float32", flag="bool", x="uint64")
    assert kinds == {"id": "string", "n": "float", "flag": "bool", "x": "uint64"}
    assert frame["id"].tolist() == ["1", "2"]
    assert frame["flag"].tolist() == [True, False]
    with pytest.raises(InvalidInput, match="column 'x', row 1 or later"):
        csv(tmp_path, "x\n1\n-1\n", x="uint64")


REFUSED = {
    "a row too short": (b"a,b\n1\n", "Expected 2 columns, got 1"),
    "a row too long": (b"a,b\n1,2,3\n", "Expected 2 columns, got 3"),
    "nothing": (b"", "empty"),
    "an empty first line": (b"\n1,2\n", "empty"),
    "a column twice": (b"a,a\n1,2\n", "two columns are called 'a'"),
    "a column without a name": (b"a,,c\n1,2,3\n", "column 2 has no name"),
    "latin-1": ("a\né\n".encode("latin-1"), "is no table"),
    "gzip": (gzip.compress(b"a,b\n1,2\n"), "is no table"),
    "Feather cut short": (b"ARROW1\0\0" + bytes(100), "is no table"),
    "Parquet cut short": (b"PAR1" + bytes(100), "is no table"),
    "Feather version 1": (b"FEA1" + bytes(100), "is Feather version 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_is_refused_in_words(case: str, tmp_path: Path) -> None:
    data, words = REFUSED[case]
    with pytest.raises(InvalidInput, match=words) as caught:
        csv(tmp_path, data)
    assert caught.value.problems[0].where == str(tmp_path / "table.csv")


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    kinds, frame = csv(tmp_path, "a,b\n")
    assert (kinds, len(frame)) == ({"a": "string", "b": "string"}, 0)


def make(kind: str, table: pa.Table, path: Path, compression: str) -> Path:
    if kind == "parquet":
        pq.write_table(table, path, compression=compression)
    else:
        pf.write_feather(table, path, compression=compression)
    return path


EVERY = {
    "timestamp": pa.array([dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC), None], pa.timestamp("us", tz="Europe/Berlin")),
    "date": pa.array([dt.date(2026, 1, 1), None]),
    "duration": pa.array([5, None], pa.duration("ms")),
    "decimal": pa.array([decimal.Decimal("123456789012345678.10"), None], pa.decimal128(20, 2)),
    "large string": pa.array(["x", None], pa.large_string()),
    "binary": pa.array([b"\0\xff", None]),
    "fixed binary": pa.array([b"1234", None], pa.binary(4)),
    "struct": pa.array([{"x": 1, "y": [1.5, None]}, None]),
    "list": pa.array([["a", None], []]),
    "fixed list": pa.array([[1, 2, 3], None], pa.list_(pa.uint32(), 3)),
    "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
    "uint64": pa.array([2**64 - 1, 0], pa.uint64()),
    "int8": pa.array([-128, None], pa.int8()),
    "half": pa.array([1.5, None], pa.float16()),
    "null": pa.nulls(2),
    "category": pa.array(["x", None]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", ["parquet", "feather"])
@pytest.mark.parametrize("name", EVERY)
def test_arrow_types_pass_unchanged(kind: str, name: str, tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], name: EVERY[name]})
    source = make(kind, table, tmp_path / f"a.{kind}", "none" if kind == "parquet" else "uncompressed")
    before = pq.read_table(source) if kind == "parquet" else pf.read_table(source)
    for to, compression in (("feather", "zstd"), ("parquet", "zstd")):
        out = tmp_path / f"out.{to}"
        tables.convert(tables.open_source(source, {}), out, to, compression)  # type: ignore[arg-type]
        after = pf.read_table(out) if to == "feather" else pq.read_table(out)
        assert after.column(name).to_pylist() == before.column(name).to_pylist() == EVERY[name].to_pylist()
        assert after.schema.field(name).type == before.schema.field(name).type


def test_pandas_gets_back_the_frame_that_it_wrote(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "type": pd.Categorical(["DA1", "DA2", None], ["DA2", "DA1"]),
            "when": pd.to_datetime(["2026-01-01"] * 3, utc=True),
        },
        index=pd.Index([BIG, 2, 3], name="body"),
    )
    frame.to_parquet(tmp_path / "a.parquet")
    tables.convert(tables.open_source(tmp_path / "a.parquet", {}), tmp_path / "a.feather", "feather", "lz4")
    back = pd.read_feather(tmp_path / "a.feather")
    pd.testing.assert_frame_equal(back, pd.read_parquet(tmp_path / "a.parquet"))
    assert back.index.tolist() == [BIG, 2, 3]


@pytest.mark.parametrize("index", [pa.int8(), pa.int16(), pa.int32(), pa.uint8()], ids=str)
@pytest.mark.parametrize("values", [pa.string(), pa.large_string()], ids=str)
def test_categories_of_several_row_groups_become_one(index: pa.DataType, values: pa.DataType, tmp_path: Path) -> None:
    """Each row group has its own dictionary; an Arrow file can hold only one a column. 300 do not fit into int8."""
    kind = pa.dictionary(index, values)
    words = [[f"type {50 * group + n}" for n in range(60)] + [None, f"type {50 * group}"] for group in range(5)]
    with pq.ParquetWriter(tmp_path / "a.parquet", pa.schema([("type", kind)])) as writer:
        for group in words:
            writer.write_table(pa.table({"type": pa.array(group, values).dictionary_encode().cast(kind)}))
    source = tables.open_source(tmp_path / "a.parquet", {})
    measured = tables.convert(source, tmp_path / "a.feather", "feather", "lz4")
    table = pf.read_table(tmp_path / "a.feather")
    assert table.column("type").to_pylist() == [word for group in words for word in group]
    assert pa.types.is_dictionary(table.schema.field("type").type)
    assert [(c.name, c.type, c.nulls) for c in measured.summary.columns] == [
        ("type", str(table.schema.field("type").type), 5)
    ]
    assert pd.read_feather(tmp_path / "a.feather")["type"].cat.categories.is_unique
    with pa.OSFile(str(tmp_path / "a.feather")) as file, pa.ipc.open_file(file) as reader:
        assert reader.num_record_batches >= 1


def test_what_arrow_cannot_convert_is_refused_in_words(tmp_path: Path) -> None:
    nested = pa.list_(pa.dictionary(pa.int32(), pa.string()))
    rows = pa.ListArray.from_arrays(pa.array([0, 2, 3]), pa.array(["a", "b", "c"]).dictionary_encode())
    with pq.ParquetWriter(tmp_path / "a.parquet", pa.schema([("l", nested)])) as writer:
        for _ in range(2):
            writer.write_table(pa.table({"l": rows}))
    with pytest.raises(InvalidInput, match=r"a\.parquet: cannot be"):
        tables.convert(tables.open_source(tmp_path / "a.parquet", {}), tmp_path / "out.feather", "feather", "lz4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet"]


SENTINEL = int.from_bytes(b"\x04\x22\x4d\x18", "little")  # as a number, what an LZ4 frame begins with
CONTENTS = {
    "numbers": pa.table({"a": list(range(1000))}),
    "numbers that look like a frame": pa.table({"a": pa.array([SENTINEL] * 50, pa.int64())}),
    "noise": pa.table({"a": pa.array([os.urandom(64) for _ in range(50)])}),
    "categories": pa.table({"a": pa.array(["x", "y"] * 50).dictionary_encode()}),
    "a first column of nothing": pa.table({"a": pa.nulls(50), "b": list(range(50))}),
    "one cell": pa.table({"a": [1]}),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_how_a_feather_file_is_compressed_is_read_and_not_guessed(
    content: str, compression: str, tmp_path: Path
) -> None:
    path = make("feather", CONTENTS[content], tmp_path / "a.feather", compression)
    source = tables.open_source(path, {})
    assert source.compression == ("" if compression == "uncompressed" else compression)
    assert source.is_already("feather") == (compression != "uncompressed")
    assert not source.is_already("parquet")


@pytest.mark.parametrize(("compression", "fit"), [("none", False), ("gzip", False), ("snappy", True), ("zstd", True)])
def test_how_a_parquet_file_is_compressed(compression: str, fit: bool, tmp_path: Path) -> None:  # noqa: FBT001
    path = make("parquet", CONTENTS["numbers"], tmp_path / "a.parquet", compression)
    source = tables.open_source(path, {})
    assert source.compression == ("" if compression == "none" else compression)
    assert (source.is_already("parquet"), source.is_already("feather")) == (fit, False)


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_tables_without_rows_or_columns(kind: str, tmp_path: Path) -> None:
    for number, table in enumerate((pa.table({"a": pa.array([], pa.uint64())}), pa.table({}))):
        source = make(kind, table, tmp_path / f"{number}.{kind}", "zstd")
        out = tmp_path / f"{number}.out"
        assert tables.convert(tables.open_source(source, {}), out, "feather", "lz4").summary.rows == 0
        assert pf.read_table(out).schema.names == table.schema.names


def stage(source: Path, work: Path, **more: object) -> Made:
    artifact = Table.model_validate({"name": "body", "source": source.name, **more})
    return artifact.stage(Bench(source, "v1/tables/body.feather", None, work, lambda _: work))


def test_a_compressed_feather_file_is_published_where_it_lies(tmp_path: Path) -> None:
    for compression, passes in (("zstd", True), ("lz4", True), ("uncompressed", False)):
        source = make("feather", CONTENTS["numbers"], tmp_path / f"{compression}.feather", compression)
        made = stage(source, tmp_path / "work")
        assert (made.trees[0].path == source) is passes
        assert isinstance(made.facts, TableFacts)
        assert made.facts.compression == (compression if passes else "lz4")
        assert (made.facts.rows, made.facts.format) == (1000, "feather")
        assert pf.read_table(made.trees[0].path).equals(CONTENTS["numbers"])


def test_what_is_published_is_what_is_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("body,type\n1,x\n")
    for wanted, read in (("feather", pd.read_feather), ("parquet", pd.read_parquet), ("source", pd.read_csv)):
        made = stage(source, tmp_path / "work", format=wanted, compression="zstd")
        assert read(made.trees[0].path).to_dict("list") == {"body": [1], "type": ["x"]}
        assert (made.trees[0].path == source) is (wanted == "source")
        assert made.trees[0].role("") == f"table/{wanted if wanted != 'source' else 'csv'}"


def test_the_manifest_s_words_stand_beside_the_file_s_own(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("body,x\n1,\n2,3\n")
    words = {"body": "Segment ID.", "x": {"description": "Place.", "unit": "8 nm"}}
    made = stage(source, tmp_path / "work", columns=words, references={"body": "seg"})
    assert isinstance(made.facts, TableFacts)
    assert [(c.name, c.type, c.nulls, c.description, c.unit, c.references) for c in made.facts.columns] == [
        ("body", "int64", 0, "Segment ID.", "", "seg"),
        ("x", "int64", 1, "Place.", "8 nm", ""),
    ]
    assert made.warnings == ()
    assert "nobody will know" in stage(source, tmp_path / "work").warnings[0].message
    with pytest.raises(InvalidInput, match="has no column 'bodi'; did you mean 'body'"):
        stage(source, tmp_path / "work", columns={"bodi": "?"})


def test_staging_again_gives_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("body,type\n" + "".join(f"{n},{n % 7}\n" for n in range(1000)))
    first = stage(source, tmp_path / "one").trees[0].path.read_bytes()
    assert stage(source, tmp_path / "two").trees[0].path.read_bytes() == first


def test_what_was_staged_is_measured_once(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("body,type\n1,x\n2,y\n")
    made = stage(source, tmp_path / "work")
    assert made.summary is not None
    document = json.loads(made.summary.read_bytes())
    assert [column["distinct"] for column in document["columns"]] == [{"count": 2, "error": 0.0}] * 2
    files = [made.summary, made.trees[0].path]
    before = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in files]
    os.utime(source)  # the time of a file says nothing of its bytes
    assert stage(source, tmp_path / "work", columns={"body": "Segment."}) != made  # words do not change what is there
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in files] == before
    source.write_text("body,type\n1,x\n2,x\n")
    again = stage(source, tmp_path / "work")
    assert again.summary == made.summary
    assert json.loads(made.summary.read_bytes())["columns"][1]["distinct"]["count"] == 1
    assert pf.read_table(made.trees[0].path).column("type").to_pylist() == ["x", "x"]
    stage(source, tmp_path / "work", columns={"body": {"type": "string"}})
    assert json.loads(made.summary.read_bytes())["columns"][0]["type"] == "string"


CONVERT = """
import sys
from pathlib import Path
from publisher.formats import tables
tables.convert(tables.open_source(Path(sys.argv[1]), {}), Path(sys.argv[2]), "feather", "lz4")
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    few, many = 20_000, 2_000_000
    for rows in (few, many):
        numbers = np.arange(rows)
        columns = {"body": numbers + BIG, "x": numbers * 0.5, "type": pa.array(numbers).cast(pa.string())}
        arrow_csv.write_csv(pa.table(columns), tmp_path / f"{rows}.csv")
    # The measure sees what is there to be seen: as many bytes held at once, and it says so.
    assert peak_bytes("held = b'x' * (300 << 20)") - peak_bytes("pass") > 250 << 20
    sizes = [peak_bytes(CONVERT, tmp_path / f"{rows}.csv", tmp_path / f"{rows}.feather") for rows in (few, many)]
    print(f"peak memory: {few:,} rows {sizes[0] >> 20} MB, {many:,} rows {sizes[1] >> 20} MB")
    assert sizes[1] - sizes[0] < 200 << 20
    back = pf.read_table(tmp_path / f"{many}.feather")
    assert back.num_rows == many
    assert back.column("body")[-1].as_py() == BIG + many - 1
