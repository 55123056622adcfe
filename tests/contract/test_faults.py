"""What a store, or the way to it, does to a publisher: on SeaweedFS, through a proxy that breaks what it is told to.

Each fault has its figure, and a control that shows the fault to be one: what a plainer client makes of it. What stands
in the bucket is looked at around the proxy. No run ever deletes an object.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import Any

import pytest

from publisher import finish, inventory, pipeline, record
from publisher.errors import Conflict, Incomplete, Locked, PublisherError, Unreachable
from publisher.ledger import Ledger
from publisher.objects import Entry, Finding, Headers, Op
from publisher.run import Run
from publisher.targets import bucket as buckets
from publisher.targets import lock, open_target, pace, parts
from publisher.targets.bucket import Bucket
from publisher.targets.s3 import connection, listing, uploads
from publisher.targets.wire import Trouble
from tests.servers import faults
from tests.servers.faults import Answer, Fault, FaultProxy, Forward, Plan, Request, Seen
from tests.servers.fixtures import BUCKET
from tests.servers.rclone import RcloneS3
from tests.servers.s3 import client, environment, policy_kept
from tests.servers.seaweed import Seaweed
from tests.servers.tls import TlsTerminator

RECORD, POINTER, BEGUN = record.record_key("v1"), record.RELEASES_KEY, record.begun_key("v1")
LOCK = lock.key_of("v1")
FINAL, MOVING = "public, max-age=31536000, immutable", "no-cache"
FINAL_GZIP = f"{FINAL}, no-transform"
PART = 5 << 20  # the least that S3 takes

MANIFEST = """
schema: 1
version: {version}
date: 2026-11-21
status: {status}
dataset: {{name: small, title: Small, description: Small., license: CC-BY-4.0, authors: [{{name: A. Author}}]}}
space: {{name: voxels, voxel_size: [8, 8, 8], units: nm}}
targets: {{bucket: {{url: "{url}"}}}}
examples: false
{volumes}
files: [{{name: data, title: Data, description: Data., source: data}}]
"""
VOLUMES = "scenes: []\nvolumes: [{name: seg, title: Segments, description: Segments., source: seg}]"


def info(chunks: int, deep: int = 64) -> str:
    scale = {
        "key": "8_8_8",
        "size": [64, 64, deep * chunks],
        "resolution": [8, 8, 8],
        "chunk_sizes": [[64, 64, deep]],
        "voxel_offset": [0, 0, 0],
        "encoding": "raw",
    }
    kind = {"@type": "neuroglancer_multiscale_volume", "type": "segmentation", "data_type": "uint8", "num_channels": 1}
    return json.dumps({**kind, "scales": [scale]})


@dataclass(frozen=True)
class Object:
    """An object as boto3 finds it."""

    data: bytes
    headers: Headers


@dataclass
class Case:
    """A release on its way to a prefix of a bucket, through a proxy; what stands there is looked at around it."""

    folder: Path
    proxy: FaultProxy
    server: Seaweed
    prefix: str
    status: str = "final"
    version: str = "v1"

    def __post_init__(self) -> None:
        (self.folder / "data").mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/{self.prefix}shop"

    @property
    def manifest(self) -> Path:
        volumes = VOLUMES if (self.folder / "seg").exists() else ""
        path = self.folder / f"{self.version}.yaml"
        words = {"version": self.version, "status": self.status, "url": self.url, "volumes": volumes}
        path.write_text(MANIFEST.format(**words))
        return path

    def fill(self, number: int, size_bytes: int = 1000) -> Case:
        """Write so many files."""
        for n in range(number):
            (self.folder / f"data/{n:04}.bin").write_bytes(Random(n).randbytes(size_bytes + n % 7))
        return self

    def chunks(self, number: int, deep: int = 64) -> Case:
        """Write a volume, whose chunks are stored as gzip, and are so many voxels deep."""
        scale = self.folder / "seg/8_8_8"
        scale.mkdir(parents=True)
        (self.folder / "seg/info").write_text(info(number, deep))
        for n in range(number):
            (scale / f"0-64_0-64_{deep * n}-{deep * n + deep}").write_bytes(bytes([n]) * 64 * 64 * deep)
        return self

    def target(self) -> Bucket:
        found = open_target(self.url, None, self.folder, Ledger(self.folder / "aside", self.url))
        assert isinstance(found, Bucket)
        return found

    def release(self, **how: Any) -> Run:
        return pipeline.release(self.manifest, None, **{"until": "publish", "access": False, **how})

    def refused(self, error: type[PublisherError], **how: Any) -> PublisherError:
        """Publish in vain; return why."""
        with pytest.raises(error) as caught:
            self.release(**how)
        assert type(caught.value) is error, caught.value
        return caught.value

    def forget(self) -> None:
        """Have the next run find no ledger."""
        shutil.rmtree(self.folder / ".publisher", ignore_errors=True)

    @cached_property
    def client(self) -> Any:
        return self.server.client()

    def name(self, key: str) -> str:
        return f"{self.prefix}shop/{key}"

    def get(self, key: str) -> Object | None:
        try:
            found = self.client.get_object(Bucket=BUCKET, Key=self.name(key))
        except self.client.exceptions.NoSuchKey:
            return None
        headers = found["ContentType"], found.get("ContentEncoding"), found.get("CacheControl", "")
        return Object(found["Body"].read(), Headers(*headers))

    def put(self, key: str, data: bytes, headers: Headers | None = None) -> None:
        """Write as another program would."""
        told = {"ContentType": headers.content_type, "CacheControl": headers.cache_control} if headers else {}
        if headers and headers.content_encoding:
            told["ContentEncoding"] = headers.content_encoding
        self.client.put_object(Bucket=BUCKET, Key=self.name(key), Body=data, **told)

    def live(self) -> list[str]:
        """Return the keys that are there."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=self.name(""))
        return sorted(each["Key"].removeprefix(self.name("")) for page in pages for each in page.get("Contents", ()))

    @property
    def entries(self) -> dict[str, Entry]:
        """What the live inventory says."""
        live = self.get(RECORD)
        assert live
        target = self.target()
        file = target.open(json.loads(live.data)["inventory"]["key"])
        assert file
        with file:
            return {entry.key: entry for entry in inventory.read(file)}

    @property
    def committed(self) -> bool:
        return self.get(RECORD) is not None

    def source(self, key: str) -> bytes:
        """Return the content that an object should have."""
        return (self.folder / key.removeprefix("v1/files/").removeprefix("v1/volumes/")).read_bytes()

    def check(self) -> int:
        """See that the release is live, every object with the bytes of its source and its headers; return how many."""
        entries = self.entries
        for key, entry in entries.items():
            found = self.get(key)
            assert found is not None, key
            assert found.headers == entry.headers, key
            data = gzip.decompress(found.data) if entry.headers.content_encoding else found.data
            assert data == self.source(key), key
        assert "v1" in record.parse_releases(getattr(self.get(POINTER), "data", None))
        return len(entries)

    def since(self, number: int) -> list[Seen]:
        return [seen for seen in self.proxy.log if seen.number >= number]

    @contextmanager
    def watched(self) -> Iterator[list[Seen]]:
        """Gather what is asked for meanwhile."""
        seen: list[Seen] = []
        last = len(self.proxy.log)
        try:
            yield seen
        finally:
            seen += self.since(last)


