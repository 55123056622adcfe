"""Audit what is live, as a stranger: from an address alone, over anonymous HTTP, from another origin.

The record says what the release is, its inventory what it consists of; all that they promise is asked for. What is
wrong is a finding, a value; only what prevents the audit is an error.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from publisher import inventory, record, work
from publisher.audit.findings import Findings
from publisher.audit.look import Seen, look
from publisher.audit.place import MOST_JSON_BYTES, Place, find
from publisher.audit.probes import foreign, probe, probe_foreign, probe_missing, welcome
from publisher.audit.sample import Depth, Part, choose, sum_up, survey
from publisher.objects import Entry, Finding, Report, Tally
from publisher.parallel import Steady, ordered_map
from publisher.progress import SILENCE, Progress
from publisher.record import RELEASES_KEY, InventoryRef, Record, record_key
from publisher.stranger import Broken, Chunks, Sign, Stranger, address, first

__all__ = ["Depth", "Place", "find", "verify"]

CONNECTIONS = 16
AGAIN = "run `publisher release` again"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Visit:
    """What all checks of one audit share."""

    client: Stranger
    place: Place
    depth: Depth
    inventory: Path  # where the inventory is kept while the audit lasts
    progress: Progress
    anonymous: bool

    @property
    def record(self) -> Record:
        return self.place.record

    @property
    def public(self) -> bool:
        return self.anonymous and self.record.access.mode == "public"

    @property
    def browsers(self) -> bool:
        return self.public and bool(self.record.access.origins)

    def url(self, key: str) -> str:
        return address(self.place.base_url, key)


def verify(
    url: str,
    *,
    depth: Depth = "sample",
    origin: str = "https://stranger.example",
    progress: Progress = SILENCE,
    expect: Record | None = None,
    version: str | None = None,
    sign: Sign | None = None,
) -> Report:
    """Audit the release at an address; `expect` is the record that should be there, `version` which release is meant.

    Every object is asked for its headers. The content is read of none (`quick`), of some of each artifact (`sample`) or
    of all (`full`). `sign` gives requests credentials: then nothing is said of what strangers see.
    """
    with Stranger(origin, CONNECTIONS, sign) as client, TemporaryDirectory(prefix="publisher-") as folder:
        place = find(url, client, version)
        visitor = client.coming_from(welcome(place.record.access.origins, origin))
        visit = _Visit(visitor, place, depth, Path(folder) / "inventory.parquet", progress, anonymous=sign is None)
        return _interruptibly(lambda: _audit(visit, expect), client.stop)


def _interruptibly(work_of: Callable[[], T], stop: Callable[[], None]) -> T:
    """Work in another thread: this one, which meets interrupts, is then free to stop what the others wait for."""
    with ThreadPoolExecutor(1) as other:
        future = other.submit(work_of)
        try:
            return future.result()
        except BaseException:
            stop()
            raise


def _audit(visit: _Visit, expect: Record | None) -> Report:
    findings = Findings()
    findings.add(_record(visit, expect))
    findings.add(_steadily(RELEASES_KEY, _listing(visit)))
    ref, trouble = visit.record.inventory, list(_steadily(record_key(visit.place.version), _inventory(visit)))
    findings.add(trouble)
    total, read, probes = Tally(), Tally(), []
    if ref and not trouble:
        parts = survey(inventory.read(visit.inventory), bytes.fromhex(ref.sha256))
        total = sum_up(parts.values())
        findings.add(_totals(visit.record, ref, total))
        findings.add(_scenes(visit))
        read = _objects(visit, parts, total, findings)
        probes = list(_probes(visit, parts.values(), findings))
    return Report(
        base_url=visit.place.base_url,
        release=visit.place.version,
        depth=visit.depth,
        checked_at=datetime.now(UTC).isoformat(timespec="seconds"),
        objects=total.objects,
        size_bytes=total.size_bytes,
        digests=read.objects,
        digest_bytes=read.size_bytes,
        probes=tuple(probes),
        findings=findings.all(),
    )


def _steadily(key: str, found: Iterable[Finding]) -> Iterator[Finding]:
    """Make a finding of an answer that breaks off."""
    try:
        yield from found
    except Broken as error:
        yield Finding("unreadable", "error", key, str(error))


def _record(visit: _Visit, expect: Record | None) -> Iterator[Finding]:
    live, key = visit.record, record_key(visit.place.version)
    if live.release != visit.place.version:
        message = f"the record says that it is of release {live.release}; {AGAIN}"
        yield Finding("record", "error", key, message)
    if live.access.mode != "public":
        message = f"anonymous access was not checked: the record says that access is {live.access.mode}"
        yield Finding("anonymous", "note", key, message)
    # Written and read back, as the live one was: tuples become lists on the way.
    expected = record.parse(record.dump(expect), key) if expect else live
    if not live.same_as(expected):
        ours = {each.name for each in fields(Record)} - {"created", "publisher"}
        differ = sorted(name for name in ours if getattr(live, name) != getattr(expected, name))
        message = f"the live record is not the one that was published: it differs in {', '.join(differ)}; {AGAIN}"
        yield Finding("record", "error", key, message)


def _listing(visit: _Visit) -> Iterator[Finding]:
    answer = visit.client.ask("GET", visit.url(RELEASES_KEY), first(MOST_JSON_BYTES))
    if not answer.ok:
        message = f"it is answered with status {answer.status}, so nobody finds the release; {AGAIN}"
        yield Finding("listing", "error", RELEASES_KEY, message)
        return
    if "no-cache" not in answer.headers.get("Cache-Control", ""):
        message = "its Cache-Control is not no-cache: readers may not see a new release for hours"
        yield Finding("listing", "warning", RELEASES_KEY, message)
    trouble = _listed(answer.body, visit)
    if trouble:
        yield Finding("listing", "error", RELEASES_KEY, f"{trouble}; {AGAIN}")


def _listed(data: bytes, visit: _Visit) -> str:
    """Return what is wrong with the line of this release in `releases.json`, or ""."""
    try:
        refs, latest = record.parse_releases(data), json.loads(data)["latest"]
    except (ValueError, TypeError, KeyError):
        return "it is not a list of releases"
    ref = refs.get(visit.place.version)
    if not ref:
        return f"it does not list {visit.place.version}"
    if latest not in refs:
        return f"its latest release, {latest}, is not in its list"
    if ref.record != record_key(visit.place.version):
        return f"it says that the record of {ref.version} is {ref.record}"
    if (ref.status, ref.date) != (visit.record.status, visit.record.date):
        return f"it says that {ref.version} is {ref.status} and of {ref.date}, and the record says otherwise"
    return ""


def _inventory(visit: _Visit) -> Iterator[Finding]:
    """Fetch the inventory; what is wrong with it, if anything, makes it useless to hold objects against it."""
    ref = visit.record.inventory
    if not ref:
        yield Finding("inventory", "error", record_key(visit.place.version), f"the record names no inventory; {AGAIN}")
        return
    answer = visit.client.ask("GET", visit.url(ref.key), _save(visit.inventory))
    hence = f"no object could be checked against it; {AGAIN}"
    if not answer.ok:
        yield Finding("inventory", "error", ref.key, f"it is answered with status {answer.status}: {hence}")
    elif answer.body != (ref.sha256, ref.size_bytes):
        digest, size = answer.body
        message = f"it is {size} bytes with sha256 {digest}, the record says {ref.size_bytes} and {ref.sha256}: {hence}"
        yield Finding("inventory", "error", ref.key, message)


def _save(path: Path) -> Callable[[Chunks], tuple[str, int]]:
    """Return a reader that keeps a body in a file, and measures it on the way."""

    def read(chunks: Chunks) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        try:
            with path.open("wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += file.write(chunk)
        except OSError as error:
            raise work.trouble(error, path) from error
        return digest.hexdigest(), size

    return read


def _totals(live: Record, ref: InventoryRef, total: Tally) -> Iterator[Finding]:
    said = Tally(live.objects, live.size_bytes, live.content_size_bytes)
    if said != total or ref.rows != total.objects:
        message = f"the record counts {_counted(said)} in {ref.rows} rows, its inventory has {_counted(total)}; {AGAIN}"
        yield Finding("record", "error", record_key(live.release), message)


def _counted(tally: Tally) -> str:
    return f"{tally.objects} objects of {tally.size_bytes} bytes ({tally.content_size_bytes} of content)"


def _scenes(visit: _Visit) -> Iterator[Finding]:
    index = inventory.Index(visit.inventory)
    for scene in visit.record.scenes:
        if not index.get(scene.key):
            yield Finding("scene", "error", scene.key, f"the inventory does not have the scene {scene.name}; {AGAIN}")
        # What is not there, or breaks off, is found with the objects.
        with suppress(Broken):
            answer = visit.client.ask("GET", visit.url(scene.key), first(MOST_JSON_BYTES))
            if answer.ok and not _is_json(answer.body):
                message = f"the scene {scene.name} is not JSON, and no viewer opens it; {AGAIN}"
                yield Finding("scene", "error", scene.key, message)


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _objects(visit: _Visit, parts: dict[str, Part], total: Tally, findings: Findings) -> Tally:
    """Look at every object; return how many were read to their end, and how many bytes that was."""
    wanted, unread = choose(visit.depth, parts)
    findings.add(unread)

    def see(entry: Entry) -> Seen:
        return look(visit.client, visit.place.base_url, entry, content=wanted(entry.key), browsers=visit.browsers)

    read = Tally()
    meter = visit.progress.step("verify", total.objects, total.size_bytes)
    with closing(ordered_map(see, inventory.read(visit.inventory), pace=Steady(CONNECTIONS))) as all_seen:
        for seen in all_seen:
            findings.add(_fitting(visit, found) for found in seen.findings)
            if seen.read_bytes is not None:
                read.add(seen.read_bytes)
            meter.advance(1, seen.entry.size_bytes)
    return read


def _fitting(visit: _Visit, found: Finding) -> Finding:
    """Strangers may be refused where the record promises them nothing."""
    return found if visit.public or found.check != "access" else replace(found, severity="note")


def _probes(visit: _Visit, parts: Iterable[Part], findings: Findings) -> Iterator[str]:
    """Try live what readers do, on an object or two of each artifact; yield what was tried."""
    examples = [entry for part in parts for entry in part.examples.values()]
    base_url = visit.place.base_url
    tried = [each for entry in examples for each in probe(visit.client, base_url, entry, browsers=visit.browsers)]
    if visit.public:
        tried.append(probe_missing(visit.client, base_url, visit.place.version))
    stranger = foreign(visit.record.access.origins)
    if visit.browsers and stranger and examples:
        tried.append(probe_foreign(visit.client.coming_from(stranger), base_url, examples[0].key))
    for name, found in tried:
        findings.add(each for each in found if not findings.explains(each))
        yield name
