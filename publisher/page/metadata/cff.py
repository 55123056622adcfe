"""CITATION.cff, in the Citation File Format 1.2."""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from publisher.page import licences
from publisher.page.metadata.card import Card, Person
from publisher.page.metadata.jsonld import given

_DOI = re.compile(r"10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;\-.()\[\]\\]+")  # the format takes fewer than there are


def cff(card: Card) -> str:
    """Return the release as YAML of the Citation File Format."""
    known = bool(licences.name(card.licence))  # the format has a closed list of identifiers
    values = {
        "cff-version": "1.2.0",
        "message": "If you use this dataset, please cite it as below.",
        "type": "dataset",
        "title": card.title,
        "version": card.version,
        "date-released": card.date,
        "authors": _unique([_author(person) for person in card.authors]),
        "abstract": card.description,
        "keywords": list(card.keywords),
        "license": card.licence if known else "",
        "license-url": "" if known else card.licence_url,
        "doi": card.doi if _DOI.fullmatch(card.doi) else "",
        "url": card.home,
    }
    return yaml.safe_dump(given(values), allow_unicode=True, sort_keys=False, width=100)


def _author(person: Person) -> dict[str, str]:
    orcid = f"https://orcid.org/{person.orcid}" if person.orcid else ""
    if person.family:
        names = {"family-names": person.family, "given-names": person.given}
        return given({**names, "orcid": orcid, "affiliation": person.affiliation})
    return given({"name": person.name, "orcid": orcid})


def _unique(authors: list[dict[str, str]]) -> list[Mapping[str, str]]:
    return [author for at, author in enumerate(authors) if author not in authors[:at]]