def is_data(request: Request | Seen) -> bool:
    """Whether it sends an object of the release, or a part of one."""
    inside = "/v1/" in request.path and "/.release/" not in request.path
    return request.method == "PUT" and inside and "uploads" not in request.query


def data_keys(seen: list[Seen]) -> Counter[str]:
    return Counter(each.path.partition("/shop/")[2] for each in seen if is_data(each))


def on(wanted: Callable[[Request], bool], fault: Fault) -> Plan:
    return lambda request: fault if wanted(request) else None


def is_put(key: str) -> Callable[[Request], bool]:
    return lambda request: request.method == "PUT" and request.path.endswith(f"/shop/{key}")


def first_tries(times: int, wanted: Callable[[Request], bool], fault: Fault) -> Plan:
    """Let a fault happen to the first tries of each object, or each part."""
    counted: Counter[tuple[str, str, frozenset[tuple[str, str]]]] = Counter()
    one = Lock()

    def plan(request: Request) -> Fault | None:
        if not wanted(request):
            return None
        with one:
            what = request.method, request.path, frozenset(request.query.items())  # not every client orders its words
            counted[what] += 1
            return fault if counted[what] <= times else None

    return plan


def after_applied(then: Fault) -> Fault:
    """Have the server do what was asked for, and the client hear something else."""

    def happen(request: Request, forward: Forward) -> Answer:
        forward(request)
        return then.happen(request, forward)

    return Fault(f"applied, {then.name}", happen)


@pytest.fixture
def case(
    faulty: FaultProxy, seaweed: Seaweed, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Case]:
    for name, value in environment(faulty.endpoint).items():
        monkeypatch.setenv(name, value)
    yield Case(tmp_path / "release", faulty, seaweed, prefix)
    # An unfinished upload is aborted by the same method; no object is ever deleted.
    assert [seen for seen in faulty.log if seen.method == "DELETE" and "uploadId" not in seen.query] == []


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are a tenth of what they are, so that hundreds of failures take seconds."""
    monkeypatch.setattr(pace, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(pace, "LAST_PAUSE_SECONDS", 0.25)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than 5 MiB is sent in parts."""
    for module in (parts, buckets, uploads):
        monkeypatch.setattr(module, "PART_BYTES", PART)


# 3: a commit that may or may not have been done.

RESETS = {"reset": faults.reset(before=False), "500": after_applied(faults.s3_error(500, "InternalError"))}


@pytest.mark.parametrize("answer", RESETS)
@pytest.mark.usefixtures("hasty", "small_parts")
def test_every_put_that_was_done_though_its_answer_was_lost_is_found_done(answer: str, case: Case) -> None:
    """Data, a multipart upload, marker, inventory, record, list of releases, lock: each first answer is lost."""
    case.fill(40)
    (case.folder / "data/large.bin").write_bytes(Random(0).randbytes(PART + (3 << 19)))
    case.proxy.plan = first_tries(1, lambda request: request.method in {"PUT", "POST"}, RESETS[answer])
    with case.watched() as seen:
        run = case.release()
    assert run.published
    assert run.published.uploaded == 41
    assert case.check() == 41
    lost = [each for each in seen if each.fault]
    assert {each.applied for each in lost} == {200}
    again = [each for each in seen if each.method == "PUT" and not each.fault and "if-none-match" in each.headers]
    assert {each.applied for each in again} == {412}
    assert len(again) >= 40 + 3  # marker, record, first lock and list
    assert len(seen) - len(lost) < len(lost) * 4


OTHER = Headers("application/octet-stream", None, FINAL)


def meanwhile(write: Callable[[], None]) -> Fault:
    """Lose the answer to what the server has not done, because somebody else was there just before."""

    def happen(*_: object) -> Answer:
        write()
        raise faults.Reset

    return Fault("meanwhile", happen)


@pytest.mark.parametrize("key", ["v1/files/data/0003.bin", RECORD, BEGUN])
@pytest.mark.usefixtures("hasty")
def test_something_else_at_a_key_is_a_conflict_that_names_it(key: str, case: Case) -> None:
    """The other half of the same: 412 after a lost answer, and what is there is not what was sent."""
    case.fill(8)
    theirs = b"somebody else's"
    case.proxy.plan = first_tries(1, is_put(key), meanwhile(lambda: case.put(key, theirs, OTHER)))
    if key == BEGUN:  # an unfinished run may have begun it: whoever did, the release goes on
        case.release()
        assert case.check() == 8
        return
    error = case.refused(Conflict)
    assert error.exit_code == 5
    assert [problem.where for problem in error.problems] == [key]
    found = case.get(key)
    assert found
    assert found.data == theirs
    assert case.committed is (key == RECORD)


@pytest.mark.usefixtures("hasty")
def test_the_same_bytes_with_other_headers_are_something_else(case: Case) -> None:
    case.fill(4)
    key = "v1/files/data/0001.bin"
    wrong = Headers("text/html", None, MOVING)
    case.proxy.plan = first_tries(1, is_put(key), meanwhile(lambda: case.put(key, case.source(key), wrong)))
    assert [problem.where for problem in case.refused(Conflict).problems] == [key]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.usefixtures("hasty")
def test_the_list_of_releases_keeps_what_another_release_wrote_meanwhile(moment: str, case: Case) -> None:
    """An answer is lost, before or after the list was written, and another publisher adds its line right then."""
    case.fill(2)
    other = Case(case.folder.parent / "other", case.proxy, case.server, case.prefix, version="v0").fill(1)

    def happen(request: Request, forward: Forward) -> Answer:
        if moment == "after":
            forward(request)
        other.release()
        raise faults.Reset

    case.proxy.plan = first_tries(1, is_put(POINTER), Fault(moment, happen))
    with case.watched() as seen:
        case.release()
    assert [each.fault for each in seen].count(moment) == 1
    listed = case.get(POINTER)
    assert listed
    assert set(record.parse_releases(listed.data)) == {"v0", "v1"}


