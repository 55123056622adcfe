"""A publisher to S3 that is killed at any request: running it again finishes, and nobody ever sees a part of a release."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import obstore
import pytest

from publisher import inventory, record
from publisher.targets import lock
from publisher.targets.pace import FIRST
from tests.nursery import PART_BYTES, Nursery
from tests.servers import faults, s3
from tests.servers.faults import FaultProxy, Request, Seen
from tests.servers.fixtures import BUCKET
from tests.servers.seaweed import Seaweed

KILLED = -9
TEXTS, CHUNKS = 150, 48
OBJECTS = TEXTS + CHUNKS + 2  # an info, and one object in two parts
LARGE = "v1/files/large"
RECORD, POINTER, BEGUN, LOCK = record.record_key("v1"), record.RELEASES_KEY, record.begun_key("v1"), lock.key_of("v1")
INVENTORY = "v1/.release/inventory-"
OWN = "v1/.release/"
POLL_SECONDS = 1 / 50

MANIFEST = """
schema: 1
version: v1
date: 2026-11-21
status: {status}
dataset: {{name: small, title: Small, description: Small., license: CC-BY-4.0, authors: [{{name: A. Author}}]}}
space: {{name: voxels, voxel_size: [8, 8, 8], units: nm}}
volumes: [{{name: seg, title: Segments, description: Segments., source: seg}}]
files:
  - {{name: data, title: Data, description: Data., source: data}}
  - {{name: large, title: Large, description: Large., source: large.bin}}
"""
INFO = {
    "@type": "neuroglancer_multiscale_volume",
    "type": "segmentation",
    "data_type": "uint8",
    "num_channels": 1,
    "scales": [
        {
            "key": "8_8_8",
            "size": [64, 64, 64 * CHUNKS],
            "resolution": [8, 8, 8],
            "chunk_sizes": [[64, 64, 64]],
            "voxel_offset": [0, 0, 0],
            "encoding": "raw",
        }
    ],
}


def fill(folder: Path, chunks: int = CHUNKS, texts: int = TEXTS, large_bytes: int = PART_BYTES + (3 << 19)) -> Path:
    """Write the sources of a release, and its manifests as a draft and as final."""
    scale = folder / "seg/8_8_8"
    scale.mkdir(parents=True)
    (folder / "seg/info").write_text(json.dumps(INFO))
    for n in range(chunks):
        (scale / f"0-64_0-64_{64 * n}-{64 * n + 64}").write_bytes(bytes([n]) * 64**3)
    (folder / "data").mkdir()
    for n in range(texts):
        (folder / f"data/{n:03}.txt").write_text(f"{n} " * (n + 1))
    (folder / "large.bin").write_bytes(random.Random(1).randbytes(large_bytes))
    for status in ("draft", "final"):
        (folder / f"{status}.yaml").write_text(MANIFEST.format(status=status))
    return folder


def forget(folder: Path) -> None:
    """Have the next run find no ledger."""
    for ledger in folder.glob(".publisher/*/ledger"):
        shutil.rmtree(ledger)


@dataclass
class Shop:
    """What stands at the server below a prefix, seen as any program sees it; no proxy is between."""

    server: Seaweed
    prefix: str

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/{self.prefix.rstrip('/')}"

    @cached_property
    def _store(self) -> Any:
        return s3.store(self.server.endpoint, BUCKET)

    @cached_property
    def client(self) -> Any:
        return self.server.client()

    def read(self, key: str) -> bytes | None:
        try:
            return bytes(obstore.get(self._store, self.prefix + key).bytes())
        except FileNotFoundError:
            return None

    def put(self, key: str, data: bytes) -> None:
        obstore.put(self._store, self.prefix + key, data)

    def objects(self) -> dict[str, tuple[int, str]]:
        """Return size and tag of each object of the release."""
        found = (each for page in obstore.list(self._store, f"{self.prefix}v1/") for each in page)
        rows = {each["path"].removeprefix(self.prefix): (each["size"], each["e_tag"] or "") for each in found}
        return {key: row for key, row in rows.items() if not key.startswith(OWN)}

    def uploads(self, prefix: str = "") -> list[str]:
        """Return the unfinished uploads."""
        told = self.client.list_multipart_uploads(Bucket=BUCKET, Prefix=self.prefix + prefix).get("Uploads", ())
        return sorted(each["Key"].removeprefix(self.prefix) for each in told)

    def begin_upload(self, key: str) -> None:
        """Leave an upload unfinished."""
        key = self.prefix + key
        begun = self.client.create_multipart_upload(Bucket=BUCKET, Key=key)
        self.client.upload_part(Bucket=BUCKET, Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=b"part")

    @property
    def inventory(self) -> str:
        """The digest of the inventory that is live."""
        return str(json.loads(self.read(RECORD) or b"{}")["inventory"]["sha256"])


@dataclass
class Reader:
    """Looks at a release again and again: it is there whole, or not at all."""

    shop: Shop
    wanted: dict[str, tuple[int, str]]  # size and tag of each object
    broken: list[str] = field(default_factory=list)
    looks: int = 0
    _seen: bytes | None = None

    def look(self) -> bool:
        """Return whether there is a release; remember what is wrong with it."""
        self.looks += 1
        pointer, found = self.shop.read(POINTER), self.shop.read(RECORD)
        if found is None:
            if "v1" in record.parse_releases(pointer) or self._seen:
                self.broken.append("the record is missing")
            return False
        if found != self._seen:
            self.broken += self._wrong(found)
            self._seen = found
        return True

    def _wrong(self, found: bytes) -> Iterator[str]:
        told = json.loads(found)["inventory"]
        data = self.shop.read(told["key"]) or b""
        if hashlib.sha256(data).hexdigest() != told["sha256"]:
            yield "the inventory is not what the record says"
            return
        there = self.shop.objects()
        listed = [entry.key for entry in inventory.read(io.BytesIO(data))]
        if listed != sorted(self.wanted):
            yield "the inventory is not that of the release"
        yield from (f"{key} is not there as it should be" for key in listed if there.get(key) != self.wanted.get(key))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look fifty times a second; fail where a part of a release was seen."""
        over = Event()

        def watch() -> None:
            while not over.wait(POLL_SECONDS):
                self.look()

        thread = Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert self.broken == []


