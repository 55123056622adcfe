"""How fast a store may be asked: as many requests at once as its latency asks for, fewer when it says so."""

from __future__ import annotations

import random
from threading import Condition
from time import monotonic

FEWEST, FIRST, MOST = 1, 16, 256
WANTED_PER_SECOND = 8_000  # by Little's law, latency times this is how many must be in flight
CALM_SECONDS = 1.0  # after a halving: what is in flight then was sent at the old pace
LONGEST_PAUSE_SECONDS = 60.0  # whatever a store's Retry-After says
PATIENCE_SECONDS = 300.0  # how long a store that answers nobody is asked again
FIRST_PATIENCE_SECONDS = 15.0  # a store that never answered may be an address with a slip in it
TRIES = 12  # for one object while others are stored: at 30 % refusals, one object in two million would fail


class Halted(Exception):
    """The run has ended; nothing more is asked of the store."""


class AdaptivePace:
    """Additive increase, multiplicative decrease, below what latency asks for.

    The limit follows the *shortest* latency that was seen: a store that is far needs many requests in flight, one that
    is slow because it is busy does not get more of them. Answers of 503 and 429 halve it, each quiet second adds one.
    """

    def __init__(self, most: int = MOST) -> None:
        """Take the most that may ever be in flight."""
        self._most = most
        self._changed = Condition()
        self._shortest = 0.0
        self._cap = float(most)
        self._halved_at = self._raised_at = -CALM_SECONDS
        self._not_before = 0.0
        self._halted = False
        self._last_success = monotonic()  # or the beginning, before there is any
        self.successes = 0
        self.limit = FIRST

    def enter(self) -> None:
        """Wait while the store wants to be left alone; raise Halted when the run is over."""
        if not self._not_before and not self._halted:
            return
        with self._changed:
            while not self._halted and (wait := self._not_before - monotonic()) > 0:
                self._changed.wait(wait)
            if self._halted:
                raise Halted

    def pause(self, tries: int) -> None:
        """Wait a little longer after each failure, and not as long as everybody else."""
        until = monotonic() + min(5.0, 0.1 * 2 ** min(tries, 10)) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        with self._changed:
            while not self._halted and (wait := until - monotonic()) > 0:
                self._changed.wait(wait)

    def ran(self, seconds: float) -> None:
        """Count a request that was answered well, and how long it took."""
        now = monotonic()
        self._last_success = now
        self.successes += 1
        if not self._shortest or seconds < self._shortest:
            self._shortest = seconds
            self._settle()
        if self._cap < self._most and now - max(self._halved_at, self._raised_at) > CALM_SECONDS:
            with self._changed:
                self._cap, self._raised_at = self._cap + 1, now
            self._settle()

    def busy(self, retry_after: float | None) -> None:
        """Count a request that the store was too busy for."""
        now = monotonic()
        with self._changed:
            if now - self._halved_at > CALM_SECONDS:
                self._cap, self._halved_at = max(FEWEST, min(self._cap, self.limit) / 2), now
            if retry_after:
                self._not_before = max(self._not_before, now + min(retry_after, LONGEST_PAUSE_SECONDS))
        self._settle()

    def patient(self, tries: int, *, lost: bool) -> bool:
        """Whether to ask again for what failed so many times while others were answered; `lost`: nobody answered it.

        A store that answers nobody is given minutes, one that never did some seconds.
        """
        if tries >= TRIES:
            return False
        longest = PATIENCE_SECONDS if self.successes or not lost else FIRST_PATIENCE_SECONDS
        return monotonic() - self._last_success < longest

    @property
    def recent(self) -> bool:
        """Whether the store has done something that was asked of it, not long ago."""
        return self.successes > 0 and monotonic() - self._last_success < PATIENCE_SECONDS / 10

    def halt(self) -> None:
        """Wake who waits: the run is over."""
        with self._changed:
            self._halted = True
            self._changed.notify_all()

    def _settle(self) -> None:
        wanted = max(FIRST, round(self._shortest * WANTED_PER_SECOND))
        self.limit = max(FEWEST, min(self._most, wanted, int(self._cap)))
