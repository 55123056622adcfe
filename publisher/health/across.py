"""What layers say of each other: vertices and points lie in the segments that they belong to, boxes agree, ids occur.

The first of these is the best single check there is: it sees units (1 nm or 8 nm), offsets, transforms and the order of
axes at once, and on good data nearly every vertex finds its own label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from publisher.facts import SkeletonFacts, VolumeFacts
from publisher.health import boxes, occurrence, places
from publisher.health.labels import Labels, Unreadable, open_labels
from publisher.health.slips import GOOD, Place, Slip, explained, share
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding

CHECK = "across"
_LOW = 0.5  # of vertices; annotations are often at membranes, and are told of without a verdict


def check(subjects: Sequence[Subject], depth: Depth) -> Iterator[Finding]:
    """Yield what does not fit together. At most `MOST_PLACES` lookups a layer, and as many again for each slip tried."""
    segmentations = {
        subject.artifact.name: subject for subject in subjects if subject.kind == "volume" and _is_segmentation(subject)
    }
    yield from boxes.check(subjects, segmentations)
    if depth == "quick":
        return
    opened: dict[str, Labels | Unreadable] = {}
    for subject in subjects:
        volume = segmentations.get(segmentation_of(subject))
        if volume is None or subject.kind in {"volume", "properties"}:
            continue
        name = volume.artifact.name
        if name not in opened:
            opened[name] = _opened(volume)
        yield from _layer(subject, volume, opened[name])
    for volume in segmentations.values():
        yield from occurrence.of_properties(volume, subjects, depth)


def segmentation_of(subject: Subject) -> str:
    """Return the name of the segmentation that a layer belongs to: that of its manifest, or the one it lies in."""
    named = getattr(subject.artifact.facts, "segmentation", "")
    return str(named or (subject.artifact.name if isinstance(subject.artifact.facts, VolumeFacts) else ""))


def _is_segmentation(subject: Subject) -> bool:
    facts = subject.artifact.facts
    return isinstance(facts, VolumeFacts) and facts.role == "segmentation" and facts.axes is None


def _opened(volume: Subject) -> Labels | Unreadable:
    facts = volume.artifact.facts
    assert isinstance(facts, VolumeFacts)
    try:
        return open_labels(volume, facts.scales[0])
    except Unreadable as error:
        return error


def _layer(subject: Subject, volume: Subject, labels: Labels | Unreadable) -> Iterator[Finding]:
    noun = "points" if subject.kind == "annotations" else "vertices"
    unmade = f"whether {noun} lie in their segments of {volume.artifact.name} was not looked at"
    try:
        if isinstance(labels, Unreadable):
            raise labels
        found = places.of(subject)
        if not found:
            return  # their own check tells that there are none
        part = share(found, labels)
        slip = explained(found, labels, part) if part < GOOD else None
    except Unreadable as error:
        yield subject.finding(CHECK, "note", f"{unmade}, because {error}")
        return
    except places.NoDraco:
        yield subject.finding(CHECK, "note", f"{unmade}, because DracoPy is not installed → `pip install DracoPy`")
        return
    yield _verdict(subject, labels, found, part, slip)


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
        return "correct `dimensions` and bounds, or the coordinates of the points"
    if slip.factor != 1:
        diagonal = ", ".join(f"{slip.factor:g}" if at in {0, 5, 10} else "0" for at in range(12))
        return f"coordinates must be nm: write them anew, or a `transform` of [{diagonal}] if it is the identity now"
    return "coordinates must be nm, as x, y, z: write them anew"
