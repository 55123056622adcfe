"""One layer of each kind, of neuroglancer's own classes: good defaults, and over them what the manifest says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from publisher.facts import AnnotationFacts, MeshFacts, SkeletonFacts, VolumeFacts
from publisher.scene import shaders
from publisher.scene.colors import distinct, pale
from publisher.scene.shown import Shown, is_regions
from publisher.scene.sources import Addresses

_SHADE_OVER = "#ff9d2e"  # of an image that lies over others
_REGIONS: dict[str, Any] = {"object_alpha": 0.25, "mesh_silhouette_rendering": 2, "selected_alpha": 0.15}
_LINE_PIXELS = 2  # skeletons, in the 3-d view


def layer(shown: Shown, addresses: Addresses, names: Mapping[str, str], *, over: bool) -> Any:  # noqa: ANN401 - ng's
    """Return one layer of the right type with all its sources.

    Args:
        shown: what it shows.
        addresses: where that lies.
        names: of the layers, by the name of their artifact.
        over: whether an image lies below it.

    """
    sources = list(addresses.all_of(shown))
    if shown.kind == "image":
        return _image(shown, sources, over=over)
    if shown.kind == "annotation":
        return _annotations(shown, sources, names)
    return _segmentation(shown, sources, names)


def _image(shown: Shown, sources: list[Any], *, over: bool) -> Any:  # noqa: ANN401
    import neuroglancer as ng  # noqa: PLC0415 - half a second, and only scenes need it

    said, facts = shown.layer, shown.artifact.facts
    made = ng.ImageLayer(source=sources, tab="rendering")
    volume = facts if isinstance(facts, VolumeFacts) else None
    color = said.color or (_SHADE_OVER if over else None)
    made.shader = said.shader or shaders.image(volume, said.contrast or _stated(shown), color, over=over)
    made.opacity = said.opacity if said.opacity is not None else 1
    if said.blend is not None:
        made.blend = said.blend
    if said.volume_rendering is not None:
        made.volume_rendering = said.volume_rendering
    if said.shader_controls:
        made.shader_controls = said.shader_controls
    return made


def _stated(shown: Shown) -> tuple[float, float] | None:
    """Return the contrast that the owner of an external image states."""
    low, high = (shown.artifact.stated or {}).get("contrast") or (0, 0)
    return (low, high) if low < high else None


def _annotations(shown: Shown, sources: list[Any], names: Mapping[str, str]) -> Any:  # noqa: ANN401
    import neuroglancer as ng  # noqa: PLC0415

    said, facts = shown.layer, shown.artifact.facts
    made = ng.AnnotationLayer(source=sources, tab="rendering")
    if said.color is not None:
        made.annotation_color = said.color
    if said.shader is not None:
        made.shader = said.shader
    elif isinstance(facts, AnnotationFacts):
        made.shader = shaders.annotation(facts.annotation_type, facts.described, said.color)
    if said.shader_controls:
        made.shader_controls = said.shader_controls
    linked = _related(facts, shown.of, names) if isinstance(facts, AnnotationFacts) else {}
    if linked:
        made.linked_segmentation_layer = linked
        made.filter_by_segmentation = list(linked)
    return made


def _related(facts: AnnotationFacts, of: str, names: Mapping[str, str]) -> dict[str, str]:
    """Return the relationships whose segmentation is shown, each with its layer."""
    wholes = ((relationship, facts.related.get(relationship, of)) for relationship in facts.relationships)
    return {relationship: names[whole] for relationship, whole in wholes if whole in names}


def _segmentation(shown: Shown, sources: list[Any], names: Mapping[str, str]) -> Any:  # noqa: ANN401
    import neuroglancer as ng  # noqa: PLC0415

    said = shown.layer
    made = ng.SegmentationLayer(source=sources, tab="segments")
    regions = is_regions(shown.artifact)
    for field, value in (_REGIONS if regions else {}).items():
        setattr(made, field, value)
    linked = shown.of in names
    if linked:
        made.linked_segmentation_group = names[shown.of]
    segments = said.segments if said.segments is not None else (() if linked else segments_of(shown))
    made.segments = segments
    colors = {segment: pale(at) if regions else distinct(at) for at, segment in enumerate(segments)}
    if colors or said.colors:
        made.segment_colors = {**colors, **said.colors}
    if shown.artifact.section == "skeletons":
        made.skeleton_rendering = ng.SkeletonRenderingOptions(mode3d="lines", line_width3d=_LINE_PIXELS)
    _say(made, shown)
    return made


def _say(made: Any, shown: Shown) -> None:  # noqa: ANN401
    """Put what the manifest says into a segmentation layer."""
    said = shown.layer
    given = {
        "selected_alpha": said.opacity,
        "object_alpha": said.mesh_opacity,
        "mesh_silhouette_rendering": said.silhouette,
        "segment_query": said.segment_query,
        "segment_default_color": said.color,
    }
    for field, value in given.items():
        if value is not None:
            setattr(made, field, value)
    if said.shader is not None or said.shader_controls:  # what has a shader in such a layer are its skeletons
        if said.shader is not None:
            made.skeleton_rendering.shader = said.shader
        if said.shader_controls:
            made.skeleton_rendering.shader_controls = said.shader_controls


def segments_of(shown: Shown) -> tuple[int, ...]:
    """Return the segments that are selected at first: every region, else some of those with a skeleton or mesh."""
    if isinstance(shown.artifact.facts, VolumeFacts) and shown.artifact.facts.regions:
        return tuple(int(segment) for segment, _ in shown.artifact.facts.regions)
    for part in (shown.artifact, *shown.parts, *shown.apart):
        if isinstance(part.facts, SkeletonFacts | MeshFacts) and part.facts.ids:
            return tuple(int(segment) for segment in part.facts.ids)
    return ()
