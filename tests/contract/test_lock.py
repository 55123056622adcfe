"""The lock of a release in a bucket: one publisher at a time, the others told; the dead are found out, and stay dead."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Event, Thread
from threading import Lock as Mutex
from types import SimpleNamespace
from typing import Any, Self

import pytest

from publisher import pipeline, record
from publisher.errors import Conflict, Locked, Problem, Unreachable
from publisher.ledger import Ledger
from publisher.objects import Headers
from publisher.targets import Target, lock, open_target, pace
from tests.nursery import Nursery
from tests.rig import mortal
from tests.servers import faults
from tests.servers.faults import Answer, Fault, FaultProxy, Forward, Request
from tests.servers.rclone import RcloneS3
from tests.servers.s3 import S3Server
from tests.servers.seaweed import Seaweed
from tests.shop import LOCK, POINTER, RECORD, Shop, at_point, fill, is_data, put

SHORT = {"LEASE_SECONDS": 1.0, "BEAT_SECONDS": 0.1, "SAFE_SECONDS": 0.4}
RACERS = 16
LOCKED, CONFLICT = Locked.exit_code, Conflict.exit_code


# Who takes it when: by a clock that stands still until somebody waits, at a place where others write in between.


@dataclass
class Clock:
    """Time that passes only where somebody sleeps, or where a place is slow."""

    now: float = 1_000_000.0
    passed: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 1_100_000, "it waits for ever"
        self.passed()


@dataclass
class Shelf:
    """One object that is overwritten on conditions, unless it ignores them; hooks run while somebody is about to write."""

    data: bytes | None = None
    strict: bool = True
    url: str = "shelf://releases"
    before_read: Callable[[], object] = lambda: None
    before_write: Callable[[], object] = lambda: None
    written: int = 0
    mutex: Mutex = field(default_factory=Mutex)

    def swap(
        self, key: str, change: Callable[[bytes | None], bytes | None], headers: Headers, *, sure: bool = False
    ) -> None:
        del sure
        assert (key, headers.cache_control) == ("v1/.release/lock.json", "no-cache")
        while True:
            self.before_read()
            there = self.data
            new = change(there)
            if new is None:
                return
            self.before_write()
            with self.mutex:
                if self.data == there or not self.strict:
                    self.data = new
                    self.written += 1
                    return

    @property
    def holder(self) -> lock.Holder:
        return lock.Holder(**json.loads(self.data or b"{}"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(lock, "now", made)
    monkeypatch.setattr(lock, "time", SimpleNamespace(sleep=made.sleep))  # not everybody's
    return made


def elsewhere(**more: object) -> lock.Holder:
    """Return a holder on another machine, who shows no sign of life."""
    told = {"nonce": "n", "fence": 6, "beat": 3, "host": "elsewhere", "boot": "b", "pid": 4711, "started": "5"}
    return lock.Holder(**{**told, "since": "2026-11-21T10:00:00+01:00", **more})  # type: ignore[arg-type]


def here(**more: object) -> lock.Holder:
    """Return a holder on this machine: this very process, but not a holding of it."""
    mine = lock.Holding(Shelf(), "v1").me
    return replace(mine, nonce="n", **more)  # type: ignore[arg-type]


def dump(holder: lock.Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


def hold(shelf: Shelf) -> lock.Holding:
    holding = lock.Holding(shelf, "v1")
    holding.take()
    return holding


def test_a_free_lock_is_taken_and_given_back(clock: Clock) -> None:
    shelf = Shelf()
    start = clock.now
    with lock.held(shelf, "v1") as holding:
        told = shelf.holder
        assert (told.pid, told.host, told.fence) == (os.getpid(), socket.gethostname(), 1)
        holding.check()
    assert shelf.holder == replace(told, nonce="")
    with lock.held(shelf, "v1"):
        assert shelf.holder.fence == 2
    assert clock.now == start
    assert shelf.written == 4


@pytest.mark.parametrize("there", [b"", b"{}", dump(elsewhere(nonce=""))], ids=["empty", "nothing", "given back"])
def test_what_says_that_nobody_has_it_is_taken_at_once(there: bytes, clock: Clock) -> None:
    start = clock.now
    hold(Shelf(there))
    assert clock.now == start


def test_another_machine_s_that_stands_still_is_taken_over_after_its_time(clock: Clock) -> None:
    shelf = Shelf(dump(elsewhere()))
    start = clock.now
    hold(shelf)
    assert lock.LEASE_SECONDS < clock.now - start < lock.LEASE_SECONDS + lock.BEAT_SECONDS
    assert shelf.holder.fence == 7


@pytest.mark.parametrize("beat", [0.0, 9.9, 59.0])
def test_another_machine_s_that_beats_is_held_and_its_holder_named(beat: float, clock: Clock) -> None:
    shelf = Shelf(dump(elsewhere()))
    start = clock.now

    def passed() -> None:
        if clock.now - start > beat:
            shelf.data = dump(elsewhere(beat=4))

    clock.passed = passed
    with pytest.raises(Locked) as caught:
        hold(shelf)
    assert clock.now - start <= beat + lock.BEAT_SECONDS
    assert caught.value.problems == (
        Problem(
            "shelf://releases/v1/.release/lock.json",
            "is held by process 4711 of elsewhere, since 2026-11-21T10:00:00+01:00",
            "wait for it, or stop it",
        ),
    )


def test_a_look_that_takes_minutes_is_none_that_waited(clock: Clock) -> None:
    """The holder beats all the while: what counts is for how long it was *seen* to stand still."""
    shelf, beats, start = Shelf(), iter(range(10_000)), clock.now

    def beat() -> None:
        if clock.now >= start + 10 * (shelf.holder.beat + 1):
            shelf.data = dump(elsewhere(beat=int((clock.now - start) // 10)))

    def slow() -> None:
        if next(beats) == 0:
            clock.sleep(2 * lock.LEASE_SECONDS)

    shelf.data, clock.passed, shelf.before_read = dump(elsewhere(beat=0)), beat, slow
    with pytest.raises(Locked, match="4711 of elsewhere"):
        hold(shelf)


def test_one_that_is_given_back_while_it_is_watched_is_taken(clock: Clock) -> None:
    shelf = Shelf(dump(elsewhere()))
    clock.passed = lambda: setattr(shelf, "data", dump(elsewhere(nonce="")))
    start = clock.now
    hold(shelf)
    assert clock.now - start < lock.BEAT_SECONDS


def test_one_that_another_takes_first_is_the_other_s(clock: Clock) -> None:
    shelf = Shelf()

    def quicker() -> None:
        shelf.data = dump(elsewhere())
        shelf.before_write = lambda: None

    shelf.before_write = quicker
    clock.passed = lambda: setattr(shelf, "data", dump(elsewhere(beat=9)))
    with pytest.raises(Locked, match="4711"):
        hold(shelf)


def test_the_holder_beats_once_more_before_it_would_have_been_taken_over(clock: Clock) -> None:
    shelf = Shelf(dump(elsewhere()))
    since = clock.now

    def quicker() -> None:
        if clock.now - since > lock.LEASE_SECONDS and shelf.holder.beat == 3:
            shelf.data = dump(elsewhere(beat=4))

    shelf.before_write = quicker
    with pytest.raises(Locked, match="4711"):
        hold(shelf)


UNREADABLE = [b"{", b"\xff\xfe", b"[]", b"null", b"17", b'{"nonce": {}}', b'{"nonce": "n", "pid": "many"}']


@pytest.mark.parametrize("there", UNREADABLE)
def test_what_cannot_be_read_is_somebody_s_until_it_has_stood_still(there: bytes, clock: Clock) -> None:
    shelf = Shelf(there)
    start = clock.now
    hold(shelf)
    assert clock.now - start > lock.LEASE_SECONDS
    assert shelf.holder.pid == os.getpid()
    shelf = Shelf(there)
    clock.passed = lambda: setattr(shelf, "data", there + b" ")
    with pytest.raises(Locked, match="is held by a program that cannot be understood here"):
        hold(shelf)


def test_what_a_later_version_says_besides_makes_it_no_less_a_holder(clock: Clock) -> None:
    beats = iter(range(10_000))
    shelf = Shelf(json.dumps(asdict(elsewhere()) | {"more": [1]}).encode())
    clock.passed = lambda: setattr(shelf, "data", json.dumps(asdict(elsewhere()) | {"more": next(beats)}).encode())
    with pytest.raises(Locked, match="4711 of elsewhere"):
        hold(shelf)


# Processes of this machine.


def test_a_living_process_of_this_machine_is_told_at_once(clock: Clock) -> None:
    start = clock.now
    with pytest.raises(Locked, match=f"process {os.getpid()} of {socket.gethostname()}, since 20"):
        hold(Shelf(dump(here(beaten=clock.now - lock.LEASE_SECONDS + 1))))
    assert clock.now == start


def test_a_process_of_this_machine_that_does_not_beat_is_taken_over_without_waiting_again(clock: Clock) -> None:
    """One that was stopped, or that could not give its lock back and does other things now."""
    start = clock.now
    hold(Shelf(dump(here(beaten=clock.now - lock.LEASE_SECONDS - 1))))
    assert clock.now == start


def ended() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_dead_process_of_this_machine_is_taken_over_at_once(clock: Clock) -> None:
    start = clock.now
    hold(Shelf(dump(here(beaten=clock.now, pid=ended()))))
    hold(Shelf(dump(here(beaten=clock.now, started="1"))))  # the pid is another's by now
    assert clock.now == start


def test_a_zombie_is_dead(clock: Clock) -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    try:
        while (stat := Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split())[0] != "Z":
            time.sleep(0.001)
        start = clock.now
        hold(Shelf(dump(here(beaten=clock.now, pid=child, started=stat[19]))))
        assert clock.now == start
    finally:
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    "more",
    [{"host": "elsewhere"}, {"boot": "another start"}, {"boot": ""}],
    ids=["another host", "another start or container", "no Linux"],
)
def test_a_pid_of_elsewhere_says_nothing(more: dict[str, str], clock: Clock) -> None:
    start = clock.now
    hold(Shelf(dump(here(beaten=clock.now, pid=ended(), **more))))
    assert clock.now - start > lock.LEASE_SECONDS


def test_a_process_that_is_hidden_from_this_user_is_not_dead(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /proc is mounted with hidepid."""
    theirs = here(beaten=clock.now, started="1")
    real = Path.read_text

    def hidden(path: Path, *args: str, **more: str) -> str:
        if path == Path(f"/proc/{os.getpid()}/stat"):
            raise FileNotFoundError(path)
        return real(path, *args, **more)

    monkeypatch.setattr(Path, "read_text", hidden)
    with pytest.raises(Locked, match=str(os.getpid())):
        hold(Shelf(dump(theirs)))
    hold(Shelf(dump(replace(theirs, pid=ended()))))  # and one that is not there is


