"""A bucket prefix as a target, whatever its protocol: trying again, keeping promises, merging with its listing."""

from __future__ import annotations

import base64
import itertools
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from time import monotonic
from typing import IO, TypeVar, cast

from publisher.errors import Conflict, Incomplete, Problem, Unreachable
from publisher.objects import Ability, AccessChange, Entry, Headers, Stored
from publisher.record import Access, folder
from publisher.targets.access import Reach
from publisher.targets.base import Body, Held, Labels, Signed
from publisher.targets.lock import held
from publisher.targets.pace import AdaptivePace
from publisher.targets.wire import ABSENT, Head, Large, Notes, Trouble, Why, Wire

PART_BYTES = 16 << 20  # what is larger is sent in parts
WITNESS_SECONDS = 15.0  # without a success: then it is not one object that fails; longer than between a lock's beats
RECENT_SECONDS = 30.0  # that the store may have done nothing, and one object alone be to blame for failing
SWAPS = 50  # times that others must be quicker before one gives up

T = TypeVar("T")

_HOPELESS = frozenset({Why.CONDITION, Why.REFUSED, Why.SKEW, Why.GONE, Why.WRONG})
_ALL = frozenset({Why.GONE, Why.SKEW, Why.EXPIRED})  # what fails one object fails all of them
_HINTS = {
    Why.BUSY: "run the same command again later: what arrived is not sent again",
    Why.LOST: "is the network there? Run the same command again: what arrived is not sent again",
    Why.CORRUPT: "something on the way changes bytes; try another network",
    Why.EXPIRED: "log in again and run the same command: what arrived is not sent again",
    Why.REFUSED: "docs/access.md says what a publishing role needs",
    Why.SKEW: "set the clock and run again",
    Why.GONE: "create the bucket first: publisher makes none",
}
_PRECONDITIONS = "preconditions"


