"""What every artifact of a manifest has, and what every kind of artifact can do: describe itself, never upload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from publisher.errors import Problem
from publisher.facts import Facts
from publisher.record import Space
from publisher.tree import Tree

Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
Text = Annotated[str, StringConstraints(min_length=1)]
Triple = tuple[float, float, float]


class Model(BaseModel):
    """Base of everything that YAML is read into: frozen, and no key that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class Allow(Model):
    """A file that safety checks would refuse, and why it may be published all the same."""

    path: Text
    """Exact path below the source."""
    reason: Text
    """Why it is harmless."""


class Stated(Model):
    """What the owner of an external artifact says of it; the page shows it as stated, not measured."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: object) -> object:
        """Take a size of three numbers for the extent in voxels, and a list of columns for columns without words."""
        if not isinstance(value, dict):
            return value
        given = dict(value)
        if isinstance(given.get("size"), list | tuple):
            given["extent"] = given.pop("size")
        if isinstance(given.get("columns"), list | tuple):
            given["columns"] = dict.fromkeys(map(str, given["columns"]), "")
        return given

    format: str | None = None
    """Such as neuroglancer precomputed, N5, Arrow Feather, SWC."""
    size: str | int | None = None
    """Bytes, or words such as 13 MB."""
    dtype: str | None = None
    """Data type of a voxel, such as uint8."""
    voxel_size: Triple | None = None
    """Of the finest scale, along x, y, z, in `units`."""
    units: str | None = None
    """Units of `voxel_size` or of coordinates: nm, um, 8 nm …"""
    extent: tuple[int, int, int] | None = None
    """Voxels along x, y, z of the finest scale."""
    max_value: int | None = None
    """The greatest voxel value that occurs."""
    rows: int | None = None
    columns: dict[str, str] | None = None
    """Column name: description."""
    contrast: tuple[float, float] | None = None
    """Values of an image that are best shown black and white."""
    encoding: str | None = None
    """How chunks are compressed, such as jpeg."""
    server: str | None = None
    """The database server that a dump belongs to, such as neo4j 4.4.16."""
    example: int | None = None
    """A segment that examples read."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """Where an artifact is staged: its source on this disk, the key it will have, its space, and a folder to work in.

    `table` gives the path of a staged table by its name (a Feather file), for those who link to one.
    """

    source: Path
    key: str
    space: Space | None
    work: Path
    table: Callable[[str], Path]


@dataclass(frozen=True, slots=True)
class Made:
    """What staging made of an artifact: trees of objects, what was measured, and what is wrong with it.

    `summary` is a file of statistics (`publisher.summary`) that the release carries among its own documents.
    """

    trees: tuple[Tree, ...] = ()
    facts: Facts | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    summary: Path | None = None


class Artifact(Model):
    """One thing in a release."""

    section: ClassVar[str] = ""
    default_group: ClassVar[str] = "Files"

    name: Slug
    """Unique in the release; names the artifact in scenes, references and the default key."""
    title: Text | None = None
    """What people call it."""
    description: str | None = None
    """Markdown; no HTML."""
    group: Text | None = None
    """Tab of the download page."""
    key: Text | None = None
    """Place below the target; default {version}/{section}/{name}."""
    space: Slug | None = None
    """Name of one of `spaces`; default the release's own `space`."""
    source: Text | None = None
    """Where it lies on this disk, relative to the manifest."""
    external: Text | None = None
    """Address where it is hosted already; it is described and linked, never uploaded."""
    stated: Stated | None = None
    """What the owner of an external artifact says of it."""
    allow: tuple[Allow, ...] = ()
    """Files that safety checks would refuse, by exact path, with a reason each."""

    @model_validator(mode="after")
    def _source_or_external(self) -> Artifact:
        if (self.source is None) == (self.external is None):
            both = "neither source (to publish it) nor external (to link to it)"
            both = both if self.source is None else "both source (to publish it) and external (to link to it)"
            raise PydanticCustomError("source_or_external", "has {both}: give one of them", {"both": both})
        if self.stated is not None and self.external is None:
            raise PydanticCustomError("stated", "stated is for external artifacts; what is published is measured")
        if self.external is not None and "://" not in self.external:
            raise PydanticCustomError("external", "external must be an address such as gs://, s3:// or https://")
        return self

    @property
    def key_suffix(self) -> str:
        """What ends the default key of an artifact that is one object."""
        return ""

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Names of other artifacts that this one refers to, each with the manifest key that says so."""
        return ()

    def stage(self, bench: Bench) -> Made:
        """Make what must be made below `bench.work`, and say what there is; read what can be read where it lies."""
        raise NotImplementedError

    def tree(self, bench: Bench, **more: Any) -> Tree:  # noqa: ANN401 - Tree's own fields
        """Return the tree of the source itself, published where it lies."""
        given: dict[str, Any] = {
            "key": bench.key,
            "path": bench.source,
            "allow": {a.path: a.reason for a in self.allow},
        }
        return Tree(artifact=self.name, **(given | more))


class OfSegments(Artifact):
    """An artifact that has one thing for each segment of a volume."""

    segmentation: str | None = None
    """Name of the volume whose segments these are."""

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """The segmentation."""
        return (("segmentation", self.segmentation),) if self.segmentation else ()
