"""PLY: a header that says what follows, then vertices and faces as text or binary.

Source of the format: Greg Turk, The PLY Polygon File Format, 1994.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.errors import InvalidInput, Problem
from publisher.formats.surfaces.surface import NAMED, Surface, numbers, triangles

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_HINT = "is it whole, and a PLY file?"


@dataclass(slots=True)
class _Element:
    """What the header says of one kind of thing: how many, and its properties: (name, type, type of a list's length)."""

    name: str
    count: int
    properties: list[tuple[str, str, str]] = field(default_factory=list)

    def column(self, *names: str) -> int:
        return next(at for at, (name, _, _) in enumerate(self.properties) if name in names)

    @property
    def lists(self) -> list[int]:
        return [at for at, (_, _, length) in enumerate(self.properties) if length]


def read(path: Path, where: str) -> Surface:
    """Read a file; raise InvalidInput where it breaks off or its header says what cannot be."""
    data = path.read_bytes()
    elements, order, start = _header(data, where)
    body = _Text(data, start, where) if order == "ascii" else _Binary(data, start, where, _ORDERS[order])
    vertices, faces, split = np.empty((0, 3)), np.empty((0, 3), np.int64), 0
    for element in elements:
        rows = body.rows(element)
        if element.name == "vertex":
            vertices = np.stack([_column(rows, element, axis) for axis in "xyz"], axis=1)
        elif element.name == "face":
            made = _column(rows, element, "vertex_indices", "vertex_index")
            if isinstance(made, np.ndarray):
                faces = made.astype(np.int64)
            else:
                faces = np.array([t for corners in made for t in triangles(corners)], np.int64).reshape(-1, 3)
                split = sum(len(corners) > 3 for corners in made)  # noqa: PLR2004 - a triangle
    return Surface(vertices, faces, split)


def _column(rows: list[Any], element: _Element, *names: str) -> Any:  # noqa: ANN401 - an array, or lists
    return rows[element.column(*names)]


def _header(data: bytes, where: str) -> tuple[list[_Element], str, int]:
    """Return the elements, the order of bytes, and where the header ends."""
    end = data.find(b"end_header")
    stop = data.find(b"\n", end)
    if data[:3] != b"ply" or end < 0 or stop < 0:
        raise InvalidInput(Problem(where, "has no PLY header", _HINT))
    elements: list[_Element] = []
    order = ""
    for number, line in enumerate(data[:end].decode("latin-1").splitlines(), 1):
        match line.split():
            case ["format", name, _]:
                order = name
            case ["element", name, count] if count.isdecimal():
                elements.append(_Element(name, int(count)))
            case ["property", "list", length, kind, name] if elements and {length, kind} <= _TYPES.keys():
                elements[-1].properties.append((name, _TYPES[kind], _TYPES[length]))
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1].properties.append((name, _TYPES[kind], ""))
            case ["ply"] | ["comment" | "obj_info", *_] | []:
                pass
            case _:
                raise InvalidInput(Problem(f"{where}:{number}", f"is no line of a PLY header: {line[:60]!r}", _HINT))
    if order not in _ORDERS:
        raise InvalidInput(Problem(where, f"has the format {order!r}", f"one of {', '.join(_ORDERS)}"))
    has = {element.name: {name for name, _, _ in element.properties} for element in elements}
    if not set("xyz") <= has.get("vertex", set()) or not has.get("face", set()) & {"vertex_indices", "vertex_index"}:
        message = "has no vertices with x, y, z, or no faces with vertex_indices"
        raise InvalidInput(Problem(where, message, "a cloud of points has no surface"))
    return elements, order, stop + 1


