"""Uploads in parts that a later run goes on with, whether or not anything is remembered of them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html. A store tells the parts of an unfinished upload,
but not the headers that its object will have. So a digest of these is in the size of the parts: 16 MiB and up to a MiB
more. An upload with parts of that very size was begun for the same headers, also where no note of it is left.

Parts go the quick way while the weather is fair; all else, and they too once that failed, by boto3, which asks before it
sends. Every part goes with its CRC32C and, in what is signed, its SHA-256; the whole with its CRC32C, which the store computes
from those of the parts (ChecksumType FULL_OBJECT in
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html). A store that knows only
checksums of checksums says so by not saying that it is for the whole: https://github.com/minio/minio/issues/20944.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import quote

from publisher.objects import Headers
from publisher.targets.s3.connection import Connection
from publisher.targets.s3.courier import Courier
from publisher.targets.s3.spelling import carried, conditioned, head_of_boto3
from publisher.targets.wire import ABSENT, Notes, Trouble, Why

PART_BYTES = 16 << 20
_MIB = 1 << 20
_MOST_PARTS = 9_000  # of the 10,000 that S3 takes: the size is told in advance, and may be a little wrong
_ABREAST = 3
_LOOKED_AT = 8  # unfinished uploads of one key, the newest first
_WHOLE = "FULL_OBJECT"
_FORM = 1  # of these uploads: others are not gone on with
_NOT_TOLD = frozenset({Why.GONE, Why.REFUSED, Why.WRONG})  # it is over, or not for this role, or not in this store
_ENDED = "the store has ended this upload early; run the same command again, and it begins anew"
_OTHER = "what arrived is not what was sent, by its checksum; run the same command again, and it is sent anew"


class Part(NamedTuple):
    """A part that has arrived. `crc32c` is "" where the store does not tell it."""

    size_bytes: int
    tag: str
    crc32c: str


class Draft(NamedTuple):
    """An object to be."""

    connection: Connection
    courier: Courier
    key: str
    headers: Headers
    labels: Mapping[str, str]
    size_bytes: int
    part_bytes: int
    note: Callable[[str | None], None]
    """Remember the upload's identity, or forget it."""

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3 has no types
        """Ask something about its key."""
        return self.connection.careful(operation, Key=self.key, **arguments)


class Upload:
    """One upload. Its parts may be sent by several threads."""

    abreast = _ABREAST

    def __init__(self, draft: Draft, identity: str, found: dict[int, Part], *, whole: bool) -> None:
        """Take an upload that there is, and what parts it has, by their numbers, which S3 counts from 1.

        `whole` says that the store compares the checksum of the whole.
        """
        self.part_bytes = draft.part_bytes
        self._draft, self._identity, self._found, self._whole = draft, identity, found, whole
        self._parts: dict[int, Part] = {}
        self._fair = True

    def arrived(self, number: int, data: bytes, crc32c: str) -> bool:
        """Whether an earlier run has sent this part: by its CRC32C, or by the MD5 that is its tag."""
        part = self._found.get(number + 1)
        if part is None or part.size_bytes != len(data):
            return False
        same = part.crc32c == crc32c if part.crc32c else part.tag.strip('"') == _md5(data)
        if same:
            self._parts[number + 1] = part._replace(crc32c=crc32c)
        return same

    def send(self, number: int, data: bytes, crc32c: str, *, last: bool) -> None:
        """Send one part with its checksum."""
        del last
        tag = self._quickly(number + 1, data, crc32c) if self._fair else None
        if tag is None:
            self._fair = False
            try:
                done = self._ask("upload_part", PartNumber=number + 1, Body=data, ChecksumCRC32C=crc32c)
            except Trouble as trouble:
                if trouble.why is Why.GONE:
                    raise self._given_up(_ENDED) from trouble
                raise
            tag = done.get("ETag", "")
        self._parts[number + 1] = Part(len(data), tag, crc32c)

    def _quickly(self, number: int, data: bytes, crc32c: str) -> str | None:
        query = f"partNumber={number}&uploadId={quote(self._identity, safe='')}"
        return self._draft.courier.put(self._draft.key, query, data, crc32c)

    def finish(self, size_bytes: int, crc32c: str, condition: str | None) -> str:
        """Make it an object; return its tag."""
        parts = [{"PartNumber": n, "ETag": p.tag, "ChecksumCRC32C": p.crc32c} for n, p in sorted(self._parts.items())]
        words: dict[str, Any] = {"MultipartUpload": {"Parts": parts}, "MpuObjectSize": size_bytes}
        if self._whole:
            words |= {"ChecksumType": _WHOLE, "ChecksumCRC32C": crc32c}
        try:
            done = self._ask("complete_multipart_upload", **words, **conditioned(condition))
        except Trouble as trouble:
            made = self._made(size_bytes, crc32c) if trouble.why in {Why.GONE, Why.CONDITION} else None
            if made is None:
                raise self._judged(trouble, condition) from trouble
            if trouble.why is Why.CONDITION:
                self._given_up("")
            done = made
        self._draft.note(None)
        return str(done.get("ETag", ""))

    def _made(self, size_bytes: int, crc32c: str) -> dict[str, Any] | None:
        """Return what is told of the object where it is this one: an earlier try was done, and its answer lost."""
        try:
            told = self._draft.ask("head_object", ChecksumMode="ENABLED")
        except Trouble:
            return None
        head = head_of_boto3(told)
        same = head.crc32c == crc32c if head.crc32c else head.tag == self._tag()
        return told if same and (head.size_bytes, head.headers) == (size_bytes, self._draft.headers) else None

    def _tag(self) -> str:
        """Return the tag that an object of these parts has, where parts' tags are MD5s."""
        tags = [part.tag.strip('"') for _, part in sorted(self._parts.items())]
        try:
            return f'"{_md5(bytes.fromhex("".join(tags)))}-{len(tags)}"'
        except ValueError:
            return ""

    def _judged(self, trouble: Trouble, condition: str | None) -> Trouble:
        """Give up an upload that no other try can finish, and say so."""
        if trouble.why is Why.CORRUPT:
            return self._given_up(_OTHER)
        if trouble.why is Why.GONE:
            return self._given_up(_ENDED)
        if trouble.why is Why.CONDITION and condition == ABSENT:
            self._given_up("")
        return trouble

    def _given_up(self, message: str) -> Trouble:
        with suppress(Trouble):
            self._ask("abort_multipart_upload")
        self._draft.note(None)
        return Trouble(Why.WRONG, message)

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3 has no types
        return self._draft.ask(operation, UploadId=self._identity, **arguments)


