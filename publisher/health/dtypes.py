"""Types of layers that are shown together: what is of a segmentation is of labels, and its ids fit into their type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from publisher.facts import AnnotationFacts, VolumeFacts
from publisher.formats.precomputed import LEGACY_MESH
from publisher.health.keyed import Value, below, is_id, sharding_of, values
from publisher.health.meshes import unsharded
from publisher.health.sample import MOST, chosen
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding

CHECK = "types"
_NOUNS = {"meshes": "mesh", "skeletons": "skeleton", "annotations": "list of annotations"}


def check(subjects: Sequence[Subject], depth: Depth) -> Iterator[Finding]:
    """Yield layers that are of a volume without labels, and ids that no voxel of theirs can have."""
    volumes = {each.artifact.name: each for each in subjects if each.kind == "volume"}
    for layer in subjects:
        if layer.kind == "volume":
            continue
        wholes = _wholes(layer)
        for name in sorted({name for name in wholes.values() if name in volumes}):
            yield from _labels(layer, volumes[name])
        for relationship, name in wholes.items() if depth != "quick" else ():
            if name in volumes:
                yield from _ids(layer, relationship, volumes[name], depth)


def _wholes(layer: Subject) -> Mapping[str, str]:
    """Return the volumes that a layer's ids are of, by relationship; "" for a layer that has but one."""
    facts = layer.artifact.facts
    if isinstance(facts, AnnotationFacts):
        return {each: facts.related.get(each, facts.segmentation) for each in facts.relationships}
    own = layer.artifact.name if layer.kind == "properties" or isinstance(facts, VolumeFacts) else ""
    return {"": str(getattr(facts, "segmentation", "") or own)}


def _labels(layer: Subject, volume: Subject) -> Iterator[Finding]:
    facts, name = volume.facts, volume.artifact.name
    if facts.role == "segmentation":
        return
    message = (
        f"is of the segments of {name}, which is an image of {facts.data_type}: the viewer has none to select in it"
    )
    whole = facts.data_type.startswith(("uint", "int"))
    cure = f"write the labels of {name} as uint32 or uint64, or name another `segmentation`"
    yield layer.finding(CHECK, "warning" if whole else "error", f"{message} → {cure}")


def _ids(layer: Subject, relationship: str, volume: Subject, depth: Depth) -> Iterator[Finding]:
    """Yield the largest id that is too large for a voxel, where there is one among those that are looked at."""
    bits = {"uint8": 8, "uint16": 16, "uint32": 32, "int8": 7, "int16": 15, "int32": 31}.get(volume.facts.data_type)
    if bits is None or volume.facts.role != "segmentation":
        return
    seen = [
        each for each in chosen(_every(layer, relationship), MOST[depth], layer.key) if not isinstance(each, Finding)
    ]
    large = [each for each in seen if each >> bits]
    if large:
        what = f"its relationship {relationship!r} has" if relationship else "it has"
        message = f"{what} the id {max(large)}, and no voxel of {volume.artifact.name} can have it: those are"
        cure = "is it of another segmentation, or was that one written in too narrow a type?"
        yield layer.finding(CHECK, "error", f"{message} {volume.facts.data_type} → {cure}")


def _every(layer: Subject, relationship: str) -> Iterator[int | Finding]:
    """Yield every id that a layer has something of."""
    if layer.kind == "properties":
        inline = layer.info.get("inline")
        listed = inline.get("ids") if isinstance(inline, dict) else None
        yield from (int(each) for each in listed or () if isinstance(each, str) and is_id(each))
        return
    if layer.info.get("@type") == LEGACY_MESH:
        names = (file.relative.partition(":") for file in layer.files())
        yield from (int(segment) for segment, _, level in names if level == "0" and is_id(segment))
        return
    holder, place = layer.info, layer
    if layer.kind == "annotations":
        listed = layer.info.get("relationships")
        known = {each.get("id"): each for each in listed or () if isinstance(each, dict)}
        holder = known.get(relationship, {})
        if not isinstance(holder.get("key"), str):
            return  # which the folder's own check tells
        place = below(layer, holder["key"])
    sharding = sharding_of(holder, layer, CHECK)
    if isinstance(sharding, Finding):
        return
    loose = layer.kind == "meshes" and sharding is None
    found = unsharded(layer) if loose else values(place, sharding, CHECK, _NOUNS[layer.kind])
    yield from (each.id for each in found if isinstance(each, Value))
