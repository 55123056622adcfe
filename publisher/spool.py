"""A stream that is kept on disk, so that it can be read more than once without being held in memory."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
BLOCK = 256  # items pickled together


class Spool(Generic[T]):
    """Filled once from a stream, then iterated from the start as often as needed. Gone with the process."""

    def __init__(self, items: Iterable[T]) -> None:
        """Run the stream to its end, onto disk."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the spool does
        source = iter(items)
        while block := list(islice(source, BLOCK)):
            pickle.dump(block, self._file)
        self._end = self._file.tell()

    def __iter__(self) -> Iterator[T]:
        """Read the items in the order in which they came."""
        position = 0
        while position < self._end:
            self._file.seek(position)
            block: list[T] = pickle.load(self._file)  # noqa: S301 - a nameless temporary file of this very process
            position = self._file.tell()
            yield from block
