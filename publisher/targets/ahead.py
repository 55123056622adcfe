"""A stream that another thread runs ahead: who takes from it waits for the store as little as can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")

BLOCK = 1000  # items that are handed over at once
BLOCKS = 32  # that may wait to be taken: memory does not grow with the stream


class Ahead(Generic[T]):
    """The items of an iterator, in its order; what it raises is raised where it would be."""

    def __init__(self, items: Iterator[T], seen: Callable[[list[T]], None] = lambda _: None) -> None:
        """Begin to run; `seen` takes each block, in the thread."""
        self._items, self._seen = items, seen
        # No semaphore: that is Python, and an interrupt may leave it locked for ever.
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(BLOCKS):
            self._room.put(None)
        self._blocks: SimpleQueue[list[T] | BaseException | None] = SimpleQueue()
        self._left = False
        self.ended = False  # whether all was taken
        Thread(target=self._run, name="ahead", daemon=True).start()

    def _run(self) -> None:
        try:
            while block := list(islice(self._items, BLOCK)):
                self._seen(block)
                self._room.get()
                if self._left:
                    break
                self._blocks.put(block)
            self._blocks.put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the next item is taken
            self._blocks.put(error)

    def __iter__(self) -> Iterator[T]:
        """Yield the items, waiting for them."""
        while not self.ended:
            yield from self._take()

    def _take(self) -> list[T]:
        """Wait for the next block."""
        block = self._blocks.get()
        self._room.put(None)
        self.ended = not isinstance(block, list)
        if isinstance(block, BaseException):
            raise block
        return block or []

    def drain(self) -> None:
        """Take all that is left, to the end."""
        while not self.ended:
            self._take()

    def leave(self) -> None:
        """Have the thread end, as soon as it has its next block."""
        self._left = True
        self._room.put(None)
