"""Which fields of a scene the viewer did not take: what it was given, held against what it says that it has.

The viewer writes every field that it knows, those at their default as null: a field that is missing from what it writes
is one that it does not know (viewer.ts, layer/*/index.ts of the client).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from publisher.render.seen import Layer

# Written under conditions: only if false, only for one's own group, only for what is not at its usual place.
_SOMETIMES = frozenset({"name", "visible", "archived", "tab", "panels", "linkedSegmentationColorGroup", "equivalences"})
_OF_A_GROUP = frozenset({"segments", "segmentQuery", "segmentColors", "segmentDefaultColor", "hideSegmentZero"})
_LEGACY = frozenset({"navigation", "perspectiveOrientation", "perspectiveZoom"})  # read, and written in newer words

Dropped = tuple[str, str]  # the layer's name or "", and the field


def dropped(given: Mapping[str, Any], kept: Mapping[str, Any], layers: Sequence[Layer]) -> Iterator[Dropped]:
    """Yield the fields that a viewer dropped from a scene; `layers` are those that it has."""
    yield from (("", name) for name in _missing(given, kept) if name not in _LEGACY)
    yield from (("", name) for name in _layout(given.get("layout"), kept.get("layout"), "layout"))
    written = {layer.get("name"): layer for layer in kept.get("layers") or ()}
    controls = {layer.name: layer.controls for layer in layers}
    for layer in given.get("layers", ()):
        name = str(layer.get("name", ""))
        if name not in written:
            continue  # a layer that is not there at all is told as such
        linked = layer.get("linkedSegmentationGroup") not in {None, name}
        fine = _SOMETIMES | (_OF_A_GROUP if linked else frozenset())
        yield from ((name, field) for field in _missing(layer, written[name]) if field not in fine)
        for control in layer.get("shaderControls") or ():
            if control not in controls.get(name, ()):
                yield name, f"shaderControls.{control}"


def _missing(given: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    """Return the fields that are not written at all; an empty one says nothing that could be lost."""
    return [name for name, value in given.items() if name not in kept and value not in (None, {}, [], "")]


def _layout(given: Any, kept: Any, place: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    if not isinstance(given, Mapping):
        return
    if not isinstance(kept, Mapping):
        if set(given) - {"type"}:
            yield place
        return
    yield from (f"{place}.{name}" for name in _missing(given, kept) if name not in {"flex", "crossSections"})
    both = zip(given.get("children", ()), kept.get("children") or (), strict=False)
    for at, (mine, theirs) in enumerate(both):
        yield from _layout(mine, theirs, f"{place}.children[{at}]")
