"""What is wrong with a scene, by layer and with the cause: from values alone, but for the causes of what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from publisher.objects import Finding, Severity
from publisher.record import Record
from publisher.render import causes
from publisher.render.seen import Alone, Layer, Look, Mark, Source
from publisher.render.state import dropped
from publisher.render.traffic import Traffic, place_of
from publisher.stranger import Stranger

_MUCH = 4.0  # two drawings of the same segments may differ, but not so much
_LITTLE = 0.25  # of the smaller one's box, that the larger one's should cover
_NM = 1e9


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of a scene that was opened."""

    key: str
    given: Mapping[str, Any]  # the scene as it is live
    kept: Mapping[str, Any]  # the viewer's own state, after it had taken the scene
    refusal: str
    status: Sequence[str]
    look: Look
    alone: Mapping[int, Alone]
    together: Mark
    position: tuple[float, ...]  # of the view, in metres by axis x, y, z
    cuts: bool  # whether a panel shows a cross-section
    late_seconds: float  # how long was waited in vain; 0 where it was loaded in time


def judge(case: Case, live: Record, traffic: Traffic, client: Stranger) -> Iterator[Finding]:
    """Yield what is wrong."""
    known = _Known(case, live)
    if case.refusal:
        yield known.finding("error", f"the viewer refuses the scene: {case.refusal}")
    yield from known.structure()
    for at, layer in enumerate(case.look.layers):
        yield from _layer(known, at, layer, traffic, client)
    if not case.together.pixels and not any(layer.broken for layer in case.look.layers):
        yield known.finding("error", f"the picture is empty: no layer draws anything{known.elsewhere()}")
    if case.late_seconds:
        message = f"it was not loaded after {case.late_seconds:,.0f} s; is the server slow, or the scene heavy?"
        yield known.finding("error", message)
    for crash in traffic.crashes[:3]:
        yield known.finding("error", f"the viewer failed: {crash}")


@dataclass(frozen=True, slots=True)
class _Known:
    case: Case
    live: Record

    def finding(
        self, severity: Severity, message: str, layer: Layer | None = None, source: Source | None = None
    ) -> Finding:
        artifact = ""
        if layer is not None:
            artifact = next(filter(None, map(self._artifact, (source,) if source else layer.sources)), "")
            message = f"layer {layer.name!r}: {message}"
        return Finding("render", severity, self.case.key, message, artifact)

    def _artifact(self, source: Source) -> str:
        place = place_of(source.url)
        for artifact in self.live.artifacts:
            ours = artifact.key and f"{place}/".find(f"/{artifact.key}/") >= 0
            if ours or (artifact.external and place_of(artifact.external) == place):
                return artifact.name
        return ""

    def hosted_by_others(self, source: Source) -> bool:
        """Whether a source is an external artifact's."""
        name = self._artifact(source)
        return any(artifact.name == name and artifact.external for artifact in self.live.artifacts)

    def filtered(self, layer: Layer) -> bool:
        """Whether a layer shows only what belongs to the selected segments of others, where none are selected."""
        layers: list[dict[str, Any]] = self.case.given.get("layers", [])
        given = next((each for each in layers if each.get("name") == layer.name), dict[str, Any]())
        linked = given.get("linkedSegmentationLayer") or {}
        names = {linked} if isinstance(linked, str) else {*linked.values()}
        empty = {other.name for other in self.case.look.layers if other.segments == 0}
        return bool(given.get("filterBySegmentation") and names and names <= empty)

    def structure(self) -> Iterator[Finding]:
        """Yield what the viewer made of the scene that the scene does not say."""
        shown = {layer.name: layer for layer in self.case.look.layers}
        for wanted in self.case.given.get("layers", ()):
            name, kind = str(wanted.get("name", "")), str(wanted.get("type", ""))
            if name not in shown:
                yield self.finding("error", f"layer {name!r} is not in the viewer")
            elif kind not in {"", "auto", "new", shown[name].type}:
                message = f"the viewer knows no layers of type {kind!r}, and made it {shown[name].type!r}"
                yield self.finding("error", message, shown[name])
        for name, field in dropped(self.case.given, self.case.kept, self.case.look.layers):
            if field.startswith("shaderControls."):
                message = f"its shader has no #uicontrol {field.partition('.')[2]!r}, which `shaderControls` sets"
            else:
                message = f"the viewer dropped the field {field!r}: it knows none of this name here"
            yield self.finding("error", message, shown.get(name))

    def elsewhere(self) -> str:
        """Say where the view is, where sources are that are not there."""
        told = [
            outside for layer in self.case.look.layers for source in layer.sources if (outside := self.outside(source))
        ]
        return f"; {told[0]}" if told else ""

    def outside(self, source: Source) -> str:
        """Say that the view's centre lies outside of what a source covers, or ""."""
        axes = dict(zip("xyz", self.case.position, strict=False))
        for axis, (low, high) in source.bounds.items():
            at = axes.get(axis)
            if at is None or low <= at <= high:
                continue
            return (
                f"the view is at {axis} = {at * _NM:,.0f} nm, and {source.url} covers {low * _NM:,.0f} to "
                f"{high * _NM:,.0f} nm: are its units, its offset, and the scene's position right?"
            )
        return ""


