"""What was measured of a table over all its rows: a document that a release carries, `<version>/.release/tables/<name>.json`.

Values are JSON's own. What JSON's readers would round or do not know is text: whole numbers beyond 2^53, decimals, dates
and times (ISO 8601; instants end in Z), NaN and infinities, bytes (0x and hexadecimal). Durations are whole numbers in
the unit that the column's type names.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from publisher.errors import Damaged, Problem

Value = Any  # what JSON holds


@dataclass(frozen=True, slots=True)
class Distinct:
    """How many values there are that differ; `error` is the standard error of an estimate, 0 for an exact count."""

    count: int
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie from each edge up to, and without, the next; of values, or of their lengths."""

    of: Literal["values", "lengths"]
    edges: tuple[Value, ...]  # one more than counts
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of values: characters of texts, bytes of binary values, elements of lists."""

    min: int
    max: int
    mean: float


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column. What makes no sense for its type, or has no value to measure, is None.

    `min`, `max` and `mean` are of finite numbers; texts are ordered by their bytes. `top` are the most frequent values
    with their counts, where every value was counted.
    """

    name: str
    type: str
    nulls: int
    nan: int = 0
    infinite: int = 0
    min: Value = None
    max: Value = None
    mean: float | None = None
    distinct: Distinct | None = None
    lengths: Lengths | None = None
    histogram: Histogram | None = None
    top: tuple[tuple[Value, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows, each with a value for every column; `cut` are (row, column, whole length) of values cut short."""

    rows: tuple[tuple[Value, ...], ...] = ()
    cut: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TableSummary:
    """A table: its rows, each column over all of them, and its first rows."""

    rows: int
    columns: tuple[ColumnSummary, ...]
    preview: Preview = field(default_factory=Preview)
    schema: int = 1


@cache
def _adapter() -> TypeAdapter[TableSummary]:
    return TypeAdapter(TableSummary)


def dump(summary: TableSummary) -> bytes:
    """Return the document: JSON, a line for each column and each row."""
    given = asdict(summary)
    columns = [{key: value for key, value in column.items() if value not in (None, ())} for column in given["columns"]]
    head = {"schema": summary.schema, "rows": summary.rows}
    lists: dict[str, list[Value]] = {
        "columns": columns,
        "preview": list(summary.preview.rows),
        "cut": list(summary.preview.cut),
    }
    parts = [f'"{name}": {_dumped(value)}' for name, value in head.items()]
    for name, values in lists.items():
        lines = ",\n".join(_dumped(value) for value in values)
        parts.append(f'"{name}": [\n{lines}\n]' if lines else f'"{name}": []')
    return ("{" + ",\n".join(parts) + "}\n").encode()


def _dumped(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def parse(data: bytes, where: str) -> TableSummary:
    """Read a document back; raise Damaged when it is none."""
    try:
        given = json.loads(data)
        preview = {"rows": given.pop("preview", ()), "cut": given.pop("cut", ())}
        return _adapter().validate_python(given | {"preview": preview})
    except (ValidationError, ValueError, AttributeError, TypeError) as error:
        message = f"this is no table's statistics ({str(error).splitlines()[0]})"
        raise Damaged(Problem(where, message, "restore it from a copy")) from None
