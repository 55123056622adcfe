"""Files of a local target that no inventory names: a stranger cannot see them, whoever holds the folder can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from publisher.inventory import Index
from publisher.objects import Finding
from publisher.record import Record, folder
from publisher.tree import in_order

MAX_NAMED = 100


def extras(root: Path, live: Record) -> Iterator[Finding]:
    """Yield what lies in a release's folder without being one of its objects.

    In a final release that is an error: readers of a chunked volume would take a stray chunk for data. A draft may
    have left it behind itself. Memory does not grow with the number of files.
    """
    if live.inventory is None or not (root / live.inventory.key).is_file():
        return
    try:
        index = Index(root / live.inventory.key)
    except ValueError:
        return  # a damaged inventory is a finding already
    found = 0
    for key in _files(root, f"{live.release}/"):
        if key.startswith(f"{folder(live.release)}/") or _is_object(key, index):
            continue
        found += 1
        if found <= MAX_NAMED:
            hint = "remove it by hand: publisher never deletes"
            message = f"lies at the target, but is no object of {live.release}; {hint}"
            yield Finding("extra", "error" if live.status == "final" else "note", key, message)
    if found > MAX_NAMED:
        yield Finding("extra", "note", live.release, f"and {found - MAX_NAMED:,} more files that are no objects")


def _is_object(key: str, index: Index) -> bool:
    """Whether a file is how an object is stored: `X` for a plain one, `X.gz` for one with Content-Encoding."""
    plain = index.get(key)
    if plain is not None and plain.headers.content_encoding is None:
        return True
    encoded = index.get(key.removesuffix(".gz")) if key.endswith(".gz") else None
    return encoded is not None and encoded.headers.content_encoding == "gzip"


def _files(root: Path, prefix: str) -> Iterator[str]:
    with os.scandir(root / prefix) as entries:
        for (name,) in in_order((f"{entry.name}/" if entry.is_dir() else entry.name,) for entry in entries):
            if name.endswith("/"):
                yield from _files(root, prefix + name)
            else:
                yield prefix + name
