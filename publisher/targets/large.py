"""A large object on its way: several parts at once, and the checksum of the whole from theirs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from publisher.targets.parts import Crc32c, joined
from publisher.targets.wire import Large

Parts = Callable[[int], Iterator[tuple[bytes, bool]]]
"""The bytes of an object in parts of a size, and whether each is the last."""


def send(large: Large, parts: Parts, persist: Callable[[Callable[[], None]], None]) -> tuple[int, str]:
    """Send what has not arrived yet, each part until it is there; return the size and the checksum of the whole."""

    def part(number: int, data: bytes, *, last: bool) -> tuple[str, int]:
        crc32c = Crc32c(data).text
        if not large.arrived(number, data, crc32c):
            persist(lambda: large.send(number, data, crc32c, last=last))
        return crc32c, len(data)

    total, size = Crc32c().text, 0
    flying: deque[Future[tuple[str, int]]] = deque()
    with ThreadPoolExecutor(large.abreast) as pool:
        for number, (data, last) in enumerate(parts(large.part_bytes)):
            size += len(data)
            if len(flying) == large.abreast:
                total = joined(total, *flying.popleft().result())
            flying.append(pool.submit(part, number, data, last=last))
        for future in flying:
            total = joined(total, *future.result())
    return size, total
