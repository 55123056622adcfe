"""An Atom feed of the releases that are live, for those who want to hear of the next one."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from publisher.page.metadata.card import Card, line, unmarked
from publisher.page.metadata.xml import dump, element
from publisher.page.releases import Edition
from publisher.record import RELEASES_KEY
from publisher.words import count, size


def feed(card: Card, editions: Sequence[Edition]) -> bytes:
    """Return the feed. Addresses in it are those of the data, which outlive any page."""
    base = card.book.base
    authors = [element("author", of=[element("name", person.name)]) for person in card.authors]
    links = [element("link", attributes={"href": base.at(RELEASES_KEY).url, "rel": "via", "type": "application/json"})]
    if card.page:
        own = {"href": f"{card.page.rstrip('/')}/feed.xml", "rel": "self", "type": "application/atom+xml"}
        links.append(element("link", attributes=own))
    if card.home:
        links.append(element("link", attributes={"href": card.home, "rel": "alternate", "type": "text/html"}))
    root = element(
        "feed",
        attributes={"xmlns": "http://www.w3.org/2005/Atom"},
        of=[
            element("id", base.at(RELEASES_KEY).url),
            element("title", f"Releases of {card.title}"),
            element("updated", _time(max(edition.ref.date for edition in editions))),
            *links,
            *authors,
            element("rights", card.licence),
            *map(_entry, editions),
        ],
    )
    return dump(root)


def _entry(edition: Edition) -> ET.Element:
    record, place = edition.record, edition.place
    parts = [unmarked(record.changes)] if record and record.changes else []
    if record is not None and record.inventory is not None:
        parts.append(f"{count(record.objects, 'object')}, {size(record.size_bytes)}.")
    where = {"href": edition.page.url, "rel": "alternate", "type": "text/html"} if edition.page else {}
    return element(
        "entry",
        of=[
            element("id", place.url),
            element("title", f"{line(edition.ref.title)} {edition.ref.version}"),
            element("updated", _time(edition.ref.date)),
            element("link", attributes=where or {"href": place.url, "rel": "alternate", "type": "application/json"}),
            element("summary", " ".join(parts) or f"A {edition.ref.status} release."),
        ],
    )


def _time(date: str) -> str:
    return f"{date}T00:00:00Z"
