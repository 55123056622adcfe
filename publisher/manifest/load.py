"""From a YAML file to a Release: all problems in one run, each at file:line:column, with "did you mean"."""

from __future__ import annotations

import copy
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from publisher.artifacts import Artifact
from publisher.errors import InvalidInput, Problem
from publisher.manifest import checks, document
from publisher.manifest.document import Document
from publisher.manifest.model import Place, Release, spelled
from publisher.words import did_you_mean

_ROUNDS = 8  # of taking away what does not validate, so that the rest can be cross-checked in the same run

# What takes the place of a head that does not validate, so that the rest can be cross-checked all the same.
_STAND_INS: dict[str, Any] = {
    "schema": 1,
    "version": "v0",
    "date": "2000-01-01",
    "status": "draft",
    "dataset": {"name": "x", "title": "x", "description": "x", "license": "x", "authors": [{"name": "x"}]},
}

_SLUG = "letters, digits, '.', '_' and '-' only, a letter or digit first"
_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": _SLUG,
    r"^(\d+(\.\d+)?\s*)?(nm|um|µm|mm)$": 'a length such as nm, um or "8 nm"',
    r"^(\d+(\.\d+)?\s*)?(nm|um|µm|mm|m)$": 'a length such as nm, um or "8 nm"',
    r"^(https://orcid\.org/)?\d{4}-\d{4}-\d{4}-\d{3}[\dX]$": "an ORCID iD such as 0000-0002-1825-0097",
    r"^#[0-9A-Fa-f]{6}$": "a colour such as #17324d",
    r"^https?://[^\s?#]+$": "an address such as https://data.example.org/prefix",
    r"^https?://[^\s<>\"]+$": "an address such as https://example.org/page",
    r"^(https?://(dx\.)?doi\.org/|doi:\s*)?10\.\d{4,9}/\S+$": "a DOI such as 10.5281/zenodo.1234",
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A release together with the file that it was read from: paths are relative to it, problems point into it."""

    release: Release
    document: Document

    @property
    def path(self) -> Path:
        """The file."""
        return self.document.path

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.resolve().parent

    def source(self, artifact: Artifact) -> Path:
        """Return the path of an artifact's source, from where the manifest's own path starts: messages stay short."""
        folder = self.folder if self.path.is_symlink() else self.path.parent
        return folder / (artifact.source or "")

    def where(self, *place: str | int) -> str:
        """Return file:line:column of a place in the manifest, or of the nearest one above it."""
        return self.document.where(place)

    def place(self, artifact: Artifact) -> Place:
        """Return where an artifact stands in the manifest."""
        return next(place for other, place in self.release.placed if other is artifact)


def load(path: Path) -> Manifest:
    """Read a manifest; raise InvalidInput with every problem in it."""
    read = document.read(path)
    problems = list(read.problems)
    if read.value is None:
        raise InvalidInput(problems)
    rest = _Rest(copy.deepcopy(read.value))
    release = rest.validate(read, problems)
    if release is not None:
        found = checks.problems(release, frozenset(rest.broken))
        problems += [Problem(read.where(rest.place(place)), message, hint) for place, message, hint in found]
    if problems or release is None:
        raise InvalidInput(sorted(dict.fromkeys(problems), key=_position))
    return Manifest(release, read)


def _position(problem: Problem) -> tuple[str, int, int, str]:
    path, _, rest = problem.where.partition(":")
    numbers = [int(word) for word in rest.split(":") if word.isdecimal()] or [0]
    return path, numbers[0], numbers[-1], problem.message


class _Rest:
    """What is left of a document when all that does not validate is taken away, so that the rest can be cross-checked."""

    def __init__(self, value: Any) -> None:  # noqa: ANN401 - YAML
        self.value = value
        self.broken: set[str] = set()  # names of artifacts that were taken away
        self._left: dict[Place, list[int]] = {}  # of a list that lost items: where the others stood

    def validate(self, read: Document, problems: list[Problem]) -> Release | None:
        """Return the release that is left; add what was wrong with the whole to `problems`."""
        for attempt in range(_ROUNDS):
            try:
                return Release.model_validate(self.value)
            except ValidationError as error:
                found = _found(error, self.value)
            if attempt == 0:
                problems += [Problem(read.where(place), *_words(detail, read, place)) for place, detail in found]
            taken = [self._take(place, detail) for place, detail in sorted(found, key=_last_first, reverse=True)]
            if not any(taken):
                break
        return None

    def place(self, place: Place) -> Place:
        """Return where something stands in the file."""
        for at, part in enumerate(place):
            if isinstance(part, int) and place[:at] in self._left:
                return (*place[:at], self._left[place[:at]][part], *place[at + 1 :])
        return place

    def _take(self, place: Place, detail: ErrorDetails) -> bool:
        """Take away what is wrong: an extra key alone, else the whole item of a list, else the value."""
        path = place if place or detail["type"] != "missing" else (detail["loc"][0],)
        if path and path[0] in _STAND_INS:
            self.value[path[0]] = copy.deepcopy(_STAND_INS[str(path[0])])
            return True
        if detail["type"] != "extra_forbidden":
            path = next((path[: at + 1] for at, part in enumerate(path) if isinstance(part, int)), path)
        if not path:
            return False
        holder = self.value
        try:
            for part in path[:-1]:
                holder = holder[part]
            taken = holder[path[-1]]
        except (KeyError, IndexError, TypeError):
            return False  # gone already, with something that holds it
        if isinstance(taken, dict) and "name" in taken:
            self.broken.add(str(taken["name"]))
        if isinstance(holder, list):
            self._left.setdefault(path[:-1], list(range(len(holder)))).pop(int(path[-1]))
        del holder[path[-1]]
        return True


def _found(error: ValidationError, value: Any) -> list[tuple[Place, ErrorDetails]]:  # noqa: ANN401 - YAML
    """Return what pydantic found, and where; a list is not called too short for what is wrong inside it."""
    found = [(_place(detail, value), detail) for detail in error.errors()]
    return [
        (place, detail)
        for place, detail in found
        if detail["type"] != "too_short" or not any(other[: len(place)] == place != other for other, _ in found)
    ]


def _last_first(found: tuple[Place, ErrorDetails]) -> list[str]:
    return [str(part).zfill(9) for part in found[0]]


def _place(detail: ErrorDetails, value: Any) -> Place:  # noqa: ANN401 - YAML
    """Return the place of an error as far as the document has it: pydantic adds parts of its own for unions."""
    place: list[str | int] = []
    for part in detail["loc"]:
        inside = isinstance(value, dict) and part in value
        if not inside and not (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            break
        value = value[part]
        place.append(part)
    return tuple(place)


def _words(detail: ErrorDetails, read: Document, place: Place) -> tuple[str, str]:
    """Say in a sentence what pydantic found."""
    kind, context, given = detail["type"], detail.get("ctx", {}), detail["input"]
    numbered = bool(detail["loc"]) and isinstance(detail["loc"][-1], int)
    name = spelled(detail["loc"][-2 if numbered else -1 :])
    shown = read.raw.get(place, given)
    if kind == "extra_forbidden":
        known = list(_fields(detail["loc"][:-1]))
        near = did_you_mean(name, known)
        return f"unknown key {name!r}{near}", f"known here: {', '.join(known)}" if known and not near else ""
    if kind == "missing":
        at = spelled(detail["loc"][:-1])
        return f"{name!r} is missing{f' in {at}' if at else ''}", f"add `{name}: …`"
    if kind == "too_short":
        return f"{name} is empty", "give one at least"
    if kind == "string_type" and isinstance(given, int | float) and not isinstance(given, bool):
        return f"{name} must be text, but {shown} is a number to YAML", f'quote it: {name}: "{shown}"'
    if kind == "string_type":
        return f"{name} must be text, not {_yaml_type(given)}", "quote it" if not isinstance(given, dict | list) else ""
    if kind == "string_pattern_mismatch":
        expected = _PATTERNS.get(str(context.get("pattern")), f"of the form {context.get('pattern')}")
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", str(given)).strip("._-")[:80] if expected == _SLUG else ""
        return f"{name} {str(given)[:80]!r} must be {expected}", f"such as {slug!r}" if slug else ""
    if kind == "literal_error":
        choices = str(context.get("expected", ""))
        near = did_you_mean(str(given), [word.strip("'\" ") for word in choices.replace(" or ", ",").split(",")])
        said = str(shown)[:60] if place in read.raw else repr(str(shown)[:60])
        return f"{name} is {said}, but must be {choices}{near}", ""
    if kind in {"date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"}:
        return f"{name} {str(shown)[:40]!r} is no date", "write year-month-day, such as 2026-11-21"
    text = detail["msg"][:1].lower() + detail["msg"][1:]
    subject = str(given["name"]) if isinstance(given, dict) and "name" in given else name
    return f"{subject} {text}" if text.startswith(("has ", "is ")) else f"{subject}: {text}", ""


def _yaml_type(value: object) -> str:
    names = {dict: "a mapping", list: "a list", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def _fields(loc: tuple[int | str, ...]) -> Iterator[str]:
    """Yield the keys that the manifest knows at a place, by walking the models' annotations."""
    models: list[Any] = [Release]
    for part in loc:
        models = [inner for model in models for inner in _inner(model, part)]
    for model in models:
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from (field.alias or name for name, field in model.model_fields.items())


def _inner(annotation: Any, part: int | str) -> Iterator[Any]:  # noqa: ANN401 - an annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        yield from _members(field.annotation) if field is not None else ()
    elif get_origin(annotation) is tuple and isinstance(part, int):
        yield from _members(get_args(annotation)[0])
    elif get_origin(annotation) is dict:
        yield from _members(get_args(annotation)[1])


def _members(annotation: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield the members of a union, or the annotation itself."""
    if get_origin(annotation) in {Union, types.UnionType}:
        for member in get_args(annotation):
            yield from _members(member)
    elif get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    else:
        yield annotation
