"""The manifest's JSON Schema, which editors complete from; the text below a field in its class describes it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from publisher.artifacts.base import Model
from publisher.manifest.model import Release

# Keys that say the same wherever they stand, where a model adds nothing of its own.
_PLAIN = {
    "affiliation": "Where somebody works.",
    "channel": "Name of the channel.",
    "citation": "How to cite it.",
    "collection": "Name of the collection.",
    "column": "Name of the column.",
    "contact": "An e-mail address or a page where questions are answered.",
    "dataset": "Name of the dataset on the server.",
    "datastack": "Name of the datastack.",
    "description": "Markdown; no HTML.",
    "doi": "Its DOI.",
    "dtype": "Type of its values.",
    "experiment": "Name of the experiment.",
    "homepage": "Page of the project.",
    "keywords": "Words that people search for.",
    "name": "What it is called.",
    "note": "What else is to be said of it.",
    "orcid": "ORCID iD.",
    "rows": "Number of its rows.",
    "server": "Address of the server.",
    "species": "What it was made of, by its scientific name.",
    "title": "What people call it.",
    "url": "Its address.",
    "uuid": "Version of the repository.",
}


def schema() -> dict[str, Any]:
    """Return the schema. Sources are read for it, which nobody else need wait for."""
    made: dict[str, Any] = Release.model_json_schema(by_alias=True)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "publisher release manifest"
    definitions = made.get("$defs", {})
    parts = {**definitions, Release.__name__: made}
    models: list[type[Model]] = [Release, *_below(Model)]
    for model in models:
        texts = {name: text for each in reversed(model.__mro__) for name, text in _texts(each)}
        properties = parts.get(model.__name__, {}).get("properties", {})
        for name, field in model.model_fields.items():
            key = field.alias or name
            if name in texts and key in properties:
                properties[key]["description"] = texts[name]
    for part in parts.values():
        for key, told in part.get("properties", {}).items():
            if words := told.get("description") or _of_its_model(told, definitions) or _PLAIN.get(key):
                told["description"] = words
    return made


def _of_its_model(told: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return the words of the model that a key holds, or holds a list of; "" where it holds none."""
    for each in (told, told.get("items", {}), *told.get("anyOf", ())):
        if "$ref" in each:
            return str(definitions[each["$ref"].rpartition("/")[2]].get("description", ""))
    return ""


def _below(model: type[Model]) -> Iterator[type[Model]]:
    for each in model.__subclasses__():
        yield each
        yield from _below(each)


def _texts(of: type) -> Iterator[tuple[str, str]]:
    """Yield what stands below each field of a class that is written in a file."""
    if not of.__module__.startswith("publisher."):
        return
    try:
        source = textwrap.dedent(inspect.getsource(of))
    except (OSError, TypeError):  # made while running
        return
    (parsed,) = ast.parse(source).body
    body = getattr(parsed, "body", [])
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                yield name, inspect.cleandoc(said)
