"""Scenes: for each, the state of a real Neuroglancer viewer, built through the neuroglancer package's own classes.

Positions are in voxels of the scene's dimensions (+0.5 is a voxel's centre), `crossSectionScale` in voxels a screen
pixel, `projectionScale` in voxels that the view's height spans.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from publisher.errors import InvalidInput, Problem
from publisher.facts import AnnotationFacts, MeshFacts, SkeletonFacts, Triple, VolumeFacts
from publisher.manifest import Layer, Release, Scene, unit_nm
from publisher.record import Described, SceneRef
from publisher.units import nanometres

VIEWER = "https://neuroglancer-demo.appspot.com/"
# Distinct on dark and light, also for the colour-blind (Okabe and Ito, and three between).
COLORS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999", "#66ccbb", "#aa5599")
SCREEN_PIXELS = 800  # the height of a view on a usual screen
_WIDER = 1.5  # how much wider than the data the 3-d view is


@dataclass(frozen=True, slots=True)
class View:
    """A scene and its viewer state, ready to be stored or linked to."""

    ref: SceneRef
    state: dict[str, Any]

    def dump(self) -> bytes:
        """Return the scene's JSON as it is published."""
        return (json.dumps(self.state, indent=1, ensure_ascii=False) + "\n").encode()


def build(release: Release, artifacts: Iterable[Described], base_url: str) -> tuple[View, ...]:
    """Build every scene of a release, with addresses below `base_url`."""
    described = {artifact.name: artifact for artifact in artifacts}
    return tuple(
        View(
            SceneRef(scene.name, scene.title or scene.name, release.scene_key(scene)),
            _state(scene, release, described, base_url.rstrip("/")),
        )
        for scene in release.scenes
    )


def link(state: Mapping[str, Any], viewer: str = VIEWER) -> str:
    """Return the long link: the whole state, percent-encoded, so that it survives Markdown, mail and shells."""
    return f"{viewer}#!{quote(json.dumps(state, separators=(',', ':')), safe='')}"


def short_link(scene_url: str, viewer: str = VIEWER) -> str:
    """Return the short link: the viewer loads the state from the hosted JSON."""
    return f"{viewer}#!{scene_url}"


def _state(scene: Scene, release: Release, described: Mapping[str, Described], base: str) -> dict[str, Any]:
    import neuroglancer as ng  # noqa: PLC0415 - half a second, and only scenes need it

    shown = [described[layer.artifact] for layer in scene.layers]
    voxel = _voxel_nm(shown, release)
    state = ng.ViewerState()
    state.title = f"{release.dataset.title} {release.version}: {scene.title or scene.name}"
    state.dimensions = ng.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=list(voxel))
    for layer in scene.layers:
        made = _layer(layer, described, base, [artifact.name for artifact in shown])
        state.layers.append(name=layer.name or described[layer.artifact].title, layer=made, visible=layer.visible)
    segmentations = [other for other in state.layers if isinstance(other.layer, ng.SegmentationLayer)]
    if scene.segment_query is not None and segmentations:
        segmentations[0].layer.segment_query = scene.segment_query
    extent = _extent_nm(shown, described)
    centre = None if extent is None else [(a + b) / 2 / v for a, b, v in zip(*extent, voxel, strict=True)]
    position = list(scene.position) if scene.position else _vertex(shown, described, voxel) or centre
    if position is not None:
        state.position = position
    spans = None if extent is None else max(b - a for a, b in zip(*extent, strict=True))
    if scene.zoom or spans:
        state.cross_section_scale = (scene.zoom or (spans or 0) / SCREEN_PIXELS) / voxel[0]
    if scene.projection_zoom or spans:
        state.projection_scale = (scene.projection_zoom or _WIDER * (spans or 0)) / voxel[0]
    state.show_slices = False
    state.show_default_annotations = False  # the bounding box: a yellow cage around every neuron
    names = [layer.name for layer in state.layers]
    state.layout = _layout(scene, names, centre)
    selected = scene.selected or next(
        (a.name for a in shown if isinstance(a.facts, VolumeFacts) and a.facts.segment_properties), None
    )
    if selected:
        state.selected_layer = ng.SelectedLayerState(layer=names[[a.name for a in shown].index(selected)], visible=True)
    made_json: dict[str, Any] = state.to_json()
    made_json["layers"] = [
        _merged(made, layer.state) for made, layer in zip(made_json["layers"], scene.layers, strict=True)
    ]
    made_json = _merged(made_json, scene.state)
    _refuse_what_does_not_fit(made_json, scene.name)
    return made_json


