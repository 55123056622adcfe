"""Plan: sources + what is live → a sorted stream of changes with a reason each. Writes nothing to a target."""

from __future__ import annotations

import itertools
import tempfile
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cached_property, partial

from publisher import record
from publisher.changes import SAME, Changes
from publisher.errors import Conflict, InvalidInput, Problem
from publisher.ledger import Ledger
from publisher.objects import UNTOLD, Change, Entry, Headers, ObjectSpec, Op, Plan, Stored, Tally
from publisher.others import Others
from publisher.pairs import Pair, pairs
from publisher.parallel import ordered_map
from publisher.payload import Payload, content_digest, measure
from publisher.progress import SILENCE, Meter, Progress
from publisher.record import Record
from publisher.standing import Note, Standing
from publisher.targets import Target
from publisher.tree import Mark, Tree
from publisher.words import count
from publisher.work import trouble

AHEAD = 25_000  # sources that are looked at while the target still lists: some 25 MB

Found = tuple[Pair, Stored | None]  # and what is stored there


def plan(
    trees: Iterable[Tree],
    target: Target,
    live: tuple[Record, Iterable[Entry]] | None,
    *,
    version: str,
    final: bool,
    progress: Progress = SILENCE,
    ledger: Ledger | None = None,
) -> Plan:
    """Compare what a release wants with what is live.

    Args:
        trees: where the objects come from.
        target: where they go.
        live: the record of this version at the target, with its inventory, where there is one.
        version: of the release; objects below its folder that no record names are an unfinished run's, where one has
            begun there (`record.begun_key`), and somebody else's where none has.
        final: whether the release will be final.
        progress: who is told.
        ledger: what is known of sources that are as they were, which are not read then; it learns what is found.

    Raises:
        InvalidInput: with everything that must not be published, each file named.
        Conflict: the live release is final, and this would change it.

    """
    meter = progress.step("plan")
    problems: list[Problem] = []
    trees = tuple(trees)
    seen = {tree.key: Mark() for tree in trees}
    joined = pairs(trees, live[1] if live else (), problems, final=final, ledger=ledger, seen=seen)
    asked, again = itertools.tee(joined)
    judge = _Judge(target, version, Others(target, version), recorded=live is not None)
    note = Note(ledger, live[0] if live else None, trees, final=final)
    counts = _Counts()
    with target.lookup((key for key, _, _ in asked), likely=version) as found:
        if live and (standing := note.recall(found)):
            return _stood(standing, live[1], meter)
        both = zip(_ahead(again), found, strict=True)
        decisions = ordered_map(judge.decide, both, at_once=judge.at_once, halt=target.pace.halt)
        try:
            with closing(decisions) as decided:  # whatever happens, nobody looks any further then
                told = counts.watch(_learned(decided, ledger), meter)
                changes = Changes(told, live[1] if live else ())
        except OSError as error:  # of the spool's own file, or of a source that cannot be read
            raise trouble(error, tempfile.gettempdir()) from error
        if problems:
            raise InvalidInput(problems)
        marks = {key: mark.text for key, mark in seen.items()}
        changed = {key: mark.changed_ns for key, mark in seen.items()}
        made = Plan(changes, counts.totals, counts.artifacts, counts.news, marks, changed)
        if made.empty and not made.news:
            kept = {name: tallies[Op.KEEP] for name, tallies in counts.artifacts.items()}
            artifacts = {name: (tally.objects, tally.size_bytes) for name, tally in kept.items()}
            note.keep(Standing(marks, artifacts), found.seal())
    if live and live[0].status == "final":
        _refuse_changes(made, live[0])
    _refuse_foreign(made)
    return made


