"""Where the sharded format puts each key: the `sharding` of an `info`, its hash, and the choice of its bits.

Source of the rules: neuroglancer, src/datasource/precomputed/sharded.md; the compressed Morton code is that of volume.md
beside it. What is written and read by it is in `sharded`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

TYPE = "neuroglancer_uint64_sharded_v1"
Hash = Literal["identity", "murmurhash3_x86_128"]
Encoding = Literal["raw", "gzip"]
Keys = NDArray[np.uint64]
Number = Any  # a whole number below 2^64, or an array of them as uint64: the same arithmetic does for both

SHARD_BYTES = 256 << 20  # large enough that files are few, small enough to be sent again whole
MINISHARD_KEYS = 512  # 12 KiB of index, which a reader fetches before its first value
MAX_MINISHARD_BITS = 12  # 64 KiB of shard index, likewise
VOLUME_SHARD_BYTES = 1 << 30  # writers of volumes hold one shard in memory
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
        bits: dict[str, Any] = {}
        for name, most in (("preshift_bits", 64), ("minishard_bits", 32), ("shard_bits", 64)):
            bits[name] = value.get(name)
            if not isinstance(bits[name], int) or isinstance(bits[name], bool) or not 0 <= bits[name] <= most:
                raise Broken(f"sharding: {name} must be a whole number from 0 to {most}, not {value.get(name)!r}")
        if bits["minishard_bits"] + bits["shard_bits"] > 64:  # noqa: PLR2004 - a hash has 64 bits
            raise Broken("sharding: minishard_bits and shard_bits are more than 64 together")
        words: dict[str, Any] = {"hash": value.get("hash")}
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

    def _places(self, keys: Number) -> tuple[Number, Number]:
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


def murmurhash3(keys: Number) -> Number:
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


def _times(values: Number, factor: int) -> Number:
    return (values * factor) & _MASK


def _rotated(values: Number, bits: int) -> Number:
    return ((values << bits) | (values >> (32 - bits))) & _MASK


def _mixed(values: Number) -> Number:
    values = _times(values ^ (values >> 16), 0x85EBCA6B)
    values = _times(values ^ (values >> 13), 0xC2B2AE35)
    return values ^ (values >> 16)


def _shifted(keys: Number, bits: int) -> Number:
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
