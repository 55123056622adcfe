"""What a step tells of its progress. Steps know only this; the command line decides what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Protocol


class Meter(Protocol):
    """One running step."""

    def advance(self, objects: int, size_bytes: int) -> None:
        """Say that so many more objects and bytes are done. Called from one thread."""


class Progress(Protocol):
    """Where meters come from."""

    def step(self, name: str, objects: int | None = None, size_bytes: int | None = None) -> Meter:
        """Start a step; totals are None where they are not known beforehand."""


class Silence:
    """Shows nothing: for tests, and for those who use the steps as a library."""

    def step(self, name: str, objects: int | None = None, size_bytes: int | None = None) -> Meter:
        """Start a step that nobody watches."""
        del name, objects, size_bytes
        return self

    def advance(self, objects: int, size_bytes: int) -> None:
        """Count for nobody."""


SILENCE = Silence()


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Record how long a step took, in seconds, also when it fails."""
    start = perf_counter()
    try:
        yield
    finally:
        seconds[step] = round(perf_counter() - start, 3)
