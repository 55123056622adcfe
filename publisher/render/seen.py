"""What was seen in the viewer: plain values, made from the JSON that `client.js` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Source:
    """One data source of a layer, or a `part` of it: the meshes or skeletons that a volume links to.

    `bounds` is what it says of its extent, by axis, in metres.
    """

    url: str
    loaded: bool
    error: str
    bounds: Mapping[str, Span]
    kinds: tuple[str, ...]  # what of it is shown: volume, mesh, annotation, segmentPropertyMap …
    part: str = ""

    @property
    def name(self) -> str:
        """What to call it."""
        return f"the {self.part} of {self.url}" if self.part else self.url

    @property
    def solid(self) -> bool:
        """Whether it has meshes or skeletons of segments (the viewer calls both mesh)."""
        return "mesh" in self.kinds

    @property
    def draws(self) -> bool:
        """Whether it is a thing to be seen, rather than words about segments."""
        return not {"segmentPropertyMap"} >= {*self.kinds} - {"staticAnnotations"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as the viewer has it; `segments` counts those that are selected, None where there can be none."""

    name: str
    type: str
    visible: bool
    archived: bool
    ready: bool
    segments: int | None
    sources: tuple[Source, ...]
    shader_errors: tuple[str, ...]
    controls: tuple[str, ...]
    messages: tuple[str, ...]

    @property
    def broken(self) -> bool:
        """Whether something of it is wrong that no waiting makes good."""
        return bool(self.shader_errors or self.messages or any(source.error for source in self.sources))

    @property
    def settled(self) -> bool:
        """Whether all that it consists of is known; a layer without any source never is."""
        known = all(source.loaded for source in self.sources)
        return self.archived or self.broken or (self.ready and known and bool(self.sources))


@dataclass(frozen=True, slots=True)
class Look:
    """The viewer at one moment; the chunks are those that the picture needs: there, on their way, failed."""

    layers: tuple[Layer, ...]
    drawn: bool
    shown: int
    coming: int
    failed: int

    @property
    def loaded(self) -> bool:
        """Whether all that is visible is there."""
        return self.drawn and not self.coming and not self.failed and all(layer.settled for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Mark:
    """How a picture differs from one without any layer: pixels, colours (256 at most), and the box, in pixels."""

    pixels: int = 0
    colors: int = 0
    box: tuple[int, int, int, int] | None = None

    @property
    def reach(self) -> int:
        """The longer side of the box."""
        return 0 if self.box is None else max(self.box[2] - self.box[0], self.box[3] - self.box[1]) + 1

    def shared(self, other: Mark) -> float:
        """How much of this one's box the other's covers, from 0 to 1."""
        if self.box is None or other.box is None:
            return 0.0
        spans = [(max(self.box[low], other.box[low]), min(self.box[low + 2], other.box[low + 2]) + 1) for low in (0, 1)]
        own = (self.box[2] - self.box[0] + 1) * (self.box[3] - self.box[1] + 1)
        return max(0, spans[0][1] - spans[0][0]) * max(0, spans[1][1] - spans[1][0]) / own


@dataclass(frozen=True, slots=True)
class Alone:
    """A layer shown without the others: what it draws on black, how much of the view it covers, what of it failed."""

    drawn: Mark
    covered: Mark
    failed: int
    sources: Mapping[int, Mark] = field(default_factory=dict)  # each source without the others, where there are several


def look(given: Mapping[str, Any]) -> Look:
    """Read what `watch.look()` returned."""
    layers = tuple(
        Layer(
            name=layer["name"],
            type=layer["type"],
            visible=layer["visible"],
            archived=layer["archived"],
            ready=layer["ready"],
            segments=layer["segments"],
            sources=tuple(_source(source) for source in layer["sources"]),
            shader_errors=tuple(layer["shaderErrors"]),
            controls=tuple(layer["controls"]),
            messages=tuple(layer["messages"]),
        )
        for layer in given["layers"]
    )
    return Look(layers, given["drawn"], given["shown"], given["coming"], given["failed"])


def _source(given: Mapping[str, Any]) -> Source:
    bounds = {axis: (float(low), float(high)) for axis, (low, high) in given["bounds"].items()}
    return Source(given["url"], given["loaded"], given["error"], bounds, tuple(given["kinds"]), given["part"])


def mark(given: Mapping[str, Any]) -> Mark:
    """Read what `watch.changed()` returned."""
    return Mark(given["pixels"], given["colors"], tuple(given["box"]) if given["box"] else None)
