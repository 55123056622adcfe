"""Annotations: precomputed folders pass through."""

from __future__ import annotations

from typing import ClassVar

from publisher.artifacts.base import Artifact, Bench, Made
from publisher.errors import InvalidInput, Problem
from publisher.formats import precomputed


class Annotations(Artifact):
    """Points, lines, boxes or ellipsoids, as a neuroglancer precomputed annotation folder."""

    section: ClassVar[str] = "annotations"
    default_group: ClassVar[str] = "Annotations"

    segmentation: str | None = None
    """Name of the volume whose segments the annotations relate to."""

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """The segmentation."""
        return (("segmentation", self.segmentation),) if self.segmentation else ()

    def stage(self, bench: Bench) -> Made:
        """Read the folder's `info`."""
        if precomputed.info_path(bench.source) is None:
            raise InvalidInput(
                Problem(
                    str(bench.source),
                    "is not a precomputed annotation folder (it has no info)",
                    "publish a table of points under `tables`; annotations are not built from tables yet",
                )
            )
        facts = precomputed.annotation_facts(bench.source, self.segmentation or "")
        return Made((self.tree(bench, role=precomputed.roles(bench.source), encoded_names=True),), facts)
