"""What targets promise, one test a promise, for every target. What is stored is looked at around the target itself."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier, Event, Lock, Thread
from urllib.parse import quote

import pytest
import urllib3

from publisher.errors import Conflict, LocalTrouble, Locked
from publisher.ledger import Ledger
from publisher.objects import UNTOLD, Entry, Headers, Stored
from publisher.targets import LocalTarget, Target, open_target
from tests.rig import parts, state
from tests.servers.fixtures import BUCKET
from tests.servers.seaweed import Seaweed

PLAIN = Headers("application/octet-stream", None, "no-cache")
GZIP = Headers("application/octet-stream", "gzip", "no-cache")
OLD, NEW = b"old bytes", b"new bytes, and more of them"


@dataclass(frozen=True)
class Place:
    """A target, and another way to its contents: a target cannot vouch for itself."""

    target: Target
    stored: Callable[[str, Headers], bytes | None]
    leftovers: Callable[[], list[str]]
    another: Callable[[], Target]  # the same place, as another program would open it
    holder: str  # code that holds the lock of version v1 until it is killed; it says "held" once it does


def local(folder: Path, _: pytest.FixtureRequest) -> Place:
    root = folder / "target"

    def stored(key: str, headers: Headers) -> bytes | None:
        path = root / (f"{key}.gz" if headers.content_encoding else key)
        return path.read_bytes() if path.is_file() else None

    code = f"from pathlib import Path; from publisher.targets import LocalTarget; target = LocalTarget(Path({str(root)!r}))"
    return Place(LocalTarget(root), stored, lambda: parts(root), lambda: LocalTarget(root), code)


OPEN = """
from pathlib import Path
from publisher.ledger import Ledger
from publisher.targets import open_target
target = open_target({url!r}, None, Path(), Ledger(Path({folder!r}), {url!r}))
"""


def bucket(url: str, folder: Path, read: Callable[[str], tuple[bytes, str | None] | None]) -> Place:
    """A prefix of a bucket; `read` returns the stored bytes and Content-Encoding of a key below it."""

    def stored(key: str, headers: Headers) -> bytes | None:
        found = read(key)
        return found[0] if found and found[1] == headers.content_encoding else None

    def another() -> Target:
        return open_target(url, None, folder, Ledger(folder, url))

    return Place(another(), stored, list, another, OPEN.format(url=url, folder=str(folder)))


def s3(folder: Path, request: pytest.FixtureRequest) -> Place:
    """SeaweedFS, read around the target through boto3."""
    return s3_at(request.getfixturevalue("seaweed"), "", folder, request)


def s3_tls(folder: Path, request: pytest.FixtureRequest) -> Place:
    """The same behind a TLS terminator, with a certificate of its own authority."""
    terminator = request.getfixturevalue("seaweed_tls")
    request.getfixturevalue("monkeypatch").setenv("AWS_CA_BUNDLE", str(terminator.ca))
    return s3_at(request.getfixturevalue("seaweed"), terminator.endpoint, folder, request)


def s3_at(server: Seaweed, endpoint: str, folder: Path, request: pytest.FixtureRequest) -> Place:
    prefix = request.getfixturevalue("prefix")
    for name, value in (server.env | ({"AWS_ENDPOINT_URL": endpoint} if endpoint else {})).items():
        request.getfixturevalue("monkeypatch").setenv(name, value)
    client = server.client()

    def read(key: str) -> tuple[bytes, str | None] | None:
        try:
            found = client.get_object(Bucket=BUCKET, Key=prefix + key)
        except client.exceptions.NoSuchKey:
            return None
        return found["Body"].read(), found.get("ContentEncoding") or None

    place = bucket(f"s3://{BUCKET}/{prefix}", folder, read)
    uploads = lambda: [each["Key"] for each in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())]  # noqa: E731
    return replace(place, leftovers=lambda: [key for key in uploads() if key.startswith(prefix)])


def gcs(folder: Path, request: pytest.FixtureRequest) -> Place:
    """fake-gcs-server, read around the target through the JSON interface's media."""
    server, prefix = request.getfixturevalue("fake_gcs"), request.getfixturevalue("prefix")
    for name, value in server.env.items():
        request.getfixturevalue("monkeypatch").setenv(name, value)

    def read(key: str) -> tuple[bytes, str | None] | None:
        where = f"{server.endpoint}/storage/v1/b/{BUCKET}/o/{quote(prefix + key, safe='')}"
        told = urllib3.request("GET", where)
        if told.status == 404:
            return None
        got = urllib3.request("GET", f"{where}?alt=media", headers={"Accept-Encoding": "gzip"}, decode_content=False)
        return got.data, told.json().get("contentEncoding") or None

    return bucket(f"gs://{BUCKET}/{prefix}", folder, read)


