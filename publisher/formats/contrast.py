"""Which values of an image are best shown black and white: the viewer alone takes all that a data type can hold.

A 12-bit picture in 16 bits would be nearly black, and one of floats anything. So a bounded sample of a coarse scale is
read, the same in each run.
"""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np

from publisher.facts import Scale, VolumeFacts
from publisher.formats.voxels import Box, Unreadable, Voxels, open_voxels

_SHARES = (0.5, 99.5)  # percent of the voxels that are darker than black and than white
_LEAST_VOXELS = 1 << 15  # of a scale that is worth looking at: coarser ones are blurred
_CHUNKS, _VOXELS = 32, 1 << 22  # that are read at the most
_GOLDEN = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)  # steps that fill a box evenly, however many
_WIDE = frozenset({"uint16", "int16", "uint32", "int32", "float32"})  # uint8 is shown well as it is
_RGB = 3


def measure(folder: Path, facts: VolumeFacts) -> tuple[float, float] | None:
    """Return the values, or None: of labels, colours and bytes, and where nothing differs or nobody can read it."""
    if facts.role != "image" or facts.data_type not in _WIDE or facts.channels == _RGB:
        return None
    try:
        opened = open_voxels(folder, facts, _scale(facts))
        parts = [opened.read(box).ravel() for box in _spread(opened)]
    except Unreadable:
        return None  # health tells why
    values = np.concatenate(parts) if parts else np.zeros(0)
    values = values[np.isfinite(values) & (values != 0)]  # 0 is also what was never imaged
    if not len(values):
        return None
    low, high = (float(value) for value in np.percentile(values, _SHARES))
    if np.issubdtype(values.dtype, np.integer):
        low, high = math.floor(low), math.ceil(high)
    return (float(low), float(high)) if low < high else None


def _scale(facts: VolumeFacts) -> Scale:
    """Return the coarsest scale that is large enough, else the finest."""
    large = (scale for scale in reversed(facts.scales) if math.prod(scale.size_voxels) >= _LEAST_VOXELS)
    return next(large, facts.scales[0])


def _spread(voxels: Voxels) -> list[Box]:
    """Return boxes of chunks that lie evenly over the volume, whether or not they are stored; of large ones, a corner."""
    low, high = voxels.box
    sides = voxels.scale.chunk_voxels
    counts = [-(-(b - a) // side) for a, b, side in zip(low, high, sides, strict=True)]
    if math.prod(counts) <= _CHUNKS:
        places = [*product(*map(range, counts))]
    else:
        turns = ([(0.5 + at * part) % 1 for part in _GOLDEN] for at in range(_CHUNKS))
        places = [tuple(int(part * count) for part, count in zip(turn, counts, strict=True)) for turn in turns]
    most = max(1, int((_VOXELS / len(places)) ** (1 / 3)))
    boxes = []
    for place in dict.fromkeys(places):
        start = tuple(a + step * side for a, step, side in zip(low, place, sides, strict=True))
        stop = tuple(min(a + min(side, most), b) for a, side, b in zip(start, sides, high, strict=True))
        boxes.append((start, stop))
    return boxes
