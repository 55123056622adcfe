"""Annotations: precomputed folders pass through."""

from __future__ import annotations

from typing import ClassVar

from publisher.artifacts.base import Bench, Made, OfSegments
from publisher.formats import precomputed


class Annotations(OfSegments):
    """Points, lines, boxes or ellipsoids, as a neuroglancer precomputed annotation folder."""

    section: ClassVar[str] = "annotations"
    default_group: ClassVar[str] = "Annotations"

    def stage(self, bench: Bench) -> Made:
        """Read the folder's `info`."""
        hint = "publish a table of points under `tables`; annotations are not built from tables yet"
        precomputed.require(bench.source, "annotation", hint)
        facts = precomputed.annotation_facts(bench.source, self.segmentation or "")
        return Made((self.tree(bench, role=precomputed.roles(bench.source), encoded_names=True),), facts)
