"""A stream that is kept on disk, so that it can be read more than once without being held in memory, but for its start."""

from __future__ import annotations

import marshal
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

T = TypeVar("T")
BLOCK = 256  # items written together
HELD = 20_000  # items that stay in memory: most releases have no more


class Spool(Generic[T]):
    """Filled once from a stream, then iterated from the start as often as needed. Gone with the process.

    Items are packed into plain tuples and back: marshal writes nothing else, and ten times as fast as pickle.
    """

    def __init__(self, items: Iterable[T], pack: Callable[[T], Any], unpack: Callable[[Any], T]) -> None:
        """Run the stream to its end, what is long of it onto disk."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the spool does
        self._unpack = unpack
        source = iter(items)
        self._held = list(islice(source, HELD))
        packed = map(pack, source)
        while block := list(islice(packed, BLOCK)):
            data = marshal.dumps(block)
            self._file.write(struct.pack("<Q", len(data)) + data)
        self._end = self._file.tell()

    def __iter__(self) -> Iterator[T]:
        """Read the items in the order in which they came."""
        yield from self._held
        position = 0
        while position < self._end:
            self._file.seek(position)
            (size,) = struct.unpack("<Q", self._file.read(8))
            block = marshal.loads(self._file.read(size))  # noqa: S302 - a nameless file of this very process
            position += 8 + size
            yield from map(self._unpack, block)
