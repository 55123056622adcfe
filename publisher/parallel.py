"""Work in threads on a stream, in order, with a bounded number in flight: memory does not grow with the stream."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def workers() -> int:
    """Return how many threads keep the disk and the cores busy: hashing and gzip release the interpreter's lock."""
    return min(16, 2 * (os.cpu_count() or 1))


def ordered_map(
    function: Callable[[A], B], items: Iterable[A], *, threads: int | None = None, window: int = 256
) -> Iterator[B]:
    """Yield `function(item)` in the order of `items`, at most `window` of them begun and not yet taken.

    The first exception, in order, is raised where its result would be; what is not begun then never begins.
    """
    pool = ThreadPoolExecutor(threads or workers())
    flying: deque[Future[B]] = deque()
    source = iter(items)
    try:
        flying.extend(pool.submit(function, item) for item in islice(source, window))
        while flying:
            result = flying.popleft().result()
            flying.extend(pool.submit(function, item) for item in islice(source, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
