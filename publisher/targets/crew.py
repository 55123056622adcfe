"""Copies of this process that store objects beside it: one interpreter hashes and signs no more than one core can.

They are made while this process has no threads yet, wait until there is something to put, and have each a lane of their
own. What one of them cannot do, in foul weather or at all, comes back and goes the usual way; so does what a copy had
that has died. https://docs.python.org/3/library/marshal.html: both ends are the same Python.
"""

from __future__ import annotations

import marshal
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Protocol

from publisher.aside import alone, copied
from publisher.errors import PublisherError
from publisher.objects import Entry, Form, ObjectSpec
from publisher.packed import packed_spec, unpacked_spec
from publisher.targets.base import Lane
from publisher.targets.lock import now
from publisher.targets.pace import AdaptivePace
from publisher.targets.wire import Trouble, Why

MOST = 8  # copies: who gives them work has no time for more
BATCH = 64  # orders in one message
AHEAD_US = 30_000  # of work that a copy has before it: more than this process is ever busy with something else
WAIT_SECONDS = 1.0
SILENT_SECONDS = 400.0  # longer than a request may take: a copy that says nothing was stopped, or its disk was

Answered = tuple[int, Entry | None, str]


class Own(Lane, Protocol):
    """A lane on which one process sends."""

    room_bytes: int
    """How much of what is on its way is held in memory."""

    def reaches(self, spec: ObjectSpec) -> bool:
        """Whether an object can go such a way now, if not from a thread that has others to see to."""

    def watch(self, descriptor: int) -> None:
        """Have `answers` return also when this can be read."""

    def forget(self, descriptor: int) -> None:
        """Watch it no longer."""


class Employer(Protocol):
    """Whose objects they are, in this process and in each copy of it."""

    pace: AdaptivePace
    stored: bool
    missed: dict[str, Trouble]

    def own_lane(self) -> Own | None:
        """Open a lane, where there is one now."""


@contextmanager
def hired(of: Employer) -> Iterator[list[Member]]:
    """Make copies as long as this lasts; none where this process is not alone, or has one core, or no lane."""
    members: list[Member] = []
    with ExitStack() as ends:
        if alone() and (lane := of.own_lane()) is not None:
            lane.close()
            several = min(MOST, _cores() - 1)
            for _ in range(several):
                ours, theirs = socket.socketpair()
                others = [*(each.end for each in members), ours]
                leave = ends.enter_context(copied(partial(_serve, of, theirs, others, several + 1)))
                theirs.close()
                members.append(Member(ends.enter_context(ours), leave))
        yield members


