"""Whether segment properties hold: the viewer drops the whole segmentation over one that it cannot read.

Source of the rules: neuroglancer, src/datasource/precomputed/segment_properties.md; how strictly each is taken was read
in its frontend.ts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from publisher.health.keyed import is_id
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding, Severity

CHECK = "properties"
NUMBERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
_TYPES = ("label", "description", "string", "tags", "number")
_ONCE = ("label", "description", "tags")
_WORDS = frozenset({"label", "description", "string"})
_DROPS = "the viewer drops the layer"

Trouble = tuple[Severity, str]


def check(subject: Subject, depth: Depth) -> Iterator[Finding]:
    """Yield what is wrong with segment properties. Memory: the list itself, which is one JSON file."""
    del depth
    for severity, message in troubles(subject.info):
        yield subject.finding(CHECK, severity, message, "info")


def troubles(info: dict[str, Any]) -> Iterator[Trouble]:
    """Yield what is wrong with the JSON of segment properties."""
    inline = info.get("inline")
    if inline is None:
        yield "warning", "has no `inline`: there is nothing to search"
        return
    if not isinstance(inline, dict) or not isinstance(inline.get("ids"), list):
        yield "error", f"`inline` must be an object with `ids` and `properties`: {_DROPS}"
        return
    ids, properties = inline["ids"], inline.get("properties")
    yield from _ids(ids)
    if not isinstance(properties, list) or not all(isinstance(each, dict) for each in properties):
        yield "error", f"`inline.properties` must be a list of objects: {_DROPS}"
        return
    for kind in _ONCE:
        of_kind = [str(each.get("id")) for each in properties if each.get("type") == kind]
        if len(of_kind) > 1:
            yield (
                "error",
                f"{len(of_kind)} properties are of type {kind} ({', '.join(of_kind)}), and one may be → make the others strings",
            )
    named = [each.get("id") for each in properties]
    for name in sorted({str(name) for name in named if named.count(name) > 1}):
        yield "error", f"two properties are called {name!r} → rename one of them"
    for property_ in properties:
        yield from _property(property_, len(ids))


def _ids(ids: list[Any]) -> Iterator[Trouble]:
    wrong = [each for each in ids if not (isinstance(each, str) and is_id(each))]
    if wrong:
        more = f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        shown = f"{wrong[0]!r}{more}"
        yield "error", f"`inline.ids` must be whole numbers from 0 up, written as strings; {shown} is not: {_DROPS}"
        return
    numbers = sorted(map(int, ids))
    twice = [one for one, two in pairwise(numbers) if one == two]
    if twice:
        more = f", and {len(twice) - 1:,} more" if len(twice) > 1 else ""
        yield (
            "error",
            f"segment {twice[0]} is there twice{more}: the viewer shows one of the two → keep one row a segment",
        )


def _property(property_: dict[str, Any], count: int) -> Iterator[Trouble]:
    name, kind, values = property_.get("id"), property_.get("type"), property_.get("values")
    if not isinstance(name, str):
        yield "error", f"a property's `id` must be a name, not {name!r}: {_DROPS}"
    if kind not in _TYPES:
        yield "error", f"the property {name!r} must be one of {', '.join(_TYPES)}, not {kind!r}: {_DROPS}"
        return
    if not isinstance(values, list) or len(values) != count:
        has = f"{len(values):,} values" if isinstance(values, list) else "no list of values"
        yield "error", f"the property {name!r} has {has}, and there are {count:,} ids: {_DROPS}"
        return
    if kind in _WORDS:
        wrong = next((value for value in values if not isinstance(value, str)), "")
        if wrong != "":
            yield "error", f'the property {name!r} must hold text, and has {wrong!r}: {_DROPS} → write "" for nothing'
    elif kind == "number":
        yield from _number(name, property_.get("data_type"), values)
    else:
        yield from _tags(name, property_, values)


def _number(name: object, kind: object, values: list[Any]) -> Iterator[Trouble]:
    if kind not in NUMBERS:
        hint = "write it as float32, or as a string" if kind in {"uint64", "int64", "float64"} else ""
        message = f"the number {name!r} must have a `data_type` of {', '.join(NUMBERS)}, not {kind!r}: {_DROPS}"
        yield "error", f"{message} → {hint}" if hint else message
        return
    wrong = [value for value in values if not isinstance(value, int | float) or isinstance(value, bool)]
    if wrong:
        message = f"the number {name!r} has {wrong[0]!r} in {len(wrong):,} places, which the viewer takes for 0"
        yield "error", f"{message} → write a number for what is missing, or leave the property out"
        return
    if any(value != value or abs(value) == float("inf") for value in values):  # noqa: PLR0124 - NaN is not itself
        message = f"the number {name!r} has NaN or Infinity among its values, which JSON does not know: {_DROPS}"
        yield "error", f"{message} → write a number for what is missing, or leave the property out"
        return
    if kind == "float32" or not values:
        return
    bits, signed = int(str(kind).lstrip("uint")), not str(kind).startswith("u")
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    least, most = min(values), max(values)
    if least < low or most > high or any(value != int(value) for value in values):
        message = f"the number {name!r} is {kind}, and has values from {least} to {most}: the viewer shows others"
        yield "error", f"{message} → choose a wider `data_type`, or float32"


def _tags(name: object, property_: dict[str, Any], values: list[Any]) -> Iterator[Trouble]:
    tags = property_.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield "error", f"the property {name!r} needs `tags`, a list of words: {_DROPS}"
        return
    words = property_.get("tag_descriptions")
    if words is not None and (not isinstance(words, list) or len(words) != len(tags)):
        yield (
            "error",
            f"the property {name!r} has {len(tags)} tags and other than {len(tags)} `tag_descriptions`: {_DROPS}",
        )
    for tag in tags:
        if not tag or tag != "".join(tag.split()) or tag.startswith("#"):
            message = f"the tag {tag!r} of {name!r} cannot be searched for"
            yield "warning", f"{message} → tags have no spaces, and no # at their beginning"
    folded = sorted(tag.casefold() for tag in tags)
    for tag in sorted({one for one, two in pairwise(folded) if one == two}):
        yield "warning", f"the tag {tag!r} of {name!r} is there twice: the viewer ignores case"
    for number, value in enumerate(values):
        if not isinstance(value, list) or not all(isinstance(at, int) and 0 <= at < len(tags) for at in value):
            yield (
                "error",
                f"the property {name!r} has tags {value!r} in place {number}, and numbers from 0 to {len(tags) - 1} are tags",
            )
            return
        if any(one >= two for one, two in pairwise(value)):
            yield (
                "error",
                f"the property {name!r} has tags {value!r} in place {number}, which must grow: the viewer misses some",
            )
            return
