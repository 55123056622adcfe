"""Configurations of web servers that serve a folder as a bucket would: from templates, with the types of the storage rules."""

from __future__ import annotations

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from publisher.headers import JSON, NAMES
from publisher.resources import folder
from publisher.serve.handler import EXPOSED

FILES = ("nginx.conf", "apache.conf", "Caddyfile")
_ASKED = "Range, If-Match, If-None-Match, If-Range, Content-Type"


def configuration(name: str) -> str:
    """Return one of the configurations."""
    made = Environment(  # noqa: S701 - no HTML
        loader=FileSystemLoader(folder("templates") / "web"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return made.get_template(f"{name}.jinja").render(types=types(), exposed=EXPOSED, asked=_ASKED)


def types() -> list[tuple[str, list[str]]]:
    """Return each Content-Type with the ends of names that have it, as the storage rules say."""
    found: dict[str, list[str]] = {JSON: []}
    for pattern, rule in NAMES:
        if pattern.startswith("*."):
            found.setdefault(rule.content_type, []).append(pattern.removeprefix("*."))
    return list(found.items())