@pytest.mark.usefixtures("hasty")
def test_a_lock_that_another_took_meanwhile_is_theirs(case: Case) -> None:
    case.fill(2)
    with ExitStack() as theirs:
        other = case.target()
        case.proxy.plan = first_tries(1, is_put(LOCK), meanwhile(lambda: theirs.enter_context(other.lock("v1"))))
        error = case.refused(Locked)
        assert error.exit_code == 6
        assert error.problems[0].where == f"{case.url}/{LOCK}"
        assert str(os.getpid()) in error.problems[0].message
        assert data_keys(case.proxy.log) == {}
    case.release()  # the control: it was given back
    assert case.check() == 2


# 4: a body that is changed on its way.


@pytest.mark.usefixtures("hasty", "small_parts")
def test_of_a_thousand_flipped_bits_none_is_stored(case: Case) -> None:
    """Each object's first two tries lose a bit: one goes through obstore, one through boto3. Parts of an upload, too."""
    objects, large = 494, 2
    case.fill(objects, 300)
    for n in range(large):
        (case.folder / f"data/large-{n}.bin").write_bytes(Random(n).randbytes(2 * PART + (3 << 19)))
    case.proxy.plan = first_tries(2, is_data, faults.flip_up())
    with case.watched() as seen:
        case.release()
    flipped = [each for each in seen if each.fault]
    parts = [each for each in flipped if "partNumber" in each.query]
    print(f"{len(flipped)} flipped, {len(parts)} of them of parts; {Counter(each.status for each in flipped)}")
    assert len(flipped) == 2 * objects + 2 * 3 * large == 1000
    assert {each.status for each in flipped} == {400}
    assert len(parts) == 2 * 3 * large
    sent = [each for each in seen if is_data(each) and not each.fault]
    assert len(sent) == objects + len({(each.path, each.query["partNumber"]) for each in parts})
    assert {each.status for each in sent} == {200}
    assert case.check() == objects + large


def test_a_flipped_bit_of_a_plainer_client_is_stored(case: Case) -> None:
    """The control: this server itself keeps what comes, where nobody sends a checksum."""
    case.proxy.plan = on(is_put("a"), faults.flip_up(77))
    plain = client(case.proxy.endpoint, request_checksum_calculation="when_required")
    plain.put_object(Bucket=BUCKET, Key=case.name("a"), Body=b"what was sent")
    found = case.get("a")
    assert found
    assert found.data != b"what was sent"
    assert len(found.data) == len(b"what was sent")


# 5: what each object carries, over HTTPS.

MEANT = {
    "v1/volumes/seg/info": Headers("application/json", None, FINAL),
    "v1/volumes/seg/8_8_8/": Headers("application/octet-stream", "gzip", FINAL_GZIP),
    "v1/files/data/large.bin": Headers("application/octet-stream", None, FINAL),
    "v1/files/data/edges.csv": Headers("text/csv; charset=utf-8", None, FINAL),
    "v1/files/data/packed.csv": Headers("text/csv; charset=utf-8", "gzip", FINAL_GZIP),
    "v1/files/data/ids.csv.gz": Headers("application/gzip", None, FINAL),
    "v1/files/data/t.feather": Headers("application/vnd.apache.arrow.file", None, FINAL),
    "v1/files/data/notes.md": Headers("text/markdown; charset=utf-8", None, FINAL),
    "v1/files/data/p.png": Headers("image/png", None, FINAL),
    RECORD: Headers("application/json", None, FINAL),
    BEGUN: Headers("application/json", None, FINAL),
    "v1/.release/inventory-": Headers("application/vnd.apache.parquet", None, FINAL),
    POINTER: Headers("application/json", None, MOVING),
    LOCK: Headers("application/json", None, MOVING),
}


def of_all_kinds(case: Case) -> None:
    """Write sources of all kinds, gzip and plain, small and large."""
    case.chunks(6, 64 * 21)  # voxels: a chunk is larger than a part
    rest = bytes(Random(2).randbytes(64 * 64 * 64 * 21))  # does not get smaller
    (case.folder / f"seg/8_8_8/0-64_0-64_0-{64 * 21}").write_bytes(rest)
    table = b"a,b\n1,2\n" * 100
    for name, data in {
        "large.bin": Random(1).randbytes(2 * PART),
        "edges.csv": table,
        "packed.csv": gzip.compress(table, mtime=0),
        "ids.csv.gz": gzip.compress(table, mtime=0),
        "t.feather": b"ARROW1" + rest[:100],
        "notes.md": b"# Notes\n",
        "p.png": b"\x89PNG" + rest[:100],
    }.items():
        (case.folder / "data" / name).write_bytes(data)


def misread(case: Case) -> list[str]:
    """Read every object's headers as boto3 sees them and as plain HTTP does; tell those that are not as they should be."""
    wrong = []
    for key in case.live():
        meant = next(headers for start, headers in MEANT.items() if key.startswith(start))
        found = case.get(key)
        assert found
        reply = case.server.ask("GET", f"{BUCKET}/{case.name(key)}")
        names = ("content-type", "content-encoding", "cache-control")
        plain = tuple(reply.headers.get(name) for name in names)
        if found.headers != meant or plain != (meant.content_type, meant.content_encoding, meant.cache_control):
            wrong.append(f"{key}: {found.headers}, {plain}")
        if (found.data[:2] == b"\x1f\x8b") is not (meant.content_encoding == "gzip" or key.endswith(".gz")):
            wrong.append(f"{key}: other bytes")
    return wrong


@pytest.fixture
def over_tls(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsTerminator]:
    """HTTPS before the proxy, by a certificate of an authority that only `AWS_CA_BUNDLE` names."""
    with TlsTerminator(case.proxy.endpoint, tmp_path / "tls") as terminator:
        for name, value in environment(terminator.endpoint, ca=terminator.ca).items():
            monkeypatch.setenv(name, value)
        yield terminator


@pytest.mark.parametrize("refusals", [0, 1])
@pytest.mark.usefixtures("over_tls", "hasty", "small_parts")
def test_every_object_carries_exactly_what_the_rules_say(refusals: int, case: Case) -> None:
    of_all_kinds(case)
    case.proxy.plan = first_tries(refusals, lambda r: r.method in {"PUT", "POST"}, faults.slow_down())
    with case.watched() as seen:
        case.release()
    keys = case.live()
    assert misread(case) == []
    assert len(keys) == len(set(keys)) == 7 + 7 + 5
    in_parts = {each.path.rpartition("/")[2] for each in seen if "partNumber" in each.query}
    assert in_parts == {"0-64_0-64_0-1344", "large.bin"}  # the one with gzip, the other without
    retried = {each.path for each in seen if each.fault}
    assert len(retried) >= len(keys) * refusals
    framed = [each.path for each in seen if "aws-chunked" in each.headers.get("content-encoding", "")]
    assert framed == []
    bare = [
        each for each in seen if is_data(each) and not any(name.startswith("x-amz-checksum") for name in each.headers)
    ]
    assert bare == []
    print(f"{len(keys)} objects over TLS, {len(retried)} of them refused once: 0 wrong")


