"""Whether a scene makes sense, as far as it can be told without a viewer: where it looks, and what its shaders call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from publisher import viewer
from publisher.errors import InvalidInput, Problem
from publisher.manifest import Scene
from publisher.scene import glsl
from publisher.scene.frame import Box, box_nm
from publisher.scene.shown import Shown

_METRES_NM = 1e9


def require(made: Mapping[str, Any], shown: Sequence[Shown], scene: Scene) -> None:
    """Raise InvalidInput where a scene is told to look at nothing, or has a shader that cannot be right."""
    found = [*_off(made, shown)] if scene.position or "position" in scene.state else []
    for layer in made["layers"]:
        rendering = layer.get("skeletonRendering")
        skeletons = rendering.get("shader") if isinstance(rendering, dict) else None
        for shader in (layer.get("shader"), skeletons):
            troubles = glsl.trouble(shader, known_to_viewer) if isinstance(shader, str) and shader.strip() else ()
            found += [(f"layer {layer.get('name')!r}: {what}", "correct its `shader`") for what in troubles]
    if found:
        raise InvalidInput(tuple(Problem(f"scene {scene.name!r}", *each) for each in found))


def _off(made: Mapping[str, Any], shown: Sequence[Shown]) -> Iterator[tuple[str, str]]:
    """Yield that the view is beside all that there is, where it is known where that lies."""
    position, dimensions = made.get("position"), made.get("dimensions")
    boxes = [None if "source" in each.layer.state else box_nm(each) for each in shown]
    known = [box for box in boxes if box is not None]
    if not known or len(known) < len(boxes) or not isinstance(position, list) or not isinstance(dimensions, dict):
        return
    for place, axis in enumerate("xyz"):
        scale, unit = dimensions.get(axis, (0, ""))
        if unit != "m" or place >= len(position) or list(dimensions)[place] != axis:
            return
        at, (low, high) = position[place] * scale * _METRES_NM, _span(known, place)
        if not low <= at <= high:
            where = f"looks at {axis} = {at:,.0f} nm, and all that it shows lies between {low:,.0f} and {high:,.0f} nm"
            yield (
                where,
                f"`position` is in voxels of {scale * _METRES_NM:g} nm along {axis}: are its units right, and the data's?",
            )


def _span(boxes: Sequence[Box], axis: int) -> tuple[float, float]:
    return min(low[axis] for low, _ in boxes), max(high[axis] for _, high in boxes)


def known_to_viewer(name: str) -> bool:
    """Whether the client's code defines, or calls, a function of this name in GLSL or otherwise."""
    return name in _functions()


@cache
def _functions() -> frozenset[str]:
    found: set[str] = set()
    for name in viewer.names():
        file = viewer.file(name) if name.endswith(".js") else None
        if file is not None:
            code = file[0] if isinstance(file[0], bytes) else file[0].read_bytes()
            found.update(word.decode() for word in re.findall(rb"[\w>] +(\w+)\(", code))
    return frozenset(found)