class Crew:
    """A lane of this process and those of its copies, as one."""

    def __init__(self, own: Own, members: Iterable[Member], of: Employer) -> None:
        """Take them."""
        self._own, self._of = own, of
        self._members = [member for member in members if not member.gone]
        self._cores = _cores()
        own.room_bytes //= len(self._members) + 1
        for member in self._members:
            own.watch(member.end.fileno())
        self.nudge = own.nudge

    def close(self) -> None:
        """Leave what is on its way, and have nothing more begun."""
        for member in self._members:
            member.leave()
        self._own.close()

    @property
    def flying(self) -> int:
        """How many puts are on their way, or before a copy."""
        return self._own.flying + sum(len(member.given) for member in self._members)

    @property
    def full(self) -> bool:
        """Whether none of them takes one more now."""
        return self._own.full and self._free() is None

    def takes(self, spec: ObjectSpec) -> bool:
        """Whether an object can be put here now; cores that have no copy are used by threads, for what takes long."""
        can = len(self._members) + 1 >= self._cores or self._free() is not None
        return self._own.reaches(spec) if can else self._own.takes(spec)

    def put(self, number: int, spec: ObjectSpec, *, create: bool = False, over: str = "", until: float) -> None:
        """Have a copy store an object, or store it from here where all have enough before them."""
        member = self._free()
        if member is None:
            self._own.put(number, spec, create=create, over=over, until=until)
        else:
            member.give(number, spec, create=create, over=over, until=until, cap=self._cap)

    def answers(self, seconds: float) -> Iterator[Answered]:
        """Yield what has ended."""
        for member in self._members:
            member.post(self._cap)
        yield from self._own.answers(seconds)
        for member in self._members:
            yield from member.answers(self._of)
        for member in [member for member in self._members if member.gone]:
            self._own.forget(member.end.fileno())
            self._members.remove(member)

    @property
    def _cap(self) -> int:
        return max(1, self._of.pace.cap // (len(self._members) + 1))

    def _free(self) -> Member | None:
        """Return the copy with the least before it, where that is not enough."""
        least = min(self._members, key=lambda member: member.before_us, default=None)
        return None if least is None or least.before_us >= AHEAD_US else least


class Member:
    """One copy, as it is seen from here."""

    def __init__(self, end: socket.socket, leave: Callable[[], None]) -> None:
        """Take this end of what leads to it, and what ends it."""
        self.end, self.leave = end, leave
        self.given: dict[int, ObjectSpec] = {}  # and not answered, by their numbers
        self.before_us = 0  # of work that it has not begun
        self.gone = False
        self._heard = 0.0
        self._orders: list[tuple[Any, ...]] = []
        self._letters = _Letters(end)

    def give(self, number: int, spec: ObjectSpec, *, create: bool, over: str, until: float, cap: int) -> None:
        """Have it store an object, if that can begin before `until`."""
        self._orders.append((number, create, over, until, packed_spec(spec)))
        if not self.given:
            self._heard = monotonic()
        self.given[number] = spec
        self.before_us += _cost_us(spec)
        if len(self._orders) >= BATCH:
            self.post(cap)

    def post(self, cap: int) -> None:
        """Send what is not sent; `cap` is how many requests it may have in flight, in the store's present mood."""
        if self._orders:
            self._letters.write((cap, self._orders))
            self._orders = []
        self._letters.push()

    def answers(self, of: Employer) -> Iterator[Answered]:
        """Yield what it has answered, and all that it had where it has died."""
        for begun_us, answers in self._letters.read():
            self._heard = monotonic()
            self.before_us -= begun_us
            for number, row, tag, trouble in answers:
                spec = self.given.pop(number)
                if row:
                    of.pace.ran(inf)  # how long it took is the affair of its own lane
                    of.stored = True
                    yield number, Entry._make((spec.key, spec.artifact, *row, spec.headers)), tag
                    continue
                if trouble:
                    of.missed[spec.key] = Trouble(Why(trouble[0]), trouble[1], retry_after=trouble[2])
                yield number, None, ""
        if self._letters.ended:
            self.gone = True
            for number in self.given:  # whatever it has stored of these is found there
                yield number, None, ""
            self.given.clear()
        elif self.given and monotonic() - self._heard > SILENT_SECONDS:
            self.leave()  # so that it has ended


class _Letters:
    """Messages to and fro, each after its length; writing waits for nobody."""

    def __init__(self, end: socket.socket) -> None:
        self._end, self._in, self._out = end, bytearray(), bytearray()
        self.ended = False

    def write(self, message: tuple[Any, ...]) -> None:
        data = marshal.dumps(message)
        self._out += struct.pack("<I", len(data)) + data

    def push(self, flags: int = socket.MSG_DONTWAIT) -> None:
        try:
            while self._out:
                del self._out[: self._end.send(self._out, flags)]
        except BlockingIOError:
            return
        except OSError:
            self.ended = True

    def read(self) -> Iterator[Any]:
        """Yield what has come."""
        try:
            while data := self._end.recv(1 << 18, socket.MSG_DONTWAIT):
                self._in += data
            self.ended = True
        except BlockingIOError:
            pass  # that was all
        except OSError:
            self.ended = True
        start = 0
        while len(self._in) - start >= 4:  # noqa: PLR2004 - a length
            end = start + 4 + int.from_bytes(self._in[start : start + 4], "little")
            if len(self._in) < end:
                break
            yield marshal.loads(self._in[start + 4 : end])  # noqa: S302 - from a copy of this very process
            start = end
        del self._in[:start]


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _cost_us(spec: ObjectSpec) -> int:
    """Return about how long a core takes for an object."""
    return 60 + spec.size_bytes // (60 if spec.form is Form.GZIP else 1000)


def _serve(of: Employer, end: socket.socket, others: Iterable[socket.socket], lanes: int) -> None:
    """Store what is ordered, in a copy, until the other end is closed; so many `lanes` share the memory."""
    for other in others:
        other.close()
    if (lane := of.own_lane()) is not None:
        lane.watch(end.fileno())
        lane.room_bytes //= lanes
        _Hand(of, lane, _Letters(end)).work()


class _Hand:
    """What a copy does."""

    def __init__(self, of: Employer, lane: Own, letters: _Letters) -> None:
        self._of, self._lane, self._letters = of, lane, letters
        self._orders: deque[tuple[Any, ...]] = deque()
        self._keys: dict[int, str] = {}  # of what is on its way

    def work(self) -> None:
        orders, lane = self._orders, self._lane
        while not self._letters.ended:
            for cap, more in self._letters.read():
                self._of.pace.follow(cap)
                orders.extend(more)
            begun_us, answers = 0, []
            while orders and not lane.full:
                number, create, over, until, packed = orders.popleft()
                spec = unpacked_spec(packed)
                begun_us += _cost_us(spec)
                if not self._begin(number, spec, create=create, over=over, until=until):
                    answers.append((number, None, "", None))
            busy = begun_us or answers
            answers += map(self._told, lane.answers(0 if busy else WAIT_SECONDS))
            if busy or answers:
                self._letters.write((begun_us, answers))
                self._letters.push(0)

    def _begin(self, number: int, spec: ObjectSpec, *, create: bool, over: str, until: float) -> bool:
        if now() > until or not self._lane.reaches(spec):
            return False
        try:
            self._lane.put(number, spec, create=create, over=over, until=until)
        except PublisherError:  # which the usual way comes to, too, and tells
            return False
        self._keys[number] = spec.key
        return True

    def _told(self, answered: Answered) -> tuple[Any, ...]:
        number, entry, tag = answered
        trouble = self._of.missed.pop(self._keys.pop(number), None)
        told = (
            trouble and trouble.why is not Why.EXPIRED
        )  # of that each process hears for itself, and asks for new ones
        why = (trouble.why.value, trouble.message, trouble.retry_after) if trouble and told else None
        return number, entry and entry[2:6], tag, why