def _refuse_what_does_not_fit(made: Mapping[str, Any], name: str) -> None:
    """Raise where a field that was set by hand is none that the viewer can hold: its classes look when they are asked."""
    import neuroglancer as ng  # noqa: PLC0415

    state = ng.ViewerState(made)
    for holder in (state, *(layer.layer for layer in state.layers)):
        for field in dir(type(holder)):
            try:
                if isinstance(getattr(type(holder), field), property):
                    getattr(holder, field)
            except (TypeError, ValueError, KeyError) as error:
                why = f": {error}" if str(error) else ""
                message = f"has a field {field!r} that the viewer cannot hold{why}"
                raise InvalidInput(Problem(f"scene {name!r}", message, "correct its `state`")) from None


def _layout(scene: Scene, names: list[str], centre: list[float] | None) -> Any:  # noqa: ANN401 - neuroglancer's classes
    """Return the layout: one cross-section beside a 3-d view that stays at the data's centre, unless one is asked for."""
    import neuroglancer as ng  # noqa: PLC0415

    if scene.layout is not None or centre is None:
        return scene.layout or "xy-3d"
    flat = ng.LayerGroupViewer(layers=names, layout="xy")
    solid = ng.LayerGroupViewer(layers=names, layout="3d", position=ng.LinkedPosition(link="unlinked", value=centre))
    return ng.row_layout([flat, solid])


def _layer(layer: Layer, described: Mapping[str, Described], base: str, shown: list[str]) -> Any:  # noqa: ANN401
    """Return one layer of the right type with all its sources."""
    import neuroglancer as ng  # noqa: PLC0415

    artifact = described[layer.artifact]
    kind = _kind(artifact)
    sources = [_placed(artifact, _source(artifact, base)), *_linked_sources(artifact, described, base, shown)]
    if kind == "image":
        made = ng.ImageLayer(source=sources)
    elif kind == "annotations":
        made = ng.AnnotationLayer(source=sources)
    else:
        made = ng.SegmentationLayer(source=sources, tab="segments")
        segments = layer.segments if layer.segments is not None else _segments(artifact, described)
        made.segments = segments
        made.segment_colors = {segment: COLORS[at % len(COLORS)] for at, segment in enumerate(segments)}
    if layer.shader is not None:
        made.shader = layer.shader
    if layer.color is not None and kind == "annotations":
        made.annotation_color = layer.color
    elif layer.color is not None and kind == "segmentation":
        made.segment_default_color = layer.color
    return made


def _kind(artifact: Described) -> str:
    facts = artifact.facts
    if isinstance(facts, AnnotationFacts) or artifact.section == "annotations":
        return "annotations"
    if isinstance(facts, VolumeFacts):
        return facts.role
    stated = artifact.stated or {}
    labels = str(stated.get("dtype", "")) in {"uint64", "uint32"}
    return "segmentation" if labels or artifact.section in {"skeletons", "meshes"} else "image"


def _placed(artifact: Described, url: str) -> Any:  # noqa: ANN401 - neuroglancer's classes
    """Return a source; with a transform into the artifact's space where its own files do not say where it belongs."""
    import neuroglancer as ng  # noqa: PLC0415

    facts = artifact.facts
    if not isinstance(facts, VolumeFacts) or facts.axes is None or len(facts.axis_names) != 3:  # noqa: PLR2004 - x, y, z
        return url
    voxel = facts.scales[0].voxel_size_nm
    if min(voxel) <= 0:
        return url
    rows = [[float(column == place) for column in range(3)] + [0.0] for place in facts.axes]
    space = ng.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=list(voxel))
    # The array's own axes need their lengths too: without, the viewer takes one voxel for one whole unit.
    lengths = [voxel[facts.axes.index(axis)] for axis in range(3)]
    array = ng.CoordinateSpace(names=list(facts.axis_names), units="nm", scales=lengths)
    moved = ng.CoordinateSpaceTransform(output_dimensions=space, input_dimensions=array, matrix=rows)
    return ng.LayerDataSource(url=url, transform=moved)


def _source(artifact: Described, base: str) -> str:
    """Return the address of an artifact in the viewer's words: its format, then where it is."""
    facts = artifact.facts
    if artifact.external:
        # precomputed://…, graphene://…, dvid://… and the pipe form gs://…|zarr3: say already what they are.
        if artifact.external.partition("://")[0] not in _STORES or "|" in artifact.external:
            return artifact.external
        stated = str((artifact.stated or {}).get("format", "")).lower()
        scheme = next((name for name in ("n5", "zarr") if name in stated), "precomputed")
        return f"{scheme}://{artifact.external}"
    if isinstance(facts, SkeletonFacts):
        return f"precomputed://{base}/{artifact.key}/skeletons-precomputed"
    scheme = "precomputed"
    if isinstance(facts, VolumeFacts) and facts.format != "precomputed":
        scheme = "n5" if facts.format == "n5" else "zarr"
    return f"{scheme}://{base}/{artifact.key}"


