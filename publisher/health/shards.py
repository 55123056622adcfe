"""Chunks of a precomputed volume in shards: names of the files, their indexes, the keys in them, and what they hold.

Source: neuroglancer, src/datasource/precomputed/sharded.md. The key of a chunk is the compressed Morton code of its cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from publisher.formats import sharded
from publisher.formats.sharded import Entry
from publisher.formats.sharding import Broken, Sharding, morton
from publisher.health.chunks import name
from publisher.health.decode import Expected, trouble
from publisher.health.presence import Cell, Grid, Present
from publisher.health.readers import Second
from publisher.health.sample import AGAIN, Sample
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding, Severity
from publisher.parallel import ordered_map
from publisher.tree import File, is_gzip

_NAME = re.compile(r"([0-9a-f]+)\.shard", re.ASCII)
_KEYS = 20_000  # chunks of each scale after which it begins no further index
_INDEXES = 100  # shards whose indexes `--depth sample` reads, of each scale


@dataclass(slots=True)
class Scale:
    """One sharded scale, its shards, and which of its chunks are in them."""

    key: str
    encoding: str
    sharding: Sharding
    channels: int
    data_type: str
    block: tuple[int, ...]
    present: Present
    second: Second
    files: list[File]
    complete: bool = False  # whether all indexes were read, so that what is not present is not stored

    def expected(self, cell: Cell) -> Expected:
        """Return what the chunk of a cell must hold."""
        return Expected(self.present.grid.shape(cell), self.channels, self.data_type, self.block)


class _Piece(NamedTuple):
    file: File
    scale: Scale
    entry: Entry
    cell: Cell


def scales(volume: Subject) -> dict[str, Scale]:
    """Return the sharded scales of a volume whose `info` holds, by key."""
    found = {}
    for scale in volume.info["scales"]:
        if scale.get("sharding") is not None:
            key = scale["key"].strip("/")
            offset = tuple(int(n) for n in scale.get("voxel_offset") or (0, 0, 0))
            size = tuple(int(n) for n in scale["size"])
            present = Present(Grid(size, tuple(scale["chunk_sizes"][0]), offset))
            block = tuple(scale.get("compressed_segmentation_block_size") or ())
            spec = Sharding.from_json(scale["sharding"])
            about = volume.facts.channels, volume.facts.data_type, block
            found[key] = Scale(key, scale["encoding"], spec, *about, present, Second(volume, key), [])
    return found


def taken(files: Iterator[File], found: dict[str, Scale]) -> Iterator[File]:
    """Keep the files that lie in the folder of a sharded scale, of which there are few; pass the others on."""
    for file in files:
        scale = found.get(file.relative.rpartition("/")[0])
        if scale is None:
            yield file
        else:
            scale.files.append(file)


def check(volume: Subject, found: dict[str, Scale], depth: Depth) -> Iterator[Finding]:
    """Look at the shards of each scale: `quick` at their names and lengths, `sample` into some, `full` into all."""
    for scale in found.values():
        shards: list[tuple[File, int]] = []
        for file in scale.files:
            number = _number(scale, file)
            if isinstance(number, int):
                shards.append((file, number))
            else:
                yield volume.finding("shard-name", number[0], number[1], file.relative)
        if not scale.files:
            message = "has no shard → write the scale, or take it out of `info`"
            yield volume.finding("missing", "error", message, scale.key)
        if depth != "quick":
            yield from _contents(volume, scale, shards, depth)
            scale.complete &= len(shards) == len([file for file in scale.files if file.relative.endswith(".shard")])


def _number(scale: Scale, file: File) -> int | tuple[Severity, str]:
    """Return the number of a shard by its name, or a severity and what is wrong with it."""
    own = file.relative.rpartition("/")[2]
    match = _NAME.fullmatch(own.lower())
    if match is None:
        example = scale.sharding.shard_name(0)
        return "warning", f"is no shard: those of scale {scale.key} are named like {example} → move it elsewhere"
    number = int(match[1], 16)
    if number >> scale.sharding.shard_bits:
        most = (1 << scale.sharding.shard_bits) - 1
        message = f"is shard {number:x}, but with {scale.sharding.shard_bits} shard_bits the last is {most:x}"
        return "error", f"{message} → correct `shard_bits`, or write the scale again"
    wanted = scale.sharding.shard_name(number)
    if own != wanted:
        return "error", f"is not where readers look for it, which is {wanted} → rename it"
    if file.size_bytes < scale.sharding.index_bytes:
        message = f"is {file.size_bytes:,} bytes long, and its index alone has {scale.sharding.index_bytes:,}"
        return "error", f"{message} → it is cut off, or `minishard_bits` is wrong: write it again"
    return number


def _contents(volume: Subject, scale: Scale, shards: list[tuple[File, int]], depth: Depth) -> Iterator[Finding]:
    chosen, pieces = Sample[tuple[File, int]](_INDEXES), Sample[_Piece]()
    for shard in shards:
        chosen.offer(shard[0].relative, shard)
    looked_at = shards if depth == "full" else chosen.all()
    scale.complete = len(looked_at) == len(shards)
    for file, number in looked_at:
        if depth != "full" and scale.present.count > _KEYS:
            scale.complete = False
            break
        for item in _indexed(volume, scale, file, number):
            if isinstance(item, Finding):
                yield item
            elif depth == "full":
                yield from _content(volume, item, again=True)
            else:
                pieces.offer(f"{file.relative} {item.entry.key}", item)
    for again, chosen_pieces in pieces.parted(AGAIN):
        for result in ordered_map(partial(_content, volume, again=again), chosen_pieces):
            yield from result


def _indexed(volume: Subject, scale: Scale, file: File, number: int) -> Iterator[Finding | _Piece]:
    """Yield the chunks of a shard by its index, or what is wrong with it."""
    try:
        if is_gzip(file.path):  # which planning refuses, in its own words
            scale.complete = False
            return
        for entry, cell in _Keys(scale).of(file, number):
            scale.present.add(cell)
            yield _Piece(file, scale, entry, cell)
    except (Broken, OSError) as error:
        scale.complete = False
        why = error.strerror if isinstance(error, OSError) else error
        yield volume.finding("shard", "error", f"{why} → write the shard again", file.relative)


class _Keys:
    """The cells of a scale by their keys."""

    def __init__(self, scale: Scale) -> None:
        self._scale, self._cells = scale, scale.present.cells

    def of(self, file: File, number: int) -> Iterator[tuple[Entry, Cell]]:
        """Yield what is in a shard; raise Broken where it does not belong there."""
        spec = self._scale.sharding
        with Path(file.path).open("rb") as opened:
            before = (-1, -1)
            for entry in sharded.entries(sharded.reader(opened), file.size_bytes, spec):
                if (entry.minishard, entry.key) <= before:
                    twice = "twice" if entry.key == before[1] else f"after {before[1]}"
                    raise Broken(f"minishard {entry.minishard} has key {entry.key} {twice}, and keys must ascend")
                before = entry.minishard, entry.key
                place = spec.place(entry.key)
                if place != (number, entry.minishard):
                    belongs = f"minishard {place[1]} of {spec.shard_name(place[0])}"
                    raise Broken(
                        f"key {entry.key} is in minishard {entry.minishard}, but by its hash ({spec.hash}) belongs into {belongs}"
                    )
                cell = cell_of(entry.key, self._cells)
                if cell is None:
                    raise Broken(f"key {entry.key} is no chunk of a grid of {' x '.join(map(str, self._cells))}")
                yield entry, cell


def cell_of(key: int, cells: tuple[int, ...]) -> Cell | None:
    """Return the cell of a compressed Morton code, None where it is outside of the grid."""
    needed = [(count - 1).bit_length() for count in cells]
    at = [0] * len(cells)
    for bit in range(max(needed, default=0)):
        for axis, bits in enumerate(needed):
            if bit < bits:
                at[axis] |= (key & 1) << bit
                key >>= 1
    inside = key == 0 and all(place < count for place, count in zip(at, cells, strict=True))
    return tuple(at) if inside else None


def home(scale: Scale, cell: Cell) -> str:
    """Return the name of the shard that the chunk of a cell belongs into."""
    key = int(morton([cell], scale.present.cells)[0])
    return scale.sharding.shard_name(scale.sharding.place(key)[0])


def stored(piece_file: str, entry: Entry, scale: Scale) -> bytes:
    """Return the content of a chunk in a shard; raise Broken or OSError where it cannot be had."""
    with Path(piece_file).open("rb") as file:
        data = sharded.reader(file)(entry.offset, entry.size)
    return sharded.unpacked(data, scale.sharding.data_encoding, f"chunk {entry.key}")


def _content(volume: Subject, piece: _Piece, *, again: bool) -> list[Finding]:
    scale, grid = piece.scale, piece.scale.present.grid
    try:
        data = stored(piece.file.path, piece.entry, scale)
    except (Broken, OSError) as error:
        return [volume.finding("chunk", "error", f"{error} → write the shard again", piece.file.relative)]
    why = trouble(scale.encoding, data, scale.expected(piece.cell))
    if not why and again and scale.second.able:
        why = scale.second.trouble(name(grid, piece.cell), data, grid, piece.cell)
    if not why:
        return []
    message = f"chunk {piece.entry.key} ({name(grid, piece.cell)}) {why} → write the shard again"
    return [volume.finding("chunk", "error", message, piece.file.relative)]
