"""Segment properties from a table: the viewer's searchable list of segments, with labels, tags and numbers.

What the viewer (2.41.2) does with them: it searches the label by its beginning or a regular expression, tags by `#tag`
whatever their case, numbers by `size>1000`; strings are columns that it sorts by. Tags have no spaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.builders import tags
from publisher.errors import InvalidInput, Problem
from publisher.formats.segment_properties import Property, write
from publisher.formats.tables import open_source
from publisher.words import did_you_mean

IDS = ("body", "bodyid", "body_id", "id", "segment", "segment_id", "root_id", "pt_root_id", "neuron_id")
LABELS = ("instance", "name", "label", "type", "cell_type")
DESCRIPTIONS = ("description",)
_WHOLE = ("uint8", "int8", "uint16", "int16", "uint32", "int32")  # what the viewer has; the narrowest that holds all
_EXACT = 2**53  # beyond, whole numbers are ids and no quantities: a number would lose digits

Order = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which column becomes what; "" and None leave it to the columns' names and values."""

    id: str = ""
    label: str = ""
    description: str = ""
    tags: tuple[str, ...] | None = None
    numbers: tuple[str, ...] | None = None
    missing: float | None = None

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that are named."""
        every = (self.id, self.label, self.description, *(self.tags or ()), *(self.numbers or ()))
        return tuple(dict.fromkeys(name for name in every if name))


@dataclass(frozen=True, slots=True)
class Made:
    """How many segments are listed, and columns that were left out, each with the reason."""

    count: int
    left_out: tuple[tuple[str, str], ...]


def build(table: Path, folder: Path, choice: Choice | None = None) -> Made:
    """Write `folder`/info from a staged table. Rows without an id are left out; the list is sorted by id.

    Memory: the table's columns as Arrow holds them, and one part of one column as JSON.

    Raises:
        InvalidInput: the table has no column of ids, an id twice, or not the columns that are named.

    """
    choice = choice or Choice()
    rows = _rows(table)
    names = rows.schema.names
    if problems := [_unknown(name, names, table) for name in choice.named if name not in names]:
        raise InvalidInput(problems)
    column = choice.id or next((name for name in names if name.casefold() in IDS), "")
    if not column:
        message = f"needs a column of segment ids, and {table.name} has {', '.join(names)}"
        hint = f"name it one of {', '.join(IDS)}, or say which it is: {{table: …, id: …}}"
        raise InvalidInput(Problem("", message, hint))
    ids, order = _ids(rows.column(column), column, table)
    columns = {name: rows.column(name) for name in names if name != column}
    properties, left_out = _properties(columns, order, choice)
    write(folder, len(ids), lambda start, stop: [str(each) for each in ids[start:stop].tolist()], properties)
    return Made(len(ids), tuple(left_out.items()))


def _properties(columns: dict[str, Any], order: Order, choice: Choice) -> tuple[list[Property], dict[str, str]]:
    """Return the properties, and the columns that are none, each with the reason."""
    label = choice.label or _first(LABELS, columns, choice)
    description = choice.description or _first(DESCRIPTIONS, columns, choice)
    made: list[Property] = []
    left_out: dict[str, str] = {}
    tagged = {}
    for name, values in columns.items():
        if name in {label, description}:
            made.append(_texts(name, values, order, "label" if name == label else "description"))
            continue
        kind = _kind(name, values, choice)
        if kind == "tags":
            tagged[name] = values
        elif kind == "string":
            made.append(_texts(name, values, order, kind))
        elif kind == "number":
            number = _number(name, values, order, choice.missing)
            if isinstance(number, Property):
                made.append(number)
            else:
                left_out[name] = number
        else:
            left_out[name] = f"is of the type {values.type}, which the viewer has none for"
    for name in choice.numbers or ():
        if name in left_out:
            message = f"has {name!r} among the numbers of its segment properties, and it {left_out[name]}"
            raise InvalidInput(Problem("", message, "give `missing` a number such as -1, or leave that column out"))
    return [*made, tags.build(tagged, order)] if tagged else made, left_out


def _rows(table: Path) -> Any:  # noqa: ANN401 - Arrow has no types
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant

    source = open_source(table, {})
    return pa.Table.from_batches(source.batches(), source.schema).unify_dictionaries()


def _unknown(name: str, names: list[str], table: Path) -> Problem:
    message = f"has no column {name!r} for its segment properties{did_you_mean(name, names)}"
    return Problem("", message, f"{table.name} has {', '.join(names)}")


def _first(wanted: tuple[str, ...], names: Iterable[str], choice: Choice) -> str:
    """Return the first column of these names that nothing else is chosen for."""
    free = {name.casefold(): name for name in names if name not in choice.named}
    return next((free[name] for name in wanted if name in free), "")


def _ids(values: Any, column: str, table: Path) -> tuple[NDArray[np.uint64], Order]:  # noqa: ANN401 - Arrow
    """Return the ids (n,), sorted, and the row of each."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    there = np.flatnonzero(pc.is_valid(values).to_numpy())
    known = pc.drop_null(values)
    try:
        numbers = pc.cast(_plain(known), pa.uint64()).to_numpy()
        good = pc.all(pc.equal(pc.cast(pa.chunked_array([numbers]), known.type), known)).as_py() is not False
    except (pa.ArrowException, ValueError):
        good = False
    if not good:
        wrong = next(each for each in known.to_pylist() if not (str(each).isascii() and str(each).isdecimal()))
        message = f"needs segment ids, and the column {column!r} of {table.name} holds {wrong!r}"
        raise InvalidInput(Problem("", message, "ids are whole numbers from 0 up"))
    order = np.argsort(numbers, kind="stable")
    ids = numbers[order]
    if len(ids) and (twice := ids[1:][ids[1:] == ids[:-1]]).size:
        message = f"needs one row a segment, and {table.name} has segment {twice[0]} twice"
        raise InvalidInput(Problem("", message, "name another table in `segment_properties`, or correct it"))
    return ids, there[order]


