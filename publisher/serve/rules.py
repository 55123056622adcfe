"""The rules of HTTP that a bucket keeps, as functions from values to values."""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

TEMPORARY = ".publisher-tmp"  # where a local target keeps what is not whole yet
_ABSOLUTE = re.compile(r"^https?://[^/?]*", re.IGNORECASE)
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


def key_of(target: str) -> str | None:
    """Return the key that a request target names, or None where no object can have it. A `/` at the end stays."""
    try:
        path = unquote_to_bytes(_ABSOLUTE.sub("", target).partition("?")[0].encode("latin-1")).decode()
    except UnicodeError:
        return None
    if not path.startswith("/") or _NO_NAME.search(path):
        return None
    *folders, last = path[1:].split("/")
    return None if "" in folders or {".", "..", TEMPORARY} & {*folders, last} else path[1:]


def span(asked: str | None, size: int) -> tuple[HTTPStatus, range]:
    """Return which bytes a Range header asks for: 200 all (also when it makes no sense), 206 a part, 416 none."""
    match = _RANGE.fullmatch(asked or "")
    first, last = match.groups() if match else ("", "")
    if not (first or last) or (first and last and int(first) > int(last)):
        return HTTPStatus.OK, range(size)
    if first:
        part = range(int(first), min(size, int(last) + 1) if last else size)
    else:
        part = range(max(0, size - int(last)), size)
    return (HTTPStatus.PARTIAL_CONTENT, part) if part else (HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, range(0))


def allowed(origin: str | None, origins: tuple[str, ...]) -> str | None:
    """Return the Access-Control-Allow-Origin for an origin, or None. One `*` in a rule stands for anything, as in S3."""
    if not origin or "*" in origins:
        return "*" if origin else None
    for rule in origins:
        start, star, end = rule.partition("*")
        fits = star and len(origin) >= len(start + end) and origin.startswith(start) and origin.endswith(end)
        if fits or origin == rule:
            return origin
    return None


def names_tag(value: str | None, etag: str, *, weakly: bool) -> bool:
    """Whether an If-Match or If-None-Match header names a tag."""
    tags = [tag.strip() for tag in (value or "").split(",")]
    return etag in tags or "*" in tags or (weakly and f"W/{etag}" in tags)