def is_data(request: Request | Seen) -> bool:
    """Whether it puts an object of the release in one request."""
    return request.method == "PUT" and OWN not in request.path and "/v1/" in request.path and not request.query


def is_part(request: Request | Seen) -> bool:
    return "partNumber" in request.query


def put(key: str) -> Callable[[Request], bool]:
    return lambda request: request.method == "PUT" and f"/{key}" in request.path


def part(number: str) -> Callable[[Request], bool]:
    return lambda request: request.query.get("partNumber") == number


Point = tuple[Callable[[Request], bool], int]  # a request of what kind, and the how manieth of them
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


def at_point(point: Point, fault: faults.Fault) -> faults.Plan:
    numbers = count()
    return lambda request: fault if point[0](request) and next(numbers) == point[1] else None


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
    _undisturbed: dict[str, tuple[str, dict[str, tuple[int, str]]]] = field(default_factory=dict)

    def shop(self, prefix: str) -> Shop:
        return Shop(self.server, prefix)

    def publish(self, shop: Shop, status: str) -> int:
        return self.nursery.publish(self.folder / f"{status}.yaml", shop.url)

    def undisturbed(self, status: str) -> tuple[str, dict[str, tuple[int, str]]]:
        """Return the inventory's digest and the objects of a release that nothing happened to."""
        if status not in self._undisturbed:
            shop = self.shop(f"{self.aside}{status}/")
            assert self.publish(shop, status) == 0, self.nursery.said.read_text()
            assert shop.uploads() == []
            self._undisturbed[status] = shop.inventory, shop.objects()
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
        assert shop.inventory == self.undisturbed(status)[0]
        assert shop.objects() == self.undisturbed(status)[1]
        assert "v1" in record.parse_releases(shop.read(POINTER))
        assert json.loads(shop.read(LOCK) or b"")["nonce"] == ""
        looked = [each.method for each in seen if each.path.endswith(LOCK)]
        assert looked == ["GET", "PUT", "GET", "PUT"]  # nobody waited for the dead
        return seen

    def prove(self, shop: Shop, status: str, before: Callable[[], list[Seen]], *, ledger: bool) -> bool:
        """Kill, look, publish again, look; all the while somebody reads. Return whether it was killed at all."""
        shop.begin_upload("v10/x")  # somebody else's, beside the release's folder
        reader = Reader(shop, self.undisturbed(status)[1])
        with reader.watching():
            seen = before()
            assert reader.look() is any(each.path.endswith(RECORD) and each.applied == 200 for each in seen[10:])
            self.finish(shop, status, seen, ledger=ledger)
            assert reader.look()
        assert shop.uploads() == ["v10/x"]
        return any(each.fault for each in seen)


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


@pytest.mark.parametrize(("last", "ledger"), [("1", False), ("3", True)], ids=["no ledger", "ledger"])
def test_parts_of_a_large_object_that_arrived_are_not_sent_again(
    seaweed: Seaweed,
    prefix: str,
    tmp_path: Path,
    last: str,
    ledger: bool,  # noqa: FBT001
) -> None:
    """Three parts are on their way at once, and the publisher is killed when all but one have arrived."""
    size = PART_BYTES * 3  # so that the third is short
    with yard_before(seaweed, tmp_path, f"{prefix}aside/", chunks=1, texts=1, large_bytes=size) as yard:
        shop = yard.shop(prefix)
        seen = yard.kill(shop, "final", once_the_others_arrived(last), "before")
        there = {number for _, number in arrived(seen) if number}
        assert there == {"1", "2", "3"} - {last}
        assert shop.uploads() == [LARGE]
        again = yard.finish(shop, "final", seen, ledger=ledger)
        assert {number for _, number in sent(again) if number} == {last}
        assert shop.uploads() == []


def test_the_last_part_alone_tells_what_it_was_sent_for(yard: Yard, prefix: str) -> None:
    """Nothing is remembered of it, and no other part is there whose size would tell."""
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
