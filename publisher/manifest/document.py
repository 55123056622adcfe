"""A YAML document as plain values, with the line and column of each. Hostile documents are refused, not expanded."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from publisher.errors import Problem
from publisher.manifest.model import Place

MAX_BYTES = 8 << 20
MAX_NODES = 200_000  # after aliases are expanded: a manifest of a thousand artifacts has some 20,000
MAX_DEPTH = 40


@dataclass(slots=True)
class Document:
    """What a YAML file holds: its value, and for each place (keys and indexes) the line and column, counted from 1.

    `raw` has the text of scalars that YAML did not read as strings: `1.10` is the number 1.1, but was written 1.10.
    """

    path: Path
    value: Any = None
    marks: dict[Place, tuple[int, int]] = field(default_factory=dict)
    raw: dict[Place, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def where(self, place: Place) -> str:
        """Return file:line:column of a place, or of the nearest one above it."""
        while place and place not in self.marks:
            place = place[:-1]
        line, column = self.marks.get(place, (1, 1))
        return f"{self.path}:{line}:{column}"


def read(path: Path) -> Document:
    """Read a YAML file; what is wrong with it is in `problems`, and `value` is None where nothing can be read."""
    document = Document(path)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        document.problems.append(Problem(str(path), f"cannot be read: {error.strerror}", "is the path right?"))
        return document
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        document.problems.append(Problem(f"{path}:{line}:1", "is not UTF-8", "save it as UTF-8"))
        return document
    if len(data) > MAX_BYTES:
        document.problems.append(Problem(str(path), f"is {len(data)} bytes long", "a manifest is some kilobytes"))
        return document
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        document.problems.append(_not_yaml(path, error))
        return document
    except RecursionError:
        document.problems.append(Problem(f"{path}:1:1", f"is nested over {MAX_DEPTH} deep", "write it flatter"))
        return document
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        document.problems.append(Problem(f"{path}:{line}:1", "has a control character in it", "remove it"))
        return document
    if node is None:
        document.problems.append(Problem(f"{path}:1:1", "is empty", "start with `schema: 1`, or run `publisher init`"))
    elif not isinstance(node, yaml.MappingNode):
        document.problems.append(
            Problem(f"{path}:1:1", "must be a mapping of keys to values", "start with `schema: 1`")
        )
    else:
        document.value = _Builder(document, loader).build(node, ())
    return document


class _Refused(Exception):
    """The document is too large once its aliases are expanded; said once."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


class _Builder:
    """Turns nodes into values. Aliases are the same node again: expanded, counted, and limited."""

    def __init__(self, document: Document, loader: yaml.SafeLoader) -> None:
        self._document, self._loader = document, loader
        self._nodes = 0

    def build(self, node: yaml.Node, place: Place) -> Any:  # noqa: ANN401 - what YAML holds
        """Return the document's value, or None where it is refused."""
        try:
            return self._value(node, place)
        except _Refused as refused:
            top = refused.place[: len(place) + 1]  # what holds it all; deep inside, no place means much
            self._document.problems.append(Problem(self._document.where(top), f"{refused}", "write out what is meant"))
            return None

    def _value(self, node: yaml.Node, place: Place) -> Any:  # noqa: ANN401
        self._count(place, len(place))
        self._document.marks.setdefault(place, _mark(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, place)

    def _count(self, place: Place, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _Refused(f"holds over {MAX_NODES:,} values once its aliases are expanded: an alias bomb?", place)
        if depth > MAX_DEPTH:
            raise _Refused(f"is nested over {MAX_DEPTH} deep: an alias within itself?", place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in self._pairs(node, place):
            key = key_node.value
            where = _mark(key_node)
            if key in made:
                first = self._document.marks[(*place, key)]
                message = f"the key {key!r} is there twice; the first is on line {first[0]}"
                self._problem(where, message, "keep one of the two")
                continue
            self._document.marks[(*place, key)] = where
            made[key] = self._value(value_node, (*place, key))
        return made

    def _pairs(
        self, node: yaml.MappingNode, place: Place, depth: int = 0
    ) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        """Yield the keys and values of a mapping, then those that `<<` merges in and that it does not have itself."""
        self._count(place, depth)
        own = {key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problem(_mark(key), "a key must be a word", "quote it if it is text")
            elif key.tag == "tag:yaml.org,2002:merge":
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            else:
                yield key, value
        for other in merged:
            if not isinstance(other, yaml.MappingNode):
                self._problem(_mark(other), "<< merges mappings, and this is none", "such as `<<: *name`")
                continue
            for key, value in self._pairs(other, place, depth + 1):
                if key.value not in own:
                    own.add(key.value)
                    yield key, value

    def _scalar(self, node: yaml.Node, place: Place) -> Any:  # noqa: ANN401
        try:
            value = self._loader.construct_object(node)
        except ValueError:  # such as the 13th month: the model says what is wrong with these words
            return str(node.value)
        except yaml.YAMLError as error:
            what = getattr(error, "problem", None) or str(error)
            self._problem(_mark(node), f"{what}", "quote it if it is text")
            return str(node.value)
        if isinstance(value, dt.date | bytes):  # the model reads dates itself; elsewhere these are words
            return str(node.value)
        if isinstance(value, float) and not math.isfinite(value):
            self._problem(_mark(node), f"{node.value} is no number that JSON has", "quote it if it is text")
            return 1.0  # said once
        if not isinstance(value, str):
            self._document.raw[place] = node.value
        return value

    def _problem(self, mark: tuple[int, int], message: str, hint: str) -> None:
        self._document.problems.append(Problem(f"{self._document.path}:{mark[0]}:{mark[1]}", message, hint))


def _mark(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


# What the parser says (a part of it), and what to do about it.
_YAML_HINTS = (
    ("'\\t'", "indent with spaces"),
    ("mapping values are not allowed", "quote a text that has a colon in it"),
    ("undefined alias", "define it with & first, or quote a text that begins with *"),
    ("another document", "remove the line `---`: a file holds one manifest"),
    ("unexpected end of stream", "close the quote"),
    ("'<stream end>'", "close the bracket"),
)


def _not_yaml(path: Path, error: yaml.MarkedYAMLError) -> Problem:
    """Say what the parser found and, where that is far from where the trouble began, on which line it began."""
    problem, context = str(error.problem or error.context), str(error.context or "")
    mark, began = error.problem_mark or error.context_mark, error.context_mark
    where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
    if mark and began and context.startswith("while ") and began.line != mark.line:
        problem += f", {context} that begins on line {began.line + 1}"
    hint = next((hint for part, hint in _YAML_HINTS if part in problem), "")
    return Problem(where, f"is not YAML: {problem}", hint)
