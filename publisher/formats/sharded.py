"""Neuroglancer's sharded format: many small values, each with a uint64 key, in a fixed number of files.

Source of the rules: neuroglancer, src/datasource/precomputed/sharded.md; the compressed Morton code is that of volume.md
beside it. A shard is: the shard index, the values in the order in which they came, the minishard indexes. Offsets are
bytes; those in the indexes count from the end of the shard index, those given out here from the start of the file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, Self, TypeVar, get_args

import deflate
import numpy as np
from numpy.typing import ArrayLike, NDArray

from publisher.work import trouble

TYPE = "neuroglancer_uint64_sharded_v1"
Hash = Literal["identity", "murmurhash3_x86_128"]
Encoding = Literal["raw", "gzip"]
Keys = NDArray[np.uint64]
K = TypeVar("K", int, Keys)

SHARD_BYTES = 256 << 20  # large enough that files are few, small enough to be sent again whole
MINISHARD_KEYS = 512  # 12 KiB of index, which a reader fetches before its first value
MAX_MINISHARD_BITS = 12  # 64 KiB of shard index, likewise
VOLUME_SHARD_BYTES = 1 << 30  # writers of volumes hold one shard in memory
GZIP_LEVEL = 6
_MASK = 0xFFFFFFFF


class Broken(ValueError):
    """A shard that breaks the specification; the message says where, without the name of the file."""


@dataclass(frozen=True, slots=True)
class Sharding:
    """How keys are spread over shards and minishards, and how what is in there is compressed."""

    shard_bits: int
    minishard_bits: int
    preshift_bits: int = 0
    hash: Hash = "murmurhash3_x86_128"
    minishard_index_encoding: Encoding = "gzip"
    data_encoding: Encoding = "raw"

    @classmethod
    def from_json(cls, value: Any) -> Self:  # noqa: ANN401 - JSON
        """Read the `sharding` of an `info`; raise Broken where it breaks the specification."""
        if not isinstance(value, dict) or value.get("@type") != TYPE:
            raise Broken(f"sharding must be an object whose @type is {TYPE}")
        bits = {}
        for name, most in (("preshift_bits", 64), ("minishard_bits", 32), ("shard_bits", 64)):
            bits[name] = value.get(name)
            if not isinstance(bits[name], int) or isinstance(bits[name], bool) or not 0 <= bits[name] <= most:
                raise Broken(f"sharding: {name} must be a whole number from 0 to {most}, not {value.get(name)!r}")
        if bits["minishard_bits"] + bits["shard_bits"] > 64:  # noqa: PLR2004 - a hash has 64 bits
            raise Broken("sharding: minishard_bits and shard_bits are more than 64 together")
        words = {"hash": value.get("hash")}
        words |= {name: value.get(name, "raw") for name in ("minishard_index_encoding", "data_encoding")}
        for name, word in words.items():
            known = get_args(Hash if name == "hash" else Encoding)
            if word not in known:
                raise Broken(f"sharding: {name} must be {' or '.join(known)}, not {word!r}")
        return cls(**bits, **words)

    def to_json(self) -> dict[str, str | int]:
        """Return it as it stands in an `info`."""
        return {
            "@type": TYPE,
            "hash": self.hash,
            "preshift_bits": self.preshift_bits,
            "minishard_bits": self.minishard_bits,
            "shard_bits": self.shard_bits,
            "minishard_index_encoding": self.minishard_index_encoding,
            "data_encoding": self.data_encoding,
        }

    @property
    def index_bytes(self) -> int:
        """How long the shard index at the start of each shard is."""
        return 16 << self.minishard_bits

    def places(self, keys: ArrayLike) -> tuple[Keys, Keys]:
        """Return the shard and the minishard of each of many keys."""
        return self._places(np.asarray(keys, np.uint64))

    def place(self, key: int) -> tuple[int, int]:
        """Return the shard and the minishard of one key: much faster than `places` of one."""
        return self._places(key)

    def _places(self, keys: K) -> tuple[K, K]:
        hashed = _shifted(keys, self.preshift_bits)
        if self.hash == "murmurhash3_x86_128":
            hashed = murmurhash3(hashed)
        minishards = hashed & ((1 << self.minishard_bits) - 1)
        return _shifted(hashed, self.minishard_bits) & ((1 << self.shard_bits) - 1), minishards

    def order(self, keys: ArrayLike) -> NDArray[np.intp]:
        """Return the order in which values must be written: by shard, minishard, key."""
        shards, minishards = self.places(keys)
        return np.lexsort((np.asarray(keys, np.uint64), minishards, shards))

    def shard_name(self, shard: int) -> str:
        """Return the name of a shard's file: hexadecimal digits, at least one."""
        return f"{shard:0{max(1, -(-self.shard_bits // 4))}x}.shard"


