"""How fast a store is asked, and how long one that fails is asked again.

As many requests are in flight as its latency asks for, and fewer where it says that it is too busy.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf
from threading import Condition, RLock
from time import monotonic
from typing import Any

from publisher.targets.wire import Trouble, Why

FIRST, MOST = 16, 256
LINES, MOST_LINES = 4, 512  # requests that no thread waits for: so many for each of the others, and at most
WANTED_PER_SECOND = 8_000  # by Little's law, latency times this is how many must be in flight
CALM_SECONDS = 1.0  # between two reckonings: what is in flight at one was sent at the old pace; also between two halts
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.1, 5.0
LONGEST_PAUSE_SECONDS = 60.0  # whatever a store's Retry-After says
SCOUT_SECONDS = 5.0  # that all wait for the answer to one request
PATIENCE_SECONDS = 300.0  # how long a store that does nothing is asked again
FIRST_PATIENCE_SECONDS = 15.0  # a store that was never heard of may be an address with a slip in it
TRIES = 12  # for one object while others are stored: at 30 % refusals, one object in two million would fail


class AdaptivePace:
    """What all requests to one store tell of its health, and learn of it.

    The limit follows the *shortest* latency that was seen: a store that is far needs many requests in flight, one that
    is slow because it is busy does not get more of them. Each second it loses half of the share that was refused, and
    grows by one, or by an eighth where nothing was.

    Not every answer tells how long a busy store wants to be left alone. So once it has refused one of ten, one request
    goes ahead, and the others wait until that is answered.
    """

    def __init__(
        self, most: int = MOST, now: Callable[[], float] = monotonic, waits: Callable[[Any], Condition] = Condition
    ) -> None:
        """Take the most that may ever be in flight; a clock, and what waits by it."""
        self._most, self._now = most, now
        # The lock itself is entered, never the condition: that is Python, and an interrupt may leave it locked for ever.
        self._lock = RLock()
        self._changed = waits(self._lock)
        self._shortest = inf
        self._cap = float(most)
        self._reckoned, self._answered, self._refused = now(), 0, 0
        self._not_before, self._opened = 0.0, -inf
        self._scouting = False  # whether what all wait for is an answer
        self._scouts = 0  # that were refused, one after another
        self._recoveries = 0
        self._heard = self._halted = False
        self._failing_since: float | None = None
        self._give_up_at = inf
        self.successes = 0
        self.wary = False  # whether it was too busy, and has not done anything since
        self.limit = FIRST

    def enter(self) -> None:
        """Wait while the store wants to be left alone, or while another asks whether it still does."""
        if not self.wary:
            return
        with self._lock:
            self._wait_until(lambda: self._not_before)
            if self.wary:
                self._not_before, self._scouting = self._now() + SCOUT_SECONDS, True

    def ran(self, seconds: float) -> None:
        """Count a request that was answered well, and how long it took."""
        now = self._now()
        self.successes += 1  # a few that are lost among threads make no difference
        self._answered += 1
        well = not self.wary and self._failing_since is None
        if well and seconds >= self._shortest and now - self._reckoned < CALM_SECONDS:
            return  # as nearly always: a lock would cost more than the rest
        with self._lock:
            if self.idle_seconds > CALM_SECONDS:  # nobody need wait any longer for what is over
                self._recoveries += 1
                self._changed.notify_all()
            self._heard, self._failing_since, self._give_up_at = True, None, inf
            if self.wary and (self._scouting or now >= self._not_before):
                self.wary, self._scouts, self._opened = False, 0, now
                self._free()
            if seconds < self._shortest:
                self._shortest = seconds
                self._settle()
            self._reckon(now)

    def failed(self, trouble: Trouble) -> None:
        """Count a request that was not done."""
        with self._lock:
            now = self._now()
            self._heard |= trouble.why is not Why.LOST
            self._failing_since = now if self._failing_since is None else self._failing_since
            self._give_up_at = self._failing_since + (PATIENCE_SECONDS if self._heard else FIRST_PATIENCE_SECONDS)
            if self._scouting:
                self._free()
            if trouble.why is Why.BUSY:
                self._refused += 1
                many = now - self._opened > CALM_SECONDS and self._refused * 10 > self._answered
                if many or self.wary or trouble.retry_after:
                    self._back_off(now, trouble.retry_after)
            self._reckon(now)

    def again(self, tries: int, against: int) -> bool:
        """Whether to ask again for what failed so often, `against` times while others were answered well; first wait.

        Each time a little longer, and not as long as everybody else.
        """
        if against >= TRIES:
            return False
        before = self._recoveries
        until = self._now() + _pause_seconds(tries) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        with self._lock:
            self._wait_until(lambda: until if self._recoveries == before else 0.0)
        return not self.over

    @property
    def fair(self) -> bool:
        """Whether the store does what it is asked."""
        return not self.wary and self._failing_since is None and not self._halted

    @property
    def abreast(self) -> int:
        """How many requests may be in flight that no thread waits for: a store is not taken by surprise."""
        return min(MOST_LINES, LINES * self.limit, LINES * (FIRST + self.successes))

    @property
    def cap(self) -> int:
        """The most that the limit may be, after all that the store has refused."""
        return int(self._cap)

    def follow(self, cap: int) -> None:
        """Have no more in flight than another says, who hears of all refusals."""
        if cap != self._cap:
            with self._lock:
                self._cap = float(cap)
                self._settle()

    @property
    def over(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self._halted or self._now() >= self._give_up_at

    @property
    def idle_seconds(self) -> float:
        """For how long everything has failed."""
        since = self._failing_since
        return 0.0 if since is None else self._now() - since

    def halt(self) -> None:
        """End all waiting, for good: what fails from now on has failed."""
        with self._lock:
            self._halted = True
            self._changed.notify_all()

    def _wait_until(self, moment: Callable[[], float]) -> None:
        while not self.over and (seconds := moment() - self._now()) > 0:
            self._changed.wait(seconds)

    def _free(self) -> None:
        self._not_before, self._scouting = 0.0, False
        self._changed.notify_all()

    def _back_off(self, now: float, retry_after: float | None) -> None:
        self._scouts += now >= self._not_before  # what was sent before the others began to wait says nothing new
        seconds = min(retry_after, LONGEST_PAUSE_SECONDS) if retry_after else _pause_seconds(self._scouts - 1)
        self._not_before, self.wary = max(self._not_before, now + seconds), True

    def _reckon(self, now: float) -> None:
        if now - self._reckoned < CALM_SECONDS:
            return
        if self._refused:
            share = self._refused / (self._refused + self._answered)
            self._cap = min(self._cap, self.limit) * (1 - share / 2) + 1
        else:
            self._cap = min(self._most, self._cap + max(1, self._cap / 8))
        self._reckoned, self._answered, self._refused = now, 0, 0
        self._settle()

    def _settle(self) -> None:
        wanted = max(FIRST, self._shortest * WANTED_PER_SECOND) if self._shortest < inf else FIRST
        self.limit = int(min(self._most, wanted, self._cap))


def _pause_seconds(number: int) -> float:
    return min(LAST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(number, 10))
