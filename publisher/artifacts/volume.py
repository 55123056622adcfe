"""Volumes: image and segmentation arrays that readers open where they lie. Published byte for byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, model_validator
from pydantic_core import PydanticCustomError

from publisher.artifacts.base import Artifact, Bench, Made, Model, Text
from publisher.errors import InvalidInput, Problem
from publisher.facts import VolumeFacts
from publisher.formats import arrays, precomputed
from publisher.record import Space
from publisher.tree import Role, Tree
from publisher.units import nanometres


def _regions(value: object) -> object:
    """Say in one sentence what is wrong with names of regions: a union of types would say it once for each."""
    if isinstance(value, str):
        return value
    named = isinstance(value, dict) and all(
        str(label).isdecimal() and int(label) < 2**64 and isinstance(name, str) and name
        for label, name in value.items()
    )
    if not value or not named:
        raise PydanticCustomError("regions", "has no regions like {1: LH(R), 2: MB(R)} or the name of a table in it")
    return value


Regions = Annotated[dict[int, str] | str, BeforeValidator(_regions)]


class SegmentProperties(Model):
    """Which columns of a table the viewer's list of segments has; what is left out is chosen by names and values."""

    table: Text
    """Name of the table, one row a segment."""
    id: Text | None = None
    """Column of the segment ids; otherwise `body`, `id`, `root_id` and the like."""
    label: Text | None = None
    """Column that is shown beside the id and searched by its beginning; otherwise `instance`, `name`, `type` …"""
    description: Text | None = None
    """Column of longer words."""
    tags: tuple[Text, ...] | None = None
    """Columns that are searched as #value; otherwise those of words with few distinct values."""
    numbers: tuple[Text, ...] | None = None
    """Columns that are searched as column>1000; otherwise all numbers without gaps."""
    missing: float | None = None
    """The number that stands where there is none, such as -1; the viewer knows no gaps."""


def _named(value: object) -> object:
    return {"table": value} if isinstance(value, str) else value


# `segment_properties: table` is the short form of `segment_properties: {table: table}`.
Properties = Annotated[SegmentProperties, BeforeValidator(_named, json_schema_input_type=str | SegmentProperties)]


class Volume(Artifact):
    """A volume: neuroglancer precomputed (also with .gz files), N5, zarr v2 or v3."""

    section: ClassVar[str] = "volumes"
    default_group: ClassVar[str] = "Image data"

    segment_properties: Properties | None = None
    """Name of a table that makes the viewer's searchable list of segments, or which of its columns do: {table, label, …}."""

    regions: Regions | None = None
    """Names of the labels of a volume of regions: {1: LH(R), 2: …}, or the table that has a row for each."""

    @model_validator(mode="after")
    def _one_list(self) -> Volume:
        if self.segment_properties and self.regions:
            raise PydanticCustomError("one_list", "has both regions and segment_properties: give one of them")
        if self.external and self.regions:
            raise PydanticCustomError("elsewhere", "has regions, but is external: only what is published is named")
        return self

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """The tables that name its segments."""
        listed = (("segment_properties", self.segment_properties.table),) if self.segment_properties else ()
        return (*listed, ("regions", self.regions)) if isinstance(self.regions, str) else listed

    def stage(self, bench: Bench) -> Made:
        """Read the volume's metadata; make segment properties beside it where a table or its regions are named."""
        facts, role, encoded_names = look(bench.source)
        facts, warnings = _in_space(facts, bench.space)
        if (
            facts.role == "image" and not self.regions and facts.data_type != "uint8"
        ):  # bytes are shown well as they are
            from publisher.formats import contrast  # noqa: PLC0415 - numpy, which most commands need not wait for

            facts = replace(facts, contrast=contrast.measure(bench.source, facts))
        trees = [self.tree(bench, role=role, encoded_names=encoded_names)]
        # Beside the volume and not in it: a source is published byte for byte, its `info` too.
        key = f"{bench.key}-segment-properties"
        folder = bench.work / "segment-properties" / self.name
        if self.regions:
            facts = _name(facts, self.regions, bench, folder)
        elif self.segment_properties:
            if facts.role != "segmentation":
                raise InvalidInput(
                    Problem("", "has segment_properties, but is an image", "only segmentations have segments")
                )
            warnings += _build(bench.table(self.segment_properties.table), folder, self.segment_properties)
        if self.regions or self.segment_properties:
            trees.append(Tree(artifact=self.name, key=key, path=folder, role=lambda _: "json"))
            facts = replace(facts, segment_properties=key)
        return Made(tuple(trees), facts, warnings=warnings)


def _name(facts: VolumeFacts, regions: dict[int, str] | str, bench: Bench, folder: Path) -> VolumeFacts:
    """Write the names of regions as segment properties; return the facts of a volume of regions."""
    from publisher.builders import regions as builder  # noqa: PLC0415 - numpy, which most commands need not wait for

    if not facts.data_type.startswith(("uint", "int")):
        message = f"has regions, and its voxels are {facts.data_type}"
        raise InvalidInput(Problem("", message, "only labels, which are whole numbers, have names"))
    names = builder.read(bench.table(regions)) if isinstance(regions, str) else regions
    builder.build(names, folder)
    return replace(facts, role="segmentation", regions=tuple((str(label), names[label]) for label in sorted(names)))


def _build(table: Path, folder: Path, wanted: SegmentProperties) -> tuple[Problem, ...]:
    """Write segment properties; return what was left out of them."""
    from publisher.builders import segment_properties  # noqa: PLC0415 - numpy, which most commands need not wait for

    choice = {name: value for name, value in wanted if value is not None and name != "table"}
    made = segment_properties.build(table, folder, segment_properties.Choice(**choice))
    hint = "give `missing` a number in `segment_properties`, or leave it so"
    return tuple(
        Problem(
            "", f"leaves the column {name!r} out of its segment properties: it {why}", hint if "places" in why else ""
        )
        for name, why in made.left_out
    )


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
