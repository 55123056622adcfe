"""A stream that another thread runs ahead."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from threading import Event

import pytest

from publisher.targets.ahead import BLOCK, BLOCKS, Ahead


def test_it_is_the_same_stream_and_each_block_was_seen() -> None:
    seen: list[int] = []
    assert list(Ahead(iter(range(12_345)), seen.extend)) == seen == list(range(12_345))


def test_it_runs_only_so_far_ahead() -> None:
    taken = count()
    ahead = Ahead(iter(lambda: next(taken), -1))
    items = iter(ahead)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    time.sleep(0.2)
    assert next(taken) <= (BLOCKS + 2) * BLOCK
    ahead.leave()


def test_what_it_raises_is_raised_where_it_would_be() -> None:
    def items() -> Iterator[int]:
        yield from range(BLOCK)
        raise LookupError("planted")

    ahead = Ahead(items())
    found: list[int] = []
    with pytest.raises(LookupError, match="planted"):
        found.extend(iter(ahead))
    assert found == list(range(BLOCK))


def test_who_left_waits_for_nothing() -> None:
    over = Event()

    def items() -> Iterator[int]:
        for number in count():
            if over.wait(0.001):
                return
            yield number

    ahead = Ahead(items())
    ahead.leave()
    ahead.drain()
    assert ahead.ended
    over.set()
