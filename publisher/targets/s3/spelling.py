"""How headers, labels and conditions are spelled: by obstore in attributes, by boto3 in arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from publisher.objects import Headers
from publisher.targets.wire import ABSENT, Head

if TYPE_CHECKING:  # what obstore has only for type checkers
    from obstore import GetResult, PutMode

_TYPE, _ENCODING, _CACHE = "Content-Type", "Content-Encoding", "Cache-Control"
_NO_LABELS = frozenset({_TYPE, _ENCODING, _CACHE, "Content-Disposition", "Content-Language", "Storage-Class"})


def attributes(headers: Headers, labels: Mapping[str, str]) -> dict[str, str]:
    """Spell what an object carries for obstore."""
    told = {**labels, _TYPE: headers.content_type, _CACHE: headers.cache_control}
    if headers.content_encoding:
        told[_ENCODING] = headers.content_encoding
    return told


def mode(condition: str | None) -> PutMode:
    """Spell a condition for obstore."""
    if condition is None:
        return "overwrite"
    return "create" if condition == ABSENT else {"e_tag": condition}


def carried(headers: Headers, labels: Mapping[str, str]) -> dict[str, Any]:
    """Spell what an object carries for boto3."""
    told = {"ContentType": headers.content_type, "CacheControl": headers.cache_control, "Metadata": dict(labels)}
    if headers.content_encoding:
        told["ContentEncoding"] = headers.content_encoding
    return told


def conditioned(condition: str | None) -> dict[str, str]:
    """Spell a condition for boto3."""
    if condition is None:
        return {}
    return {"IfNoneMatch": "*"} if condition == ABSENT else {"IfMatch": condition}


def head_of_obstore(found: GetResult) -> Head:
    """Read obstore's answer; it leaves out checksums."""
    told = found.attributes
    labels = {name: value for name, value in told.items() if name not in _NO_LABELS}
    return Head(
        found.meta["size"],
        _headers(told.get(_TYPE), told.get(_ENCODING), told.get(_CACHE)),
        labels,
        found.meta["e_tag"] or "",
        "",
    )


def head_of_boto3(told: Mapping[str, Any]) -> Head:
    """Read boto3's answer."""
    crc32c = told.get("ChecksumCRC32C", "")
    return Head(
        told["ContentLength"],
        _headers(told.get("ContentType"), told.get("ContentEncoding"), told.get("CacheControl")),
        told.get("Metadata", {}),
        told.get("ETag", ""),
        "" if "-" in crc32c else crc32c,  # with a dash it is made of the parts' checksums, and not of the bytes
    )


def _headers(content_type: str | None, encoding: str | None, cache_control: str | None) -> Headers:
    # Whatever is there: what is neither "gzip" nor missing is for others to find wrong.
    return Headers(content_type or "", cast("Literal['gzip'] | None", encoding or None), cache_control or "")
