"""What every target promises. Each promise has one contract test that runs for every target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import IO, Protocol

from publisher.objects import Entry, Headers, Stored


class Target(Protocol):
    """A bucket prefix or a folder. It has no delete: nothing that is live is ever taken away."""

    url: str
    """What people call it: s3://bucket/prefix, or the folder."""
    public_url: str
    """Address under which strangers read it, without a slash at its end."""

    def read(self, key: str) -> bytes | None:
        """Return the stored bytes of a small object, or None where there is none."""

    def open(self, key: str) -> IO[bytes] | None:
        """Return the stored bytes of an object as a seekable file, or None where there is none."""

    def lookup(self, keys: Iterable[str]) -> Iterator[Stored | None]:
        """For each of the keys, which come sorted, tell what is stored there; as lazily as the keys come."""

    def holds(self, entry: Entry) -> bool:
        """Whether the stored bytes under the entry's key are, to the byte, those that it describes."""

    def put(self, key: str, body: Iterable[bytes], headers: Headers, *, create: bool = False) -> None:
        """Store an object whole or not at all; readers see the old bytes or the new ones. Where `body` raises, neither.

        Raises:
            Conflict: `create` is set and there is an object already.
            LocalTrouble, Unreachable: it could not be stored.

        """

    def lock(self, version: str) -> AbstractContextManager[None]:
        """Hold the right to publish this release; raise Locked, naming the holder, where somebody else does."""

    def settle(self) -> None:
        """Return once everything that was put before survives a loss of power."""
