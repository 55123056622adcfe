"""The stored bytes of an object: its source read once, compressed where its form says so, measured as it passes."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import deflate

from publisher.errors import LocalTrouble, Problem
from publisher.objects import Digest, Entry, Form, ObjectSpec

# One read, one compression, one write: nearly every object of a release is smaller. Larger ones are streamed.
SMALL_BYTES = 16 << 20
BLOCK = 1 << 20
# libdeflate 6 makes chunks smaller than zlib 9 does, at several times zlib 6's speed; a release is written once and
# read for years, but level 12 costs fifteen times as much for another 7 %.
LEVEL = 6
# hashlib gives the interpreter's lock away for more than 2047 bytes. Getting it back among many threads takes longer
# than hashing a small object does.
BRIEF_BYTES, _HELD_BYTES = 1 << 16, 2047


class Payload:
    """Iterate over it once for the stored bytes, in blocks; then ask `entry()` what they were."""

    def __init__(self, spec: ObjectSpec) -> None:
        """Take the object; nothing is read yet."""
        self._spec = spec
        self._stored, self._content = _Meter(), _Meter()
        self._next_bytes = BLOCK

    def wants(self, size_bytes: int) -> None:
        """Take how long the next block had best be; where bytes are not stored as they lie, it is as long as it comes."""
        self._next_bytes = size_bytes

    def __iter__(self) -> Iterator[bytes]:
        """Yield the stored bytes; raise LocalTrouble where the source is not (or no longer) what was planned."""
        spec = self._spec
        if spec.size_bytes <= SMALL_BYTES:
            stored = self._whole(_read(spec))
            self._stored.add(stored)
            yield stored
            _still_there(spec)
            return
        with _open(spec) as file, _understood(spec):
            for block in self._blocks(file):
                self._stored.add(block)
                yield block
            _unchanged(spec, file.fileno())

    def entry(self) -> Entry:
        """Return the inventory's row of what was read."""
        spec = self._spec
        # Where the bytes are stored as they are and carry no encoding, content and stored bytes are one.
        content = self._content if spec.headers.content_encoding else self._stored
        sizes = self._stored.size_bytes, self._stored.hexdigest(), content.size_bytes, content.hexdigest()
        return Entry(spec.key, spec.artifact, *sizes, spec.headers)

    def labels(self) -> dict[str, str]:
        """Return the digests that are kept with the object: of its content, and of its stored bytes where they differ."""
        entry = self.entry()
        told = {"sha256": entry.content_sha256}
        return told | {"stored-sha256": entry.stored_sha256} if entry.headers.content_encoding else told

    def _whole(self, data: bytes) -> bytes:
        if self._spec.form is Form.GZIP:
            self._content.add(data)
            return bytes(deflate.gzip_compress(data, LEVEL))
        if self._spec.headers.content_encoding:
            with _understood(self._spec):
                unpacker = _Unpacker(self._content)
                unpacker.add(data)
                unpacker.finish()
        return data

    def _blocks(self, file: IO[bytes]) -> Iterator[bytes]:
        if self._spec.form is Form.GZIP:
            packer = zlib.compressobj(LEVEL, wbits=31)
            while data := file.read(BLOCK):
                self._content.add(data)
                if packed := packer.compress(data):
                    yield packed
            yield packer.flush()
            return
        if not self._spec.headers.content_encoding:
            while data := file.read(self._next_bytes):
                yield data
            return
        unpacker = _Unpacker(self._content)
        while data := file.read(BLOCK):
            unpacker.add(data)
            yield data
        unpacker.finish()


def entry_of(spec: ObjectSpec) -> Entry | None:
    """Return the inventory's row of an object whose source was read before, or None."""
    if spec.known is None:
        return None
    return Entry(spec.key, spec.artifact, *spec.known[2:6], spec.headers)


def measure(spec: ObjectSpec) -> Entry:
    """Return the inventory's row that publishing this object would write; sends nothing."""
    if (known := entry_of(spec)) is not None:
        return known
    payload = Payload(spec)
    for _ in payload:
        pass
    return payload.entry()


