"""The examples as files that a release carries, with a list of them: what is published is what was run and is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from publisher import work
from publisher.page.examples import LANGUAGES, Example
from publisher.page.view import Read

LIST = "index.json"
ARTIFACT = "examples:files"  # which objects of the inventory they are


def folder(version: str) -> str:
    """Return the key prefix that a release's examples lie under."""
    return f"{version}/examples"


def files(examples: tuple[Example, ...]) -> dict[str, bytes]:
    """Return each file's bytes by its name, the list among them."""
    rows = [
        {
            "file": each.name,
            "title": each.title,
            "artifact": each.artifact,
            "service": each.service,
            "whole": each.whole,
            "sha256": sha256(each.text.encode()).hexdigest(),
        }
        for each in examples
    ]
    listed = json.dumps({"examples": rows}, indent=1, ensure_ascii=False) + "\n"
    return {each.name: each.text.encode() for each in examples} | {LIST: listed.encode()}


def published(version: str, read: Read) -> tuple[Example, ...] | None:
    """Return the examples that a release carries; None for one that has none, such as an older one.

    A file that is gone is left out: verify finds that, and no page is to show what nobody can have run.
    """
    there = kept(version, read)
    if there is None:
        return None
    return tuple(_example(row, there[row["file"]]) for row in _rows(there[LIST]) if row["file"] in there)


def kept(version: str, read: Read, known: Mapping[str, bytes] = MappingProxyType({})) -> dict[str, bytes] | None:
    """Return the bytes of the files that a release carries, by name; None where there is no list of them.

    What is `known` is not read where the list says that it is the same.
    """
    listed = read(f"{folder(version)}/{LIST}")
    if listed is None:
        return None
    found: dict[str, bytes | None] = {}
    for row in _rows(listed):
        name = row["file"]
        same = name in known and sha256(known[name]).hexdigest() == row.get("sha256")
        found[name] = known[name] if same else read(f"{folder(version)}/{name}")
    return {name: data for name, data in found.items() if data is not None} | {LIST: listed}


def lay_down(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files to a folder, and remove what others left there; those that are as they should be are not touched."""
    for path in folder.glob("*"):
        if path.name not in files:
            path.unlink()
    for name, data in files.items():
        work.write_file(folder / name, data)


def _rows(data: bytes) -> list[Mapping[str, Any]]:
    """Return the lines of a list; none where it cannot be read, as somebody else may have written it."""
    try:
        rows = json.loads(data)["examples"]
        good = all("/" not in row["file"] and row["file"].rpartition(".")[2] in LANGUAGES for row in rows)
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
    return rows if good else []


def _example(row: Mapping[str, Any], text: bytes) -> Example:
    language, tab = LANGUAGES[row["file"].rpartition(".")[2]]
    return Example(
        name=row["file"],
        tab=tab,
        language=language,
        title=str(row.get("title", "")),
        text=text.decode(errors="replace"),
        artifact=str(row.get("artifact", "")),
        service=str(row.get("service", "")),
        whole=bool(row.get("whole", False)),
    )


def role(name: str) -> str:
    """Return the role of a file in the storage rules: all but the list are text, which browsers show."""
    return "json" if name == LIST else "example"
