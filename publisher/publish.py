"""Publish: the only writer to a target. Data first, then the inventory, then the commit record, then the pointer."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import inf
from typing import IO

from publisher import inventory, record
from publisher.errors import Conflict, Incomplete, Locked, Problem
from publisher.headers import headers, rule
from publisher.ledger import Ledger
from publisher.objects import Change, Entry, ObjectSpec, Op, Plan, Tally
from publisher.parallel import Room, ordered_map
from publisher.payload import BLOCK, Payload, measure
from publisher.progress import SILENCE, Meter, Progress
from publisher.record import InventoryRef, Record, ReleaseRef
from publisher.targets import Held, Lane, Seal, Target
from publisher.words import count
from publisher.work import trouble

MAX_NAMED = 100  # failures that are named
ROOM_BYTES = 64 << 20  # of sources in flight: a hundred connections must not hold a hundred large objects


@dataclass(frozen=True, slots=True)
class Published:
    """What a run did: the record that is live now, and how many objects of the release it wrote or left alone."""

    record: Record
    uploaded: int = 0
    uploaded_bytes: int = 0
    skipped: int = 0
    committed: bool = False
    seal: str = ""  # of all that was put, where there was nothing before and the target seals
    kept: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # objects and stored bytes, by artifact
    outdated: tuple[str, ...] = ()  # what the manifest says otherwise than a final record, which never changes


def prepare(plan: Plan, live: Record | None) -> None:
    """Import what `publish` will need, while the store is asked for the lock."""
    if not _idle(plan, live):
        inventory.prepare()


def _idle(plan: Plan, live: Record | None) -> bool:
    """Whether no object is to be written, and no inventory."""
    return live is not None and not plan.news and not plan.tally(Op.ADD, Op.REPLACE).objects


def publish(  # noqa: PLR0913 - what it works on, and who is asked and told
    plan: Plan,
    target: Target,
    wanted: Record,
    live: Record | None,
    *,
    progress: Progress = SILENCE,
    ledger: Ledger | None = None,
    held: Held | None = None,
    good: Callable[[], object] = lambda: None,
) -> Published:
    """Make the target match the plan; a reader sees the whole release or, of a first publication, none of it.

    Args:
        plan: what must change.
        target: where.
        wanted: the record without what only publishing knows (counts, inventory).
        live: the record that is there, if any.
        progress: who is told.
        ledger: remembers what was sent.
        held: the right to publish, asked for before every put.
        good: raises where the plan is no longer good; asked while the release is marked as begun.

    Raises:
        Locked: another publisher took over while this one slept; nothing was committed.
        Incomplete: some objects could not be stored; nothing was committed.
        LocalTrouble, Unreachable: nothing more could be done; nothing was committed.

    """
    todo = plan.tally(Op.ADD, Op.REPLACE)
    if _idle(plan, live):
        good()
        assert live is not None
        return _unchanged(target, wanted, live, held or _Free())
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(good)
        seal = target.seal(wanted.release)
        fresh = live is None and _begin(target, wanted, seal)
        asked.result()
    with tempfile.TemporaryFile() as file:
        meter = progress.step("publish", todo.objects, todo.size_bytes)
        run = _Run(target, meter, ledger, held or _Free(), seal if fresh else None)
        try:
            with closing(run.entries(plan.changes)) as entries:  # whatever happens, nothing is sent any more then
                rows = inventory.write(entries, file)
        except OSError as error:  # of the inventory's own file: targets and sources tell theirs in words
            raise trouble(error, tempfile.gettempdir()) from error
        run.check(rows)
        done = Published(wanted, run.sent.objects, run.sent.size_bytes, rows - run.sent.objects)
        if live is not None and not plan.news:
            # What was lost is there again, so its inventory still holds; a final record never changes.
            return replace(
                _unchanged(target, wanted, live, held or _Free()),
                uploaded=done.uploaded,
                uploaded_bytes=done.uploaded_bytes,
                skipped=done.skipped,
            )
        ref = _put_inventory(target, file, wanted.release, rows, seal if fresh else None)
        complete = replace(run.complete(wanted), inventory=ref)
    target.tidy(wanted.release, fresh=fresh)
    target.settle()
    _commit(target, complete, live, held or _Free())
    whole = seal.text if seal is not None and fresh else ""
    return replace(done, record=complete, committed=True, seal=whole, kept=run.kept)


def _unchanged(target: Target, wanted: Record, live: Record, held: Held) -> Published:
    """Commit what is said of a release whose objects are those of the live record, where it is a draft's to change."""
    complete = replace(wanted.counted_as(live), inventory=live.inventory)
    done = Published(live, skipped=live.objects)
    if live.status == "final" or live.same_as(complete):
        _point(target, live)  # a run that was killed between the record and its pointer is finished here
        return replace(done, outdated=live.differs_from(complete))
    _commit(target, complete, live, held)
    return replace(done, record=complete, committed=True)


class _Free:
    """Held without a lock: by tests, and by those who use the step as a library."""

    until = inf

    def check(self) -> None:
        """Nobody else is there."""


