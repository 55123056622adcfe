"""Which objects stand for a whole release: examples to try things on, and a sample to read."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Literal

from publisher.objects import Entry, Finding, Tally

Depth = Literal["quick", "sample", "full"]

SAMPLE_OBJECTS = 1_000
SAMPLE_BYTES = 1 << 30
SMALL_OBJECTS = 2_000  # up to so many, and SAMPLE_BYTES, a sample is everything


class Part:
    """What a survey keeps of one artifact: counts, two examples to probe, and candidates for a sample."""

    def __init__(self, seed: bytes) -> None:
        """Rank keys by `seed`: the order is random, and the same each time."""
        self.tally = Tally()
        self.examples: dict[str | None, Entry] = {}
        self._seed = seed
        self._ends: dict[str, tuple[str, int]] = {}
        self._smallest = ("", -1)
        self._lowest: list[tuple[int, str, int]] = []

    def add(self, entry: Entry) -> None:
        """Look at the next object of this artifact."""
        named = (entry.key, entry.size_bytes)
        self.tally.add(entry.size_bytes, entry.content_size_bytes)
        encoding = entry.headers.content_encoding
        # The largest: where readers ask for ranges, they ask for ranges of it.
        if entry.size_bytes > (self.examples[encoding].size_bytes if encoding in self.examples else 0):
            self.examples[encoding] = entry
        self._ends.setdefault("first", named)
        self._ends["last"] = named
        if self._smallest[1] < 0 or entry.size_bytes < self._smallest[1]:
            self._smallest = named
        rank = int.from_bytes(blake2b(entry.key.encode(), key=self._seed, digest_size=8).digest())
        if len(self._lowest) < SAMPLE_OBJECTS:
            heapq.heappush(self._lowest, (-rank, *named))
        elif -rank > self._lowest[0][0]:
            heapq.heapreplace(self._lowest, (-rank, *named))

    def sample(self, objects: int, size_bytes: int) -> dict[str, int]:
        """Choose up to so many objects and bytes: both ends, then at random; at least one, unless it is enormous."""
        taken: dict[str, int] = {}
        for key, size in (*self._ends.values(), *((key, size) for _, key, size in sorted(self._lowest, reverse=True))):
            if key not in taken and len(taken) < objects and size <= size_bytes:
                taken[key] = size
                size_bytes -= size
        return taken or dict([self._smallest] if self._smallest[1] <= SAMPLE_BYTES else [])


def survey(entries: Iterable[Entry], seed: bytes) -> dict[str, Part]:
    """Look once through an inventory, artifact by artifact. Memory: a bounded number of keys for each artifact."""
    parts: dict[str, Part] = {}
    for entry in entries:
        if entry.artifact not in parts:
            parts[entry.artifact] = Part(seed)
        parts[entry.artifact].add(entry)
    return parts


def sum_up(parts: Iterable[Part]) -> Tally:
    """Return what all parts hold together."""
    tallies = [part.tally for part in parts]
    return Tally(
        sum(tally.objects for tally in tallies),
        sum(tally.size_bytes for tally in tallies),
        sum(tally.content_size_bytes for tally in tallies),
    )


def choose(depth: Depth, parts: Mapping[str, Part]) -> tuple[Callable[[str], bool], list[Finding]]:
    """Choose which keys to read to their end, and say of which artifacts nothing is read."""
    total = sum_up(parts.values())
    small = total.objects <= SMALL_OBJECTS and total.size_bytes <= SAMPLE_BYTES
    if depth == "quick":
        return (lambda _: False), []
    if depth == "full" or small:
        return (lambda _: True), []
    samples = sample(parts)
    message = "its objects are too large for a sample, and none was read: `publisher verify --depth full` reads all"
    unread = [Finding("digest", "note", "", message, name) for name in parts if not samples[name]]
    return frozenset[str]().union(*samples.values()).__contains__, unread


def sample(parts: Mapping[str, Part]) -> dict[str, frozenset[str]]:
    """Choose the keys to read of each part; those with few objects leave what they do not need to the others."""
    fewest_first = sorted(parts, key=lambda name: parts[name].tally.objects)
    objects, size_bytes = SAMPLE_OBJECTS, SAMPLE_BYTES
    chosen = {}
    for waiting, name in zip(range(len(parts), 0, -1), fewest_first, strict=True):
        taken = parts[name].sample(max(1, objects // waiting), max(0, size_bytes) // waiting)
        objects -= len(taken)
        size_bytes -= sum(taken.values())
        chosen[name] = frozenset(taken)
    return chosen
