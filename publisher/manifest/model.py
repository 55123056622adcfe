"""The release manifest as frozen models: what a dataset release is. No I/O."""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, create_model, model_validator
from pydantic_core import PydanticCustomError

from publisher import record
from publisher.artifacts import DATABASE, KINDS, Artifact, Model
from publisher.artifacts.base import Slug, Text, Triple
from publisher.manifest.dataset import Dataset
from publisher.manifest.scenes import MAIN, Color, Scene
from publisher.manifest.services import Programmatic
from publisher.units import nanometres

RESERVED_VERSIONS = frozenset({"site", "viewer", "latest", "releases.json"})
DRAWN = frozenset({"volumes", "skeletons", "meshes", "annotations"})  # sections that a scene can show
_FORMATS = ("precomputed", "n5", "zarr", "graphene", "dvid", "brainmaps")  # what the viewer reads, as it names them
_ADDRESS = r"^https?://[^\s?#]+$"
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

Place = tuple[str | int, ...]  # keys and indexes that lead to a value


def spelled(place: Place) -> str:
    """Return a place as people write it: dataset.authors[0].name."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Units = Annotated[str, StringConstraints(pattern=r"^(\d+(\.\d+)?\s*)?(nm|um|µm|mm|m)$")]


class Space(Model):
    """A coordinate space, which artifacts are in: the size of its voxel along x, y, z."""

    name: Text
    voxel_size: Triple
    """Lengths of a voxel along x, y, z."""
    units: Units = "nm"
    """Of these lengths."""
    description: str = ""
    """Such as how it was made, or which package transforms to it."""

    @model_validator(mode="after")
    def _above_nothing(self) -> Space:
        if min(self.voxel_size) <= 0:
            raise PydanticCustomError("voxel_size", "voxel_size must be three lengths above 0")
        return self

    def value(self) -> record.Space:
        """Return it as it stands in the record."""
        return record.Space(self.name, self.voxel_size, self.units, self.description)


class NamedSpace(Space):
    """A further space; its name is its key in `spaces`."""

    name: Text = ""


class Cors(Model):
    """Which web pages may read the objects from a browser."""

    origins: Annotated[tuple[Text, ...], Field(min_length=1)] = ("*",)
    """Origins that browsers may come from; `*` is every one."""


class Target(Model):
    """Where the release goes: a folder or a bucket prefix."""

    url: Text
    """Folder relative to the manifest, s3://bucket/prefix or gs://bucket/prefix."""
    public_url: Annotated[str, StringConstraints(pattern=_ADDRESS)] | None = None
    """Address under which readers find it; the provider's own where it is left out."""
    access: Literal["public", "private", "unmanaged"] = "public"
    """Who may read: everybody; its owners alone; `unmanaged` leaves that to others."""
    cors: Cors = Field(default_factory=Cors)


class Colors(Model):
    """The site's colours, as #rrggbb; what stands on them, and their dark scheme, follow."""

    primary: Color | None = None
    """Of the header; what stands on it is white or black, whichever can be read."""
    accent: Color | None = None
    """Of links and buttons; lighter in the dark scheme, as far as it must be."""


class Site(Model):
    """Where the download site is built, who hosts it, and how it looks."""

    host: Literal["none", "target", "gh-pages"] = "none"
    """`target` publishes it beside the data, `gh-pages` writes a folder to push as a branch; a local target always has it."""
    folder: Text | None = None
    """Folder that `gh-pages` writes, with one folder a version; default: `gh-pages` beside the manifest."""
    url: Annotated[str, StringConstraints(pattern=_ADDRESS)] | None = None
    """Address where the folder of all versions is read; default: `site/` below the target's own."""
    ro_crate: bool = False
    """Whether the site describes the release as an RO-Crate, too."""
    project: Text | None = None
    """Folder of the MkDocs project; default: in the work folder beside the manifest."""
    colors: Colors = Field(default_factory=Colors)
    logo: Text | None = None
    """SVG or PNG in the header of each page, relative to the manifest."""
    favicon: Text | None = None
    """SVG, PNG or ICO of the browser's tab, relative to the manifest."""


class _Head(Model):
    schema_: Annotated[Literal[1], Field(alias="schema")]
    """Version of this format."""
    version: Version
    """Quoted, so that "1.10" stays what it is."""
    date: dt.date
    """Of the release; it decides which one is the latest."""
    status: Literal["draft", "final"]
    """A published final release never changes."""
    previous: Text | None = None
    """Manifest of the release before this one."""
    changes: str = ""
    """What is new in this version, for those who know the one before. Markdown; no HTML."""
    dataset: Dataset
    space: Space | None = None
    """Default space of every artifact."""
    spaces: dict[Slug, NamedSpace] = Field(default_factory=dict)
    """Further spaces by name, such as a mirrored one or a template."""
    targets: dict[Slug, Target] = Field(default_factory=dict)
    """Where the release goes; the first is the default."""