def test_pids_that_are_none_do_no_harm(clock: Clock) -> None:
    for pid in (0, -1, 2**31 - 1, 2**64):
        with suppress(Locked):
            hold(Shelf(dump(here(beaten=clock.now, pid=pid))))


# Keeping it.


def test_a_holder_beats_by_itself_and_goes_on_after_beats_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.001)
    shelf, failures = Shelf(), iter(range(3))

    def fail() -> None:
        if shelf.holder.beat > 3 and next(failures, None) is not None:
            raise Unreachable("planted")

    with lock.held(shelf, "v1"):
        shelf.before_read = fail
        while shelf.holder.beat < 10:
            time.sleep(0.001)
    assert next(failures, None) is None
    after = shelf.data
    time.sleep(0.02)
    assert shelf.data == after
    assert shelf.holder.nonce == ""


def test_a_holder_that_slept_asks_and_goes_on_where_nobody_took_over(clock: Clock) -> None:
    shelf = Shelf()
    holding = hold(shelf)
    holding.check()
    assert shelf.written == 1  # most checks ask nobody
    clock.now += lock.SAFE_SECONDS + 1
    holding.check()
    assert (shelf.written, shelf.holder.beat) == (2, 1)
    clock.now += 100 * lock.LEASE_SECONDS
    holding.check()
    assert shelf.written == 3