def _stood(standing: Standing, live: Iterable[Entry], meter: Meter) -> Plan:
    """Return the plan of a release that is live, every object of it."""
    counts = _Counts()
    for artifact, (objects, size_bytes) in standing.artifacts.items():
        for tally in (counts.totals[Op.KEEP], counts.artifacts[artifact][Op.KEEP]):
            tally.objects += objects
            tally.size_bytes += size_bytes
        meter.advance(objects, size_bytes)
    return Plan(Changes((), live), counts.totals, counts.artifacts, 0, standing.marks)


class _Counts:
    """Totals of a stream of changes."""

    def __init__(self) -> None:
        self.totals: dict[Op, Tally] = {op: Tally() for op in Op}
        self.artifacts: defaultdict[str, dict[Op, Tally]] = defaultdict(lambda: {op: Tally() for op in Op})
        self.news = 0

    def watch(self, changes: Iterable[Change], meter: Meter) -> Iterator[Change]:
        """Count the changes as they pass."""
        for change in changes:
            op, _, artifact, size_bytes, *_ = change
            self.totals[op].add(size_bytes)
            self.artifacts[artifact][op].add(size_bytes)
            self.news += not change.recorded
            meter.advance(1, size_bytes)
            yield change


def _learned(decided: Iterable[tuple[Change, str]], ledger: Ledger | None) -> Iterator[Change]:
    """Pass the changes on; of what need not be sent, remember what was found when its source was read."""
    for change, tag in decided:
        spec, entry = change.spec, change.entry
        if spec is None or change.op is not Op.KEEP:
            yield change
            continue
        if ledger and entry and (spec.known is None or spec.known.tag != tag):
            ledger.learn(spec, entry, tag)
        yield change._replace(spec=None)
    if ledger:
        ledger.commit()