TARGETS: dict[str, Callable[[Path, pytest.FixtureRequest], Place]] = {
    "local": local,
    "s3": s3,
    "s3-tls": s3_tls,
    "gcs": gcs,
}  # one line a target


@pytest.fixture(params=TARGETS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return TARGETS[request.param](tmp_path, request)


def entry_of(key: str, stored: bytes, headers: Headers) -> Entry:
    content = gzip.decompress(stored) if headers.content_encoding else stored
    digests = hashlib.sha256(stored).hexdigest(), len(content), hashlib.sha256(content).hexdigest()
    return Entry(key, "a", len(stored), *digests, headers)


def holds(target: Target, key: str, body: bytes, headers: Headers) -> bool:
    return target.holds(entry_of(key, body, headers), lambda: [body])


def told(stored: Stored | None, encoding: str | None) -> tuple[str, int] | None:
    """Return key and size of what a target tells; its Content-Encoding is right, where it is told at all."""
    assert stored is None or stored.content_encoding in {encoding, UNTOLD}
    return stored and stored[:2]


def test_what_is_put_is_there_to_the_byte(place: Place) -> None:
    for key, body in {"a": [OLD], "v1/b/c": [b"", OLD, NEW], "v1/b/d": [], "é 脳/:;#?%41": [OLD]}.items():
        place.target.put(key, body, PLAIN)
        assert place.stored(key, PLAIN) == b"".join(body)
        assert place.target.read(key) == b"".join(body)
    packed = gzip.compress(OLD, mtime=0)
    place.target.put("v1/z", [packed], GZIP)
    assert place.stored("v1/z", GZIP) == packed
    assert place.target.read("v1/z") == packed
    assert place.leftovers() == []


def test_what_is_not_there_reads_as_none(place: Place) -> None:
    place.target.put("v1/a", [OLD], PLAIN)
    for key in ("v1/b", "v1", "v1/a/b", "w", "v1/a.", "releases.json"):
        assert place.target.read(key) is None
        assert place.target.open(key) is None
    assert list(place.target.lookup(["v1", "v1/a/b", "v1/b"])) == [None, None, None]


def test_what_is_opened_can_be_read_from_any_place(place: Place) -> None:
    place.target.put("v1/a", [NEW], PLAIN)
    file = place.target.open("v1/a")
    assert file is not None
    with file:
        file.seek(4)
        assert file.read(5) == NEW[4:9]
        assert file.seek(0, 2) == len(NEW)


class Broken(Exception):
    """What a body raises here."""


def half(data: bytes) -> Iterator[bytes]:
    yield data
    raise Broken


@pytest.mark.parametrize("headers", [PLAIN, GZIP], ids=["plain", "gzip"])
@pytest.mark.parametrize("create", [False, True])
def test_a_body_that_raises_leaves_everything_as_it_was(place: Place, headers: Headers, create: bool) -> None:  # noqa: FBT001
    with pytest.raises(Broken):
        place.target.put("v1/new", half(NEW), headers, create=create)
    assert place.stored("v1/new", headers) is None
    assert list(place.target.lookup(["v1/new"])) == [None]
    place.target.put("v1/old", [OLD], PLAIN)
    with pytest.raises(Broken):
        place.target.put("v1/old", half(NEW), headers)
    assert place.target.read("v1/old") == OLD
    assert place.leftovers() == []


def test_a_reader_sees_the_old_bytes_or_the_new_ones(place: Place) -> None:
    """While objects are replaced again and again, whoever reads gets one of the two, whole."""
    bodies = {b"a" * 300_000, b"b" * 500_000}
    place.target.put("v1/a", [next(iter(bodies))], PLAIN)
    done, seen = Event(), set()

    def read() -> None:
        other = place.another()
        while not done.is_set():
            seen.add(other.read("v1/a"))

    readers = [Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(60):
        for body in bodies:
            place.target.put("v1/a", (body[at : at + 50_000] for at in range(0, len(body), 50_000)), PLAIN)
    done.set()
    for reader in readers:
        reader.join()
    assert seen <= bodies
    assert seen


def test_create_refuses_what_is_there_in_whichever_form(place: Place) -> None:
    place.target.put("v1/a", [OLD], PLAIN, create=True)
    place.target.put("v1/z", [gzip.compress(OLD, mtime=0)], GZIP, create=True)
    for key in ("v1/a", "v1/z"):
        for headers in (PLAIN, GZIP):
            with pytest.raises(Conflict) as caught:
                place.target.put(key, [gzip.compress(NEW, mtime=0)], headers, create=True)
            assert caught.value.problems[0].where == key
    assert place.stored("v1/a", PLAIN) == OLD
    assert place.stored("v1/a", GZIP) is None
    assert place.stored("v1/z", GZIP) == gzip.compress(OLD, mtime=0)
    assert place.stored("v1/z", PLAIN) is None
    assert place.leftovers() == []
    place.target.put("v1/a", [NEW], PLAIN)  # without create it is replaced
    assert place.stored("v1/a", PLAIN) == NEW


def test_over_replaces_only_what_was_meant(place: Place) -> None:
    old = place.target.put("v1/a", [OLD], PLAIN)
    (listed,) = place.target.lookup(["v1/a"])
    assert listed
    assert listed.tag == old
    place.target.put("v1/a", [NEW], PLAIN, over=old)
    assert place.stored("v1/a", PLAIN) == NEW
    if old:  # a folder has no tags: its publishers take turns
        with pytest.raises(Conflict):
            place.target.put("v1/a", [OLD], PLAIN, over=old)
    assert place.stored("v1/a", PLAIN) == NEW


def test_of_many_that_create_at_once_one_wins(place: Place) -> None:
    racers = 16
    start = Barrier(racers, timeout=60)

    def race(number: int) -> int | None:
        target = place.another()
        start.wait()
        try:
            target.put("v1/record", [f"{number}".encode() * 1000], PLAIN, create=True)
        except Conflict:
            return None
        return number

    with ThreadPoolExecutor(racers) as pool:
        winners = [number for number in pool.map(race, range(racers)) if number is not None]
    assert len(winners) == 1
    assert place.stored("v1/record", PLAIN) == f"{winners[0]}".encode() * 1000
    assert place.leftovers() == []


def test_many_puts_of_one_key_leave_one_whole_object(place: Place) -> None:
    bodies = [bytes([number]) * (1000 + number) for number in range(32)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda body: place.target.put("v1/a", [body], PLAIN), bodies * 4))
    assert place.stored("v1/a", PLAIN) in bodies
    assert place.leftovers() == []


def test_lookup_answers_in_order_and_as_lazily_as_it_is_asked(place: Place) -> None:
    place.target.put("v1/a", [OLD], PLAIN)
    place.target.put("v1/c", [gzip.compress(OLD, mtime=0)], GZIP)
    asked: list[str] = []

    def keys() -> Iterator[str]:
        for key in ("v1/a", "v1/b", "v1/c", "v1/d"):
            asked.append(key)
            yield key

    answers = place.target.lookup(keys())
    assert asked == []
    assert told(next(answers), None) == ("v1/a", len(OLD))
    assert asked == ["v1/a"]
    missing, third, last = answers
    assert (missing, told(third, "gzip"), last) == (None, ("v1/c", len(gzip.compress(OLD, mtime=0))), None)


def sealed(place: Place) -> str:
    """Return the seal as another program would take it."""
    return place.another().lookup((), likely="v1").seal()


def test_a_seal_is_broken_by_whatever_becomes_of_an_object(place: Place) -> None:
    """A folder is not listed for it; a bucket is."""
    for key in ("v1/a", "v1/b-c", "v1/b/c", "v2/a"):
        place.target.put(key, [OLD], PLAIN)
    first = sealed(place)
    assert first == sealed(place)
    assert (first == "") == isinstance(place.target, LocalTarget)
    place.target.put("v2/b", [OLD], PLAIN)
    with place.target.lock("v1"):
        place.target.put("v1/.release/release.json", [OLD], PLAIN)
    assert sealed(place) == first  # another release, and what a run that changes nothing may write
    seals = {first}
    for key, body in (("v1/b/c", OLD[::-1]), ("v1/c", OLD), ("v1/a", b""), ("v1/.release/inventory-1.parquet", OLD)):
        place.target.put(key, [body], PLAIN)
        seals.add(sealed(place))
    assert len(seals) == (1 if first == "" else 5)


def test_what_was_sealed_can_still_be_looked_up(place: Place) -> None:
    place.target.put("v1/a", [OLD], PLAIN)
    found = place.target.lookup(["v1/a", "v1/b"], likely="v1")
    seal = found.seal()
    assert [told(each, None) for each in found] == [("v1/a", len(OLD)), None]
    found = place.target.lookup(["v1/a"], likely="v1")
    assert [told(each, None) for each in found] == [("v1/a", len(OLD))]
    assert found.seal() == seal


def test_holds_is_about_every_byte(place: Place) -> None:
    assert not holds(place.target, "v1/a", OLD, PLAIN)
    place.target.put("v1/a", [OLD], PLAIN)
    assert holds(place.target, "v1/a", OLD, PLAIN)
    place.target.put("v1/a", [OLD[:-1] + b"!"], PLAIN)  # as long as before
    assert not holds(place.target, "v1/a", OLD, PLAIN)
    place.target.put("v1/a", [OLD + b"!"], PLAIN)
    assert not holds(place.target, "v1/a", OLD, PLAIN)
    packed = gzip.compress(OLD, mtime=0)
    place.target.put("v1/z", [packed], GZIP)
    assert holds(place.target, "v1/z", packed, GZIP)
    assert not holds(place.target, "v1/z", packed, PLAIN)  # the same bytes, labelled otherwise
    assert not holds(place.target, "v1/z", gzip.compress(OLD, 1, mtime=0), GZIP)


def test_an_object_changes_its_form_and_is_there_once(place: Place) -> None:
    packed = gzip.compress(NEW, mtime=0)
    for body, headers, other in ((OLD, PLAIN, GZIP), (packed, GZIP, PLAIN), (OLD, PLAIN, GZIP)):
        place.target.put("v1/a", [body], headers)
        assert place.stored("v1/a", headers) == body
        assert place.stored("v1/a", other) is None
        (found,) = place.target.lookup(["v1/a"])
        assert told(found, headers.content_encoding) == ("v1/a", len(body))
        assert holds(place.target, "v1/a", body, headers)


def test_an_object_s_name_may_end_in_gz(place: Place) -> None:
    packed = gzip.compress(OLD, mtime=0)  # once: the time is in it
    place.target.put("v1/edges.csv.gz", [packed], PLAIN)
    assert place.stored("v1/edges.csv.gz", PLAIN) == packed
    (found,) = place.target.lookup(["v1/edges.csv.gz"])
    assert told(found, None) == ("v1/edges.csv.gz", len(packed))


def test_a_swap_loses_nobody_s_change(place: Place) -> None:
    """Sixteen add two lines each, at once; a bucket says no to who was slower, a folder's publishers take turns.

    Their second line they add as if they were sure that theirs was the last: they hear that it was not.
    """
    taking_turns = Lock()

    def add(number: int) -> None:
        target = place.another()
        for each, sure in ((number, False), (number + 16, True)):

            def change(old: bytes | None, each: int = each) -> bytes:
                return (old or b"") + f"{each}\n".encode()

            with taking_turns if isinstance(target, LocalTarget) else nullcontext():
                target.swap("releases.json", change, PLAIN, sure=sure)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(add, range(16)))
    found = place.stored("releases.json", PLAIN)
    assert found is not None
    assert sorted(map(int, found.split())) == list(range(32))


