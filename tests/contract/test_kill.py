"""A publisher to S3 that is killed at any request: running it again finishes, and nobody ever sees a part of a release."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from publisher import record
from publisher.targets.pace import FIRST
from tests.nursery import Nursery
from tests.servers import faults
from tests.servers.faults import FaultProxy, Seen
from tests.servers.fixtures import BUCKET
from tests.servers.seaweed import Seaweed
from tests.shop import (
    BEGUN,
    INVENTORY,
    LARGE,
    LOCK,
    OBJECTS,
    PART_BYTES,
    POINTER,
    POLL_SECONDS,
    RECORD,
    Point,
    Reader,
    Rows,
    Shop,
    at_point,
    fill,
    forget,
    is_data,
    is_part,
    part,
    put,
)

KILLED = -9

POINTS: dict[str, Point] = {
    "lock": (put(LOCK), 0),
    "begun": (put(BEGUN), 0),
    "first object": (is_data, 0),
    "an object": (is_data, 77),
    "upload begun": (lambda request: "uploads" in request.query and request.method == "POST", 0),
    "first part": (part("1"), 0),
    "last part": (part("2"), 0),
    "upload done": (lambda request: "uploadId" in request.query and request.method == "POST", 0),
    "inventory": (put(INVENTORY), 0),
    "record": (put(RECORD), 0),
    "pointer": (put(POINTER), 0),
    "lock given back": (put(LOCK), 1),
}


def once_the_others_arrived(number: str) -> Callable[[faults.Fault], faults.Plan]:
    """Plan for a part to be late, and its publisher killed with it."""
    return lambda kill: at_point((part(number), 0), faults.both(faults.delay(0.3), kill))


@dataclass
class Yard:
    """A server, a proxy before it, publishers that go through it, and what they publish when nothing happens."""

    server: Seaweed
    proxy: FaultProxy
    nursery: Nursery
    folder: Path
    aside: str  # a prefix
    _undisturbed: dict[str, tuple[str, Rows]] = field(default_factory=dict)

    def shop(self, prefix: str) -> Shop:
        return Shop(self.server, prefix)

    def publish(self, shop: Shop, status: str) -> int:
        return self.nursery.publish(self.folder / f"{status}.yaml", shop.url)

    def undisturbed(self, status: str) -> tuple[str, Rows]:
        """Return the inventory's digest and the objects of a release that nothing happened to."""
        if status not in self._undisturbed:
            shop = self.shop(f"{self.aside}{status}/")
            assert self.publish(shop, status) == 0, self.nursery.said.read_text()
            assert shop.uploads() == []
            self._undisturbed[status] = _inventory(shop), shop.objects()
        return self._undisturbed[status]

    def kill(self, shop: Shop, status: str, plan: Callable[[faults.Fault], faults.Plan], moment: str) -> list[Seen]:
        """Have a publisher killed at a request; return what became of all its requests, once nothing is on its way."""
        self.proxy.clear()
        self.proxy.plan = plan(faults.kill(lambda: self.nursery.pid, before=moment == "before"))
        code = self.publish(shop, status)
        self.proxy.plan = faults.nothing
        seen = self._settled()
        assert code == (KILLED if any(each.fault for each in seen) else 0), self.nursery.said.read_text()
        return seen

    def _settled(self) -> list[Seen]:
        deadline = time.monotonic() + 10
        while True:
            seen = self.proxy.log
            if all(each.fault or each.applied for each in seen):
                return seen
            assert time.monotonic() < deadline, seen
            time.sleep(0.005)

    def finish(self, shop: Shop, status: str, before: Sequence[Seen], *, ledger: bool) -> list[Seen]:
        """Publish again, and see that it ends as if nothing had happened, and sends nothing that had arrived."""
        if not ledger:
            forget(self.folder)
        self.proxy.clear()
        assert self.publish(shop, status) == 0, self.nursery.said.read_text()
        seen = self.proxy.log
        assert sent(seen) & arrived(before) == set()
        assert len(sent(seen) & sent(before)) <= FIRST  # what was in flight, and did not arrive
        assert _inventory(shop) == self.undisturbed(status)[0]
        assert shop.objects() == self.undisturbed(status)[1]
        assert "v1" in record.parse_releases(shop.read(POINTER))
        assert json.loads(shop.read(LOCK) or b"")["nonce"] == ""
        looked = [each.method for each in seen if each.path.endswith(LOCK)]
        assert looked == ["GET", "PUT", "PUT"]  # nobody waited for the dead
        return seen

    def prove(self, shop: Shop, status: str, before: Callable[[], list[Seen]], *, ledger: bool) -> bool:
        """Kill, look, publish again, look; all the while somebody reads. Return whether it was killed at all."""
        shop.begin_upload("v10/x")  # somebody else's, beside the release's folder
        reader = Reader(shop, self.undisturbed(status)[1])
        with reader.watching():
            seen = before()
            assert reader.look() is any(put(RECORD)(each) and each.applied == 200 for each in seen)
            self.finish(shop, status, seen, ledger=ledger)
            assert reader.look()
        assert shop.uploads() == ["v10/x"]
        return any(each.fault for each in seen)


def _inventory(shop: Shop) -> str:
    return str(shop.record["inventory"]["sha256"])


