"""Labels of a segmentation, looked up a few voxels at a time, or chunk by chunk. Axes are x, y, z."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from publisher.facts import Scale, Whole
from publisher.formats.voxels import Box, Unreadable, Voxels, open_voxels
from publisher.health.subject import Subject

__all__ = ["Labels", "Unreadable", "open_labels"]


@dataclass(frozen=True)
class Labels:
    """One scale of a segmentation, open for looking up."""

    subject: Subject
    voxels: Voxels

    @property
    def scale(self) -> Scale:
        """The scale that is open."""
        return self.voxels.scale

    def near(self, voxel: Whole) -> NDArray[np.uint64]:
        """Return the labels within 3 x 3 x 3 voxels around one; none beyond the volume."""
        low, high = self.voxels.box
        start = tuple(max(a - 1, b) for a, b in zip(voxel, low, strict=True))
        stop = tuple(min(a + 2, b) for a, b in zip(voxel, high, strict=True))
        if any(b <= a for a, b in zip(start, stop, strict=True)):
            return np.zeros(0, np.uint64)
        return np.unique(self.read((start, stop)))

    def read(self, box: Box) -> NDArray[np.uint64]:
        """Return the labels (x, y, z) of a box; raise Unreadable where they cannot be."""
        return self.voxels.read(box).astype(np.uint64, copy=False)

    def chunks(self) -> Iterator[Box]:
        """Yield the box of each chunk of the grid; of those that have a file each, only what is there."""
        return self.voxels.chunks()


def open_labels(subject: Subject, scale: Scale) -> Labels:
    """Open one scale of a segmentation; raise Unreadable where tensorstore is not installed, or cannot read it."""
    return Labels(subject, open_voxels(subject.folder, subject.facts, scale))
