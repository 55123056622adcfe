"""Annotations: precomputed folders pass through; tables of points, lines, boxes or ellipsoids become such folders."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, TypeAdapter

from publisher.artifacts.base import Bench, Made, Model, OfSegments, Slug, Text
from publisher.artifacts.skeletons import Units
from publisher.builders import kept
from publisher.builders.annotations.choose import Geometry, Wanted, Wishes, choose
from publisher.errors import InvalidInput, Problem
from publisher.facts import AnnotationFacts, Triple
from publisher.formats import precomputed, tables
from publisher.tree import Tree
from publisher.units import nanometres

if TYPE_CHECKING:
    from pathlib import Path


class Relationship(Model):
    """What annotations are related to, such as the body that a synapse is on."""

    column: Text
    """Column of its ids; a missing one says that there is none."""
    segmentation: str | None = None
    """Name of the volume whose segments these are; default the artifact's own `segmentation`."""


class Property(Model):
    """A column that becomes a property, which shaders and lists of the viewer can use."""

    column: Text
    name: Text | None = None
    """What the viewer calls it: letters, digits and _, a small letter first; default made of the column's name."""
    description: str = ""
    """What it means."""


def _column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


# A column's name alone is the short form of `{column: name}`.
Related = Annotated[Relationship, BeforeValidator(_column, json_schema_input_type=str | Relationship)]
Chosen = Annotated[Property, BeforeValidator(_column, json_schema_input_type=str | Property)]

_OF_TABLES = ("geometry", "units", "columns", "id", "relationships", "properties")


class Annotations(OfSegments):
    """Points, lines, boxes or ellipsoids: a table (CSV, Parquet, Feather), or a precomputed annotation folder."""

    section: ClassVar[str] = "annotations"
    default_group: ClassVar[str] = "Annotations"

    geometry: Geometry = "point"
    """What a row of the table is."""
    units: Units | None = None
    """Units of the table's coordinates, such as nm or "8 nm"; default voxels of the artifact's space."""
    columns: dict[str, Text] = Field(default_factory=dict)
    """Columns of the coordinates where they have other names: x, y, z of a point; x1 to z2 of a line's ends or a box's
    corners; x, y, z, rx, ry, rz of an ellipsoid."""
    id: Text | None = None
    """Column of the annotations' ids, whole numbers from 0 up; default the number of the row, from 0."""
    relationships: dict[Slug, Related] = Field(default_factory=dict)
    """Name: column of the ids of segments, or {column, segmentation}."""
    properties: tuple[Chosen, ...] | None = None
    """Columns that become properties, by name or as {column, name, description}; default all that are nothing else."""

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """The segmentations."""
        others = ((f"relationships.{name}", one.segmentation) for name, one in self.relationships.items())
        return (*super().links, *((field, name) for field, name in others if name))

    def stage(self, bench: Bench) -> Made:
        """Read the folder's `info`; or build the folder, where its table or what is said of it changed."""
        if not bench.source.is_dir():
            return self._from_table(bench)
        hint = "give a table (CSV, Parquet or Feather), or a folder of precomputed annotations"
        precomputed.require(bench.source, "annotation", hint)
        if given := [name for name in _OF_TABLES if name in self.model_fields_set]:
            message = f"has {', '.join(given)}, which describe a table, but its source is a precomputed folder"
            raise InvalidInput(Problem("", message, "leave them out: the folder's own info says all of it"))
        facts = precomputed.annotation_facts(bench.source, self.segmentation or "")
        return Made((self.tree(bench, role=precomputed.roles(bench.source), encoded_names=True),), facts)

    def _from_table(self, bench: Bench) -> Made:
        unit_nm = self._unit_nm(bench)
        wishes = self._wishes()
        folder = bench.work / "annotations" / self.name
        options = {"wishes": asdict(wishes), "unit_nm": unit_nm}
        said = kept.once(folder, _digest(bench.source, options), lambda *to: _build(bench.source, wishes, unit_nm, *to))
        facts = TypeAdapter(AnnotationFacts).validate_python(said["facts"])
        related = {name: one.segmentation for name, one in self.relationships.items() if one.segmentation}
        facts = replace(facts, segmentation=self.segmentation or "", related=related)
        warnings = tuple(Problem(*warning) for warning in said["warnings"])
        return Made((Tree(self.name, bench.key, folder, role=precomputed.roles(folder)),), facts, warnings=warnings)

    def _unit_nm(self, bench: Bench) -> Triple:
        if self.units is not None:
            unit = nanometres(self.units)
            return unit, unit, unit
        if bench.space is None:
            hint = (
                'say `units: "8 nm"` (or nm, um), or give the release a `space`: a wrong guess would be off by a factor'
            )
            raise InvalidInput(Problem("", "has no units, and no space whose voxels could be meant", hint))
        unit = nanometres(bench.space.units)
        x, y, z = (length * unit for length in bench.space.voxel_size)
        return x, y, z

    def _wishes(self) -> Wishes:
        chosen = None
        if self.properties is not None:
            chosen = tuple(Wanted(one.column, one.name or "", one.description) for one in self.properties)
        related = {name: one.column for name, one in self.relationships.items()}
        return Wishes(self.geometry, self.columns, self.id, related, chosen)


def _digest(source: Path, options: dict[str, Any]) -> str:
    from publisher.builders.annotations.build import VERSION  # noqa: PLC0415 - numpy, which `--help` need not wait for

    return kept.digest(source, {"annotations": VERSION, **options})


def _build(source: Path, wishes: Wishes, unit_nm: Triple, folder: Path, scratch: Path) -> kept.Said:
    from publisher.builders.annotations.build import build  # noqa: PLC0415 - as above

    table = tables.open_source(source, {})
    built = build(table, choose(wishes, table.schema, str(source)), unit_nm, folder, scratch)
    warnings = [[warning.where, warning.message, warning.hint] for warning in built.warnings]
    return {"facts": asdict(built.facts), "warnings": warnings}
