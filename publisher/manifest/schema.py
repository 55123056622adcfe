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


def schema() -> dict[str, Any]:
    """Return the schema. Sources are read for it, which nobody else need wait for."""
    made: dict[str, Any] = Release.model_json_schema(by_alias=True)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "publisher release manifest"
    parts = {**made.get("$defs", {}), Release.__name__: made}
    models: list[type[Model]] = [Release, *_below(Model)]
    for model in models:
        texts = {name: text for each in reversed(model.__mro__) for name, text in _texts(each)}
        properties = parts.get(model.__name__, {}).get("properties", {})
        for name, field in model.model_fields.items():
            key = field.alias or name
            if name in texts and key in properties:
                properties[key]["description"] = texts[name]
    return made


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
