"""What stands is not compared one by one, and whatever differs is found all the same: over a real store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from publisher import inventory
from publisher.ledger import Ledger
from publisher.objects import Entry, Op, Plan
from publisher.plan import plan
from publisher.publish import publish
from publisher.standing import NAME
from publisher.targets import ahead, open_target
from publisher.tree import Tree
from tests.nursery import Nursery
from tests.rig import Rig, ops, reasons
from tests.servers.faults import FaultProxy
from tests.servers.fixtures import BUCKET
from tests.servers.seaweed import Seaweed
from tests.shop import INVENTORY, LARGE, Shop, fill, is_data

CHUNK = bytes(range(256)) * 16
KEYS = ["v1/files/notes/a.txt", "v1/files/notes/b.txt", "v1/files/seg/1-2", "v1/files/seg/1-3", "v1/files/seg/info"]


class Unread(Exception):
    """The inventory was read."""


def unread() -> Iterator[Entry]:
    raise Unread
    yield


@dataclass
class Lab:
    """A release that is live in a bucket, and the ledger of the machine that published it."""

    rig: Rig
    client: Any
    prefix: str
    trees: tuple[Tree, ...] = ()

    @property
    def ledger(self) -> Ledger:
        """Opened anew, as each run does."""
        return Ledger(self.rig.folder / "work", self.rig.target.url)

    @property
    def entries(self) -> list[Entry]:
        live = self.rig.live
        assert live
        assert live.inventory
        file = self.rig.target.open(live.inventory.key)
        assert file
        return list(inventory.read(file))

    def plan(self, entries: Iterable[Entry] | None = None, *, reread: bool = False) -> Plan:
        live, ledger = self.rig.live, self.ledger
        ledger.reread = reread
        known = (live, self.entries if entries is None else entries) if live else None
        trees = self.trees or self.rig.trees
        return plan(trees, self.rig.target, known, version="v1", final=self.rig.status == "final", ledger=ledger)

    def publish(self) -> None:
        publish(self.plan(), self.rig.target, self.rig.wanted(), self.rig.live, ledger=self.ledger)

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}{key}", Body=body)


@pytest.fixture
def lab(tmp_path: Path, seaweed: Seaweed, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Lab:
    for name, value in seaweed.env.items():
        monkeypatch.setenv(name, value)
    rig = Rig(tmp_path)
    url = f"s3://{BUCKET}/{prefix}"
    rig.target = open_target(url, None, tmp_path, Ledger(tmp_path / "work", url))
    for name in ("seg/1-2", "seg/1-3"):
        rig.write(name, CHUNK)
    rig.write("seg/info", "{}")
    for name in ("notes/a.txt", "notes/b.txt"):
        rig.write(name, "words\n")
    found = Lab(rig, seaweed.client(), prefix)
    found.publish()
    return found


def test_what_stands_is_told_as_before_without_the_inventory(lab: Lab) -> None:
    with pytest.raises(Unread):
        lab.plan(unread())
    long = lab.plan()
    short = lab.plan(unread())
    assert (short.totals, short.artifacts, short.news, short.marks) == (long.totals, long.artifacts, 0, long.marks)
    assert short.empty
    assert list(lab.plan().changes) == list(long.changes)
    assert ops(long.changes) == dict.fromkeys(KEYS, "=")


def test_a_run_that_publishes_nothing_leaves_it_standing(lab: Lab) -> None:
    lab.plan()
    with lab.rig.target.lock("v1"):
        lab.publish()
    assert lab.plan(unread()).empty


def touched(lab: Lab) -> None:
    """Other bytes, as many."""
    path = lab.rig.write("seg/1-3", CHUNK[::-1])
    os.utime(path, ns=(1, 1))


def changed_in_place(lab: Lab) -> None:
    before = (lab.rig.sources / "seg/1-3").stat()
    (lab.rig.sources / "seg/1-3").write_bytes(CHUNK[::-1])
    assert (lab.rig.sources / "seg/1-3").stat().st_ino == before.st_ino


def added(lab: Lab) -> None:
    lab.rig.write("notes/c.txt", "more\n")


def removed(lab: Lab) -> None:
    (lab.rig.sources / "notes/b.txt").unlink()


def renamed(lab: Lab) -> None:
    (lab.rig.sources / "notes/b.txt").rename(lab.rig.sources / "notes/c.txt")


def other_role(lab: Lab) -> None:
    trees = {tree.artifact: tree for tree in lab.rig.trees}
    lab.trees = (trees["notes"], replace(trees["seg"], role=lambda _: "chunk/jpeg"))


def final(lab: Lab) -> None:
    lab.rig.status = "final"


def overwritten(lab: Lab) -> None:
    """Other bytes in the store, as many."""
    lab.put("v1/files/notes/b.txt", b"sdrow\n")


def lost(lab: Lab) -> None:
    lab.client.delete_object(Bucket=BUCKET, Key=f"{lab.prefix}v1/files/notes/b.txt")


B, C, CHUNK_3 = "v1/files/notes/b.txt", "v1/files/notes/c.txt", "v1/files/seg/1-3"


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (touched, {CHUNK_3: "~"}),
        (changed_in_place, {CHUNK_3: "~"}),
        (added, {C: "+"}),
        (removed, {B: "?"}),
        (renamed, {B: "?", C: "+"}),
        (other_role, dict.fromkeys(KEYS[2:], "~")),
        (final, dict.fromkeys(KEYS, "~")),
        (overwritten, {B: "~"}),
        (lost, {B: "+"}),
    ],
)
def test_whatever_happens_is_found(lab: Lab, happens: Callable[[Lab], None], expected: dict[str, str]) -> None:
    lab.plan()
    assert lab.plan(unread()).empty
    happens(lab)
    made = lab.plan()
    assert {key: op for key, op in ops(made.changes).items() if op != "="} == expected


def test_what_was_looked_at_again_stands_again(lab: Lab) -> None:
    lab.plan()
    os.utime(lab.rig.sources / "seg/1-2", ns=(1, 1))
    with pytest.raises(Unread):
        lab.plan(unread())
    assert lab.plan().empty
    assert lab.plan(unread()).empty


def test_who_wants_every_source_read_has_them_read(lab: Lab) -> None:
    lab.plan()
    (lab.rig.sources / "seg/1-2").chmod(0)
    with pytest.raises(Unread):
        lab.plan(unread(), reread=True)


def test_another_inventory_is_another_release(lab: Lab) -> None:
    lab.plan()
    lab.rig.write("notes/b.txt", "others\n")
    lab.publish()
    with pytest.raises(Unread):
        lab.plan(unread())
    assert lab.plan().empty
    assert lab.plan(unread()).empty


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"asked": 1, "marks": [], "artifacts": {}}'])
def test_a_note_that_cannot_be_read_is_none(lab: Lab, text: str) -> None:
    lab.ledger.set(NAME, text)
    assert lab.plan().empty
    assert lab.plan(unread()).empty


def test_what_lies_behind_the_last_object_is_sealed_too(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "BLOCK", 1)
    monkeypatch.setattr(ahead, "BLOCKS", 1)
    for number in range(8):
        lab.put(f"v1/unknown/{number}", b"")
    lab.plan()
    assert lab.plan(unread()).empty
    lab.put("v1/unknown/7", b"changed")
    with pytest.raises(Unread):
        lab.plan(unread())


def test_objects_elsewhere_are_compared_one_by_one(lab: Lab) -> None:
    """What is sealed is the release's own folder."""
    lab.rig.write("more/c.txt", "words\n")
    lab.rig.extra = (lab.rig.tree("more", key="shared/more"),)
    lab.publish()
    lab.plan()
    lab.put("shared/more/c.txt", b"sdrow\n")
    made = lab.plan()
    assert reasons(made, Op.REPLACE) == {"shared/more/c.txt": "recorded, but changed at the target"}


@pytest.mark.parametrize("status", ["draft", "final"])
def test_the_first_run_after_publishing_compares_nothing(
    seaweed: Seaweed, prefix: str, tmp_path: Path, status: str
) -> None:
    """Who has put everything knows what a listing will tell: of objects in parts and of the release's own, too."""
    manifest = fill(tmp_path / "release", chunks=3, texts=5) / f"{status}.yaml"
    shop = Shop(seaweed, prefix)
    with FaultProxy(seaweed.endpoint) as proxy, Nursery(proxy.endpoint, tmp_path / "said") as nursery:

        def published() -> list[str]:
            """Return what was asked for of the inventory, and what was put of the release."""
            proxy.clear()
            assert nursery.publish(manifest, shop.url) == 0, nursery.said.read_text()
            seen = [each for each in proxy.log if INVENTORY in each.path or is_data(each)]
            return [f"{each.method} {each.path.rpartition('v1/')[2]}" for each in seen]

        assert len(published()) == 3 + 5 + 1 + 1
        assert shop.objects()[LARGE][1].endswith('-2"')
        assert published() == []
        shop.put("v1/files/data/003.txt", b"others")
        assert "PUT files/data/003.txt" in published()  # and all is as it was before
        assert published() == []