def _ahead(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Have so many sources looked at before the first answer of the target is waited for."""
    stream = iter(pairs)
    first = deque(itertools.islice(stream, AHEAD))
    while first:
        yield first.popleft()
    yield from stream


class _Judge:
    """Decides about one key at a time by what is wanted, recorded and stored there."""

    def __init__(self, target: Target, version: str, others: Others, *, recorded: bool) -> None:
        """Take the target, the release, whether it is live already, and the other releases."""
        self._target, self._version, self._others, self._recorded = target, version, others, recorded

    @cached_property
    def _begun(self) -> bool:
        return self._recorded or self._target.read(record.begun_key(self._version)) is not None

    def at_once(self, found: Found) -> tuple[Change, str] | None:
        """Decide where nothing need be read or asked."""
        (key, spec, entry), stored = found
        if entry is None and stored is None and spec is not None and not self._others.holding(key):
            return Change(Op.ADD, key, spec.artifact, spec.size_bytes, "new", spec), ""
        if spec is None or entry is None or stored is None or spec.known is None:
            return None
        known = spec.known
        same = known.tag == stored.tag and known.content_sha256 == entry.content_sha256
        if same and spec.headers == entry.headers and _as_recorded(stored, entry):
            return Change(Op.KEEP, key, spec.artifact, entry.size_bytes, SAME, None, entry, recorded=True), stored.tag
        return None

    def decide(self, found: Found) -> tuple[Change, str]:
        """Return the change of one key, and the tag of what is stored there."""
        change = self._compare(found)
        if change.op is Op.ADD and not change.recorded and (version := self._others.holding(change.key)):
            change = change._replace(reason=f"{INSIDE} {version}")
        if (
            change.op is Op.REPLACE
            and change.spec
            and not change.recorded
            and (version := self._others.spoilt(change.spec))
        ):
            change = change._replace(reason=f"{SHARED} {version}")
        tag = found[1].tag if found[1] else ""
        return change._replace(tag=tag) if change.op is Op.REPLACE else change, tag

    def _compare(self, found: Found) -> Change:
        (key, spec, entry), stored = found
        if spec is None:
            assert entry is not None
            reason = "live, but no longer in the manifest's sources"
            return Change(Op.ORPHAN, key, entry.artifact, entry.size_bytes, reason)
        change = partial(Change, key=key, artifact=spec.artifact, size_bytes=spec.size_bytes, spec=spec)
        if entry is None:
            if stored is None:
                return change(Op.ADD, reason="new")
            ours = spec.key.startswith(f"{self._version}/") and self._begun
            return self._arrived(change, spec, "an unfinished run left other bytes here" if ours else FOREIGN)
        if why := _header_reason(spec.headers, entry.headers):
            return change(Op.REPLACE, reason=why)
        digest = content_digest(spec)
        if digest != (entry.content_sha256, entry.content_size_bytes):
            sizes = f"size {entry.content_size_bytes:,} → {digest.size_bytes:,} bytes"
            same = digest.size_bytes == entry.content_size_bytes
            return self._arrived(change, spec, "content differs, size does not" if same else sizes)
        if stored is None:
            return change(Op.ADD, reason="recorded, but gone from the target", entry=entry, recorded=True)
        known = spec.known.tag if spec.known else ""
        # A tag that is not the one that was told when it arrived: it was written again, perhaps with the same bytes.
        doubtful = known not in {stored.tag, ""} and not self._target.holds(entry, lambda: Payload(spec))
        if doubtful or not _as_recorded(stored, entry):
            return change(Op.REPLACE, reason="recorded, but changed at the target", entry=entry, recorded=True)
        return change(Op.KEEP, size_bytes=entry.size_bytes, reason=SAME, entry=entry, recorded=True)

    def _arrived(self, change: partial[Change], spec: ObjectSpec, otherwise: str) -> Change:
        """Decide about an object that is not what the record says: an earlier run may have sent it, and been killed."""
        entry = measure(spec)
        if self._target.holds(entry, lambda: Payload(spec)):
            return change(Op.KEEP, size_bytes=entry.size_bytes, reason="arrived in an earlier run", entry=entry)
        return change(Op.REPLACE, reason=otherwise)


def _as_recorded(stored: Stored, entry: Entry) -> bool:
    """Whether what a listing tells of an object is what the record says of it."""
    encoding = stored.content_encoding
    return stored.size_bytes == entry.size_bytes and encoding in (UNTOLD, entry.headers.content_encoding)


FOREIGN = "there already, and not this release's"
SHARED = "would change an object of release"
INSIDE = "would add an object to the folder of release"


def _header_reason(wanted: Headers, live: Headers) -> str:
    names = ("Content-Type", "Content-Encoding", "Cache-Control")
    fields = ("content_type", "content_encoding", "cache_control")
    for name, attribute in zip(names, fields, strict=True):
        old, new = getattr(live, attribute), getattr(wanted, attribute)
        if old != new:
            return f"{name} {old or 'none'} → {new or 'none'}"
    return ""


def _refuse_changes(made: Plan, live: Record) -> None:
    """Raise where a plan would change a final release; bringing back what its record says is no change."""
    guilty = (change for change in (made.changes if made.news else ()) if not change.recorded)
    named = [Problem(change.key, f"{change.op} {change.reason}") for change in itertools.islice(guilty, 20)]
    more = sum(1 for _ in guilty)
    if named:
        named += [Problem("", f"and {count(more, 'more object')}")] if more else []
        hint = f"{live.release} of {live.dataset.get('title', '')} is final since {live.created}: publish a new version instead"
        raise Conflict([*named[:-1], Problem(named[-1].where, named[-1].message, hint)])


def _refuse_foreign(made: Plan) -> None:
    """Raise where a plan would overwrite what is not this release's, or add to another release."""
    written = made.changes if made.totals[Op.REPLACE].objects or made.totals[Op.ADD].objects else ()
    guilty = list(itertools.islice((c for c in written if c.reason.startswith((FOREIGN, SHARED, INSIDE))), 20))
    if guilty:
        hint = "move it away, or give the artifact another key or the release another version"
        raise Conflict([Problem(change.key, change.reason, hint) for change in guilty])
