"""Google Cloud Storage, by its JSON interface (docs/adr/0006-gcs-json-interface.md).

A tag is the object's *generation*: a number that each write changes, that conditions take, that every answer carries,
and that a listing tells. https://cloud.google.com/storage/docs/json_api/v1/objects
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from urllib3 import BaseHTTPResponse

from publisher.objects import Headers, Stored
from publisher.targets.gcs.resumable import Resumable, Session
from publisher.targets.gcs.service import ENDPOINT, Service, resource
from publisher.targets.gcs.troubles import MISSING, UNSATISFIABLE, of_answer, said
from publisher.targets.wire import ABSENT, Head, Notes, Trouble, Why

if TYPE_CHECKING:
    from google.cloud.storage import Client

_PAGE = 1000  # the most that the service tells at once
_TOLD = "generation,size,crc32c,contentType,contentEncoding,cacheControl,metadata"
_LISTED = "items(name,size,contentEncoding,generation),nextPageToken"
_BOUNDARY = secrets.token_hex(16)  # too long to be met in anybody's bytes
_OPEN = f"--{_BOUNDARY}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode()
_NEXT = f"\r\n--{_BOUNDARY}\r\nContent-Type: ".encode()
_CLOSE = f"\r\n--{_BOUNDARY}--\r\n".encode()
_RELATED = {"Content-Type": f"multipart/related; boundary={_BOUNDARY}"}
_JSON = {"Content-Type": "application/json; charset=UTF-8"}
_AS_STORED = {"Accept-Encoding": "gzip"}  # without it the service undoes gzip on the way
_FOUND = frozenset({200, MISSING})
_FOUND_PART = frozenset({200, 206, MISSING, UNSATISFIABLE})


class GcsWire:
    """One bucket. Many threads may use it at once."""

    tells_encoding = True

    def __init__(self, bucket: str) -> None:
        """Take the bucket's name; nothing is asked for yet."""
        self.bucket = bucket
        self.service = Service()
        name = quote(bucket, safe="")
        self._objects = f"/storage/v1/b/{name}/o"
        self._uploads = f"/upload/storage/v1/b/{name}/o?uploadType="

    def get(self, key: str, start: int = 0, end: int | None = None) -> tuple[bytes, str] | None:
        """Return the stored bytes [start, end) and the generation, or None; whole objects are checked on arrival."""
        if end is not None and end <= start:
            head = self.head(key)
            return None if head is None else (b"", head.tag)
        found = self._media(key, start, end)
        if found is None or found[1]:
            return found
        # Not told with the bytes: asked for before them, so that a condition with it never passes over newer ones.
        head = self.head(key)
        found = self._media(key, start, end)
        return None if head is None or found is None else (found[0], head.tag)

    def _media(self, key: str, start: int, end: int | None) -> tuple[bytes, str] | None:
        whole = not start and end is None
        bounds = {} if whole else {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        target = f"{self._object(key)}?alt=media"
        answer = self.service.ask("GET", target, headers={**_AS_STORED, **bounds}, fine=_FOUND_PART)
        if answer.status == MISSING:
            _no_object(answer)
            return None
        tag = answer.headers.get("X-Goog-Generation", "")
        if answer.status == UNSATISFIABLE:  # it begins behind the last byte
            return b"", tag
        data = answer.data
        told = answer.headers.get("X-Goog-Hash", "")
        if whole and "crc32c=" in told and f"crc32c={crc32c(data)}" not in told:
            raise Trouble(Why.CORRUPT, f"what arrived of {key} is not what is stored, by its checksum")
        return (data if whole or answer.status != 200 else data[start:end]), tag  # noqa: PLR2004 - Range was ignored

    def head(self, key: str, *, checksum: bool = False) -> Head | None:
        """Return what is told of an object, its checksum always, or None."""
        del checksum
        answer = self.service.ask("GET", f"{self._object(key)}?fields={_TOLD}", fine=_FOUND)
        if answer.status == MISSING:
            _no_object(answer)
            return None
        told = resource(answer)
        return Head(
            int(told["size"]),
            Headers(told.get("contentType", ""), told.get("contentEncoding") or None, told.get("cacheControl", "")),
            told.get("metadata", {}),
            told["generation"],
            told.get("crc32c", ""),
        )

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
        """Store an object in one request that carries its checksum; return its generation."""
        del careful
        checksum = crc32c(data)
        metadata = json.dumps({**_metadata(key, headers, labels), "crc32c": checksum}).encode()
        body = b"".join((_OPEN, metadata, _NEXT, headers.content_type.encode(), b"\r\n\r\n", data, _CLOSE))
        target = f"{self._uploads}multipart&fields=generation,crc32c{_if(condition)}"
        told = resource(self.service.ask("POST", target, body, _RELATED))
        if told.get("crc32c") != checksum:
            raise Trouble(Why.CORRUPT, f"the service has other bytes for {key} than were sent, and does not check them")
        return cast("str", told["generation"])

    def large(
        self, key: str, headers: Headers, labels: Mapping[str, str], notes: Notes, *, size_bytes: int = 0
    ) -> Resumable:
        """Begin a resumable upload, or go on with the one that an earlier run began for the same headers and labels."""
        del size_bytes
        head = self.head(key)
        there = ABSENT if head is None else head.tag
        metadata = json.dumps(_metadata(key, headers, labels))
        target = f"{self._uploads}resumable{_if(there)}"
        note = "gcs-" + hashlib.sha256(f"{target} {metadata}".encode()).hexdigest()[:32]

        def begin() -> str:
            return self.service.ask("POST", target, metadata.encode(), _JSON).headers["Location"]

        return Resumable(Session(self.service, begin, lambda: self.head(key), headers, there, notes, note))

    def list(self, prefix: str, after: str = "") -> Iterator[Stored]:
        """List what lies below a prefix and sorts after a key, a page at a time."""
        last, query = after, {"prefix": prefix, "maxResults": str(_PAGE), "fields": _LISTED}
        if after:
            query["startOffset"] = after
        while True:
            page = resource(self.service.ask("GET", f"{self._objects}?{urlencode(query)}"))
            for item in sorted(page.get("items", ()), key=lambda item: cast("str", item["name"])):
                key = item["name"]
                if key <= after:  # startOffset is told too, and some servers ignore it
                    continue
                if key <= last:
                    raise Trouble(Why.WRONG, f"the service lists {prefix} out of order, at {key}")
                last = key
                yield Stored(key, int(item["size"]), item.get("contentEncoding") or None, item["generation"])
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = page["nextPageToken"]

    def leftovers(self, prefix: str) -> Iterator[Callable[[], None]]:
        """Yield nothing: an unfinished upload holds nothing that is listed or paid for, and ends after a week."""
        del prefix
        return iter(())

    @property
    def address(self) -> str:
        """The address below which strangers find the keys, without a slash at its end."""
        return f"{self.service.endpoint}/{quote(self.bucket, safe='')}"

    @property
    def endpoint(self) -> str:
        """Where the store answers; "" for Google's own."""
        return "" if self.service.endpoint == ENDPOINT else self.service.endpoint

    def sign(self, method: str, url: str) -> tuple[str, Mapping[str, str]]:
        """Return the address as it is, and the headers that say who is asking."""
        del method
        return url, dict(self.service.authorization())

    def client(self) -> Client:
        """Return Google's own client, for what is no object; it takes a third of a second to import."""
        return self.service.client()

    def _object(self, key: str) -> str:
        return f"{self._objects}/{quote(key, safe='')}"


def crc32c(data: bytes) -> str:
    """Return a checksum as the service writes it: base64 of four bytes, the highest first."""
    import google_crc32c  # noqa: PLC0415 - comes with the extra of this target

    return base64.b64encode(google_crc32c.value(data).to_bytes(4)).decode()


def _no_object(answer: BaseHTTPResponse) -> None:
    """Raise where it is the bucket that is not there."""
    if "bucket does not exist" in said(answer).message:
        raise of_answer(answer, "")


def _metadata(key: str, headers: Headers, labels: Mapping[str, str]) -> dict[str, Any]:
    told = {"name": key, "contentType": headers.content_type, "cacheControl": headers.cache_control}
    if headers.content_encoding:
        told["contentEncoding"] = headers.content_encoding
    return {**told, "metadata": dict(labels)} if labels else dict(told)


def _if(condition: str | None) -> str:
    return "" if condition is None else f"&ifGenerationMatch={'0' if condition == ABSENT else condition}"
