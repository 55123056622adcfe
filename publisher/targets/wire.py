"""What a bucket's protocol can do: one request each, told as it was answered. Trying again is the bucket's affair."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import NamedTuple, Protocol

from publisher.objects import Headers, Stored

ABSENT = "*"  # a condition: nothing is there yet. Any other is the tag of what is there


class Why(Enum):
    """Why a request was not done, which decides what is done about it."""

    BUSY = "busy"  # 429, 503 SlowDown, 500, 502, 504: again, later, and slower
    LOST = "lost"  # no answer: it may have been done
    CORRUPT = "corrupt"  # the store got other bytes than were sent: again, with fresh ones
    EXPIRED = "expired"  # credentials or their token: again, with new ones
    CONDITION = "condition"  # 412: something else is there. Also 409 where conditions race, which is BUSY on S3
    REFUSED = "refused"  # these credentials may not
    SKEW = "skew"  # this machine's clock is off
    GONE = "gone"  # there is no such bucket or upload
    WRONG = "wrong"  # anything else: asking again would not help


class Trouble(Exception):
    """One request that was not done."""

    def __init__(self, why: Why, message: str, *, retry_after: float | None = None) -> None:
        """Take what the store said, in a sentence for people, and how many seconds it asks to wait."""
        self.why, self.message, self.retry_after = why, message, retry_after
        super().__init__(f"{why.value}: {message}")


class Head(NamedTuple):
    """What a store tells of one object without sending it. `crc32c` is base64 (big-endian), "" where it has none."""

    size_bytes: int
    headers: Headers
    labels: Mapping[str, str]
    tag: str
    crc32c: str


class Large(Protocol):
    """A resumable upload of one large object; parts are numbered from 0 and all but the last have `part_bytes`."""

    part_bytes: int
    abreast: int
    """Parts that may be sent at once; 1 where they must come in order."""

    def arrived(self, number: int, data: bytes, crc32c: str) -> bool:
        """Whether an earlier run has sent this very part; of a store that tells no checksum, whether as many bytes."""

    def send(self, number: int, data: bytes, crc32c: str, *, last: bool) -> None:
        """Send one part with its checksum (base64, big-endian), which the store verifies; raise Trouble."""

    def finish(self, size_bytes: int, crc32c: str, condition: str | None) -> str:
        """Make it an object, if the whole has this checksum and the condition holds; return its tag."""


class Wire(Protocol):
    """One bucket, spoken to in its own protocol. Keys are whole keys in the bucket. Every method raises Trouble."""

    tells_encoding: bool
    """Whether `list` tells Content-Encoding."""

    @property
    def address(self) -> str:
        """The address below which the store itself has the keys, without a slash at its end."""

    @property
    def endpoint(self) -> str:
        """Where the store answers; "" for Amazon's and Google's own."""

    def get(self, key: str, start: int = 0, end: int | None = None) -> tuple[bytes, str] | None:
        """Return the stored bytes [start, end) as they are stored (gzip is never undone) and the tag, or None."""

    def head(self, key: str, *, checksum: bool = False) -> Head | None:
        """Return what is told of an object, or None where there is none; its `crc32c` only where it is asked for."""

    def put(
        self,
        key: str,
        data: bytes,
        headers: Headers,
        labels: Mapping[str, str],
        condition: str | None,
        *,
        careful: bool = False,
    ) -> str:
        """Store an object in one request, with a checksum that the store verifies; return its tag.

        `condition` is ABSENT, a tag that must be there, or None. A store without conditions ignores it in silence.
        `careful` is asked for after a failure: the answer is then read to its last header, however slowly.
        """

    def large(
        self, key: str, headers: Headers, labels: Mapping[str, str], notes: Notes, *, size_bytes: int = 0
    ) -> Large:
        """Begin a resumable upload of about so many bytes, or find the one that an earlier run began with these headers."""

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """List what lies below a prefix and sorts after a key, in the order of keys; memory: a page."""

    def leftovers(self, prefix: str) -> Iterator[Callable[[], None]]:
        """For each unfinished upload below a prefix, yield what aborts it."""

    def sign(self, method: str, url: str) -> tuple[str, Mapping[str, str]]:
        """Return an address, which is below the bucket's, and headers that carry these credentials."""


class Notes(Protocol):
    """A few small texts that outlive the process: where an upload stands that only its own session knows."""

    def get(self, name: str) -> str | None:
        """Return a note, or None."""

    def set(self, name: str, text: str | None) -> None:
        """Keep a note, or forget it."""
