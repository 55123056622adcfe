"""How a database of a release is loaded: examples for the version of the server that it was made with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from publisher.facts import FileFacts
from publisher.page.copying import Shown
from publisher.page.places import is_file
from publisher.page.view import Book, View

NEWEST = "5"  # for CSV files of which nobody said which server they were made for
_SETTINGS = {  # names of neo4j's settings, as its container images take them
    True: {
        "heap": "NEO4J_dbms_memory_heap_max__size",
        "cache": "NEO4J_dbms_memory_pagecache_size",
        "default": "NEO4J_dbms_default__database",
    },
    False: {
        "heap": "NEO4J_server_memory_heap_max__size",
        "cache": "NEO4J_server_memory_pagecache_size",
        "default": "NEO4J_initial_dbms_default__database",
    },
}


def version(view: View) -> str:
    """Return the version of neo4j that a database belongs to, such as 4.4.16; "" where nobody says."""
    match = re.search(r"(?<!\w)\d+(?:\.\d+)*", view.server or str(view.stated["server"] or ""))
    return match[0] if match else ""


def examples(view: View, book: Book) -> Iterator[Shown]:
    """Yield how to load a store or a dump into its server, and how to import CSV files."""
    facts, item = view.described.facts, view.described
    if item.section != "database":
        return
    wanted = version(view)
    if wanted:
        yield _stored(view, wanted)
        return
    given = _given(next((found for other in book.views if (found := version(other))), NEWEST)) | {
        "name": view.place.name
    }
    if isinstance(facts, FileFacts) and facts.import_arguments:
        yield Shown("Import into neo4j", "neo4j-import.sh", given | {"arguments": book.base.at(facts.import_arguments)})
    elif (
        item.external and "csv" in str(view.stated["format"]).casefold() and not is_file(item.section, view.place.name)
    ):
        yield Shown("Arguments of the import", "neo4j-arguments.py", given)
        yield Shown("Import into neo4j", "neo4j-import.sh", given | {"arguments": None})


def _stored(view: View, wanted: str) -> Shown:
    """Return how a store is served, or a dump loaded."""
    facts = view.described.facts
    form = facts.form if isinstance(facts, FileFacts) else ""
    names = facts.databases if isinstance(facts, FileFacts) else ()
    given = _given(wanted) | {"name": view.place.name, "size_bytes": view.described.size_bytes, "form": form}
    if form == "dump":
        folder = "." if view.single else view.place.name
        named = given | {"database": names[0] if names else "neo4j", "folder": folder}
        return Shown("Load into neo4j", "neo4j-load.sh", named)
    return Shown("Serve with neo4j", "neo4j-serve.sh", given | {"database": names[0] if len(names) == 1 else ""})


def _given(wanted: str) -> dict[str, Any]:
    old = int(wanted.split(".", maxsplit=1)[0]) < 5  # noqa: PLR2004 - neo4j 5 renamed its commands and settings
    return {"version": wanted, "old": old, "settings": _SETTINGS[old]}
