"""The kinds of artifacts. A new kind is one new module here, and its line below."""

from __future__ import annotations

from publisher.artifacts.annotations import Annotations
from publisher.artifacts.base import Artifact, Bench, Made, Model
from publisher.artifacts.database import Inputs, Neo4j
from publisher.artifacts.file import File
from publisher.artifacts.meshes import Meshes
from publisher.artifacts.skeletons import Skeletons
from publisher.artifacts.table import Table
from publisher.artifacts.volume import Volume

# Sections of a manifest that are lists, in the order in which they are staged: tables first, others link to them.
KINDS: tuple[type[Artifact], ...] = (Table, Volume, Skeletons, Meshes, Annotations, File)

# The section `database` is a mapping: one artifact per role, named after it.
DATABASE: dict[str, type[Artifact]] = {"neo4j": Neo4j, "inputs": Inputs}

__all__ = ["DATABASE", "KINDS", "Artifact", "Bench", "Made", "Model"]
