"""The lock object of a release: who publishes it, from where, since when, and a beat that shows the holder alive.

It is taken, kept and given back by conditional overwrites of `<version>/.release/lock.json`, never by a delete. Time is
measured by the waiting machine alone: a lock whose beat does not change for as long as its holder promised is taken
over. The holder who was only asleep finds out before its next put, because it too counts how long ago its own beat was
accepted, and the commit record is conditional besides.
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
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from publisher.errors import Locked, Problem, PublisherError
from publisher.objects import Headers
from publisher.record import folder

LEASE_SECONDS = 60.0  # a beat that stands still for so long is a dead holder's
BEAT_SECONDS = 10.0
SAFE_SECONDS = 30.0  # without a beat for so long, a holder stops by itself, well before others may take over
_HEADERS = Headers("application/json", None, "no-cache")


class Place(Protocol):
    """Where the lock object lies."""

    url: str

    def read(self, key: str) -> bytes | None:
        """Return its bytes."""

    def swap(self, key: str, change: Callable[[bytes | None], bytes | None], headers: Headers) -> None:
        """Replace it, where it is still what was read."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. `nonce` is this very holding, "" when it was given back; `fence` counts the holdings."""

    nonce: str
    fence: int
    beat: int
    host: str
    boot: str
    pid: int
    started: str  # of the process, as the system counts it: a pid alone is used again
    since: str

    def told(self) -> str:
        """Return who it is, in words."""
        return f"process {self.pid} of {self.host}, since {self.since}"


def key_of(version: str) -> str:
    """Return the key of a release's lock."""
    return f"{folder(version)}/lock.json"


@contextmanager
def held(place: Place, version: str) -> Iterator[Holding]:
    """Hold the lock of a release as long as this lasts; raise Locked, naming the holder, where somebody else does."""
    holding = Holding(place, version)
    holding.take()
    beats = Thread(target=holding.keep, daemon=True)
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
        nonce, pid = secrets.token_hex(8), os.getpid()
        self.me = Holder(nonce, 0, 0, socket.gethostname(), _boot(), pid, _started(pid), now)
        self._place, self._key = place, key_of(version)
        self._beaten = 0.0
        self._lost: Locked | None = None
        self._rival: Holder | None = None
        self.over = Event()

    def take(self) -> None:
        """Take the lock: at once where it is free or its holder is a dead process of this host, else when its time is over."""
        watched, since = None, _now()
        while True:
            self._beaten = _now()
            stands = watched is not None and _now() - since > LEASE_SECONDS
            self._place.swap(self._key, lambda data: self._claim(data, watched if stands else None), _HEADERS)  # noqa: B023
            if self._rival is None:
                return
            beat = (self._rival.nonce, self._rival.beat)
            if _alive(self._rival) or watched not in {None, beat}:
                raise self._of(self._rival)
            watched = beat
            time.sleep(BEAT_SECONDS / 10)

    def _claim(self, data: bytes | None, dead: tuple[str, int] | None) -> bytes | None:
        """Return the lock as ours where it can be taken, else remember whose it is; `dead` is a beat that stood still."""
        there = _parse(data)
        if there is None or not there.nonce or _dead(there) or dead == (there.nonce, there.beat):
            self._rival, self.me = None, replace(self.me, fence=there.fence + 1 if there else 1)
            return _dump(self.me)
        self._rival = there
        return None

    def keep(self) -> None:
        """Beat until it is over."""
        while not self.over.wait(BEAT_SECONDS):
            with suppress(PublisherError):  # `check` finds out, when too much time has passed
                self._beat()

    def check(self) -> None:
        """Raise Locked where another has taken over, or could have, while this process slept."""
        if self._lost is None and _now() - self._beaten > SAFE_SECONDS:
            self._beat()
        if self._lost is not None:
            raise self._lost

    def give_back(self) -> None:
        """Say that the lock is free, if it is still ours; what fails here is found dead later."""
        free = replace(self.me, nonce="")
        with suppress(PublisherError):
            self._place.swap(self._key, lambda data: _dump(free) if self._mine(data) else None, _HEADERS)

    def _beat(self) -> None:
        now, next_ = _now(), replace(self.me, beat=self.me.beat + 1)

        def beat(data: bytes | None) -> bytes | None:
            if self._mine(data):
                return _dump(next_)
            self._lost = self._of(_parse(data))
            return None

        self._place.swap(self._key, beat, _HEADERS)
        if self._lost is None:
            self.me, self._beaten = next_, now

    def _mine(self, data: bytes | None) -> bool:
        there = _parse(data)
        return there is not None and there.nonce == self.me.nonce

    def _of(self, there: Holder | None) -> Locked:
        holder = there.told() if there and there.nonce else "nobody: the lock was taken away"
        return Locked(Problem(f"{self._place.url}/{self._key}", f"is held by {holder}", "wait for it, or stop it"))


def _parse(data: bytes | None) -> Holder | None:
    """Read a lock; what is no lock of ours is nobody's."""
    try:
        return Holder(**json.loads(data)) if data else None
    except (ValueError, TypeError):
        return None


def _dump(holder: Holder) -> bytes:
    return json.dumps(asdict(holder), indent=1).encode() + b"\n"


def _here(holder: Holder) -> bool:
    return holder.host == socket.gethostname() and holder.boot == _boot() != ""


def _alive(holder: Holder) -> bool:
    """Whether it is certainly a living process, of this host."""
    return _here(holder) and _started(holder.pid) == holder.started != ""


def _dead(holder: Holder) -> bool:
    """Whether it is certainly a dead process, of this host."""
    return _here(holder) and holder.started != "" and _started(holder.pid) != holder.started


def _boot() -> str:
    """Return what names this start of this machine; containers of one machine share it, but not their host's name."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the machine did; "" where there is none, or none that can be seen."""
    with suppress(OSError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    return ""


def _now() -> float:
    """Return seconds that also pass while this machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
