"""Neuroglancer's sharded format: many small values, each with a uint64 key, in a fixed number of files.

Source of the rules: neuroglancer, src/datasource/precomputed/sharded.md. A shard is: the shard index, the values in the
order in which they came, the minishard indexes. Offsets are bytes; those in the indexes count from the end of the shard
index, those given out here from the start of the file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple, Self

import deflate
import numpy as np

from publisher.formats.sharding import Broken, Encoding, Keys, Sharding, choose, choose_for_volume, morton
from publisher.work import trouble

__all__ = ["Broken", "Entry", "Item", "Read", "Sharding", "choose", "choose_for_volume", "entries", "find", "morton"]
__all__ += ["reader", "unpacked", "write"]

GZIP_LEVEL = 6


class Item(NamedTuple):
    """A value to be written. `before` is stored right before it, uncompressed and in no index (fragments of a mesh)."""

    key: int
    data: bytes
    before: Iterable[bytes] = ()


class Entry(NamedTuple):
    """A value in a shard: where its bytes lie in the file, as stored (see `data_encoding`)."""

    minishard: int
    key: int
    offset: int
    size: int


def write(folder: Path, sharding: Sharding, items: Iterable[Item]) -> list[str]:
    """Write all shards of a stream that comes in `sharding.order`; return the names of the files.

    The same values give the same bytes. Each file appears when it is whole; one that is there is replaced. In memory is
    one value, and 24 bytes a key of one shard.

    Raises:
        ValueError: the stream is not in order, or has a key twice: the caller is wrong, not the input.
        LocalTrouble: the disk.

    """
    names: list[str] = []
    with ExitStack() as stack:
        shard: _Shard | None = None
        for item in items:
            number, minishard = sharding.place(item.key)
            if shard is None or shard.number != number:
                if shard is not None and number < shard.number:
                    raise ValueError(f"key {item.key} belongs to a shard that is written already")
                stack.close()
                names.append(sharding.shard_name(number))
                shard = stack.enter_context(_Shard(folder / names[-1], sharding, number))
            shard.add(minishard, item)
    return names


class _Shard:
    """One file that is being written."""

    def __init__(self, path: Path, sharding: Sharding, number: int) -> None:
        self.number = number
        self._path, self._sharding = path, sharding
        self._part = path.with_name(f".{path.name}.part")
        self._rows: list[tuple[int, int, int, int]] = []  # minishard, key, start, size
        self._end = 0

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self._part.open("wb")
            self._file.write(bytes(self._sharding.index_bytes))
        except OSError as error:
            raise trouble(error, self._part) from error
        return self

    def add(self, minishard: int, item: Item) -> None:
        if self._rows and (minishard, item.key) <= self._rows[-1][:2]:
            raise ValueError(f"key {item.key} comes after key {self._rows[-1][1]} in shard {self.number:x}")
        for piece in item.before:
            self._write(piece)
        data = _packed(item.data, self._sharding.data_encoding)
        self._rows.append((minishard, item.key, self._end, len(data)))
        self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise trouble(error, self._part) from error
        self._end += len(data)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            index = np.zeros((1 << self._sharding.minishard_bits, 2), "<u8")
            rows = np.array(self._rows, np.uint64)
            for part in np.split(rows, np.flatnonzero(np.diff(rows[:, 0])) + 1):
                data = _packed(_minishard_index(part), self._sharding.minishard_index_encoding)
                index[int(part[0, 0])] = self._end, self._end + len(data)
                self._write(data)
        try:
            if kind is None:
                self._file.seek(0)
                self._file.write(index.tobytes())
            self._file.close()
            if kind is None:
                self._part.replace(self._path)
            else:
                self._part.unlink(missing_ok=True)
        except OSError as error:
            raise trouble(error, self._part) from error


def _minishard_index(rows: Keys) -> bytes:
    keys, starts, sizes = rows[:, 1], rows[:, 2], rows[:, 3]
    ends = starts + sizes
    zero = np.zeros(1, np.uint64)
    deltas = [np.diff(keys, prepend=zero), starts - np.concatenate([zero, ends[:-1]]), sizes]
    return np.stack(deltas).astype("<u8").tobytes()


def _packed(data: bytes, encoding: Encoding) -> bytes:
    return bytes(deflate.gzip_compress(data, GZIP_LEVEL)) if encoding == "gzip" else data


Read = Callable[[int, int], bytes]
"""Gives the bytes of a shard from an offset, so many of them: of a file, or of an object by HTTP."""


def reader(file: IO[bytes]) -> Read:
    """Return what reads ranges of an open file."""

    def read(offset: int, size: int) -> bytes:
        file.seek(offset)
        return file.read(size)

    return read


def entries(read: Read, size_bytes: int, sharding: Sharding) -> Iterator[Entry]:
    """Yield every value of a shard of so many bytes, minishard by minishard, without reading the values.

    Raises:
        Broken: an index does not hold: it leaves the file, or cannot be unpacked.

    """
    if size_bytes < sharding.index_bytes:
        raise Broken(f"is {size_bytes} bytes long, and its shard index alone has {sharding.index_bytes}")
    block = 1 << 16  # bytes of the index at once
    for start in range(0, sharding.index_bytes, block):
        data = read(start, min(block, sharding.index_bytes - start))
        for number, (low, high) in enumerate(struct.iter_unpack("<QQ", data), start // 16):
            if low != high:
                yield from _minishard(read, size_bytes, sharding, number, (low, high))


def find(read: Read, size_bytes: int, sharding: Sharding, key: int) -> Entry | None:
    """Return where the value of a key lies in its shard, None where it is not in there; raise Broken like `entries`."""
    minishard = sharding.place(key)[1]
    low, high = struct.unpack("<QQ", read(16 * minishard, 16))
    every = _minishard(read, size_bytes, sharding, minishard, (low, high)) if low != high else iter(())
    return next((entry for entry in every if entry.key == key), None)


def _minishard(read: Read, size_bytes: int, sharding: Sharding, number: int, span: tuple[int, int]) -> Iterator[Entry]:
    low, high = (sharding.index_bytes + edge for edge in span)
    if not sharding.index_bytes <= low <= high <= size_bytes:
        raise Broken(f"minishard {number}: its index is said to be at {low} to {high}, outside of the file")
    data = unpacked(read(low, high - low), sharding.minishard_index_encoding, f"minishard {number}: its index")
    if not data or len(data) % 24:
        raise Broken(f"minishard {number}: its index has {len(data)} bytes, which is no multiple of 24")
    deltas = np.frombuffer(data, "<u8").reshape(3, -1).astype(np.uint64)
    keys, sizes = np.cumsum(deltas[0], dtype=np.uint64), deltas[2]
    offsets = np.cumsum(deltas[1] + np.concatenate([[np.uint64(0)], sizes[:-1]]), dtype=np.uint64)
    offsets += np.uint64(sharding.index_bytes)
    for key, offset, size in zip(keys.tolist(), offsets.tolist(), sizes.tolist(), strict=True):
        if not sharding.index_bytes <= offset <= offset + size <= size_bytes:
            raise Broken(f"key {key}: its value is said to be {size} bytes at {offset}, outside of the file")
        yield Entry(number, key, offset, size)


def unpacked(data: bytes, encoding: Encoding, what: str) -> bytes:
    """Return stored bytes without their compression; raise Broken, naming `what`, where they have none."""
    if encoding == "raw":
        return data
    try:
        return zlib.decompress(data, wbits=31)
    except zlib.error as error:
        raise Broken(f"{what} is not gzip: {error}") from None
