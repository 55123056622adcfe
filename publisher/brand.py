"""What a lab makes its site its own with: templates, colours, a logo; looked at before anything is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from publisher import work
from publisher.errors import Problem
from publisher.manifest import Manifest
from publisher.page import colors, pictures

PICTURES = "assets/brand"  # where they lie in the site
_KINDS = {"logo": pictures.LOGOS, "favicon": pictures.FAVICONS}


@dataclass(frozen=True, slots=True)
class Brand:
    """A style sheet of colours, pictures by what they are for, a folder of templates; and what is wrong with them."""

    style: str = ""
    pictures: Mapping[str, Path] = field(default_factory=dict)
    templates: Path | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


PLAIN = Brand()


def brand(loaded: Manifest) -> Brand:
    """Read what a manifest says of its site's looks."""
    site, folder = loaded.release.site, loaded.folder
    given = {name: folder / path for name in _KINDS if (path := getattr(site, name)) is not None}
    problems = [
        Problem(loaded.where("site", name), f"the {name} {getattr(site, name)} {why}", "give another file, or none")
        for name, path in given.items()
        if (why := pictures.trouble(path, _KINDS[name]))
    ]
    chosen = site.colors.model_dump(exclude_none=True)
    warnings = []
    if "accent" in chosen and (faint := colors.faint(chosen["accent"])):
        warnings.append(Problem(loaded.where("site", "colors", "accent"), *faint))
    own = folder / loaded.release.templates if loaded.release.templates is not None else None
    if own is not None and not own.is_dir():
        message = f"there is no folder {loaded.release.templates}"
        problems.append(Problem(loaded.where("templates"), message, "paths are relative to the manifest"))
    elif own is not None:
        from publisher.page import templates  # noqa: PLC0415 - jinja2, which most uploads need not wait for

        problems += templates.faults(own)
        warnings += templates.strangers(own)
    return Brand(colors.style(chosen), given, own, tuple(problems), tuple(warnings))


def dressed(docs: Path, brand: Brand) -> dict[str, Any]:
    """Lay the pictures beside a site's pages, and take those of a former run away; return what MkDocs is told of them."""
    place = docs / PICTURES
    named = {kind: f"{PICTURES}/{kind}{path.suffix.lower()}" for kind, path in brand.pictures.items()}
    for old in place.iterdir() if place.is_dir() else ():
        if old.relative_to(docs).as_posix() not in named.values():
            old.unlink()
    for kind, name in named.items():
        work.write_file(docs / name, brand.pictures[kind].read_bytes())
    return {"theme": named} if named else {}
