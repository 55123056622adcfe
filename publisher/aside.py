"""Work beside this thread: on another core, in a copy of this process, where the system and its state allow that."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, NoReturn, TypeVar

from publisher.progress import Meter, Progress

T = TypeVar("T")

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@contextmanager
def aside(function: Callable[[Progress], T], progress: Progress) -> Iterator[Callable[[], T]]:
    """Begin to work; the call that is given waits for the result, which must be one that can be pickled.

    Where no copy can be made, or the copy fails, the call does the work itself: so what it raises is raised there. The
    copy ends with this block, and with this process, however that ends.
    """
    if not alone():
        yield lambda: function(progress)
        return
    read, write = os.pipe()
    with copied(lambda: _work(function, read, write)):
        os.close(write)
        with open(read, "rb") as told:  # noqa: PTH123 - a descriptor
            yield lambda: _result(told, progress, partial(function, progress))


@contextmanager
def copied(work: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Work in a copy of this process, which must be alone; it ends with this block, and with this process, however that ends.

    The call that is given ends it earlier; once that returns, it does nothing any more.
    """
    parent = os.getpid()
    if (child := os.fork()) == 0:
        _live(work, parent)

    there = True

    def end() -> None:
        if there:
            os.kill(child, signal.SIGKILL)
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    try:
        yield end
    finally:
        end()
        there = False
        os.waitpid(child, 0)


def alone() -> bool:
    """Whether this process can be copied: other threads would be missing from the copy, and what they hold be held for ever."""
    if not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2:  # noqa: PLR2004 - two cores
        return False
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        return False  # nobody could wait for the copy: its number may be another's at once
    return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - names suffice


def _live(work: Callable[[], None], parent: int) -> NoReturn:
    """Work, and end: nothing that this process would do at its end is done twice."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts both; this one is ended by the other
        if os.getppid() == parent:
            work()
            status = 0
    finally:
        os._exit(status)


def _work(function: Callable[[Progress], T], read: int, write: int) -> None:
    """Work in the copy, and tell the result."""
    os.close(read)
    with open(write, "wb") as out:
        pickle.dump(("done", function(_Told(out))), out)


def _result(told: IO[bytes], progress: Progress, again: Callable[[], T]) -> T:
    """Pass on the progress of the copy until it has the result; where it ends without one, work again."""
    meter: Meter | None = None
    while True:
        try:
            word, *values = pickle.load(told)  # noqa: S301 - of our own copy
        except (EOFError, pickle.UnpicklingError):  # it has ended, maybe in the middle of a word
            return again()
        if word == "done":
            return values[0]  # type: ignore[no-any-return]
        if word == "step":
            meter = progress.step(*values)
        elif meter is not None:
            meter.advance(*values)


class _Told:
    """Progress, and its meter, in the copy: told to the process that it was made of."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def step(self, name: str, objects: int | None = None, size_bytes: int | None = None) -> _Told:
        self._say("step", name, objects, size_bytes)
        return self

    def advance(self, objects: int, size_bytes: int) -> None:
        self._say("advance", objects, size_bytes)

    def _say(self, *words: object) -> None:
        pickle.dump(words, self._out)
        self._out.flush()
