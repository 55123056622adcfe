"""Volumes: image and segmentation arrays that readers open where they lie. Published byte for byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from publisher.artifacts.base import Artifact, Bench, Made, Slug, Text
from publisher.errors import InvalidInput, Problem
from publisher.facts import VolumeFacts
from publisher.formats import arrays, precomputed, regions, segment_properties
from publisher.record import Space
from publisher.tree import Role, Tree
from publisher.units import nanometres

Label = Annotated[int, Field(ge=0, lt=2**64)]
Regions = Annotated[dict[Label, Text], Field(min_length=1)]


class Volume(Artifact):
    """A volume: neuroglancer precomputed (also with .gz files), N5, zarr v2 or v3."""

    section: ClassVar[str] = "volumes"
    default_group: ClassVar[str] = "Image data"

    segment_properties: str | None = None
    """Name of a table that makes the viewer's searchable list of segments."""
    regions: Regions | Slug | None = None
    """Names of the labels of a volume of regions: {1: LH(R), 2: …}, or the table that has a row for each."""

    @model_validator(mode="after")
    def _one_list(self) -> Volume:
        if self.segment_properties and self.regions:
            raise PydanticCustomError("one_list", "has both regions and segment_properties: give one of them")
        if self.external and self.regions:
            raise PydanticCustomError(
                "named_elsewhere", "has regions, but is external: only what is published is named"
            )
        return self

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """The tables that name its segments."""
        given = (("segment_properties", self.segment_properties), ("regions", self.regions))
        return tuple((field, name) for field, name in given if isinstance(name, str))

    def stage(self, bench: Bench) -> Made:
        """Read the volume's metadata; make segment properties beside it where a table is named."""
        facts, role, encoded_names = look(bench.source)
        facts, warnings = _in_space(facts, bench.space)
        trees = [self.tree(bench, role=role, encoded_names=encoded_names)]
        # Beside the volume and not in it: a source is published byte for byte, its `info` too.
        key = f"{bench.key}-segment-properties"
        folder = bench.work / "segment-properties" / self.name
        if self.regions:
            names = regions.read(bench.table(self.regions)) if isinstance(self.regions, str) else self.regions
            if not facts.data_type.startswith(("uint", "int")):
                message = f"has regions, and its voxels are {facts.data_type}"
                raise InvalidInput(Problem("", message, "only labels, which are whole numbers, have names"))
            regions.write(names, folder)
            named = tuple((str(label), names[label]) for label in sorted(names))
            facts = replace(facts, role="segmentation", regions=named)
        elif self.segment_properties:
            if facts.role != "segmentation":
                raise InvalidInput(
                    Problem("", "has segment_properties, but is an image", "only segmentations have segments")
                )
            segment_properties.write(bench.table(self.segment_properties), folder)
        if self.regions or self.segment_properties:
            trees.append(Tree(artifact=self.name, key=key, path=folder, role=lambda _: "json"))
            facts = replace(facts, segment_properties=key)
        return Made(tuple(trees), facts, warnings=warnings)


def _in_space(facts: VolumeFacts, space: Space | None) -> tuple[VolumeFacts, tuple[Problem, ...]]:
    """Give a volume whose files do not say how large a voxel is the voxel of its space, and say so."""
    if facts.axes is None:
        return facts, ()
    if space is None:
        message = "does not say how large its voxels are, and neither does the manifest"
        return facts, (Problem("", message, "give a `space`, so that scenes can place it"),)
    unit, finest = nanometres(space.units), facts.scales[0].size_voxels
    scales = []
    for scale in facts.scales:
        factors = (max(1, round(a / b)) for a, b in zip(finest, scale.size_voxels, strict=True))
        x, y, z = (length * unit * factor for length, factor in zip(space.voxel_size, factors, strict=True))
        scales.append(replace(scale, voxel_size_nm=(x, y, z)))
    message = f"does not say how large its voxels are; those of the space {space.name!r} are taken"
    return replace(facts, scales=tuple(scales)), (Problem("", message, "write them into its metadata if you can"),)


def look(source: Path) -> tuple[VolumeFacts, Role, bool]:
    """Find out which format a folder is; return its facts, the role of its files, and whether `.gz` names are encoded.

    Raises:
        InvalidInput: it is none that can be published, or its metadata does not hold.

    """
    if precomputed.info_path(source) is not None:
        return precomputed.volume_facts(source), precomputed.roles(source), True
    facts = arrays.facts(source)
    if facts is None:
        raise InvalidInput(
            Problem(
                str(source),
                "is not a volume: none of info (precomputed), attributes.json (N5), zarr.json, .zarray or .zgroup is in it",
                "give the folder that holds one of them",
            )
        )
    return facts, arrays.roles(source), False
