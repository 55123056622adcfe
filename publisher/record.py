"""The commit record: `<version>/.release/release.json`, written last; a release without it does not exist.

It says everything that a page, a check or a scene needs to know, so that they also work from a URL alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from publisher.errors import Damaged, Problem
from publisher.facts import Facts

RELEASES_KEY = "releases.json"


def folder(version: str) -> str:
    """Where a release keeps its record and its inventories."""
    return f"{version}/.release"


def begun_key(version: str) -> str:
    """Return the key of the marker that is written before a release's first object: what lies there then is ours."""
    return f"{folder(version)}/begun.json"


def record_key(version: str) -> str:
    """Return the key of a release's commit record."""
    return f"{folder(version)}/release.json"


def summary_key(version: str, table: str) -> str:
    """Return the key of a table's statistics; releases of before they were measured have none."""
    return f"{folder(version)}/tables/{table}.json"


@dataclass(frozen=True, slots=True)
class InventoryRef:
    """Which inventory the record commits."""

    key: str
    sha256: str
    size_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read: `public`, `private` or `unmanaged`, and the origins that a browser may come from."""

    mode: str = "public"
    origins: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True)
class Space:
    """A coordinate space: the size of its voxel along x, y, z, in `units`."""

    name: str
    voxel_size: tuple[float, float, float]
    units: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """One artifact as it is live (or, when `external`, as its owner hosts it)."""

    name: str
    section: str
    title: str
    description: str
    group: str
    key: str  # the object's key, or the prefix of its tree; empty when external
    space: Space | None
    external: str = ""
    stated: Mapping[str, Any] | None = None  # what the owner of an external artifact says; never measured
    facts: Facts | None = None
    objects: int = 0
    size_bytes: int = 0
    content_size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SceneRef:
    """One scene: where its JSON lies, and what it is called; `link` holds its whole state where no JSON is hosted."""

    name: str
    title: str
    key: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A published release: what it is, where its inventory lies, and what it holds."""

    release: str
    status: str
    date: str
    dataset: Mapping[str, Any]
    public_url: str
    access: Access
    artifacts: tuple[Described, ...]
    scenes: tuple[SceneRef, ...]
    programmatic: Mapping[str, Any]
    objects: int = 0
    size_bytes: int = 0
    content_size_bytes: int = 0
    inventory: InventoryRef | None = None
    created: str = ""
    publisher: str = ""
    schema: int = 1
    changes: str = ""  # what is new since the version before, in Markdown; older records do not say
    viewer: str = ""  # key prefix of the Neuroglancer client that the release carries itself

    def same_as(self, other: Record) -> bool:
        """Whether two records say the same, apart from when and by which publisher they were written."""
        return not self.differs_from(other)

    def counted_as(self, live: Record) -> Record:
        """Return it with the counts of a live record, whose objects it has."""
        sizes = {old.name: old for old in live.artifacts}
        counts = ("objects", "size_bytes", "content_size_bytes")
        artifacts = (
            replace(each, **{name: getattr(sizes[each.name], name) for name in counts}) if each.name in sizes else each
            for each in self.artifacts
        )
        return replace(self, artifacts=tuple(artifacts), **{name: getattr(live, name) for name in counts})

    def differs_from(self, other: Record) -> tuple[str, ...]:
        """Return the names of what two records do not say alike, apart from when and by which publisher."""
        compared = (field.name for field in fields(self) if field.name not in {"created", "publisher"})
        return tuple(name for name in compared if getattr(self, name) != getattr(other, name))


@cache
def _adapter() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def dump(record: Record) -> bytes:
    """Return the record as JSON for people and programs: indented, keys in the order of the class."""
    return (json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n").encode()


def parse(data: bytes, where: str) -> Record:
    """Read a record back; raise Damaged when it is none."""
    try:
        return _adapter().validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Damaged(
            Problem(where, f"this is not a release record ({place}: {first['msg']})", "restore it from a copy")
        ) from None


@dataclass(frozen=True, slots=True)
class ReleaseRef:
    """One line of `releases.json`."""

    version: str
    status: str
    date: str
    title: str
    record: str


def dump_releases(releases: Mapping[str, ReleaseRef], latest: str) -> bytes:
    """Return `releases.json`: which releases exist at a target, and which is the newest."""
    rows = [asdict(releases[version]) for version in releases]
    return (json.dumps({"schema": 1, "latest": latest, "releases": rows}, indent=1, ensure_ascii=False) + "\n").encode()


def parse_releases(data: bytes | None) -> dict[str, ReleaseRef]:
    """Read `releases.json`; an absent one names no release."""
    if data is None:
        return {}
    return {row["version"]: ReleaseRef(**row) for row in json.loads(data)["releases"]}


def latest(data: bytes | None) -> str:
    """Return which release `releases.json` calls the latest; "" where there is none."""
    return "" if data is None else str(json.loads(data)["latest"])