class _Run:
    """One pass over the plan: sends what must be sent, counts it, and remembers what could not be."""

    def __init__(self, target: Target, meter: Meter, ledger: Ledger | None, held: Held, seal: Seal | None) -> None:
        self._target, self._meter, self._ledger, self._held, self._seal = target, meter, ledger, held, seal
        self.sent = Tally()
        self._tallies: dict[str, Tally] = {}
        self._failed: list[Problem] = []

    def entries(self, changes: Iterable[Change]) -> Generator[Entry]:
        """Yield the inventory's rows in order, sending objects as they come."""
        wanted = (change for change in changes if change.op is not Op.ORPHAN)
        sender = _Sender(self._target, self._held)
        try:
            pace = self._target.pace
            lane = self._target.lane()
            shortcut = _Shortcut(lane, self._held) if lane else None
            answers = ordered_map(
                sender.send, wanted, at_once=sender.at_once, pace=pace, halt=pace.halt, shortcut=shortcut
            )
            with closing(answers) as sent:
                for change, result, tag in sent:
                    if isinstance(result, Problem):
                        self._failed.append(result)
                        continue
                    if change.spec is not None:
                        self.sent.add(result.size_bytes)
                        self._meter.advance(1, change.size_bytes)
                        if self._ledger:
                            self._ledger.learn(change.spec, result, tag)
                        if self._seal:
                            self._seal.put(result.key, result.size_bytes, result.headers.content_encoding, tag)
                    self._tallies.setdefault(result.artifact, Tally()).add(result.size_bytes, result.content_size_bytes)
                    yield result
        finally:
            if self._ledger:
                self._ledger.commit()

    @property
    def kept(self) -> dict[str, tuple[int, int]]:
        """What there is of each artifact now."""
        return {name: (tally.objects, tally.size_bytes) for name, tally in self._tallies.items()}

    def check(self, rows: int) -> None:
        """Raise Incomplete where an object failed; so many others are there."""
        if self._failed:
            more = len(self._failed) - MAX_NAMED
            named = self._failed[:MAX_NAMED] + ([Problem("", f"and {count(more, 'more object')}")] if more > 0 else [])
            sent = self.sent.objects
            raise Incomplete(named, uploaded=sent, skipped=rows - sent, failed=len(self._failed))

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


Sent = tuple[Change, Entry | Problem, str]  # the row or why there is none, and the target's tag


class _Sender:
    """Stores one object at a time where it must be."""

    def __init__(self, target: Target, held: Held) -> None:
        self._target, self._held = target, held
        self._room = Room(ROOM_BYTES)

    def at_once(self, change: Change) -> Sent | None:
        """Return the row of what is there already."""
        return None if change.writes or change.entry is None else (change, change.entry, "")

    def send(self, change: Change) -> Sent:
        """Store an object; return its row, or why it alone could not be stored."""
        spec = change.spec
        assert spec is not None
        payload = Payload(spec)
        with self._room.of(spec.size_bytes):
            self._held.check()
            try:
                tag = self._put(change, spec, payload)
            except Incomplete as error:
                return change, error.problems[0], ""
        return change, payload.entry(), tag

    def _put(self, change: Change, spec: ObjectSpec, payload: Payload) -> str:
        """Store an object over what was planned with: what a publisher that lost its lock sends late overwrites nothing."""
        new, about = change.op is Op.ADD, spec.size_bytes
        try:
            return self._target.put(
                change.key, payload, spec.headers, create=new, over=change.tag, labels=payload.labels, about=about
            )
        except Conflict:
            # It came there after the plan was made: by a run that was killed and whose last requests were on their way.
            if self._target.holds(measure(spec), lambda: Payload(spec)):
                return ""
            if spec.headers.final:
                raise
            message = "was written by another program in the meantime"
            raise Locked(Problem(f"{self._target.url}/{change.key}", message, "run the same command again")) from None


class _Shortcut:
    """Small objects, on the target's own lane."""

    def __init__(self, lane: Lane, held: Held) -> None:
        self._lane, self._held = lane, held
        self._begun: dict[int, Change] = {}
        self.nudge, self.close = lane.nudge, lane.close

    @property
    def flying(self) -> int:
        return self._lane.flying

    @property
    def full(self) -> bool:
        return self._lane.full

    def takes(self, change: Change) -> bool:
        return change.spec is not None and self._lane.takes(change.spec)

    def begin(self, number: int, change: Change) -> None:
        assert change.spec is not None
        self._held.check()
        create = change.op is Op.ADD
        self._lane.put(number, change.spec, create=create, over=change.tag, until=self._held.until)
        self._begun[number] = change

    def answers(self, seconds: float) -> Iterator[tuple[int, Change, Sent | None]]:
        for number, entry, tag in self._lane.answers(seconds):
            change = self._begun.pop(number)
            yield number, change, None if entry is None else (change, entry, tag)


def _begin(target: Target, wanted: Record, seal: Seal | None) -> bool:
    """Mark the release's folder as begun, so that a rerun knows what it finds there for its own; say if this run is it."""
    data = json.dumps({"release": wanted.release, "begun": wanted.created}).encode() + b"\n"
    with suppress(Conflict):  # an unfinished run has begun it
        key, head = record.begun_key(wanted.release), headers(rule("scene"), encoded=False, final=True)
        tag = target.put(key, [data], head, create=True)
        if seal:
            seal.put(key, len(data), None, tag)
        return True
    return False


def _put_inventory(target: Target, file: IO[bytes], version: str, rows: int, seal: Seal | None) -> InventoryRef:
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


def _commit(target: Target, complete: Record, live: Record | None, held: Held) -> None:
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
    _point(target, complete)


def _point(target: Target, complete: Record) -> None:
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
