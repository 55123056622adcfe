"""A bucket prefix as a target, whatever its protocol: trying again, keeping promises, merging with its listing."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import IO, cast
from urllib.parse import quote

from publisher.errors import Conflict, Problem, Unreachable
from publisher.objects import Ability, AccessChange, Entry, Headers, Stored
from publisher.payload import Payload
from publisher.record import Access, folder, record_key
from publisher.targets import canary, large
from publisher.targets.access import Reach
from publisher.targets.ahead import Ahead
from publisher.targets.base import Body, Held, Labels, Lane, Signed
from publisher.targets.lock import canary_of, held, key_of
from publisher.targets.lookup import Listing, Lookup, Seal, begun
from publisher.targets.parts import PART_BYTES, Crc32c, gather, regrouped
from publisher.targets.patience import HOPELESS, Patient, reachable
from publisher.targets.wire import ABSENT, Head, Large, Notes, Trouble, Why, Wire

SWAPS = 50  # times that others must be quicker before one gives up


class Bucket(Patient):
    """A prefix of a bucket. Keys are below the prefix; the wire knows whole keys."""

    def __init__(self, wire: Wire, url: str, prefix: str, public_url: str, notes: Notes) -> None:
        """Take the wire to the bucket, and the prefix without slashes at its ends ("" is the whole bucket)."""
        super().__init__(url)
        self.public_url = public_url.rstrip("/")
        self.wire = wire
        self.prefix = f"{prefix}/" if prefix else ""
        self._notes = notes
        self._swapped: dict[str, tuple[bytes, str]] = {}  # what was last swapped in, and its tags
        self._in_parts = False  # whether this run has sent an object in parts
        self._lock: tuple[str, Held] | None = None  # its key, and the hold of it
        self.missed: dict[str, Trouble] = {}  # what the quick way came to, of those that now go the usual one

    # Reading

    def read(self, key: str) -> bytes | None:
        """Return the stored bytes of a small object, or None."""
        found = self.persist(key, lambda _: self.wire.get(self.prefix + key))
        return None if found is None else found[0]

    def open(self, key: str) -> IO[bytes] | None:
        """Return the stored bytes as a temporary file, fetched a part at a time, or None."""
        for _ in range(SWAPS):
            head = self.head(key)
            if head is None:
                return None
            file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
            if self._fetched(key, head, file):
                file.seek(0)
                return cast("IO[bytes]", file)
            file.close()
        raise self.raced(key)

    def _fetched(self, key: str, head: Head, file: IO[bytes]) -> bool:
        """Copy an object into a file; return whether it was the same one to the end."""
        ends = range(PART_BYTES, head.size_bytes, PART_BYTES)
        # What is small is asked for without a range: not every store takes one that is all of an object.
        for start, end in zip((0, *ends), (*ends, None), strict=True):
            found = self.persist(key, lambda _: self.wire.get(self.prefix + key, start, end))  # noqa: B023
            if found is None or found[1] != head.tag:
                return False
            file.write(found[0])
        return True

    def lookup(self, keys: Iterable[str], *, likely: str = "") -> Lookup:
        """Tell what is stored under each key, by one listing of each folder at the top that they lie in."""
        if not likely:
            return Lookup(self._looked_up(keys, likely, None))
        seal = self.seal(likely)
        ahead = Ahead(self.listed(f"{likely}/"), seal.add)

        def sealed() -> str:
            ahead.drain()
            return seal.text

        return Lookup(self._looked_up(keys, likely, ahead), sealed, ahead.leave)

    def seal(self, version: str) -> Seal:
        """Return what seals all below a release's folder, but for what a run that changes nothing may write."""
        passing = {record_key(version), key_of(version), canary_of(version)}
        return Seal(f"{folder(version)}/", passing, encodings=self.wire.tells_encoding)

    def _looked_up(self, keys: Iterable[str], likely: str, ahead: Ahead[Stored] | None) -> Iterator[Stored | None]:
        def listed(prefix: str, last: str) -> Iterator[Stored]:
            fresh = ahead is not None and prefix == f"{likely}/" and not ahead.ended
            return iter(ahead) if ahead is not None and fresh else self.listed(prefix, last)

        return map(Listing(self.head, listed).find, keys)

    def below(self, prefix: str) -> Iterator[Stored]:
        """List what is below a prefix."""
        return self.listed(prefix)

    def listed(self, prefix: str, last: str = "") -> Iterator[Stored]:
        """List what is below a prefix and sorts after a key; where the listing breaks off, it goes on after its last."""
        after, skipped = self.prefix + last if last else "", len(self.prefix)
        while True:
            pages = self.persist(prefix, lambda _: begun(self.wire.list(self.prefix + prefix, after)))  # noqa: B023
            try:
                for after, size_bytes, encoding, tag in pages:
                    yield Stored(after[skipped:], size_bytes, encoding, tag)
            except Trouble as trouble:  # its generator is at its end
                self.pace.failed(trouble)
                if trouble.why in HOPELESS:
                    raise self.in_words(prefix, trouble, 1) from trouble
            else:
                return

    def head(self, key: str, *, checksum: bool = False) -> Head | None:
        """Return what the store tells of an object."""
        return self.persist(key, lambda _: self.wire.head(self.prefix + key, checksum=checksum))

    def holds(self, entry: Entry, body: Callable[[], Body]) -> bool:
        """Whether the object is the entry's, by what is told of it; its bytes are fetched only where nothing is told."""
        head = self.head(entry.key)
        if head is None or (head.size_bytes, head.headers) != (entry.size_bytes, entry.headers):
            return False
        if told := head.labels.get("stored-sha256", head.labels.get("sha256")):
            return told == entry.stored_sha256
        head = self.head(entry.key, checksum=True)
        if head is not None and head.crc32c:
            return head.crc32c == Crc32c(*body()).text
        file = self.open(entry.key)
        if file is None:
            return False
        with file:
            return all(file.read(len(block)) == block for block in body()) and not file.read(1)

    # Writing

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
        """Store an object: in one request, or in parts where it is large."""
        condition = ABSENT if create else over or None
        blocks = iter(body)
        data, more = gather(blocks)
        if more:
            parts = partial(regrouped, itertools.chain([data], blocks))
            if isinstance(body, Payload):
                parts = partial(parts, wants=body.wants)
            return self._put_large(key, parts, headers, condition, about)
        return self._put_small(key, data, headers, labels(), condition, alone=True)

    def hire(self) -> AbstractContextManager[object]:
        """Return what helps nothing: likewise."""
        return nullcontext()

    def lane(self) -> Lane | None:
        """Return None: only a kind of bucket has a quick way."""
        return None

    def swap(
        self, key: str, change: Callable[[bytes | None], bytes | None], headers: Headers, *, sure: bool = False
    ) -> None:
        """Replace a small object, where it is still what was read."""
        last = self._swapped.pop(key, None) if sure else None
        for _ in range(SWAPS):
            found = last or self.persist(key, lambda _: self.wire.get(self.prefix + key))
            new, last = change(None if found is None else found[0]), None
            if new is None or (found and new == found[0]):
                return
            with suppress(Conflict):
                self._swapped[key] = new, self._put_small(key, new, headers, {}, found[1] if found else ABSENT)
                return
        raise self.raced(key)

    def _put_small(
        self,
        key: str,
        data: bytes,
        headers: Headers,
        labels: Mapping[str, str],
        condition: str | None,
        *,
        alone: bool = False,
    ) -> str:
        name = self.prefix + key

        def put(tries: int) -> str:
            careful = tries > 0 or self.pace.wary
            return self.wire.put(name, data, headers, labels, condition, careful=careful)

        def ours() -> str | None:
            found, head = self.persist(key, lambda _: self.wire.get(name)), self.head(key)
            return head.tag if head and found == (data, head.tag) and head.headers == headers else None

        tag = self._commit(key, put, ours, alone=alone)
        self.stored = True
        return tag

    def _put_large(self, key: str, parts: large.Parts, headers: Headers, condition: str | None, about: int) -> str:
        """Send an object in parts, several at once; what an earlier run has sent is not sent again."""
        name, self._in_parts = self.prefix + key, True
        if condition == ABSENT and self.head(key) is not None:
            raise _there(key)  # said before everything has been sent

        def begin(_: int) -> Large:
            return self.wire.large(name, headers, {}, self._notes, size_bytes=about)

        started = self.persist(key, begin, alone=True)
        size, crc32c = large.send(started, parts, lambda ask: self.persist(key, lambda _: ask(), alone=True))

        def ours() -> str | None:
            head = self.head(key, checksum=True)
            same = head and (head.size_bytes, head.crc32c, head.headers) == (size, crc32c, headers)
            return head.tag if head and same else None

        return self._commit(key, lambda _: started.finish(size, crc32c, condition), ours, alone=True)

    def _commit(self, key: str, put: Callable[[int], str], ours: Callable[[], str | None], *, alone: bool) -> str:
        """Put under a condition; return the tag of what is there where that is `ours`, by an earlier try whose answer was lost."""
        tries = 0

        def once(number: int) -> str | None:
            nonlocal tries
            tries = number
            try:
                return put(tries)
            except Trouble as trouble:
                if trouble.why is Why.CONDITION:
                    return None
                raise

        def still_held() -> None:
            if self._lock and key != self._lock[0]:  # which it writes itself
                self._lock[1].check()

        earlier = self.missed.pop(key, None)
        if earlier is not None and earlier.why is Why.CONDITION:
            raise _there(key)
        tag = self.persist(key, once, alone=alone, check=still_held, earlier=earlier)
        if tag is None and tries:
            tag = ours()
        if tag is None:
            raise _there(key)
        return tag

    # Being one of several publishers

    @contextmanager
    def lock(self, version: str) -> Iterator[Held]:
        """Hold the release's lock object; nothing is tried again once it is lost."""
        with held(self, version) as holding:
            self._lock = key_of(version), holding
            try:
                yield holding
            except KeyboardInterrupt:
                self.pace.halt()  # who gives up waits for no beat that is tried again and again
                raise
            finally:
                self._lock = None

    def settle(self) -> None:
        """Return: a bucket that has answered has stored."""

    def tidy(self, version: str, *, fresh: bool = False) -> int:
        """Abort the unfinished uploads below the release's folder, as far as this role and this store let it."""
        aborted = 0
        if fresh and not self._in_parts:
            return aborted
        with suppress(Unreachable):  # what is left now is left for the next run
            for abort in self.persist(version, lambda _: list(self.wire.leftovers(f"{self.prefix}{version}/"))):
                self.persist(version, lambda _: abort())  # noqa: B023
                aborted += 1
        return aborted

    def abilities(self, version: str) -> tuple[Ability, ...]:
        """Probe with a canary whether the store refuses to overwrite; what was once seen is remembered."""
        key = canary_of(version)

        def put() -> str:
            return self.wire.put(self.prefix + key, canary.DATA, canary.HEADERS, {}, ABSENT)

        return (canary.preconditions(self._notes, lambda tried: self.persist(key, lambda _: tried(put))),)

    def access_changes(self, access: Access, reach: Reach) -> tuple[AccessChange, ...]:
        """Tell of nothing: only a kind of bucket knows how it is opened."""
        del access, reach
        return ()

    def set_access(self, access: Access, reach: Reach) -> None:
        """Leave the bucket as it is."""
        del access, reach

    def sign(self, method: str, url: str) -> Signed:
        """Return where the store itself has what the public address leads to, with credentials, which go nowhere else."""
        top = f"{self.public_url}/"
        with reachable(self.url):
            if not url.startswith(top):
                raise Trouble(Why.WRONG, f"{url} is not below {self.public_url}: these credentials are not for it")
            return self.wire.sign(method, f"{self.wire.address}/{quote(self.prefix)}{url.removeprefix(top)}")

    @property
    def endpoint(self) -> str:
        """Where the store answers; "" for Amazon's and Google's own."""
        with reachable(self.url):
            return self.wire.endpoint


def _there(key: str) -> Conflict:
    return Conflict(Problem(key, "is there already, and is never replaced", "choose a new version"))
