"""Looking keys up in listings: both come sorted, so one pass over each does, and memory does not grow."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterator
from typing import Self

from publisher.objects import Stored
from publisher.targets.wire import Head


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
    """A digest of all that a listing tells: while it is the same, so are the objects."""

    def __init__(self, passing: Collection[str]) -> None:
        """Begin with nothing; `passing` are keys that come and go, and do not count."""
        self._digest, self._passing = hashlib.sha256(), passing

    def add(self, stored: list[Stored]) -> None:
        """Take the next objects, in the order of keys."""
        lines = [
            f"{key}\0{size}\0{encoding}\0{tag}\n" for key, size, encoding, tag in stored if key not in self._passing
        ]
        self._digest.update("".join(lines).encode(errors="surrogateescape"))

    @property
    def text(self) -> str:
        """The digest of what was taken."""
        return self._digest.hexdigest()


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
