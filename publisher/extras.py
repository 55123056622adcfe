"""What lies in a release's folder though no inventory names it: strangers cannot see it, whoever holds the target can."""

from __future__ import annotations

from collections.abc import Iterator

from publisher.inventory import Index
from publisher.objects import UNTOLD, Finding, Stored
from publisher.page import shelf
from publisher.record import Record, folder
from publisher.targets import LocalTarget, Target

MAX_NAMED = 100


def extras(target: Target, live: Record) -> Iterator[Finding]:
    """Yield what lies in a release's folder without being one of its objects.

    In a final release that is an error: readers of a chunked volume would take a stray chunk for data. A draft may
    have left it behind itself, and so may examples, whose numbers move as artifacts come and go: they are no data. Memory does not grow with the number of objects.
    """
    file = target.open(live.inventory.key) if live.inventory else None
    if file is None:
        return
    with file:
        try:
            index = Index(file)
        except ValueError:
            return  # a damaged inventory is a finding already
        found = 0
        for stored in target.below(f"{live.release}/"):
            on_disk = isinstance(target, LocalTarget)
            if stored.key.startswith(f"{folder(live.release)}/") or _is_object(stored, index, on_disk=on_disk):
                continue
            found += 1
            if found <= MAX_NAMED:
                message = f"lies at the target, but is no object of {live.release}; remove it by hand: publisher never deletes"
                key = f"{stored.key}.gz" if on_disk and stored.content_encoding else stored.key
                harmful = live.status == "final" and not stored.key.startswith(f"{shelf.folder(live.release)}/")
                yield Finding("extra", "error" if harmful else "note", key, message)
    if found > MAX_NAMED:
        yield Finding("extra", "note", live.release, f"and {found - MAX_NAMED:,} more that are no objects")


def _is_object(stored: Stored, index: Index, *, on_disk: bool) -> bool:
    """Whether it is an object, and stored as it should be: a folder can hold both `X` and `X.gz`.

    In a folder `12.ngmesh.gz` may be a file of that name, or `12.ngmesh` with Content-Encoding: names alone do not tell.
    """
    entry = index.get(stored.key)
    if entry is not None and stored.content_encoding in {UNTOLD, entry.headers.content_encoding}:
        return True
    plain = stored.key.removesuffix(".gz")
    other = index.get(plain) if on_disk and plain != stored.key else None
    return other is not None and other.headers.content_encoding == "gzip"
