"""One look at one object: is it there, does it carry what the inventory says, is its content what was published."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from publisher.objects import Entry, Finding
from publisher.stranger import MISSING, REFUSED, Answer, Broken, Chunks, Stranger, address, nothing

PIECE_BYTES = 256 * 1024
SEND_ANEW = "delete it at the target and run `publisher release` again"

Digests = list[tuple[str, int]]  # (sha256, size) of stored bytes, then of what is inside each layer of gzip


class Seen(NamedTuple):
    """What one look found; `read_bytes` is how much was read to take its digests, or None where that was not done."""

    entry: Entry
    findings: tuple[Finding, ...]
    read_bytes: int | None


def look(client: Stranger, base_url: str, entry: Entry, *, content: bool, browsers: bool) -> Seen:
    """Ask for an object's headers and, when `content`, for its bytes too; `browsers` must then be admitted as well."""
    url = address(base_url, entry.key)
    wrong: dict[str, str] = {}
    read_bytes = None
    try:
        head = client.ask("HEAD", url, nothing)
        wrong = _wrong(entry, head, client.origin if browsers else None)
        if content and head.ok:
            got = client.ask("GET", url, digests(_layers(entry)))
            read_bytes = got.body[0][1] if got.ok else None
            # One cause, one finding: what HEAD said already is not said again.
            wrong = _wrong(entry, got, client.origin if browsers else None) | wrong
            if got.ok and not _as_published(entry, got.body):
                deeper = client.ask("GET", url, digests(_layers(entry) + 1))
                wrong = _explained(wrong, _diagnosis(entry, deeper.body))
    except Broken as error:
        wrong["unreadable"] = f"{error.problems[0].message}; {error.problems[0].hint}"
    findings = (Finding(check, "error", entry.key, message, entry.artifact) for check, message in wrong.items())
    return Seen(entry, tuple(findings), read_bytes)


def _wrong(entry: Entry, answer: Answer[Any], origin: str | None) -> dict[str, str]:
    """Return what an answer's status and headers have wrong: for each check, a sentence."""
    if not answer.ok:
        return _absent(answer.status)
    wrong = {}
    if answer.encoding != entry.headers.content_encoding:
        wrong["content-encoding"] = f"{_about_encoding(entry, answer)}; {SEND_ANEW}"
    elif answer.length is None:
        wrong["size"] = "it has no Content-Length, which readers need; find out what stands between the store and here"
    elif answer.length != entry.size_bytes:
        wrong["size"] = f"it is {answer.length} bytes, the inventory says {entry.size_bytes}; {SEND_ANEW}"
    for header, expected in (
        ("Content-Type", entry.headers.content_type),
        ("Cache-Control", entry.headers.cache_control),
    ):
        if answer.headers.get(header) != expected:
            said = f"{header} is {_quoted(answer.headers.get(header))} and should be {_quoted(expected)}"
            wrong[header.lower()] = f"{said}; {SEND_ANEW}"
    if origin and not answer.admits(origin):
        wrong["cors"] = f"no Access-Control-Allow-Origin for {origin}"
    return wrong


def _absent(status: int) -> dict[str, str]:
    if status in MISSING:
        return {
            "missing": f"it is not there (status {status}); run `publisher release` again, which sends what is missing"
        }
    if status in REFUSED:
        return {"access": f"strangers are refused (status {status})"}
    return {"unreadable": f"it is answered with status {status}; try again later, or ask who runs the server"}


def _about_encoding(entry: Entry, answer: Answer[Any]) -> str:
    expected = entry.headers.content_encoding
    said = f"Content-Encoding is {_quoted(answer.encoding)} and should be {_quoted(expected)}"
    if answer.length in {None, entry.size_bytes}:
        return said
    if answer.length == entry.content_size_bytes:
        return f"{said}, and its {answer.length} bytes are as many as its content has without gzip"
    return f"{said}, and it is {answer.length} bytes where the inventory says {entry.size_bytes}"


def _quoted(value: str | None) -> str:
    return "absent" if value is None else f'"{value}"'


def _layers(entry: Entry) -> int:
    return 1 if entry.headers.content_encoding else 0


def _as_published(entry: Entry, found: Digests) -> bool:
    stored, content = found[0], found[_layers(entry) :]
    return stored == (entry.stored_sha256, entry.size_bytes) and content == [
        (entry.content_sha256, entry.content_size_bytes)
    ]


def _diagnosis(entry: Entry, found: Digests) -> str:
    """Say what became of the content, by where in the layers of gzip it is, if anywhere."""
    content = (entry.content_sha256, entry.content_size_bytes)
    if content not in found:
        return "its content is not what was published"
    layers = found.index(content) - _layers(entry)
    if layers > 0:
        return "the content is gzip once more than it should be"
    if layers < 0:
        return "the content is stored without the gzip that it should have"
    return "the content is right, but it was compressed anew: the stored bytes are not those that were published"


def _explained(wrong: dict[str, str], diagnosis: str) -> dict[str, str]:
    """Add a diagnosis to the finding that has the same cause, or as a finding of its own."""
    cause = next((check for check in ("content-encoding", "size") if check in wrong), None)
    if cause:
        return wrong | {cause: f"{diagnosis}: {wrong[cause]}"}
    return wrong | {"digest": f"{diagnosis}; {SEND_ANEW}"}


def digests(depth: int) -> Callable[[Chunks], Digests]:
    """Return a reader that measures a body: its digest and size, and those of `depth` layers of gzip inside it."""

    def read(chunks: Chunks) -> Digests:
        layer = _Layer(depth)
        for chunk in chunks:
            layer.update(chunk)
        return layer.digests()

    return read


class _Layer:
    """The digest of a stream of bytes and, as deep as asked, of what is inside once gzip is undone. Memory: a piece."""

    def __init__(self, depth: int = 0) -> None:
        """Look into `depth` layers of gzip."""
        self._sha256 = hashlib.sha256()
        self._inner = _Layer(depth - 1) if depth else None
        self._gzip = zlib.decompressobj(wbits=31)
        self.size_bytes = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._sha256.update(data)
        self.size_bytes += len(data)
        try:
            self._undo(data)
        except zlib.error:
            self._inner = None  # not gzip, or damaged: there is nothing inside

    def _undo(self, data: bytes) -> None:
        """Pass on what is inside, piece by piece: a few bytes of gzip can hold gigabytes."""
        while self._inner:
            if self._gzip.eof and data:
                self._gzip = zlib.decompressobj(wbits=31)  # a gzip file may consist of several, one after another
            piece = self._gzip.decompress(data, PIECE_BYTES)
            self._inner.update(piece)
            data = self._gzip.unused_data if self._gzip.eof else self._gzip.unconsumed_tail
            if not data:
                return

    def digests(self) -> Digests:
        """Return (sha256, size) of the bytes, of what is inside them, and so on."""
        inside = self._inner.digests() if self._inner and self._gzip.eof else []
        return [(self._sha256.hexdigest(), self.size_bytes), *inside]
