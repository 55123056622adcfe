"""datapackage.json (Frictionless Data Package 1): the files of a release, and the columns of its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from publisher.facts import Column, TableFacts
from publisher.page.metadata.card import Card, File, Person
from publisher.page.metadata.jsonld import given
from publisher.page.metadata.types import inner

_WHOLE = re.compile(r"u?int(8|16|32|64)")
_PATTERNS = ((_WHOLE, "integer"), (re.compile("halffloat|float|double|decimal.*"), "number"))
_NAMED = {"bool": "boolean", "string": "string", "large_string": "string"}


def datapackage(card: Card) -> dict[str, Any]:
    """Return the release as a Data Package. A resource is a file; trees are none, for nobody could list them."""
    return given(
        {
            "profile": "data-package",
            "name": _name(f"{card.name}-{card.version}"),
            "id": f"https://doi.org/{card.doi}" if card.doi else "",
            "title": card.title,
            "description": card.description,
            "homepage": card.home,
            "version": card.version,
            "created": f"{card.date}T00:00:00Z",
            "licenses": [given({"name": card.licence, "path": card.licence_url})] if _is_name(card.licence) else [],
            "contributors": [_contributor(person) for person in card.authors],
            "keywords": list(card.keywords),
            "resources": list(_resources(card)),
        }
    )


def lacking(card: Card) -> str:
    """Say what is missing for a Data Package; "" where nothing is."""
    return "" if card.files else "it lists single files, and the release has none"


def _resources(card: Card) -> Iterator[dict[str, Any]]:
    taken: set[str] = set()
    for file in card.files:
        name = _name(file.id)
        while name in taken:  # names that differ by case alone
            name += "-"
        taken.add(name)
        yield _resource(name, file)


def _resource(name: str, file: File) -> dict[str, Any]:
    facts = file.described.facts
    last = file.url.rpartition("/")[2]
    fields = [_field(column) for column in facts.columns] if isinstance(facts, TableFacts) else []
    return given(
        {
            "name": name,
            "title": file.title,
            "path": file.url,
            "format": last.rpartition(".")[2].casefold() if "." in last else "",
            "mediatype": file.media_type,
            "bytes": file.size_bytes,
            "hash": f"sha256:{file.sha256}" if file.sha256 else "",
            "schema": {"fields": fields} if fields else None,
        }
    )


def _field(column: Column) -> dict[str, Any]:
    kind, repeated = inner(column.type)
    words = f"{column.description} Unit: {column.unit}." if column.unit else column.description
    made = {"name": column.name, "type": "array" if repeated else _type(kind), "description": words.strip()}
    return {key: value for key, value in made.items() if value or key != "description"}


def _type(kind: str) -> str:
    if kind.startswith(("timestamp", "date64")):
        return "datetime"
    if kind.startswith("date32"):
        return "date"
    return _NAMED.get(kind) or next((name for pattern, name in _PATTERNS if pattern.fullmatch(kind)), "any")


def _contributor(person: Person) -> dict[str, str]:
    orcid = f"https://orcid.org/{person.orcid}" if person.orcid else ""
    return given({"title": person.name, "role": "author", "organization": person.affiliation, "path": orcid})


def _name(words: str) -> str:
    """Return a name as the format wants it: small letters, digits, and . _ -."""
    return re.sub(r"[^a-z0-9._-]", "-", words.casefold())


def _is_name(licence: str) -> bool:
    return re.fullmatch(r"[-a-zA-Z0-9._]+", licence) is not None
