"""The database behind neuPrint: a dump or store of neo4j, and the CSV files that it was imported from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from publisher.artifacts.base import Artifact, Bench, Made, Slug, Text
from publisher.errors import Problem
from publisher.facts import FileFacts
from publisher.formats import neo4j
from publisher.tree import File, Tree, walk
from publisher.work import write_stream

ARGUMENTS = "-import.txt"  # what follows the inputs' key in that of the file that imports them
_NAMED = 5  # files that are named before one stops


class Neo4j(Artifact):
    """A neo4j dump or store; it loads only into the server that it was made for."""

    section: ClassVar[str] = "database"
    default_group: ClassVar[str] = "Database"

    name: Slug = "neo4j"
    server: Text | None = None
    """Version of the neo4j server that it was made with, such as "4.4.16"."""

    def stage(self, bench: Bench) -> Made:
        """Publish the store where it lies; nothing in it is text to us but what is written for people."""
        tree = self.tree(bench, role=lambda name: "" if name.endswith((".txt", ".md")) else "opaque")
        found = neo4j.store(bench.source)
        facts = FileFacts(
            tree=bench.source.is_dir(),
            server=f"neo4j {self.server}" if self.server else "",
            form=found.form,
            databases=found.databases,
        )
        return Made((tree,), facts)


class Inputs(Artifact):
    """The CSV files that `neo4j-admin import` builds the database from."""

    section: ClassVar[str] = "database"
    default_group: ClassVar[str] = "Database"

    name: Slug = "inputs"

    def stage(self, bench: Bench) -> Made:
        """Publish the files where they lie, and beside them the arguments with which neo4j-admin imports them."""
        tree, folder = self.tree(bench), bench.source.is_dir()
        if not folder:
            return Made((tree,), FileFacts(tree=False))
        path = bench.work / "import" / f"{self.name}.txt"
        imports, warnings = _write_arguments(tree, path)
        if not imports[0]:
            return Made((tree,), FileFacts(tree=True), warnings=warnings)
        key = f"{bench.key}{ARGUMENTS}"
        facts = FileFacts(tree=True, import_arguments=key, imports=imports)
        return Made((tree, Tree(self.name, key, path)), facts, warnings=warnings)


def _write_arguments(tree: Tree, path: Path) -> tuple[tuple[int, int], tuple[Problem, ...]]:
    """Write the file of arguments; return how many files hold nodes and relationships, and which the import cannot take."""
    held, left, untyped = Counter[str](), list[str](), list[str]()

    def lines() -> Iterator[bytes]:
        yield "".join(f"{option}\n" for option in neo4j.OPTIONS).encode()
        # What must not be public is named by `plan`, for every tree alike.
        files = (file.relative for file in walk(tree) if isinstance(file, File))
        for group in neo4j.groups(tree.path, (name for name in files if name.endswith((".csv", ".csv.gz")))):
            if group.argument:
                held[group.holds] += 1
                yield f"{group.argument}\n".encode()
            elif len(left) + len(untyped) < _NAMED:
                (untyped if group.holds else left).append(group.name)

    write_stream(path, lines())
    hint = "headers are neo4j's: :ID and :LABEL, or :START_ID, :END_ID and :TYPE"
    warnings = [
        Problem(
            f"{tree.path}/{name}", "is left out of the import: its header names neither nodes nor relationships", hint
        )
        for name in left
    ]
    what = "is left out of the import: neither its header nor its name tells the type of its relationships"
    warnings += [Problem(f"{tree.path}/{name}", what, "add a column :TYPE") for name in untyped]
    return (held["nodes"], held["relationships"]), tuple(warnings)
