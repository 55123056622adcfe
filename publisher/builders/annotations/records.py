"""Rows of a table as records: what is wrong with them, what types they need, and their bytes as the viewer reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.builders.annotations.choose import Choice
from publisher.builders.annotations.properties import Look, Typed, encode, numbers, ordered
from publisher.errors import InvalidInput, Problem
from publisher.formats.tables import Source
from publisher.words import count

_EXACT = 1 << 24  # whole numbers up to which float32, which coordinates are stored in, holds every one


@dataclass(slots=True)
class Seen:
    """What one pass over a table found: rows, bounds in units of the coordinates, properties, and warnings."""

    rows: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    properties: list[Typed]
    warnings: list[Problem] = field(default_factory=list)

    def body(self, choice: Choice) -> np.dtype[Any]:
        """Return the type of what every index holds of an annotation: geometry, properties, padding to four bytes."""
        fields: list[Any] = [("geometry", "<f4", (len(choice.coordinates),)), *(one.field for one in self.properties)]
        size = np.dtype(fields).itemsize
        return np.dtype([*fields, ("padding", "u1", (-size % 4,))])

    def record(self, choice: Choice) -> np.dtype[Any]:
        """Return the type of a whole annotation: its id, its body, the id of each relationship and whether it has one."""
        related = len(choice.relationships)
        return np.dtype(
            [("id", "<u8"), ("body", self.body(choice)), ("related", "<u8", (related,)), ("has", "?", (related,))]
        )


def survey(source: Source, choice: Choice) -> Seen:
    """Look at every row once.

    Raises:
        InvalidInput: the table has no rows; coordinates that are missing or no numbers; ids that are missing or negative;
            a property that somebody named and no type of the viewer can hold. All at once.

    """
    looks = [Look(one, source.schema.field(one.column).type) for one in choice.properties]
    wrong: dict[tuple[str, str], _Wrong] = {}
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    row = 0
    for batch in source.batches():
        for name, what, bad in _faults(batch, choice):
            if bad.any():
                at = wrong.setdefault((name, what), _Wrong(row + int(bad.argmax()) + 1))
                at.rows += int(bad.sum())
        for look, one in zip(looks, choice.properties, strict=True):
            look.add(batch.column(one.column))
        if batch.num_rows and not wrong:
            a, b = extremes(choice, geometry(batch, choice))
            low, high = np.minimum(low, a.min(axis=0)), np.maximum(high, b.max(axis=0))
        row += batch.num_rows
    if not row:
        raise InvalidInput(Problem("", f"has no annotations: {source.path} has no rows", "leave it out until it has"))
    problems = [Problem("", at.words(name, what), _HINTS[what]) for (name, what), at in wrong.items()]
    settled = [(one.column, look.settled()) for one, look in zip(choice.properties, looks, strict=True)]
    unfit = [Problem("", f"column {column!r} {why[0]}", why[1]) for column, why in settled if isinstance(why, tuple)]
    problems += unfit if choice.chosen else []
    if problems:
        raise InvalidInput(problems)
    warnings = [Problem("", f"leaves out a property: {each.message}", each.hint) for each in unfit]
    if max(-low.min(), high.max()) >= _EXACT:
        message = f"has coordinates up to {max(-low.min(), high.max()):,.0f}, which are stored to the nearest even number or worse"
        warnings.append(Problem("", message, "annotations are float32: give coordinates in larger `units`"))
    return Seen(row, low, high, ordered([made for _, made in settled if isinstance(made, Typed)]), warnings)


@dataclass(slots=True)
class _Wrong:
    first: int
    rows: int = 0

    def words(self, name: str, what: str) -> str:
        others = f", and {count(self.rows - 1, 'other row')}" if self.rows > 1 else ""
        return f"column {name!r} {what} in row {self.first}{others}"


_HINTS = {
    "is missing": "every annotation needs its place: fill the cells, or leave the rows out",
    "is not finite": "every annotation needs its place: correct the cells, or leave the rows out",
    "is negative for a radius": "radii are lengths from 0 up",
    "has no id": "fill the cells, or leave out `id`: then the rows are numbered",
    "has a negative id": "ids are whole numbers from 0 up",
}


def _faults(batch: Any, choice: Choice) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:  # noqa: ANN401
    """Yield what can be wrong in a batch: column, what, and in which rows."""
    for at, name in enumerate(choice.coordinates):
        values, missing = numbers(batch.column(name))
        with np.errstate(over="ignore"):
            finite = np.isfinite(values.astype(np.float32))
        yield name, "is missing", missing
        yield name, "is not finite", ~finite & ~missing
        if choice.geometry == "ellipsoid" and at >= len("xyz"):
            yield name, "is negative for a radius", (values < 0) & finite & ~missing
    if choice.id:
        values, missing = numbers(batch.column(choice.id))
        yield choice.id, "has no id", missing
        yield choice.id, "has a negative id", (values < 0) & ~missing
    for _, column in choice.relationships:
        values, missing = numbers(batch.column(column))
        yield column, "has a negative id", (values < 0) & ~missing


def geometry(batch: Any, choice: Choice) -> NDArray[np.float32]:  # noqa: ANN401
    """Return the coordinates of a batch as they are stored: shape (rows, 3 or 6)."""
    columns = [numbers(batch.column(name))[0].astype(np.float32) for name in choice.coordinates]
    return np.stack(columns, axis=1)


def extremes(choice: Choice, places: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bounds of each annotation from its stored coordinates (rows, 3 or 6): two arrays (rows, 3)."""
    first, second = places[:, :3].astype(np.float64), places[:, -3:].astype(np.float64)
    if choice.geometry == "ellipsoid":
        return first - second, first + second
    return np.minimum(first, second), np.maximum(first, second)


def records(source: Source, choice: Choice, seen: Seen) -> Iterator[NDArray[Any]]:
    """Yield the rows of a table as records, by batches."""
    made = seen.record(choice)
    first = 0
    for batch in source.batches():
        rows = np.zeros(batch.num_rows, made)
        if choice.id:
            rows["id"] = numbers(batch.column(choice.id))[0].astype(np.uint64)
        else:
            rows["id"] = np.arange(first, first + batch.num_rows)
        body = rows["body"]
        body["geometry"] = geometry(batch, choice)
        for one in seen.properties:
            body[one.facts.id] = encode(batch.column(one.column), one.facts)
        for at, (_, column) in enumerate(choice.relationships):
            values, missing = numbers(batch.column(column))
            rows["related"][:, at] = values.astype(np.uint64)
            rows["has"][:, at] = ~missing
        first += batch.num_rows
        yield rows
