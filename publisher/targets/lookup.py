"""Looking keys up in listings: both come sorted, so one pass over each does, and memory does not grow."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterator
from typing import Self

from publisher.objects import UNTOLD, Stored
from publisher.targets.wire import Head

ROWS = 512  # that a seal takes at once


class Lookup(Iterator[Stored | None]):
    """What is stored under each of the keys that were asked for, in their order; `with` leaves the store in peace."""

    def __init__(
        self,
        answers: Iterator[Stored | None],
        seal: Callable[[], str] = lambda: "",
        leave: Callable[[], object] = tuple,
    ) -> None:
        """Take the answers, what seals all that was told, and what ends the telling."""
        self._answers, self.seal, self._leave = answers, seal, leave

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave what was not told yet."""
        self._leave()

    def __iter__(self) -> Iterator[Stored | None]:  # noqa: PYI034 - itself would be one step more for each of them
        """Return the answers."""
        return self._answers

    def __next__(self) -> Stored | None:
        """Return the next answer."""
        return next(self._answers)


class Seal:
    """A digest of all that lies in a release's folder: while it is the same, so are the objects.

    Who lists them comes to the same as who puts them, in the order of keys but for the release's own records.
    """

    def __init__(self, records: str, passing: Collection[str], *, encodings: bool) -> None:
        """Begin with nothing.

        Args:
            records: the folder of the release's own records, in any order.
            passing: keys that come and go, and do not count.
            encodings: whether a listing tells Content-Encoding.

        """
        self._digest, self._records, self._passing, self._encodings = hashlib.sha256(), records, passing, encodings
        self._own: list[str] = []  # lines, as many as there are records
        self._put: list[Stored] = []

    def add(self, stored: list[Stored]) -> None:
        """Take the next objects of a listing."""
        lines = []
        for key, size, encoding, tag in stored:
            line = f"{key}\0{size}\0{encoding}\0{tag}\n"
            if not key.startswith(self._records):
                lines.append(line)
            elif key not in self._passing:
                self._own.append(line)
        self._digest.update("".join(lines).encode(errors="surrogateescape"))

    def put(self, key: str, size_bytes: int, encoding: str | None, tag: str) -> None:
        """Take an object that was stored."""
        self._put.append(Stored(key, size_bytes, encoding if self._encodings else UNTOLD, tag))
        if len(self._put) == ROWS:
            self._flush()

    def _flush(self) -> None:
        self.add(self._put)
        self._put = []

    @property
    def text(self) -> str:
        """The digest of what was taken."""
        self._flush()
        own = "".join(sorted(self._own)).encode(errors="surrogateescape")
        return hashlib.sha256(self._digest.digest() + own).hexdigest()


class Listing:
    """Looks keys up that come sorted, in listings that are sorted too: one of each folder at the top."""

    def __init__(self, head: Callable[[str], Head | None], listed: Callable[[str, str], Iterator[Stored]]) -> None:
        """Take what tells of one key, and what lists below a prefix from behind a key on."""
        self._head, self._listed = head, listed
        self._top = "/"  # of no key
        self._rest: Iterator[Stored] = iter(())
        self._next: Stored | None = None

    def find(self, key: str) -> Stored | None:
        """Return what is stored under a key; each key sorts after the one before it."""
        if not key.startswith(self._top):
            top, slash, _ = key.partition("/")
            if not slash:
                head = self._head(key)
                return None if head is None else Stored(key, head.size_bytes, head.headers.content_encoding, head.tag)
            self._top, self._rest = f"{top}/", self._listed(f"{top}/", key[:-1])  # the last before it
            self._next = next(self._rest, None)
        found = self._next
        while found is not None and found[0] < key:
            found = self._next = next(self._rest, None)
        return found if found is not None and found[0] == key else None


def begun(listing: Iterator[Stored]) -> Iterator[Stored]:
    """Return a listing whose first page has been told."""
    first = next(listing, None)
    return iter(()) if first is None else itertools.chain([first], listing)
