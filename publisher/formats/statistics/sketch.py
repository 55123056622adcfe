"""How many values differ: exactly while they are few, then estimated by HyperLogLog in memory that does not grow.

Sources: Flajolet et al. 2007, HyperLogLog; Ertl 2017, New cardinality estimation algorithms for HyperLogLog sketches
(arXiv 1702.01284), whose estimator needs no tables of corrections. Hashes are the same on every machine, so that what
was measured of the same rows is the same document.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from publisher.summary import Distinct

Words64 = npt.NDArray[np.uint64]

_RANK_BITS = 32  # of each hash, after those that choose a register
_LONG = 256  # bytes; longer texts are hashed one by one


class Sketch:
    """An estimate of how many hashes differ: 2^`bits` registers of one byte."""

    def __init__(self, bits: int) -> None:
        """Take the size, as a power of two."""
        self._bits = bits
        self._registers = np.zeros(1 << bits, np.uint8)

    @property
    def error(self) -> float:
        """Standard error of the estimate, as a fraction of it."""
        return round(1.04 / math.sqrt(1 << self._bits), 5)

    def add(self, hashes: Words64) -> None:
        """Look at some hashes of 64 bits."""
        places = (hashes >> np.uint64(64 - self._bits)).astype(np.intp)
        low = (hashes & np.uint64((1 << _RANK_BITS) - 1)).astype(np.float64)
        ranks = (_RANK_BITS + 1 - np.frexp(low)[1]).astype(np.uint8)  # leading zeros, and one
        new = ranks > self._registers[places]  # soon nearly none
        np.maximum.at(self._registers, places[new], ranks[new])

    def estimate(self) -> int:
        """Return how many hashes differed."""
        size = len(self._registers)
        counts = np.bincount(self._registers, minlength=_RANK_BITS + 2).tolist()
        value = size * _tau(1 - counts[_RANK_BITS + 1] / size)
        for count in reversed(counts[1 : _RANK_BITS + 1]):
            value = 0.5 * (value + count)
        value += size * _sigma(counts[0] / size)
        return round(size * size / (2 * math.log(2) * value))


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    power, total, previous = 1.0, x, -1.0
    while total != previous:
        x, previous = x * x, total
        total += x * power
        power += power
    return total


def _tau(x: float) -> float:
    if x in {0.0, 1.0}:
        return 0.0
    power, total, previous = 1.0, 1 - x, -1.0
    while total != previous:
        x, previous = math.sqrt(x), total
        power *= 0.5
        total -= (1 - x) ** 2 * power
    return total / 3


def mixed(values: Words64) -> Words64:
    """Return a hash of each number: every bit depends on all (Stafford's mix 13 of splitmix64)."""
    made = values + np.uint64(0x9E3779B97F4A7C15)
    made ^= made >> np.uint64(30)
    made *= np.uint64(0xBF58476D1CE4E5B9)
    made ^= made >> np.uint64(27)
    made *= np.uint64(0x94D049BB133111EB)
    made ^= made >> np.uint64(31)
    return made


def hashed(texts: Any) -> Words64:  # noqa: ANN401 - a pyarrow array of texts or bytes, without nulls
    """Return a hash of each text: eight bytes at a time of all that are as long, and long ones one by one."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant

    array = texts.cast(pa.large_binary())
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    starts, lengths = ends[:-1], np.diff(ends)
    made = mixed(lengths.astype(np.uint64))
    if data is None or not lengths.any():
        return made
    held = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    padded = np.concatenate([held, np.zeros(8, np.uint8)])
    words = np.ndarray((len(held) + 1,), "<u8", padded.data, strides=(1,))
    starts = starts - ends[0]
    for place in np.flatnonzero(lengths > _LONG):
        body = held[starts[place] : starts[place] + lengths[place]].tobytes()
        made[place] = int.from_bytes(hashlib.blake2b(body, digest_size=8).digest(), "little")
    left = np.flatnonzero((lengths > 0) & (lengths <= _LONG))
    at = 0
    while len(left):
        rest = lengths[left] - at
        word = words[starts[left] + at]
        short = rest < 8  # noqa: PLR2004 - bytes of a word
        word[short] &= (np.uint64(1) << (rest[short] * 8).astype(np.uint64)) - np.uint64(1)
        made[left] = mixed(made[left] ^ word)
        at += 8
        left = left[rest > 8]  # noqa: PLR2004
    return made


class DistinctNumbers:
    """How many numbers of one type differ."""

    def __init__(self, most: int, bits: int) -> None:
        """Take how many are known one by one, and the size of the sketch that follows."""
        self._most, self._sketch = most, Sketch(bits)
        self._known: npt.NDArray[Any] | None = None
        self._over = False
        self._rising, self._last, self._count = True, None, 0

    def add(self, values: npt.NDArray[Any]) -> None:
        """Look at some values: int64, uint64, or finite float64."""
        if not len(values):
            return
        self._count += len(values)
        self._rise(values)
        if self._over:
            self._sketch.add(_bits(values))
            return
        known = _different(values if self._known is None else np.concatenate([self._known, _different(values)]))
        self._known = known
        if len(known) > self._most:
            self._over, self._known = True, None
            self._sketch.add(_bits(known))

    def _rise(self, values: npt.NDArray[Any]) -> None:
        """Keep in mind whether each value is greater than all before: then all differ, however many there are."""
        if self._rising:
            later = self._last is None or values[0] > self._last
            self._rising = bool(later and (values[1:] > values[:-1]).all())
            self._last = values[-1]

    def result(self) -> Distinct:
        """Return how many differ."""
        if not self._over:
            return Distinct(0 if self._known is None else len(self._known))
        if self._rising:
            return Distinct(self._count)
        return Distinct(min(max(self._sketch.estimate(), self._most + 1), self._count), self._sketch.error)


def _different(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values that differ, in order: sorting is several times as fast as numpy's and Arrow's hash tables."""
    ordered = np.sort(values)
    found: npt.NDArray[Any] = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return found


def _bits(values: npt.NDArray[Any]) -> Words64:
    if values.dtype.kind == "f":
        values = values + 0.0  # a copy, in which -0.0 is 0.0
    return mixed(values.view(np.uint64))
