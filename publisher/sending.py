"""Objects on their way to a target: in threads, or on the target's own lane; each is put over what was planned with only."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

from publisher.errors import Conflict, Incomplete, Locked, Problem
from publisher.objects import Change, Entry, ObjectSpec, Op
from publisher.parallel import Room, ordered_map
from publisher.payload import Payload, measure
from publisher.targets import Held, Lane, Target

ROOM_BYTES = 64 << 20  # of sources in flight: a hundred connections must not hold a hundred large objects

Sent = tuple[Change, Entry | Problem, str]  # the row or why there is none, and the target's tag


def sent(target: Target, changes: Iterable[Change], held: Held) -> Generator[Sent]:
    """Yield what became of each change, in their order, sending what must be sent; once closed, nothing is sent any more."""
    usual, pace, lane = _Usual(target, held), target.pace, target.lane()
    shortcut = _Shortcut(lane, held) if lane else None
    return ordered_map(usual.send, changes, at_once=usual.at_once, pace=pace, halt=pace.halt, shortcut=shortcut)


class _Usual:
    """Stores one object at a time where it must be, in a thread."""

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