class Bucket:
    """A prefix of a bucket. Keys are below the prefix; the wire knows whole keys."""

    def __init__(self, wire: Wire, url: str, prefix: str, public_url: str, notes: Notes) -> None:
        """Take the wire to the bucket, and the prefix without slashes at its ends ("" is the whole bucket)."""
        self.url, self.public_url = url, public_url.rstrip("/")
        self.pace = AdaptivePace()
        self.wire = wire
        self.prefix = f"{prefix}/" if prefix else ""
        self._notes = notes
        self._stored = self._in_parts = False  # whether this run has sent anything, and an object in parts

    # Reading

    def read(self, key: str) -> bytes | None:
        """Return the stored bytes of a small object, or None."""
        found = self._persist(key, lambda _: self.wire.get(self.prefix + key))
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
        raise self._raced(key)

    def _fetched(self, key: str, head: Head, file: IO[bytes]) -> bool:
        """Copy an object into a file; return whether it was the same one to the end."""
        for start in range(0, head.size_bytes, PART_BYTES):
            end = min(start + PART_BYTES, head.size_bytes)
            found = self._persist(key, lambda _: self.wire.get(self.prefix + key, start, end))  # noqa: B023
            if found is None or found[1] != head.tag:
                return False
            file.write(found[0])
        return True

    def lookup(self, keys: Iterable[str]) -> Iterator[Stored | None]:
        """Tell what is stored under each key, by one listing of each folder at the top that they lie in."""
        listing = _Listing(self)
        return (listing.find(key) for key in keys)

    def below(self, prefix: str) -> Iterator[Stored]:
        """List what is below a prefix."""
        return self.listed(prefix)

    def listed(self, prefix: str, last: str = "") -> Iterator[Stored]:
        """List what is below a prefix and sorts after a key; where the listing breaks off, it goes on after its last."""
        after = self.prefix + last if last else ""
        while True:
            pages = self._persist(prefix, lambda _: _begun(self.wire.list(self.prefix + prefix, after)))  # noqa: B023
            try:
                for found in pages:
                    after = found.key
                    yield found._replace(key=after.removeprefix(self.prefix))
            except Trouble as trouble:  # its generator is at its end
                self.pace.failed(trouble)
                if trouble.why in _HOPELESS:
                    raise self._in_words(prefix, trouble, 1) from trouble
            else:
                return

    def head(self, key: str, *, checksum: bool = False) -> Head | None:
        """Return what the store tells of an object."""
        return self._persist(key, lambda _: self.wire.head(self.prefix + key, checksum=checksum))

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
        self, key: str, body: Body, headers: Headers, *, create: bool = False, labels: Labels = dict, about: int = 0
    ) -> str:
        """Store an object: in one request, or in parts where it is large."""
        condition = ABSENT if create else None
        blocks = iter(body)
        data, more = _gather(blocks)
        if more:
            return self._put_large(key, itertools.chain([data], blocks), headers, condition, about)
        return self._put_small(key, data, headers, labels(), condition, alone=True)

    def swap(self, key: str, change: Callable[[bytes | None], bytes | None], headers: Headers) -> None:
        """Replace a small object, where it is still what was read."""
        for _ in range(SWAPS):
            found = self._persist(key, lambda _: self.wire.get(self.prefix + key))
            new = change(None if found is None else found[0])
            if new is None or (found and new == found[0]):
                return
            with suppress(Conflict):
                self._put_small(key, new, headers, {}, found[1] if found else ABSENT)
                return
        raise self._raced(key)

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
            found, head = self._persist(key, lambda _: self.wire.get(name)), self.head(key)
            return head.tag if head and found == (data, head.tag) and head.headers == headers else None

        tag = self._commit(key, put, ours, alone=alone)
        self._stored = True
        return tag

    def _put_large(self, key: str, blocks: Iterator[bytes], headers: Headers, condition: str | None, about: int) -> str:
        """Send an object in parts, several at once; what an earlier run has sent is not sent again."""
        name, self._in_parts = self.prefix + key, True
        if condition == ABSENT and self.head(key) is not None:
            raise _there(key)  # said before everything has been sent

        def begin(_: int) -> Large:
            return self.wire.large(name, headers, {}, self._notes, size_bytes=about)

        large = self._persist(key, begin, alone=True)
        size, crc32c = self._send(key, large, blocks)

        def ours() -> str | None:
            head = self.head(key, checksum=True)
            same = head and (head.size_bytes, head.crc32c, head.headers) == (size, crc32c, headers)
            return head.tag if head and same else None

        return self._commit(key, lambda _: large.finish(size, crc32c, condition), ours, alone=True)

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

        tag = self._persist(key, once, alone=alone)
        if tag is None and tries:
            tag = ours()
        if tag is None:
            raise _there(key)
        return tag

    def _send(self, key: str, large: Large, blocks: Iterator[bytes]) -> tuple[int, str]:
        """Send what has not arrived yet, in parts; return the size and the checksum of the whole."""
        total, size = Crc32c(), 0
        flying: deque[Future[None]] = deque()
        with ThreadPoolExecutor(large.abreast) as pool:
            for number, (data, last) in enumerate(_regrouped(blocks, large.part_bytes)):
                total.add(data)
                size += len(data)
                if len(flying) == large.abreast:
                    flying.popleft().result()
                flying.append(pool.submit(self._send_part, key, large, number, data, last=last))
            for future in flying:
                future.result()
        return size, total.text

    def _send_part(self, key: str, large: Large, number: int, data: bytes, *, last: bool) -> None:
        crc32c = Crc32c(data).text
        if not large.arrived(number, data, crc32c):
            self._persist(key, lambda _: large.send(number, data, crc32c, last=last), alone=True)

    # Being one of several publishers

    def lock(self, version: str) -> AbstractContextManager[Held]:
        """Hold the release's lock object."""
        return held(self, version)

    def settle(self) -> None:
        """Return: a bucket that has answered has stored."""

    def tidy(self, version: str, *, fresh: bool = False) -> int:
        """Abort the unfinished uploads below the release's folder, as far as this role and this store let it."""
        aborted = 0
        if fresh and not self._in_parts:
            return aborted
        with suppress(Unreachable):  # what is left now is left for the next run
            for abort in self._persist(version, lambda _: list(self.wire.leftovers(f"{self.prefix}{version}/"))):
                self._persist(version, lambda _: abort())  # noqa: B023
                aborted += 1
        return aborted

    def abilities(self, version: str) -> tuple[Ability, ...]:
        """Probe with a canary whether the store refuses to overwrite; what was once seen is remembered."""
        seen = self._notes.get(_PRECONDITIONS)
        works: bool | None
        if seen is not None:
            works = seen == "yes"
        else:
            works = self._probe(f"{folder(version)}/canary")
            if works is not None:
                self._notes.set(_PRECONDITIONS, "yes" if works else "no")
        message = {
            True: "the store refuses to overwrite what is there, so two publishers cannot both win",
            False: "the store ignores If-None-Match: nothing but your care keeps two publishers apart, or a final"
            " release from being overwritten by other programs",
            None: "not known whether the store refuses to overwrite: this role may not write its canary",
        }[works]
        return (Ability(_PRECONDITIONS, works, message),)

    def _probe(self, key: str) -> bool | None:
        canary = Headers("text/plain; charset=utf-8", None, "no-cache")

        def refused(_: int) -> bool | None:
            try:
                self.wire.put(self.prefix + key, b"canary\n", canary, {}, ABSENT)
            except Trouble as trouble:
                if trouble.why in {Why.CONDITION, Why.REFUSED}:
                    return True if trouble.why is Why.CONDITION else None
                raise
            return False

        first = self._persist(key, refused)
        return self._persist(key, refused) if first is False else first

    def access_changes(self, access: Access, reach: Reach) -> tuple[AccessChange, ...]:
        """Tell of nothing: only a kind of bucket knows how it is opened."""
        del access, reach
        return ()

    def set_access(self, access: Access, reach: Reach) -> None:
        """Leave the bucket as it is."""
        del access, reach

    def sign(self, method: str, url: str) -> Signed:
        """Return the address with credentials."""
        with reachable(self.url):
            return self.wire.sign(method, url)

    # Trying again

    def persistently(self, ask: Callable[[], T]) -> T:
        """Ask about what is no object until there is an answer."""
        return self._persist("", lambda _: ask())

    def _persist(self, key: str, attempt: Callable[[int], T], *, alone: bool = False) -> T:
        """Ask until it is done: `attempt` is told how often it was tried; raise what the store said last, in words.

        `alone` says that one object may fail without the others.
        """
        tries = expired = first = seen = 0
        while True:
            self.pace.enter()
            start = monotonic()
            try:
                result = attempt(tries)
            except Trouble as trouble:
                tries += 1
                expired += trouble.why is Why.EXPIRED
                if tries == 1 or self.pace.idle_seconds > WITNESS_SECONDS:
                    first, seen = tries - 1, self.pace.successes
                against = min(tries - first, self.pace.successes - seen)  # failures among successes of others
                self.pace.failed(trouble)
                if expired > 1:
                    self.pace.halt()
                if trouble.why in _HOPELESS or not self.pace.again(tries, against):
                    raise self._in_words(key, trouble, tries, alone=alone) from trouble
            else:
                self.pace.ran(monotonic() - start)
                return result

    def _in_words(self, key: str, trouble: Trouble, tries: int, *, alone: bool = False) -> Unreachable | Incomplete:
        """Say what failed: one object, where others are stored, or the whole target."""
        idle = self.pace.idle_seconds
        alone = alone and self._stored and not self.pace.over and idle < RECENT_SECONDS and trouble.why not in _ALL
        told = [f"tried {'once' if tries == 1 else f'{tries} times'}"] if alone or tries > 1 else []
        told += [f"nothing was done for {idle:.0f} s"] if idle >= 1 and not alone else []
        message = trouble.message + (f" ({', '.join(told)})" if told else "")
        problem = Problem(self._place(key), message, _HINTS.get(trouble.why, ""))
        return Incomplete(problem) if alone else Unreachable(problem)

    def _raced(self, key: str) -> Unreachable:
        message = "is changed by others again and again"
        return Unreachable(Problem(self._place(key), message, "who else writes here? Run the same command again"))

    def _place(self, key: str) -> str:
        return f"{self.url.rstrip('/')}/{key}"