def test_a_swap_that_changes_nothing_writes_nothing(place: Place) -> None:
    place.target.put("v1/a", [OLD], PLAIN)
    (before,) = place.target.lookup(["v1/a"])
    place.target.swap("v1/a", lambda _: None, PLAIN)
    place.target.swap("v1/a", lambda old: old, PLAIN)
    place.target.swap("v1/b", lambda old: old, PLAIN)
    assert list(place.target.lookup(["v1/a", "v1/b"])) == [before, None]


def test_what_is_below_a_prefix_comes_sorted_and_nothing_else(place: Place) -> None:
    inside = ["v1/a", "v1/b/c/d", "v1/b-c", "v1/b.c", "v1/bb", "v1/é", "v1/脳/#?%41 x", "v1/z"]
    for key in (*inside, "v10/a", "v1", "v0/a", "w"):
        if key != "v1" or not isinstance(place.target, LocalTarget):
            place.target.put(key, [OLD], PLAIN)
    place.target.put("v1/gz", [gzip.compress(OLD, mtime=0)], GZIP)
    found = list(place.target.below("v1/"))
    assert [stored.key for stored in found] == sorted([*inside, "v1/gz"])
    assert all(stored.size_bytes == len(OLD) for stored in found if stored.key != "v1/gz")
    assert list(place.target.below("nothing/")) == []


