"""The jinja2 environment of pages and examples. What is in a template is trusted, what it is given is not.

A lab's own folder of templates comes first: a file in it takes the place of the one of the same name, which it can
extend or include as `publisher/<name>`.
"""

from __future__ import annotations

import re
import shlex
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
)

from publisher import words
from publisher.errors import InvalidInput, Problem
from publisher.page import cite, safe, view
from publisher.resources import folder

PREFIX = "publisher"  # of publisher's own, for those that extend them
KINDS = ("site", "examples")  # folders of templates that a lab can put its own in the place of
END = ".jinja"


def render(name: str, /, **values: Any) -> str:  # noqa: ANN401 - whatever the template names
    """Return a template of `templates/` filled in, or the lab's own of that name.

    Raises:
        InvalidInput: the template is wrong, or asks for a value that there is not; with its file and line.

    """
    made = _chosen.get() or _packaged()
    try:
        return made.get_template(name).render(**values)
    except InvalidInput:
        raise
    except Exception as error:  # what a template can raise is what Python can
        raise InvalidInput(_fault(error, name, made)) from error


@contextmanager
def using(folder: Path | None) -> Iterator[None]:
    """Have templates of a folder come first, as long as this lasts; they are read anew each time."""
    token = _chosen.set(_environment(folder) if folder else None)
    try:
        yield
    finally:
        _chosen.reset(token)


def known() -> list[str]:
    """Return the names of the templates that a lab can put its own in the place of."""
    top = folder("templates")
    return sorted(path.relative_to(top).as_posix() for kind in KINDS for path in top.glob(f"{kind}/**/*{END}"))


def faults(own: Path) -> list[Problem]:
    """Return what is no template in a lab's folder, each with its file and line."""
    made, found = _environment(own), []
    for path in _files(own):
        try:
            made.parse(path.read_text(encoding="utf-8"), filename=str(path))
        except (TemplateSyntaxError, UnicodeDecodeError) as error:
            found.append(_fault(error, str(path), made))
    return found


def strangers(own: Path) -> Iterator[Problem]:
    """Yield files of a lab's folder that take no template's place; those that begin with _ are for its own to include."""
    names = known()
    for path in sorted(own.rglob("*")):
        name = path.relative_to(own).as_posix()
        if path.is_file() and not path.name.startswith(("_", ".")) and name not in names:
            near = words.did_you_mean(name, names)
            hint = "" if near else "see docs/look.md for their names; begin its own with _ if others include it"
            yield Problem(str(path), f"no template of publisher's is called {name}, so nobody reads it{near}", hint)


def _files(own: Path) -> list[Path]:
    return sorted(path for path in own.rglob(f"*{END}") if path.is_file())


def _fault(error: Exception, name: str, made: Environment) -> Problem:
    """Say where in which template something went wrong; jinja2 writes its lines into the traceback."""
    if isinstance(error, TemplateSyntaxError):
        return Problem(
            f"{error.filename or error.name or name}:{error.lineno}", _sentence(error), "correct the template"
        )
    if isinstance(error, TemplateNotFound):
        message = f"no template is called {error.name}{words.did_you_mean(str(error.name), made.list_templates())}"
        return Problem(_line(error) or name, message, f"publisher's own are {PREFIX}/site/… and {PREFIX}/examples/…")
    hint = "docs/look.md lists what each template is given" if isinstance(error, TemplateError) else ""
    return Problem(_line(error) or name, f"{type(error).__name__}: {_sentence(error)}", hint)


def _line(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return next((f"{frame.filename}:{frame.lineno}" for frame in reversed(frames) if frame.filename.endswith(END)), "")


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or "no reason given"


@cache
def _packaged() -> Environment:
    return _environment(None)


_chosen: ContextVar[Environment | None] = ContextVar("templates", default=None)


def _environment(own: Path | None) -> Environment:
    packaged = FileSystemLoader(folder("templates"))
    first = [FileSystemLoader(own)] if own else []
    # Markdown and code are no HTML, so autoescape would be wrong: every text goes through a filter of `safe` instead.
    made = Environment(  # noqa: S701
        loader=ChoiceLoader([*first, packaged, PrefixLoader({PREFIX: packaged})]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "text": safe.text,
        "cell": safe.cell,
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
