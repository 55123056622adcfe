"""The values that flow between the steps. Frozen, and free of I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple


class Form(StrEnum):
    """How the stored bytes come from the source's bytes."""

    AS_IS = "as-is"
    GZIP = "gzip"


class Headers(NamedTuple):
    """The headers that an object carries. `content_encoding` is exactly "gzip" or None."""

    content_type: str
    content_encoding: Literal["gzip"] | None
    cache_control: str

    @property
    def final(self) -> bool:
        """Whether they promise that the object never changes."""
        return "immutable" in self.cache_control


class Known(NamedTuple):
    """What the ledger has of a source that is the very file that was looked at before, and of its object.

    `form` is how it was stored then; `tag` what the target said of it.
    """

    gzip_bytes: bool
    form: Form
    stored_size_bytes: int
    stored_sha256: str
    content_size_bytes: int
    content_sha256: str
    tag: str


class ObjectSpec(NamedTuple):
    """One object that a release wants: its key, its headers, and the local file it is made from.

    `gzip_bytes` says that the file is gzip itself; `known` is there where the file need not be read to tell its digests.
    """

    key: str
    artifact: str
    path: str
    size_bytes: int
    mtime_ns: int
    form: Form
    headers: Headers
    inode: int = 0
    gzip_bytes: bool = False
    known: Known | None = None


class Digest(NamedTuple):
    """What an object's *content* is: its bytes once Content-Encoding is undone. This is an object's identity."""

    sha256: str
    size_bytes: int


class Entry(NamedTuple):
    """One row of the inventory. `size_bytes` and `stored_sha256` are of the stored bytes, `content_*` of the content."""

    key: str
    artifact: str
    size_bytes: int
    stored_sha256: str
    content_size_bytes: int
    content_sha256: str
    headers: Headers


UNTOLD = "?"  # a listing does not tell Content-Encoding


class Stored(NamedTuple):
    """What a target says is stored under a key, without reading it.

    `tag` changes with the stored bytes (an ETag, a checksum), and is "" where the target has none.
    """

    key: str
    size_bytes: int
    content_encoding: str | None
    tag: str = ""


class Op(StrEnum):
    """What a change does to the target: `+` add, `~` replace, `=` leave, `?` live but no longer described."""

    ADD = "+"
    REPLACE = "~"
    KEEP = "="
    ORPHAN = "?"


class Change(NamedTuple):
    """One line of a plan.

    `spec` is missing for `?`; `entry` is there where the object's digests are known already; `recorded` says that the
    live record has this very entry, so that publishing the change makes no difference to what the release is; `tag` is
    that of what is replaced.
    """

    op: Op
    key: str
    artifact: str
    size_bytes: int
    reason: str
    spec: ObjectSpec | None = None
    entry: Entry | None = None
    recorded: bool = False
    tag: str = ""

    @property
    def writes(self) -> bool:
        """Whether publishing it sends an object."""
        return self.op in {Op.ADD, Op.REPLACE}


@dataclass(slots=True)
class Tally:
    """Counts of objects and stored bytes; the only mutable value here, because streams are counted as they pass."""

    objects: int = 0
    size_bytes: int = 0
    content_size_bytes: int = 0

    def add(self, size_bytes: int, content_size_bytes: int = 0) -> None:
        """Count one more object."""
        self.objects += 1
        self.size_bytes += size_bytes
        self.content_size_bytes += content_size_bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What publishing will do: changes sorted by key, which can be iterated more than once, and their totals.

    Totals are by change, and by artifact and change; sizes are the source's where an object is not stored yet.
    """

    changes: Iterable[Change]
    totals: Mapping[Op, Tally]
    artifacts: Mapping[str, Mapping[Op, Tally]]
    news: int  # changes that the live record does not have: none, and the release is what it was
    marks: Mapping[str, str] = field(default_factory=dict)  # by the key of a tree: which files it was made of
    changed_ns: Mapping[str, int] = field(default_factory=dict)  # and when the last of them changed

    @property
    def empty(self) -> bool:
        """Whether every object is live already, and no other is."""
        return not any(tally.objects for op, tally in self.totals.items() if op is not Op.KEEP)

    def tally(self, *ops: Op) -> Tally:
        """Return objects and bytes of some kinds of changes together."""
        chosen = [self.totals[op] for op in ops]
        return Tally(sum(tally.objects for tally in chosen), sum(tally.size_bytes for tally in chosen))


class AccessChange(NamedTuple):
    """One line of a plan about who may read: `what` (CORS, policy …) of which place becomes what, and why.

    `op` is `+`, `~` or `!`: what must be changed by hand, because it is beyond what publisher may touch.
    """

    op: str
    what: str
    place: str
    after: str
    reason: str


class Ability(NamedTuple):
    """One thing that a store can do or cannot (`works`), or that could not be asked (None), in words."""

    name: str
    works: bool | None
    message: str


class Mirror(NamedTuple):
    """Another target of the manifest where the release is live; `differs` is a key whose content is not the same, or ""."""

    name: str
    url: str
    public_url: str
    differs: str


class Drawn(NamedTuple):
    """A scene that a real Neuroglancer opened: of which version, and when.

    `visible` counts the layers that it shows, `layers` names those that were seen to draw something, and `pictures` are
    the names of its pictures, where there are any: on dark, on light.
    """

    name: str
    viewer: str
    opened_at: str
    visible: int = 0
    layers: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


How = Literal["run", "doubled", "parsed", "unchecked"]


class Checked(NamedTuple):
    """An example of the release, and how it was checked: run, run against a stand-in of its service, or only parsed.

    `why` says why it was no more than that, or what is wrong with it; `by` names the client libraries that took part.
    """

    name: str
    how: How
    ok: bool
    seconds: float
    why: str = ""
    by: str = ""


Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check noticed: which check, how bad, where (key or address), and in words what to do."""

    check: str
    severity: Severity
    key: str
    message: str
    artifact: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` saw, from which address, how deep, and when."""

    base_url: str
    release: str
    depth: str
    checked_at: str
    objects: int
    size_bytes: int
    digests: int
    digest_bytes: int
    probes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
    mirrors: tuple[Mirror, ...] = ()
    scenes: tuple[Drawn, ...] = ()
    examples: tuple[Checked, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was found that makes the release wrong."""
        return not any(finding.severity == "error" for finding in self.findings)
