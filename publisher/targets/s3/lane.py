"""The quick way for small objects: requests that are signed here, on lines of our own.

The SHA-256 that is signed is the digest that the inventory has: each byte is hashed once.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import inf
from time import time
from typing import Protocol
from urllib.parse import urlsplit

import google_crc32c

from publisher.objects import Entry, Form, Headers, ObjectSpec
from publisher.payload import Payload
from publisher.targets.lines import Answer, Lines, straight
from publisher.targets.pace import AdaptivePace
from publisher.targets.s3.connection import Connection
from publisher.targets.s3.settings import CONNECT_SECONDS, READ_SECONDS
from publisher.targets.s3.signing import DONE, Sent, signer, tag
from publisher.targets.s3.troubles import of_answer, unanswered
from publisher.targets.wire import ABSENT, Trouble

MOST_BYTES = 1 << 20  # of an object: larger ones are better hashed by several threads
FLYING_BYTES = 64 << 20
# A part of a key that no program spells in another way: nothing in it need be escaped, and it is no `.` or `..`.
_PLAIN = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.~-]+")


class Lender(Protocol):
    """Whose objects they are."""

    pace: AdaptivePace
    prefix: str
    stored: bool
    missed: dict[str, Trouble]
    """What came of objects that were not stored: the usual way goes on from there."""


class Lane:
    """Puts on one bucket, many at once from one thread."""

    def __init__(self, connection: Connection, of: Lender) -> None:
        """Take the connection, which knows where the bucket is and who asks; raise Trouble where it does not."""
        settings = connection.settings
        self._endpoint, address = settings.endpoint, urlsplit(settings.address(connection.bucket))
        self._connection, self._of = connection, of
        self._host, self._path = address.netloc, f"{address.path}/{of.prefix}"
        self._plain = lru_cache(maxsize=4096)(
            lambda folder: all(map(_PLAIN.fullmatch, f"{of.prefix}{folder}".split("/")))
        )
        self._lines = Lines(address.geturl(), settings.ca, CONNECT_SECONDS, READ_SECONDS)
        self._begun: dict[int, Entry] = {}  # what is on its way, by its number
        self.room_bytes = FLYING_BYTES
        self._refused: list[int] = []  # what could not even be sent
        self._renew(int(time()))
        self.nudge, self.close = self._lines.nudge, self._lines.close
        self.watch, self.forget = self._lines.watch, self._lines.forget

    @property
    def flying(self) -> int:
        """How many puts are on their way."""
        return len(self._begun)

    @property
    def full(self) -> bool:
        """Whether as many are on their way as the store's pace allows."""
        return self._lines.flying >= self._of.pace.abreast or self._lines.flying_bytes > self.room_bytes

    def takes(self, spec: ObjectSpec) -> bool:
        """Whether an object can be put here now: what is stored as it lies, since nothing else is sent meanwhile."""
        return spec.form is Form.AS_IS and spec.headers.content_encoding is None and self.reaches(spec)

    def reaches(self, spec: ObjectSpec) -> bool:
        """Whether a small object can go this way now: in fair weather, and when all that was missed is heard of."""
        fair = self._of.pace.fair and not self._of.missed and not self._lines.tired
        folder, _, name = spec.key.rpartition("/")
        return fair and spec.size_bytes <= MOST_BYTES and _PLAIN.fullmatch(name) is not None and self._plain(folder)

    def put(self, number: int, spec: ObjectSpec, *, create: bool = False, over: str = "", until: float = inf) -> None:
        """Send an object; `answers` tells of it by this number. Raise LocalTrouble where it is not what was planned."""
        del until  # it is sent now
        payload = Payload(spec)
        data = b"".join(payload)
        entry = self._begun[number] = payload.entry()
        try:
            request = self._request(entry, data, payload.labels(), ABSENT if create else over or None)
        except Trouble as trouble:  # credentials have expired, and new ones are not to be had
            self._of.missed[entry.key] = trouble
            self._refused.append(number)
        else:
            self._lines.send(number, request)

    def answers(self, seconds: float) -> Iterator[tuple[int, Entry | None, str]]:
        """Yield what was answered; wait at most so long, or until a nudge, for something to be."""
        refused, self._refused = self._refused, []
        for number in refused:
            del self._begun[number]
            yield number, None, ""
        for answer in self._lines.answers(0 if refused else seconds):
            entry = self._begun.pop(answer.number)
            if answer.status == DONE:
                self._of.pace.ran(answer.seconds)
                self._of.stored = True
                yield answer.number, entry, tag(answer)
            else:
                trouble = self._of.missed[entry.key] = self._read(answer)
                self._connection.renew(self._signer.made, trouble)
                yield answer.number, None, ""

    def _read(self, answer: Answer) -> Trouble:
        if not answer.status:
            return unanswered(answer.error, self._endpoint)
        lines = (line.partition(":") for line in answer.head.decode("latin-1").split("\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in lines}
        return of_answer(answer.status, headers, answer.body.decode("utf-8", "replace"))

    def _request(self, entry: Entry, data: bytes, labels: Mapping[str, str], condition: str | None) -> bytes:
        if (now := int(time())) != self._second:
            self._renew(now)
        names, lines = _told(entry.headers, self._host, condition)
        crc32c = base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
        sent = Sent(len(data), entry.stored_sha256, crc32c)
        return self._signer.put(self._path + entry.key, names, lines, sent, labels=labels) + data

    def _renew(self, now: int) -> None:
        """Take the time, and the key that is good for today; credentials may be others than a moment ago."""
        self._second, self._signer = now, signer(self._connection.made, now)


@lru_cache(maxsize=256)
def _told(headers: Headers, host: str, condition: str | None) -> tuple[str, str]:
    """Return the names and the lines of what many requests say alike, sorted by name."""
    told = {"cache-control": headers.cache_control, "content-type": headers.content_type, "host": host}
    if headers.content_encoding:
        told["content-encoding"] = headers.content_encoding
    if condition is not None:
        told["if-none-match" if condition == ABSENT else "if-match"] = condition
    names = sorted(told)
    return ";".join(names), "".join(f"{name}:{told[name]}\n" for name in names)


def lane(connection: Connection, of: Lender) -> Lane | None:
    """Open the quick way, or None where a proxy is between, or nobody can say where the bucket is or who asks."""
    try:
        straightly = straight(connection.settings.address(connection.bucket))
        return Lane(connection, of) if straightly else None
    except Trouble:
        return None  # those who ask next say what is wrong
