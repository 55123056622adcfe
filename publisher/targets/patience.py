"""Asking a store again: what for, how long, and in which words it is told that it was in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

from publisher.errors import Incomplete, Problem, Unreachable
from publisher.targets.pace import AdaptivePace
from publisher.targets.wire import Trouble, Why

WITNESS_SECONDS = 15.0  # without a success: then it is not one object that fails; longer than between a lock's beats
RECENT_SECONDS = 30.0  # that the store may have done nothing, and one object alone be to blame for failing

T = TypeVar("T")

HOPELESS = frozenset({Why.CONDITION, Why.REFUSED, Why.SKEW, Why.GONE, Why.WRONG})
_ALL = frozenset({Why.GONE, Why.SKEW, Why.EXPIRED})  # what fails one object fails all of them
_HINTS = {
    Why.BUSY: "run the same command again later: what arrived is not sent again",
    Why.LOST: "is the network there? Run the same command again: what arrived is not sent again",
    Why.CORRUPT: "something on the way changes bytes; try another network",
    Why.EXPIRED: "log in again and run the same command: what arrived is not sent again",
    Why.REFUSED: "docs/access.md says what a publishing role needs",
    Why.SKEW: "set the clock and run again",
    Why.GONE: "create the bucket first: publisher makes none",
}


class Patient:
    """Asks one store, at one pace, and again where that may help."""

    def __init__(self, url: str) -> None:
        """Take what people call the store."""
        self.url = url
        self.pace = AdaptivePace()
        self.stored = False  # whether this run has stored anything

    def persistently(self, ask: Callable[[], T]) -> T:
        """Ask about what is no object until there is an answer."""
        return self.persist("", lambda _: ask())

    def persist(
        self,
        key: str,
        attempt: Callable[[int], T],
        *,
        alone: bool = False,
        check: Callable[[], None] = lambda: None,
        earlier: Trouble | None = None,
    ) -> T:
        """Ask until it is done: `attempt` is told how often it was tried; raise what the store said last, in words.

        `alone` says that one object may fail without the others; `check` raises where nothing is to be tried again;
        `earlier` is what a first try came to that was made elsewhere.
        """
        tries = expired = first = seen = 0
        while True:
            trouble, earlier = earlier, None
            if trouble is None:
                self.pace.enter()
                start = monotonic()
                try:
                    result = attempt(tries)
                except Trouble as error:
                    trouble = error
                else:
                    self.pace.ran(monotonic() - start)
                    return result
            tries += 1
            expired += trouble.why is Why.EXPIRED
            if tries == 1 or self.pace.idle_seconds > WITNESS_SECONDS:
                first, seen = tries - 1, self.pace.successes
            against = min(tries - first, self.pace.successes - seen)  # failures among successes of others
            self.pace.failed(trouble)
            if expired > 1:
                self.pace.halt()
            if trouble.why in HOPELESS or not self.pace.again(tries, against):
                raise self.in_words(key, trouble, tries, alone=alone) from trouble
            check()

    def in_words(self, key: str, trouble: Trouble, tries: int, *, alone: bool = False) -> Unreachable | Incomplete:
        """Say what failed: one object, where others are stored, or the whole target."""
        idle = self.pace.idle_seconds
        alone = alone and self.stored and not self.pace.over and idle < RECENT_SECONDS and trouble.why not in _ALL
        told = [f"tried {'once' if tries == 1 else f'{tries} times'}"] if alone or tries > 1 else []
        told += [f"nothing was done for {idle:.0f} s"] if idle >= 1 and not alone else []
        message = trouble.message + (f" ({', '.join(told)})" if told else "")
        problem = Problem(self.place(key), message, _HINTS.get(trouble.why, ""))
        return Incomplete(problem) if alone else Unreachable(problem)

    def raced(self, key: str) -> Unreachable:
        """Say that others were quicker, again and again."""
        message = "is changed by others again and again"
        return Unreachable(Problem(self.place(key), message, "who else writes here? Run the same command again"))

    def place(self, key: str) -> str:
        """Return what people call a key."""
        return f"{self.url.rstrip('/')}/{key}"


@contextmanager
def reachable(place: str) -> Iterator[None]:
    """Say in words what a store answered to what is asked only once."""
    try:
        yield
    except Trouble as trouble:
        raise Unreachable(Problem(place, trouble.message, _HINTS.get(trouble.why, ""))) from trouble
