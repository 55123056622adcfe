"""Which column of a table is what: coordinates, ids, relationships, properties. Pure functions of its schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from publisher.errors import InvalidInput, Problem
from publisher.words import did_you_mean

Geometry = Literal["point", "line", "box", "ellipsoid"]
_CORNERS = ("x1", "y1", "z1", "x2", "y2", "z2")
ROLES: dict[Geometry, tuple[str, ...]] = {
    "point": ("x", "y", "z"),
    "line": _CORNERS,
    "box": _CORNERS,
    "ellipsoid": ("x", "y", "z", "rx", "ry", "rz"),
}


def _ends(pattern: str, first: str, second: str) -> tuple[str, ...]:
    return tuple(pattern.format(end=end, axis=axis) for end in (first, second) for axis in "xyz")


# What columns are usually called, in the order of the roles; the first that are all there are taken.
_USUAL: dict[Geometry, tuple[tuple[str, ...], ...]] = {
    "point": (("x", "y", "z"), ("pos_x", "pos_y", "pos_z"), ("point_x", "point_y", "point_z")),
    "line": (
        _CORNERS,
        *(_ends("{end}_{axis}", *ends) for ends in (("pre", "post"), ("start", "end"), ("a", "b"))),
        *(_ends("{axis}_{end}", *ends) for ends in (("pre", "post"), ("start", "end"), ("a", "b"))),
        ("xa", "ya", "za", "xb", "yb", "zb"),
    ),
    "box": (
        _CORNERS,
        *(_ends("{axis}_{end}", *ends) for ends in (("min", "max"), ("start", "end"))),
        *(_ends("{end}_{axis}", *ends) for ends in (("min", "max"), ("start", "end"))),
    ),
    "ellipsoid": (
        ("x", "y", "z", "rx", "ry", "rz"),
        ("x", "y", "z", "radius_x", "radius_y", "radius_z"),
        ("x", "y", "z", "radius", "radius", "radius"),
        ("x", "y", "z", "r", "r", "r"),
    ),
}
_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")  # what the viewer takes for the id of a property


@dataclass(frozen=True, slots=True)
class Wanted:
    """A property that is asked for: its column, what the viewer is to call it ("" for the column's name), and words."""

    column: str
    name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the manifest says of a table: columns by role, where they are not the usual ones.

    `properties` is None where nobody chose: then every column that is nothing else is one.
    """

    geometry: Geometry = "point"
    columns: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None
    relationships: Mapping[str, str] = field(default_factory=dict)
    properties: tuple[Wanted, ...] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Columns by what they are. `coordinates` has one for each of `ROLES`, `id` is "" where rows are numbered."""

    geometry: Geometry
    coordinates: tuple[str, ...]
    id: str
    relationships: tuple[tuple[str, str], ...]  # name, column
    properties: tuple[Wanted, ...]
    chosen: bool  # somebody named the properties: one that cannot be made is an error, else a warning

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, once."""
        ids = (self.id,) if self.id else ()
        related = (column for _, column in self.relationships)
        return tuple(dict.fromkeys((*self.coordinates, *ids, *related, *(one.column for one in self.properties))))


def choose(wishes: Wishes, schema: Any, path: str) -> Choice:  # noqa: ANN401 - pyarrow has no types
    """Return which column is what; raise InvalidInput with everything that is not there or of another type."""
    names = list(schema.names)
    problems = list(_missing(wishes, names, path))
    coordinates = _coordinates(wishes, names)
    if not coordinates and not problems:
        roles = ROLES[wishes.geometry]
        usual = " or ".join(", ".join(dict.fromkeys(each)) for each in _USUAL[wishes.geometry][:2])
        message = f"has no columns that could be {', '.join(roles)} of a {wishes.geometry}: looked for {usual}"
        hint = f"{path} has {', '.join(names)}: say which under `columns`, such as {{{roles[0]}: {names[0]}}}"
        problems.append(Problem("", message, hint))
    if problems:
        raise InvalidInput(problems)
    problems = list(_wrong_types(wishes, coordinates, schema))
    ids = wishes.id or ""
    used = {*coordinates, ids, *wishes.relationships.values()}
    properties = wishes.properties
    if properties is None:
        properties = tuple(Wanted(name) for name in names if name not in used)
    named = tuple(Wanted(one.column, one.name or identifier(one.column), one.description) for one in properties)
    problems += _bad_names(named)
    if problems:
        raise InvalidInput(problems)
    related = tuple(wishes.relationships.items())
    return Choice(wishes.geometry, coordinates, ids, related, named, wishes.properties is not None)


def identifier(column: str) -> str:
    """Return what the viewer takes for the id of a property: letters, digits and _, a small letter first."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_")
    plain = plain[:1].lower() + plain[1:]
    return plain if _ID.fullmatch(plain) else f"p_{plain}"


