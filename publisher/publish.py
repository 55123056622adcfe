"""Publish: the only writer to a target. Data first, then the inventory, then the commit record, then the pointer."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import IO

from publisher import inventory, record
from publisher.errors import Conflict, Incomplete, Problem, Unreachable
from publisher.headers import headers, rule
from publisher.objects import Change, Entry, Op, Plan, Tally
from publisher.parallel import ordered_map
from publisher.payload import BLOCK, Payload
from publisher.progress import SILENCE, Meter, Progress
from publisher.record import InventoryRef, Record, ReleaseRef
from publisher.targets import Target
from publisher.words import count
from publisher.work import trouble

MAX_NAMED = 100  # failures that are named


@dataclass(frozen=True, slots=True)
class Published:
    """What a run did: the record that is live now, and how many objects of the release it wrote or left alone."""

    record: Record
    uploaded: int = 0
    uploaded_bytes: int = 0
    skipped: int = 0
    committed: bool = False
    outdated: tuple[str, ...] = ()  # what the manifest says otherwise than a final record, which never changes


def publish(
    plan: Plan, target: Target, wanted: Record, live: Record | None, *, created: str, progress: Progress = SILENCE
) -> Published:
    """Make the target match the plan; a reader sees the whole release or, of a first publication, none of it.

    Args:
        plan: what must change.
        target: where.
        wanted: the record without what only publishing knows (counts, inventory, when).
        live: the record that is there, if any.
        created: the time to be recorded, ISO 8601.
        progress: who is told.

    Raises:
        Incomplete: some objects could not be stored; nothing was committed.
        LocalTrouble, Unreachable: nothing more could be done; nothing was committed.

    """
    todo = plan.tally(Op.ADD, Op.REPLACE)
    if live is None:
        _begin(target, wanted, created)
    with tempfile.TemporaryFile() as file:
        run = _Run(target, progress.step("publish", todo.objects, todo.size_bytes))
        try:
            rows = inventory.write(run.entries(plan.changes), file)
        except OSError as error:  # of the inventory's own file: targets and sources tell theirs in words
            raise trouble(error, tempfile.gettempdir()) from error
        run.check()
        done = Published(wanted, run.sent.objects, run.sent.size_bytes, rows - run.sent.objects)
        complete = replace(run.complete(wanted), created=created)
        if live is not None and not plan.news:
            # Every object is what the live record says, so its inventory still holds; a final record never changes.
            complete = replace(complete, inventory=live.inventory)
            if live.status == "final" or live.same_as(complete):
                _point(target, live)  # a run that was killed between the record and its pointer is finished here
                return replace(done, record=live, outdated=live.differs_from(complete))
        else:
            complete = replace(complete, inventory=_put_inventory(target, file, wanted.release, rows))
    target.settle()
    _commit(target, complete, create=complete.status == "final" and live is None)
    return replace(done, record=complete, committed=True)


class _Run:
    """One pass over the plan: sends what must be sent, counts it, and remembers what could not be."""

    def __init__(self, target: Target, meter: Meter) -> None:
        self._target, self._meter = target, meter
        self.sent = Tally()
        self._tallies: dict[str, Tally] = {}
        self._failed: list[Problem] = []

    def entries(self, changes: Iterable[Change]) -> Iterator[Entry]:
        """Yield the inventory's rows in order, sending objects as they come."""
        wanted = (change for change in changes if change.op is not Op.ORPHAN)
        for change, result in ordered_map(partial(_send, self._target), wanted):
            if isinstance(result, Problem):
                self._failed.append(result)
                continue
            if change.writes:
                self.sent.add(result.size_bytes)
                self._meter.advance(1, change.size_bytes)
            self._tallies.setdefault(result.artifact, Tally()).add(result.size_bytes, result.content_size_bytes)
            yield result

    def check(self) -> None:
        """Raise Incomplete where an object failed."""
        if self._failed:
            more = len(self._failed) - MAX_NAMED
            named = self._failed[:MAX_NAMED] + ([Problem("", f"and {count(more, 'more object')}")] if more > 0 else [])
            raise Incomplete(named)

    def complete(self, wanted: Record) -> Record:
        """Return the record with its counts: of the release, and of each artifact."""
        none = Tally()
        tallies = [(artifact, self._tallies.get(artifact.name, none)) for artifact in wanted.artifacts]
        everything = self._tallies.values()  # scenes too, which are no artifacts
        return replace(
            wanted,
            artifacts=tuple(replace(artifact, **asdict(tally)) for artifact, tally in tallies),
            objects=sum(tally.objects for tally in everything),
            size_bytes=sum(tally.size_bytes for tally in everything),
            content_size_bytes=sum(tally.content_size_bytes for tally in everything),
        )


def _send(target: Target, change: Change) -> tuple[Change, Entry | Problem]:
    """Store one object where it must be; return its row, or why it could not be stored."""
    if not change.writes:
        assert change.entry is not None
        return change, change.entry
    assert change.spec is not None
    payload = Payload(change.spec)
    try:
        target.put(change.key, payload, change.spec.headers)
    except Unreachable as error:
        return change, Problem(change.key, error.problems[0].message, error.problems[0].hint)
    return change, payload.entry()


def _begin(target: Target, wanted: Record, created: str) -> None:
    """Mark the release's folder as begun, so that a rerun knows what it finds there for its own."""
    data = json.dumps({"release": wanted.release, "begun": created}).encode() + b"\n"
    with suppress(Conflict):  # an unfinished run has begun it
        target.put(
            record.begun_key(wanted.release), [data], headers(rule("scene"), encoded=False, final=True), create=True
        )


def _put_inventory(target: Target, file: IO[bytes], version: str, rows: int) -> InventoryRef:
    size = file.seek(0, 2)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # a binary file has readinto
    key = f"{record.folder(version)}/inventory-{digest[:16]}.parquet"
    file.seek(0)
    # Its name has its digest in it, so it never changes, whatever the release does; a killed run may have sent it.
    head = headers(rule("table/parquet"), encoded=False, final=True)
    if not target.holds(Entry(key, "", size, digest, size, digest, head)):
        target.put(key, iter(partial(file.read, BLOCK), b""), head)
    return InventoryRef(key, digest, size, rows)


def _commit(target: Target, complete: Record, *, create: bool) -> None:
    final = complete.status == "final"
    key = record.record_key(complete.release)
    target.put(key, [record.dump(complete)], headers(rule("scene"), encoded=False, final=final), create=create)
    target.settle()
    _point(target, complete)


def _point(target: Target, complete: Record) -> None:
    """Name the release in `releases.json`; `latest` is the newest final one, or a draft where there is no other."""
    releases = record.parse_releases(target.read(record.RELEASES_KEY))
    title = str(complete.dataset.get("title", ""))
    ref = ReleaseRef(complete.release, complete.status, complete.date, title, record.record_key(complete.release))
    if releases.get(ref.version) == ref:
        return
    releases[ref.version] = ref
    newest = sorted(releases.values(), key=lambda other: (other.date, other.version), reverse=True)
    latest = next((other for other in newest if other.status == "final"), newest[0])
    data = record.dump_releases({other.version: other for other in newest}, latest.version)
    target.put(record.RELEASES_KEY, [data], headers(rule("scene"), encoded=False, final=False))
    target.settle()
