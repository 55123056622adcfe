"""A stream that is kept on disk, so that it can be read more than once without being held in memory."""

from __future__ import annotations

import marshal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

T = TypeVar("T")
BLOCK = 256  # items written together


class Spool(Generic[T]):
    """Filled once from a stream, then iterated from the start as often as needed. Gone with the process.

    Items are packed into plain tuples and back: marshal writes nothing else, and ten times as fast as pickle.
    """

    def __init__(self, items: Iterable[T], pack: Callable[[T], Any], unpack: Callable[[Any], T]) -> None:
        """Run the stream to its end, onto disk."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the spool does
        self._unpack = unpack
        source = map(pack, items)
        while block := list(islice(source, BLOCK)):
            marshal.dump(block, self._file)
        self._end = self._file.tell()

    def __iter__(self) -> Iterator[T]:
        """Read the items in the order in which they came."""
        position = 0
        while position < self._end:
            self._file.seek(position)
            block = marshal.load(self._file)  # noqa: S302 - a nameless temporary file of this very process
            position = self._file.tell()
            yield from map(self._unpack, block)
