"""The database behind neuPrint: a dump or store of neo4j, and the CSV files that it was imported from."""

from __future__ import annotations

from typing import ClassVar

from publisher.artifacts.base import Artifact, Bench, Made, Slug, Text
from publisher.facts import FileFacts


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
        return Made(
            (tree,), FileFacts(tree=bench.source.is_dir(), server=f"neo4j {self.server}" if self.server else "")
        )


class Inputs(Artifact):
    """The CSV files that `neo4j-admin import` builds the database from."""

    section: ClassVar[str] = "database"
    default_group: ClassVar[str] = "Database"

    name: Slug = "inputs"

    def stage(self, bench: Bench) -> Made:
        """Publish the files where they lie."""
        return Made((self.tree(bench),), FileFacts(tree=bench.source.is_dir()))
