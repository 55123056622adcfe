"""Copies of a publisher that send beside it: what they send, what becomes of it when they die, and what they refuse."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from urllib.parse import urlsplit

import pytest

from publisher.errors import LocalTrouble, Problem
from publisher.headers import headers, rule
from publisher.objects import Entry, Form, ObjectSpec
from publisher.targets import crew
from publisher.targets.lock import now
from publisher.targets.pace import AdaptivePace
from publisher.targets.wire import Trouble
from tests.nursery import Nursery
from tests.servers import faults
from tests.servers.faults import Answer, Fault, FaultProxy, Forward, Request
from tests.servers.seaweed import Seaweed
from tests.shop import LOCK, OBJECTS, POINTER, Shop, at_point, fill, is_data, put

LOCAL_TROUBLE = 4
TEXTS = 500


@dataclass
class Yard:
    """A publisher that goes through a proxy, what it publishes, and where to."""

    proxy: FaultProxy
    nursery: Nursery
    folder: Path
    shop: Shop

    def publish(self) -> int:
        return self.nursery.publish(self.folder / "final.yaml", self.shop.url)

    def copies(self) -> list[int]:
        pid = self.nursery.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def connected(self, pid: int) -> int:
        """Return how many connections to the store a process has."""
        port = f":{urlsplit(self.proxy.endpoint).port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        inodes = {row[9] for row in rows if row[2].endswith(port)}
        mine = set()
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                mine |= set(re.findall(r"^socket:\[(\d+)\]$", str(each.readlink())))
        return len(inodes & mine)


@pytest.fixture(scope="module")
def publisher(seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FaultProxy, Nursery]]:
    said = tmp_path_factory.mktemp("crew") / "said"
    with FaultProxy(seaweed.endpoint) as proxy, Nursery(proxy.endpoint, said) as nursery:
        yield proxy, nursery


@pytest.fixture
def yard(seaweed: Seaweed, publisher: tuple[FaultProxy, Nursery], prefix: str, tmp_path: Path) -> Yard:
    publisher[0].clear()
    return Yard(*publisher, fill(tmp_path / "release", large_bytes=1000, texts=TEXTS), Shop(seaweed, prefix))


def at_each_object(act: Callable[[Request], None]) -> faults.Plan:
    def happen(request: Request, forward: Forward) -> Answer:
        act(request)
        return forward(request)

    fault = Fault("looked at", happen)
    return lambda request: fault if is_data(request) else None


def test_copies_send_and_are_gone_afterwards(yard: Yard) -> None:
    seen: dict[int, int] = {}
    one = Lock()

    def look(request: Request) -> None:
        if request.number % 20 == 0:
            with one:
                for pid in yard.copies():
                    seen[pid] = max(seen.get(pid, 0), yard.connected(pid))

    yard.proxy.plan = at_each_object(look)
    assert yard.publish() == 0, yard.nursery.said.read_text()
    assert any(seen.values()), seen
    assert not [pid for pid in seen if Path(f"/proc/{pid}").exists()]
    assert len(yard.shop.objects()) == OBJECTS - 150 + TEXTS
    assert yard.shop.wrong() == []


@pytest.mark.parametrize("number", [0, 60])
def test_what_a_copy_had_that_died_is_sent_all_the_same(yard: Yard, number: int) -> None:
    killed: list[int] = []

    def kill(request: Request) -> None:
        if not killed and request.number >= number and (copies := yard.copies()):
            killed.extend(copies)
            for pid in copies:
                os.kill(pid, signal.SIGKILL)

    yard.proxy.plan = at_each_object(kill)
    assert yard.publish() == 0, yard.nursery.said.read_text()
    assert killed
    assert len(yard.shop.entries()) == len(yard.shop.objects()) == OBJECTS - 150 + TEXTS
    assert yard.shop.wrong() == []
    assert json.loads(yard.shop.read(LOCK) or b"")["nonce"] == ""


def test_a_copy_finds_a_source_that_changed(yard: Yard) -> None:
    """It is far behind in what a copy is given at once, and changes when the first is sent."""
    later = yard.folder / "data/300.txt"

    def change(_: Request) -> None:
        later.write_bytes(b"others")

    yard.proxy.plan = at_each_object(change)
    assert yard.publish() == LOCAL_TROUBLE
    said = yard.nursery.said.read_text()
    assert f"{later}: changed while it was read" in said
    assert "Traceback" not in said
    assert yard.shop.read(POINTER) is None


@dataclass
class Quiet:
    """A lane that keeps what it is given."""

    flying: int = 0
    room_bytes: int = 1000
    full: bool = False
    put_keys: list[str] = field(default_factory=list)
    ended: list[tuple[int, Entry | None, str]] = field(default_factory=list)
    broken: frozenset[str] = frozenset()
    foul: frozenset[str] = frozenset()

    def takes(self, spec: ObjectSpec) -> bool:
        return spec.form is Form.AS_IS

    def reaches(self, spec: ObjectSpec) -> bool:
        return spec.key not in self.foul

    def put(self, number: int, spec: ObjectSpec, *, create: bool = False, over: str = "", until: float) -> None:
        del create, over, until
        if spec.key in self.broken:
            raise LocalTrouble(Problem(spec.path, "changed while it was read", ""))
        self.put_keys.append(spec.key)
        self.ended.append((number, Entry(spec.key, "a", 1, "s", 2, "c", spec.headers), '"tag"'))

    def answers(self, seconds: float) -> Iterable[tuple[int, Entry | None, str]]:
        del seconds
        ended, self.ended = self.ended, []
        return ended

    def watch(self, descriptor: int) -> None:
        """Nothing is waited for."""

    def forget(self, descriptor: int) -> None:
        """As above."""

    def nudge(self) -> None:
        """As above."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Owner:
    lane: Quiet = field(default_factory=Quiet)
    pace: AdaptivePace = field(default_factory=AdaptivePace)
    stored: bool = False
    missed: dict[str, Trouble] = field(default_factory=dict)

    def own_lane(self) -> Quiet:
        return self.lane