@pytest.mark.parametrize("size", [(16 << 20) - 1, 16 << 20, (16 << 20) + 1, 40_000_000])
def test_large_objects_are_there_to_the_byte(size: int, place: Place) -> None:
    body = hashlib.shake_128(b"large").digest(1 << 16) * (size // (1 << 16) + 1)
    body = body[:size]
    blocks = [body[at : at + 1_000_003] for at in range(0, size, 1_000_003)]
    place.target.put("v1/large", blocks, PLAIN, create=True, about=size)
    assert place.stored("v1/large", PLAIN) == body
    assert holds(place.target, "v1/large", body, PLAIN)
    assert not holds(place.target, "v1/large", body[:-1] + b"!", PLAIN)
    with pytest.raises(Conflict):
        place.target.put("v1/large", [body[:-1] + b"!"], PLAIN, create=True, about=size)
    assert place.stored("v1/large", PLAIN) == body
    place.target.tidy("v1")
    assert place.leftovers() == []


def test_a_large_body_that_raises_leaves_no_object(place: Place) -> None:
    with pytest.raises(Broken):
        place.target.put("v1/large", half(bytes(40_000_000)), PLAIN, about=80_000_000)
    assert place.stored("v1/large", PLAIN) is None
    place.target.tidy("v1")
    assert place.leftovers() == []


def test_settle_returns(place: Place) -> None:
    place.target.put("v1/a", [OLD], PLAIN)
    place.target.settle()
    assert place.stored("v1/a", PLAIN) == OLD


def test_one_holds_the_lock_at_a_time_and_gives_it_back(place: Place) -> None:
    with place.target.lock("v1"):
        with pytest.raises(Locked) as caught, place.another().lock("v1"):
            pass
        assert str(os.getpid()) in str(caught.value)
        assert caught.value.exit_code == 6
    with place.another().lock("v1"):
        pass
    with pytest.raises(Broken), place.target.lock("v1"):
        raise Broken
    with place.another().lock("v1"):
        pass


def test_another_process_that_holds_the_lock_is_named_and_a_killed_one_frees_it_at_once(place: Place) -> None:
    code = f"""{place.holder}
import sys
with target.lock("v1"):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Locked) as caught, place.target.lock("v1"):
            pass
        assert str(holder.pid) in str(caught.value)
        place.target.put("v1/a", [OLD], PLAIN)  # the lock is among publishers; it makes nothing unreadable
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with place.target.lock("v1"):
        pass


# What only a folder can do, or suffer.


def test_a_run_that_was_killed_leaves_nothing_for_ever(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path)
    target.put("v1/a", [OLD], PLAIN)
    (tmp_path / ".publisher-tmp/4711-0").write_bytes(b"half of an object")
    (tmp_path / ".publisher-tmp/notes").write_bytes(b"not ours")
    with target.lock("v1"):
        assert parts(tmp_path) == ["notes"]
    assert (tmp_path / ".publisher-tmp/lock").read_text().startswith(f"process {os.getpid()} of ")


def test_an_object_in_the_way_is_told_in_words(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path)
    target.put("v1/a", [OLD], PLAIN)
    target.put("v1/b/c", [OLD], PLAIN)
    before = state(tmp_path)
    for key in ("v1/a/b", "v1/b"):
        with pytest.raises(LocalTrouble) as caught:
            target.put(key, [NEW], PLAIN)
        assert str(tmp_path) in caught.value.problems[0].where
    assert state(tmp_path) == before
    assert parts(tmp_path) == []


def test_an_object_that_is_named_gz_is_neither_removed_nor_taken_for_another(tmp_path: Path) -> None:
    """`edges.csv.gz` lies there for itself: `edges.csv` beside it would be served as if it were that."""
    target = LocalTarget(tmp_path)
    target.put("v1/edges.csv.gz", [gzip.compress(OLD, mtime=0)], PLAIN)
    with pytest.raises(LocalTrouble, match=r"edges\.csv\.gz: lies beside the object v1/edges\.csv"):
        target.put("v1/edges.csv", [OLD], PLAIN)
    assert sorted(state(tmp_path)) == ["v1/edges.csv.gz"]


def test_names_as_long_as_the_disk_takes_them(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path)
    for length in (252, 253, 255):
        key = f"v1/{'n' * length}"
        target.put(key, [OLD], PLAIN)
        assert target.read(key) == OLD
        assert list(target.lookup([key])) == [Stored(key, len(OLD), None)]
        assert holds(target, key, OLD, PLAIN)
    with pytest.raises(LocalTrouble, match="too long"):
        target.put(f"v1/{'n' * 253}", [gzip.compress(OLD, mtime=0)], GZIP)  # as a file, it has .gz behind it
    assert parts(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LocalTrouble, match="file"):
        LocalTarget(tmp_path / "file").put("v1/a", [OLD], PLAIN)
    with pytest.raises(LocalTrouble, match="file"), LocalTarget(tmp_path / "file").lock("v1"):
        pass