def _layer(known: _Known, at: int, layer: Layer, traffic: Traffic, client: Stranger) -> Iterator[Finding]:
    failed = [source for source in layer.sources if source.error]
    for source in failed:
        cause = causes.of_source(source, traffic, client)
        # What others host is not wrong because this machine is offline.
        away = known.hosted_by_others(source) and causes.unreachable(source, traffic)
        yield known.finding("warning" if away else "error", f"{source.url} was not loaded: {cause}", layer, source)
    for error in layer.shader_errors:
        yield known.finding("error", f"its shader is wrong: {' '.join(error.split())}", layer)
    told = {source.error for source in failed}
    for message in layer.messages:
        if not any(error and error in message for error in told):
            yield known.finding("error", message, layer)
    if not layer.archived and not layer.sources:
        yield known.finding("error", "it has no source, and so it shows nothing", layer)
    unread = [source for source in layer.sources if not source.loaded and not source.error]
    for source in unread if not layer.archived else ():
        yield known.finding("error", f"{source.url} was never loaded", layer, source)
    for source in layer.sources:
        if not source.error and (wrong := causes.unlabelled(source, traffic, client)):
            yield known.finding("error", wrong, layer, source)
            return
    if at in known.case.alone and layer.sources and not layer.broken:
        yield from _drawn(known, layer, known.case.alone[at], traffic, client)


def _drawn(known: _Known, layer: Layer, alone: Alone, traffic: Traffic, client: Stranger) -> Iterator[Finding]:
    """Yield what is wrong with what a layer draws alone."""
    if alone.failed:
        cause = causes.of_chunks(layer, traffic, client)
        yield known.finding("error", f"{alone.failed:,} of its parts failed to load: {cause}", layer)
        return
    if not alone.drawn.pixels:
        yield from _nothing(known, layer, alone)
        return
    marks = {at: mark for at, mark in alone.sources.items() if layer.sources[at].solid and layer.segments}
    for at, mark in marks.items():
        source = layer.sources[at]
        if not mark.pixels:
            message = f"{source.name} draws nothing of the selected segments in this view: are its units right, and is it theirs?"
            yield known.finding("error", message, layer, source)
    drawn = sorted((mark.reach, at) for at, mark in marks.items() if mark.pixels)
    if len(drawn) > 1:
        (low, small), (high, large) = drawn[0], drawn[-1]
        names = f"{layer.sources[large].name} and {layer.sources[small].name}"
        if high > _MUCH * low:
            message = f"{names} draw the same segments, the one {high / low:.0f} times as large as the other: are the units of both right?"
            yield known.finding("error", message, layer)
        elif marks[small].shared(marks[large]) < _LITTLE:
            message = f"{names} draw the same segments at different places: are the units of both right?"
            yield known.finding("error", message, layer)
    for at, mark in alone.sources.items():
        source = layer.sources[at]
        if "volume" in source.kinds and not mark.pixels and known.case.cuts and (outside := known.outside(source)):
            yield known.finding("error", f"its cross-section is empty: {outside}", layer, source)


def _nothing(known: _Known, layer: Layer, alone: Alone) -> Iterator[Finding]:
    """Say why a layer draws nothing; what was not asked for is no error."""
    volumes = all("volume" in source.kinds for source in layer.sources if source.draws)
    if layer.segments == 0 or known.filtered(layer):
        yield known.finding("note", "no segment is selected, and so it draws nothing", layer)
    elif volumes and not known.case.cuts:
        yield known.finding("note", "this layout shows no cross-section, and so it draws nothing", layer)
    elif not layer.visible:
        yield known.finding("warning", "it is hidden at first, and draws nothing when it is shown", layer)
    elif alone.covered.pixels:
        message = "it is black all over: are its data there, and does the contrast of its shader fit them?"
        yield known.finding("warning", message, layer)
    else:
        outside = next(filter(None, map(known.outside, layer.sources)), "") or "is the view where its data are?"
        yield known.finding("error", f"it is loaded, and draws nothing: {outside}", layer)