def test_a_holder_that_slept_finds_out_that_another_took_over(clock: Clock) -> None:
    shelf = Shelf()
    holding = hold(shelf)
    clock.now += lock.LEASE_SECONDS + 1
    shelf.data = dump(elsewhere())
    for _ in range(2):
        with pytest.raises(Locked) as caught:
            holding.check()
    message = "was taken over by process 4711 of elsewhere, since 2026-11-21T10:00:00+01:00"
    assert caught.value.problems[0].message.startswith(message)
    holding.give_back()
    assert shelf.data == dump(elsewhere())


@pytest.mark.parametrize("there", [None, b"?"])
def test_a_lock_that_is_gone_is_lost(there: bytes | None, clock: Clock) -> None:
    shelf = Shelf()
    holding = hold(shelf)
    clock.now += lock.LEASE_SECONDS
    shelf.data = there
    with pytest.raises(Locked):
        holding.check()
    assert shelf.data == there


def test_a_beat_that_was_answered_late_is_made_again(clock: Clock) -> None:
    """By the time of its answer, another may have taken over what was accepted at the time it was sent."""
    shelf = Shelf()
    holding = hold(shelf)
    slow = iter([lock.SAFE_SECONDS + 1, lock.LEASE_SECONDS + 1])
    shelf.before_write = lambda: clock.sleep(next(slow, 0))
    clock.now += lock.SAFE_SECONDS + 1
    holding.check()
    assert shelf.holder.beat == 3
    slow = iter([lock.LEASE_SECONDS + 1])
    clock.passed = lambda: setattr(shelf, "data", dump(elsewhere()))
    clock.now += lock.SAFE_SECONDS + 1
    with pytest.raises(Locked):
        holding.check()


