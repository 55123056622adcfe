"""What a page shows of each artifact: what the record says, and what one pass over the inventory adds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from publisher.facts import FileFacts, Scale, TableFacts, VolumeFacts
from publisher.objects import Entry
from publisher.page import places
from publisher.page.places import Place
from publisher.record import Described, Record, record_key

GROUPS = ("Image data", "Annotations", "Connectivity", "Skeletons", "Meshes", "Database")
LISTED = 40  # files of a folder that are listed one by one
SUMMED = 1_000  # files of a folder whose digests go into SHA256SUMS one by one


Read = Callable[[str], bytes | None]


def nothing(_: str) -> None:
    """Read nothing: there is no release to read from."""


@dataclass(slots=True)
class _Seen:
    """What the inventory adds to an artifact. Memory: at most `SUMMED` entries an artifact."""

    single: Entry | None = None
    files: list[Entry] = field(default_factory=list)
    gzipped: bool = False
    beside: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """One artifact as a page shows it."""

    described: Described
    place: Place
    single: bool = False
    entry: Entry | None = None
    files: tuple[Entry, ...] = ()  # of a folder of few files; empty where there are more
    summed: tuple[Entry, ...] = ()  # its objects, where they are few enough to have their digests listed
    gzipped: bool = False  # whether some object is stored with Content-Encoding: gzip
    beside: tuple[tuple[str, bool], ...] = ()  # its folders outside of its key, and (True) its single objects there

    @property
    def anchor(self) -> str:
        """The id of its section on the download page."""
        return f"data-{self.described.name}"

    @property
    def kind(self) -> str:
        """The kind of its facts, or `external` where nothing was measured."""
        return self.described.facts.kind if self.described.facts else "external"

    @property
    def stated(self) -> defaultdict[str, Any]:
        """What its owner says of an external artifact; None for what is not said."""
        return defaultdict(lambda: None, self.described.stated or {})

    @property
    def server(self) -> str:
        """The database server that it belongs to."""
        return self.described.facts.server if isinstance(self.described.facts, FileFacts) else ""


@dataclass(frozen=True, slots=True)
class Book:
    """Everything that pages are made from."""

    record: Record
    base: Place
    views: tuple[View, ...]
    read: Read = nothing
    scenes: tuple[Entry, ...] = ()  # the objects that open in the viewer
    page: str = ""  # the public address of its download page, where that is known

    @property
    def groups(self) -> tuple[tuple[str, tuple[View, ...]], ...]:
        """The tabs of the download page: the usual groups in their order, then the others as the release has them."""
        names = dict.fromkeys((*GROUPS, *(view.described.group for view in self.views)))
        found = ((name, tuple(view for view in self.views if view.described.group == name)) for name in names)
        return tuple((name, views) for name, views in found if views)

    @property
    def inventory(self) -> Place | None:
        """Where the list of all objects lies."""
        return self.base.at(self.record.inventory.key) if self.record.inventory else None

    @property
    def commit(self) -> Place | None:
        """Where the record itself lies; nothing is published where there is no inventory."""
        return self.base.at(record_key(self.record.release)) if self.record.inventory else None

    def named(self, name: str) -> View | None:
        """Return an artifact's view by its name."""
        return next((view for view in self.views if view.described.name == name), None)


def book(record: Record, base: Place, entries: Iterable[Entry], read: Read = nothing) -> Book:
    """Look through the inventory once, and put together what pages are made from.

    `read` gives the stored bytes of the release's own small objects by their keys, or None.
    """
    seen = {item.name: _Seen() for item in record.artifacts}
    singles = {item.key: item.name for item in record.artifacts if is_single(item)}
    keys = {scene.key for scene in record.scenes}
    scenes = []
    folders = {item.name: f"{item.key}/" for item in record.artifacts}
    for entry in entries:
        if entry.key in keys:
            scenes.append(entry)
        found = seen.get(entry.artifact)
        if found is not None:
            _note(found, entry, single=entry.key in singles)
            if entry.key not in singles and not entry.key.startswith(folders[entry.artifact]):
                _note_beside(found, entry.key, folders[entry.artifact])
    return Book(
        record, base, tuple(_view(item, base, seen[item.name]) for item in record.artifacts), read, tuple(scenes)
    )


def _note(seen: _Seen, entry: Entry, *, single: bool) -> None:
    if single:
        seen.single = entry
    if len(seen.files) <= SUMMED:
        seen.files.append(entry)
    seen.gzipped = seen.gzipped or entry.headers.content_encoding is not None


def _note_beside(seen: _Seen, key: str, folder: str) -> None:
    """Note what an artifact has beside its folder, such as `segmentation-segment-properties/`."""
    parent = folder.rstrip("/").rpartition("/")[0]
    depth = parent.count("/") + 1 if parent and key.startswith(f"{parent}/") else key.count("/") - 1
    root = "/".join(key.split("/")[: max(depth, 0) + 1])
    seen.beside[root] = root == key


def _view(item: Described, base: Place, seen: _Seen) -> View:
    if item.external:
        return View(item, places.external(item.external))
    listed = isinstance(item.facts, FileFacts) and item.facts.tree and len(seen.files) <= LISTED
    return View(
        described=item,
        place=base.at(item.key),
        single=is_single(item),
        entry=seen.single,
        files=tuple(seen.files) if listed else (),
        summed=tuple(seen.files) if len(seen.files) <= SUMMED else (),
        gzipped=seen.gzipped,
        beside=tuple(seen.beside.items()),
    )


def is_single(item: Described) -> bool:
    """Whether an artifact is one object rather than a tree of them."""
    facts = item.facts
    return isinstance(facts, TableFacts) or (isinstance(facts, FileFacts) and not facts.tree)


def grid(facts: VolumeFacts) -> int | None:
    """Return how many chunks a volume has when none is absent; None where shards hold them."""
    if any(scale.sharded for scale in facts.scales):
        return None
    return sum(math.prod(_chunks(scale)) for scale in facts.scales)


def _chunks(scale: Scale) -> tuple[int, ...]:
    return tuple(-(-size // chunk) for size, chunk in zip(scale.size_voxels, scale.chunk_voxels, strict=True))


def bounds_nm(scale: Scale) -> tuple[tuple[float, float], ...] | None:
    """Return from where to where a scale reaches along x, y, z, in nm; None where its voxel size is not known."""
    if not all(scale.voxel_size_nm):
        return None
    ends = zip(scale.offset_voxels, scale.size_voxels, scale.voxel_size_nm, strict=True)
    return tuple((offset * length, (offset + size) * length) for offset, size, length in ends)