def begin(
    courier: Courier, key: str, headers: Headers, labels: Mapping[str, str], notes: Notes, size_bytes: int
) -> Upload:
    """Find the upload that an earlier run began for the same headers and labels, or begin one."""
    connection, part_bytes = courier.connection, _part_bytes(headers, labels, size_bytes)
    name = f"s3 {connection.bucket} {key}"

    def note(identity: str | None) -> None:
        notes.set(name, identity and f"{part_bytes} {identity}")

    draft = Draft(connection, courier, key, headers, labels, size_bytes, part_bytes, note)
    size, _, noted = (notes.get(name) or "").partition(" ")
    upload = _resumed(draft, noted, sure=True) if size == str(part_bytes) else None
    if upload is None:
        others = (_resumed(draft, identity, sure=False) for identity in _newest(draft))
        upload = next((found for found in others if found), None) or _begun(draft)
    return upload


def unfinished(connection: Connection, prefix: str) -> Iterator[Callable[[], None]]:
    """For each unfinished upload below a prefix, yield what aborts it."""
    for told in _uploads(connection, prefix):
        yield partial(_abort, connection, told["Key"], told["UploadId"])


def _abort(connection: Connection, key: str, identity: str) -> None:
    try:
        connection.careful("abort_multipart_upload", Key=key, UploadId=identity)
    except Trouble as trouble:
        if trouble.why is not Why.GONE:
            raise


def _part_bytes(headers: Headers, labels: Mapping[str, str], size_bytes: int) -> int:
    told = json.dumps([_FORM, tuple(headers), sorted(labels.items())])
    least = -(-size_bytes // _MOST_PARTS)
    digest = hashlib.sha256(told.encode()).digest()
    return max(PART_BYTES, -(-least // _MIB) * _MIB) + int.from_bytes(digest[:4]) % _MIB


def _begun(draft: Draft) -> Upload:
    words = carried(draft.headers, draft.labels)
    done = draft.ask("create_multipart_upload", ChecksumAlgorithm="CRC32C", ChecksumType=_WHOLE, **words)
    draft.note(done["UploadId"])
    return Upload(draft, done["UploadId"], {}, whole=done.get("ChecksumType") == _WHOLE)


def _resumed(draft: Draft, identity: str, *, sure: bool) -> Upload | None:
    """Return an upload with its parts, where it is for the same headers: a note made `sure`, or its parts tell."""
    marker = {"PartNumberMarker": "NextPartNumberMarker"}
    parts: dict[int, Part] = {}
    whole = True
    try:
        for page in draft.connection.pages("list_parts", marker, Key=draft.key, UploadId=identity):
            # SeaweedFS tells neither of them, and compares the whole.
            whole = page.get("ChecksumType", "" if page.get("ChecksumAlgorithm") else _WHOLE) == _WHOLE
            for told in page.get("Parts", ()):
                parts[told["PartNumber"]] = Part(told["Size"], told["ETag"], told.get("ChecksumCRC32C", ""))
    except Trouble as trouble:
        if trouble.why in _NOT_TOLD:
            return None
        raise
    if not sure and not any(_tells(draft, number, part.size_bytes) for number, part in parts.items()):
        return None
    draft.note(identity)
    return Upload(draft, identity, parts, whole=whole)


def _tells(draft: Draft, number: int, size_bytes: int) -> bool:
    """Whether a part shows what it was sent for: by its own size, or as the last of several by what was left for it."""
    left = draft.size_bytes - (number - 1) * draft.part_bytes
    return size_bytes == draft.part_bytes or (number > 1 and size_bytes == left)


def _newest(draft: Draft) -> list[str]:
    """Return the unfinished uploads of a key, the newest first; none where they are not told."""
    try:
        uploads = [told for told in _uploads(draft.connection, draft.key) if told["Key"] == draft.key]
    except Trouble as trouble:
        if trouble.why in _NOT_TOLD:
            return []
        raise
    uploads.sort(key=itemgetter("Initiated"), reverse=True)
    return [told["UploadId"] for told in uploads[:_LOOKED_AT]]


def _uploads(connection: Connection, prefix: str) -> Iterator[dict[str, Any]]:
    markers = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
    for page in connection.pages("list_multipart_uploads", markers, Prefix=prefix):
        yield from page.get("Uploads", ())


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
