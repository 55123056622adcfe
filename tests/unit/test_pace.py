"""How fast a store is asked and how long it is asked again, by a clock that stands still until somebody waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Condition
from typing import Any, Self

import pytest

from publisher.errors import Incomplete, Unreachable
from publisher.objects import Headers
from publisher.targets import pace
from publisher.targets.bucket import Bucket
from publisher.targets.pace import CALM_SECONDS, FIRST, MOST, SCOUT_SECONDS, TRIES, AdaptivePace
from publisher.targets.wire import Trouble, Why

BUSY, LOST = Trouble(Why.BUSY, "the store is too busy"), Trouble(Why.LOST, "nobody answers")
REFUSED = Trouble(Why.REFUSED, "not for you")
HEADERS = Headers("text/plain", None, "no-cache")


class Clock(Condition):
    """Time passes by waiting."""

    time = 1000.0
    meanwhile: Callable[[], None] | None = None  # happens once, while somebody waits

    def by(self, lock: Any) -> Self:
        Condition.__init__(self, lock)
        return self

    def now(self) -> float:
        return self.time

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        if self.meanwhile:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        else:
            self.time += timeout
        return False


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def asked(clock: Clock) -> AdaptivePace:
    return AdaptivePace(now=clock.now, waits=clock.by)


def waited(clock: Clock, found: AdaptivePace) -> float:
    """Return how long a request must wait."""
    before = clock.time
    found.enter()
    return round(clock.time - before, 3)


def told(seconds: float) -> Trouble:
    return Trouble(Why.BUSY, "the store is too busy", retry_after=seconds)


def second(clock: Clock, found: AdaptivePace, refused: int, answered: int) -> int:
    """Let a second pass with so many answers; return the limit then."""
    for _ in range(refused):
        found.failed(BUSY)
    for _ in range(answered):
        found.ran(0.03)
    clock.time += CALM_SECONDS
    found.ran(0.03)
    return found.limit


@pytest.mark.parametrize(("seconds", "limit"), [(0.0005, 16), (0.002, 16), (0.01, 80), (0.03, 240), (1.0, MOST)])
def test_the_limit_is_what_the_latency_asks_for(seconds: float, limit: int, asked: AdaptivePace) -> None:
    assert asked.limit == FIRST
    asked.ran(seconds)
    assert asked.limit == limit
    asked.ran(seconds * 100)  # slow because it is busy: that asks for nothing
    assert asked.limit == limit


def test_a_store_that_refuses_everything_is_left_nearly_alone_and_taken_up_again(
    clock: Clock, asked: AdaptivePace
) -> None:
    asked.ran(0.03)
    assert asked.limit == 240
    limits = []
    for _ in range(12):
        clock.time += CALM_SECONDS
        asked.failed(BUSY)
        limits.append(asked.limit)
    assert limits == sorted(limits, reverse=True)
    assert limits[1] <= 240 * 3 / 4 / 2 + 1
    assert limits[-1] == 2
    again = [second(clock, asked, 0, 10) for _ in range(45)]
    assert again == sorted(again)
    assert again[15] >= FIRST
    assert again[-1] == 240


def test_a_store_that_refuses_some_is_asked_as_much_as_it_takes(clock: Clock, asked: AdaptivePace) -> None:
    """Three of ten for ever: it is neither left nor stormed."""
    asked.ran(0.03)
    limits = [second(clock, asked, 30, 69) for _ in range(60)]
    assert set(limits[-20:]) <= {6, 7}


def test_one_refusal_among_a_thousand_holds_up_nobody(clock: Clock, asked: AdaptivePace) -> None:
    asked.ran(0.03)
    for _ in range(1000):
        asked.ran(0.03)
    asked.failed(BUSY)
    assert waited(clock, asked) == 0
    clock.time += CALM_SECONDS
    asked.ran(0.03)
    assert asked.limit == 240


def test_one_goes_ahead_and_the_others_wait_for_its_answer(clock: Clock, asked: AdaptivePace) -> None:
    asked.failed(BUSY)
    assert asked.wary
    assert waited(clock, asked) == 0.1
    assert waited(clock, asked) == SCOUT_SECONDS  # it is not answered: another goes
    asked.ran(0.01)
    assert not asked.wary
    assert [waited(clock, asked) for _ in range(3)] == [0, 0, 0]


def test_who_goes_ahead_waits_longer_each_time(clock: Clock, asked: AdaptivePace) -> None:
    pauses = []
    for _ in range(9):
        asked.failed(BUSY)
        pauses.append(waited(clock, asked))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    asked.failed(LOST)  # it came to nothing: the next one goes at once
    assert waited(clock, asked) == 0
    asked.ran(0.01)
    clock.time += CALM_SECONDS + 0.1
    asked.failed(BUSY)
    assert waited(clock, asked) == 0.1


def test_what_was_on_its_way_already_makes_nobody_wait_longer(clock: Clock, asked: AdaptivePace) -> None:
    for _ in range(FIRST):
        asked.failed(BUSY)
    assert waited(clock, asked) == 0.1


def test_a_store_is_left_alone_as_long_as_it_says(clock: Clock, asked: AdaptivePace) -> None:
    asked.failed(told(7))
    asked.ran(0.01)  # it was on its way
    asked.failed(told(3))
    asked.ran(0.01)
    assert waited(clock, asked) == 7
    asked.ran(0.01)
    assert waited(clock, asked) == 0
    asked.failed(told(3600))
    assert waited(clock, asked) == pace.LONGEST_PAUSE_SECONDS


def again_for(clock: Clock, found: AdaptivePace, trouble: Trouble) -> float:
    """Let everything fail; return how long it is asked again."""
    began, tries = clock.time, 0
    while True:
        found.failed(trouble)
        tries += 1
        if not found.again(tries, 0):
            return clock.time - began


def test_patience_is_counted_from_the_first_failure(clock: Clock, asked: AdaptivePace) -> None:
    clock.time += 3600  # staging takes its time
    never = again_for(clock, asked, LOST)
    assert pace.FIRST_PATIENCE_SECONDS <= never < pace.FIRST_PATIENCE_SECONDS + pace.LAST_PAUSE_SECONDS
    asked.ran(0.01)
    clock.time += 3600  # and so does reading large sources
    for trouble in (LOST, BUSY):
        lasts = again_for(clock, asked, trouble)
        assert pace.PATIENCE_SECONDS <= lasts < pace.PATIENCE_SECONDS + pace.LAST_PAUSE_SECONDS
        assert asked.over
        asked.ran(0.01)
        assert not asked.over


def test_a_store_that_said_anything_is_no_slip_in_an_address(clock: Clock, asked: AdaptivePace) -> None:
    asked.failed(BUSY)
    assert again_for(clock, asked, LOST) >= pace.PATIENCE_SECONDS


@pytest.mark.parametrize(("seconds", "woken"), [(30, True), (0, False)])
def test_once_a_store_is_back_nobody_waits_any_longer(
    seconds: int, woken: int, clock: Clock, asked: AdaptivePace
) -> None:
    """But a success among failures wakes nobody."""
    asked.failed(BUSY)
    clock.time += seconds
    clock.meanwhile = lambda: asked.ran(0.01)
    before = clock.time
    asked.again(10, 0)
    assert (clock.time == before) == woken


def test_what_fails_while_others_do_not_is_given_up(asked: AdaptivePace) -> None:
    asked.ran(0.01)
    asked.failed(BUSY)
    assert asked.again(1, TRIES - 1)
    assert not asked.again(1, TRIES)


def test_nobody_waits_any_more_once_it_is_over(clock: Clock, asked: AdaptivePace) -> None:
    asked.ran(0.01)
    asked.failed(told(50))
    asked.halt()
    assert waited(clock, asked) == 0
    asked.failed(BUSY)
    before = clock.time
    assert not asked.again(1, 0)
    assert clock.time == before


# What a bucket makes of it.


class Notes:
    def get(self, name: str) -> str | None:
        del name

    def set(self, name: str, text: str | None) -> None:
        del name, text


class Wire:
    """Says what it is told to, then that all is well."""

    def __init__(self, clock: Clock, *says: Trouble | None) -> None:
        self.clock, self.says, self.asked = clock, list(says), 0

    def _say(self) -> str:
        self.asked += 1
        self.clock.time += 0.01
        said = self.says.pop(0) if self.says else None
        if said is not None:
            raise said
        return "tag"

    def put(self, *_: Any, **__: Any) -> str:
        return self._say()

    def leftovers(self, _: str) -> Iterator[Any]:
        self._say()
        return iter(())

    def list(self, *_: Any) -> Iterator[Any]:
        self._say()
        yield from ()


def bucket(clock: Clock, *says: Trouble | None) -> Bucket:
    found = Bucket(Wire(clock, *says), "s3://b/x", "x", "http://b/x", Notes())  # type: ignore[arg-type]
    found.pace = AdaptivePace(now=clock.now, waits=clock.by)
    return found


def put(target: Bucket) -> str:
    return target.put("v1/a", [b"a"], HEADERS)


def test_credentials_are_renewed_once_whatever_failed_before(clock: Clock) -> None:
    expired = Trouble(Why.EXPIRED, "log in again")
    assert put(bucket(clock, BUSY, LOST, expired, BUSY)) == "tag"
    target = bucket(clock, BUSY, expired, BUSY, expired)
    with pytest.raises(Unreachable, match=r"log in again \(tried 4 times"):
        put(target)
    assert target.pace.over  # all others would fail, too


def test_one_object_is_refused_only_where_others_are_taken(clock: Clock) -> None:
    with pytest.raises(Unreachable):
        put(bucket(clock, REFUSED))
    target = bucket(clock, None, REFUSED, None)
    put(target)
    with pytest.raises(Incomplete, match=r"s3://b/x/v1/a: not for you \(tried once\)"):
        put(target)
    put(target)


def test_a_store_that_refuses_all_objects_for_half_a_minute_is_not_asked_for_the_rest(clock: Clock) -> None:
    target = bucket(clock, None, *[REFUSED] * 10_000)
    put(target)
    incomplete = 0
    with pytest.raises(Unreachable):  # noqa: PT012 - the last of many
        while True:
            try:
                put(target)
            except Incomplete:
                incomplete += 1
    assert 2_900 < incomplete < 3_100


@pytest.mark.parametrize("why", [Why.REFUSED, Why.WRONG, Why.GONE])
def test_what_this_role_may_not_look_for_is_left_behind(why: Why, clock: Clock) -> None:
    target = bucket(clock, Trouble(why, "no"))
    assert target.tidy("v1") == 0


@pytest.mark.parametrize("why", [Why.REFUSED, Why.WRONG, Why.GONE])
def test_a_listing_that_is_refused_is_not_asked_for_again(why: Why, clock: Clock) -> None:
    target = bucket(clock, Trouble(why, "no"))
    with pytest.raises(Unreachable, match="no"):
        list(target.below("v1/"))
    assert target.wire.asked == 1  # type: ignore[attr-defined]
