"""Looking keys up in listings: both come sorted, so one pass over each does, and memory does not grow."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from publisher.objects import Stored
from publisher.targets.wire import Head


class Listing:
    """Looks keys up that come sorted, in listings that are sorted too: one of each folder at the top."""

    def __init__(self, head: Callable[[str], Head | None], listed: Callable[[str, str], Iterator[Stored]]) -> None:
        """Take what tells of one key, and what lists below a prefix from behind a key on."""
        self._head, self._listed = head, listed
        self._top = ""
        self._rest: Iterator[Stored] = iter(())
        self._next: Stored | None = None

    def find(self, key: str) -> Stored | None:
        """Return what is stored under a key; each key sorts after the one before it."""
        top, slash, _ = key.partition("/")
        if not slash:
            head = self._head(key)
            return None if head is None else Stored(key, head.size_bytes, head.headers.content_encoding, head.tag)
        if top != self._top:
            self._top, self._rest = top, self._listed(f"{top}/", key[:-1])  # the last before it
            self._next = next(self._rest, None)
        while self._next is not None and self._next.key < key:
            self._next = next(self._rest, None)
        return self._next if self._next is not None and self._next.key == key else None


def begun(listing: Iterator[Stored]) -> Iterator[Stored]:
    """Return a listing whose first page has been told."""
    first = next(listing, None)
    return iter(()) if first is None else itertools.chain([first], listing)
