"""The page of a table: its columns with what was measured of them, and its first rows, in no more bytes than a page takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from publisher import summary
from publisher.facts import Column, TableFacts
from publisher.page import safe
from publisher.page.view import Book, View
from publisher.record import summary_key
from publisher.summary import ColumnSummary, Distinct, Histogram, Lengths, Preview, TableSummary, Value

BAR, HEIGHT = 4, 32  # of a histogram, in its own units
TOP = 5  # frequent values that are shown
LEAST = 0.8  # height of a bar that stands for something, however little
WORD = 32  # characters of a value beside others
BUDGET_BYTES = 230_000  # of the first rows as HTML
LENGTHS = (80, 40, 24, 12)  # characters of a cell: the first that fits
_NUMBER = re.compile(r"u?int\d|float|double|halffloat|decimal")  # types whose values stand below each other
_LITTLE = 0.01  # percent
_DIGITS = 8  # of fractions
_EXACT = 10**4  # an estimate below this is told to the last digit


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell of the first rows: its text, its class, and what is said of one that was cut."""

    text: str
    kind: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """The first rows as they are shown, the names of the columns that fit on the page, and whether cells were cut."""

    names: tuple[Cell, ...]
    cells: tuple[tuple[Cell, ...], ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A histogram: the path of its bars, their number, and what it shows in words."""

    path: str
    bars: int
    words: str


@dataclass(frozen=True, slots=True)
class Share:
    """A frequent value, how often it is there, and the part of all values that it is."""

    name: str
    count: int
    percent: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A column: the manifest's words, what was measured, and the same in words."""

    column: Column
    measured: ColumnSummary | None
    nulls: str
    low: str = ""
    high: str = ""
    mean: str = ""
    distinct: str = ""
    all_differ: bool = False  # no value is there twice
    lengths: str = ""
    picture: Picture | None = None
    top: tuple[Share, ...] = ()
    others: int = 0  # further values that are not among the top


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table's page: its name, its table, its columns and first rows; without a summary for older releases."""

    page: str
    view: View
    facts: TableFacts
    columns: tuple[Shown, ...]
    rows: Rows | None
    document: str = ""  # address of the statistics as JSON

    @property
    def undescribed(self) -> int:
        """How many columns the manifest does not describe."""
        return sum(1 for shown in self.columns if not shown.column.description)


def page_of(view: View) -> str:
    """Return the name of a table's page; flat, since a table's own name is no folder."""
    return f"tables-{view.described.name}.md"


def is_page(name: str) -> bool:
    """Whether a page is one of a table."""
    return name.startswith("tables-")


def sheets(book: Book) -> Iterator[Sheet]:
    """Yield the page of each table that the release publishes."""
    for view in book.views:
        facts = view.described.facts
        if isinstance(facts, TableFacts) and not view.described.external:
            key = summary_key(book.record.release, view.described.name)
            data = book.read(key)
            measured = summary.parse(data, key) if data is not None else None
            yield _sheet(view, facts, measured, book.base.at(key).url if measured else "")


def _sheet(view: View, facts: TableFacts, measured: TableSummary | None, document: str) -> Sheet:
    summaries = measured.columns if measured else (None,) * len(facts.columns)
    columns = tuple(_shown(column, each, facts.rows) for column, each in zip(facts.columns, summaries, strict=True))
    rows = _rows(facts.columns, measured.preview) if measured else None
    return Sheet(page_of(view), view, facts, columns, rows, document)


def _shown(column: Column, measured: ColumnSummary | None, rows: int) -> Shown:
    nulls = f"{column.nulls:,}" + (f" ({_percent(column.nulls, rows)})" if column.nulls else "")
    if measured is None:
        return Shown(column, None, nulls)
    lengths = measured.lengths
    there = rows - measured.nulls
    top = tuple(
        Share(_word(value), count, f"{100 * count / there:.3g}") for value, count in measured.top[:TOP] if there
    )
    return Shown(
        column,
        measured,
        nulls,
        low=_word(measured.min),
        high=_word(measured.max),
        # The mean of ids means nothing.
        mean=f"{measured.mean:.{_DIGITS}g}" if measured.mean is not None and not column.references else "",
        distinct=_distinct(measured.distinct) if measured.distinct else "",
        all_differ=measured.distinct == Distinct(there) and there > 1,
        lengths=_lengths(lengths) if lengths else "",
        picture=_picture(column.name, measured.histogram) if measured.histogram else None,
        top=top,
        others=max(0, (measured.distinct.count if measured.distinct else 0) - len(top)) if top else 0,
    )


def told(value: Value) -> str:
    """Return a value in words: texts as they are, fractions rounded to eight digits, what holds others as JSON."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.{_DIGITS if abs(value) < 10**_DIGITS else 15}g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _word(value: Value) -> str:
    if value is None:
        return ""
    text = told(value)
    if text == "":
        return "(empty)"
    return text if len(text) <= WORD else f"{text[:WORD]}\N{HORIZONTAL ELLIPSIS}"


def _lengths(found: Lengths) -> str:
    if found.min == found.max:
        return f"length {found.min:,}"
    return f"lengths {found.min:,} to {found.max:,}, mean {found.mean:.3g}"


def _percent(part: int, whole: int) -> str:
    """Return a share that is neither rounded up to all nor down to nothing."""
    share = 100 * part / whole
    if part == whole:
        return "100 %"
    return f"{min(share, 99.9):.3g} %" if share >= _LITTLE else f"less than {_LITTLE} %"


def _distinct(found: Distinct) -> str:
    if found.error:
        count = found.count if found.count < _EXACT else round(found.count, 3 - len(str(found.count)))
        return f"about {count:,} (\N{PLUS-MINUS SIGN}{100 * found.error:.2g} %)"
    return f"{found.count:,}"


def _picture(name: str, given: Histogram) -> Picture:
    most, total = max(given.counts), sum(given.counts)
    path = ""
    for place, count in enumerate(given.counts):
        if count:
            height = f"{max(LEAST, HEIGHT * count / most):.1f}".removesuffix(".0")
            path += f"M{BAR * place} {HEIGHT}v-{height}h{BAR}v{height}z"
    tallest = given.counts.index(most)
    low, high = told(given.edges[tallest]), told(given.edges[tallest + 1])
    first, last = told(given.edges[0]), told(given.edges[-1])
    words = (
        f"{'Lengths' if given.of == 'lengths' else 'Values'} of {name[:WORD]} from {first} up to {last}"
        f" in {len(given.counts)} bars; the tallest, from {low} up to {high}, has {most:,} of {total:,}"
    )
    return Picture(path, len(given.counts), words)


def _rows(columns: Sequence[Column], preview: Preview) -> Rows | None:
    """Return the first rows with cells as long as the page has room for, and as many columns as fit even so."""
    if not preview.rows or not columns:
        return None
    kinds = ["n" if _NUMBER.match(column.type) else "" for column in columns]
    lengths = {(row, column): length for row, column, length in preview.cut}
    cells: list[list[Cell]] = []
    for most in LENGTHS:
        cells = [
            [_cell(value, kinds[column], lengths.get((row, column), 0), most) for column, value in enumerate(values)]
            for row, values in enumerate(preview.rows)
        ]
        if sum(_size(cell) for row in cells for cell in row) <= BUDGET_BYTES:
            break
    left, fitting = BUDGET_BYTES, 0
    for column in range(len(columns)):
        left -= sum(_size(row[column]) for row in cells)
        if left < 0 and fitting:
            break
        fitting += 1
    shown = tuple(tuple(row[:fitting]) for row in cells)
    heads = tuple(Cell(column.name, kind) for column, kind in zip(columns[:fitting], kinds[:fitting], strict=True))
    return Rows(heads, shown, any(cell.title for row in shown for cell in row))


def _cell(value: Value, kind: str, length: int, most: int) -> Cell:
    if value is None:
        return Cell("null", f"{kind} z".strip())
    text = told(value)
    if length or len(text) > most:
        return Cell(f"{text[:most]}\N{HORIZONTAL ELLIPSIS}", kind, f"cut: {length or len(text):,} in all")
    return Cell(text, kind)


def _size(cell: Cell) -> int:
    """Return how many bytes a cell takes on the page."""
    return 9 + len(safe.cell(cell.text).encode()) + 10 * bool(cell.kind) + (9 + len(cell.title)) * bool(cell.title)