def sent(seen: Sequence[Seen]) -> set[tuple[str, str]]:
    """Return what was sent of the release: objects, and parts of the large one, by number."""
    return {(each.path, each.query.get("partNumber", "")) for each in seen if is_data(each) or is_part(each)}


def arrived(seen: Sequence[Seen]) -> set[tuple[str, str]]:
    return sent([each for each in seen if each.applied == 200])


@contextmanager
def yard_before(server: Seaweed, folder: Path, aside: str = "undisturbed/", **sizes: int) -> Iterator[Yard]:
    with ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(server.endpoint))
        nursery = stack.enter_context(Nursery(proxy.endpoint, folder / "said"))
        yield Yard(server, proxy, nursery, fill(folder / "release", **sizes), aside)


@pytest.fixture(scope="module")
def yard(seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with yard_before(seaweed, tmp_path_factory.mktemp("kill")) as made:
        yield made


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_that_is_killed_is_finished_by_running_it_again(yard: Yard, prefix: str, moment: str, name: str) -> None:
    status = "final" if moment == "before" else "draft"
    ledger = (list(POINTS).index(name) + (moment == "after")) % 2 == 0
    shop = yard.shop(prefix)

    def killed() -> list[Seen]:
        return yard.kill(shop, status, lambda fault: at_point(POINTS[name], fault), moment)

    assert yard.prove(shop, status, killed, ledger=ledger)


@pytest.mark.slow
@pytest.mark.parametrize("ledger", [True, False], ids=["ledger", "no ledger"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_that_is_killed_at_any_request_at_all(tmp_path: Path, moment: str, ledger: bool) -> None:  # noqa: FBT001
    status = "final" if (moment == "before") is ledger else "draft"
    with Seaweed(tmp_path / "server") as server:  # its own, whose gigabytes go with it
        server.bucket(BUCKET)
        with yard_before(server, tmp_path) as yard:
            for number in count():
                shop = yard.shop(f"{number}/")

                def killed(number: int = number, shop: Shop = shop) -> list[Seen]:
                    return yard.kill(shop, status, lambda fault: faults.at(number, fault), moment)

                try:
                    if not yard.prove(shop, status, killed, ledger=ledger):
                        break
                except AssertionError as error:
                    error.add_note(f"killed {moment} request {number}: {yard.proxy.log[number : number + 1]}")
                    raise
    print(f"killed {moment} each of {number} requests")  # shown with -s
    assert number > OBJECTS + 15


def test_parts_of_a_large_object_that_arrived_are_not_sent_again(seaweed: Seaweed, prefix: str, tmp_path: Path) -> None:
    """Three parts are on their way at once, and the publisher is killed when all but the first have arrived."""
    size = PART_BYTES * 3  # so that the third is short
    with yard_before(seaweed, tmp_path, f"{prefix}aside/", chunks=1, texts=1, large_bytes=size) as yard:
        shop = yard.shop(prefix)
        seen = yard.kill(shop, "final", once_the_others_arrived("1"), "before")
        assert {number for _, number in arrived(seen) if number} == {"2", "3"}
        assert shop.uploads() == [LARGE]
        again = yard.finish(shop, "final", seen, ledger=False)
        assert {number for _, number in sent(again) if number} == {"1"}
        assert shop.uploads() == []


def test_the_last_part_alone_tells_what_it_was_sent_for(yard: Yard, prefix: str) -> None:
    shop = yard.shop(prefix)
    seen = yard.kill(shop, "final", once_the_others_arrived("1"), "before")
    assert {number for _, number in arrived(seen) if number} == {"2"}
    again = yard.finish(shop, "final", seen, ledger=False)
    assert {number for _, number in sent(again) if number} == {"1"}


# Whether these tests would notice.


def test_a_reader_would_notice_a_part_of_a_release(yard: Yard, prefix: str) -> None:
    shop, (_, wanted) = yard.shop(prefix), yard.undisturbed("final")
    assert yard.publish(shop, "final") == 0
    key = "v1/files/data/077.txt"
    good = shop.read(key) or b""

    def verdict() -> list[str]:
        reader = Reader(shop, wanted)
        with suppress(AssertionError), reader.watching():
            while not reader.looks:
                time.sleep(POLL_SECONDS)
        return list(dict.fromkeys(reader.broken))

    assert verdict() == []
    shop.put(key, good[:-1] + b"!")
    assert verdict() == [f"{key} is not there as it should be"]
    shop.client.delete_object(Bucket=BUCKET, Key=shop.prefix + key)
    assert verdict() == [f"{key} is not there as it should be"]
    shop.put(key, good)
    assert verdict() == []
    shop.client.delete_object(Bucket=BUCKET, Key=shop.prefix + RECORD)
    assert verdict() == ["the record is missing"]


def test_what_is_sent_twice_would_be_noticed(yard: Yard, prefix: str) -> None:
    shop = yard.shop(prefix)
    seen = yard.kill(shop, "draft", lambda fault: at_point(POINTS["record"], fault), "before")
    shop.put("v1/files/data/077.txt", b"other bytes")
    with pytest.raises(AssertionError, match=r"077\.txt"):
        yard.finish(shop, "draft", seen, ledger=True)
