"""Resumable uploads: the bytes go to a session, in order, and become an object with the last of them.

https://cloud.google.com/storage/docs/performing-resumable-uploads. Three things about it matter here.

The checksum of the whole is known only at the end, when the metadata have long been sent. So the last part is kept
until `finish`, and goes out with `X-Goog-Hash: crc32c=…`: the service refuses that request where the whole does not
have this checksum, and no object comes to be. Google's own clients do so since 2025; before, they looked at what had
been stored, and deleted it (https://cloud.google.com/storage/docs/data-validation,
https://github.com/googleapis/google-cloud-cpp/pull/15815, https://github.com/googleapis/google-cloud-dotnet/pull/15769).
No other part has a checksum of its own: what an earlier run sent is judged with the whole.

A condition belongs to the request that begins the session, and is judged when the object comes to be
(https://github.com/googleapis/google-cloud-java/issues/201), but the caller tells it only to `finish`. So each session
begins under the condition that what is there then is still there in the end, and `finish` compares what it is asked
with that. What somebody else wrote meanwhile is never overwritten.

The address of a session is valid for a week, without any credentials: it is a secret, and stays in the notes. A
session that is complete when it is found again is not gone on with: its object is there to be looked at, or it was the
question that completed it, as fake-gcs-server does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from publisher.objects import Headers
from publisher.targets.gcs.service import Service, resource
from publisher.targets.wire import Head, Notes, Trouble, Why

PART_BYTES = 16 << 20  # a multiple of 256 KiB, which all parts but the last must be
_INCOMPLETE = 308
_TAKEN = frozenset({200, 201, _INCOMPLETE})
_DEAD = frozenset({Why.GONE, Why.CORRUPT, Why.WRONG, Why.CONDITION})
_ENDED = "the service has ended this upload early; run the same command again, and it begins anew"
_OTHER = "what arrived is not what was sent, by its checksum; run the same command again, and it is sent anew"
_MEANWHILE = "somebody else has written it meanwhile; run the same command again"


class _Made(NamedTuple):
    size_bytes: int
    crc32c: str
    tag: str


class Session(NamedTuple):
    """What a resumable upload needs to know of the object that it makes."""

    service: Service
    begin: Callable[[], str]
    """Begin a session; return its address."""
    head: Callable[[], Head | None]
    headers: Headers
    there: str
    """What was there before, as a condition."""
    notes: Notes
    note: str
    """The name under which the address is kept."""


class Resumable:
    """One upload. One thread at a time."""

    part_bytes = PART_BYTES
    abreast = 1

    def __init__(self, session: Session) -> None:
        """Go on with what an earlier run began, or begin."""
        self._session = session
        self._target = session.notes.get(session.note) or ""
        self._offset: int | None = None  # bytes that the service has; None: it must be asked
        self._made: _Made | None = None
        self._last: tuple[int, bytes] | None = None  # where the last part begins, and its bytes
        if not (self._target and self._alive()):
            self._target, self._offset, self._made = _target(session.begin()), 0, None
            session.notes.set(session.note, self._target)
        self._had = self._known()

    def arrived(self, number: int, data: bytes, crc32c: str) -> bool:
        """Whether an earlier run has sent so many bytes; whether they are the same shows at the end."""
        del crc32c
        return number * self.part_bytes + len(data) <= self._had

    def send(self, number: int, data: bytes, crc32c: str, *, last: bool) -> None:
        """Send a part, or what is still missing of it. The last is kept for `finish`, with the checksum of all."""
        del crc32c
        if last:
            self._last = number * self.part_bytes, data
            return
        try:
            self._transmit(number * self.part_bytes, data, "*", {})
        except Trouble as trouble:
            raise self._judged(trouble) from trouble

    def finish(self, size_bytes: int, crc32c: str, condition: str | None) -> str:
        """Send the last part, which makes it an object; return the object's generation."""
        if condition not in {None, self._session.there}:
            raise Trouble(Why.CONDITION, "something else is there")
        start, data = self._last or (size_bytes, b"")
        try:
            self._transmit(start, data, str(size_bytes), {"X-Goog-Hash": f"crc32c={crc32c}"})
        except Trouble as trouble:
            self._made = self._found(size_bytes, crc32c) if trouble.why is Why.GONE else None
            if self._made is None:
                raise self._judged(trouble, unconditional=condition is None) from trouble
        assert self._made is not None
        self._session.notes.set(self._session.note, None)
        if self._made[:2] != (size_bytes, crc32c):
            raise Trouble(Why.WRONG, _OTHER)
        return self._made.tag

    def _found(self, size_bytes: int, crc32c: str) -> _Made | None:
        """Return the object where an earlier try has made it, though the answer was lost and the session is over."""
        head = self._session.head()
        if head is None or head.tag == self._session.there:
            return None
        same = (head.size_bytes, head.crc32c, head.headers) == (size_bytes, crc32c, self._session.headers)
        return _Made(size_bytes, crc32c, head.tag) if same else None

    def _alive(self) -> bool:
        """Whether the session of an earlier run takes more bytes."""
        try:
            self._known()
        except Trouble as trouble:
            if trouble.why not in _DEAD:
                raise
            return False
        return self._made is None

    def _judged(self, trouble: Trouble, *, unconditional: bool = True) -> Trouble:
        """Forget a session that is of no more use; say what to do where its part cannot be sent again by itself."""
        if trouble.why in _DEAD:
            self._session.notes.set(self._session.note, None)
        words = {Why.GONE: _ENDED, Why.CORRUPT: _OTHER}
        if unconditional:
            words[Why.CONDITION] = _MEANWHILE
        return Trouble(Why.WRONG, words[trouble.why]) if trouble.why in words else trouble

    def _transmit(self, start: int, data: bytes, total: str, headers: Mapping[str, str]) -> None:
        """Send what the service has not got yet of the bytes from `start`: it may take only some of them."""
        end = start + len(data)
        while True:
            offset = self._known()
            if total == "*" and (self._made is not None or offset >= end):
                break
            if self._made is not None:
                return
            if not start <= offset <= end:
                raise Trouble(Why.GONE, _ENDED)
            rest = memoryview(data)[offset - start :]
            self._put(rest, f"{offset}-{end - 1}/{total}" if rest else f"*/{total}", headers)
            if self._made is None and self._offset == offset:
                raise Trouble(Why.BUSY, "the service has taken none of the bytes")
        if self._made is not None:
            raise Trouble(Why.GONE, _ENDED)

    def _known(self) -> int:
        """Return how many bytes the service has, from its last answer or by asking."""
        if self._offset is None:
            self._put(b"", "*/*", {})
        return self._offset or 0

    def _put(self, data: bytes | memoryview, span: str, headers: Mapping[str, str]) -> None:
        self._offset = None
        said = {"Content-Range": f"bytes {span}", **headers}
        answer = self._session.service.ask("PUT", self._target, data, said, fine=_TAKEN)
        if answer.status == _INCOMPLETE:
            taken = answer.headers.get("Range")  # bytes=0-last, and missing where there is none
            self._offset = int(taken.rpartition("-")[2]) + 1 if taken else 0
            return
        told = resource(answer)
        self._made = _Made(int(told["size"]), told.get("crc32c", ""), told["generation"])
        self._offset = self._made.size_bytes


def _target(address: str) -> str:
    """Return the part of an address that is asked for; the rest is this service again."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"