def test_a_plainer_client_writes_another_encoding_over_https(case: Case, over_tls: TlsTerminator) -> None:
    """The control: boto3 as it comes says `gzip,aws-chunked`, and that is seen."""
    told = {"ContentEncoding": "gzip", "ContentType": "application/octet-stream", "CacheControl": FINAL_GZIP}
    client(over_tls.endpoint, ca=over_tls.ca).put_object(
        Bucket=BUCKET, Key=case.name("v1/volumes/seg/8_8_8/0"), Body=gzip.compress(b"voxels", mtime=0), **told
    )
    (wrong,) = misread(case)
    assert "gzip,aws-chunked" in wrong


# 6: what is changed once it is live.


def audit(case: Case) -> list[Finding]:
    return list(finish.audit(case.manifest, None, depth="sample").findings)


def edited(case: Case) -> dict[str, str]:
    """Change live objects as another program would; return which check should find each."""
    keys = [f"v1/volumes/seg/8_8_8/0-64_0-64_{64 * n}-{64 * n + 64}" for n in range(6)]
    chunk = case.get(keys[0])
    assert chunk
    case.put(keys[0], chunk.data[:-9] + bytes([chunk.data[-9] ^ 1]) + chunk.data[-8:], chunk.headers)
    case.client.delete_object(Bucket=BUCKET, Key=case.name(keys[1]))
    told = {
        "content_type": ("text/plain", keys[2]),
        "cache_control": (MOVING, keys[3]),
        "content_encoding": (None, keys[4]),
    }
    for field_, (value, key) in told.items():
        there = case.get(key)
        assert there
        changed = {name: getattr(there.headers, name) for name in ("content_type", "content_encoding", "cache_control")}
        case.put(key, there.data, Headers(**{**changed, field_: value}))
    case.put("v1/volumes/seg/8_8_8/640-704_0-64_0-64", b"stray", chunk.headers)
    return {
        keys[0]: "digest",
        keys[1]: "missing",
        keys[2]: "content-type",
        keys[3]: "cache-control",
        keys[4]: "content-encoding",
        "v1/volumes/seg/8_8_8/640-704_0-64_0-64": "extra",
    }


def test_every_edit_of_what_is_live_is_found_and_its_key_named(case: Case) -> None:
    case.chunks(6).fill(3)
    case.release(access=True)
    assert audit(case) == []
    planted = edited(case)
    found = {finding.key: finding.check for finding in audit(case) if finding.severity == "error"}
    assert found == planted
    done = command(case, "verify", case.manifest, "--json")
    assert done.returncode == 8, done.stderr
    assert {each["key"]: each["check"] for each in json.loads(done.stdout)["findings"]} == planted


