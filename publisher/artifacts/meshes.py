"""Meshes: precomputed folders pass through."""

from __future__ import annotations

from typing import ClassVar

from publisher.artifacts.base import Bench, Made, OfSegments
from publisher.formats import precomputed


class Meshes(OfSegments):
    """Meshes of segments, as a neuroglancer precomputed folder (legacy or multi-resolution)."""

    section: ClassVar[str] = "meshes"
    default_group: ClassVar[str] = "Meshes"

    units: str | None = None
    """Units of the vertices, such as nm or 8 nm."""

    def stage(self, bench: Bench) -> Made:
        """Read the folder's `info`."""
        hint = "publish OBJ, PLY or ngmesh files as they are under `files`; meshes are not built from them yet"
        precomputed.require(bench.source, "mesh", hint)
        facts = precomputed.mesh_facts(bench.source, self.segmentation or "")
        return Made((self.tree(bench, role=precomputed.roles(bench.source), encoded_names=True),), facts)