def _plain(values: Any) -> Any:  # noqa: ANN401 - Arrow
    """Return a column without a dictionary."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    return pc.cast(values, values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _kind(name: str, values: Any, choice: Choice) -> str:  # noqa: ANN401 - Arrow
    """Return what a column becomes: tags, string, number, or "" for what the viewer has no type for."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if name in (choice.tags or ()):
        return "tags"
    if name in (choice.numbers or ()):
        return "number" if number else ""
    if pa.types.is_integer(kind):
        bounds = pc.min_max(_plain(values)).as_py()
        ids = max(abs(bounds["min"] or 0), abs(bounds["max"] or 0)) > _EXACT
        return "string" if ids or choice.numbers is not None else "number"
    if number:
        return "number" if choice.numbers is None else "string"
    if pa.types.is_boolean(kind):
        return "tags" if choice.tags is None else "string"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "tags" if choice.tags is None and tags.few(values) else "string"
    return ""


def _texts(name: str, values: Any, order: Order, kind: str) -> Property:  # noqa: ANN401 - Arrow
    """Return a property of words; what is missing is the empty string."""

    def texts(start: int, stop: int) -> Iterator[str]:
        for value in values.take(order[start:stop]).to_pylist():
            yield "" if value is None else str(value)

    return Property({"id": name, "type": kind}, texts)


def _number(name: str, values: Any, order: Order, missing: float | None) -> Property | str:  # noqa: ANN401 - Arrow
    """Return a property of numbers, or why it cannot be one: JSON has no NaN, and the viewer takes null for 0."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    values = _plain(values).take(order)
    floating = pa.types.is_floating(values.type)
    if floating:
        values = pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))
    if values.null_count:
        if missing is None:
            return f"has no value in {values.null_count:,} of {len(values):,} places, and the viewer takes those for 0"
        as_type = values.type if floating or float(missing).is_integer() else pa.float64()
        values = pc.fill_null(pc.cast(values, as_type), pa.scalar(missing if floating else int(missing), as_type))
    kind = "float32" if pa.types.is_floating(values.type) else _narrowest(pc.min_max(values).as_py())
    array = values.to_numpy()
    if kind == "float32":
        array = array.astype(np.float32)
    return Property(
        {"id": name, "type": "number", "data_type": kind},
        lambda start, stop: (
            [_shortest(each) for each in array[start:stop]] if kind == "float32" else array[start:stop].tolist()
        ),
    )


def _narrowest(bounds: dict[str, int | None]) -> str:
    low, high = bounds["min"] or 0, bounds["max"] or 0
    for kind in _WHOLE:
        info = np.iinfo(kind)
        if info.min <= low and high <= info.max:
            return kind
    return "float32"


def _shortest(value: np.float32) -> float:
    """Return the number with the fewest digits that is this float32."""
    return float(str(value))