def command(case: Case, *words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does; no traceback is ever seen."""
    line = [sys.executable, "-m", "publisher.cli", *map(str, words)]
    found = {name: value for name, value in (os.environ | env).items() if value}
    done = subprocess.run(line, cwd=case.folder, env=found, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("setting", ["cors", "policy"])
def test_a_setting_of_the_bucket_that_is_taken_away_is_found(setting: str, case: Case) -> None:
    case.fill(3)
    case.release(access=True)
    assert audit(case) == []
    with policy_kept(case.client, BUCKET):
        getattr(case.client, f"delete_bucket_{setting}")(Bucket=BUCKET)
        try:
            found = audit(case)
        finally:
            pipeline.set_access(case.manifest, None)
        assert audit(case) == []  # the control: it is back
    drift = [finding for finding in found if finding.check == "access-drift"]
    assert {finding.severity for finding in drift} == {"error"}
    assert all(BUCKET in finding.key for finding in drift)
    seen = [finding for finding in found if finding.check == {"cors": "cors", "policy": "access"}[setting]]
    assert seen


# 7: what is there is not sent again.


@pytest.mark.parametrize("ledger", ["kept", "lost"])
def test_a_second_run_sends_nothing(ledger: str, case: Case) -> None:
    case.chunks(6).fill(20)
    case.release()
    if ledger == "lost":
        case.forget()
    with case.watched() as seen:
        run = case.release()
    assert run.published
    assert (run.published.uploaded, run.published.skipped) == (0, 27)
    assert Counter(each.path.partition("/shop/")[2] for each in seen if each.method not in {"GET", "HEAD"}) == {LOCK: 2}
    print(f"ledger {ledger}: {len(seen)} requests, {sum(each.body_bytes for each in seen if is_data(each))} bytes sent")


def test_a_change_that_keeps_size_and_time_is_found_where_sources_are_read_again(case: Case) -> None:
    case.status = "draft"
    case.chunks(6).fill(20)
    case.release()
    changed = case.folder / "seg/8_8_8/0-64_0-64_64-128"
    before = changed.stat()
    with changed.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    with case.watched() as seen:
        run = case.release()
    assert run.plan
    assert run.plan.tally(Op.REPLACE, Op.ADD).objects == 0  # the control: size, time and inode are as they were
    assert data_keys(seen) == {}
    with case.watched() as seen:
        case.release(reread=True)
    assert data_keys(seen) == {"v1/volumes/seg/8_8_8/0-64_0-64_64-128": 1}
    assert case.check() == 27
    final = Case(case.folder, case.proxy, case.server, case.prefix, "final")
    final.release(reread=True)
    with changed.open("r+b") as file:
        file.write(b"\xfe")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    error = final.refused(Conflict, reread=True)
    assert [problem.where for problem in error.problems] == ["v1/volumes/seg/8_8_8/0-64_0-64_64-128"]


# 8: a published version is overwritten.


def test_a_changed_source_of_a_final_release_is_refused_before_anything_is_written(case: Case) -> None:
    case.fill(6)
    case.release()
    before = {key: case.get(key) for key in case.live()}
    (case.folder / "data/0003.bin").write_bytes(b"altered")
    with case.watched() as seen:
        error = case.refused(Conflict)
    assert error.exit_code == 5
    assert [problem.where for problem in error.problems] == ["v1/files/data/0003.bin"]
    assert {each.method for each in seen} <= {"GET", "HEAD"}
    assert {key: case.get(key) for key in case.live()} == before
    done = command(case, "release", case.manifest, "--json")
    assert (done.returncode, json.loads(done.stdout)["problems"][0]["where"]) == (5, "v1/files/data/0003.bin")


@pytest.mark.parametrize("kind", ["small", "large"])
@pytest.mark.usefixtures("small_parts")
def test_what_comes_between_plan_and_publish_is_refused_by_the_server(kind: str, case: Case) -> None:
    case.fill(6, PART + 1000 if kind == "large" else 300)
    key, theirs = "v1/files/data/0003.bin", b"somebody else's"

    def happen(request: Request, forward: Forward) -> Answer:
        case.put(key, theirs, OTHER)
        return forward(request)

    case.proxy.plan = first_tries(1, is_put(BEGUN), Fault("meanwhile", happen))  # right after the plan
    with case.watched() as seen:
        error = case.refused(Conflict)
    assert (error.exit_code, [problem.where for problem in error.problems]) == (5, [key])
    found = case.get(key)
    assert found
    assert found.data == theirs
    assert not case.committed
    if kind == "large":
        assert key not in data_keys(seen)  # not a byte of it was sent in vain
    else:
        assert [each.applied for each in seen if is_put(key)(each)] == [412]


def test_a_draft_may_be_overwritten_and_that_is_seen(case: Case) -> None:
    """The control: what a draft has is replaced, by the same code."""
    case.status = "draft"
    case.fill(6)
    case.release()
    (case.folder / "data/0003.bin").write_bytes(b"altered")
    with case.watched() as seen:
        case.release()
    assert data_keys(seen) == {"v1/files/data/0003.bin": 1}
    assert case.check() == 6


# 10: a server that ignores conditions.


def test_plan_tells_of_a_server_that_ignores_conditions(
    case: Case, rclone_s3: RcloneS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.fill(3)
    run = case.release(until="plan")
    assert [(ability.name, ability.works) for ability in run.abilities] == [("preconditions", True)]
    case.forget()
    for name, value in rclone_s3.env.items():
        monkeypatch.setenv(name, value)
    for _ in range(2):  # the second time it is remembered
        run = case.release(until="plan")
        assert [(ability.name, ability.works) for ability in run.abilities] == [("preconditions", False)]
        assert "nothing but your care keeps two publishers apart" in run.abilities[0].message
    done = command(case, "plan", case.manifest, "--no-access")
    assert done.returncode == 10
    assert run.abilities[0].message in done.stdout


# 11: a store that is too busy, and a network that is not there.


def once_data_flow(plan: Plan) -> Plan:
    """Begin with a plan at the first object that is sent."""
    begun = Event()

    def watched(request: Request) -> Fault | None:
        if is_data(request):
            begun.set()
        return plan(request) if begun.is_set() else None

    return watched


@contextmanager
def limits(found: list[Bucket]) -> Iterator[list[int]]:
    """Note the limits that the pace has meanwhile, of the buckets that are opened."""
    seen: list[int] = []
    over = Event()

    def look() -> None:
        while not over.wait(0.02):
            seen.extend(each.pace.limit for each in found)

    watcher = Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Bucket]:
    """Every bucket that is opened."""
    found: list[Bucket] = []
    begin = Bucket.__init__

    def noted(self: Bucket, *words: Any) -> None:
        begin(self, *words)
        found.append(self)

    monkeypatch.setattr(Bucket, "__init__", noted)
    return found


@pytest.mark.parametrize(
    ("seconds", "methods"),
    [
        (3, ("GET", "HEAD", "PUT")),
        pytest.param(60, ("GET", "HEAD", "PUT"), marks=pytest.mark.slow),
        pytest.param(60, ("PUT",), marks=pytest.mark.slow),
    ],
)
def test_it_outlives_a_store_that_refuses_everything(
    seconds: int, methods: tuple[str, ...], case: Case, opened: list[Bucket]
) -> None:
    """Also where only what is sent is refused: that a store can be read says nothing about it."""
    objects = 60
    case.fill(objects)
    case.proxy.plan = faults.only(once_data_flow(faults.while_time(seconds, faults.slow_down())), *methods)
    began = time.monotonic()
    with case.watched() as seen, limits(opened) as limit:
        case.release()
    took = time.monotonic() - began
    refused = [each for each in seen if each.fault]
    print(
        f"{seconds} s of SlowDown: {took:.1f} s, {len(refused)} refused, {len(seen)} asked, limit {min(limit)}..{max(limit)}"
    )
    assert case.check() == objects
    assert seconds <= took < seconds + pace.LAST_PAUSE_SECONDS + 6
    assert min(limit) < (5 if seconds == 60 else pace.FIRST)
    # The first wave was on its way already; then it is asked less and less often.
    assert len(refused) <= pace.LINES * pace.FIRST + 12 + 2 * seconds / pace.LAST_PAUSE_SECONDS
    assert len(seen) <= 2 * (objects + 16)


@pytest.mark.parametrize(
    "fault",
    [
        faults.slow_down(),
        faults.s3_error(429, "TooManyRequests"),
        faults.s3_error(500, "InternalError"),
        faults.reset(before=True),
        faults.reset(before=False),
    ],
    ids=lambda fault: fault.name,
)
@pytest.mark.usefixtures("hasty")
def test_it_gets_along_with_a_store_that_fails_three_times_of_ten(fault: Fault, case: Case) -> None:
    objects = 90
    case.fill(objects).chunks(6)
    case.proxy.plan = faults.every(0.3, fault)
    with case.watched() as seen:
        case.release()
    failed = sum(each.fault is not None for each in seen)
    print(f"{fault.name}: {failed} of {len(seen)} failed")
    assert case.check() == objects + 7
    assert 0.2 < failed / len(seen) < 0.4
    # Where it was done, and the answer was lost, what is there is looked at, too.
    assert len(seen) <= (3 if fault.name == "reset after" else 2) * (objects + 7 + 12)


def test_a_plainer_client_gives_up_on_a_store_that_refuses_everything(case: Case) -> None:
    """The control: boto3 as it comes."""
    case.proxy.plan = faults.while_time(3, faults.slow_down())
    plain = client(case.proxy.endpoint, retries={"mode": "standard"})
    with pytest.raises(plain.exceptions.ClientError, match="SlowDown"):
        plain.put_object(Bucket=BUCKET, Key=case.name("a"), Body=b"a")


def test_a_store_that_says_how_long_to_wait_is_left_alone_for_so_long(case: Case) -> None:
    wait = 2.0
    case.fill(60)
    case.proxy.plan = once_data_flow(faults.while_time(wait, faults.slow_down(retry_after=wait)))
    with case.watched() as seen:
        case.release()
    assert case.check() == 60
    refused = [each.time for each in seen if each.fault]
    after = min(each.time for each in seen if is_data(each) and not each.fault and each.time > refused[0]) - refused[0]
    print(
        f"Retry-After {wait:g} s: {len(refused)} refused, the last after {refused[-1] - refused[0]:.2f} s; then {after:.2f} s"
    )
    # Those that were on their way when the first was refused.
    assert refused[-1] < refused[0] + 1
    assert len(refused) <= pace.FIRST * pace.LINES
    assert wait <= after < wait + 1.5


NOBODY = {
    "http://127.0.0.1:1": "http://127.0.0.1:1 refuses connections",
    "http://no-such-host.invalid": "http://no-such-host.invalid has a name that nobody knows",
}


@pytest.mark.parametrize("endpoint", NOBODY)
@pytest.mark.parametrize("patience", [1.0, pytest.param(pace.FIRST_PATIENCE_SECONDS, marks=pytest.mark.slow)])
def test_a_network_that_was_never_there_is_told_of_soon(
    endpoint: str, patience: float, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "FIRST_PATIENCE_SECONDS", patience)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    case.fill(3)
    began = time.monotonic()
    error = case.refused(Unreachable)
    seconds = time.monotonic() - began
    (problem,) = error.problems
    print(f"{seconds:.1f} s: {problem}")
    assert error.exit_code == 7
    assert NOBODY[endpoint] in problem.message
    assert patience < seconds < patience + pace.LAST_PAUSE_SECONDS + 2


@pytest.mark.parametrize("seconds", [pytest.param(20, marks=pytest.mark.slow), 1])
def test_a_network_that_comes_back_is_waited_for(seconds: int, case: Case) -> None:
    case.fill(60)
    case.proxy.plan = once_data_flow(faults.while_time(seconds, faults.reset(before=True)))
    began = time.monotonic()
    case.release()
    took = time.monotonic() - began
    print(f"{seconds} s without a network: {took:.1f} s")
    assert case.check() == 60
    assert seconds <= took < seconds + pace.LAST_PAUSE_SECONDS + 6


@pytest.mark.parametrize("fault", [faults.slow_down(), faults.reset(before=True)], ids=lambda fault: fault.name)
@pytest.mark.usefixtures("hasty")
def test_a_store_that_does_not_come_back_ends_the_run_and_another_finishes_it(
    fault: Fault, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "PATIENCE_SECONDS", 1.5)
    case.fill(60)
    gone = Event()
    arrived: list[str] = []

    def plan(request: Request) -> Fault | None:
        if is_data(request):
            arrived.append(request.path)
            if len(arrived) > 30:
                gone.set()
        return fault if gone.is_set() else None

    case.proxy.plan = plan
    began = time.monotonic()
    with case.watched() as first:
        error = case.refused(Unreachable)
    seconds = time.monotonic() - began
    print(f"{fault.name} for good: {seconds:.1f} s, {error}")
    assert error.exit_code == 7
    assert len(error.problems) == 1
    assert "run the same command again" in error.problems[0].hint.lower()
    assert "nothing was done for" in error.problems[0].message
    assert seconds < 1.5 + 3
    assert not case.committed
    assert case.get(POINTER) is None
    there = {each.path for each in first if is_data(each) and each.applied == 200}
    assert len(there) >= 10
    case.proxy.plan = faults.nothing
    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.1)  # its holder could not give it back, and is this living process
    with case.watched() as second:
        case.release()
    assert case.check() == 60
    assert {each.path for each in second if is_data(each)} & there == set()


# 12: one object that fails for good.

LAST = "v1/files/data/0017.bin"
FAILURES = {
    503: (faults.slow_down(), "the store is too busy (503 SlowDown)"),
    403: (
        faults.s3_error(403, "AccessDenied", "Access Denied"),
        "these credentials may not do this (403 AccessDenied)",
    ),
    400: (
        faults.s3_error(400, "KeyTooLongError", "Your key is too long"),
        "Your key is too long (400 KeyTooLongError)",
    ),
}


@pytest.fixture
def lively(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock beats often: that its beats arrive says of an object that it alone fails."""
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.05)


