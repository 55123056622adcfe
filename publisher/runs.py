"""Sorted runs: a stream in order, whatever its length, through temporary files where it is long."""

from __future__ import annotations

import heapq
import marshal
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, TypeVar

RUN = 200_000  # items that are held in memory at once: names of a folder take some 40 MB
BLOCK = 512  # items of one run that are read back at once

Sortable = TypeVar("Sortable", bound=tuple[object, ...])


def in_order(items: Iterable[Sortable], run: int = RUN) -> Iterator[Sortable]:
    """Yield items sorted, holding at most `run` of them in memory: longer streams go through sorted runs on disk.

    Items are plain tuples of texts and numbers: marshal writes nothing else, and faster than anything.
    """
    source = iter(items)
    batch = sorted(islice(source, run))
    following = list(islice(source, 1))
    if not following:
        yield from batch
        return
    with tempfile.TemporaryFile() as disk:
        runs = [_spill(disk, batch)]
        while following:
            runs.append(_spill(disk, sorted([*following, *islice(source, run - 1)])))
            following = list(islice(source, 1))
        del batch
        yield from heapq.merge(*(_unspill(disk, blocks) for blocks in runs))


def _spill(disk: IO[bytes], batch: list[Sortable]) -> list[tuple[int, int]]:
    """Write a sorted run in blocks; return where each block begins, and its size in bytes."""
    blocks = []
    for start in range(0, len(batch), BLOCK):
        data = marshal.dumps(batch[start : start + BLOCK])
        blocks.append((disk.seek(0, os.SEEK_END), len(data)))
        disk.write(data)
    return blocks


def _unspill(disk: IO[bytes], blocks: list[tuple[int, int]]) -> Iterator[Sortable]:
    for start, size in blocks:
        disk.seek(start)
        yield from marshal.loads(disk.read(size))  # noqa: S302 - a nameless temporary file of this very process