class _Text:
    """The body of a file of text: a line an item."""

    def __init__(self, data: bytes, start: int, where: str) -> None:
        self._lines = data[start:].splitlines()
        self._line, self._at, self._where = data.count(b"\n", 0, start) + 1, 0, where

    def rows(self, element: _Element) -> list[Any]:
        """Return each property's values: an array, or lists where they are of several lengths."""
        first = self._line + self._at
        lines = self._lines[self._at : self._at + element.count]
        self._at += element.count
        if len(lines) < element.count:
            message = f"breaks off: {element.count} of {element.name} are announced, {len(lines)} there"
            raise InvalidInput(Problem(self._where, message, _HINT))
        width = len(element.properties) + 3 * len(element.lists)  # lists of three are the rule
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # how numpy says that a text was not all numbers
            plain = numbers(lines, width) if len(element.lists) <= 1 else None
        if plain is not None and all((plain[:, at] == 3).all() for at in element.lists):  # noqa: PLR2004 - likewise
            at = element.lists[0] if element.lists else width
            columns: list[Any] = list(plain[:, :at].T)
            return [*columns, plain[:, at + 1 : at + 4], *plain[:, at + 4 :].T] if element.lists else columns
        return self._careful(element, lines, first)

    def _careful(self, element: _Element, lines: list[bytes], first: int) -> list[Any]:
        columns: list[list[Any]] = [[] for _ in element.properties]
        problems = []
        for number, line in enumerate(lines, first):
            try:
                words = iter([float(word) for word in line.split()])
                for values, (_, _, length) in zip(columns, element.properties, strict=True):
                    values.append([int(next(words)) for _ in range(int(next(words)))] if length else next(words))
            except (ValueError, OverflowError, StopIteration, RuntimeError):
                shown = line.strip()[:60].decode("utf-8", "replace")
                problems.append(Problem(f"{self._where}:{number}", f"is no {element.name}: {shown!r}", _HINT))
        if problems:
            raise InvalidInput(problems[:NAMED])
        return [
            values if length else np.array(values)
            for values, (_, _, length) in zip(columns, element.properties, strict=True)
        ]


class _Binary:
    """The body of a binary file."""

    def __init__(self, data: bytes, start: int, where: str, order: str) -> None:
        self._data, self._at, self._where, self._order = data, start, where, order

    def rows(self, element: _Element) -> list[Any]:
        """Return each property's values: an array, or lists where they are of several lengths."""
        names = [f"p{at}" for at in range(len(element.properties))]
        fields: list[Any] = []
        for name, (_, kind, length) in zip(names, element.properties, strict=True):
            fields += [(f"{name}n", self._order + length), (name, self._order + kind, 3)] if length else []
            fields += [] if length else [(name, self._order + kind)]
        row = np.dtype(fields)
        end = self._at + element.count * row.itemsize
        if end <= len(self._data):  # lists of three are the rule
            table = np.frombuffer(self._data, row, element.count, self._at)
            if all((table[f"p{at}n"] == 3).all() for at in element.lists):  # noqa: PLR2004 - likewise
                self._at = end
                return [table[name].astype(np.float64) for name in names]
        if not element.lists:
            raise self._breaks_off(element)
        return self._careful(element)

    def _careful(self, element: _Element) -> list[Any]:
        columns: list[list[Any]] = [[] for _ in element.properties]
        for _ in range(element.count):
            for values, (_, kind, length) in zip(columns, element.properties, strict=True):
                many = int(self._take(element, length, 1)[0]) if length else 1
                found = self._take(element, kind, many).tolist()
                values.append([int(value) for value in found] if length else found[0])
        return [
            values if length else np.array(values)
            for values, (_, _, length) in zip(columns, element.properties, strict=True)
        ]

    def _take(self, element: _Element, kind: str, many: int) -> NDArray[Any]:
        what = np.dtype(self._order + kind)
        if many < 0 or self._at + many * what.itemsize > len(self._data):
            raise self._breaks_off(element)
        self._at += many * what.itemsize
        return np.frombuffer(self._data, what, many, self._at - many * what.itemsize)

    def _breaks_off(self, element: _Element) -> InvalidInput:
        return InvalidInput(Problem(self._where, f"breaks off within its {element.count} of {element.name}", _HINT))
