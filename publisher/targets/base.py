"""What every target promises. Each promise has one contract test that runs for every target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import IO, Protocol

from publisher.objects import Ability, AccessChange, Entry, Headers, ObjectSpec, Stored
from publisher.parallel import Pace
from publisher.record import Access
from publisher.targets.access import Reach
from publisher.targets.lookup import Lookup, Seal

Body = Iterable[bytes]
Labels = Callable[[], Mapping[str, str]]
Signed = tuple[str, Mapping[str, str]]


class Held(Protocol):
    """The right to publish a release, as long as it lasts."""

    def check(self) -> None:
        """Raise Locked where the right was lost; cheap enough to be asked before every put."""

    @property
    def until(self) -> float:
        """Until when the right lasts for certain, in seconds since this machine started (`lock.now`)."""


class Lane(Protocol):
    """A quick way for small objects in fair weather: many puts at once from one thread, whose answers come later."""

    @property
    def flying(self) -> int:
        """How many puts are on their way."""

    @property
    def full(self) -> bool:
        """Whether as many are on their way as the target takes at once."""

    def takes(self, spec: ObjectSpec) -> bool:
        """Whether an object can go this way now."""

    def put(self, number: int, spec: ObjectSpec, *, create: bool = False, over: str = "", until: float) -> None:
        """Begin to store an object as `Target.put` does, if that is before `until`, by the clock of `Held`.

        Raises:
            LocalTrouble: its source is not what was planned.

        """

    def answers(self, seconds: float) -> Iterable[tuple[int, Entry | None, str]]:
        """Yield the numbers of puts that have ended, each with its row and its tag; without a row: to be put in the usual way.

        Wait at most so long, or until a nudge, for one.
        """

    def nudge(self) -> None:
        """Have `answers` return soon; any thread may."""

    def close(self) -> None:
        """Leave what is on its way, which may be stored or not."""


class Target(Protocol):
    """A bucket prefix or a folder. It has no delete: nothing that is live is ever taken away."""

    url: str
    """What people call it: s3://bucket/prefix, gs://bucket/prefix, or the folder."""
    public_url: str
    """Address under which strangers read it, without a slash at its end."""
    pace: Pace
    """How many puts it takes at once; it learns while it works."""

    def read(self, key: str) -> bytes | None:
        """Return the stored bytes of a small object, or None where there is none."""

    def open(self, key: str) -> IO[bytes] | None:
        """Return the stored bytes of an object as a seekable file, or None where there is none."""

    def lookup(self, keys: Iterable[str], *, likely: str = "") -> Lookup:
        """For each of the keys, which come sorted, tell what is stored there; as lazily as the keys come.

        `likely` is the folder of a release that keys will lie in: what takes time to be told of it is asked for at once.
        `Lookup.seal`, which is asked for before the answers or after them, is a digest of all that lies in this folder
        but locks and records, by key, size and tag; "" where that would take more than was asked for already.
        """

    def seal(self, version: str) -> Seal | None:
        """Return what is told of each object as it is put, and comes to the seal that `lookup` will; None where it has none."""

    def below(self, prefix: str) -> Iterator[Stored]:
        """List what is stored below a prefix, which ends in a slash, sorted by key; memory does not grow with it."""

    def holds(self, entry: Entry, body: Callable[[], Body]) -> bool:
        """Whether the stored bytes and headers are those of the entry; `body` gives the expected bytes anew."""

    def put(
        self,
        key: str,
        body: Body,
        headers: Headers,
        *,
        create: bool = False,
        over: str = "",
        labels: Labels = dict,
        about: int = 0,
    ) -> str:
        """Store an object whole or not at all; readers see the old bytes or the new ones. Where `body` raises, neither.

        The store has checked the bytes against a checksum that was taken before they were sent. `labels` are asked
        for once the body has been read, and kept with the object where that costs nothing; `about` is how many bytes
        are to be expected. Return the tag that `lookup` will tell of what was stored, or "" where it tells none.

        Raises:
            Conflict: `create` is set and there is another object already, or one with another tag than `over`.
            Incomplete: this object could not be stored, though others could.
            LocalTrouble, Unreachable: nothing more can be stored.

        """

    def hire(self) -> AbstractContextManager[object]:
        """Make ready, as long as this lasts, what helps to put many objects: asked for while this process has no threads."""

    def lane(self) -> Lane | None:
        """Open the quick way for small objects, where this target has one now."""

    def swap(
        self, key: str, change: Callable[[bytes | None], bytes | None], headers: Headers, *, sure: bool = False
    ) -> None:
        """Replace a small object by what `change` makes of it (None: leave it), and lose nobody else's change.

        Where somebody else was quicker, `change` is asked again, of what is there then. `sure` says that what this
        target last put there is there still, for all that is known: then it need not be read first.
        """

    def lock(self, version: str) -> AbstractContextManager[Held]:
        """Hold the right to publish this release; raise Locked, naming the holder, where somebody else does."""

    def settle(self) -> None:
        """Return once everything that was put before survives a loss of power."""

    def tidy(self, version: str, *, fresh: bool = False) -> int:
        """Take away what unfinished uploads of a release left behind that is no object; return how many there were.

        `fresh` says that there was no earlier run.
        """

    def abilities(self, version: str) -> tuple[Ability, ...]:
        """Return what the store can do beyond storing, such as refusing to overwrite; asked of it, not assumed."""

    def access_changes(self, access: Access, reach: Reach) -> tuple[AccessChange, ...]:
        """Return what must change for a release to be read as wanted; nothing outside its reach becomes public."""

    def set_access(self, access: Access, reach: Reach) -> None:
        """Make these changes; raise Unreachable where this role may not."""

    def sign(self, method: str, url: str) -> Signed:
        """Return an address and headers with which a request is answered though strangers may be refused."""
