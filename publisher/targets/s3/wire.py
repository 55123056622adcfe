"""S3's protocol: one bucket, one request each.

obstore does what there are many of: put, get, head, list. It tells of a failure in a text without headers, so what is
asked once more goes through boto3, as do uploads in parts, but for the parts themselves in fair weather. Every body travels with its SHA-256 in what is signed, and
with a CRC that the store compares and keeps. Not with a SHA-256 that it keeps: tensorstore's own `s3` driver holds that,
which is of the stored bytes, against the bytes with gzip undone, and refuses every object with Content-Encoding.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import unquote, urlsplit

import google_crc32c
import obstore
from obstore.store import S3Store

from publisher.objects import Headers, Stored
from publisher.targets.s3.connection import Connection
from publisher.targets.s3.courier import Courier
from publisher.targets.s3.lane import Lane, Lender, lane
from publisher.targets.s3.listing import listed
from publisher.targets.s3.spelling import attributes, carried, conditioned, head_of_boto3, head_of_obstore, mode
from publisher.targets.s3.troubles import MISSING, NO_BUCKET, UNSATISFIABLE, Answered
from publisher.targets.s3.uploads import Upload, begin, unfinished
from publisher.targets.wire import Head, Notes, Trouble, Why

if TYPE_CHECKING:  # what obstore has only for type checkers
    from obstore import GetOptions

_SIGNED_FOR = timedelta(hours=1)
_MUTE = frozenset({400, 403})  # that is all that a HEAD is answered: to say why, a body is needed


class S3Wire:
    """One bucket. Many threads may use it at once."""

    tells_encoding = False

    def __init__(self, bucket: str) -> None:
        """Take the bucket's name; nothing is asked for yet."""
        self.bucket = bucket
        self._connection = Connection(bucket)
        self._courier = Courier(self._connection)
        self._found = False  # whether there is such a bucket: a HEAD says 404 also where there is none

    @property
    def address(self) -> str:
        """The address below which strangers find the keys, without a slash at its end."""
        return self._connection.settings.address(self.bucket)

    @property
    def endpoint(self) -> str:
        """Where the store answers; "" for Amazon's own."""
        settings = self._connection.settings
        return "" if settings.aws else settings.endpoint

    def lane(self, of: Lender) -> Lane | None:
        """Open the quick way for small objects of a target."""
        return lane(self._connection, of)

    def client(self) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return boto3's client for what else there is to say to a bucket; it does not try again by itself."""
        return self._connection.client

    def get(self, key: str, start: int = 0, end: int | None = None) -> tuple[bytes, str] | None:
        """Return the stored bytes [start, end) and the ETag, or None."""
        if end is not None and end <= start:
            return self._nothing_of(key)
        options: GetOptions = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}

        def read(store: S3Store) -> tuple[bytes, str]:
            found = obstore.get(store, key, options=options)
            return bytes(found.bytes()), found.meta["e_tag"] or ""

        try:
            return self._connection.quick(read)
        except Answered as answer:
            if answer.status == UNSATISFIABLE:  # it begins behind the last byte
                return self._nothing_of(key)
            if _absent(answer):
                return None
            raise

    def head(self, key: str, *, checksum: bool = False) -> Head | None:
        """Return what is told of an object, or None; CRC32Cs are told of what was uploaded in parts."""
        try:
            if checksum:
                return head_of_boto3(self._connection.careful("head_object", Key=key, ChecksumMode="ENABLED"))
            found = self._connection.quick(lambda store: obstore.get(store, key, options={"head": True}))
            return head_of_obstore(found)
        except Answered as answer:
            if not answer.code and (answer.status in _MUTE or (answer.status == MISSING and not self._found)):
                self.get(key, 0, 1)  # raises what says why
                self._found = True
            if _absent(answer):
                return None
            raise

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
        """Store an object; return its ETag."""
        if careful:
            # boto3 adds no checksum to one that there is: its own goes as `Content-Encoding: gzip,aws-chunked` over https.
            checksum = base64.b64encode(google_crc32c.Checksum(data).digest()).decode()
            words = {**carried(headers, labels), **conditioned(condition)}
            answer = self._connection.careful("put_object", Key=key, Body=data, ChecksumCRC32C=checksum, **words)
            return str(answer.get("ETag", ""))
        told, how = attributes(headers, labels), mode(condition)
        done = self._connection.quick(
            lambda store: obstore.put(store, key, data, attributes=told, mode=how, use_multipart=False)
        )
        self._found = True
        return done["e_tag"] or ""

    def large(
        self, key: str, headers: Headers, labels: Mapping[str, str], notes: Notes, *, size_bytes: int = 0
    ) -> Upload:
        """Begin an upload in parts, or find the one that an earlier run began for the same headers and labels."""
        return begin(self._courier, key, headers, labels, notes, size_bytes)

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """List what lies below a prefix and sorts after a key, in the order of keys."""
        return listed(self._connection, prefix, after)

    def leftovers(self, prefix: str) -> Iterator[Callable[[], None]]:
        """For each unfinished upload below a prefix, yield what aborts it."""
        return unfinished(self._connection, prefix)

    def sign(self, method: str, url: str) -> tuple[str, Mapping[str, str]]:
        """Return an address below the bucket's with a signature that is good for an hour."""
        base, asked = urlsplit(f"{self.address}/"), urlsplit(url)
        if asked[:2] != base[:2] or not asked.path.startswith(base.path):
            raise Trouble(Why.WRONG, f"{url} is not below {self.address}: these credentials are not for it")
        key = unquote(asked.path.removeprefix(base.path))
        verb = cast("Literal['GET', 'HEAD']", method)
        return self._connection.quick(lambda store: obstore.sign(store, verb, key, _SIGNED_FOR)), {}

    def _nothing_of(self, key: str) -> tuple[bytes, str] | None:
        head = self.head(key)
        return None if head is None else (b"", head.tag)


def _absent(answer: Answered) -> bool:
    """Whether it says that there is no such object."""
    return answer.status == MISSING and answer.code != NO_BUCKET