def content_digest(spec: ObjectSpec) -> Digest:
    """Return what the content of an object is, without compressing it."""
    if spec.known is not None:
        return Digest(spec.known.content_sha256, spec.known.content_size_bytes)
    meter = _Meter()
    with _open(spec) as file, _understood(spec):
        encoded = spec.form is Form.AS_IS and spec.headers.content_encoding
        sink = _Unpacker(meter) if encoded else meter
        while data := file.read(BLOCK):
            sink.add(data)
        sink.finish()
        _unchanged(spec, file.fileno())
    return Digest(meter.hexdigest(), meter.size_bytes)


class _Meter:
    """Size and SHA-256 of what passes."""

    def __init__(self) -> None:
        self._sha256, self.size_bytes = hashlib.sha256(), 0

    def add(self, data: bytes) -> None:
        self.size_bytes += len(data)
        if len(data) > BRIEF_BYTES:
            self._sha256.update(data)
            return
        view = memoryview(data)
        for start in range(0, len(data), _HELD_BYTES):
            self._sha256.update(view[start : start + _HELD_BYTES])

    def finish(self) -> None:
        """Any bytes are whole."""

    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


class _Unpacker:
    """Inflates what passes into a meter, a bounded block at a time; several gzip members in a row are one content."""

    def __init__(self, meter: _Meter) -> None:
        self._meter, self._inflate = meter, zlib.decompressobj(wbits=31)

    def add(self, data: bytes) -> None:
        while data:
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(wbits=31)
            self._meter.add(self._inflate.decompress(data, BLOCK))
            data = self._inflate.unconsumed_tail or self._inflate.unused_data

    def finish(self) -> None:
        """Raise zlib.error where the last member is not whole."""
        if not self._inflate.eof:
            raise zlib.error("it ends too early")


def _open(spec: ObjectSpec) -> IO[bytes]:
    try:
        file = open(spec.path, "rb", buffering=0)  # noqa: PTH123, SIM115 - a million of these; the caller closes it
    except OSError as error:
        raise _unreadable(spec, error) from None
    _unchanged(spec, file.fileno())
    return file


@contextmanager
def _understood(spec: ObjectSpec) -> Iterator[None]:
    """Say in words what went wrong with a source while it was read."""
    try:
        yield
    except OSError as error:
        raise _failing(spec, error) from None
    except zlib.error as error:
        raise LocalTrouble(Problem(spec.path, f"is gzip only at its beginning: {error}", "write it again")) from None


def _read(spec: ObjectSpec) -> bytes:
    """Read a small file at once; a million of these, so without a file object."""
    try:
        descriptor = os.open(spec.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(spec, error) from None
    try:
        data = os.read(descriptor, spec.size_bytes + 1)
        while 0 < len(data) < spec.size_bytes and (more := os.read(descriptor, spec.size_bytes + 1 - len(data))):
            data += more  # network file systems give less than they are asked for
    except OSError as error:
        raise _failing(spec, error) from None
    finally:
        os.close(descriptor)
    if len(data) != spec.size_bytes:
        raise _changed(spec)
    return data


def _still_there(spec: ObjectSpec) -> None:
    """Raise where the file was written since it was planned: also if that was after it had been read."""
    try:
        info = os.stat(spec.path)  # noqa: PTH116 - a million of these
    except OSError as error:
        raise _failing(spec, error) from None
    if (info.st_size, info.st_mtime_ns) != (spec.size_bytes, spec.mtime_ns):
        raise _changed(spec)


def _failing(spec: ObjectSpec, error: OSError) -> LocalTrouble:
    return LocalTrouble(Problem(spec.path, f"cannot be read: {error.strerror}", "is the disk well?"))


def _unreadable(spec: ObjectSpec, error: OSError) -> LocalTrouble:
    return LocalTrouble(Problem(spec.path, f"cannot be read: {error.strerror}", "it was there a moment ago"))


def _changed(spec: ObjectSpec) -> LocalTrouble:
    message = "changed while it was read; nothing was committed"
    return LocalTrouble(Problem(spec.path, message, "wait until its writer is done, and run again"))


def _unchanged(spec: ObjectSpec, descriptor: int) -> None:
    info = os.fstat(descriptor)
    if (info.st_size, info.st_mtime_ns) != (spec.size_bytes, spec.mtime_ns):
        raise _changed(spec)
