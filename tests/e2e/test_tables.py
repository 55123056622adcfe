"""Statistics of a release's tables: on its pages and in its documents, held against what pandas reads of the tables."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import requests
import yaml

from tests.e2e.conftest import Release, publisher
from tests.rig import peak_bytes
from tests.unit.test_table_pages import Grids

FOLDER = "v0.9/connectome-data/flat-connectome"
TABLES = ("body-annotations", "body-stats", "syn-points")


def frame(release: Release, name: str) -> pd.DataFrame:
    return pd.read_feather(release.target / FOLDER / f"{name}-hemibrain-da1-v0.9.feather")


def shown(release: Release, name: str) -> Grids:
    return Grids((release.target / "site/v0.9" / f"tables-{name}.html").read_text())


@pytest.mark.parametrize("name", TABLES)
def test_the_page_says_what_pandas_reads(published: Release, name: str) -> None:
    data, found = frame(published, name), shown(published, name)
    columns, rows = found.grids
    assert [row[0].split("\n")[0] for row in columns[1:]] == data.columns.tolist()
    referring = {"body"}
    for row in columns[1:]:
        series = data[row[0].split("\n")[0]]
        nulls = int(series.isna().sum())
        assert row[2].split(" ")[0] == f"{nulls:,}"
        assert int(row[6].split("\n")[0].replace(",", "")) == series.nunique()
        assert ("all differ" in row[6]) == (series.dropna().is_unique and len(series) > 1)
        if series.dtype.kind in "iuf":
            smallest, largest = float(row[3]), float(row[4])
            assert (smallest, largest) == pytest.approx((series.min(), series.max()), rel=1e-7)
            if series.name not in referring:
                assert float(row[5]) == pytest.approx(series.mean(), rel=1e-6)
        elif series.dtype != bool:
            counts = series.value_counts()
            lines = [line.rsplit(" ", 1) for line in row[7].split("\n")[1:] if not line.startswith(("length", "and"))]
            assert {word: int(count.replace(",", "")) for word, count in lines} == counts[: len(lines)].to_dict()
            assert len(lines) == min(5, len(counts))
    assert rows[0] == data.columns.tolist()
    assert len(rows) == 1 + min(100, len(data))
    for cells, (_, values) in zip(rows[1:], data[:100].iterrows(), strict=False):
        for cell, value in zip(cells, values, strict=True):
            if pd.isna(value):
                assert cell == "null"
            elif isinstance(value, str):
                assert cell == value
            elif isinstance(value, bool | np.bool_):
                assert cell == str(value).lower()
            else:
                assert float(cell) == pytest.approx(float(value), rel=1e-7)


@pytest.mark.parametrize("name", TABLES)
def test_the_release_carries_the_numbers(published: Release, served: str, name: str) -> None:
    key = f"v0.9/.release/tables/{name}.json"
    answer = requests.get(f"{served}/{key}", timeout=10)
    assert answer.headers["Content-Type"] == "application/json"
    assert "immutable" in answer.headers["Cache-Control"]
    document, data = answer.json(), frame(published, name)
    assert document["rows"] == len(data)
    bars = []
    for column in document["columns"]:
        if "histogram" not in column:
            continue
        edges = [float(edge) for edge in column["histogram"]["edges"]]
        there = data[column["name"]].dropna().astype(float)
        assert np.histogram(there, edges)[0].tolist() == column["histogram"]["counts"]
        bars.append(sum(1 for count in column["histogram"]["counts"] if count))
    assert [path.count("M") for path in shown(published, name).paths] == bars
    page = (published.target / "site/v0.9" / f"tables-{name}.html").read_text()
    assert key in page
    assert "<script>alert" not in page


def test_pages_are_found_and_first_rows_are_not_searched(published: Release) -> None:
    built = published.target / "site/v0.9"
    download = (built / "download.html").read_text()
    index = (built / "tables.html").read_text()
    for name in TABLES:
        assert f'href="tables-{name}.html"' in download
        assert f'href="tables-{name}.html"' in index
    found = json.loads((built / "search/search_index.json").read_text())["docs"]
    texts = " ".join(doc["text"] for doc in found if doc["location"].startswith("tables-syn-points"))
    assert "How sure the detector was" in texts
    first = frame(published, "syn-points").iloc[0]
    assert str(first["y"]) not in texts


def test_what_nobody_described_is_warned_of_by_its_place(inputs: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "v1.yaml"
    manifest.write_text(
        "schema: 1\nversion: v1\ndate: 2026-11-21\nstatus: draft\n"
        "dataset: {name: a, title: A, description: A table., license: CC0-1.0, authors: [{name: A}]}\n"
        f"tables:\n  - name: bodies\n    source: {inputs / 'body-annotations.csv'}\n    columns: {{body: Segment.}}\n"
    )
    result = publisher("validate", manifest)
    assert result.code == 0
    (line,) = [line for line in (result.out + result.err).splitlines() if "nobody will know" in line]
    assert f"{manifest}:7:5" in line
    assert "type, instance, status" in line
    assert "body," not in line
    manifest.write_text(manifest.read_text().replace("source: ", "format: source\n    source: "))
    again = publisher("validate", manifest)
    assert "nobody will know" in again.err + again.out


def test_a_secret_in_the_first_rows_is_found_before_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("body,token\n1,ghp_" + "a1" * 18 + "\n")
    manifest = tmp_path / "v1.yaml"
    given: dict[str, Any] = {"schema": 1, "version": "v1", "date": "2026-11-21", "status": "draft"}
    dataset = {"name": "a", "title": "A", "description": "A table.", "license": "CC0-1.0", "authors": [{"name": "A"}]}
    table: dict[str, Any] = {"name": "a", "source": "a.csv"}
    manifest.write_text(yaml.safe_dump(given | {"dataset": dataset, "tables": [table]}))
    refused = publisher("validate", manifest)
    assert refused.code == 2
    assert "holds a GitHub token" in refused.err
    table["allow"] = [{"path": ".", "reason": "made up"}]
    manifest.write_text(yaml.safe_dump(given | {"dataset": dataset, "tables": [table]}))
    assert publisher("validate", manifest).code == 0


GENERATE = """
import sys, numpy as np, pyarrow as pa
rows, path, step = int(sys.argv[1]), sys.argv[2], 65536
random = np.random.default_rng(1)
types = np.array([f"cell type {n:05}" for n in range(11000)])
regions = np.array(["AL(R)", "LH(R)", "CA(R)", "SLP(R)"])
def batch(start, n):
    made = {"body": np.arange(start, start + n, dtype=np.uint64) + np.uint64(2**53)}
    made |= {f"whole_{i}": random.integers(0, 40000 * (i + 1), n) for i in range(12)}
    made |= {f"real_{i}": random.normal(size=n) for i in range(15)}
    made |= {f"single_{i}": pa.array(random.random(n, np.float32), mask=random.random(n) < .05) for i in range(8)}
    made |= {f"region_{i}": regions[random.integers(0, 4, n)] for i in range(4)}
    made |= {f"type_{i}": types[random.integers(0, 11000, n)] for i in range(2)}
    made |= {"note": np.char.add("a note with an id of its own ", random.integers(0, 2**40, n).astype(str))}
    made |= {"name": random.integers(0, 2**62, n).astype(str)}
    made |= {f"flag_{i}": random.random(n) > .3 for i in range(4)}
    made |= {"when": pa.array(random.integers(0, 2**60, n)).cast(pa.timestamp("ns", tz="UTC"))}
    made |= {"day": pa.array(random.integers(0, 20000, n).astype("i4")).cast(pa.date32())}
    return pa.record_batch(made)
