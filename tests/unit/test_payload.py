"""Payload: its rows agree with an independent reading, whatever the form and size; a source that moves is noticed."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from publisher import payload
from publisher.errors import LocalTrouble
from publisher.objects import Form, Headers, ObjectSpec
from publisher.payload import Payload, content_digest, measure

WORDS = b"".join(f"{n} {n * n}\n".encode() for n in range(40_000))
NOISE = bytes(zlib.crc32(bytes([n % 256, n // 256])) & 255 for n in range(65_536)) * 3
MEMBERS = gzip.compress(WORDS[:9000]) + gzip.compress(b"") + gzip.compress(WORDS[9000:])
ZEROS = gzip.compress(bytes(20 << 20))  # a thousand times as large unpacked
CASES = {
    "plain": (WORDS, Form.AS_IS, None),
    "empty": (b"", Form.AS_IS, None),
    "one byte": (b"x", Form.AS_IS, None),
    "gzip": (WORDS, Form.GZIP, "gzip"),
    "gzip of noise": (NOISE, Form.GZIP, "gzip"),
    "gzip of nothing": (b"", Form.GZIP, "gzip"),
    "gzip already": (gzip.compress(WORDS), Form.AS_IS, "gzip"),
    "gzip of several members": (MEMBERS, Form.AS_IS, "gzip"),
    "gzip bomb": (ZEROS, Form.AS_IS, "gzip"),
    "gzip, but not as an encoding": (gzip.compress(WORDS), Form.AS_IS, None),
}


@pytest.fixture(params=["whole", "streamed"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of reading: small objects in one go, large ones in blocks (here of a size that cuts everything)."""
    if request.param == "streamed":
        monkeypatch.setattr(payload, "SMALL_BYTES", -1)
        monkeypatch.setattr(payload, "BLOCK", 1009)
    return str(request.param)


def spec_of(path: Path, form: Form, encoding: str | None) -> ObjectSpec:
    info = path.stat()
    headers = Headers("application/octet-stream", encoding, "no-cache")  # type: ignore[arg-type]
    return ObjectSpec("v1/a", "a", str(path), info.st_size, info.st_mtime_ns, form, headers)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("blocks")
def test_the_row_is_what_an_independent_reader_finds(case: str, tmp_path: Path) -> None:
    data, form, encoding = CASES[case]
    path = tmp_path / "source"
    path.write_bytes(data)
    spec = spec_of(path, form, encoding)
    sent = Payload(spec)
    stored = b"".join(sent)
    content = gzip.decompress(stored) if encoding else stored
    assert content == (gzip.decompress(data) if form is Form.AS_IS and encoding else data)
    row = sent.entry()
    assert (row.size_bytes, row.stored_sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert (row.content_size_bytes, row.content_sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (row.key, row.artifact, row.headers) == ("v1/a", "a", spec.headers)
    # The same again: what a later run measures must be what this one sent.
    assert measure(spec) == row
    assert b"".join(Payload(spec)) == stored
    assert content_digest(spec) == (row.content_sha256, row.content_size_bytes)


def test_a_changed_byte_changes_every_digest(tmp_path: Path) -> None:
    rows = []
    for data in (WORDS, WORDS[:-2] + b"!\n"):
        path = tmp_path / "source"
        path.write_bytes(data)
        rows.append(measure(spec_of(path, Form.GZIP, "gzip")))
    assert rows[0].content_sha256 != rows[1].content_sha256
    assert rows[0].stored_sha256 != rows[1].stored_sha256


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(1, 1))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [append, rewrite, truncate, remove])
@pytest.mark.usefixtures("blocks")
def test_a_source_that_changed_after_planning_is_named(change: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(WORDS)
    spec = spec_of(path, Form.GZIP, "gzip")
    change(path)
    for read in (measure, content_digest):
        with pytest.raises(LocalTrouble) as caught:
            read(spec)
        assert caught.value.problems[0].where == str(path)


@pytest.mark.parametrize("change", [append, rewrite, truncate])
@pytest.mark.parametrize("form", [Form.AS_IS, Form.GZIP])
@pytest.mark.usefixtures("blocks")
def test_a_source_that_changes_while_it_is_read_is_never_whole(
    change: Callable[[Path], None], form: Form, tmp_path: Path
) -> None:
    path = tmp_path / "source"
    path.write_bytes(WORDS)
    body = iter(Payload(spec_of(path, form, "gzip" if form is Form.GZIP else None)))
    next(body)
    change(path)
    with pytest.raises(LocalTrouble, match="changed while it was read"):
        list(body)


DAMAGED = {
    "cut short": MEMBERS[:-4],
    "cut in its second member": MEMBERS[:-600],
    "followed by something else": gzip.compress(WORDS) + b"something else",
    "wrong checksum": gzip.compress(WORDS)[:-8] + bytes(8),
}


@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.usefixtures("blocks")
def test_gzip_that_readers_could_not_unpack_is_refused_in_words(case: str, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(DAMAGED[case])
    for read in (measure, content_digest):
        with pytest.raises(LocalTrouble, match="is gzip only at its beginning"):
            read(spec_of(path, Form.AS_IS, "gzip"))
    measure(spec_of(path, Form.AS_IS, None))  # nothing is wrong with it as bytes


def test_a_disk_that_fails_while_reading_is_named_by_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "source"
    path.write_bytes(WORDS)
    spec = spec_of(path, Form.AS_IS, None)

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(LocalTrouble, match="source: cannot be read: Input/output error"):
        measure(spec)


def test_packing_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "source"
    path.write_bytes(WORDS)
    code = (
        "import sys; from publisher.payload import deflate, LEVEL; from pathlib import Path;"
        "sys.stdout.buffer.write(bytes(deflate.gzip_compress(Path(sys.argv[1]).read_bytes(), LEVEL)))"
    )
    other = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True).stdout
    assert other == b"".join(Payload(spec_of(path, Form.GZIP, "gzip")))
    assert other[4:8] == bytes(4)  # no time in it
