"""The files beside the pages of a site: the release as catalogues, reference managers and programs read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from publisher.errors import Problem
from publisher.page import cite, licences
from publisher.page.metadata import cff, croissant, datacite, datapackage, feed, jsonld, llms, ris, rocrate, sums
from publisher.page.metadata.bibtex import bibtex
from publisher.page.metadata.card import Card
from publisher.page.releases import Edition

FOLDER = "metadata"
BADGE = f"{FOLDER}/licence.svg"
FEED = "feed.xml"


@dataclass(frozen=True, slots=True)
class Document:
    """One format: the file's name, what it is in words, and either its text or why there is none."""

    name: str
    title: str
    data: bytes = b""
    lacks: str = ""


def of(card: Card, editions: Sequence[Edition], *, ro_crate: bool = False) -> tuple[Document, ...]:
    """Return the release in every format; those that lack something, without data."""
    feeds = [Document(FEED, "Atom feed of releases", feed.feed(card, editions))] if editions else []
    return (*_formats(card, ro_crate=ro_crate), *feeds)


def around(card: Card, made: Sequence[Document], pages: Sequence[tuple[str, str]]) -> tuple[Document, ...]:
    """Return what a site has besides, for programs that visit it; `pages` are titles and file names of its pages."""
    text = llms.llms(card, pages, [document.name for document in made if document.data])
    return (_robots(card), Document("llms.txt", "Overview for programs that read", text.encode()), *_badge(card))


def left_out(made: Sequence[Document]) -> tuple[Problem, ...]:
    """Return what could not be made, by reason: which files, and what is missing."""
    reasons: dict[str, list[str]] = {}
    for document in made:
        if document.lacks:
            reasons.setdefault(document.lacks, []).append(document.name.rpartition("/")[2])
    verb = {True: "is", False: "are"}
    return tuple(
        Problem("", f"{', '.join(names)} {verb[len(names) == 1]} left out: {why}", "add it, or do without them")
        for why, names in reasons.items()
    )


def _formats(card: Card, *, ro_crate: bool) -> Iterator[Document]:
    def made(
        name: str, title: str, make: Callable[[Card], bytes | str | Mapping[str, Any]], lacks: str = ""
    ) -> Document:
        return Document(f"{FOLDER}/{name}", title, b"" if lacks else _bytes(make(card)), lacks)

    yield made("citation.txt", "Citation, as text", _citations)
    yield made("citation.bib", "Citation, for BibTeX", bibtex)
    yield made("citation.ris", "Citation, for reference managers (RIS)", ris.ris)
    yield made("CITATION.cff", "Citation File Format", cff.cff)
    yield made("dataset.jsonld", "schema.org Dataset", jsonld.dataset, jsonld.lacking(card))
    yield made("croissant.json", "Croissant", croissant.croissant, croissant.lacking(card))
    yield made("datacite.json", "DataCite, as JSON", datacite.datacite, datacite.lacking(card))
    yield made("datacite.xml", "DataCite, as XML", datacite.datacite_xml, datacite.lacking_xml(card))
    yield made("datapackage.json", "Frictionless Data Package", datapackage.datapackage, datapackage.lacking(card))
    if ro_crate:
        yield made("ro-crate-metadata.json", "RO-Crate", rocrate.rocrate, jsonld.lacking(card))
    yield made("SHA256SUMS", "Digests, for sha256sum -c", sums.sums, sums.lacking(card))


def _citations(card: Card) -> str:
    record = card.book.record
    return "".join(f"{text}\n" for text in dict.fromkeys((cite.citation(record), cite.of_dataset(record))))


def _bytes(made: bytes | str | Mapping[str, Any]) -> bytes:
    if isinstance(made, bytes):
        return made
    text = made if isinstance(made, str) else json.dumps(made, ensure_ascii=False, indent=1) + "\n"
    return text.encode()


def _robots(card: Card) -> Document:
    sitemap = f"Sitemap: {card.page.rstrip('/')}/sitemap.xml\n" if card.page else ""
    return Document("robots.txt", "For crawlers", f"User-agent: *\nAllow: /\n{sitemap}".encode())


def _badge(card: Card) -> Iterator[Document]:
    if picture := licences.badge(card.licence):
        yield Document(BADGE, "Licence", picture.encode())
