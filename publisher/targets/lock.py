"""The lock object of a release: who publishes it, from where, since when, and a beat that shows the holder alive.

It is taken, kept and given back by conditional overwrites of `<version>/.release/lock.json`, never by a delete. A lock
that stands still for LEASE_SECONDS is a dead holder's and taken over: for another machine's, this one watches it for so
long by its own clock; processes of one machine have one clock, and see each other end.

A holder that was only asleep finds out before its next put, because it counts how long ago its own beat was accepted.
The commit record is conditional besides. A store that ignores conditions keeps no two apart that come at one moment.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from publisher.errors import Locked, Problem, PublisherError
from publisher.objects import Headers
from publisher.record import folder

LEASE_SECONDS = 60.0  # a beat that stands still for so long is a dead holder's
BEAT_SECONDS = 10.0
SAFE_SECONDS = 30.0  # without a beat for so long, a holder asks whether it still is one, well before others take over
_HEADERS = Headers("application/json", None, "no-cache")
_ENDED = "ended"


class Place(Protocol):
    """Where the lock object lies."""

    url: str

    def swap(
        self, key: str, change: Callable[[bytes | None], bytes | None], headers: Headers, *, sure: bool = False
    ) -> None:
        """Replace it, where it is still what was read."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. `nonce` is this very holding, "" where nobody does; `fence` counts the holdings."""

    nonce: str = ""
    fence: int = 0
    beat: int = 0
    beaten: float = 0.0  # when, in seconds since the machine started
    host: str = ""
    boot: str = ""
    pid: int = 0
    started: str = ""  # of the process, as the system counts it: a pid alone is used again
    since: str = ""

    def told(self) -> str:
        """Return who it is, in words."""
        if self.pid:
            return f"process {self.pid} of {self.host}, since {self.since}"
        return "a program that cannot be understood here" if self.nonce else "nobody"


def key_of(version: str) -> str:
    """Return the key of a release's lock."""
    return f"{folder(version)}/lock.json"


def canary_of(version: str) -> str:
    """Return the key of the probe for conditional writes."""
    return f"{folder(version)}/canary"


@contextmanager
def held(place: Place, version: str) -> Iterator[Holding]:
    """Hold the lock of a release as long as this lasts; raise Locked, naming the holder, where somebody else does."""
    holding = Holding(place, version)
    holding.take()
    beats = Thread(target=holding.keep, name="lock", daemon=True)
    beats.start()
    try:
        yield holding
    finally:
        holding.over.set()
        beats.join()
        holding.give_back()


