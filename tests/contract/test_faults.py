"""What a store, or the way to it, does to a publisher: on SeaweedFS, through a proxy that breaks what it is told to.

Each fault has its figure, and a control that shows the fault to be one: what a plainer client makes of it. What stands
in the bucket is looked at around the proxy. No run ever deletes an object.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from typing import Any

import pytest

from publisher import finish, inventory, pipeline, record
from publisher.errors import Conflict, Incomplete, PublisherError, Unreachable
from publisher.ledger import Ledger
from publisher.objects import Entry, Finding, Headers, Op
from publisher.run import Run
from publisher.targets import lock, open_target, pace
from publisher.targets import bucket as buckets
from publisher.targets.bucket import Bucket
from publisher.targets.s3 import connection, listing, uploads
from tests.servers import faults
from tests.servers.faults import Answer, Fault, FaultProxy, Forward, Plan, Request, Seen
from tests.servers.fixtures import BUCKET
from tests.servers.rclone import RcloneS3
from tests.servers.s3 import client, environment
from tests.servers.seaweed import Seaweed
from tests.servers.tls import TlsTerminator

RECORD, POINTER, BEGUN = record.record_key("v1"), record.RELEASES_KEY, record.begun_key("v1")
LOCK = lock.key_of("v1")
FINAL, MOVING = "public, max-age=31536000, immutable", "no-cache"
PART = 5 << 20  # the least that S3 takes

MANIFEST = """
schema: 1
version: {version}
date: 2026-11-21
status: {status}
dataset: {{name: small, title: Small, description: Small., license: CC-BY-4.0, authors: [{{name: A. Author}}]}}
space: {{name: voxels, voxel_size: [8, 8, 8], units: nm}}
targets: {{bucket: {{url: "{url}"}}}}
{volumes}
files: [{{name: data, title: Data, description: Data., source: data}}]
"""
VOLUMES = "volumes: [{name: seg, title: Segments, description: Segments., source: seg}]"
CHUNK = 64**3


def info(chunks: int) -> str:
    scale = {
        "key": "8_8_8",
        "size": [64, 64, 64 * chunks],
        "resolution": [8, 8, 8],
        "chunk_sizes": [[64, 64, 64]],
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

    def chunks(self, number: int) -> Case:
        """Write a volume, whose chunks are stored as gzip."""
        scale = self.folder / "seg/8_8_8"
        scale.mkdir(parents=True)
        (self.folder / "seg/info").write_text(info(number))
        for n in range(number):
            (scale / f"0-64_0-64_{64 * n}-{64 * n + 64}").write_bytes(bytes([n]) * CHUNK)
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

    def keys(self) -> list[str]:
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
        place = key.removeprefix("v1/files/data/")
        path = self.folder / ("data/" + place if place != key else key.removeprefix("v1/"))
        return path.read_bytes()

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
    counted: Counter[tuple[str, str, str]] = Counter()
    one = Lock()

    def plan(request: Request) -> Fault | None:
        if not wanted(request):
            return None
        with one:
            what = request.method, request.path, request.target.partition("?")[2]
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
def case(faulty: FaultProxy, seaweed: Seaweed, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    for name, value in environment(faulty.endpoint).items():
        monkeypatch.setenv(name, value)
    yield Case(tmp_path / "release", faulty, seaweed, prefix)
    # An unfinished upload is aborted by the same method; no object is ever deleted.
    assert [seen for seen in faulty.log if seen.method == "DELETE" and "uploadId" not in seen.query] == []


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are a tenth of what they are, so that hundreds of failures take seconds."""
    monkeypatch.setattr(pace, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(pace, "LAST_PAUSE_SECONDS", 0.5)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than 5 MiB is sent in parts."""
    monkeypatch.setattr(buckets, "PART_BYTES", PART)
    monkeypatch.setattr(uploads, "PART_BYTES", PART)


# 3: a commit that may or may not have been done.

RESETS = {"reset": faults.reset(before=False), "500": after_applied(faults.s3_error(500, "InternalError"))}


@pytest.mark.parametrize("answer", RESETS)
def test_every_put_that_was_done_though_its_answer_was_lost_is_found_done(
    answer: str, case: Case, hasty: None, small_parts: None
) -> None:
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