# Schemes that say where something is, not what it is.
_STORES = frozenset({"http", "https", "gs", "gs+xml", "s3", "s3+http", "s3+https"})


def _linked_sources(artifact: Described, described: Mapping[str, Described], base: str, shown: list[str]) -> list[str]:
    """Return what belongs to a segmentation: its list of segments, skeletons and meshes that are no layer themselves."""
    sources = []
    if isinstance(artifact.facts, VolumeFacts) and artifact.facts.segment_properties:
        sources.append(f"precomputed://{base}/{artifact.facts.segment_properties}")
    for other in described.values():
        facts = other.facts
        if (
            other.name in shown
            or not isinstance(facts, SkeletonFacts | MeshFacts)
            or facts.segmentation != artifact.name
        ):
            continue
        if isinstance(facts, MeshFacts) or "precomputed" in facts.formats:
            sources.append(_source(other, base))
    return sources


def _skeletons(artifact: Described, described: Mapping[str, Described]) -> SkeletonFacts | None:
    """Return the facts of the skeletons of a segmentation, or of these skeletons themselves."""
    if isinstance(artifact.facts, SkeletonFacts):
        return artifact.facts
    every = (other.facts for other in described.values())
    return next((f for f in every if isinstance(f, SkeletonFacts) and f.segmentation == artifact.name), None)


def _segments(artifact: Described, described: Mapping[str, Described]) -> tuple[int, ...]:
    facts = _skeletons(artifact, described)
    return tuple(int(segment) for segment in facts.ids) if facts else ()


def _vertex(shown: Iterable[Described], described: Mapping[str, Described], voxel: Triple) -> list[float] | None:
    """Return a place on a neuron: the cross-section there shows something, which the centre of a neuron rarely does."""
    for artifact in shown:
        facts = _skeletons(artifact, described)
        if facts is not None and facts.node_nm is not None:
            return [nm / v for nm, v in zip(facts.node_nm, voxel, strict=True)]
    return None


def _extent_nm(shown: Iterable[Described], described: Mapping[str, Described]) -> tuple[Triple, Triple] | None:
    """Return the bounding box that the view is to hold: of the neurons where there are any, else of the volumes."""
    for artifact in shown:
        facts = _skeletons(artifact, described)
        if facts is not None and facts.bounds_nm is not None:
            return facts.bounds_nm
    for artifact in shown:
        facts_of = artifact.facts
        if isinstance(facts_of, VolumeFacts) and min(facts_of.scales[0].voxel_size_nm) > 0:
            return bounds_nm(facts_of)
        extent, size = (artifact.stated or {}).get("extent"), (artifact.stated or {}).get("voxel_size")
        if extent and size:
            unit = _unit_nm((artifact.stated or {}).get("units"))
            x, y, z = (float(n * s * unit) for n, s in zip(extent, size, strict=True))
            return (0.0, 0.0, 0.0), (x, y, z)
    return None


def _unit_nm(units: str | None) -> float:
    """Return the nanometres of stated units, which may be any words."""
    try:
        return nanometres(units or "nm")
    except ValueError:
        return 1.0


def bounds_nm(facts: VolumeFacts) -> tuple[Triple, Triple]:
    """Return the bounding box of a volume in nm, by its finest scale."""
    scale = facts.scales[0]
    low = [o * v for o, v in zip(scale.offset_voxels, scale.voxel_size_nm, strict=True)]
    high = [(o + n) * v for o, n, v in zip(scale.offset_voxels, scale.size_voxels, scale.voxel_size_nm, strict=True)]
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _voxel_nm(shown: Iterable[Described], release: Release) -> Triple:
    """Return the voxel of the scene: the space's, which is how positions are cited; else the finest that is shown."""
    for artifact in shown:
        if artifact.space is not None:
            return unit_nm(artifact.space)
        if isinstance(artifact.facts, VolumeFacts) and min(artifact.facts.scales[0].voxel_size_nm) > 0:
            return artifact.facts.scales[0].voxel_size_nm
    return unit_nm(release.space.value()) if release.space else (1.0, 1.0, 1.0)


def _merged(made: Any, more: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return JSON with the fields of `more` put over it, objects into objects."""
    if not isinstance(made, dict):
        return more
    both = {
        name: _merged(made.get(name), value) if isinstance(value, Mapping) else value for name, value in more.items()
    }
    return {**made, **both}
