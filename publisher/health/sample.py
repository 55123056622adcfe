"""Choosing some of many, the same ones in each run, and a bounded number of them."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from publisher.health.subject import Depth
from publisher.objects import Finding

T = TypeVar("T")

SAMPLE = 200  # pieces of content of one subject that `--depth sample` reads
AGAIN = 40  # of these that a second reader reads, which takes longer
# How many things of a layer are opened at each depth; None is all of them.
MOST: dict[Depth, int | None] = {"quick": 0, "sample": SAMPLE, "full": None}


class Sample(Generic[T]):
    """Keeps those whose names have the lowest checksums: a stream of any length leaves the same ones, in any order."""

    def __init__(self, most: int = SAMPLE) -> None:
        """Take how many are to be kept."""
        self._most = most
        self._kept: list[tuple[int, str, T]] = []

    def offer(self, name: str, item: T) -> None:
        """Take another one into consideration; names are unique."""
        row = (-zlib.crc32(name.encode(errors="surrogateescape")), name, item)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, row)
        elif row[:2] > self._kept[0][:2]:
            heapq.heapreplace(self._kept, row)

    def all(self) -> list[T]:
        """Return those that were kept, by name."""
        return [item for _, _, item in sorted(self._kept, key=lambda row: row[1])]

    def parted(self, first: int) -> tuple[tuple[bool, list[T]], tuple[bool, list[T]]]:
        """Return so many of those that were kept, and the rest, each by name."""
        rows = sorted(self._kept, key=lambda row: (-row[0], row[1]))
        head, tail = (sorted(part, key=lambda row: row[1]) for part in (rows[:first], rows[first:]))
        return (True, [item for _, _, item in head]), (False, [item for _, _, item in tail])


def chosen(items: Iterable[T | Finding], most: int | None, seed: str) -> Iterator[T | Finding]:
    """Yield every finding as it comes, and then all things, or so many of them by chance, in their order.

    Memory: the things that are chosen.
    """
    if most is None:
        yield from items
        return
    sample = Sample[T](most)
    count = 0
    for item in items if most else ():
        if isinstance(item, Finding):
            yield item
            continue
        sample.offer(f"{count:020} {seed}", item)  # they have no names: the order is the same in each run
        count += 1
    yield from sample.all()
