"""RO-Crate 1.3: the release as a research object, for archives that collect those."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from publisher.page.metadata.card import Card, File, Folder, Person
from publisher.page.metadata.jsonld import agent, amount, description, given

_SPECIFICATION = "https://w3id.org/ro/crate/1.3"

Json = dict[str, Any]


def rocrate(card: Card) -> Json:
    """Return the metadata document of a crate whose files stay where they are: each by its address."""
    people = [_author(person, at) for at, person in enumerate(card.authors)]
    parts = [*map(_file, (file for file in card.files)), *map(_folder, card.folders)]
    context = list(_context(card))
    root = {
        "@id": card.page or "./",
        "@type": "Dataset",
        "name": f"{card.title}, version {card.version}",
        "description": description(card),
        "datePublished": card.date,
        "version": card.version,
        "identifier": f"https://doi.org/{card.doi}" if card.doi else "",
        "url": card.home,
        "license": {"@id": context[0]["@id"]},
        "author": [{"@id": person["@id"]} for person in people],
        "publisher": {"@id": "#publisher"} if card.publisher else None,
        "keywords": list(card.keywords),
        "hasPart": [{"@id": part["@id"]} for part in parts],
    }
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": _SPECIFICATION},
        "about": {"@id": root["@id"]},
    }
    graph = [descriptor, given(root), *parts, *people, *_affiliations(card), *context]
    return {"@context": f"{_SPECIFICATION}/context", "@graph": graph}


def _context(card: Card) -> Iterator[Json]:
    yield {
        "@id": card.licence_url or "#licence",
        "@type": "CreativeWork",
        "name": card.licence,
        "description": f"The licence {card.licence}",
    }
    if card.publisher:
        yield {"@id": "#publisher", "@type": "Organization", "name": card.publisher}


def _author(person: Person, at: int) -> Json:
    made = agent(person)
    where = next(iter(key for key in ("affiliation", "parentOrganization") if key in made), "")
    link = {where: {"@id": f"#affiliation-{at}"}} if where else {}
    return {**made, "@id": made.get("@id", f"#author-{at}"), **link}


def _affiliations(card: Card) -> Iterator[Json]:
    for at, person in enumerate(card.authors):
        if person.affiliation:
            yield {"@id": f"#affiliation-{at}", "@type": "Organization", "name": person.affiliation}


def _file(file: File) -> Json:
    return given(
        {
            "@id": file.url,
            "@type": "File",
            "name": file.title,
            "description": " ".join(file.described.description.split()),
            "encodingFormat": file.media_type,
            "contentSize": amount(file.size_bytes),
            "sha256": file.sha256,
        }
    )


def _folder(folder: Folder) -> Json:
    item = folder.described
    return given(
        {
            "@id": folder.url,
            "@type": "Dataset",
            "name": folder.title,
            "description": " ".join(item.description.split()),
            "contentSize": amount(item.content_size_bytes) if not item.external else "",
        }
    )
