"""A release of some hundred objects to be published to S3, and what stands there, as any other program sees it."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import obstore

from publisher import inventory, record
from publisher.objects import Entry
from publisher.targets import lock
from tests.servers import faults, s3
from tests.servers.faults import Request, Seen
from tests.servers.fixtures import BUCKET

PART_BYTES = 5 << 20  # the least that S3 takes; a publisher adds up to a MiB, by which it knows its parts again
TEXTS, CHUNKS = 150, 48
OBJECTS = TEXTS + CHUNKS + 2  # an info, and one object in two parts
LARGE = "v1/files/large"
RECORD, POINTER, BEGUN, LOCK = record.record_key("v1"), record.RELEASES_KEY, record.begun_key("v1"), lock.key_of("v1")
OWN = "v1/.release/"
INVENTORY = f"{OWN}inventory-"
POLL_SECONDS = 1 / 50

_MANIFEST = """
schema: 1
version: v1
date: 2026-11-21
status: {status}
dataset: {{name: small, title: Small, description: Small., license: CC-BY-4.0, authors: [{{name: A. Author}}]}}
space: {{name: voxels, voxel_size: [8, 8, 8], units: nm}}
scenes: []
examples: false
volumes: [{{name: seg, title: Segments, description: Segments., source: seg}}]
files:
  - {{name: data, title: Data, description: Data., source: data}}
  - {{name: large, title: Large, description: Large., source: large.bin}}
"""
_INFO = {
    "@type": "neuroglancer_multiscale_volume",
    "type": "segmentation",
    "data_type": "uint8",
    "num_channels": 1,
    "scales": [
        {
            "key": "8_8_8",
            "size": [16, 16, 16 * CHUNKS],
            "resolution": [8, 8, 8],
            "chunk_sizes": [[16, 16, 16]],
            "voxel_offset": [0, 0, 0],
            "encoding": "raw",
        }
    ],
}

Rows = dict[str, tuple[int, str]]  # size and tag, by key


def fill(folder: Path, chunks: int = CHUNKS, texts: int = TEXTS, large_bytes: int = PART_BYTES + (3 << 19)) -> Path:
    """Write the sources of a release, and its manifests `draft.yaml` and `final.yaml`."""
    scale = folder / "seg/8_8_8"
    scale.mkdir(parents=True)
    (folder / "seg/info").write_text(json.dumps(_INFO))
    for n in range(chunks):
        (scale / f"0-16_0-16_{16 * n}-{16 * n + 16}").write_bytes(bytes([n]) * 16**3)
    (folder / "data").mkdir()
    for n in range(texts):
        (folder / f"data/{n:03}.txt").write_text(f"{n} " * (n + 1))
    (folder / "large.bin").write_bytes(random.Random(1).randbytes(large_bytes))
    for status in ("draft", "final"):
        (folder / f"{status}.yaml").write_text(_MANIFEST.format(status=status))
    return folder


def forget(folder: Path) -> None:
    """Have the next run find no ledger."""
    for ledger in folder.glob(".publisher/*/ledger"):
        shutil.rmtree(ledger)


@dataclass
class Shop:
    """What stands below a prefix of the bucket, seen around the publishers and the proxies before them."""

    server: s3.S3Server
    prefix: str

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/{self.prefix.rstrip('/')}"

    @cached_property
    def _store(self) -> Any:
        return s3.store(self.server.endpoint, BUCKET, retry_config={"max_retries": 5})

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

    def objects(self) -> Rows:
        """Return the objects of the release, without its own records."""
        found = (each for page in obstore.list(self._store, f"{self.prefix}v1/") for each in page)
        rows = {each["path"].removeprefix(self.prefix): (each["size"], each["e_tag"] or "") for each in found}
        return {key: row for key, row in rows.items() if not key.startswith(OWN)}

    @property
    def record(self) -> dict[str, Any]:
        """The commit record."""
        found: dict[str, Any] = json.loads(self.read(RECORD) or b"{}")
        return found

    def entries(self) -> list[Entry]:
        """Return the inventory that the record names."""
        told = self.record["inventory"]
        data = self.read(told["key"]) or b""
        assert hashlib.sha256(data).hexdigest() == told["sha256"]
        return list(inventory.read(io.BytesIO(data)))

    def wrong(self) -> list[str]:
        """Return the keys of a release that are not what its inventory says, by all of their bytes."""
        return [
            entry.key
            for entry in self.entries()
            if hashlib.sha256(self.read(entry.key) or b"").hexdigest() != entry.stored_sha256
        ]

    def uploads(self) -> list[str]:
        """Return the keys of unfinished uploads."""
        told = self.client.list_multipart_uploads(Bucket=BUCKET, Prefix=self.prefix).get("Uploads", ())
        return sorted(each["Key"].removeprefix(self.prefix) for each in told)

    def begin_upload(self, key: str) -> None:
        """Leave an upload unfinished."""
        key = self.prefix + key
        begun = self.client.create_multipart_upload(Bucket=BUCKET, Key=key)
        self.client.upload_part(Bucket=BUCKET, Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=b"part")


@dataclass
class Reader:
    """Looks at a release again and again: it is there whole, or not at all."""

    shop: Shop
    wanted: Rows
    broken: list[str] = field(default_factory=list)
    looks: int = 0
    _seen: bytes | None = None
    _one: Lock = field(default_factory=Lock)

    def look(self) -> bool:
        """Return whether there is a release; remember what is wrong with it."""
        with self._one:  # or else one that read before another would judge after it
            return self._look()

    def _look(self) -> bool:
        self.looks += 1
        pointer, found = self.shop.read(POINTER), self.shop.read(RECORD)
        if found is None:
            if "v1" in record.parse_releases(pointer) or self._seen:
                self.broken.append("the record is missing")
            return False
        if found != self._seen:
            self.broken += self._wrong()
            self._seen = found
        return True

    def _wrong(self) -> Iterator[str]:
        listed, there = [entry.key for entry in self.shop.entries()], self.shop.objects()
        if listed != sorted(self.wanted):
            yield "the inventory is not that of the release"
        yield from (f"{key} is not there as it should be" for key in listed if there.get(key) != self.wanted.get(key))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look fifty times a second; fail where a part of a release was seen."""
        over = Event()

        def watch() -> None:
            try:
                while not over.wait(POLL_SECONDS):
                    self.look()
            except Exception as error:  # noqa: BLE001 - a reader that ends has seen enough
                self.broken.append(repr(error))

        thread = Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert not self.broken, self.broken  # shown as it is: this module's asserts are not rewritten


# Requests, by what they are for.


def is_data(request: Request | Seen) -> bool:
    """Whether it puts an object of the release in one request."""
    return request.method == "PUT" and OWN not in request.path and "/v1/" in request.path and not request.query


def is_part(request: Request | Seen) -> bool:
    return "partNumber" in request.query


def put(key: str) -> Callable[[Request | Seen], bool]:
    return lambda request: request.method == "PUT" and f"/{key}" in request.path


def part(number: str) -> Callable[[Request | Seen], bool]:
    return lambda request: request.query.get("partNumber") == number


Point = tuple[Callable[[Request], bool], int]  # a request of what kind, and the how manieth of them


def at_point(point: Point, fault: faults.Fault) -> faults.Plan:
    numbers = count()
    return lambda request: fault if point[0](request) and next(numbers) == point[1] else None
