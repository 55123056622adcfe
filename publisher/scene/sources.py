"""Addresses in the viewer's words: a format and where it lies, and how an array lies in its space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from publisher.facts import SkeletonFacts, VolumeFacts
from publisher.record import Described
from publisher.scene.shown import Shown

# Schemes that say where something is, not what it is.
_STORES = frozenset({"http", "https", "gs", "gs+xml", "s3", "s3+http", "s3+https"})
_PIPES = {"precomputed": "neuroglancer-precomputed", "n5": "n5", "zarr": "zarr", "zarr2": "zarr2", "zarr3": "zarr3"}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a release lies, and how the viewer is told: `precomputed://address`, or as a pipe, `address/|format:`."""

    base: str
    pipe: bool = False

    def spelled(self, form: str, url: str) -> str:
        """Return the address of something in a format."""
        if self.pipe:
            return f"{url.rstrip('/')}/|{_PIPES[form]}:"
        return f"{'zarr' if form.startswith('zarr') else form}://{url}"

    def source(self, artifact: Described) -> str:
        """Return the address of an artifact."""
        facts = artifact.facts
        if artifact.external:
            # precomputed://…, graphene://…, dvid://… and the pipe form gs://…|zarr3: say already what they are.
            if artifact.external.partition("://")[0] not in _STORES or "|" in artifact.external:
                return artifact.external
            stated = str((artifact.stated or {}).get("format", "")).lower()
            form = next((name for name in ("n5", "zarr") if name in stated), "precomputed")
            return self.spelled(form, artifact.external)
        form = facts.format if isinstance(facts, VolumeFacts) else "precomputed"
        below = "/skeletons-precomputed" if isinstance(facts, SkeletonFacts) else ""
        return self.spelled(form, f"{self.base}/{artifact.key}{below}")

    def all_of(self, shown: Shown) -> Iterator[Any]:
        """Yield the sources of a layer: the artifact, its list of segments, and what belongs to its segments."""
        artifact = shown.artifact
        yield placed(artifact, self.source(artifact))
        if isinstance(artifact.facts, VolumeFacts) and artifact.facts.segment_properties:
            yield self.spelled("precomputed", f"{self.base}/{artifact.facts.segment_properties}")
        yield from (self.source(part) for part in shown.parts)


def placed(artifact: Described, url: str) -> Any:  # noqa: ANN401 - neuroglancer's classes
    """Return a source; with a transform into the artifact's space where its own files do not say where it belongs."""
    import neuroglancer as ng  # noqa: PLC0415 - half a second, and only scenes need it

    facts = artifact.facts
    if not isinstance(facts, VolumeFacts) or facts.axes is None or len(facts.axis_names) != 3:  # noqa: PLR2004 - x, y, z
        return url
    voxel = facts.scales[0].voxel_size_nm
    if min(voxel) <= 0:
        return url
    rows = [[float(column == place) for column in range(3)] + [0.0] for place in facts.axes]
    space = ng.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=list(voxel))
    # The array's own axes need their lengths too: without, the viewer takes one voxel for one whole unit.
    lengths = [voxel[facts.axes.index(axis)] for axis in range(3)]
    array = ng.CoordinateSpace(names=list(facts.axis_names), units="nm", scales=lengths)
    moved = ng.CoordinateSpaceTransform(output_dimensions=space, input_dimensions=array, matrix=rows)
    return ng.LayerDataSource(url=url, transform=moved)