class Crc32c:
    """CRC32C of what is added, as both stores write it: base64 of four bytes, the highest first."""

    def __init__(self, *blocks: bytes) -> None:
        """Begin with these blocks."""
        import google_crc32c  # noqa: PLC0415 - comes with the extras of buckets

        self._sum = google_crc32c.Checksum()
        for block in blocks:
            self._sum.update(block)

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self._sum.update(data)

    @property
    def text(self) -> str:
        """The checksum."""
        return base64.b64encode(self._sum.digest()).decode()


@contextmanager
def reachable(place: str) -> Iterator[None]:
    """Say in words what a store answered to what is asked only once."""
    try:
        yield
    except Trouble as trouble:
        raise Unreachable(Problem(place, trouble.message, _HINTS.get(trouble.why, ""))) from trouble


class _Listing:
    """Looks keys up that come sorted, in listings that are sorted too: one of each folder at the top."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._top = ""
        self._rest: Iterator[Stored] = iter(())
        self._next: Stored | None = None

    def find(self, key: str) -> Stored | None:
        top, slash, _ = key.partition("/")
        if not slash:
            head = self._bucket.head(key)
            return None if head is None else Stored(key, head.size_bytes, head.headers.content_encoding, head.tag)
        if top != self._top:
            self._top, self._rest = top, self._bucket.listed(f"{top}/", key[:-1])  # the last before it
            self._next = next(self._rest, None)
        while self._next is not None and self._next.key < key:
            self._next = next(self._rest, None)
        return self._next if self._next is not None and self._next.key == key else None


def _begun(listing: Iterator[Stored]) -> Iterator[Stored]:
    """Return a listing whose first page has been told."""
    first = next(listing, None)
    return iter(()) if first is None else itertools.chain([first], listing)


def _there(key: str) -> Conflict:
    return Conflict(Problem(key, "is there already, and is never replaced", "choose a new version"))


def _gather(blocks: Iterator[bytes]) -> tuple[bytes, bool]:
    """Read up to a part, or a block more; say whether there may be more."""
    data = next(blocks, b"")
    taken, size = [data], len(data)
    while size <= PART_BYTES and (block := next(blocks, None)) is not None:
        taken.append(block)
        size += len(block)
    return data if len(taken) == 1 else b"".join(taken), size > PART_BYTES


def _regrouped(blocks: Iterator[bytes], size_bytes: int) -> Iterator[tuple[bytes, bool]]:
    """Yield the same bytes in parts of one size, and whether a part is the last; memory: a part, twice."""
    held: list[bytes] = []
    size = 0
    for block in blocks:
        rest = block
        while size + len(rest) > size_bytes:
            cut = size_bytes - size
            held.append(rest[:cut])
            rest, size = rest[cut:], 0
            part = b"".join(held)
            held.clear()
            yield part, False
        held.append(rest)
        size += len(rest)
    yield b"".join(held), True