def test_many_that_ask_at_once_are_one_beat(clock: Clock) -> None:
    shelf = Shelf()
    holding = hold(shelf)
    clock.now += lock.SAFE_SECONDS + 1
    shelf.before_write = lambda: Event().wait(0.05)  # time.sleep only turns the clock on
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda _: holding.check(), range(32)))
    assert shelf.holder.beat == 1


def test_a_place_that_cannot_be_reached_is_no_reason_to_go_on(clock: Clock) -> None:
    shelf = Shelf()

    def away() -> None:
        raise Unreachable("planted")

    with lock.held(shelf, "v1") as holding:
        shelf.before_read = away
        holding.check()  # it is safe for so long
        clock.now += lock.SAFE_SECONDS + 1
        with pytest.raises(Unreachable, match="planted"):
            holding.check()
        shelf.before_read = lambda: None
        holding.check()
        shelf.before_read = away
    assert shelf.holder.nonce  # it could not be given back
    clock.now += lock.LEASE_SECONDS + 1
    shelf.before_read = lambda: None
    hold(shelf)


def test_what_was_forked_from_a_holder_holds_nothing() -> None:
    shelf = Shelf()
    read, write = os.pipe()
    with lock.held(shelf, "v1") as holding:
        child = os.fork()
        if not child:
            said = ""
            try:
                try:
                    holding.check()
                except Locked as error:
                    said = error.problems[0].message
                holding.give_back()
                os.write(write, f"{shelf.holder.nonce} {said}".encode())
            finally:
                os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        nonce, _, said = os.read(read, 1000).decode().partition(" ")
        assert nonce == shelf.holder.nonce
        assert f"is held by process {os.getpid()} of" in said
        holding.check()


@pytest.mark.parametrize("strict", [True, False])
def test_of_racers_one_wins_where_conditions_are_minded(strict: bool) -> None:  # noqa: FBT001
    """The control: at a place that ignores them, all do."""
    shelf, all_have_read = Shelf(strict=strict), Barrier(RACERS, timeout=60)
    shelf.before_write = all_have_read.wait

    def race(_: int) -> bool:
        with suppress(Locked):
            hold(shelf)
            return True
        return False

    with ThreadPoolExecutor(RACERS) as pool:
        assert sum(pool.map(race, range(RACERS))) == (1 if strict else RACERS)


# On servers.


