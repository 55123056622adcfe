"""Parts of large objects: of one size, whatever blocks they come in, and not copied where a source reads what is wanted."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from publisher import payload
from publisher.objects import Form, Headers, ObjectSpec
from publisher.payload import Payload
from publisher.targets.parts import Crc32c, joined, regrouped


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200, 1000, 1001])
@pytest.mark.parametrize("longest", [1, 7, 100, 350])
def test_parts_are_of_one_size(size: int, longest: int) -> None:
    random, data = Random(size), os.urandom(size)

    def blocks() -> Iterator[bytes]:
        start = 0
        while start < size:
            end = start + random.randint(1, longest)
            yield data[start:end]
            start = end

    parts = list(regrouped(blocks(), 100))
    assert b"".join(part for part, _ in parts) == data
    assert [len(part) for part, _ in parts[:-1]] == [100] * (len(parts) - 1)
    assert [last for _, last in parts] == [False] * (len(parts) - 1) + [True]
    assert 0 < len(parts[-1][0]) <= 100 or not size


@pytest.mark.parametrize("first", [0, 1, 99, 100, 101, 250])
def test_what_is_read_as_it_is_wanted_is_not_copied(first: int) -> None:
    wanted = [first]
    read: list[bytes] = []

    def blocks() -> Iterator[bytes]:
        for _ in range(6):
            read.append(os.urandom(wanted[-1]))
            yield read[-1]

    parts = [part for part, _ in regrouped(blocks(), 100, wanted.append)]
    assert b"".join(parts) == b"".join(read)
    assert {len(part) for part in parts} == {100}
    assert all(part is block for part, block in zip(parts[-4:], read[-4:], strict=True))


@pytest.mark.parametrize(("encoded", "sizes"), [(False, [10, 1000, 2000, 990]), (True, [10] * 400)])
def test_a_source_is_read_as_it_is_wanted(
    sizes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, encoded: bool
) -> None:
    """What is unpacked on the way is unpacked a little at a time."""
    monkeypatch.setattr(payload, "SMALL_BYTES", -1)
    monkeypatch.setattr(payload, "BLOCK", 10)
    data = gzip.compress(os.urandom(4000 - 23), 0) if encoded else os.urandom(4000)
    path = tmp_path / "source"
    path.write_bytes(data)
    headers = Headers("application/octet-stream", "gzip" if encoded else None, "no-cache")
    body = Payload(ObjectSpec("v1/a", "a", str(path), 4000, path.stat().st_mtime_ns, Form.AS_IS, headers))
    found = []
    for block, wanted in zip(body, (1000, *[2000] * 400), strict=False):
        body.wants(wanted)
        found.append(len(block))
    assert found == sizes


@pytest.mark.parametrize("size", [0, 1, 4095, (1 << 20) + 7])
def test_checksums_of_parts_make_that_of_the_whole(size: int) -> None:
    first, second = b"some bytes", Random(size).randbytes(size)
    assert joined(Crc32c(first).text, Crc32c(second).text, size) == Crc32c(first + second).text
    assert joined(Crc32c().text, Crc32c(second).text, size) == Crc32c(second).text
