"""The jinja2 environments: one for pages, one for examples. What is in a template is trusted, what it is given is not."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from publisher import words
from publisher.page import cite, safe, view
from publisher.resources import folder


def render(name: str, /, **values: Any) -> str:  # noqa: ANN401 - whatever the template names
    """Return a template of `templates/` filled in."""
    return _environment().get_template(name).render(**values)


@cache
def _environment() -> Environment:
    # Markdown and code are no HTML, so autoescape would be wrong: every text goes through a filter of `safe` instead.
    made = Environment(  # noqa: S701
        loader=FileSystemLoader(folder("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "text": safe.text,
        "verbatim": safe.verbatim,
        "code": safe.code,
        "plain": safe.plain,
        "prose": safe.prose,
        "phrase": safe.phrase,
        "address": safe.address,
        "link": safe.link,
        "block": safe.block,
        "literal": safe.literal,
        "shell": lambda value: shlex.quote(str(value)),
        "comment": lambda value: " ".join(str(value).split()),
        "size": words.size,
        "whole": lambda number: f"{number:,}",
        "number": number,
        "triple": triple,
        "count": words.count,
        "type_words": type_words,
        "zip": lambda left, right: list(zip(left, right, strict=True)),
        "grid": view.grid,
        "bounds_nm": view.bounds_nm,
        "bare_doi": cite.bare,
        "slug": lambda value: re.sub(r"[^A-Za-z0-9-]", "-", str(value)),
        "spaced": lambda value: re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(value)).capitalize(),
    }
    return made


def number(value: float) -> str:
    """Return a number as people write it: 8, 0.5, 275,456."""
    return f"{value:,.10g}"


def triple(values: tuple[float, float, float]) -> str:
    """Return three lengths along x, y, z as one word that no line breaks: 8 by 8 by 8."""
    return "\N{NO-BREAK SPACE}\N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}".join(number(value) for value in values)


def type_words(arrow: str) -> str:
    """Return a column's type for people: a dictionary is how its values are stored, not what they are."""
    match = re.fullmatch(r"dictionary<values=(.+), indices=\w+, ordered=\d>", arrow)
    return f"{match[1]} (dictionary)" if match else arrow
