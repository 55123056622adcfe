"""Pages of tables: what was measured is what is shown, whatever a table holds, in no more bytes than a page may take."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import markdown
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher import summary
from publisher.errors import Damaged
from publisher.facts import Column, TableFacts
from publisher.formats.statistics import Statistics
from publisher.page import pages as site_pages
from publisher.page import places, safe, tables
from publisher.page.view import Book, book
from publisher.record import Described, summary_key
from tests.unit.test_site import BASE, EXTENSIONS, PAYLOADS, TABLE, Reading, a_record, harmless, read, words

KEY = "v0.9/.release/tables/points.json"


def a_book(
    table: pa.Table, *, words: str = "", document: bytes | None = None, others: tuple[Described, ...] = ()
) -> Book:
    """A release with one table, `points`, and what was measured of it."""
    statistics = Statistics(table.schema)
    for batch in table.to_batches():
        statistics.add(batch)
    measured = statistics.summary()
    columns = tuple(Column(each.name, each.type, each.nulls, words, words, words) for each in measured.columns)
    facts = TableFacts("feather", "lz4", table.num_rows, columns)
    item = replace(TABLE, name="points", title="Points & more", facts=facts)
    data = summary.dump(measured) if document is None else document
    assert summary_key("v0.9", "points") == KEY
    return book(a_record(item, *others), places.target(BASE), (), {KEY: data}.get)


class Grids(HTMLParser):
    """The tables of a page as rows of the texts of their cells, and what stands in the cells besides."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.grids: list[list[list[str]]] = []
        self.titles: list[str] = []
        self.paths: list[str] = []
        self.labels: list[str] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self.grids.append([])
        elif tag == "tr":
            self.grids[-1].append([])
        elif tag in {"td", "th"}:
            self.grids[-1][-1].append("")
            self._inside = True
            self.titles += [given["title"] or ""] if "title" in given else []
        elif tag == "path" and "pub-bars" in self.labels[-1:]:
            self.paths.append(given["d"] or "")
        elif tag == "svg":
            self.labels += [given.get("aria-label") or "", given.get("class") or ""]
        elif self._inside and tag in {"small", "li"}:
            self.grids[-1][-1][-1] += "\n"

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.grids[-1][-1][-1] += data


def page(shown: Book) -> tuple[Reading, Grids, str]:
    text, title = site_pages.pages(shown, None, None)["tables-points.md"]
    assert title == "Points & more"
    body = text.split("---\n", 2)[2]
    html = markdown.markdown(
        body, extensions=EXTENSIONS, extension_configs={"pymdownx.tabbed": {"alternate_style": True}}
    )
    reading = read(body)
    harmless(reading)
    return reading, Grids(html), html


POINTS = pa.table(
    {
        "x": pa.array([2**60, 5, None, 7], pa.int64()),
        "score": pa.array([0.5, float("nan"), float("inf"), 1e-9]),
        "kind": pa.array(["pre", "post", "pre", None]).dictionary_encode(),
        "note": ["", "a\nb", "c" * 300, "*x*"],
        "flag": [True, False, True, True],
        "list": [[1], [], None, [2, 3]],
    }
)


def test_columns_are_shown_as_they_were_measured() -> None:
    reading, found, _ = page(a_book(POINTS))
    columns, rows = found.grids
    assert columns[0] == ["Column", "Meaning", "Nulls", "Smallest", "Largest", "Mean", "Distinct", "Distribution"]
    shown = {row[0].split("\n")[0]: row for row in columns[1:]}
    assert list(shown) == POINTS.schema.names
    assert {row[1] for row in columns[1:]} == {"not described"}
    assert "6 of 6 columns are not described" in reading.text
    assert shown["x"][:6] == ["x\nint64", "not described", "1 (25 %)", "5", str(2**60), "3.8430717e+17"]
    assert shown["x"][6] == "3\nall differ"
    assert shown["score"][2:7] == ["0\nNaN: 1\ninfinite: 1", "1e-09", "0.5", "0.25", "3"]
    assert shown["kind"][0] == "kind\nstring (dictionary)"
    assert shown["kind"][7].replace("\n", " ").split() == [
        "pre",
        "2",
        "post",
        "1",
        "lengths",
        "3",
        "to",
        "4,",
        "mean",
        "3.33",
    ]
    assert shown["note"][3] == "(empty)"
    assert shown["note"][7].split("\n")[1:5] == ["(empty) 1", "*x* 1", "a b 1", f"{'c' * 32}… 1"]
    assert shown["flag"][7] == "\ntrue 3\nfalse 1"
    assert shown["list"][3:7] == ["", "", "", ""]
    label = found.labels[0]
    assert label == f"Values of x from 0 up to {17 << 56} in 17 bars; the tallest, from 0 up to {1 << 56}, has 2 of 3"
    assert found.paths[0] == "M0 32v-32h4v32zM64 32v-16h4v16z"
    assert rows[0] == POINTS.schema.names
    assert rows[1] == [str(2**60), "0.5", "pre", "", "true", "[1]"]
    assert rows[2] == ["5", "NaN", "post", "a b", "false", "[]"]
    assert rows[3] == ["null", "Infinity", "pre", "c" * 80 + "…", "true", "null"]
    assert found.titles == ["cut: 300 in all"]
    assert "long values are cut" in reading.text


def test_words_of_the_manifest_stand_beside_the_columns() -> None:
    reading, found, _ = page(a_book(POINTS.select(["x"]), words="`body` of *it*"))
    assert found.grids[0][1][1] == "body of it \nin `body` of *it* \nrefers to `body` of *it*"
    assert found.grids[0][1][5] == ""  # the mean of what refers to others means nothing
    assert "not described" not in reading.text


