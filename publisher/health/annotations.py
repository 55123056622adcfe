"""Whether precomputed annotations hold: `info`, the index by id, the related ids, and the cells of the spatial index.

A viewer takes a cell that is not there for an empty one: that annotations are missing is seen by counting alone.
Source of the rules: neuroglancer, src/datasource/precomputed/annotations.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, pairwise
from typing import Any

import numpy as np

from publisher.formats import sharded
from publisher.health import cells
from publisher.health.keyed import Value, below, sharding_of, value, values
from publisher.health.records import PROPERTY_BYTES, VECTORS, Layout, Single, layout, many, single
from publisher.health.sample import MOST, chosen
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding

CHECK = "annotations"
_UNIT = re.compile(r"[yzafpnuµmcdhkMGTPEZY]?(m|s|Hz|rad/s)|")
_KNOWN = 1 << 16  # segments that are remembered
_TOGETHER = 4096  # annotations that are looked at at once
_PROPERTY = re.compile(r"[a-z][a-zA-Z0-9_]*")


def check(subject: Subject, depth: Depth) -> Iterator[Finding]:
    """Yield what is wrong with a folder of annotations. Memory: one list of annotations, and the names of a sample."""
    info = subject.info
    found = [subject.finding(CHECK, severity, message, "info") for severity, message in _info(info)]
    yield from found
    shape = layout(info)
    if shape is None or MOST[depth] == 0 or any(finding.severity == "error" for finding in found):
        return
    counts = cells.Counts()
    yield from _by_id(subject, info, shape, depth, counts)
    for number in range(len(info["spatial"])):
        yield from cells.check(subject, number, shape, depth, counts)
    yield from counts.findings(subject, exact=shape.floats == shape.rank)
    yield from _related(subject, info, shape, depth)


def _info(info: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    kind = info.get("annotation_type")
    if str(kind).upper() not in {*VECTORS, "POLYLINE"}:
        yield "error", f"`annotation_type` must be one of {', '.join(VECTORS)}, not {kind!r}: the layer fails"
    elif kind != str(kind).upper():
        hint = f"write {str(kind).upper()!r}"
        yield "warning", f"`annotation_type` is {kind!r} in small letters: cloud-volume refuses the folder → {hint}"
    dimensions = info.get("dimensions")
    if not isinstance(dimensions, dict) or not dimensions:
        yield "error", '`dimensions` must be an object such as {"x": [8e-9, "m"], …}: the layer fails'
        return
    for name, pair in dimensions.items():
        good = isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], int | float) and pair[0] > 0  # noqa: PLR2004
        if not good:
            yield "error", f"the dimension {name!r} must be a length above 0 and a unit, not {pair!r}: the layer fails"
        elif not isinstance(pair[1], str) or not _UNIT.fullmatch(pair[1]):
            yield "error", f"the dimension {name!r} has the unit {pair[1]!r}, which the viewer does not know → write m"
    yield from _bounds(info, len(dimensions))
    yield from _properties(info)
    for name in ("relationships", "by_id"):
        holder = info.get(name)
        wanted = list if name == "relationships" else dict
        if not isinstance(holder, wanted) or not all(
            isinstance(each, dict) and isinstance(each.get("key"), str)
            for each in (holder if isinstance(holder, list) else [holder])
        ):
            yield "error", f"`{name}` must say where the index lies (`key`): the layer fails"
    yield from _spatial(info, len(dimensions))


def _bounds(info: dict[str, Any], rank: int) -> Iterator[tuple[Any, str]]:
    for name in ("lower_bound", "upper_bound"):
        if not _numbers(info.get(name), rank):
            yield "error", f"`{name}` must be {rank} numbers, not {info.get(name)!r}: the layer fails"
            return
    if any(high < low for low, high in zip(info["lower_bound"], info["upper_bound"], strict=True)):
        yield "error", "`upper_bound` lies below `lower_bound`: nothing is shown"


def _properties(info: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    properties = info.get("properties")
    if not isinstance(properties, list) or not all(isinstance(each, dict) for each in properties):
        yield "error", "`properties` must be a list of objects, which may be empty: the layer fails"
        return
    names = [str(each.get("id")) for each in properties]
    for each, name in zip(properties, names, strict=True):
        if not _PROPERTY.fullmatch(name):
            yield (
                "error",
                f"the property {name!r} must begin with a small letter, then letters, digits, _: the layer fails",
            )
        if names.count(name) > 1:
            yield "error", f"the property {name!r} is there twice: the layer fails → rename one"
        if str(each.get("type")) not in PROPERTY_BYTES:
            known = ", ".join(PROPERTY_BYTES)
            yield "error", f"the property {name!r} must be one of {known}, not {each.get('type')!r}: the layer fails"
        labels, choices = (each.get(name, []) for name in ("enum_labels", "enum_values"))
        if not isinstance(labels, list) or not isinstance(choices, list) or len(labels) != len(choices):
            yield "error", f"the property {name!r} must have as many `enum_labels` as `enum_values`: the layer fails"


def _spatial(info: dict[str, Any], rank: int) -> Iterator[tuple[Any, str]]:
    levels = info.get("spatial")
    if not isinstance(levels, list) or not all(isinstance(each, dict) for each in levels):
        yield "error", "`spatial` must be a list of objects: the layer fails"
        return
    if not levels:
        yield "warning", "`spatial` is empty: the viewer shows annotations of selected segments alone"
    troubles = [*chain.from_iterable(_level(f"spatial[{number}]", level, rank) for number, level in enumerate(levels))]
    yield from troubles
    if not troubles and all(_numbers(info.get(name), rank) for name in ("lower_bound", "upper_bound")):
        yield from _grids(levels, [b - a for a, b in zip(info["lower_bound"], info["upper_bound"], strict=True)])


def _level(at: str, level: dict[str, Any], rank: int) -> Iterator[tuple[Any, str]]:
    if not isinstance(level.get("key"), str) or not level["key"]:
        yield "error", f"`{at}.key` must be a folder: the layer fails"
    for name in ("grid_shape", "chunk_size"):
        if not _numbers(level.get(name), rank) or min(level[name]) <= 0:
            yield "error", f"`{at}.{name}` must be {rank} numbers above 0, not {level.get(name)!r}: the layer fails"
    limit = level.get("limit")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        yield "error", f"`{at}.limit` must be a whole number above 0, not {limit!r}: the layer fails"


def _grids(levels: list[dict[str, Any]], extent: list[float]) -> Iterator[tuple[Any, str]]:
    for number, level in enumerate(levels):
        grid = [count * side for count, side in zip(level["grid_shape"], level["chunk_size"], strict=True)]
        if any(side < wanted * (1 - 1e-6) for side, wanted in zip(grid, extent, strict=True)):
            told = f"{_told(grid)} of {_told(extent)}"
            message = f"the grid of `spatial[{number}]` covers {told}: what lies beyond is never shown"
            yield "error", f"{message} → grid_shape by chunk_size must reach from lower_bound to upper_bound"
    for number, (coarse, fine) in enumerate(pairwise(levels), 1):
        if any(b > a * (1 + 1e-6) for a, b in zip(coarse["chunk_size"], fine["chunk_size"], strict=True)):
            message = f"the cells of `spatial[{number}]` are larger than those before it"
            yield "error", f"{message} → sort the levels from coarse to fine"


def _numbers(value: object, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(each, int | float) and abs(each) < float("inf") for each in value)
    )


def _told(sides: list[float]) -> str:
    return " x ".join(f"{side:g}" for side in sides)


def _by_id(
    subject: Subject, info: dict[str, Any], shape: Layout, depth: Depth, counts: cells.Counts
) -> Iterator[Finding]:
    sharding = sharding_of(info["by_id"], subject, CHECK)
    if isinstance(sharding, Finding):
        yield sharding
        return
    place, lists = below(subject, info["by_id"]["key"]), _lists(subject, info)
    opened = chosen(counts.passing(values(place, sharding, CHECK, "annotation")), MOST[depth], place.key)
    some: list[tuple[Value, Single]] = []
    for each in cells.decoded(opened, partial(single, shape=shape)):
        if isinstance(each, Finding):
            yield each
            continue
        one, made = each
        some.append(each)
        if len(some) >= _TOGETHER:
            yield from _beyond(some, info, shape)
            some = []
        for known, segments in zip(lists, made.related, strict=True):
            yield from known.findings(one, segments) if known else ()
    yield from _beyond(some, info, shape)


def _beyond(some: list[tuple[Value, Single]], info: dict[str, Any], shape: Layout) -> Iterator[Finding]:
    """Yield which annotations lie where none can: all of them are looked at together first, which is much faster."""
    if not some or not cells.outside(np.stack([made.geometry for _, made in some]), info, shape):
        return
    for one, made in some:
        if wrong := cells.outside(made.geometry.reshape(1, -1), info, shape):
            yield one.finding(CHECK, "error", wrong)


@dataclass(slots=True)
class _Lists:
    """Which segments have a list of annotations: many annotations ask for the same few."""

    name: str
    index: Subject
    sharding: sharded.Sharding | None
    _known: dict[int, bool] = field(default_factory=dict)

    def missing(self, segment: int) -> bool:
        if segment not in self._known:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[segment] = value(self.index, self.sharding, segment) is not None
        return not self._known[segment]

    def findings(self, one: Value, segments: tuple[int, ...]) -> Iterator[Finding]:
        """Yield that an annotation is related to a segment whose list is not there."""
        for segment in filter(self.missing, segments):
            key = self.index.inside.rpartition("/")[2]
            message = f"is related to segment {segment} as {self.name!r}, and {key!r} has no list of it"
            yield one.finding(CHECK, "error", f"{message}: the viewer shows nothing of that segment")


def _lists(subject: Subject, info: dict[str, Any]) -> list[_Lists | None]:
    """Return one for each relationship, None where its sharding does not hold, which is told once."""
    made: list[_Lists | None] = []
    for relation in info["relationships"]:
        sharding = sharding_of(relation, subject, CHECK)
        about = str(relation.get("id")), below(subject, relation["key"])
        made.append(None if isinstance(sharding, Finding) else _Lists(*about, sharding))
    return made


def _related(subject: Subject, info: dict[str, Any], shape: Layout, depth: Depth) -> Iterator[Finding]:
    by_id = sharding_of(info["by_id"], subject, CHECK)
    for relation in info["relationships"]:
        sharding = sharding_of(relation, subject, CHECK)
        if isinstance(sharding, Finding):
            yield sharding
            continue
        place = below(subject, relation["key"])
        opened = chosen(values(place, sharding, CHECK, "list of annotations"), MOST[depth], place.key)
        for each in cells.decoded(opened, partial(many, shape=shape)):
            if isinstance(each, Finding):
                yield each
                continue
            one, made = each
            if wrong := cells.outside(made[0], info, shape):
                yield one.finding(CHECK, "error", wrong)
            if isinstance(by_id, Finding) or not len(made[1]):
                continue
            last = int(made[1][-1])
            if value(below(subject, info["by_id"]["key"]), by_id, last) is None:
                yield one.finding(CHECK, "error", f"lists the annotation {last}, which the index by id does not have")
