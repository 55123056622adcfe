"""The parts of the documentation that are written by the code: of the manifest's models, the commands, the templates."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from jinja2 import meta
from typer.models import ArgumentInfo

from publisher.cli.app import app
from publisher.manifest import schema
from publisher.page import templates
from publisher.resources import folder

_MARK = "<!-- Written by `python -m docs.book`: edits are lost. -->\n"
_CODE = re.compile(r"(`[^`]*`)")
_PLACES = re.compile(r"((?:\{[^{}]*\})(?:[^\s,;]*\{[^{}]*\})*)")


def manifest() -> str:
    """Return the page of every key that a manifest can have, from the models' own descriptions."""
    made = schema.schema()
    parts = made["$defs"]
    head = (
        f"{_MARK}# The manifest, key by key\n\nA manifest is one YAML file. [Its JSON Schema](commands.md#schema), which "
        "`publisher schema` prints, completes it in editors. Paths are relative to the manifest; `{version}`, `{dataset}`, "
        "`{section}` and `{name}` are the only substitutions.\n"
    )
    texts = [head, "## The whole { #release }\n\n" + _table(made)]
    texts += [
        f"## {name} {{ #{name.lower()} }}\n\n{_prose(part.get('description', ''))}\n\n{_table(part)}"
        for name, part in _in_order(made, parts)
    ]
    return "\n".join(texts)


def _in_order(made: dict[str, Any], parts: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the models as they are met from the top: each once, before what it holds."""
    seen: dict[str, None] = {}
    waiting = [made]
    while waiting:
        for name in _named(waiting.pop(0)):
            if name not in seen:
                seen[name] = None
                waiting.append(parts[name])
    yield from ((name, parts[name]) for name in seen)


def _named(part: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].rpartition("/")[2]
        for key, value in part.items():
            yield from _named(value) if key != "$defs" else ()
    elif isinstance(part, list):
        for each in part:
            yield from _named(each)


def _table(part: dict[str, Any]) -> str:
    rows = ["| key | type | default | |", "|---|---|---|---|"]
    for key, told in part.get("properties", {}).items():
        default = "required" if key in part.get("required", ()) else _default(told.get("default"))
        rows.append(f"| `{key}` | {_type(told)} | {default} | {_prose(told['description'])} |")
    return "\n".join(rows) + "\n"


def _default(value: Any) -> str:  # noqa: ANN401 - JSON
    if value in (None, "", [], {}) or isinstance(value, dict):
        return ""
    shown = (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else str(value).lower()
        if isinstance(value, bool)
        else value
    )
    return f"`{shown}`"


def _type(told: dict[str, Any]) -> str:
    if "$ref" in told:
        name = told["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in told:
        return " or ".join(dict.fromkeys(_type(each) for each in told["anyOf"] if each.get("type") != "null"))
    if "enum" in told:
        return ", ".join(f"`{value}`" for value in told["enum"]).replace("|", "\\|")
    if "const" in told:
        return f"`{told['const']}`"
    if told.get("type") == "array":
        if "prefixItems" in told:
            return f"{len(told['prefixItems'])} of {_type(told['prefixItems'][0])}"
        return f"list of {_type(told.get('items', {}))}"
    if told.get("type") == "object":
        inner = next(iter(told.get("patternProperties", {}).values()), told.get("additionalProperties"))
        return f"names → {_type(inner)}" if isinstance(inner, dict) else "mapping"
    words = {"string": "text", "integer": "number", "number": "number", "boolean": "true or false"}
    return "date" if told.get("format") == "date" else words.get(str(told.get("type")), "anything")


def _prose(text: str) -> str:
    """Return words of a docstring for a cell of a table: one line, and nothing in it is markup but `code`."""
    line = " ".join(text.split())
    spans = _CODE.split(line)
    plain = [span if span.startswith("`") else _PLACES.sub(r"`\1`", span.replace("<", "&lt;")) for span in spans]
    return "".join(plain).replace("|", "\\|")


def commands() -> str:
    """Return the page of every command with its options, from the functions that are the commands."""
    head = (
        f"{_MARK}# Commands\n\nAll take `--help`. What people read goes to standard output; `--json` puts one JSON object there\n"
        "instead, and everything else on standard error.\n"
    )
    return "\n".join([head, *(_command(name, function) for name, function in _all(app))])


def _all(group: typer.Typer, before: str = "") -> Iterator[tuple[str, Callable[..., None]]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{before}{command.name or command.callback.__name__}", command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from _all(inner.typer_instance, f"{before}{inner.name} ")


def _command(name: str, function: Callable[..., None]) -> str:
    hints = get_type_hints(function, include_extras=True)
    defaults = {each.name: each.default for each in inspect.signature(function).parameters.values()}
    told = {
        key: get_args(hints[key]) if get_origin(hints[key]) is Annotated else (hints[key], None) for key in defaults
    }
    rows = [
        f"| {_named_option(key, *told[key][:2])} | {_meant(told[key][1], default)} |"
        for key, default in defaults.items()
    ]
    needed = [str(info.metavar or key.upper()) for key, (_, info, *_) in told.items() if isinstance(info, ArgumentInfo)]
    usage = " ".join(["publisher", name, "[OPTIONS]", *needed])
    text = "\n\n".join(_prose(part) for part in inspect.cleandoc(function.__doc__ or "").split("\n\n"))
    heading = f"## publisher {name} {{ #{name.replace(' ', '-')} }}"
    return "\n".join([heading, "", text, "", f"`{usage}`", "", "| | |", "|---|---|", *rows, ""])


def _named_option(key: str, kind: Any, info: Any) -> str:  # noqa: ANN401 - an annotation, and what typer keeps of it
    if isinstance(info, ArgumentInfo):
        words = str(info.metavar or key.upper())
    else:
        # In an annotation the first name stands where a default would.
        given = [getattr(info, "default", None), *(getattr(info, "param_decls", None) or ())]
        names = ", ".join([each for each in given if isinstance(each, str)] or [f"--{key.replace('_', '-')}"])
        kinds = [each for each in (get_args(kind) or (kind,)) if each is not NoneType]
        choices = (
            [str(each.value) for each in kinds[0]] if isinstance(kinds[0], type) and issubclass(kinds[0], Enum) else []
        )
        value = getattr(info, "metavar", None) or "|".join(choices) or kinds[0].__name__.upper()
        words = names if kinds == [bool] else f"{names} {value}"
    return f"`{words}`".replace("|", "\\|")


def _meant(info: Any, default: Any) -> str:  # noqa: ANN401 - likewise
    text = _prose(getattr(info, "help", None) or "")
    value = getattr(default, "value", default)
    shown = value not in (None, False, True, "", inspect.Parameter.empty) and getattr(info, "show_default", True)
    return f"{text} Default: `{value}`.".strip() if shown else text


def own_templates() -> str:
    """Return the table of templates that a lab can put its own in the place of, with what each is given."""
    made = templates._environment(None)  # noqa: SLF001 - the very one that pages are made with
    rows = ["| template | is given |", "|---|---|"]
    for name in templates.known():
        text = (folder("templates") / name).read_text(encoding="utf-8")
        given = sorted(meta.find_undeclared_variables(made.parse(text)))
        rows.append(f"| `{name}` | {', '.join(f'`{each}`' for each in given) or 'what includes it has'} |")
    return "\n".join(rows)
