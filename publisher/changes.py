"""The changes of a plan, kept on disk: those that say something new, beside the live inventory that says the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from publisher.objects import Change, Entry, Form, Headers, Known, ObjectSpec, Op
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
        self._spool = Spool((change for change in told if not _kept(change)), _packed, _unpacked)

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


_OPS = {op.value: op for op in Op}
_FORMS = {form.value: form for form in Form}


def _packed(change: Change) -> tuple[Any, ...]:
    """Return a change as tuples, strings and numbers."""
    spec, entry = change.spec, change.entry
    plain_spec = (*spec[:5], spec.form.value, _plain(spec.headers), *spec[7:9], _plain_known(spec)) if spec else None
    plain_entry = (*entry[:6], _plain(entry.headers)) if entry else None
    return change.op.value, *change[1:5], plain_spec, plain_entry, *change[7:]


def _unpacked(row: tuple[Any, ...]) -> Change:
    spec, entry = row[5], row[6]
    if spec is not None:
        known = Known._make((spec[9][0], _FORMS[spec[9][1]], *spec[9][2:])) if spec[9] else None
        spec = ObjectSpec._make((*spec[:5], _FORMS[spec[5]], _headers(spec[6]), *spec[7:9], known))
    if entry is not None:
        entry = Entry._make((*entry[:6], _headers(entry[6])))
    return Change._make((_OPS[row[0]], *row[1:5], spec, entry, *row[7:]))


def _plain(headers: Headers) -> tuple[str, str | None, str]:
    return headers.content_type, headers.content_encoding, headers.cache_control


def _plain_known(spec: ObjectSpec) -> tuple[Any, ...] | None:
    return (spec.known.gzip_bytes, spec.known.form.value, *spec.known[2:]) if spec.known else None


@lru_cache(maxsize=256)
def _headers(plain: tuple[Any, ...]) -> Headers:
    return Headers(*plain)
