"""Work in threads: in order, bounded, and no more of it begins once something has failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from publisher.parallel import Room, Steady, ordered_map


def test_results_come_in_order_whatever_finishes_first() -> None:
    def slow(number: int) -> int:
        time.sleep(0.002 * (number % 7))
        return number * 2

    assert list(ordered_map(slow, range(300), pace=Steady(8))) == [number * 2 for number in range(300)]
    assert list(ordered_map(slow, [], pace=Steady(8))) == []
    assert list(ordered_map(slow, [1], pace=Steady(1))) == [2]


def test_what_has_an_answer_at_once_goes_to_no_thread() -> None:
    threads = set()

    def work(number: int) -> str:
        threads.add(threading.get_ident())
        return f"worked {number}"

    def at_once(number: int) -> str | None:
        return f"quick {number}" if number % 3 else None

    found = list(ordered_map(work, range(1000), at_once=at_once, pace=Steady(4)))
    assert found == [at_once(number) or f"worked {number}" for number in range(1000)]
    assert threading.get_ident() not in threads


def test_no_more_than_the_window_is_begun_before_it_is_taken() -> None:
    pulled: list[int] = []

    def source() -> Iterator[int]:
        for number in range(10_000):
            pulled.append(number)
            yield number

    for taken, _ in enumerate(ordered_map(lambda number: number, source(), pace=Steady(4), window=50), 1):
        assert len(pulled) <= taken + 50


def test_one_that_is_slow_does_not_hold_up_the_others() -> None:
    done: list[int] = []
    release = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            release.wait(10)
        done.append(number)
        return number

    results = ordered_map(work, range(2000), pace=Steady(4))
    first = threading.Thread(target=lambda: next(results))
    first.start()
    deadline = time.monotonic() + 10
    # All that the other hands were given is done; what is in the batch of the slow one waits with it.
    while len(done) < 40 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(done) >= 40
    release.set()
    first.join()
    assert list(results) == list(range(1, 2000))


def test_the_first_failure_in_order_is_raised_and_nothing_more_begins() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number >= 100:
            raise ValueError(number)
        return number

    results = ordered_map(work, range(100_000), pace=Steady(4))
    taken: list[int] = []
    with pytest.raises(ValueError, match="100"):
        taken.extend(results)
    assert taken == list(range(100))
    assert len(begun) < 1000
    assert not [
        thread for thread in threading.enumerate() if thread is not threading.main_thread() and "_work" in thread.name
    ]


class Changing:
    """A pace that says another number each time it is asked."""

    def __init__(self, *limits: int) -> None:
        self.limits = list(limits)

    @property
    def limit(self) -> int:
        return self.limits.pop(0) if len(self.limits) > 1 else self.limits[0]


@pytest.mark.parametrize("limits", [(1, 2, 64, 1), (64, 1, 1, 1), (16, 3, 200, 5, 7)])
def test_hands_come_and_go_as_the_pace_says(limits: tuple[int, ...]) -> None:
    now, most, lock = 0, 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.0005)
        with lock:
            now -= 1
        return number

    assert list(ordered_map(work, range(3000), pace=Changing(*limits))) == list(range(3000))
    assert most <= max(limits)


def test_a_room_holds_so_many_bytes_and_who_wants_all_has_it_alone() -> None:
    room, held, most, lock = Room(1 << 20), 0, 0, threading.Lock()

    def work(size: int) -> int:
        nonlocal held, most
        with room.of(size):
            with lock:
                held += size
                most = max(most, held)
            time.sleep(0.0005)
            with lock:
                held -= size
        return size

    sizes = [300_000, 600_000, 5_000_000, 900_000, 100_000] * 40
    assert list(ordered_map(work, sizes, pace=Steady(16))) == sizes
    assert most <= 5_000_000
    assert held == 0