@pytest.mark.parametrize(("status", "ledger"), [(503, "kept"), (403, "lost"), (400, "kept")])
@pytest.mark.usefixtures("hasty", "lively")
def test_one_object_that_fails_for_good_holds_up_no_other(status: int, ledger: str, case: Case) -> None:
    fault, cause = FAILURES[status]
    case.fill(20)
    case.proxy.plan = on(lambda request: LAST in request.path and request.method == "PUT", fault)
    with case.watched() as seen:
        error = case.refused(Incomplete)
    (problem,) = error.problems
    tries = data_keys(seen)[LAST]
    assert error.exit_code == 3
    assert problem.where == f"{case.url}/{LAST}"
    assert pace.TRIES <= tries <= 2 * pace.TRIES if status == 503 else tries == 1
    assert problem.message.startswith(cause)
    assert problem.message.endswith(f"(tried {tries} times)" if tries > 1 else "(tried once)")
    print(f"{status}: {problem}")
    there = [key for key in case.live() if "/.release/" not in key]
    assert there == sorted(f"v1/files/data/{n:04}.bin" for n in range(20) if n != 17)
    assert not case.committed
    assert case.get(POINTER) is None
    case.proxy.plan = faults.nothing
    if ledger == "lost":
        case.forget()
    with case.watched() as seen:
        run = case.release()
    assert data_keys(seen) == {LAST: 1}
    assert run.published
    assert (run.published.uploaded, run.published.skipped) == (1, 19)
    assert case.check() == 20


