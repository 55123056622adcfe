"""Arrays in N5 and zarr: shapes, chunks, codecs, and what the file of each chunk is called.

Sources of the rules: the N5 specification (github.com/saalfeldlab/n5), zarr v2 and v3 (zarr-specs.readthedocs.io). Axes
stand in the order of the array's own metadata: x, y, z in N5, mostly z, y, x in zarr.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from publisher.facts import Whole
from publisher.formats import arrays, metadata
from publisher.health.presence import Cell, Grid, Present
from publisher.health.subject import Subject

JSON = dict[str, Any]
_NUMBERS = re.compile(r"\d+(?:[./]\d+)*", re.ASCII)


@dataclass(slots=True)
class Array:
    """One array of a volume: its metadata, its chunks (shards where they are sharded), and which of them were seen."""

    key: str  # its folder below the volume, "" for the volume itself
    format: arrays.Format
    meta: JSON
    data_type: str
    present: Present
    places: Whole  # of x, y, z among the axes
    voxel: tuple[float, ...]  # nm along each axis; 1 where nobody knows

    @property
    def file(self) -> str:
        """The metadata file, below the volume."""
        return self.below(arrays.METADATA_OF[self.format])

    def below(self, name: str) -> str:
        """Return the path of something in the array's folder, below the volume."""
        return f"{self.key}/{name}" if self.key else name

    @property
    def separator(self) -> str:
        """What stands between the numbers of a chunk."""
        if self.format == "n5":
            return "/"
        if self.format == "zarr2":
            return str(self.meta.get("dimension_separator", "."))
        encoding = self.meta.get("chunk_key_encoding", {})
        default = "/" if encoding.get("name") == "default" else "."
        return str(encoding.get("configuration", {}).get("separator", default))

    @property
    def prefix(self) -> str:
        """What stands before the numbers of a chunk."""
        default = self.format == "zarr3" and self.meta.get("chunk_key_encoding", {}).get("name") == "default"
        return f"c{self.separator}" if default else ""

    def own_name(self, cell: Cell) -> str:
        """Return the path of a chunk below the array."""
        return self.prefix + self.separator.join(map(str, cell))

    def name(self, cell: Cell) -> str:
        """Return the path of a chunk below the volume."""
        return self.below(self.own_name(cell))

    def place(self, name: str) -> Cell | str | None:
        """Return the cell of a chunk by its path below the array; why it has none; None where it is not named like one."""
        numbers = name.removeprefix("c/").removeprefix("c.")
        if _NUMBERS.fullmatch(numbers) is None:
            return None
        cell = tuple(map(int, re.split("[./]", numbers)))
        grid = self.present.grid
        if len(cell) != len(grid.size):
            return f"has {len(cell)} numbers in its name, and the array has {len(grid.size)} axes"
        wanted = self.own_name(cell)
        if name != wanted:
            return f"is where no reader looks: by the metadata it is named {wanted}"
        if not grid.has(cell):
            return f"lies outside of the array, whose chunks are {' x '.join(map(str, grid.cells))}"
        return cell

    @property
    def sharding(self) -> JSON | None:
        """The configuration of zarr v3's sharding_indexed, where the array has it."""
        for codec in self.meta.get("codecs", ()) if self.format == "zarr3" else ():
            if isinstance(codec, dict) and codec.get("name") == "sharding_indexed":
                configuration = codec.get("configuration")
                return configuration if isinstance(configuration, dict) else {}
        return None


def found(volume: Subject) -> list[Array]:
    """Return the arrays of a volume, the finest first."""
    arrays_of = []
    for scale in volume.facts.scales:
        folder = volume.folder / scale.key
        kind = volume.facts.format
        assert kind != "precomputed"
        meta = metadata.read(folder / arrays.METADATA_OF[kind])
        shape = tuple(meta["dimensions" if kind == "n5" else "shape"])
        chunk = tuple(_chunk(meta, kind))
        places, _ = arrays.axes(volume.folder, scale.key, meta, kind)
        voxel = [1.0] * len(shape)
        for place, length in zip(places, scale.voxel_size_nm, strict=True):
            voxel[place] = length or 1.0
        data_type = str(meta.get({"n5": "dataType", "zarr2": "dtype", "zarr3": "data_type"}[kind]))
        present = Present(Grid(shape, chunk, (0,) * len(shape)))
        arrays_of.append(Array(scale.key, kind, meta, data_type, present, places, tuple(voxel)))
    return arrays_of


def _chunk(meta: JSON, kind: str) -> list[int]:
    if kind == "n5":
        return list(meta["blockSize"])
    if kind == "zarr2":
        return list(meta["chunks"])
    return list(meta["chunk_grid"]["configuration"]["chunk_shape"])
