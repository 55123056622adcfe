"""Work in threads on a stream, in order, with a bounded number in flight: memory does not grow with the stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from typing import Any, Generic, Protocol, Self, TypeVar

A = TypeVar("A")
B = TypeVar("B")

BATCH, FULL = 8, 256  # items that one hand is given at once, and all hands together
WINDOW = 4096  # items that may be done and wait for an earlier one: one that is slow holds up few others


class Pace(Protocol):
    """How many may be in flight at once. It may change its mind while they are."""

    @property
    def limit(self) -> int:
        """The number now; never below 1."""

    def halt(self) -> None:
        """End all waiting, for good: the run is over."""


class Steady:
    """Always the same number."""

    def __init__(self, limit: int) -> None:
        """Take the number."""
        self.limit = limit

    def halt(self) -> None:
        """Nobody waits here."""


class Room:
    """So many bytes may be in flight: who wants more waits, and who wants more than all has it alone."""

    def __init__(self, size_bytes: int) -> None:
        """Take how many bytes there is room for."""
        self._free, self._all = size_bytes, size_bytes
        self._changed = Condition()

    @contextmanager
    def of(self, size_bytes: int) -> Iterator[None]:
        """Hold some of it; small things take none, because waiting costs more than they do."""
        if size_bytes < self._all >> 10:
            yield
            return
        size_bytes = min(size_bytes, self._all)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= size_bytes)
            self._free -= size_bytes
        try:
            yield
        finally:
            with self._changed:
                self._free += size_bytes
                self._changed.notify_all()


def workers() -> int:
    """Return how many threads keep the disk and the cores busy: hashing and gzip release the interpreter's lock."""
    return min(16, 2 * (os.cpu_count() or 1))


def ordered_map(
    function: Callable[[A], B],
    items: Iterable[A],
    *,
    at_once: Callable[[A], B | None] = lambda _: None,
    pace: Pace | None = None,
    window: int = WINDOW,
    halt: Callable[[], None] = lambda: None,
) -> Iterator[B]:
    """Yield `function(item)` in the order of `items`, at most `window` of them begun and not yet taken.

    What `at_once` has an answer for goes to no thread. The first exception, in order, is raised where its result would
    be; what is not begun then never begins, and `halt` ends what `function` waits for. So does an interrupt.
    """
    source = enumerate(items)
    waiting: dict[int, tuple[B | None, BaseException | None]] = {}
    fed = taken = 0
    with _Pool(function, pace or Steady(workers()), halt) as pool:
        while True:
            hands = pool.hands()
            # Some at a time, because handing over costs as much as a small piece of work; one where hands are many.
            batch = max(1, min(BATCH, FULL // hands))
            flying = fed - taken - len(waiting)
            room = min(window - (fed - taken), 2 * hands * batch - flying)
            jobs: list[tuple[int, A]] = []
            for number, item in islice(source, room) if room >= min(batch, window) or not flying else ():
                fed = number + 1
                if (quick := at_once(item)) is not None:
                    waiting[number] = (quick, None)
                    continue
                jobs.append((number, item))
                if len(jobs) == batch:
                    pool.todo.put(jobs)
                    jobs = []
            if jobs:
                pool.todo.put(jobs)
            if taken == fed:
                return
            while taken not in waiting:
                waiting.update(pool.done.get())
            while taken in waiting:
                result, error = waiting.pop(taken)
                taken += 1
                if error is not None:
                    raise error
                yield result  # type: ignore[misc]


Done = list[tuple[int, tuple[Any, BaseException | None]]]


class _Pool(Generic[A, B]):
    """Threads that take from one queue and give to another: as many as the pace says, more or fewer as it goes."""

    def __init__(self, function: Callable[[A], B], pace: Pace, halt: Callable[[], None]) -> None:
        self._function, self._pace, self._halt = function, pace, halt
        self._threads: list[Thread] = []
        self._alive = 0
        self._stopped = False
        self.todo: SimpleQueue[list[tuple[int, A]] | None] = SimpleQueue()
        self.done: SimpleQueue[Done] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Begin nothing more, and wait for what has begun: not for long where something went wrong."""
        self._stopped = True
        if kind is not None:
            self._halt()
        with suppress(Empty):
            while True:
                self.todo.get_nowait()
        for _thread in self._threads:
            self.todo.put(None)
        for thread in self._threads:
            thread.join()

    def hands(self) -> int:
        """Return how many threads there are, after making them as many as the pace says."""
        wanted = self._pace.limit
        while self._alive < wanted:
            thread = Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()
            self._alive += 1
        while self._alive > wanted:
            self.todo.put(None)
            self._alive -= 1
        return wanted

    def _work(self) -> None:
        while (jobs := self.todo.get()) is not None:
            done: Done = []
            for number, item in jobs:
                done.append((number, self._answer(item)))
                if done[-1][1][1] is not None:
                    break  # what follows is never taken
            self.done.put(done)

    def _answer(self, item: A) -> tuple[B | None, BaseException | None]:
        if self._stopped:
            return None, None  # nobody takes it any more
        try:
            return self._function(item), None
        except BaseException as error:  # noqa: BLE001 - raised again where the result is taken
            return None, error