def _missing(wishes: Wishes, names: list[str], path: str) -> Iterator[Problem]:
    roles = ROLES[wishes.geometry]
    for role in wishes.columns:
        if role not in roles:
            message = (
                f"has {role!r} under `columns`, which a {wishes.geometry} does not have{did_you_mean(role, roles)}"
            )
            yield Problem("", message, f"a {wishes.geometry} has {', '.join(roles)}")
    wanted = [*wishes.columns.values(), *([wishes.id] if wishes.id else []), *wishes.relationships.values()]
    wanted += [one.column for one in wishes.properties or ()]
    for column in dict.fromkeys(wanted):
        if column not in names:
            yield Problem(
                "", f"has no column {column!r}{did_you_mean(column, names)}", f"{path} has {', '.join(names)}"
            )


def _coordinates(wishes: Wishes, names: list[str]) -> tuple[str, ...]:
    """Return the column of each role: the one that was named, else of the first usual names that are all there."""
    roles = ROLES[wishes.geometry]
    folded = {name.casefold(): name for name in reversed(names)}  # of two that differ by case only, the first
    for usual in _USUAL[wishes.geometry]:
        found = [wishes.columns.get(role) or folded.get(name, "") for role, name in zip(roles, usual, strict=True)]
        if all(found):
            return tuple(found)
    return ()


def _wrong_types(wishes: Wishes, coordinates: tuple[str, ...], schema: Any) -> Iterator[Problem]:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant

    def kind(column: str) -> Any:  # noqa: ANN401
        of = schema.field(column).type
        return of.value_type if pa.types.is_dictionary(of) else of

    for column in dict.fromkeys(coordinates):
        if not (pa.types.is_integer(kind(column)) or pa.types.is_floating(kind(column))):
            message = f"needs numbers for coordinates, and the column {column!r} is {schema.field(column).type}"
            yield Problem("", message, "correct its cells, or name another column under `columns`")
    holders = ([("id", wishes.id)] if wishes.id else []) + [
        (f"relationships.{name}", column) for name, column in wishes.relationships.items()
    ]
    for holder, column in holders:
        if not pa.types.is_integer(kind(column)):
            message = f"needs whole numbers for {holder}, and the column {column!r} is {schema.field(column).type}"
            hint = "write it as int64 or uint64 (in pandas: Int64, which has room for missing values)"
            yield Problem("", message, hint)


def _bad_names(properties: tuple[Wanted, ...]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for one in properties:
        if not _ID.fullmatch(one.name):
            message = f"calls a property {one.name!r}; the viewer takes letters, digits and _, a small letter first"
            yield Problem("", message, f"such as {identifier(one.name)!r}")
        if one.name in seen:
            message = f"would have two properties {one.name!r}, of the columns {seen[one.name]!r} and {one.column!r}"
            yield Problem("", message, f"give one another name: {{column: {one.column}, name: …}} under `properties`")
        seen[one.name] = one.column
