"""Which slip of units, axes or offset explains that places do not lie where they belong. Places are nm, as x, y, z."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher.facts import Scale, Triple
from publisher.health.labels import Labels

MOST_PLACES = 200
_TRIED = 60  # places that a slip is tried with
GOOD, BETTER = 0.8, 0.3  # a share that is as it should be; how much more a slip must explain

Points = NDArray[np.float64]


class Place(NamedTuple):
    """A point of something that belongs to segments: any of these labels is right there."""

    owners: tuple[int, ...]
    nm: Triple


@dataclass(frozen=True, slots=True)
class Slip:
    """One mistake: what undoes it, in words and as a function of places (n, 3) in nm."""

    words: str
    undo: Callable[[Points], Points]
    factor: float = 1.0


def slips(scale: Scale) -> Iterator[Slip]:
    """Yield the mistakes that happen; the usual ones first."""
    voxel = np.array(scale.voxel_size_nm)
    corner = np.array(scale.offset_voxels) * voxel
    told = " x ".join(f"{length:g}" for length in scale.voxel_size_nm)
    for factor in dict.fromkeys((8.0, *({voxel[0]} if len(set(voxel)) == 1 else ()), 4.0, 16.0, 1000.0)):
        yield Slip(f"multiplied by {factor:g}", partial(_times, float(factor)), float(factor))
        yield Slip(f"divided by {factor:g}", partial(_times, 1 / float(factor)), 1 / float(factor))
    if len(set(voxel)) > 1:
        yield Slip(f"multiplied by the voxel size ({told} nm)", lambda nm: nm * voxel)
        yield Slip(f"divided by the voxel size ({told} nm)", lambda nm: nm / voxel)
    yield Slip("with their axes reversed (z, y, x)", lambda nm: nm[:, ::-1])
    yield Slip("reversed (z, y, x) and multiplied by the voxel size", lambda nm: nm[:, ::-1] * voxel)
    if corner.any():
        yield Slip("moved by voxel_offset", lambda nm: nm + corner)
        yield Slip("moved back by voxel_offset", lambda nm: nm - corner)
        yield Slip("multiplied by the voxel size and moved by voxel_offset", lambda nm: nm * voxel + corner)


def _times(factor: float, nm: Points) -> Points:
    return nm * factor


def share(places: Sequence[Place], labels: Labels, undo: Callable[[Points], Points] = lambda nm: nm) -> float:
    """Return the share of places that have their own label within 3 x 3 x 3 voxels; raise labels.Unreadable."""
    if not places:
        return 0.0
    nm = undo(np.array([place.nm for place in places], np.float64))
    with np.errstate(invalid="ignore", over="ignore"):
        voxels = np.clip(np.floor(nm / np.array(labels.scale.voxel_size_nm)), -(2.0**60), 2.0**60).astype(np.int64)
    found = 0
    for place, (x, y, z) in zip(places, voxels.tolist(), strict=True):
        found += bool(np.isin(np.array(place.owners, np.uint64), labels.near((x, y, z))).any())
    return found / len(places)


def explained(places: Sequence[Place], labels: Labels, given: float) -> tuple[Slip, float] | None:
    """Return the slip that explains best why so small a share was found, and the share without it; None for none."""
    few = random.Random(len(places)).sample(list(places), min(_TRIED, len(places)))  # noqa: S311 - a sample
    best: tuple[Slip, float] | None = None
    for slip in slips(labels.scale):
        found = share(few, labels, slip.undo)
        if found > (best[1] if best else given + BETTER):
            best = (slip, found)
        if found > 0.95:  # noqa: PLR2004 - as good as good data
            break
    return best