options = pa.ipc.IpcWriteOptions(compression="lz4")
with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, batch(0, 1).schema, options=options) as writer:
    random = np.random.default_rng(1)
    for start in range(0, rows, step):
        writer.write_batch(batch(start, min(step, rows - start)))
"""
RELEASE = """
import sys
from publisher import pipeline
run = pipeline.release(sys.argv[1], sys.argv[2], drawing=False, depth="quick")
assert run.report.ok, run.report.findings
"""


@pytest.mark.parametrize("rows", [50_000, pytest.param(10_000_000, marks=pytest.mark.slow)])
def test_a_wide_table_in_one_pass_with_little_memory_and_a_page_that_opens(rows: int, tmp_path: Path) -> None:
    source = tmp_path / "wide.feather"
    subprocess.run([sys.executable, "-c", GENERATE, str(rows), str(source)], check=True)
    manifest = tmp_path / "v1.yaml"
    dataset = {"name": "wide", "title": "Wide", "description": "A wide table.", "license": "CC0-1.0"}
    given: dict[str, Any] = {"schema": 1, "version": "v1", "date": "2026-11-21", "status": "draft"}
    given |= {"dataset": dataset | {"authors": [{"name": "A"}]}, "tables": [{"name": "wide", "source": "wide.feather"}]}
    manifest.write_text(yaml.safe_dump(given))
    began = time.monotonic()
    code = RELEASE.replace("sys.argv[1]", "__import__('pathlib').Path(sys.argv[1])")
    peak = peak_bytes(code, manifest, tmp_path / "public")
    seconds = time.monotonic() - began
    page = tmp_path / "public/site/v1/tables-wide.html"
    size = page.stat().st_size
    print(
        f"{rows:,} rows: {seconds:.0f} s for the whole release, {peak >> 20} MB at the most, a page of {size:,} bytes"
    )
    assert peak < 500 << 20
    assert size < 500_000
    assert seconds < 300
    columns, first = Grids(page.read_text()).grids
    assert (len(columns), len(first), len(first[0])) == (51, 101, 50)
    document = json.loads((tmp_path / "public/v1/.release/tables/wide.json").read_text())
    found = {column["name"]: column for column in document["columns"]}
    assert found["body"]["distinct"] == {"count": rows, "error": 0.0}
    assert (found["body"]["min"], found["body"]["max"]) == (str(2**53), str(2**53 + rows - 1))
    # The rest is asked of Arrow's own kernels, a column at a time.
    with pa.memory_map(str(source)) as file, pa.ipc.open_file(file) as reader:
        batches = [reader.get_batch(number).column("whole_3") for number in range(reader.num_record_batches)]
        whole = pa.chunked_array(batches)
    values = whole.to_numpy()
    assert (found["whole_3"]["min"], found["whole_3"]["max"]) == (values.min(), values.max())
    assert (
        np.histogram(values, found["whole_3"]["histogram"]["edges"])[0].tolist()
        == found["whole_3"]["histogram"]["counts"]
    )
    distinct = found["whole_3"]["distinct"]
    assert distinct["count"] == pytest.approx(len(set(values.tolist())), rel=4 * distinct["error"])
    assert found["whole_3"]["mean"] == values.sum() / rows
