"""What makes objects a release: the mark that it has begun, its inventory, its record, and its name in `releases.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import IO

from publisher import record
from publisher.errors import Conflict, Locked, Problem
from publisher.headers import headers, rule
from publisher.objects import Entry
from publisher.payload import BLOCK
from publisher.record import InventoryRef, Record, ReleaseRef
from publisher.targets import Held, Seal, Target


def begin(target: Target, wanted: Record, seal: Seal | None) -> bool:
    """Mark the release's folder as begun, so that a rerun knows what it finds there for its own; say if this run is it."""
    data = json.dumps({"release": wanted.release, "begun": wanted.created}).encode() + b"\n"
    with suppress(Conflict):  # an unfinished run has begun it
        key, head = record.begun_key(wanted.release), headers(rule("scene"), encoded=False, final=True)
        tag = target.put(key, [data], head, create=True)
        if seal:
            seal.put(key, len(data), None, tag)
        return True
    return False


def put_inventory(target: Target, file: IO[bytes], version: str, rows: int, seal: Seal | None) -> InventoryRef:
    """Store the inventory; where a release is fresh, and sealed, there is none."""
    size = file.seek(0, 2)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a binary file has readinto
    key = f"{record.folder(version)}/inventory-{digest[:16]}.parquet"
    # Its name has its digest in it, so it never changes, whatever the release does; a killed run may have sent it.
    head = headers(rule("table/parquet"), encoded=False, final=True)

    def blocks() -> Iterator[bytes]:
        file.seek(0)
        return iter(partial(file.read, BLOCK), b"")

    if seal or not target.holds(Entry(key, "", size, digest, size, digest, head), blocks):
        tag = target.put(key, blocks(), head, labels=lambda: {"sha256": digest}, about=size)
        if seal:
            seal.put(key, size, None, tag)
    return InventoryRef(key, digest, size, rows)


def commit(target: Target, complete: Record, live: Record | None, held: Held) -> None:
    """Write the record: create-only where there is none, else only over the very record that was planned with."""
    key = record.record_key(complete.release)
    data, head = record.dump(complete), headers(rule("scene"), encoded=False, final=complete.status == "final")

    def over(there: bytes | None) -> bytes:
        if (record.parse(there, key) if there else None) != live:
            message = "another publisher wrote this release in the meantime"
            raise Locked(Problem(f"{target.url}/{key}", message, "run the same command again"))
        return data

    held.check()
    if live is None:
        target.put(key, [data], head, create=True)
    else:
        target.swap(key, over, head)
    target.settle()
    point(target, complete)


def point(target: Target, complete: Record) -> None:
    """Name the release in `releases.json`; `latest` is the newest final one, or a draft where there is no other."""
    title = str(complete.dataset.get("title", ""))
    ref = ReleaseRef(complete.release, complete.status, complete.date, title, record.record_key(complete.release))

    def named(there: bytes | None) -> bytes | None:
        releases = record.parse_releases(there)
        if releases.get(ref.version) == ref:
            return None
        releases[ref.version] = ref
        newest = sorted(releases.values(), key=lambda other: (other.date, other.version), reverse=True)
        latest = next((other for other in newest if other.status == "final"), newest[0])
        return record.dump_releases({other.version: other for other in newest}, latest.version)

    target.swap(record.RELEASES_KEY, named, headers(rule("scene"), encoded=False, final=False))
    target.settle()
