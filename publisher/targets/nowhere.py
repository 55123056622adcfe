"""A target that takes everything and keeps nothing: for looking at sources alone, and for measuring ourselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import IO

from publisher.objects import Entry, Headers, Stored


class Nowhere:
    """Holds nothing, ever."""

    url = "nowhere"
    public_url = "http://nowhere.invalid"

    def read(self, key: str) -> bytes | None:
        """Return None: nothing is here."""
        del key
        return None

    def open(self, key: str) -> IO[bytes] | None:
        """Return None: nothing is here."""
        del key
        return None

    def lookup(self, keys: Iterable[str]) -> Iterator[Stored | None]:
        """Tell for each key that nothing is there."""
        return (None for _ in keys)

    def holds(self, entry: Entry) -> bool:
        """Say no."""
        del entry
        return False

    def put(self, key: str, body: Iterable[bytes], headers: Headers, *, create: bool = False) -> None:
        """Read the body to its end, and forget it."""
        del key, headers, create
        for _ in body:
            pass

    def lock(self, version: str) -> AbstractContextManager[None]:
        """Let everybody in."""
        del version
        return nullcontext()

    def settle(self) -> None:
        """Return: nothing can be lost."""