def murmurhash3(keys: K) -> K:
    """Return the low 64 bits of MurmurHash3_x86_128, seed 0, of a key, or of each of many, as eight little-endian bytes.

    Source: Austin Appleby's public-domain MurmurHash3.cpp; eight bytes are all tail, so lanes 3 and 4 start empty.
    """
    c1, c2, c3 = 0x239B961B, 0xAB0E9789, 0x38B34AE5
    h1 = _times(_rotated(_times(keys & _MASK, c1), 15), c2) ^ 8
    h2 = _times(_rotated(_times(keys >> 32, c2), 16), c3) ^ 8
    both = (h1 + h2 + 16) & _MASK
    h1, h2, h3 = _mixed(both), _mixed((h2 + both) & _MASK), _mixed((both + 8) & _MASK)
    h1 = (h1 + h2 + h3 + h3) & _MASK  # lanes 3 and 4 are alike
    return h1 | (((h2 + h1) & _MASK) << 32)


def _times(values: K, factor: int) -> K:
    return (values * factor) & _MASK


def _rotated(values: K, bits: int) -> K:
    return ((values << bits) | (values >> (32 - bits))) & _MASK


def _mixed(values: K) -> K:
    values = _times(values ^ (values >> 16), 0x85EBCA6B)
    values = _times(values ^ (values >> 13), 0xC2B2AE35)
    return values ^ (values >> 16)


def _shifted(keys: K, bits: int) -> K:
    return keys >> bits if bits < 64 else keys & 0  # noqa: PLR2004 - C leaves a shift by the whole width undefined


def choose(count: int, size_bytes: int, *, data_encoding: Encoding = "raw") -> Sharding:
    """Return a sharding for so many values of so many bytes together, keyed by segment or annotation ids.

    Shards of at most `SHARD_BYTES` on average, minishards of at most `MINISHARD_KEYS` keys.
    """
    shard_bits = max(_bits(size_bytes / SHARD_BYTES), _bits(count / (MINISHARD_KEYS << MAX_MINISHARD_BITS)))
    minishard_bits = _bits(count / (MINISHARD_KEYS << shard_bits))
    return Sharding(shard_bits, minishard_bits, data_encoding=data_encoding)


def choose_for_volume(grid: Sequence[int], chunk_bytes: int, *, data_encoding: Encoding = "gzip") -> Sharding:
    """Return a sharding for a grid of chunks, keyed by compressed Morton code, so that neighbours share a shard.

    One shard holds at most `VOLUME_SHARD_BYTES` of chunks that are `chunk_bytes` large before compression, and at most
    2^12 chunks: a writer holds one shard in memory.
    """
    key_bits = sum((cells - 1).bit_length() for cells in grid)
    inside = min(key_bits, 12, max(0, (VOLUME_SHARD_BYTES // max(1, chunk_bytes)).bit_length() - 1))
    preshift = min(9, inside)
    return Sharding(key_bits - inside, inside - preshift, preshift, "identity", data_encoding=data_encoding)


def _bits(wanted: float) -> int:
    return max(0, int(-(-wanted // 1)) - 1).bit_length()


def morton(cells: ArrayLike, grid: Sequence[int]) -> Keys:
    """Return the compressed Morton code of each cell (n, 3) of a grid of so many cells along x, y, z.

    Bits of x, y and z take turns, x lowest; an axis that needs no further bit has no further turn.
    """
    places = np.asarray(cells, np.uint64)
    codes = np.zeros(places.shape[0], np.uint64)
    needed = [(cells - 1).bit_length() for cells in grid]
    turns = [(bit, axis) for bit in range(max(needed, default=0)) for axis in range(len(grid)) if bit < needed[axis]]
    if len(turns) > 64:  # noqa: PLR2004 - a key has 64 bits
        raise Broken(f"a grid of {' x '.join(map(str, grid))} cells needs keys of {len(turns)} bits; there are 64")
    for at, (bit, axis) in enumerate(turns):
        codes |= ((places[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(at)
    return codes


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
