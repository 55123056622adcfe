"""Where a scene looks: the voxel of its space, the data's bounding box, and a place that shows something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from publisher.errors import InvalidInput, Problem
from publisher.facts import AnnotationFacts, Facts, MeshFacts, SkeletonFacts, Triple, VolumeFacts
from publisher.manifest import Release, Scene, unit_nm
from publisher.record import Described
from publisher.scene.shown import Shown
from publisher.units import nanometres

Box = tuple[Triple, Triple]
_METRES_NM = 1e9
_RIM = 0.1


@dataclass(frozen=True, slots=True)
class Frame:
    """The view: voxel and lengths in nm, places in voxels; None where nothing says them."""

    voxel_nm: Triple
    centre: list[float] | None
    position: list[float] | None
    spans_nm: float | None


def frame(scene: Scene, shown: tuple[Shown, ...], described: Iterable[Described], release: Release) -> Frame:
    """Return where a scene looks: at a vertex of a neuron where there is one, else at the middle of the data.

    Raises:
        InvalidInput: the neuron to look at is none of those that are known.

    """
    voxel = _voxel_nm((each.artifact for each in shown), release)
    skeletons = list(_skeletons(shown, described))
    box = _box_nm(shown, skeletons)
    centre = None if box is None else [(a + b) / 2 / v for a, b, v in zip(*box, voxel, strict=True)]
    place: Triple | None
    if scene.focus is not None:
        place = _focus(scene, skeletons)
    else:
        examples = (_example_nm(part.facts) for each in shown for part in (*each.parts, each.artifact))
        inside = (example for example in examples if example and not _at_the_rim(example, shown))
        place = next((node for node in (*(facts.node_nm for facts in skeletons), *inside) if node), None)
    position = list(scene.position) if scene.position else None
    if position is None and place is not None:
        position = [nm / v for nm, v in zip(place, voxel, strict=True)]
    spans = None if box is None else max(b - a for a, b in zip(*box, strict=True))
    return Frame(voxel, centre, position or centre, spans)


def bounds_nm(facts: VolumeFacts) -> Box:
    """Return the bounding box of a volume in nm, by its finest scale."""
    scale = facts.scales[0]
    low = [o * v for o, v in zip(scale.offset_voxels, scale.voxel_size_nm, strict=True)]
    high = [(o + n) * v for o, n, v in zip(scale.offset_voxels, scale.size_voxels, scale.voxel_size_nm, strict=True)]
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _skeletons(shown: tuple[Shown, ...], described: Iterable[Described]) -> Iterator[SkeletonFacts]:
    """Yield the skeletons of what is shown, also where they are no layer: they say where the neurons are."""
    names = {each.artifact.name for each in shown}
    every = list(described)
    for each in shown:
        for artifact in (each.artifact, *every):
            facts = artifact.facts
            own = artifact.name == each.artifact.name
            if isinstance(facts, SkeletonFacts) and (own or facts.segmentation == each.artifact.name in names):
                yield facts


def _at_the_rim(place: Triple, shown: tuple[Shown, ...]) -> bool:
    """Whether a cross-section there would be empty for the most part: its place is in the outer tenth of the image."""
    facts = next((each.artifact.facts for each in shown if each.kind == "image"), None)
    if not isinstance(facts, VolumeFacts) or min(facts.scales[0].voxel_size_nm) <= 0:
        return False
    edges = zip(place, *bounds_nm(facts), strict=True)
    return any(min(at - low, high - at) < _RIM * (high - low) for at, low, high in edges)


def _focus(scene: Scene, skeletons: Iterable[SkeletonFacts]) -> Triple:
    places = {segment: node for facts in skeletons for segment, node in zip(facts.ids, facts.nodes_nm, strict=False)}
    if str(scene.focus) not in places:
        message = f"focuses on {scene.focus}, of which no place is known"
        known = f"one of {', '.join(places)}, or give" if places else "give"
        raise InvalidInput(Problem(f"scene {scene.name!r}", message, f"{known} its `position`"))
    return places[str(scene.focus)]


def _box_nm(shown: Iterable[Shown], skeletons: Iterable[SkeletonFacts]) -> Box | None:
    """Return the box that the view is to hold: of the neurons where there are any, else of the first that has one."""
    shown = list(shown)
    for neurons in (*skeletons, *(part.facts for each in shown for part in (each.artifact, *each.parts))):
        if isinstance(neurons, SkeletonFacts | MeshFacts) and neurons.bounds_nm is not None:
            return neurons.bounds_nm
    return next((box for each in shown if (box := _own_box_nm(each.artifact))), None)


def box_nm(shown: Shown) -> Box | None:
    """Return the box of all that a layer shows, its segments' meshes and skeletons too; None where something has none."""
    boxes = [_own_box_nm(shown.artifact), *(_own_box_nm(part) for part in shown.parts)]
    known = [box for box in boxes if box is not None]
    if not known or len(known) < len(boxes):
        return None
    low, high = zip(*known, strict=True)
    (a, b, c), (d, e, f) = (map(min, zip(*low, strict=True)), map(max, zip(*high, strict=True)))
    return (a, b, c), (d, e, f)


def _own_box_nm(artifact: Described) -> Box | None:
    facts, stated = artifact.facts, artifact.stated or {}
    if isinstance(facts, SkeletonFacts | MeshFacts):
        return facts.bounds_nm
    if isinstance(facts, VolumeFacts) and min(facts.scales[0].voxel_size_nm) > 0:
        return bounds_nm(facts)
    if isinstance(facts, AnnotationFacts):
        low, high = _nm(facts, facts.lower_bound), _nm(facts, facts.upper_bound)
        return None if low is None or high is None else (low, high)
    extent, size = stated.get("extent"), stated.get("voxel_size")
    if extent and size:
        unit = _unit_nm(stated.get("units"))
        x, y, z = (float(n * s * unit) for n, s in zip(extent, size, strict=True))
        return (0.0, 0.0, 0.0), (x, y, z)
    return None


def _example_nm(facts: Facts | None) -> Triple | None:
    """Return a vertex of a mesh, or where an annotation lies, for scenes without skeletons."""
    if isinstance(facts, MeshFacts):
        return facts.vertex_nm
    return _nm(facts, facts.example[:3]) if isinstance(facts, AnnotationFacts) else None


def _nm(facts: AnnotationFacts, place: tuple[float, ...]) -> Triple | None:
    """Return a place of annotations in nm, where their dimensions are three lengths."""
    lengths = [length * _METRES_NM for length, unit in facts.dimensions.values() if unit == "m"]
    if not len(lengths) == len(facts.dimensions) == len(place) == 3:  # noqa: PLR2004 - x, y, z
        return None
    x, y, z = (at * length for at, length in zip(place, lengths, strict=True))
    return x, y, z


def _unit_nm(units: str | None) -> float:
    """Return the nanometres of stated units, which may be any words."""
    try:
        return nanometres(units or "nm")
    except ValueError:
        return 1.0


def _voxel_nm(shown: Iterable[Described], release: Release) -> Triple:
    """Return the voxel of the scene: the space's, which is how positions are cited; else the finest that is shown."""
    for artifact in shown:
        if artifact.space is not None:
            return unit_nm(artifact.space)
        if isinstance(artifact.facts, VolumeFacts) and min(artifact.facts.scales[0].voxel_size_nm) > 0:
            return artifact.facts.scales[0].voxel_size_nm
    return unit_nm(release.space.value()) if release.space else (1.0, 1.0, 1.0)
