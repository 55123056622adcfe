"""The releases of a local target as they are on the disk now: who may read a key, and what it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from publisher import headers, inventory, record
from publisher.errors import PublisherError
from publisher.objects import Entry

PAGES = ("site/", "viewer/")  # pages for people: always public, and the only folders with an index.html

Log = Callable[[str], None]


class Published:
    """One release: who may read it, and its inventory, for one thread at a time."""

    def __init__(self, version: str, access: record.Access, index: inventory.Index | None) -> None:
        """Take what the record says, and its inventory where that can be read."""
        self.version, self.access = version, access
        self._index, self._lock = index, Lock()

    def get(self, key: str) -> Entry | None:
        """Return what the inventory says of a key, or None."""
        # A damaged inventory names nothing: its own bytes are still served, so that a check can see the damage.
        with self._lock, suppress(OSError, ValueError, KeyError):
            return self._index.get(key) if self._index else None
        return None


@dataclass(frozen=True, slots=True)
class Live:
    """The releases of a target, newest first, and which one is the latest."""

    releases: tuple[Published, ...] = ()
    latest: str = ""

    def entry(self, key: str) -> Entry | None:
        """Return what the newest release that has this key says of it."""
        return next(filter(None, (release.get(key) for release in self.releases)), None)

    def owner(self, key: str) -> Published | None:
        """Return the newest release that has this key, else the one in whose folder it lies."""
        has = (release for release in self.releases if release.get(key))
        lies = (release for release in self.releases if key.startswith(f"{release.version}/"))
        return next(has, None) or next(lies, None)

    def closed(self, key: str) -> bool:
        """Whether strangers may not read this key."""
        owner = self.owner(key)
        return owner is not None and owner.access.mode == "private" and not key.startswith(PAGES)

    def origins(self, key: str) -> tuple[str, ...]:
        """Return the origins that may read this key in a browser; the newest release speaks for what nobody owns."""
        owner = self.owner(key) or next(iter(self.releases), None)
        return (owner.access if owner else record.Access()).origins

    def stands_alone(self, key: str) -> bool:
        """Whether a key that ends in `.gz` is an object's own name, rather than how object `key[:-3]` is stored."""
        if self.entry(key):
            return True
        return not self.entry(key.removesuffix(".gz")) and headers.keeps_gz(key.rpartition("/")[2])


class Releases:
    """The releases as they were when last read; read again as soon as a record on the disk is another file."""

    def __init__(self, root: Path, log: Log) -> None:
        """Take the folder, and who is told of records that cannot be read."""
        self._root, self._log, self._lock = root, log, Lock()
        self._stamps: list[tuple[Path, object]] = []
        self._live = Live()

    def now(self) -> Live:
        """Return the releases as they are on the disk now."""
        with self._lock:
            if not self._stamps or any(_stamp(path) != stamp for path, stamp in self._stamps):
                self._load()
            return self._live

    def _load(self) -> None:
        # Stamps are taken before reading: what changes in between is read once more, never missed.
        names = self._root / record.RELEASES_KEY
        self._stamps = [(names, _stamp(names))]
        try:
            refs, latest = _newest_first(names)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._log(f"{record.RELEASES_KEY} cannot be read, what it said before still holds: {error}")
            return
        paths = [(ref.version, self._root / ref.record) for ref in refs]
        self._stamps += [(path, _stamp(path)) for _, path in paths]
        self._live = Live(tuple(filter(None, (self._published(version, path) for version, path in paths))), latest)

    def _published(self, version: str, path: Path) -> Published | None:
        try:
            told = record.parse(path.read_bytes(), str(path))
        except (OSError, PublisherError) as error:  # without its record, a release does not exist
            self._log(f"{version} has no readable record: {error}")
            return None
        try:
            index = inventory.Index(self._root / told.inventory.key) if told.inventory else None
        except (OSError, ValueError) as error:
            self._log(f"{version} has no readable inventory: {error}")
            index = None
        return Published(version, told.access, index)


def _newest_first(path: Path) -> tuple[list[record.ReleaseRef], str]:
    data = path.read_bytes() if path.exists() else None
    latest = record.latest(data)
    refs = reversed(record.parse_releases(data).values())
    return sorted(refs, key=lambda ref: (ref.version == latest, ref.date), reverse=True), latest


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