def test_what_failed_is_told_by_the_command_line(case: Case) -> None:
    case.fill(20)
    case.proxy.plan = on(lambda request: LAST in request.path, FAILURES[403][0])
    done = command(case, "release", case.manifest, "--no-access", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == told["exit"] == 3
    assert [problem["where"] for problem in told["problems"]] == [f"{case.url}/{LAST}"]
    assert (told.get("failed"), told.get("uploaded")) == (1, 19)


@pytest.mark.parametrize("status", [403, 400])
def test_where_nothing_may_be_written_the_target_is_refused_and_not_one_object(status: int, case: Case) -> None:
    case.fill(20)
    case.proxy.plan = faults.only(lambda _: FAILURES[status][0], "PUT")
    with case.watched() as seen:
        error = case.refused(Unreachable)
    assert error.exit_code == 7
    assert FAILURES[status][1] in error.problems[0].message
    assert sum(each.method == "PUT" for each in seen) == 1


# 16: credentials that expire, or were never right.


@pytest.fixture
def renewable(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Credentials from a profile's own program, which notes each time that it is asked."""
    assert case.client  # made before: it has its own
    asked = tmp_path / "asked"
    keys = {"Version": 1, "AccessKeyId": case.server.access_key, "SecretAccessKey": case.server.secret_key}
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho . >> {asked}\necho '{json.dumps(keys)}'\n")
    program.chmod(0o755)
    config = tmp_path / "config"
    config.write_text(f"[profile lab]\ncredential_process = {program}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    return asked


@pytest.mark.parametrize("before", [(), (503,)], ids=["first", "after a refusal"])
@pytest.mark.usefixtures("hasty")
def test_credentials_that_have_expired_are_looked_for_anew(
    before: tuple[int, ...], case: Case, renewable: Path
) -> None:
    """The same request is tried once more with the new ones, whatever had happened to it before."""
    case.fill(20)
    key = "v1/files/data/0003.bin"
    happens = [*(FAILURES[status][0] for status in before), faults.expired_token()]
    case.proxy.plan = faults.first(*(first_tries(1, is_put(key), fault) for fault in happens))
    with case.watched() as seen:
        case.release()
    assert len(renewable.read_text().split()) == 2  # once at the beginning, and once anew
    assert [each.status for each in seen if each.fault] == [*before, 400]
    assert data_keys(seen)[key] == len(before) + 2
    assert case.check() == 20


@pytest.mark.usefixtures("renewable")
@pytest.mark.parametrize("where", ["everywhere", "data"])
def test_credentials_that_stay_expired_end_the_run_and_another_finishes_it(
    where: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.fill(20)
    plan: Plan = lambda _: faults.expired_token()  # noqa: E731
    case.proxy.plan = plan if where == "everywhere" else once_data_flow(plan)
    began = time.monotonic()
    error = case.refused(Unreachable)
    seconds = time.monotonic() - began
    (problem,) = error.problems
    print(f"expired {where}: {seconds:.1f} s, {problem}")
    assert error.exit_code == 7
    assert "the credentials have expired: log in again" in problem.message
    assert "what arrived is not sent again" in problem.hint
    assert seconds < 5
    assert not case.committed
    case.proxy.plan = faults.nothing
    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.1)  # as above
    case.release()
    assert case.check() == 20


NO_ENTRY = {
    "wrong secret": ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the secret key does not belong to the access key"),
    "unknown key": ({"AWS_ACCESS_KEY_ID": "unknown"}, "the store does not know this access key"),
    "no credentials": ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no credentials were found"),
    "no such profile": ({"AWS_PROFILE": "nobody"}, "nobody"),
    "no bucket": ({}, "there is no such bucket here (404 NoSuchBucket)"),
}


@pytest.mark.parametrize("name", NO_ENTRY)
def test_who_may_not_come_in_is_told_why_in_a_sentence(name: str, case: Case, tmp_path: Path) -> None:
    env, said = NO_ENTRY[name]
    case.fill(2)
    env = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": "", **env}
    where = ("--target", "s3://no-such-bucket/x") if name == "no bucket" else ()
    began = time.monotonic()
    done = command(case, "release", case.manifest, *where, "--no-access", "--json", **env)
    seconds = time.monotonic() - began
    assert done.returncode == 7, done.stderr
    (problem,) = json.loads(done.stdout)["problems"]
    print(f"{name}: {seconds:.1f} s, {problem}")
    assert said in problem["message"]
    assert seconds < 6


# 21: what users need besides the objects.


def strangers(plan: Plan) -> Plan:
    """Break only what is asked for without a signature."""
    return lambda request: None if "authorization" in request.headers else plan(request)


def forbidden_where_nothing_is() -> Fault:
    """Answer as a bucket that strangers may not list: 403 for what is not there."""

    def happen(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        return faults.status(403).happen(request, forward) if answer.status == 404 else answer

    return Fault("403 for 404", happen)


BROKEN: dict[str, tuple[Fault, str, str]] = {
    "cors": (faults.header("Access-Control-Allow-Origin"), "cors", ""),
    "range": (faults.no_range(), "range", ""),
    "encoding": (faults.header("Content-Encoding"), "content-encoding", "v1/volumes/seg/8_8_8/0-64_0-64_0-64"),
    "missing": (forbidden_where_nothing_is(), "missing-key", ""),
}


@pytest.fixture
def open_case(case: Case) -> Case:
    """A public release that is live."""
    case.chunks(3).fill(3)
    case.release(access=True)
    return case


def test_what_is_broken_for_strangers_alone_is_found(open_case: Case) -> None:
    case = open_case
    assert audit(case) == []
    for name, (fault, check, key) in BROKEN.items():
        case.proxy.plan = strangers(lambda _, fault=fault: fault)  # type: ignore[misc]
        found = audit(case)
        print(f"{name}: {[(each.check, each.key) for each in found]}")
        assert check in {each.check for each in found if each.severity == "error"}, name
        assert key in {each.key for each in found} | {""}
    case.proxy.plan = faults.nothing
    assert audit(case) == []


# Listings that break off.

MANY = 2_100  # more than two pages


@pytest.fixture(scope="module")
def crowd(seaweed: Seaweed) -> str:
    """A prefix with thousands of objects."""
    import obstore

    from tests.servers.s3 import store

    there = store(seaweed.endpoint, BUCKET)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: obstore.put(there, f"crowd/shop/v1/files/{n:05}", b"x"), range(MANY)))
    return "crowd/"


CUTS = {
    "reset": faults.reset(before=True),
    "truncated": faults.truncate(0.5),
    "503": faults.slow_down(),
}


@pytest.mark.parametrize("order", ["sorted here", "sorted there"])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.usefixtures("hasty")
def test_a_listing_that_breaks_off_is_taken_up_again(
    cut: str, order: str, case: Case, crowd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second and the third page fail, more often than obstore asks for them."""
    monkeypatch.setattr(connection, "_PAGE_TRIES", 0)
    if order == "sorted there":  # as Amazon's buckets are: what has been told is not asked for again
        monkeypatch.setattr("publisher.targets.s3.wire.listed", listing.ascending)
    case.prefix = crowd
    pages: Counter[str] = Counter()

    def plan(request: Request) -> Fault | None:
        if request.query.get("list-type") != "2":
            return None
        place = request.query.get("start-after", "") + request.query.get("continuation-token", "")
        pages[place] += 1
        return CUTS[cut] if place and pages[place] <= 2 else None

    case.proxy.plan = plan
    with pytest.raises(Trouble):  # the control: asked for once, it is not whole
        list(case.target().wire.list(f"{crowd}shop/v1/"))
    pages.clear()
    with case.watched() as seen:
        keys = [stored.key for stored in case.target().below("v1/")]
    assert keys == [f"v1/files/{n:05}" for n in range(MANY)]
    assert sum(each.fault is not None for each in seen) >= 2
    print(
        f"{cut}: {len(seen)} pages asked for, {sum(each.fault is not None for each in seen)} failed, {len(keys)} keys"
    )


def test_a_listing_that_this_role_may_not_have_is_refused_at_once(case: Case) -> None:
    case.proxy.plan = on(lambda request: "list-type" in request.query, FAILURES[403][0])
    with case.watched() as seen, pytest.raises(Unreachable, match="403 AccessDenied"):
        list(case.target().below("v1/"))
    assert len(seen) == 1


@pytest.mark.usefixtures("hasty")
def test_a_listing_that_never_comes_ends(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though all else is answered well."""
    monkeypatch.setattr(connection, "_PAGE_TRIES", 0)
    monkeypatch.setattr(pace, "PATIENCE_SECONDS", 1.0)
    case.proxy.plan = on(lambda request: "list-type" in request.query, faults.slow_down())
    with pytest.raises(Unreachable, match="503 SlowDown"):
        list(case.target().below("v1/"))
    case.fill(1)
    error = case.refused(Unreachable)
    assert error.problems[0].where == f"{case.url}/v1/"


# Promises of every target, under conditions that only a store far away makes.


def test_keys_of_all_kinds_are_found_by_one_listing_of_each_folder(case: Case) -> None:
    odd = "v1/é 脳/:;#?%41+&= ~a(b)'c!*.txt"
    keys = sorted(["alone", "em/a", "em/b/c", "em-2/x", "v1", "v1-rc/y", "v1.1/z", "v1/a", "v1/b", odd, "é/脳"])
    for key in (key for key in keys if key != "v1"):  # this server keeps keys in a tree: v1 is a folder
        case.put(key, key.encode(), OTHER)
    target = case.target()
    asked = sorted([*keys, "em/aa", "v0/none", "v1/zz", "zz", "é/"])
    with case.watched() as seen:
        found = list(target.lookup(asked))
    assert [stored.key for stored in found if stored] == [key for key in keys if key != "v1"]
    assert [stored and stored.size_bytes for stored in found] == [
        len(key.encode()) if key in keys and key != "v1" else None for key in asked
    ]
    listed = [each.query["prefix"].removeprefix(case.name("")) for each in seen if "list-type" in each.query]
    assert listed == ["em-2/", "em/", "v0/", "v1-rc/", "v1.1/", "v1/", "é/"]
    assert len(seen) - len(listed) <= 3 * 2  # keys at the top are asked for one by one
    assert target.read(odd) == odd.encode()
    assert target.put(odd, [b"new"], OTHER) == next(s.tag for s in target.below("v1/") if s.key == odd)
    assert target.read(odd) == b"new"


@pytest.mark.parametrize("size", [0, PART, PART + 1, 2 * PART])
@pytest.mark.usefixtures("small_parts")
def test_bodies_of_every_size_arrive_whole(size: int, case: Case) -> None:
    body = Random(size).randbytes(size)
    blocks = [body[at : at + (1 << 20)] for at in range(0, size, 1 << 20)]
    target = case.target()
    with case.watched() as seen:
        target.put("v1/a", [b"", *blocks], OTHER, create=True, about=size)
    assert any("uploadId" in each.query for each in seen) is (size > PART)
    found = case.get("v1/a")
    assert found == Object(body, OTHER)
    file = target.open("v1/a")
    assert file
    with file:
        assert file.read() == body
    with pytest.raises(Conflict):
        target.put("v1/a", [b"", *blocks], OTHER, create=True, about=size)


@pytest.mark.usefixtures("small_parts")
def test_what_is_opened_while_it_is_replaced_is_the_old_or_the_new(case: Case) -> None:
    old, new = b"old" * PART, b"new" * (PART + 1000)
    case.put("v1/a", old, OTHER)

    def happen(request: Request, forward: Forward) -> Answer:
        case.put("v1/a", new, OTHER)
        return forward(request)

    second = f"bytes={PART}-{2 * PART - 1}"
    case.proxy.plan = first_tries(1, lambda request: request.headers.get("range") == second, Fault("replaced", happen))
    file = case.target().open("v1/a")
    assert file
    with file:
        assert file.read() == new
    assert any(each.fault for each in case.proxy.log)


@pytest.mark.usefixtures("small_parts")
def test_a_body_that_raises_in_its_second_part_leaves_no_object(case: Case) -> None:
    class Gone(Exception):
        pass

    def body() -> Iterator[bytes]:
        yield bytes(PART)
        yield bytes(PART)
        raise Gone

    with pytest.raises(Gone):
        case.target().put("v1/a", body(), OTHER, about=3 * PART)
    assert case.get("v1/a") is None
    assert case.target().tidy("v1") == 1
    assert case.client.list_multipart_uploads(Bucket=BUCKET, Prefix=case.name("")).get("Uploads", []) == []


def test_settings_of_the_bucket_are_asked_for_again_where_that_fails(case: Case) -> None:
    case.fill(3)
    settings = {"policy", "cors"}
    case.proxy.plan = first_tries(1, lambda request: bool(settings & request.query.keys()), faults.slow_down())
    with case.watched() as seen:
        case.release(access=True)
    assert [each.method for each in seen if each.fault] == ["GET", "GET", "PUT", "PUT"]
    assert audit(case) == []


# Interrupts.

WAITS = {
    "objects are sent": is_data,
    "nothing is answered any more": once_data_flow(lambda _: faults.slow_down()),
    "what is there is listed": lambda request: "list-type" in request.query,
    "the record is read": lambda request: request.path.endswith(RECORD),
}


@pytest.mark.parametrize(
    ("meanwhile_", "fault"),
    [
        ("objects are sent", faults.slow_down()),
        ("nothing is answered any more", faults.slow_down(retry_after=60)),
        ("what is there is listed", faults.slow_down()),
        ("the record is read", faults.reset(before=True)),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_an_interrupt_ends_a_run_that_tries_again_and_again(meanwhile_: str, fault: Fault, case: Case) -> None:
    case.fill(60)
    wanted = WAITS[meanwhile_]
    case.proxy.plan = lambda request: fault if wanted(request) else None
    line = [sys.executable, "-m", "publisher.cli", "release", str(case.manifest), "--no-access", "--json"]
    with subprocess.Popen(line, cwd=case.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 20
        while sum(each.fault is not None for each in case.proxy.log) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        seconds = time.monotonic() - began
    print(f"{fault.name} while {meanwhile_}: ended {seconds:.2f} s after the interrupt")
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert json.loads(out)["problems"][0]["message"] == "interrupted"
    assert seconds < 2
    case.proxy.plan = faults.nothing
    case.release()
    assert case.check() == 60
