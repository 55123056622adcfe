"""Chunks of a precomputed volume that are files: names on the grid, lengths, and content that decodes.

A chunk of the voxels x0 to x1, y0 to y1, z0 to z1 is `<key>/x0-x1_y0-y1_z0-z1`; the last ones along an axis end with the
volume. Source: neuroglancer, src/datasource/precomputed/volume.md, "unsharded chunk storage".
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from publisher.formats.content import content
from publisher.headers import GZIP_MAGIC
from publisher.health.decode import Expected, trouble
from publisher.health.presence import Cell, Grid, Present
from publisher.health.readers import Second
from publisher.health.sample import AGAIN, Sample
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding
from publisher.parallel import ordered_map
from publisher.tree import File

_NAME = re.compile(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)", re.ASCII)
NEVER_GZIP = frozenset({"jpeg", "png", "jxl", "fpzip", "zfpc", "kempressed"})  # they are compressed inside
_EXPECTED_FILES = frozenset({"info", "provenance"})  # cloud-volume writes the second


class Chunks:
    """The grid of one chunk size, and the names of its chunks: looked up by axis, because there may be 10^8 of them."""

    def __init__(self, grid: Grid, voxel_bytes: int) -> None:
        """Take the grid, and the bytes of a voxel with all its channels."""
        self.present = Present(grid)
        self._voxel_bytes = voxel_bytes
        self._places: list[dict[str, int]] = []
        self._lengths: list[list[int]] = []
        for offset, size, chunk in zip(grid.offset, grid.size, grid.chunk, strict=True):
            edges = [(at, min(chunk, size - at)) for at in range(0, size, chunk)]
            self._places.append({f"{offset + at}-{offset + at + n}": i for i, (at, n) in enumerate(edges)})
            self._lengths.append([n for _, n in edges])

    def cell(self, parts: list[str]) -> Cell | None:
        """Return the cell of a chunk by the three parts of its name, None where it has none."""
        of_x, of_y, of_z = self._places
        x, y, z = of_x.get(parts[0]), of_y.get(parts[1]), of_z.get(parts[2])
        return None if x is None or y is None or z is None else (x, y, z)

    def raw_bytes(self, cell: Cell) -> int:
        """Return how long the chunk of a cell is without compression."""
        in_x, in_y, in_z = self._lengths
        return in_x[cell[0]] * in_y[cell[1]] * in_z[cell[2]] * self._voxel_bytes


@dataclass(slots=True)
class Scale:
    """One scale that is stored as files, and which of its chunks were seen: a grid for each of its chunk sizes."""

    key: str
    encoding: str
    channels: int
    data_type: str
    block: tuple[int, ...]
    grids: tuple[Chunks, ...]
    second: Second

    def place(self, name: str) -> tuple[Chunks, Cell] | str | None:
        """Return the grid and the cell of a chunk by its name; why it has none; None where it is not named like one."""
        parts = name.split("_")
        for chunks in self.grids if len(parts) == 3 else ():  # noqa: PLR2004 - x, y, z
            if (cell := chunks.cell(parts)) is not None:
                return chunks, cell
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        x0, _, y0, _, z0, _ = map(int, match.groups())
        return self._misplaced((x0, y0, z0))

    def _misplaced(self, begin: Cell) -> str:
        """Say what the name of a chunk that is not on the grid should be."""
        grid = self.grids[0].present.grid
        cell = tuple((at - low) // n for at, low, n in zip(begin, grid.offset, grid.chunk, strict=True))
        if not grid.has(cell):
            box = "_".join(f"{low}-{low + n}" for low, n in zip(grid.offset, grid.size, strict=True))
            return f"lies outside of the scale, which is {box}"
        if grid.begin(cell) == begin:
            return f"is on the grid only as {name(grid, cell)}"
        return f"is not on the grid of chunks of {' x '.join(map(str, grid.chunk))} voxels from {grid.offset}"


class _Piece(NamedTuple):
    relative: str
    path: str
    gz_name: bool
    scale: Scale
    chunks: Chunks
    cell: Cell

    @property
    def expected(self) -> Expected:
        """What it must hold."""
        return Expected(
            self.chunks.present.grid.shape(self.cell), self.scale.channels, self.scale.data_type, self.scale.block
        )


def name(grid: Grid, cell: Cell) -> str:
    """Return the name of the chunk of a cell."""
    rows = zip(grid.begin(cell), grid.shape(cell), strict=True)
    return "_".join(f"{begin}-{begin + size}" for begin, size in rows)


def scales(volume: Subject) -> dict[str, Scale]:
    """Return the scales of a volume that are stored as files, by key."""
    found = {}
    for scale in volume.info["scales"]:
        if scale.get("sharding") is None:
            offset = tuple(int(n) for n in scale.get("voxel_offset") or (0, 0, 0))
            size = tuple(int(n) for n in scale["size"])
            voxel_bytes = np.dtype(volume.facts.data_type).itemsize * volume.facts.channels
            grids = tuple(Chunks(Grid(size, tuple(chunk), offset), voxel_bytes) for chunk in scale["chunk_sizes"])
            block = tuple(scale.get("compressed_segmentation_block_size") or ())
            facts = volume.facts
            key = scale["key"].strip("/")
            about = facts.channels, facts.data_type, block, grids
            found[key] = Scale(key, scale["encoding"], *about, Second(volume, key))
    return found


def names(volume: Subject, files: Iterable[File], found: dict[str, Scale], depth: Depth) -> Iterator[Finding]:
    """Go through the files that are no shards: each is a chunk on the grid, or nobody's. Then look into some, or all.

    Fills the grids of `found`, by scale key.
    """
    pieces = Sample[_Piece]()
    todo = (item for file in files for item in _named(volume, file, found))
    if depth == "full":
        for result in ordered_map(partial(_content, volume, again=True), todo, at_once=_told):
            yield from result
        return
    for item in todo:
        if isinstance(item, Finding):
            yield item
        else:
            pieces.offer(item.relative, item)
    if depth == "sample":
        for again, chosen in pieces.parted(AGAIN):
            for result in ordered_map(partial(_content, volume, again=again), chosen):
                yield from result


def _named(volume: Subject, file: File, found: dict[str, Scale]) -> Iterator[Finding | _Piece]:
    """Yield a chunk whose name and length are right, or what is wrong with them."""
    folder, _, own = file.relative.rpartition("/")
    scale = found.get(folder)
    if scale is None:
        yield from _stray(volume, file, found)
        return
    place = scale.place(own)
    if place is None:
        message = f"is no chunk: those of scale {scale.key} are named x0-x1_y0-y1_z0-z1 → move it elsewhere"
        yield volume.finding("stray", "warning", message, file.relative)
        return
    if isinstance(place, str):
        message = f"{place} → readers never ask for it: is `info` right, or was it written for another grid?"
        yield volume.finding("chunk-name", "error", message, file.relative)
        return
    chunks, cell = place
    chunks.present.add(cell)
    piece = _Piece(file.relative, file.path, file.gz_name, scale, chunks, cell)
    if why := _length(file, piece):
        yield volume.finding("chunk", "error", f"{why} → write the chunk again", file.relative)
    else:
        yield piece


def _told(item: Finding | _Piece) -> list[Finding] | None:
    """Pass on what is found already."""
    return [item] if isinstance(item, Finding) else None


def _content(volume: Subject, piece: Finding | _Piece, *, again: bool) -> list[Finding]:
    if isinstance(piece, _Piece) and (why := _decodes(piece, again=again)):
        return [volume.finding("chunk", "error", f"{why} → write the chunk again", piece.relative)]
    return []


def _decodes(piece: _Piece, *, again: bool = False) -> str:
    """Return why a chunk's content cannot be read, by ourselves or by a second reader, or ""."""
    scale = piece.scale
    try:
        with open(piece.path, "rb") as file:  # noqa: PTH123 - a million of these
            data = file.read()
        why = trouble(scale.encoding, data, piece.expected) if not piece.gz_name else "is gzip"
        packed = data.startswith(GZIP_MAGIC)
        if packed != piece.gz_name and (piece.gz_name or scale.encoding in NEVER_GZIP):
            return ""  # which planning refuses, in its own words
        if why and packed:
            data = content(data)
            why = trouble(scale.encoding, data, piece.expected)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except zlib.error as error:
        return f"is gzip that is not whole: {error}"
    if not why and again and scale.second.able:
        grid = piece.chunks.present.grid
        return scale.second.trouble(name(grid, piece.cell), data, grid, piece.cell)
    return why


def _length(file: File, piece: _Piece) -> str:
    """Return what is wrong with the length of the file itself: of a raw chunk without gzip it is known exactly."""
    if file.size_bytes == 0:
        return "is empty"
    if piece.scale.encoding == "raw" and not file.gz_name and file.size_bytes != piece.chunks.raw_bytes(piece.cell):
        return _decodes(piece)
    return ""


def _stray(volume: Subject, file: File, found: dict[str, Scale]) -> Iterator[Finding]:
    folder, _, own = file.relative.rpartition("/")
    if own in _EXPECTED_FILES or _NAME.fullmatch(own) is None:
        return  # a README beside the data harms nobody
    deep = next((key for key in found if folder.startswith(f"{key}/")), None)
    if deep is not None:
        message = f"lies deeper than the chunks of scale {deep}, where no reader looks → move it to {deep}/{own}"
    else:
        message = f"belongs to no scale that `info` names → add the scale to `info`, or take {folder or 'it'} away"
    yield volume.finding("stray", "warning", message, file.relative)
