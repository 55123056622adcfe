"""Work in threads on a stream, in order, with a bounded number in flight: memory does not grow with the stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from typing import Any, Generic, Protocol, Self, TypeVar

A = TypeVar("A")
B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)

BATCH, FULL = 8, 256  # items that one hand is given at once, and all hands together
WAIT_SECONDS = 1.0
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


class Shortcut(Protocol[A, B_co]):
    """A way for some items that needs no thread, because nothing on it waits. One thread uses it; any may nudge."""

    @property
    def flying(self) -> int:
        """How many items were begun and not answered."""

    @property
    def full(self) -> bool:
        """Whether no more may be begun now."""

    def takes(self, item: A) -> bool:
        """Whether this item can go this way now."""

    def begin(self, number: int, item: A) -> None:
        """Begin an item."""

    def answers(self, seconds: float) -> Iterable[tuple[int, A, B_co | None]]:
        """Yield what became of items, None where one must go the other way; wait at most so long, or until a nudge."""

    def nudge(self) -> None:
        """Have `answers` return soon."""

    def close(self) -> None:
        """Leave what was begun."""


def ordered_map(
    function: Callable[[A], B],
    items: Iterable[A],
    *,
    at_once: Callable[[A], B | None] = lambda _: None,
    pace: Pace | None = None,
    window: int = WINDOW,
    halt: Callable[[], None] = lambda: None,
    shortcut: Shortcut[A, B] | None = None,
) -> Generator[B]:
    """Yield `function(item)` in the order of `items`, at most `window` of them begun and not yet taken.

    What `at_once` has an answer for goes to no thread, nor does what `shortcut` takes. The first exception, in order, is
    raised where its result would be; what is not begun then never begins, and `halt` ends what `function` waits for. So
    does an interrupt.
    """
    with _Pool(function, pace or Steady(workers()), halt, shortcut) as pool:
        flow = _Flow(items, at_once, pool, shortcut, window)
        while True:
            yield from flow.straight()
            if not flow.feed():
                return
            yield from flow.ripe()
            flow.wait()


class _Flow(Generic[A, B]):
    """Items on their way, and results that wait for earlier ones."""

    def __init__(
        self,
        items: Iterable[A],
        at_once: Callable[[A], B | None],
        pool: _Pool[A, B],
        shortcut: Shortcut[A, B] | None,
        window: int,
    ) -> None:
        self._items = enumerate(items)
        self._held: tuple[int, A] | None = None  # the next one, for which there was no room
        self._at_once, self._pool, self._shortcut, self._window = at_once, pool, shortcut, window
        self._waiting: dict[int, tuple[B | None, BaseException | None]] = {}
        self._fed = self._taken = 0

    def straight(self) -> Iterator[B]:
        """Yield what can be answered at once, as long as nothing else is on its way."""
        if self._taken < self._fed or self._held is not None:
            return
        for item in self._items:
            if (quick := self._at_once(item[1])) is None:
                self._held = item
                return
            self._fed = self._taken = item[0] + 1
            yield quick

    def feed(self) -> bool:
        """Begin what there is room for; return whether anything is on its way."""
        pool, shortcut, at_once, waiting = self._pool, self._shortcut, self._at_once, self._waiting
        room, jobs = pool.room, []
        last = self._taken + self._window
        while self._fed < last:
            item = self._held or next(self._items, None)
            if item is None:
                break
            self._held = None
            if (quick := at_once(item[1])) is not None:
                waiting[item[0]] = (quick, None)
            elif shortcut is not None and shortcut.takes(item[1]):
                if shortcut.full:
                    self._held = item
                    break
                try:
                    shortcut.begin(*item)
                except Exception as error:  # noqa: BLE001 - raised again where the result is taken
                    waiting[item[0]] = (None, error)
            elif room:
                jobs.append(item)
                room -= 1
            else:
                self._held = item
                break
            self._fed += 1
        pool.give(jobs)
        return self._taken < self._fed

    def ripe(self) -> Iterator[B]:
        """Yield the results whose turn it is."""
        waiting = self._waiting
        while self._taken in waiting:
            result, error = waiting.pop(self._taken)
            self._taken += 1
            if error is not None:
                raise error
            yield result  # type: ignore[misc]

    def wait(self) -> None:
        """Wait until something was done, where nothing is."""
        if self._shortcut is not None and self._shortcut.flying:
            for number, item, result in self._shortcut.answers(WAIT_SECONDS):
                if result is None:
                    self._pool.give([(number, item)])
                else:
                    self._waiting[number] = (result, None)
        elif self._taken < self._fed and self._taken not in self._waiting:
            self._waiting.update(self._pool.wait())
        self._waiting.update(self._pool.done())


Done = list[tuple[int, tuple[Any, BaseException | None]]]


class _Pool(Generic[A, B]):
    """Threads that take from one queue and give to another: as many as the pace says, more or fewer as it goes."""

    def __init__(
        self, function: Callable[[A], B], pace: Pace, halt: Callable[[], None], shortcut: Shortcut[A, B] | None
    ) -> None:
        self._function, self._pace, self._halt, self._shortcut = function, pace, halt, shortcut
        self._threads: list[Thread] = []
        self._alive = self._flying = 0
        self._stopped = False
        self._todo: SimpleQueue[list[tuple[int, A]] | None] = SimpleQueue()
        self._done: SimpleQueue[Done] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Begin nothing more, and wait for what has begun: not for long where something went wrong."""
        self._stopped = True
        if self._shortcut is not None:
            self._shortcut.close()
        if kind is not None:
            self._halt()
        with suppress(Empty):
            while True:
                self._todo.get_nowait()
        for _thread in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def room(self) -> int:
        """How many more items to give: some at a time, because handing over costs as much as a small piece of work."""
        room = 2 * self._pace.limit * self._batch - self._flying
        return room if room >= self._batch or not self._flying else 0

    @property
    def _batch(self) -> int:
        """How many items one thread is given at once: one where threads are many."""
        return max(1, min(BATCH, FULL // self._pace.limit))

    def give(self, jobs: list[tuple[int, A]]) -> None:
        """Have items done."""
        self._flying += len(jobs)
        wanted, batch = self._pace.limit, self._batch
        while self._alive < min(wanted, self._flying):
            thread = Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()
            self._alive += 1
        while self._alive > wanted:
            self._todo.put(None)
            self._alive -= 1
        for start in range(0, len(jobs), batch):
            self._todo.put(jobs[start : start + batch])

    def wait(self) -> Done:
        """Wait for a result."""
        return self._counted(self._done.get())

    def done(self) -> Done:
        """Return what was done meanwhile."""
        found: Done = []
        with suppress(Empty):
            while True:
                found += self._counted(self._done.get_nowait())
        return found

    def _counted(self, done: Done) -> Done:
        self._flying -= len(done)
        return done

    def _work(self) -> None:
        while (jobs := self._todo.get()) is not None:
            done: Done = []
            for number, item in jobs:
                done.append((number, self._answer(item)))
                if done[-1][1][1] is not None:
                    break  # what follows is never taken
            self._done.put(done)
            if self._shortcut is not None:
                self._shortcut.nudge()

    def _answer(self, item: A) -> tuple[B | None, BaseException | None]:
        if self._stopped:
            return None, None  # nobody takes it any more
        try:
            return self._function(item), None
        except BaseException as error:  # noqa: BLE001 - raised again where the result is taken
            return None, error
