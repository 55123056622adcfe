"""What layers say of each other: vertices and points lie in the segments that they belong to, boxes and types agree, ids occur.

The first of these is the best single check there is: it sees units (1 nm or 8 nm), offsets, transforms and the order of
axes at once, and on good data nearly every vertex finds its own label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from publisher.facts import SkeletonFacts, VolumeFacts
from publisher.health import boxes, dtypes, occurrence, places
from publisher.health.labels import Labels, Unreadable, open_labels
from publisher.health.slips import GOOD, Place, Slip, explained, share
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding

CHECK = "across"
_LOW = 0.5  # of vertices; annotations are often at membranes, and are told of without a verdict


def check(subjects: Sequence[Subject], depth: Depth) -> Iterator[Finding]:
    """Yield what does not fit together. At most `MOST_PLACES` lookups a layer, and as many again for each slip tried."""
    segmentations = _segmentations(subjects)
    yield from boxes.check(subjects, segmentations)
    yield from dtypes.check(subjects, depth)
    if depth == "quick":
        return
    for subject in subjects:
        if subject.kind not in {"volume", "properties"}:
            yield from lookup(subject, subjects, partial(places.of, subject))
    for volume in segmentations.values():
        yield from occurrence.of_properties(volume, subjects, depth)


def lookup(layer: Subject, subjects: Sequence[Subject], find: Callable[[], list[Place]]) -> Iterator[Finding]:
    """Yield how many places of a layer lie in their segments, and which slip explains that they do not."""
    volume = _segmentations(subjects).get(segmentation_of(layer))
    if volume is None:
        return
    noun = "points" if layer.kind == "annotations" else "vertices"
    unmade = f"whether {noun} lie in their segments of {volume.artifact.name} was not looked at"
    try:
        labels = open_labels(volume, volume.facts.scales[0])
        found = find()
        if not found:
            return  # their own check tells that there are none
        part = share(found, labels)
        slip = explained(found, labels, part) if part < GOOD else None
    except Unreadable as error:
        yield layer.finding(CHECK, "note", f"{unmade}, because {error}")
    except places.NoDraco:
        yield layer.finding(CHECK, "note", f"{unmade}, because DracoPy is not installed → `pip install DracoPy`")
    else:
        yield _verdict(layer, labels, found, part, slip)


def _segmentations(subjects: Sequence[Subject]) -> dict[str, Subject]:
    return {each.artifact.name: each for each in subjects if each.kind == "volume" and _is_segmentation(each)}


def segmentation_of(subject: Subject) -> str:
    """Return the name of the segmentation that a layer belongs to: that of its manifest, or the one it lies in."""
    named = getattr(subject.artifact.facts, "segmentation", "")
    return str(named or (subject.artifact.name if isinstance(subject.artifact.facts, VolumeFacts) else ""))


def _is_segmentation(subject: Subject) -> bool:
    facts = subject.artifact.facts
    return isinstance(facts, VolumeFacts) and facts.role == "segmentation" and facts.axes is None


def _verdict(
    subject: Subject, labels: Labels, found: list[Place], part: float, slip: tuple[Slip, float] | None
) -> Finding:
    noun = "points" if subject.kind == "annotations" else "vertices"
    name, key = labels.subject.artifact.name, labels.scale.key
    said = f"{part:.0%} of {len(found)} {noun} lie in their own segments of {name} (within 3 x 3 x 3 voxels of {key})"
    if slip is not None:
        message = f"{said}; {slip[0].words} it would be {slip[1]:.0%}"
        return subject.finding(CHECK, "error", f"{message} → {_cure(subject, slip[0])}")
    if part < _LOW and subject.kind != "annotations":
        message = f"{said}, and no slip of units, axes or offset explains it"
        return subject.finding(CHECK, "warning", f"{message} → is {name} the segmentation that these were made from?")
    return subject.finding(CHECK, "note", said)


def _cure(subject: Subject, slip: Slip) -> str:
    facts = subject.artifact.facts
    if slip.factor != 1 and isinstance(facts, SkeletonFacts) and subject.artifact.section == "skeletons":
        return f'say `units: "{facts.swc_unit_nm * slip.factor:g} nm"` in the manifest'
    if subject.kind == "annotations":
        return "correct `units` where they are built from a table, else `dimensions` and bounds, or the coordinates"
    if slip.factor != 1:
        diagonal = ", ".join(f"{slip.factor:g}" if at in {0, 5, 10} else "0" for at in range(12))
        ready = f"write a `transform` of [{diagonal}] if it is the identity now, or the coordinates anew"
        return f"coordinates must be nm: correct `units` where they are built from files, else {ready}"
    return "coordinates must be nm, as x, y, z: write them anew"
