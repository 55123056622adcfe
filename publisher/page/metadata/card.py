"""A release as catalogues see it: in plain words, with the files that people can download one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt

from publisher.page import cite, licences, safe
from publisher.page.metadata import forms
from publisher.page.view import Book, View
from publisher.record import Described

_DOI = re.compile(r"10\.\d{4,9}/[^\s<>\"]+")
_FILE = re.compile(r".*\.[A-Za-z][A-Za-z0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class Person:
    """An author: a person, or a group; `family` and `given` where the manifest tells them apart. `orcid` is bare."""

    name: str
    person: bool
    family: str = ""
    given: str = ""
    orcid: str = ""
    affiliation: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """One object that people download by itself. `size_bytes` and `sha256` are of its content: what a reader gets.

    `size_bytes` is None and `sha256` is "" where others host it: nobody measured it.
    """

    id: str
    title: str
    url: str
    key: str
    media_type: str
    described: Described
    size_bytes: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """A tree of objects, such as a volume: where it begins, and in which format it is."""

    id: str
    title: str
    url: str
    key: str
    format_url: str
    described: Described


@dataclass(frozen=True, slots=True)
class Card:
    """A release as catalogues see it. Texts are plain; what is not known is empty.

    `page` is the address of its download page, `home` that or else what the manifest calls its home page.
    """

    book: Book
    name: str
    title: str
    version: str
    date: str
    description: str
    authors: tuple[Person, ...]
    licence: str
    licence_url: str
    doi: str
    page: str
    home: str
    publisher: str
    keywords: tuple[str, ...]
    species: str
    technique: str
    citation: str
    funding: tuple[Mapping[str, Any], ...]
    related: tuple[Mapping[str, Any], ...]
    files: tuple[File, ...]
    folders: tuple[Folder, ...]

    @property
    def year(self) -> str:
        """The year of its publication."""
        return self.date[:4]

    @property
    def public(self) -> bool:
        """Whether everybody may read it."""
        return self.book.record.access.mode == "public"


def of(book: Book) -> Card:
    """Look at a release as a card."""
    record, said = book.record, book.record.dataset
    found = cite.doi(said)
    home = str(said.get("homepage") or "")
    return Card(
        book=book,
        name=str(said["name"]),
        title=line(said["title"]),
        version=record.release,
        date=record.date,
        description=unmarked(str(said["description"])),
        authors=tuple(map(_person, said["authors"])),
        licence=line(said["license"]),
        licence_url=licences.url(str(said["license"])),
        doi=found if _DOI.fullmatch(found) else "",
        page=book.page,
        home=book.page or (home if re.fullmatch(r"https?://[^\s<>\"]+", home) else ""),
        publisher=line(said.get("publisher") or ""),
        keywords=tuple(dict.fromkeys(word for word in map(line, said.get("keywords") or ()) if word)),
        species=line(said.get("species") or ""),
        technique=line(said.get("technique") or ""),
        citation=line(said.get("citation") or ""),
        funding=tuple(said.get("funding") or ()),
        related=tuple(said.get("related") or ()),
        files=tuple(_files(book)),
        folders=tuple(_folders(book)),
    )


def line(value: object) -> str:
    """Return words as one line, without what is invisible."""
    return " ".join(safe.printable(str(value)).split())


def unmarked(markdown: str) -> str:
    """Return Markdown as plain text: its paragraphs and list items with an empty line between them."""
    blocks = []
    for token in MarkdownIt("commonmark", {"html": False}).parse(safe.printable(markdown)):
        if token.type == "inline":
            blocks.append("".join(_words(part.type, part.content) for part in token.children or ()))
        elif token.type in {"fence", "code_block"}:
            blocks.append(token.content)
    return "\n\n".join(text for text in map(line, blocks) if text)


def _words(kind: str, content: str) -> str:
    return " " if kind in {"softbreak", "hardbreak"} else content


def _person(author: Mapping[str, Any]) -> Person:
    name = line(author["name"])
    family, comma, given = (part.strip() for part in name.partition(","))
    orcid = str(author.get("orcid") or "").rpartition("/")[2]
    orcid = orcid if re.fullmatch(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]", orcid) else ""
    split = bool(comma and family and given and "," not in given) and author.get("type") != "group"
    person = author.get("type") == "person" or (author.get("type") is None and (bool(orcid) or split))
    names = (family, given) if split and person else ("", "")
    return Person(name, person, *names, orcid, line(author.get("affiliation") or ""))


def _files(book: Book) -> Iterator[File]:
    for view in book.views:
        item = view.described
        title = line(item.title)
        if view.entry is not None:
            entry = view.entry
            kind, size = entry.headers.content_type.partition(";")[0], entry.content_size_bytes
            yield File(item.name, title, view.place.url, item.key, kind, item, size, entry.content_sha256)
        elif _external_file(view):
            yield File(item.name, title, view.place.url, "", forms.media_type(view.place.name), item)


def _external_file(view: View) -> bool:
    """Whether what others host is one file: told by its name, as nobody has asked them."""
    named = view.described.section in {"tables", "files"} and _FILE.fullmatch(view.place.name)
    return bool(view.described.external and named and view.place.url.startswith(("https://", "http://")))


def _folders(book: Book) -> Iterator[Folder]:
    for view in book.views:
        item = view.described
        if not view.single and not _external_file(view):
            form = forms.specification(item.facts)
            yield Folder(item.name, line(item.title), f"{view.place.url}/", item.key, form, item)