@pytest.fixture
def shop(seaweed: Seaweed, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return shop_at(seaweed, prefix, monkeypatch)


def shop_at(server: S3Server, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return Shop(server, prefix)


def opened(shop: Shop, folder: Path) -> Target:
    return open_target(shop.url, None, folder, Ledger(folder, shop.url))


def wait_for_all_but_one(racing: list[Future[str]]) -> None:
    deadline = time.monotonic() + 60
    while sum(each.done() for each in racing) < RACERS - 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_of_threads_that_race_one_wins_and_the_others_are_told(shop: Shop, tmp_path: Path) -> None:
    start, over = Barrier(RACERS, timeout=60), Event()

    def race(_: int) -> str:
        target = opened(shop, tmp_path)
        start.wait()
        try:
            with target.lock("v1"):
                over.wait(60)
        except Locked as error:
            return error.problems[0].message
        return ""

    with ThreadPoolExecutor(RACERS) as pool:
        racing = [pool.submit(race, number) for number in range(RACERS)]
        wait_for_all_but_one(racing)
        told = json.loads(shop.read(LOCK) or b"")
        over.set()
        said = sorted(each.result() for each in racing)
    holder = f"is held by process {os.getpid()} of {socket.gethostname()}, since {told['since']}"
    assert said == ["", *[holder] * (RACERS - 1)]


RACE = """
import os, sys
from pathlib import Path
import obstore
from publisher.errors import Locked
from publisher.ledger import Ledger
from publisher.targets import open_target
from publisher.targets.s3 import target
url, folder, racers = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
start, over = os.pipe(), os.pipe()
for _ in range(racers):
    if os.fork():
        continue
    os.close(start[1]), os.close(over[1])
    os.read(start[0], 1)
    try:
        with open_target(url, None, folder, Ledger(folder, url)).lock("v1"):
            os.write(1, f"{os.getpid()} won\\n".encode())
            os.read(over[0], 1)
    except Locked as error:
        os.write(1, f"{os.getpid()} {error.problems[0].message}\\n".encode())
    except BaseException as error:
        os.write(1, f"{os.getpid()} {error!r}\\n".encode())
    os._exit(0)
os.close(start[1])
sys.stdin.read()
os.close(over[1])
for _ in range(racers):
    os.wait()
"""


def test_of_processes_that_race_one_wins_and_the_others_are_told(shop: Shop, tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, shop.url, str(tmp_path), str(RACERS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as racing, mortal(racing):
        assert racing.stdout
        lines = [next(racing.stdout).strip().partition(" ") for _ in range(RACERS)]
        racing.communicate(timeout=60)
    said = {int(pid): what for pid, _, what in lines}
    (winner,) = (pid for pid, what in said.items() if what == "won")
    told = json.loads(shop.read(LOCK) or b"")
    assert (told["pid"], told["nonce"], told["fence"]) == (winner, "", 1)
    holder = f"is held by process {winner} of {socket.gethostname()}, since {told['since']}"
    assert [what for pid, what in said.items() if pid != winner] == [holder] * (RACERS - 1)


def test_another_machine_that_beats_is_seen_to(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.2)
    over = Event()

    def beat() -> None:
        for number in count():
            shop.put(LOCK, dump(elsewhere(beat=number)))
            if over.wait(0.1):
                return

    holder = Thread(target=beat)
    holder.start()
    try:
        while shop.read(LOCK) is None:
            time.sleep(0.01)
        with (
            pytest.raises(Locked, match="process 4711 of elsewhere, since 2026-11-21"),
            opened(shop, tmp_path).lock("v1"),
        ):
            pass
    finally:
        over.set()
        holder.join()
    assert json.loads(shop.read(LOCK) or b"")["host"] == "elsewhere"


def test_an_interrupt_waits_for_no_beat_that_is_tried_again(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.1)
    held = Event()
    moments: list[float] = []
    with FaultProxy(shop.server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        proxy.plan = lambda request: faults.slow_down() if held.is_set() and request.path.endswith(LOCK) else None

        def interrupted() -> None:
            held.set()
            deadline = time.monotonic() + 20
            while sum(each.fault is not None for each in proxy.log) < 3:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            moments.append(time.monotonic())
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), opened(shop, tmp_path).lock("v1"):
            interrupted()
        assert time.monotonic() - moments[0] < 5
    assert json.loads(shop.read(LOCK) or b"")["nonce"]  # it stands still, and is taken over


def test_of_many_that_wait_for_the_dead_one_takes_over(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in {"LEASE_SECONDS": 2.0, "BEAT_SECONDS": 0.5, "SAFE_SECONDS": 1.0}.items():
        monkeypatch.setattr(lock, name, seconds)
    shop.put(LOCK, dump(elsewhere()))
    began, over = time.monotonic(), Event()

    def race(_: int) -> str:
        try:
            with opened(shop, tmp_path).lock("v1"):
                assert time.monotonic() - began > lock.LEASE_SECONDS
                over.wait(60)
        except Locked as error:
            return error.problems[0].message
        return ""

    with ThreadPoolExecutor(RACERS) as pool:
        racing = [pool.submit(race, number) for number in range(RACERS)]
        wait_for_all_but_one(racing)
        over.set()
        said = sorted(each.result() for each in racing)
    assert said[0] == ""
    assert all(f"process {os.getpid()} of" in each for each in said[1:])
    assert json.loads(shop.read(LOCK) or b"")["fence"] == 7


def test_a_store_without_conditions_keeps_no_two_apart_and_says_so(
    rclone_s3: RcloneS3, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = shop_at(rclone_s3, prefix, monkeypatch)
    (told,) = opened(shop, tmp_path).abilities("v1")
    assert told.works is False
    assert "nothing but your care keeps two publishers apart" in told.message
    with opened(shop, tmp_path).lock("v1"), pytest.raises(Locked, match=str(os.getpid())):  # who comes later is told
        opened(shop, tmp_path).lock("v1").__enter__()
    both_have_read = Barrier(2, timeout=60)

    def race(_: int) -> bool:
        target: Any = opened(shop, tmp_path)
        target.wire.put = partial(together, both_have_read, target.wire.put)
        with suppress(Locked):
            lock.Holding(target, "v1").take()
            return True
        return False

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(race, range(2))) == [True, True]  # who come at one moment are not


def together(meet: Barrier, put: Callable[..., str], *args: Any, **more: Any) -> str:
    """Put when all have come; what the store makes them put again, as this one does to racers, they put alone."""
    with suppress(BrokenBarrierError):
        meet.wait()
        meet.abort()
    return put(*args, **more)


def test_a_store_without_conditions_can_be_published_to(
    rclone_s3: RcloneS3, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = shop_at(rclone_s3, prefix, monkeypatch)
    manifest = fill(tmp_path / "release", chunks=2, texts=2) / "final.yaml"
    assert not pipeline.release(manifest, shop.url, until="plan", access=False).abilities[0].works
    first = pipeline.release(manifest, shop.url, until="publish", access=False).published
    assert first
    assert first.uploaded == 6
    again = pipeline.release(manifest, shop.url, until="publish", access=False).published
    assert again
    assert (again.uploaded, again.skipped, again.committed) == (0, 6, False)
    assert shop.wrong() == []


# Whole publishers, of which one is stopped, or cut off, and does not know what happens meanwhile.


class Held:
    """A fault that keeps a request until it is let go; it may stop the client, too."""

    def __init__(self, stop: Callable[[], None] = lambda: None) -> None:
        self.came, self._go = Event(), Event()
        self._stop = stop
        self.fault = Fault("held", self._happen)

    def _happen(self, request: Request, forward: Forward) -> Answer:
        self._stop()
        self.came.set()
        assert self._go.wait(60)
        return forward(request)

    def go(self) -> None:
        self._go.set()


@dataclass
class Publisher:
    """One of two publishers of the same release, whose sources differ, each with a proxy of its own."""

    proxy: FaultProxy
    nursery: Nursery
    folder: Path
    shop: Shop

    def at(self, shop: Shop, text: str) -> Self:
        """Have it publish to another place, and nothing happen to it."""
        self.shop, self.proxy.plan = shop, faults.nothing
        self.proxy.clear()
        self.write(text)
        return self

    def write(self, text: str) -> None:
        (self.folder / "data/000.txt").write_text(text)

    def publish(self, status: str) -> int:
        return self.nursery.publish(self.folder / f"{status}.yaml", self.shop.url)

    def begin(self, status: str) -> None:
        self.nursery.begin(self.folder / f"{status}.yaml", self.shop.url)

    @property
    def said(self) -> str:
        return self.nursery.said.read_text()


@contextmanager
def publisher(server: Seaweed, folder: Path) -> Iterator[Publisher]:
    fill(folder / "release", chunks=2, texts=TEXTS, large_bytes=1000)
    with FaultProxy(server.endpoint) as proxy, Nursery(proxy.endpoint, folder / "said", SHORT) as nursery:
        yield Publisher(proxy, nursery, folder / "release", Shop(server, ""))


@pytest.fixture(scope="module")
def pair(seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Publisher, Publisher]]:
    folder = tmp_path_factory.mktemp("lock")
    with publisher(seaweed, folder / "old") as old, publisher(seaweed, folder / "new") as new:
        yield old, new


@pytest.fixture
def old(pair: tuple[Publisher, Publisher], shop: Shop) -> Publisher:
    return pair[0].at(shop, "old")


@pytest.fixture
def new(pair: tuple[Publisher, Publisher], shop: Shop) -> Publisher:
    return pair[1].at(shop, "new, and longer")


def wait_until_it_seems_dead() -> None:
    time.sleep(SHORT["LEASE_SECONDS"] + 0.2)


TEXTS = 200  # far more than are on their way at once when a publisher begins
STATES = ["draft", "draft that is live", "final"]


@pytest.mark.parametrize("state", STATES)
def test_a_publisher_that_was_stopped_at_its_commit_cannot_win(
    state: str, old: Publisher, new: Publisher, shop: Shop
) -> None:
    status = state.partition(" ")[0]
    if state == "draft that is live":
        old.write("older")
        assert old.publish(status) == 0
        old.write("old")
    held = Held()
    old.proxy.plan = at_point((put(RECORD), 0), held.fault)
    old.begin(status)
    assert held.came.wait(30)
    assert new.publish(status) == LOCKED, new.said
    assert f"is held by process {old.nursery.pid} of {socket.gethostname()}, since 20" in new.said
    old.nursery.signal(signal.SIGSTOP)
    wait_until_it_seems_dead()
    assert new.publish(status) == 0, new.said
    live = shop.record
    held.go()
    old.nursery.signal(signal.SIGCONT)
    assert old.nursery.end() == (LOCKED if state == "draft that is live" else CONFLICT), old.said
    assert shop.record == live
    assert shop.wrong() == []
    assert shop.read("v1/files/data/000.txt") == b"new, and longer"
    assert old.publish(status) == (CONFLICT if status == "final" else 0)  # and a draft is anybody's again


@pytest.mark.parametrize("state", STATES)
def test_a_publisher_that_was_stopped_sends_nothing_more(
    state: str, old: Publisher, new: Publisher, shop: Shop
) -> None:
    """What was on its way already comes late, and overwrites nothing that its successor has written."""
    status = state.partition(" ")[0]
    if state == "draft that is live":
        old.write("older")
        assert old.publish(status) == 0
        old.write("old")
    held = Held(lambda: old.nursery.signal(signal.SIGSTOP))
    old.proxy.plan = at_point((put("v1/files/data/000.txt"), 0), held.fault)
    start = len(old.proxy.log)
    old.begin(status)
    assert held.came.wait(30)
    wait_until_it_seems_dead()
    assert new.publish(status) == 0, new.said
    live = shop.record
    before = len(old.proxy.log)
    held.go()
    old.nursery.signal(signal.SIGCONT)
    assert old.nursery.end() in {LOCKED, CONFLICT}, old.said
    late = sum(is_data(each) for each in old.proxy.log[before:])  # on its way already when it was stopped
    assert late <= pace.LINES * (pace.FIRST + sum(is_data(each) for each in old.proxy.log[start:before]))
    assert shop.record == live
    assert shop.wrong() == []


def test_a_publisher_that_was_cut_off_at_its_commit_does_not_commit_later(
    old: Publisher, new: Publisher, shop: Shop
) -> None:
    """Nothing of it stood still: it went on trying, until it was heard, but then it had long been taken for dead."""
    away, cut = Event(), Held()
    away.set()

    def plan(request: Request) -> Fault | None:
        if put(RECORD)(request):
            cut.came.set()
        return faults.reset(before=True) if cut.came.is_set() and away.is_set() else None

    old.proxy.plan = plan
    old.begin("draft")
    assert cut.came.wait(30)
    wait_until_it_seems_dead()
    held = Held()
    new.proxy.plan = at_point((put(RECORD), 0), held.fault)
    new.begin("draft")
    assert held.came.wait(30), new.said
    away.clear()
    assert old.nursery.end() == LOCKED, old.said
    assert f"was taken over by process {new.nursery.pid} of" in old.said
    assert shop.read(RECORD) is None
    held.go()
    assert new.nursery.end() == 0, new.said
    assert shop.wrong() == []


def test_a_publisher_that_was_cut_off_and_missed_by_nobody_goes_on(old: Publisher, shop: Shop) -> None:
    began: list[float] = []

    def plan(request: Request) -> Fault | None:
        if is_data(request) and not began:
            began.append(time.monotonic())
        gone = began and time.monotonic() - began[0] < 1.2 * SHORT["LEASE_SECONDS"]
        return faults.reset(before=True) if gone else None

    old.proxy.plan = plan
    assert old.publish("final") == 0, old.said
    assert json.loads(shop.read(LOCK) or b"")["beat"] >= 1
    assert shop.wrong() == []
    assert "v1" in record.parse_releases(shop.read(POINTER))
