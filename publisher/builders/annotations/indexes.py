"""The three indexes of annotations: by id, by what they are related to, and by cell. One file a key, or shards.

Source of the rules: neuroglancer, src/datasource/precomputed/annotations.md and sharded.md. A value of the index by id is
one annotation with the ids that it is related to; of the others, a list: how many, their geometry and properties, their
ids. Values in shards are gzip where they are lists, since nobody can compress them on the way; the index by id is not,
whose values have some dozens of bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import deflate
import numpy as np
from numpy.typing import NDArray

from publisher.builders.annotations.buckets import BLOCK, Buckets
from publisher.builders.annotations.grid import uncoded
from publisher.formats.sharding import MAX_MINISHARD_BITS, MINISHARD_KEYS, Sharding
from publisher.work import trouble, write_file

FILES = 1000  # keys up to which each has a file of its own, which any server can give and gzip on the way
SHARD_BYTES = 64 << 20  # before compression: a shard is sorted in memory by 16 bytes a row
_GZIP_LEVEL = 6

Keys = NDArray[np.uint64]
Name = Callable[[Keys], list[str]]  # gives keys the names of their files
Groups = tuple[Keys, NDArray[np.intp], NDArray[np.intp]]  # keys, where their rows start in the order, how many they are
Block = tuple[Keys, NDArray[np.int64], bytes]  # keys, sizes of their values as stored, the values one after the other


@dataclass(frozen=True, slots=True)
class Index:
    """An index that was written: its sharding, None where each key has a file, and the longest list in it."""

    sharding: Sharding | None
    longest: int

    def to_json(self, key: str) -> dict[str, Any]:
        """Return what an `info` says of where it is."""
        return {"key": key} | ({"sharding": self.sharding.to_json()} if self.sharding else {})


def by_hash(rows: int, row_bytes: int, *, lists: bool) -> Sharding:
    """Return a sharding for so many rows, each of which may have a key of its own."""
    shard_bits = _bits(max(rows * row_bytes / SHARD_BYTES, rows / (MINISHARD_KEYS << MAX_MINISHARD_BITS)))
    minishard_bits = _bits(rows / (MINISHARD_KEYS << shard_bits))
    return Sharding(shard_bits, minishard_bits, data_encoding="gzip" if lists else "raw")


def by_place(shape: tuple[int, int, int], rows: int, row_bytes: int) -> Sharding:
    """Return a sharding for the cells of a level, so that neighbours are in one minishard."""
    key_bits = sum((size - 1).bit_length() for size in shape)
    shard_bits = min(key_bits, _bits(rows * row_bytes / SHARD_BYTES))
    preshift = min(MINISHARD_KEYS.bit_length() - 1, key_bits - shard_bits)
    minishard_bits = min(MAX_MINISHARD_BITS, key_bits - shard_bits - preshift)
    return Sharding(key_bits - preshift - minishard_bits, minishard_bits, preshift, "identity", data_encoding="gzip")


def _bits(wanted: float) -> int:
    return max(0, int(-(-wanted // 1)) - 1).bit_length()


def write_related(buckets: Buckets, folder: Path, sharding: Sharding) -> Index:
    """Write the index of rows (key, id, body), which lie in the bucket of their shard, by what they are related to."""
    return _write_lists(buckets, folder, sharding, _decimal, in_files=_count(buckets) <= FILES)


def write_cells(buckets: Buckets, folder: Path, sharding: Sharding, shape: tuple[int, int, int]) -> Index:
    """Write one level of the spatial index of rows (key, id, body), which lie in the bucket of their shard.

    Where cells have files, those without annotations have one too: a cell that was lost can be told from an empty one,
    and cloud-volume needs them.
    """
    cells = math.prod(shape)
    in_files = cells <= FILES
    made = _write_lists(buckets, folder, sharding, partial(_cell_names, shape), in_files=in_files)
    for name in _cell_names(shape, np.arange(cells if in_files else 0, dtype=np.uint64)):
        if not (folder / name).exists():
            write_file(folder / name, bytes(8))
    return made


def _decimal(keys: Keys) -> list[str]:
    return [str(key) for key in keys.tolist()]


def _cell_names(shape: tuple[int, int, int], keys: Keys) -> list[str]:
    return ["_".join(map(str, cell)) for cell in uncoded(keys, shape).tolist()]


def _write_lists(buckets: Buckets, folder: Path, sharding: Sharding, name: Name, *, in_files: bool) -> Index:
    """Write lists; the rows of each keep their order. In memory are 16 bytes a row of one shard, and one list."""
    longest = 0
    for number, rows in buckets:
        order = np.argsort(rows["key"], kind="stable")
        keys, starts, sizes = np.unique(rows["key"][order], return_index=True, return_counts=True)
        longest = max(longest, int(sizes.max()))
        minishards = sharding.places(keys)[1]
        turn = np.arange(len(keys)) if in_files else np.lexsort((keys, minishards))
        pack = bytes if in_files else _gzip
        blocks = _lists(rows, order, (keys[turn], starts[turn], sizes[turn]), pack)
        if in_files:
            _write_files(folder, blocks, name)
        else:
            _write_shard(folder / sharding.shard_name(number), sharding, keys[turn], minishards[turn], blocks)
        del rows
        buckets.drop(number)
    return Index(None if in_files else sharding, longest)


def write_ids(buckets: Buckets, folder: Path, sharding: Sharding) -> Index:
    """Write the index of rows (id, body, related, has), which lie in the bucket of their shard."""
    in_files = buckets.rows <= FILES
    for number, rows in buckets:
        keys = np.array(rows["id"])
        minishards = sharding.places(keys)[1]
        order = np.lexsort((keys, minishards))
        blocks = _single(rows, order)
        if in_files:
            _write_files(folder, blocks, _decimal)
        else:
            _write_shard(folder / sharding.shard_name(number), sharding, keys[order], minishards[order], blocks)
        del rows
        buckets.drop(number)
    return Index(None if in_files else sharding, 1)


def _count(buckets: Buckets) -> int:
    """Return how many keys there are, or any number above `FILES`."""
    count = 0
    for _, rows in buckets:
        count += len(np.unique(rows["key"]))
        if count > FILES:
            break
    return count


def _lists(
    rows: NDArray[Any], order: NDArray[np.intp], groups: Groups, pack: Callable[[bytes], bytes]
) -> Iterator[Block]:
    """Yield the lists of some keys at a time: their rows are gathered at once."""
    keys, starts, sizes = groups
    ends = np.cumsum(sizes)
    at = 0
    while at < len(keys):
        stop = max(at + 1, int(np.searchsorted(ends, (ends[at - 1] if at else 0) + BLOCK, side="right")))
        places = np.concatenate(
            [order[first : first + size] for first, size in zip(starts[at:stop], sizes[at:stop], strict=True)]
        )
        ids, bodies = rows["id"][places], rows["body"][places]
        values, done = [], 0
        for size in sizes[at:stop].tolist():
            some = slice(done, done + size)
            values.append(pack(b"".join((size.to_bytes(8, "little"), bodies[some].tobytes(), ids[some].tobytes()))))
            done += size
        yield keys[at:stop], np.array([len(value) for value in values]), b"".join(values)
        at = stop


def _single(rows: NDArray[Any], order: NDArray[np.intp]) -> Iterator[Block]:
    """Yield annotations, each with how many ids of each relationship it has, and the ids: at most one of each."""
    for at in range(0, len(order), BLOCK):
        some = rows[order[at : at + BLOCK]]
        has = some["has"]
        parts = [_bytes(some["body"])]
        for relation in range(has.shape[1]):
            parts += [_bytes(has[:, relation].astype("<u4")), _bytes(some["related"][:, relation].astype("<u8"))]
        whole = np.concatenate(parts, axis=1)
        there = np.ones(whole.shape, np.bool_)
        end = parts[0].shape[1]
        for relation in range(has.shape[1]):
            there[:, end + 4 : end + 12] = has[:, relation, None]
            end += 12
        yield some["id"], there.sum(axis=1), whole[there].tobytes()


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)


def _write_files(folder: Path, blocks: Iterator[Block], name: Name) -> None:
    for keys, sizes, data in blocks:
        start = 0
        for file, size in zip(name(keys), sizes.tolist(), strict=True):
            write_file(folder / file, data[start : start + size])
            start += size


def _write_shard(path: Path, sharding: Sharding, keys: Keys, minishards: Keys, blocks: Iterator[Block]) -> None:
    """Write one shard, of keys in the order of their minishards. `formats.sharded` writes one value at a time."""
    stored = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(bytes(sharding.index_bytes))
            for _, sizes, data in blocks:
                file.write(data)
                stored.append(sizes)
            lengths = np.concatenate(stored)
            ends = np.cumsum(lengths)
            index = np.zeros((1 << sharding.minishard_bits, 2), "<u8")
            edges = np.flatnonzero(np.diff(minishards)) + 1
            end = int(ends[-1])
            for first, last in zip([0, *edges.tolist()], [*edges.tolist(), len(keys)], strict=True):
                offsets = np.zeros(last - first, np.uint64)  # from the end of the value before, which is where it is
                offsets[0] = ends[first] - lengths[first]
                rows = [np.diff(keys[first:last], prepend=np.uint64(0)), offsets, lengths[first:last]]
                data = _gzip(np.stack([row.astype("<u8") for row in rows]).tobytes())
                index[int(minishards[first])] = end, end + len(data)
                end += file.write(data)
            file.seek(0)
            file.write(index.tobytes())
    except OSError as error:
        raise trouble(error, path) from error


def _gzip(data: bytes) -> bytes:
    return bytes(deflate.gzip_compress(data, _GZIP_LEVEL))