# The sections are the kinds of artifacts: a new kind needs no line here.
_LISTS: dict[str, Any] = {kind.section: (tuple[kind, ...], Field((), description=kind.__doc__)) for kind in KINDS}  # type: ignore[valid-type]
_ROLES: dict[str, Any] = {name: (kind | None, Field(None, description=kind.__doc__)) for name, kind in DATABASE.items()}
_Database = create_model("Database", __base__=Model, **_ROLES)
_Sections = create_model(
    "_Sections",
    __base__=_Head,
    **_LISTS,
    database=(_Database | None, Field(None, description="The database behind neuPrint.")),
)


class Release(_Sections):
    """One version of a dataset."""

    scenes: tuple[Scene, ...] = ()
    """Default: one scene of everything that can be shown; `[]` for none."""
    viewer: Literal["hosted", "self"] = "hosted"
    """`self` publishes the Neuroglancer client with the release, which then opens offline, and in ten years."""
    examples: bool = True
    """Whether the release carries the examples of its page as files."""
    programmatic: Programmatic = Field(default_factory=Programmatic)
    site: Site = Field(default_factory=Site)
    templates: Text | None = None
    """Folder of jinja2 templates that take the place of publisher's own of the same name, relative to the manifest."""

    @property
    def final(self) -> bool:
        """Whether the release must never change once it is published."""
        return self.status == "final"

    @cached_property
    def placed(self) -> tuple[tuple[Artifact, Place], ...]:
        """All artifacts in the order in which they are staged, each with its place in the manifest."""
        found: list[tuple[Artifact, Place]] = []
        for kind in KINDS:
            listed: tuple[Artifact, ...] = getattr(self, kind.section)
            found += [(artifact, (kind.section, index)) for index, artifact in enumerate(listed)]
        database = getattr(self, "database", None)
        roles = ((role, getattr(database, role, None)) for role in DATABASE)
        found += [(artifact, ("database", role)) for role, artifact in roles if artifact is not None]
        return tuple(found)

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """All artifacts, in the order in which they are staged."""
        return tuple(artifact for artifact, _ in self.placed)

    @cached_property
    def views(self) -> tuple[Scene, ...]:
        """The scenes: those that are named, else one of everything that can be shown."""
        if "scenes" in self.model_fields_set or not any(map(drawable, self.artifacts)):
            return self.scenes
        return (Scene(name=MAIN, title=self.dataset.title),)

    def key(self, artifact: Artifact) -> str:
        """Return the place of an artifact below the target."""
        if artifact.key is None:
            return f"{self.version}/{artifact.section}/{artifact.name}{artifact.key_suffix}"
        return self.fill(artifact.key, artifact)

    def fill(self, text: str, artifact: Artifact) -> str:
        """Substitute {version}, {dataset}, {section} and {name}; others stay, and are reported by `problems`."""
        values = {
            "version": self.version,
            "dataset": self.dataset.name,
            "section": artifact.section,
            "name": artifact.name,
        }
        return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)

    def scene_key(self, scene: Scene) -> str:
        """Return the key of a scene: the first has the plain name."""
        stem = f"{self.version}/{self.dataset.name}-{self.version}"
        return f"{stem}.json" if scene is self.views[0] else f"{stem}-{scene.name}.json"

    def space_of(self, artifact: Artifact) -> record.Space | None:
        """Return the space that an artifact is in."""
        if artifact.space is not None and artifact.space in self.spaces:
            named = self.spaces[artifact.space]
            return record.Space(named.name or artifact.space, named.voxel_size, named.units, named.description)
        return self.space.value() if self.space else None


def drawable(artifact: Artifact) -> bool:
    """Whether a viewer can show an artifact: it has coordinates, and a form that the viewer reads."""
    if artifact.section not in DRAWN:
        return False
    stated = (artifact.stated.format or "").lower() if artifact.stated else ""
    if artifact.external is not None and (stated or artifact.section != "volumes"):
        own_words = artifact.external.partition("://")[0] in _FORMATS or "|" in artifact.external
        return own_words or any(word in stated for word in _FORMATS)
    return "precomputed" in getattr(artifact, "formats", ("precomputed",))


def unit_nm(space: record.Space) -> Triple:
    """Return the voxel of a space in nm."""
    factor = nanometres(space.units)
    x, y, z = space.voxel_size
    return x * factor, y * factor, z * factor
