"""Publish: the only writer to a target. Data first, then the inventory, then the commit record, then the pointer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from math import inf

from publisher import commit, inventory, sending
from publisher.errors import Incomplete, Problem
from publisher.ledger import Ledger
from publisher.objects import Change, Entry, Op, Plan, Tally
from publisher.progress import SILENCE, Meter, Progress
from publisher.record import Record
from publisher.targets import Held, Seal, Target
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
        fresh = live is None and commit.begin(target, wanted, seal)
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
        ref = commit.put_inventory(target, file, wanted.release, rows, seal if fresh else None)
        complete = replace(run.complete(wanted), inventory=ref)
    target.tidy(wanted.release, fresh=fresh)
    target.settle()
    commit.commit(target, complete, live, held or _Free())
    whole = seal.text if seal is not None and fresh else ""
    return replace(done, record=complete, committed=True, seal=whole, kept=run.kept)


def _unchanged(target: Target, wanted: Record, live: Record, held: Held) -> Published:
    """Commit what is said of a release whose objects are those of the live record, where it is a draft's to change."""
    complete = replace(wanted.counted_as(live), inventory=live.inventory)
    done = Published(live, skipped=live.objects)
    if live.status == "final" or live.same_as(complete):
        commit.point(target, live)  # a run that was killed between the record and its pointer is finished here
        return replace(done, outdated=live.differs_from(complete))
    commit.commit(target, complete, live, held)
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
        try:
            with closing(sending.sent(self._target, wanted, self._held)) as sent:
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
