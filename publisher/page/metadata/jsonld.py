"""schema.org Dataset as JSON-LD: what search engines for data read from the home page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from publisher.facts import TableFacts, VolumeFacts
from publisher.page import cite
from publisher.page.metadata.card import Card, File, Folder, Person
from publisher.words import count

SHORTEST, LONGEST = 50, 5_000  # characters of a description that search engines for data take
_VARIABLES = 100  # columns that are named
_KINDS = {
    "volumes": "volume{}",
    "tables": "table{}",
    "skeletons": "set{} of skeletons",
    "meshes": "set{} of meshes",
    "annotations": "set{} of annotations",
    "files": "other file{}",
    "database": "part{} of a database",
}

Json = dict[str, Any]


def dataset(card: Card) -> Json:
    """Return the release as a schema.org Dataset."""
    return {"@context": "https://schema.org/", **given(_properties(card))}


def lacking(card: Card) -> str:
    """Say what is missing for a Dataset that search engines take; "" where nothing is."""
    short = len(description(card)) < SHORTEST
    return f"`dataset.description` has fewer than {SHORTEST} characters" if short else ""


def embedded(card: Card) -> str:
    """Return the Dataset as the text of a script element: nothing in it can end the element."""
    text = json.dumps(dataset(card), ensure_ascii=False, separators=(",", ":"))
    return re.sub(r"[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", text)


def given(values: Mapping[str, Any]) -> Json:
    """Return a mapping without what is empty."""
    return {key: value for key, value in values.items() if value not in ("", None, [], (), {})}


def description(card: Card) -> str:
    """Return the description; one that is short goes on with what the release holds, one that is long is cut at a word."""
    text = card.description
    if len(text) < SHORTEST:
        text = f"{text} {contents(card)}".strip()
    if len(text) <= LONGEST:
        return text
    return text[: LONGEST - 1].rpartition(" ")[0].rstrip() + "…"


def contents(card: Card) -> str:
    """Return how many artifacts of each kind the release has, as a sentence; "" where it has none."""
    sections = [view.described.section for view in card.book.views]
    found = []
    for section, words in _KINDS.items():
        number = sections.count(section)
        if number:
            found.append(f"{number:,} {words.format('' if number == 1 else 's')}")
    listed = " and ".join(filter(None, [", ".join(found[:-1]), *found[-1:]]))
    return f"{card.title} {card.version} holds {listed}." if listed else ""


def agent(person: Person) -> Json:
    """Return an author as a Person or an Organization."""
    affiliation = {"@type": "Organization", "name": person.affiliation} if person.affiliation else None
    if not person.person:
        return given({"@type": "Organization", "name": person.name, "parentOrganization": affiliation})
    orcid = f"https://orcid.org/{person.orcid}" if person.orcid else ""
    return given(
        {
            "@type": "Person",
            "@id": orcid,
            "name": f"{person.given} {person.family}" if person.family else person.name,
            "givenName": person.given,
            "familyName": person.family,
            "affiliation": affiliation,
        }
    )


def licence(card: Card) -> str | Json:
    """Return the address of the licence, or its name where it has no address."""
    return card.licence_url or {"@type": "CreativeWork", "name": card.licence}


def amount(size_bytes: int | None) -> str:
    """Return a size as schema.org wants it: a text with its unit."""
    return "" if size_bytes is None else f"{size_bytes} B"


def _properties(card: Card) -> Json:
    doi = f"https://doi.org/{card.doi}" if card.doi else ""
    return {
        "@type": "Dataset",
        "@id": doi,
        "name": f"{card.title}, version {card.version}",
        "alternateName": card.name,
        "description": description(card),
        "url": card.home,
        "identifier": doi,
        "version": card.version,
        "datePublished": card.date,
        "license": licence(card),
        "creator": [agent(person) for person in card.authors],
        "publisher": {"@type": "Organization", "name": card.publisher} if card.publisher else None,
        "isAccessibleForFree": True if card.public else None,
        "keywords": list(card.keywords),
        "about": {"@type": "Taxon", "name": card.species} if card.species else None,
        "measurementTechnique": card.technique,
        "variableMeasured": list(_variables(card)),
        "citation": card.citation,
        "funding": [_grant(each) for each in card.funding],
        "isBasedOn": [_address(each) for each in card.related if each.get("relation") == "IsDerivedFrom"],
        "subjectOf": [_address(each) for each in card.related if each.get("relation") == "IsDescribedBy"],
        "distribution": [*map(_download, card.files), *_inventory(card)],
        "hasPart": list(map(_part, card.folders)),
    }


def _grant(each: Mapping[str, Any]) -> Json:
    funder = {"@type": "Organization", "name": each["funder"]}
    values = {"identifier": each.get("award"), "name": each.get("title"), "url": each.get("url"), "funder": funder}
    return given({"@type": "Grant", **values})


def _address(each: Mapping[str, Any]) -> str:
    doi = cite.doi(each)
    return f"https://doi.org/{doi}" if doi else str(each.get("url") or "")


def _download(file: File) -> Json:
    return given(
        {
            "@type": "DataDownload",
            "name": file.title,
            "contentUrl": file.url,
            "encodingFormat": file.media_type,
            "contentSize": amount(file.size_bytes),
            "sha256": file.sha256,
        }
    )


def _inventory(card: Card) -> Iterator[Json]:
    place, ref = card.book.inventory, card.book.record.inventory
    if place is not None and ref is not None:
        yield {
            "@type": "DataDownload",
            "name": "Inventory: every object of the release, with its size and SHA-256",
            "contentUrl": place.url,
            "encodingFormat": "application/vnd.apache.parquet",
            "contentSize": amount(ref.size_bytes),
            "sha256": ref.sha256,
        }


def _part(folder: Folder) -> Json:
    """Return a tree as a part without an address to download: it has no such address, only its objects have."""
    item = folder.described
    return given(
        {
            "@type": "MediaObject",
            "name": folder.title,
            "url": folder.url,
            "encodingFormat": folder.format_url,
            "contentSize": amount(item.content_size_bytes) if not item.external else "",
            "description": f"{count(item.objects, 'object')} below this address" if not item.external else "",
        }
    )


def _variables(card: Card) -> Iterator[Json]:
    seen: set[str] = set()
    for view in card.book.views:
        facts = view.described.facts
        if isinstance(facts, VolumeFacts) and facts.role == "image" and view.described.title not in seen:
            seen.add(view.described.title)
            yield {"@type": "PropertyValue", "name": view.described.title, "description": "values of an image"}
        for column in facts.columns if isinstance(facts, TableFacts) else ():
            if column.description and column.name not in seen and len(seen) < _VARIABLES:
                seen.add(column.name)
                values = {"name": column.name, "description": column.description, "unitText": column.unit}
                yield given({"@type": "PropertyValue", **values})