class Holding:
    """One publisher's hold of a lock."""

    def __init__(self, place: Place, version: str) -> None:
        """Take the place and the release; nothing is written yet."""
        now = dt.datetime.now().astimezone().isoformat(timespec="seconds")
        pid, host = os.getpid(), socket.gethostname()
        self.me = Holder(secrets.token_hex(8), host=host, boot=_boot(), pid=pid, started=_started(pid), since=now)
        self._place, self._key = place, key_of(version)
        self._one = Lock()  # beat at a time, which many may wait for
        self._seen: bytes | None = None  # the lock as it is while somebody else has it
        self._taken_by: Holder | None = None
        self.over = Event()

    def take(self) -> None:
        """Take the lock: at once where it is free or its holder is dead for certain, else once it has stood still."""
        watched, since = None, 0.0
        while True:
            still = watched if now() - since > LEASE_SECONDS else None
            self._place.swap(self._key, partial(self._claim, still), _HEADERS)
            if self._seen is None:
                return
            rival = _parse(self._seen)
            if _here(rival) or watched not in {None, self._seen}:
                raise self._locked(f"is held by {rival.told()}", "wait for it, or stop it")
            if watched is None:
                watched, since = self._seen, now()  # from after it was seen, however long that took
            time.sleep(BEAT_SECONDS / 10)

    def _claim(self, still: bytes | None, data: bytes | None) -> bytes | None:
        """Return the lock as ours where it can be taken, else remember it; `still` is one that stood still."""
        there = _parse(data)
        self._seen = data if there.nonce and data != still and not _dead(there) else None
        if self._seen is not None:
            return None
        self.me = replace(self.me, fence=there.fence + 1, beaten=now())
        return _dump(self.me)

    def keep(self) -> None:
        """Beat until it is over."""
        while not self.over.wait(BEAT_SECONDS):
            with self._one, suppress(PublisherError):  # `check` finds out, when too much time has passed
                self._beat()

    def check(self) -> None:
        """Raise Locked where another has taken over; ask, where one could have while this process slept."""
        if os.getpid() != self.me.pid:
            raise self._locked(f"is held by {self.me.told()}, and not by what was forked from it", "have it publish")
        while self._doubtful():  # again where the answer itself took so long
            with self._one:
                if self._doubtful():
                    self._beat()
        if self._taken_by is not None:
            message = f"was taken over by {self._taken_by.told()}: nothing was heard of this process for too long"
            raise self._locked(message, "once it is done, run the same command again")

    @property
    def until(self) -> float:
        """Until when, by `now`, no put need ask."""
        return self.me.beaten + SAFE_SECONDS

    def give_back(self) -> None:
        """Say that the lock is free, if it is still ours; what fails here stands still, and is taken over later."""
        free = replace(self.me, nonce="")
        with suppress(PublisherError):
            self._swap(lambda data: _dump(free) if self._mine(_parse(data)) else None)

    def _doubtful(self) -> bool:
        return self._taken_by is None and now() > self.until

    def _beat(self) -> None:
        next_ = self.me

        def beat(data: bytes | None) -> bytes | None:
            nonlocal next_
            if not self._mine(there := _parse(data)):
                self._taken_by = there
                return None
            next_ = replace(self.me, beat=self.me.beat + 1, beaten=now())
            return _dump(next_)

        self._swap(beat)
        self.me = next_

    def _swap(self, change: Callable[[bytes | None], bytes | None]) -> None:
        """Change the lock, without a look at it as long as nobody can have taken over, whether the store minds conditions or not."""
        self._place.swap(self._key, change, _HEADERS, sure=now() < self.until)

    def _mine(self, there: Holder) -> bool:
        """Whether a lock is this holding's; what was forked from the holder has no say in it."""
        return there.nonce == self.me.nonce and os.getpid() == self.me.pid

    def _locked(self, message: str, hint: str) -> Locked:
        return Locked(Problem(f"{self._place.url.rstrip('/')}/{self._key}", message, hint))


@cache
def _adapter() -> TypeAdapter[Holder]:
    return TypeAdapter(Holder)


def _parse(data: bytes | None) -> Holder:
    """Read a lock; what cannot be read is another program's, for as long as it does not stand still."""
    if not data:
        return Holder()
    try:
        return _adapter().validate_json(data)
    except ValidationError:
        return Holder("?")


def _dump(holder: Holder) -> bytes:
    return json.dumps(asdict(holder), indent=1).encode() + b"\n"


def _here(holder: Holder) -> bool:
    """Whether it is a process that can be seen from here."""
    return holder.host == socket.gethostname() and holder.boot == _boot() != ""


def _dead(holder: Holder) -> bool:
    """Whether it is certainly dead: a process of this machine that has ended, or has not beaten for its time."""
    if not _here(holder):
        return False
    ended = holder.started != "" and _started(holder.pid) not in {holder.started, ""}
    return ended or now() - holder.beaten > LEASE_SECONDS


def _boot() -> str:
    """Return what names this start of this machine, and among its containers those that see the same processes."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the machine did; "ended" where there is none, "" where it is hidden."""
    with suppress(OSError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        return _ENDED if fields[0] in "ZX" else fields[19]
    try:
        os.kill(pid, 0)  # no signal, but it tells of processes that /proc hides from other users
    except ProcessLookupError:
        return _ENDED
    except (OSError, OverflowError):
        pass
    return ""


def now() -> float:
    """Return seconds that also pass while this machine sleeps, the same for all its processes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
