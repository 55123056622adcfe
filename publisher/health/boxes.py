"""Bounding boxes of layers that are shown together, in nm: they must overlap, and one is not 8 times another by chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from publisher.facts import SkeletonFacts, Triple, VolumeFacts
from publisher.health.places import nm_of
from publisher.health.subject import Subject
from publisher.objects import Finding

CHECK = "boxes"
Box = tuple[Triple, Triple]
_NEAR = 0.02  # how far three ratios may differ and still be one factor


def check(subjects: Sequence[Subject], segmentations: Mapping[str, Subject]) -> Iterator[Finding]:
    """Yield layers that lie beside their segmentation, and volumes of one space that cannot be of one size."""
    for subject in subjects:
        named = getattr(subject.artifact.facts, "segmentation", "")
        volume = segmentations.get(str(named))
        box, other = of(subject), of(volume) if volume else None
        if volume is None or box is None or other is None:
            continue
        yield from _beside(subject, box, volume, other)
    volumes = [(each, box) for each in subjects if each.kind == "volume" and (box := of(each)) is not None]
    for at, (one, box) in enumerate(volumes):
        for before, other in volumes[:at]:
            if one.artifact.space == before.artifact.space:
                yield from _sizes(one, box, before, other)


def of(subject: Subject) -> Box | None:
    """Return the bounding box of a layer in nm where its facts tell one."""
    facts = subject.artifact.facts
    if subject.kind == "volume" and isinstance(facts, VolumeFacts) and min(facts.scales[0].voxel_size_nm) > 0:
        scale = facts.scales[0]
        low = [at * size for at, size in zip(scale.offset_voxels, scale.voxel_size_nm, strict=True)]
        sides = [count * size for count, size in zip(scale.size_voxels, scale.voxel_size_nm, strict=True)]
        high = [at + side for at, side in zip(low, sides, strict=True)]
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])
    if subject.kind == "skeletons" and isinstance(facts, SkeletonFacts):
        return facts.bounds_nm
    if subject.kind == "annotations" and (units := nm_of(subject.info)) is not None:
        low, high = subject.info.get("lower_bound", []), subject.info.get("upper_bound", [])
        if len(low) == len(high) == len(subject.info["dimensions"]):
            (ax, fx), (ay, fy), (az, fz) = units
            return (low[ax] * fx, low[ay] * fy, low[az] * fz), (high[ax] * fx, high[ay] * fy, high[az] * fz)
    return None


def _beside(subject: Subject, box: Box, volume: Subject, other: Box) -> Iterator[Finding]:
    inside = [_overlap(*edges) for edges in zip(*box, *other, strict=True)]
    if min(inside) > 0.5:  # noqa: PLR2004 - half of each axis
        return
    name = volume.artifact.name
    told = f"lies at {_told(box)} nm, and {name} at {_told(other)} nm"
    if min(inside) <= 0:
        yield subject.finding(CHECK, "error", f"{told}: they do not touch → are the units, axes and offset right?")
    else:
        yield subject.finding(
            CHECK, "warning", f"{told}: most of it is outside → are the units, axes and offset right?"
        )


def _sizes(one: Subject, box: Box, before: Subject, other: Box) -> Iterator[Finding]:
    name = before.artifact.name
    if min(_overlap(*edges) for edges in zip(*box, *other, strict=True)) <= 0:
        message = f"lies at {_told(box)} nm, and {name} at {_told(other)} nm, in the same space: they do not touch"
        yield one.finding(CHECK, "warning", f"{message} → is resolution or voxel_offset wrong in one of them?", "info")
        return
    ratios = [(b - a) / (d - c) for a, b, c, d in zip(*box, *other, strict=True) if d > c]
    factor = round(max(ratios[0], 1 / ratios[0])) if ratios and ratios[0] > 0 else 1
    larger = ratios[0] > 1 if ratios else False
    if factor in {4, 8, 16, 1000} and all(abs((r if larger else 1 / r) / factor - 1) < _NEAR for r in ratios if r > 0):
        message = f"is {factor} times as {'large' if larger else 'small'} as {name} along every axis, in the same space"
        yield one.finding(CHECK, "warning", f"{message} → is the voxel size of one of them in other units?", "info")


def _overlap(low: float, high: float, other_low: float, other_high: float) -> float:
    """Return which part of an interval lies in another one; below 0 where they do not touch."""
    side = max(high - low, 1e-9)
    return (min(high, other_high) - max(low, other_low) + 1e-9) / side


def _told(box: Box) -> str:
    return " to ".join(f"({', '.join(f'{length:.0f}' for length in corner)})" for corner in box)