def test_what_is_estimated_is_shown_as_an_estimate() -> None:
    many = pa.array([n * 7919 % 100_003 for n in range(100_003)])
    _, found, _ = page(a_book(pa.table({"a": many})))
    told = found.grids[0][1][6]
    match = re.fullmatch(r"about ([\d,]+) \(±0.41 %\)", told)
    assert match, told
    assert int(match[1].replace(",", "")) == pytest.approx(100_003, rel=0.02)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_hostile_table_is_shown_as_it_is(payload: str) -> None:
    table = pa.table({payload: [payload, None], "list": [[payload], []], "struct": [{payload: payload}, None]})
    reading, found, html = page(a_book(table, words=payload))
    assert words(payload)[:60] in " ".join(found.grids[1][1][0].split())
    assert words(payload)[:60] in " ".join(found.grids[1][0][0].split())
    assert len(found.grids) == 2
    assert "<script" not in html.casefold()
    assert all("on" not in name[:2] for tag, attributes in reading.tags for name in attributes)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=50), min_size=1, max_size=5))
def test_any_cells_are_shown_as_they_are(values: list[str]) -> None:
    values = [value.encode("utf-8", "replace").decode() for value in values]
    _, found, _ = page(a_book(pa.table({"a": values})))
    shown = [" ".join(row[0].split()) for row in found.grids[1][1:]]
    assert shown == [" ".join(safe.printable(value).split()) for value in values]


WORST: dict[str, Any] = {
    "punctuation": "<&>\"'" * 60,
    "letters of the world": "脳" * 300,
    "words": "the quick brown fox " * 20,
    "numbers": 0.123456789,
}


@pytest.mark.parametrize("case", WORST)
def test_fifty_columns_of_long_values_fit_on_a_page(case: str) -> None:
    value = WORST[case]
    columns = {
        f"column_{n}": [f"{value}{row}" if isinstance(value, str) else value + row for row in range(100)]
        for n in range(50)
    }
    reading, found, html = page(
        a_book(pa.table(columns), words="What this column means, in a sentence or two of words.")
    )
    size = len(html.encode())
    print(f"{case}: {size:,} bytes, {len(found.grids[1][0])} columns of the first rows")
    assert size < 450_000  # the theme adds 20,000
    assert len(found.grids[0]) == 51
    assert len(found.grids[1]) == 101
    if len(found.grids[1][0]) < 50:
        assert f"of the first {len(found.grids[1][0])} columns" in reading.text


def test_a_release_of_before_statistics_shows_what_its_record_has() -> None:
    shown = replace(a_book(POINTS), read=lambda _: None)
    reading, found, _ = page(shown)
    assert found.grids == [[["Column", "Meaning", "Nulls"], *(row[:3] for row in found.grids[0][1:])]]
    assert [row[0].split("\n")[0] for row in found.grids[0][1:]] == POINTS.schema.names
    assert "Nothing more was measured" in reading.text
    assert "as JSON" not in reading.text


def test_statistics_that_are_none_are_refused_by_name() -> None:
    with pytest.raises(Damaged, match=r"v0\.9/\.release/tables/points\.json"):
        site_pages.pages(a_book(POINTS, document=b"{}"), None, None)


def test_tables_without_rows_or_columns() -> None:
    for table in (pa.table({"a": pa.array([], pa.int64())}), pa.table({})):
        reading, found, _ = page(a_book(table))
        assert len(found.grids) == 1
        assert len(found.grids[0]) == 1 + len(table.schema)
        assert "First rows" not in reading.text


def test_the_index_names_every_table_and_none_of_others() -> None:
    elsewhere = replace(TABLE, name="elsewhere", title="Elsewhere", external="gs://x/y.feather", facts=None)
    shown = a_book(POINTS, others=(elsewhere,))
    made = site_pages.pages(shown, None, None)
    assert [name for name in made if name.startswith("tables")] == ["tables.md", "tables-points.md"]
    reading = read(made["tables.md"][0].split("---\n", 2)[2])
    assert "Points & more" in reading.text
    assert "Elsewhere" not in reading.text
    assert ("a", {"href": "tables-points.md"}) in reading.tags
    assert "tables-points.md" in made["download.md"][0]
    nav = site_pages.settings(shown, {name: title for name, (_, title) in made.items()})["nav"]
    assert {"Tables": ["tables.md", {"Points & more": "tables-points.md"}]} in nav
    assert [
        name
        for name in site_pages.pages(book(a_record(elsewhere), places.target(BASE), ()), None, None)
        if "tables" in name
    ] == []


def test_shares_are_neither_all_nor_nothing_where_they_are_not() -> None:
    def nulls(some: int, rows: int) -> str:
        shown = a_book(pa.table({"a": pa.array([None] * some + [1] * (rows - some), pa.int64())}))
        return page(shown)[1].grids[0][1][2]

    assert [nulls(some, 20_000) for some in (0, 1, 2, 1_000, 19_999, 20_000)] == [
        "0",
        "1 (less than 0.01 %)",
        "2 (0.01 %)",
        "1,000 (5 %)",
        "19,999 (99.9 %)",
        "20,000 (100 %)",
    ]


def test_values_are_told_as_people_read_them() -> None:
    yes = True
    told = {0.1: "0.1", 1 / 3: "0.33333333", 1234567890.125: "1234567890.125", 12345678.9: "12345679", 5: "5"}
    assert {value: tables.told(value) for value in told} == told
    assert (tables.told(yes), tables.told("x"), tables.told([1, "é"])) == ("true", "x", '[1, "é"]')
