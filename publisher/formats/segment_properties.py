"""Segment properties on disk: one JSON object, written as a stream.

Source: neuroglancer, src/datasource/precomputed/segment_properties.md. Ids are decimal strings; every property has one
value an id, in the order of the ids.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from publisher import work

PART = 65_536  # values that are JSON in memory at once

Values = Callable[[int, int], Iterable[Any]]
"""Gives the values from one place up to another, as JSON knows them."""


@dataclass(frozen=True, slots=True)
class Property:
    """One property: what `info` says of it, and what gives its values."""

    head: dict[str, Any] = field(hash=False)
    values: Values


def write(folder: Path, count: int, ids: Values, properties: Iterable[Property]) -> None:
    """Write `info` of so many segments; leave it alone where it has these bytes already.

    Memory: `PART` values, and what gives them. The same values give the same bytes.

    Raises:
        LocalTrouble: the disk.

    """
    work.write_stream(folder / "info", (piece.encode() for piece in _pieces(count, ids, properties)))


def _pieces(count: int, ids: Values, properties: Iterable[Property]) -> Iterator[str]:
    yield '{"@type":"neuroglancer_segment_properties","inline":{"ids":'
    yield from _list(count, ids)
    yield ',"properties":['
    for number, each in enumerate(properties):
        yield "," if number else ""
        yield json.dumps(each.head, ensure_ascii=False, separators=(",", ":"))[:-1] + ',"values":'
        yield from _list(count, each.values)
        yield "}"
    yield "]}}"


def _list(count: int, values: Values) -> Iterator[str]:
    yield "["
    for start in range(0, count, PART):
        block = list(values(start, min(start + PART, count)))
        yield ("," if start else "") + json.dumps(block, ensure_ascii=False, separators=(",", ":"))[1:-1]
    yield "]"
