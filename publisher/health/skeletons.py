"""Whether precomputed skeletons hold: their `info`, and that each skeleton is what `info` says.

Source of the rules: neuroglancer, src/datasource/precomputed/skeletons.md; that the viewer gives up the whole layer over a
vertex attribute that is not float32 was measured with its 2.41.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from publisher.health.keyed import Value, sharding_of, values
from publisher.health.sample import MOST, chosen
from publisher.health.stored import transform_trouble
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding

CHECK = "skeletons"
ITEM_BYTES = {"float32": 4, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4}
_COUNTS_BYTES = 8


def check(subject: Subject, depth: Depth) -> Iterator[Finding]:
    """Yield what is wrong with a folder of skeletons. Memory: one skeleton, and the names of a sample."""
    yield from _info(subject, subject.info)
    sharding = sharding_of(subject.info, subject, CHECK)
    widths = attribute_bytes(subject.info)
    if isinstance(sharding, Finding):
        yield sharding
        return
    some = False
    for value in chosen(values(subject, sharding, CHECK, "skeleton"), MOST[depth], subject.key):
        some = True
        if isinstance(value, Finding):
            yield value
        elif widths is not None:
            data = value.read()
            if isinstance(data, str):
                yield value.finding(CHECK, "error", data)
            else:
                yield from encoded(value, data, widths)
    if not some and MOST[depth] != 0:
        yield subject.finding(CHECK, "warning", "holds no skeleton")


def _info(subject: Subject, info: dict[str, Any]) -> Iterator[Finding]:
    if (wrong := transform_trouble(info)) is not None:
        yield subject.finding(CHECK, *wrong, "info")
    attributes = info.get("vertex_attributes", [])
    if not isinstance(attributes, list) or not all(isinstance(each, dict) for each in attributes):
        yield subject.finding(CHECK, "error", "`vertex_attributes` must be a list of objects: the layer fails", "info")
        return
    seen: set[str] = set()
    for number, attribute in enumerate(attributes):
        name, kind, parts = attribute.get("id"), attribute.get("data_type"), attribute.get("num_components")
        at = f"vertex_attributes[{number}]"
        if not isinstance(name, str) or not name:
            yield subject.finding(CHECK, "error", f"`{at}.id` must be a name, not {name!r}: the layer fails", "info")
        elif name in seen:
            yield subject.finding(CHECK, "error", f"two vertex attributes are called {name!r}: the layer fails", "info")
        else:
            seen.add(name)
        if not isinstance(kind, str) or kind not in ITEM_BYTES:
            message = f"`{at}.data_type` must be one of {', '.join(ITEM_BYTES)}, not {kind!r}: the layer fails"
            yield subject.finding(CHECK, "error", message, "info")
        elif kind != "float32":
            message = (
                f"the vertex attribute {name!r} is {kind}, and the viewer takes float32 alone: the whole layer fails"
            )
            yield subject.finding(CHECK, "error", f"{message} → write it as float32, or leave it out", "info")
        if not isinstance(parts, int) or isinstance(parts, bool) or parts < 1:
            message = f"`{at}.num_components` must be 1 or more, not {parts!r}: the layer fails"
            yield subject.finding(CHECK, "error", message, "info")


def attribute_bytes(info: dict[str, Any]) -> int | None:
    """Return the bytes that all attributes of one vertex take; None where `info` does not tell."""
    try:
        return sum(ITEM_BYTES[each["data_type"]] * int(each["num_components"]) for each in info["vertex_attributes"])
    except KeyError:
        return 0 if "vertex_attributes" not in info else None
    except (TypeError, ValueError, OverflowError):
        return None


def encoded(value: Value, data: bytes, extra_bytes: int) -> Iterator[Finding]:
    """Yield what is wrong with one skeleton, whose attributes take so many bytes a vertex."""
    import numpy as np  # noqa: PLC0415 - heavy, and `--help` must be instant

    if len(data) < _COUNTS_BYTES:
        yield value.finding(CHECK, "error", f"is {len(data)} bytes long, too short for a skeleton")
        return
    nodes, edges = (int(count) for count in np.frombuffer(data, "<u4", 2))
    bare = _COUNTS_BYTES + nodes * 12 + edges * 8
    wanted = bare + nodes * extra_bytes
    if len(data) != wanted:
        message = (
            f"is {len(data)} bytes long; {nodes} vertices and {edges} edges take {wanted} with the attributes of `info`"
        )
        hint = "its attributes are not in it" if len(data) == bare else "is it cut off, or of another `info`?"
        yield value.finding(CHECK, "error", f"{message} → {hint}")
        return
    if nodes == 0:
        yield value.finding(CHECK, "warning", "has no vertex: there is nothing to see")
        return
    if not np.isfinite(np.frombuffer(data, "<f4", nodes * 3, _COUNTS_BYTES)).all():
        yield value.finding(CHECK, "error", "has a vertex that is no number (NaN or infinite)")
    if edges and (last := int(np.frombuffer(data, "<u4", edges * 2, _COUNTS_BYTES + nodes * 12).max())) >= nodes:
        yield value.finding(CHECK, "error", f"has an edge to vertex {last}, and {nodes} vertices (they count from 0)")
