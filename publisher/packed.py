"""Values as plain tuples, strings and numbers, and back: all that marshal writes, and ten times as fast as pickle."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from publisher.objects import Change, Entry, Form, Headers, Known, ObjectSpec, Op

Packed = tuple[Any, ...]

_OPS = {op.value: op for op in Op}
_FORMS = {form.value: form for form in Form}


def packed_change(change: Change) -> Packed:
    """Return a change as a plain tuple."""
    spec, entry = change.spec, change.entry
    plain_entry = (*entry[:6], tuple(entry.headers)) if entry else None
    return change.op.value, *change[1:5], packed_spec(spec) if spec else None, plain_entry, *change[7:]


def unpacked_change(row: Packed) -> Change:
    """Return what `packed_change` was given."""
    entry = row[6]
    if entry is not None:
        entry = Entry._make((*entry[:6], _headers(entry[6])))
    return Change._make((_OPS[row[0]], *row[1:5], unpacked_spec(row[5]) if row[5] else None, entry, *row[7:]))


def packed_spec(spec: ObjectSpec) -> Packed:
    """Return an object as a plain tuple."""
    known = (spec.known.gzip_bytes, spec.known.form.value, *spec.known[2:]) if spec.known else None
    return (*spec[:5], spec.form.value, tuple(spec.headers), *spec[7:9], known)


def unpacked_spec(row: Packed) -> ObjectSpec:
    """Return what `packed_spec` was given."""
    known = Known._make((row[9][0], _FORMS[row[9][1]], *row[9][2:])) if row[9] else None
    return ObjectSpec._make((*row[:5], _FORMS[row[5]], _headers(row[6]), *row[7:9], known))


@lru_cache(maxsize=256)
def _headers(plain: Packed) -> Headers:
    return Headers(*plain)
