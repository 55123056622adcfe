"""The same release at the manifest's other targets: read as a stranger, and compared by digests, not believed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from publisher import inventory, record
from publisher.audit.place import MOST_JSON_BYTES
from publisher.errors import PublisherError
from publisher.objects import Entry, Mirror
from publisher.record import Record
from publisher.run import Recorded, Run, start
from publisher.stranger import Chunks, Stranger, address, first
from publisher.targets import LocalTarget

_ORIGIN = "https://stranger.example"


def mirrors(run: Run, live: Record) -> Iterator[Mirror]:
    """Yield where else this release is live. A target that does not answer strangers, or does not have it, is none."""
    for name in run.manifest.release.targets:
        try:
            other = start(run.manifest, name)
            if other.target.url == run.target.url:
                continue
            with tempfile.TemporaryFile() as file:
                found = _there(other, live.release, file)
                if found is not None:
                    differs = difference(Recorded(run.target, live), found[1])
                    yield Mirror(name, other.target.url, found[0].public_url, differs)
        except (PublisherError, ValueError):  # the latter: pyarrow's own, of a damaged inventory
            continue


def _there(other: Run, version: str, file: IO[bytes]) -> tuple[Record, Iterable[Entry]] | None:
    """Return the record and the entries of a release at another target; `file` is where they may be kept."""
    key = record.record_key(version)
    if isinstance(other.target, LocalTarget):
        data = other.target.read(key)
        live = record.parse(data, key) if data else None
        return None if live is None else (live, Recorded(other.target, live))
    base = other.target.public_url
    with Stranger(_ORIGIN) as client:
        answer = client.ask("GET", address(base, key), first(MOST_JSON_BYTES))
        live = record.parse(answer.body, key) if answer.ok else None
        if live is None or live.inventory is None:
            return None
        if not client.ask("GET", address(base, live.inventory.key), _into(file)).ok:
            return None
    return live, inventory.read(file)


def _into(file: IO[bytes]) -> Callable[[Chunks], None]:
    def read(chunks: Chunks) -> None:
        file.seek(0)
        file.truncate()
        file.writelines(chunks)

    return read


def difference(ours: Iterable[Entry], theirs: Iterable[Entry]) -> str:
    """Return the first key whose content is not the same in two inventories, or "". Scenes and examples have addresses in them."""
    left, right = map(_contents, (ours, theirs))
    while True:
        one, other = next(left, None), next(right, None)
        if one != other:
            return min(pair[0] for pair in (one, other) if pair is not None)
        if one is None:
            return ""


def _contents(entries: Iterable[Entry]) -> Iterator[tuple[str, str, str | None]]:
    for entry in entries:
        if not entry.artifact.startswith(("scene:", "examples:")):
            yield entry.key, entry.content_sha256, entry.headers.content_encoding
