"""Which segment each file of a folder is the mesh of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from publisher.errors import Problem
from publisher.tree import Tree, walk

SUFFIXES = (".obj", ".ply", ".stl", ".ngmesh", ":0")
"""How the names of files end that hold a mesh; `<id>:0` names a segment's legacy fragments."""
_ID = re.compile(r"[1-9][0-9]{0,19}")


class Source(NamedTuple):
    """One mesh: the segment, its file, and what people call it, if that is not the segment's number."""

    segment: int
    path: Path
    name: str = ""
    where: str = ""
    """What messages call the file, if not by its path."""


def find(folder: Path, ids: Mapping[str, int] | Literal["numbered"]) -> Iterator[Source | Problem]:
    """Yield the meshes of a folder in the order of their names, and what is wrong with names.

    Args:
        folder: holds files whose names end in one of `SUFFIXES`; others, and folders, are left alone.
        ids: segments of names (without their ending) that are none; "numbered" counts such names from 1 in their order.

    """
    if not folder.is_dir():
        yield Problem(str(folder), "is no folder", "give the folder that holds the meshes, a file each")
        return
    with os.scandir(folder) as entries:
        manifests = any(entry.name.endswith(":0") for entry in entries)
    given: Mapping[str, int] = {} if isinstance(ids, str) else ids
    unused, number = set(given), 0
    for file in walk(Tree("", "", folder)):
        if isinstance(file, Problem):
            yield file
            continue
        suffix = next((suffix for suffix in SUFFIXES if file.relative.endswith(suffix)), "")
        if not suffix or "/" in file.relative or (manifests and suffix == ".ngmesh"):  # a fragment of a manifest's
            continue
        stem, path = file.relative.removesuffix(suffix), Path(file.path)
        if stem in given:
            unused.discard(stem)
            yield Source(given[stem], path, stem)
        elif _ID.fullmatch(stem) and int(stem) < 1 << 64:
            yield Source(int(stem), path)
        elif ids == "numbered":
            number += 1
            yield Source(number, path, stem)
        else:
            hint = f"name it <segment id>{suffix}, or give `ids: {{{stem}: 1, …}}` (or `ids: numbered`): its name is then shown"
            yield Problem(str(path), "is not named after a segment", hint)
    for name in sorted(unused):
        yield Problem("", f"has an id for {name!r}, and no file is called that", "correct the name in `ids`")
