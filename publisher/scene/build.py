"""From a release to the states of its scenes, and their links."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from publisher.facts import VolumeFacts
from publisher.manifest import Release, Scene
from publisher.record import Described, SceneRef
from publisher.scene import known, sense
from publisher.scene.frame import Frame, frame
from publisher.scene.layers import layer
from publisher.scene.shown import Shown, choose
from publisher.scene.sources import Addresses

VIEWER = "https://neuroglancer-demo.appspot.com/"
SCREEN_PIXELS = 800  # the height of a view on a usual screen
_WIDER = 1.5  # how much wider than the data the 3-d view is
_ROW = "xy | 3d"


@dataclass(frozen=True, slots=True)
class View:
    """A scene and its viewer state, ready to be stored or linked to."""

    ref: SceneRef
    state: dict[str, Any]

    def dump(self) -> bytes:
        """Return the scene's JSON as it is published."""
        return (json.dumps(self.state, indent=1, ensure_ascii=False) + "\n").encode()


def build(release: Release, artifacts: Iterable[Described], base_url: str, native_url: str = "") -> tuple[View, ...]:
    """Build every scene of a release, with addresses below `base_url`.

    Args:
        release: whose scenes.
        artifacts: what was found out of each.
        base_url: where readers find the release.
        native_url: the same place as gs:// or s3://, for scenes that ask for such addresses; "" where there is none.

    Raises:
        InvalidInput: with all that the viewer does not know or cannot hold.

    """
    described = {artifact.name: artifact for artifact in artifacts}
    views = []
    for scene in release.views:
        base = (native_url if scene.addresses == "native" else "") or base_url
        addresses = Addresses(base.rstrip("/"), pipe=scene.sources == "pipe")
        ref = SceneRef(scene.name, scene.title or scene.name, release.scene_key(scene))
        views.append(View(ref, _state(scene, release, described, addresses)))
    return tuple(views)


def link(state: Mapping[str, Any], viewer: str = VIEWER) -> str:
    """Return the long link: the whole state, percent-encoded, so that it survives Markdown, mail and shells."""
    return f"{viewer}#!{quote(json.dumps(state, separators=(',', ':')), safe='')}"


def short_link(scene_url: str, viewer: str = VIEWER) -> str:
    """Return the short link: the viewer loads the state from the hosted JSON."""
    return f"{viewer}#!{scene_url}"


def _state(scene: Scene, release: Release, described: Mapping[str, Described], addresses: Addresses) -> dict[str, Any]:
    import neuroglancer as ng  # noqa: PLC0415 - half a second, and only scenes need it

    shown = choose(scene, release, described)
    look = frame(scene, shown, described.values(), release)
    state = ng.ViewerState()
    state.title = f"{release.dataset.title} {release.version}"
    if scene.title != release.dataset.title:
        state.title += f": {scene.title or scene.name}"
    state.dimensions = ng.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=list(look.voxel_nm))
    names = {each.artifact.name: each.name for each in shown}
    for at, each in enumerate(shown):
        over = any(below.kind == "image" for below in shown[:at])
        state.layers.append(name=each.name, layer=layer(each, addresses, names, over=over), visible=each.layer.visible)
    segmentations = [other for other in state.layers if isinstance(other.layer, ng.SegmentationLayer)]
    if scene.segment_query is not None and segmentations:
        segmentations[0].layer.segment_query = scene.segment_query
    _aim(state, scene, look)
    _dress(state, scene)
    state.layout = _layout(scene, [each.name for each in shown], look.centre)
    if selected := _selected(scene, shown):
        state.selected_layer = ng.SelectedLayerState(layer=selected, visible=True)
    made: dict[str, Any] = state.to_json()
    made["layers"] = [_merged(one, each.layer.state) for one, each in zip(made["layers"], shown, strict=True)]
    made = _merged(made, scene.state)
    known.require(made, scene.name)
    sense.require(made, shown, scene)
    return made


def _aim(state: Any, scene: Scene, look: Frame) -> None:  # noqa: ANN401 - neuroglancer's classes
    """Say where the view is, how far it reaches, and which way it looks."""
    if look.position is not None:
        state.position = look.position
    if scene.zoom or look.spans_nm:
        state.cross_section_scale = (scene.zoom or (look.spans_nm or 0) / SCREEN_PIXELS) / look.voxel_nm[0]
    if scene.projection_zoom or look.spans_nm:
        state.projection_scale = (scene.projection_zoom or _WIDER * (look.spans_nm or 0)) / look.voxel_nm[0]
    if scene.orientation is not None:
        state.cross_section_orientation = scene.orientation
    if scene.projection_orientation is not None:
        state.projection_orientation = scene.projection_orientation


def _dress(state: Any, scene: Scene) -> None:  # noqa: ANN401
    """Say what is drawn around the data."""
    state.show_slices = scene.slices
    state.show_default_annotations = scene.bounding_box  # a yellow cage around every neuron
    given = {
        "show_axis_lines": scene.axis_lines,
        "show_scale_bar": scene.scale_bar,
        "cross_section_background_color": scene.background,
        "projection_background_color": scene.projection_background,
    }
    for field, value in given.items():
        if value is not None:
            setattr(state, field, value)


def _layout(scene: Scene, names: list[str], centre: list[float] | None) -> Any:  # noqa: ANN401 - neuroglancer's classes
    """Return the layout: one cross-section beside a 3-d view that stays at the data's centre, unless one is asked for."""
    import neuroglancer as ng  # noqa: PLC0415

    if scene.layout not in {None, _ROW}:
        return scene.layout
    if centre is None or (scene.slices and scene.layout is None):  # a 3-d view of its own has no cross-sections
        return "xy-3d"
    flat = ng.LayerGroupViewer(layers=names, layout="xy")
    solid = ng.LayerGroupViewer(layers=names, layout="3d", position=ng.LinkedPosition(link="unlinked", value=centre))
    return ng.row_layout([flat, solid])


def _selected(scene: Scene, shown: tuple[Shown, ...]) -> str | None:
    """Return the layer whose panel is open: that of searchable segments, else of the first that is visible."""
    if scene.selected is not None:
        return next(each.name for each in shown if each.artifact.name == scene.selected)
    visible = [each for each in shown if each.layer.visible]
    for each in visible:
        facts = each.artifact.facts
        if isinstance(facts, VolumeFacts) and facts.segment_properties and not facts.regions:
            return each.name
    first = sorted(visible, key=lambda each: each.kind != "segmentation")
    return first[0].name if first else None


def _merged(made: Any, more: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return JSON with the fields of `more` put over it, objects into objects."""
    if not isinstance(made, dict):
        return more
    both = {
        name: _merged(made.get(name), value) if isinstance(value, Mapping) else value for name, value in more.items()
    }
    return {**made, **both}
