"""The versions that are live at a target: what its list of releases names, and what the record of each says."""

from __future__ import annotations

import json
from dataclasses import dataclass

from publisher.errors import Damaged
from publisher.page.places import Place
from publisher.page.view import Book
from publisher.record import RELEASES_KEY, Record, ReleaseRef, parse, parse_releases

MOST = 100  # releases whose records are read, each with a request of its own


@dataclass(frozen=True, slots=True)
class Edition:
    """One version that is live; `record` is None where it could not be read, `page` where it has no site beside it."""

    ref: ReleaseRef
    place: Place
    latest: bool
    this: bool
    record: Record | None
    page: Place | None


def live(book: Book) -> tuple[Edition, ...]:
    """Return the live versions, newest first; none where the release is nowhere live."""
    data = book.read(RELEASES_KEY) if book.inventory else None
    if data is None:
        return ()
    latest = json.loads(data).get("latest")
    refs = sorted(parse_releases(data).values(), key=lambda ref: (ref.date, ref.version), reverse=True)
    return tuple(_edition(book, ref, latest=ref.version == latest, read=at < MOST) for at, ref in enumerate(refs))


def _edition(book: Book, ref: ReleaseRef, *, latest: bool, read: bool) -> Edition:
    this = ref.version == book.record.release
    record = book.record if this else _record(book, ref) if read else None
    site = f"site/{ref.version}/index.html"
    page = book.base.at(site) if read and not this and book.read(site) is not None else None
    return Edition(ref, book.base.at(ref.record), latest, this, record, page)


def _record(book: Book, ref: ReleaseRef) -> Record | None:
    data = book.read(ref.record)
    try:
        return parse(data, ref.record) if data is not None else None
    except Damaged:  # `verify` of that release tells; here it is a line without details
        return None
