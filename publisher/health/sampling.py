"""Which of many things are opened: the same ones each time, and a bounded number of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import TypeVar

from publisher.health.subject import Depth
from publisher.objects import Finding

# How many things of a layer are opened at each depth; None is all of them.
MOST: dict[Depth, int | None] = {"quick": 0, "sample": 200, "full": None}

T = TypeVar("T")


def chosen(items: Iterable[T | Finding], most: int | None, seed: str) -> Iterator[T | Finding]:
    """Yield every finding as it comes, and then all things, or so many of them by chance, in their order.

    Memory: the things that are chosen.
    """
    if most is None:
        yield from items
        return
    numbers = random.Random(seed)  # noqa: S311 - a sample, not a secret
    kept: list[tuple[int, T]] = []
    count = 0
    for item in items if most else ():
        if isinstance(item, Finding):
            yield item
            continue
        if count < most:
            kept.append((count, item))
        elif (at := numbers.randrange(count + 1)) < most:
            kept[at] = (count, item)
        count += 1
    yield from (item for _, item in sorted(kept, key=lambda pair: pair[0]))
