"""Bodies in parts, and the checksum of a large object; memory: a few parts."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

PART_BYTES = 16 << 20  # what is larger is sent in parts
_POLYNOMIAL = 0x82F63B78  # of CRC32C, its lowest power first


class Crc32c:
    """CRC32C of what is added, as both stores write it: base64 of four bytes, the highest first."""

    def __init__(self, *blocks: bytes) -> None:
        """Begin with these blocks."""
        import google_crc32c  # noqa: PLC0415 - comes with the extras of buckets

        self._sum = google_crc32c.Checksum()
        for block in blocks:
            self._sum.update(block)

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self._sum.update(data)

    @property
    def text(self) -> str:
        """The checksum."""
        return base64.b64encode(self._sum.digest()).decode()


def joined(first: str, second: str, size_bytes: int) -> str:
    """Return the CRC32C of two runs of bytes by that of each, where the second has so many: nothing is read again.

    As zlib's `crc32_combine` does: https://github.com/madler/zlib/blob/v1.3.1/crc32.c.
    """
    found = _applied(_zeros(size_bytes), _number(first)) ^ _number(second)
    return base64.b64encode(found.to_bytes(4, "big")).decode()


def _number(crc32c: str) -> int:
    return int.from_bytes(base64.b64decode(crc32c), "big")


@lru_cache(maxsize=8)
def _zeros(size_bytes: int) -> tuple[int, ...]:
    """Return what so many zeros make of a checksum: a column for each of its bits. The square of one is that of twice as many."""
    made, power = [1 << bit for bit in range(32)], [_POLYNOMIAL, *(1 << bit for bit in range(31))]
    bits = size_bytes * 8
    while bits:
        if bits & 1:
            made = [_applied(power, column) for column in made]
        power = [_applied(power, column) for column in power]
        bits >>= 1
    return tuple(made)


def _applied(columns: Sequence[int], crc32c: int) -> int:
    found = 0
    for column in columns:
        if crc32c & 1:
            found ^= column
        crc32c >>= 1
    return found


def gather(blocks: Iterator[bytes]) -> tuple[bytes, bool]:
    """Read up to a part, or a block more; say whether there may be more."""
    data = next(blocks, b"")
    taken, size = [data], len(data)
    while size <= PART_BYTES and (block := next(blocks, None)) is not None:
        taken.append(block)
        size += len(block)
    return data if len(taken) == 1 else b"".join(taken), size > PART_BYTES


def regrouped(
    blocks: Iterator[bytes], size_bytes: int, wants: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[bytes, bool]]:
    """Yield the same bytes in parts of one size, and whether a part is the last; memory: a part, twice.

    `wants` is told how long the next block had best be: one that is a part need not be put together.
    """
    held: list[bytes] = []
    size = 0
    for block in blocks:
        rest = block
        while size + len(rest) > size_bytes:
            if cut := size_bytes - size:
                held.append(rest[:cut])
                rest = rest[cut:]
            size = 0
            part = b"".join(held)
            held.clear()
            yield part, False
        held.append(rest)
        size += len(rest)
        wants(size_bytes - size or size_bytes)
    yield b"".join(held), True
