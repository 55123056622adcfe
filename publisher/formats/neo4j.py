"""What neo4j reads: the form of a database on disk, and the arguments that import CSV files.

Sources of the rules: neo4j's operations manual, `neo4j-admin import` (4.4) and `neo4j-admin database import full` (5); how
files of arguments are read is picocli's: arguments stand apart by white space, `#` begins a comment, quotes keep spaces.
The kinds of neuPrint's relationships are those that flyem-snapshot gives files of these names.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

# First match wins; the name is a file's or that of a folder above it.
_RELATIONSHIPS = (
    (r"Neuprint_Neuron_Connections|Neuprint_SynapseSet_to_SynapseSet", "ConnectsTo"),
    (r"Neuprint_Synapse_Connections", "SynapsesTo"),
    (r"Neuprint_Elements?_CloseTo.*", "CloseTo"),
    (r"Neuprint_\w+_to_\w+", "Contains"),
)
_ROLE = re.compile(r":(ID|LABEL|START_ID|END_ID|TYPE)(?:\(.*\))?(?:\{.*\})?$", re.IGNORECASE)
_PLAIN = re.compile(r"[\w./=:+-]+")
_HEADER_BYTES = 1 << 20
# Ids are words in some of neuPrint's files; JSON in fields may span lines; types stay those that the headers name.
OPTIONS = (
    "--id-type=STRING",
    "--delimiter=,",
    "--array-delimiter=;",
    "--normalize-types=false",
    "--multiline-fields=true",
)


@dataclass(frozen=True, slots=True)
class Store:
    """A database on disk: `store` where it is neo4j's data folder, `dump` where archives of databases; and their names."""

    form: Literal["", "store", "dump"] = ""
    databases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A CSV file as the import takes it: what it holds, and the argument that says so; "" where it is not to be taken."""

    name: str
    holds: Literal["nodes", "relationships", ""]
    argument: str = ""


def store(source: Path) -> Store:
    """Look at a database on disk: a folder with `databases/` in it, or `<name>.dump`."""
    if source.is_file():
        return Store("dump", (source.stem,)) if source.suffix == ".dump" else Store()
    if (source / "databases").is_dir():
        names = sorted(path.name for path in (source / "databases").iterdir() if path.is_dir())
        return Store("store", tuple(name for name in names if name != "system"))
    names = sorted(path.stem for path in source.glob("*.dump"))
    return Store("dump", tuple(name for name in names if name != "system")) if names else Store()


def groups(folder: Path, names: Iterable[str]) -> Iterator[Group]:
    """Say of each CSV file, by its name below a folder, how it is imported: its header tells.

    Each file is an argument of its own, as files that share one must have one header, and neuPrint's do not.
    """
    for name in names:
        fields = _fields(folder / name)
        if fields & {"ID", "LABEL"}:  # nodes without an id are imported, and no relationship can name them
            label = "" if "LABEL" in fields else f"{_label(name)}="
            yield Group(name, "nodes", _quoted(f"--nodes={label}{name}"))
        elif {"START_ID", "END_ID"} <= fields:
            kind = _kind(name)
            if "TYPE" in fields:
                yield Group(name, "relationships", _quoted(f"--relationships={name}"))
            else:
                yield Group(name, "relationships", _quoted(f"--relationships={kind}={name}") if kind else "")
        else:
            yield Group(name, "")


def parse(text: str) -> Iterator[str]:
    """Yield the arguments of a file of arguments, as picocli reads it."""
    for match in re.finditer(r'#[^\n]*|"((?:[^"\\]|\\.)*)"|([^\s"#]+)', text):
        if match[1] is not None:
            yield re.sub(r"\\(.)", r"\1", match[1])
        elif match[2] is not None:
            yield match[2]


def _fields(path: Path) -> set[str]:
    """Return the roles that a header gives its columns, such as START_ID; none for what is no text."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            line = file.readline(_HEADER_BYTES).decode("utf-8-sig")
        header = next(csv.reader([line]), [])
    except (OSError, EOFError, UnicodeDecodeError, csv.Error):  # what cannot be read is named by `plan`
        return set()
    roles = (_ROLE.search(field) for field in header)
    return {match[1].upper() for match in roles if match}


def _names(name: str) -> Iterator[str]:
    path = PurePosixPath(name)
    yield path.stem
    yield from (parent.name for parent in path.parents if parent.name)


def _kind(name: str) -> str:
    for pattern, kind in _RELATIONSHIPS:
        if any(re.fullmatch(pattern, part) for part in _names(name)):
            return kind
    return ""


def _label(name: str) -> str:
    """Return a label for nodes whose file has none: the name of its folder, or else its own."""
    *_, last = _names(name)
    return re.sub(r"\W", "", last.removeprefix("Neuprint_")) or "Node"


def _quoted(argument: str) -> str:
    if _PLAIN.fullmatch(argument):
        return argument
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
