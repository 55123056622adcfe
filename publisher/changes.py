"""The changes of a plan, kept on disk: those that say something new, beside the live inventory that says the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from publisher.objects import Change, Entry, Op
from publisher.packed import packed_change, unpacked_change
from publisher.spool import Spool

SAME = "same content and headers"


def _kept(change: Change) -> bool:
    """Whether the live inventory says all that there is to say of a change."""
    return change.op is Op.KEEP and change.recorded


class Changes:
    """The changes of a plan, sorted by key: those that were spooled, and of the rest what the live inventory says."""

    def __init__(self, told: Iterable[Change], live: Iterable[Entry]) -> None:
        """Run the stream of changes to its end, onto disk; `live` can be iterated more than once."""
        self._live = live
        self._spool = Spool((change for change in told if not _kept(change)), packed_change, unpacked_change)

    def __iter__(self) -> Iterator[Change]:
        """Iterate over all changes, from the first."""
        spooled = iter(self._spool)
        change = next(spooled, None)
        for entry in self._live:
            while change is not None and change.key < entry.key:
                yield change
                change = next(spooled, None)
            if change is None or change.key != entry.key:
                yield Change(Op.KEEP, entry.key, entry.artifact, entry.size_bytes, SAME, None, entry, recorded=True)
        while change is not None:
            yield change
            change = next(spooled, None)
