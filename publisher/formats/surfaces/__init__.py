"""Surfaces of triangles, as people keep them: OBJ, PLY, STL and neuroglancer's legacy fragments.

None of these files says the units of its vertices; they stay in the units of the file here.
"""

from __future__ import annotations

from pathlib import Path

from publisher.errors import InvalidInput
from publisher.formats.surfaces import ngmesh, obj, ply, stl
from publisher.formats.surfaces.surface import Surface, open_edges, repaired

__all__ = ["Surface", "open_edges", "read", "repaired"]

_READERS = {".obj": obj.read, ".ply": ply.read, ".stl": stl.read, ".ngmesh": ngmesh.read, ":0": ngmesh.read_manifest}


def read(path: Path, where: str) -> Surface:
    """Read one surface from a file by the ending of its name (`<id>:0` names a segment's legacy fragments).

    `where` is what messages call the file.

    Raises:
        InvalidInput: it cannot be read, holds nothing, or has vertices or faces that cannot be; with lines where it
            has lines.

    """
    reader = next(reader for suffix, reader in _READERS.items() if path.name.endswith(suffix))
    surface = reader(path, where)
    if problems := list(surface.problems(where)):
        raise InvalidInput(problems)
    return surface