def spec(name: str, size_bytes: int = 100, form: Form = Form.AS_IS) -> ObjectSpec:
    return ObjectSpec(
        f"v1/{name}",
        "a",
        f"/nowhere/{name}",
        size_bytes,
        7,
        form,
        headers(rule("chunk/raw"), encoded=False, final=True),
    )


def test_what_comes_too_late_or_cannot_be_done_there_comes_back() -> None:
    ours, theirs = socket.socketpair()
    there = Owner(Quiet(broken=frozenset({"v1/broken"}), foul=frozenset({"v1/foul"})))
    member, here = crew.Member(ours, theirs.close), Owner()
    for number, (name, until) in enumerate(
        {"good": now() + 60, "late": now() - 1, "broken": now() + 60, "foul": now() + 60}.items()
    ):
        member.give(number, spec(name), create=True, over="", until=until, cap=9)
    member.post(9)
    ours.shutdown(socket.SHUT_WR)  # so that it ends once it has read that
    crew._Hand(there, there.lane, crew._Letters(theirs)).work()  # noqa: SLF001 - what a copy does, done here
    answered = {number: (entry, tag) for number, entry, tag in member.answers(here)}
    assert there.lane.put_keys == ["v1/good"]
    assert there.pace.cap == 9
    assert answered[0] == (Entry("v1/good", "a", 1, "s", 2, "c", spec("good").headers), '"tag"')
    assert {number: entry for number, (entry, _) in answered.items() if number} == {1: None, 2: None, 3: None}
    assert here.missed == {}


def test_a_copy_that_dies_leaves_what_it_had() -> None:
    ours, theirs = socket.socketpair()
    member, owner = crew.Member(ours, theirs.close), Owner()
    group = crew.Crew(owner.lane, [member], owner)
    assert group.takes(spec("packed", 1000, Form.GZIP))
    group.put(5, spec("a"), create=True, until=now() + 60)
    assert (group.flying, list(group.answers(0))) == (1, [])
    theirs.close()
    assert list(group.answers(0)) == [(5, None, "")]
    assert group.flying == 0
    assert not group.takes(spec("packed", 1000, Form.GZIP))
    group.put(6, spec("b"), create=True, until=now() + 60)
    assert owner.lane.put_keys == ["v1/b"]


def test_a_copy_has_little_before_it_and_the_rest_goes_from_here() -> None:
    ours, theirs = socket.socketpair()
    member, owner = crew.Member(ours, theirs.close), Owner()
    group = crew.Crew(owner.lane, [member], owner)
    for number in range(2000):
        group.put(number, spec(f"{number:04}"), create=True, until=now() + 60)
    assert 100 < len(member.given) < 1000
    assert len(owner.lane.put_keys) == 2000 - len(member.given)
    theirs.close()


def test_letters_wait_for_nobody_and_come_whole() -> None:
    ours, theirs = socket.socketpair()
    here, there = crew._Letters(ours), crew._Letters(theirs)  # noqa: SLF001
    wanted = [(number, "x" * 100_000) for number in range(40)]
    for message in wanted:
        here.write(message)
        here.push()  # far more than the socket holds
    found = []
    while len(found) < len(wanted):
        found += there.read()
        here.push()
    assert found == wanted
    ours.close()
    assert list(there.read()) == []
    assert there.ended
    theirs.close()


def test_who_is_interrupted_has_nothing_more_sent(yard: Yard) -> None:
    """Copies have hundreds of objects before them when it begins to end."""
    interrupted = Event()

    def interrupt(_: Request) -> None:
        if not interrupted.is_set():
            interrupted.set()
            yard.nursery.signal(signal.SIGINT)
        time.sleep(0.2)

    given_back = at_point((put(LOCK), 1), faults.delay(1))  # time for a copy to send more
    yard.proxy.plan = faults.first(at_each_object(interrupt), given_back)
    assert yard.publish() == 1
    assert "KeyboardInterrupt" in yard.nursery.said.read_text()
    assert 0 < sum(map(is_data, yard.proxy.log)) < TEXTS // 2  # what was on its way already


def test_a_copy_that_says_nothing_for_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was stopped, or whose disk hangs: what it had is sent from here."""
    ours, theirs = socket.socketpair()
    member, owner = crew.Member(ours, theirs.close), Owner()
    group = crew.Crew(owner.lane, [member], owner)
    group.put(5, spec("a"), create=True, until=now() + 60)
    assert list(group.answers(0)) == []
    monkeypatch.setattr(crew, "SILENT_SECONDS", 0.0)
    assert list(group.answers(0)) == []
    assert list(group.answers(0)) == [(5, None, "")]
    assert (member.gone, group.flying) == (True, 0)
