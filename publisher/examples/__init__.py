"""Check the examples of a release: run them where they can be run, against what is live, each in a clean place of its own.

What needs an account is run with its real client library against a stand-in of the service. What can be neither is parsed
by its own language. How each was checked is told, and one that was checked in no way is an error like one that failed.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from publisher.examples import languages
from publisher.examples.interpreters import Interpreters
from publisher.examples.languages import Task
from publisher.facts import FileFacts, VolumeFacts
from publisher.objects import Checked, Finding
from publisher.page import places, shelf
from publisher.page.examples import Example
from publisher.progress import SILENCE, Progress
from publisher.record import Record

AT_ONCE = 4
LARGEST = 1_000_000_000  # bytes of an artifact that an example may read whole

__all__ = ["Interpreters", "check", "findings", "lacking"]


@dataclass(frozen=True, slots=True)
class Live:
    """A live release: what it says of itself, the address where it is read, and whether strangers may read it."""

    record: Record
    base_url: str
    anonymous: bool = True
    given: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def lacking() -> str:
    """Say what is missing here to check examples; "" where nothing is."""
    return languages.lacking()


def check(
    examples: Sequence[Example], live: Live, interpreters: Interpreters | None = None, progress: Progress = SILENCE
) -> tuple[Checked, ...]:
    """Check each example, some at a time; return what became of each, in their order."""
    meter = progress.step("examples", len(examples))
    pythons = interpreters or Interpreters()

    def one(example: Example) -> Checked:
        with tempfile.TemporaryDirectory(prefix="publisher-") as folder:
            seen = languages.check(_task(example, live, Path(folder), pythons))
        meter.advance(1, 0)
        return seen

    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        return tuple(pool.map(one, examples))


def findings(checked: Sequence[Checked], version: str) -> tuple[Finding, ...]:
    """Return a finding for each example that failed, or was checked in no way."""
    return tuple(
        Finding("example", "error", f"{shelf.folder(version)}/{each.name}", f"{_FAILED[each.how]}: {each.why}")
        for each in checked
        if not each.ok
    )


_FAILED = {
    "run": "it fails when it is run",
    "doubled": "it fails against a stand-in of its service",
    "parsed": "it is not what its language can read",
    "unchecked": "it was checked in no way",
}


def _task(example: Example, live: Live, folder: Path, pythons: Interpreters) -> Task:
    """Lay out what it takes to check one example; its text is as published, but for where the release is read."""
    public = live.record.public_url.rstrip("/")
    text = example.text.replace(public, live.base_url.rstrip("/")) if public else example.text
    given = live.record.programmatic.get(example.service) if example.service else None
    return Task(
        example=example,
        text=text,
        folder=folder,
        pythons=pythons,
        service=_service(example.service, given),
        anonymous=live.anonymous,
        given=live.given,
        beyond=_beyond(example, live),
        files=_files(example, live),
    )


def _service(name: str, given: Any) -> Mapping[str, Any]:  # noqa: ANN401 - as the manifest has it
    """Return what the manifest says of a service, in the form that stand-ins take."""
    return given if isinstance(given, Mapping) else {"name": given} if name else {}


def _beyond(example: Example, live: Live) -> str:
    """Say why an example is not to be run although it could be: it would fetch too much, or nobody answers there."""
    item = next((each for each in live.record.artifacts if each.name == example.artifact), None)
    if item is None:
        return ""
    if item.external:
        return _unreachable(places.external(item.external).url)
    if example.whole and item.size_bytes > LARGEST:
        return f"it reads all of {item.size_bytes:,} bytes, and checks read {LARGEST:,} at most"
    return ""


def _unreachable(url: str) -> str:
    """Say that the host of an address does not answer from here, where it does not."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError as error:
        return f"{host}, which hosts the data, does not answer from here ({error.strerror or error})"
    return ""


def _files(example: Example, live: Live) -> int:
    """Return how many files an example that copies a whole artifact must leave behind; 0 where nobody can tell."""
    item = next((each for each in live.record.artifacts if each.name == example.artifact), None)
    copies = example.whole and "-copy-" in example.name
    if item is None or not copies or item.external:
        return 0
    facts = item.facts  # of which one object may lie beside its key
    beside = (isinstance(facts, VolumeFacts) and facts.segment_properties is not None) or (
        isinstance(facts, FileFacts) and bool(facts.import_arguments)
    )
    return item.objects - beside
