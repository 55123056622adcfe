"""What the wire to Google Cloud Storage promises, on two emulators that each mind what the other one does not.

Neither has accounts, and neither does all that the real service does. Where it matters, a test says that it shows what
was *asked* of the service, or how an answer of the service is taken that no emulator gives.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import google_crc32c
import pytest
import urllib3

from publisher.objects import Headers
from publisher.targets import gcs
from publisher.targets.gcs import GcsWire, service
from publisher.targets.gcs.resumable import Resumable
from publisher.targets.wire import ABSENT, Trouble, Why
from tests.servers.faults import (
    Answer,
    Fault,
    FaultProxy,
    Forward,
    Request,
    at,
    delay,
    first,
    flip_down,
    header,
    nothing,
    only,
    reset,
    truncate,
)
from tests.servers.faults import status as answered
from tests.servers.fixtures import BUCKET
from tests.servers.gcs import FakeGcs, GcsServer
from tests.servers.process import HOST, free_port
from tests.servers.tls import TlsTerminator

TEXT = Headers("text/csv; charset=utf-8", None, "no-cache")
CHUNK = Headers("application/octet-stream", "gzip", "public, max-age=31536000, immutable, no-transform")
BYTES = bytes(range(256)) * 64
PART = 256 << 10  # the smallest that the service takes

fake_only = pytest.mark.parametrize("emulator", ["fake_gcs"], indirect=True)
gcp_only = pytest.mark.parametrize("emulator", ["gcp_emulator"], indirect=True)


@pytest.fixture(params=["fake_gcs", "gcp_emulator"])
def emulator(request: pytest.FixtureRequest) -> GcsServer:
    server: GcsServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def proxy(emulator: GcsServer) -> Iterator[FaultProxy]:
    with FaultProxy(emulator.endpoint) as proxy:
        yield proxy


@pytest.fixture
def wire(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> GcsWire:
    monkeypatch.setenv(service.EMULATOR, proxy.endpoint)
    return GcsWire(BUCKET)


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def read(wire: GcsWire, key: str) -> bytes:
    found = wire.get(key)
    assert found
    return found[0]


def why(attempt: Callable[[], object]) -> Why:
    with pytest.raises(Trouble) as caught:
        attempt()
    return caught.value.why


def error(code: int, message: str, reason: str = "") -> Fault:
    """Answer an error as the JSON interface puts it."""
    body = {"error": {"code": code, "message": message, "errors": [{"reason": reason, "message": message}]}}
    return answered(code, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(body))


def flip(data: bytes, bit: int) -> Fault:
    """Turn over a bit of an object on its way up, and leave alone what the request says of it."""
    return Fault("flip", lambda request, forward: forward(request.flipped(8 * request.body.index(data) + bit)))


# Small objects


@pytest.mark.parametrize("headers", [TEXT, CHUNK])
def test_what_was_put_is_there_to_the_byte(wire: GcsWire, prefix: str, headers: Headers) -> None:
    data = gzip.compress(BYTES, mtime=0) if headers.content_encoding else BYTES
    tag = wire.put(f"{prefix}a", data, headers, {"stored-sha256": "ff"}, None)

    assert wire.get(f"{prefix}a") == (data, tag)
    assert wire.head(f"{prefix}a") == (len(data), headers, {"stored-sha256": "ff"}, tag, crc32c(data))
    assert list(wire.list(prefix)) == [(f"{prefix}a", len(data), headers.content_encoding, tag)]
    assert wire.put(f"{prefix}a", data, headers, {}, None) != tag  # the tag is of the write, not of the bytes


@fake_only
def test_gzip_is_undone_for_those_who_do_not_ask_as_the_wire_does(
    wire: GcsWire, emulator: FakeGcs, prefix: str
) -> None:
    wire.put(f"{prefix}a", gzip.compress(BYTES, mtime=0), CHUNK, {}, None)

    path = f"{emulator.endpoint}/storage/v1/b/{BUCKET}/o/{prefix.replace('/', '%2F')}a?alt=media"
    assert urllib3.request("GET", path, headers={"Accept-Encoding": "identity"}).data == BYTES
    assert read(wire, f"{prefix}a") == gzip.compress(BYTES, mtime=0)


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_objects_of_any_size_arrive(wire: GcsWire, prefix: str, size: int) -> None:
    data = random.Random(size).randbytes(size)

    tag = wire.put(f"{prefix}a", data, TEXT, {}, None)

    assert wire.get(f"{prefix}a") == (data, tag)


@pytest.mark.parametrize("data", [b"\r\n", b"\r\n--\r\n", b"--a--", b"\n\r\n\r", b"\x00\xff\r\n\r\n"])
def test_bytes_that_look_like_the_request_around_them_arrive(wire: GcsWire, prefix: str, data: bytes) -> None:
    wire.put(f"{prefix}a", data, TEXT, {}, None)

    assert read(wire, f"{prefix}a") == data


ODD = ["a b", "a+b", "a%20b", "a#?%:&=;é 脳.csv", "0:0", "2_3-4_5", "a/b.c/~d", "'(!*)'@,$"]


def test_any_key_is_its_own_object(wire: GcsWire, proxy: FaultProxy, prefix: str) -> None:
    """Emulators take a slash in the name of an object for what it is; for the service it must be escaped."""
    for key in ODD:
        wire.put(prefix + key, key.encode(), TEXT, {}, None)
    targets: list[str] = []
    proxy.plan = lambda request: targets.append(request.target)

    assert [read(wire, prefix + key).decode() for key in ODD] == ODD
    assert [wire.head(prefix + key).size_bytes for key in ODD] == [len(key.encode()) for key in ODD]
    assert {target.partition("?")[0].count("/") for target in targets} == {6}  # /storage/v1/b/releases/o/key
    assert [stored.key.removeprefix(prefix) for stored in wire.list(prefix)] == sorted(ODD)


@pytest.mark.parametrize("span", [(0, 5), (3, 4), (10, None), (255, 300), (0, 256), (7, 7), (256, 260), (1000, None)])
def test_a_range_is_that_of_the_stored_bytes(wire: GcsWire, prefix: str, span: tuple[int, int | None]) -> None:
    data = gzip.compress(random.Random(0).randbytes(233))
    assert len(data) == 256
    tag = wire.put(f"{prefix}a", data, CHUNK, {}, None)

    assert wire.get(f"{prefix}none", *span) is None
    assert wire.get(f"{prefix}a", *span) == (data[slice(*span)], tag)


def test_a_range_of_nothing_is_empty(wire: GcsWire, prefix: str) -> None:
    tag = wire.put(f"{prefix}a", b"", TEXT, {}, None)

    assert wire.get(f"{prefix}a", 0, 100) == (b"", tag)


@fake_only
def test_where_ranges_are_ignored_the_wire_cuts(wire: GcsWire, proxy: FaultProxy, prefix: str) -> None:
    wire.put(f"{prefix}a", BYTES, TEXT, {}, None)
    proxy.plan = only(lambda _: Fault("no range", lambda request, forward: forward(request.without("Range"))), "GET")

    assert wire.get(f"{prefix}a", 5, 9)[0] == BYTES[5:9]


def test_what_is_not_there_is_none(wire: GcsWire, prefix: str) -> None:
    assert wire.get(f"{prefix}a") is None
    assert wire.head(f"{prefix}a") is None
    assert list(wire.list(prefix)) == []
    assert list(wire.leftovers(prefix)) == []


def test_a_bucket_that_is_not_there_is_gone(wire: GcsWire, proxy: FaultProxy) -> None:
    """Emulators do not tell a missing bucket from a missing object; the service does, in these words."""
    other = GcsWire("no-such-bucket")
    assert why(lambda: other.put("a", b"a", TEXT, {}, None)) is Why.GONE
    assert why(lambda: list(other.list(""))) is Why.GONE

    proxy.plan = lambda _: error(404, "The specified bucket does not exist.", "notFound")
    assert why(lambda: wire.head("a")) is Why.GONE
    assert why(lambda: wire.get("a")) is Why.GONE
    proxy.plan = lambda _: error(404, f"No such object: {BUCKET}/a", "notFound")
    assert wire.head("a") is None


# Conditions


@fake_only
def test_a_condition_is_kept(wire: GcsWire, prefix: str) -> None:
    old = wire.put(f"{prefix}a", b"first", TEXT, {}, ABSENT)
    assert why(lambda: wire.put(f"{prefix}a", b"other", TEXT, {}, ABSENT)) is Why.CONDITION
    second = wire.put(f"{prefix}a", b"second", TEXT, {}, old)
    assert why(lambda: wire.put(f"{prefix}a", b"other", TEXT, {}, old)) is Why.CONDITION
    assert why(lambda: wire.put(f"{prefix}b", b"other", TEXT, {}, old)) is Why.CONDITION

    assert wire.get(f"{prefix}a") == (b"second", second)
    wire.put(f"{prefix}a", b"third", TEXT, {}, None)  # without one, there is none


@gcp_only
def test_a_server_without_conditions_ignores_them_in_silence(wire: GcsWire, proxy: FaultProxy, prefix: str) -> None:
    wire.put(f"{prefix}a", b"first", TEXT, {}, ABSENT)
    wire.put(f"{prefix}a", b"other", TEXT, {}, ABSENT)

    assert read(wire, f"{prefix}a") == b"other"
    assert [seen.query["ifGenerationMatch"] for seen in proxy.log if seen.method == "POST"] == ["0", "0"]


@fake_only
def test_of_many_who_create_one_wins(wire: GcsWire, prefix: str) -> None:
    def race(number: int) -> int | None:
        try:
            wire.put(f"{prefix}a", b"%d" % number, TEXT, {}, ABSENT)
        except Trouble as trouble:
            assert trouble.why is Why.CONDITION  # noqa: PT017
            return None
        return number

    with ThreadPoolExecutor(16) as pool:
        winners = [number for number in pool.map(race, range(16)) if number is not None]

    assert [b"%d" % number for number in winners] == [read(wire, f"{prefix}a")]


@gcp_only
def test_a_tag_that_is_not_told_with_the_bytes_is_asked_for_before_them(
    wire: GcsWire, proxy: FaultProxy, prefix: str
) -> None:
    """So a condition with it can fail without need, and never passes over bytes that were not seen."""
    old = wire.put(f"{prefix}a", b"old", TEXT, {}, None)

    def write(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        proxy.plan = nothing
        wire.put(f"{prefix}a", b"new", TEXT, {}, None)
        return answer

    proxy.plan = lambda request: Fault("write", write) if "fields" in request.query else None
    assert wire.get(f"{prefix}a") == (b"new", old)


# Bytes that change on the way


def test_not_one_of_many_bits_that_flip_on_the_way_up_passes(
    wire: GcsWire, proxy: FaultProxy, emulator: GcsServer, prefix: str
) -> None:
    """gcp-storage-emulator refuses them, as the service does; fake-gcs-server stores them, and is found out."""
    bits = random.Random(1).sample(range(8 * len(BYTES)), 50)
    for number, bit in enumerate(bits):
        proxy.plan = only(lambda _, bit=bit: flip(BYTES, bit), "POST")
        assert why(lambda number=number: wire.put(f"{prefix}{number}", BYTES, TEXT, {}, None)) is Why.CORRUPT
    proxy.plan = nothing

    assert len(list(wire.list(prefix))) == (len(bits) if isinstance(emulator, FakeGcs) else 0)
    wire.put(f"{prefix}0", BYTES, TEXT, {}, None)
    assert read(wire, f"{prefix}0") == BYTES


def test_a_bit_that_flips_on_the_way_down_is_noticed(wire: GcsWire, proxy: FaultProxy, prefix: str) -> None:
    wire.put(f"{prefix}a", BYTES, TEXT, {}, None)
    proxy.plan = only(lambda _: flip_down(12345), "GET")

    assert why(lambda: wire.get(f"{prefix}a")) is Why.CORRUPT
    proxy.plan = nothing
    assert read(wire, f"{prefix}a") == BYTES


# Listings

KEYS = sorted(
    ["Z", "a", "a!", "a-b", "a.b", "a/b", "a/c", "ab", "é", "脳", *(f"n/{number:03}" for number in range(25))]
)


@pytest.fixture
def listed(wire: GcsWire, prefix: str, monkeypatch: pytest.MonkeyPatch) -> GcsWire:
    monkeypatch.setattr(gcs, "_PAGE", 7)
    for number, key in enumerate(random.Random(2).sample(KEYS, len(KEYS))):
        wire.put(prefix + key, key.encode(), CHUNK if number % 2 else TEXT, {}, None)
    return wire


def test_a_listing_is_whole_and_in_the_order_of_bytes(listed: GcsWire, prefix: str) -> None:
    keys = [stored.key.removeprefix(prefix) for stored in listed.list(prefix)]

    assert keys == KEYS
    assert all(one.encode() < other.encode() for one, other in pairwise(keys))
    assert {stored.content_encoding for stored in listed.list(prefix)} == {None, "gzip"}
    assert [stored.key for stored in listed.list(f"{prefix}a/")] == [f"{prefix}a/b", f"{prefix}a/c"]


def test_a_listing_goes_on_after_any_key(listed: GcsWire, prefix: str) -> None:
    for after in ["", *KEYS, "a,", "n/0105", "~"]:
        keys = [stored.key.removeprefix(prefix) for stored in listed.list(prefix, prefix + after)]
        assert keys == [key for key in KEYS if key > after]


@fake_only
def test_a_listing_asks_for_a_page_when_it_is_needed(listed: GcsWire, proxy: FaultProxy, prefix: str) -> None:
    proxy.clear()
    list(islice(listed.list(prefix), 7))
    assert [seen.query["maxResults"] for seen in proxy.log] == ["7"]

    list(listed.list(prefix))
    assert len(proxy.log) == 1 + -(-len(KEYS) // 7)


@fake_only
def test_a_listing_out_of_order_is_refused(wire: GcsWire, proxy: FaultProxy) -> None:
    def page(names: str, token: str) -> Fault:
        items = [{"name": name, "size": "1", "generation": "1"} for name in names]
        return answered(200, {}, json.dumps({"items": items, "nextPageToken": token}))

    proxy.plan = lambda request: page("ca" if "pageToken" not in request.query else "db", "")
    assert [stored.key for stored in wire.list("")] == ["a", "c"]  # within a page it is put in order

    proxy.plan = lambda request: page("db", "") if "pageToken" in request.query else page("ca", "next")
    assert why(lambda: list(wire.list(""))) is Why.WRONG


# What goes wrong

QUICKLY = "The object exceeded the rate limit for object mutation operations."
DENIED = (
    "me@lab.iam.gserviceaccount.com does not have storage.objects.create access to the Google Cloud Storage object."
)


@fake_only
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (error(429, QUICKLY, "rateLimitExceeded"), Why.BUSY),
        (error(403, "Too fast.", "userRateLimitExceeded"), Why.BUSY),
        (error(408, "Request timeout"), Why.BUSY),
        (answered(500), Why.BUSY),
        (answered(502, {}, "<html><title>Error 502 (Server Error)!!1</title></html>"), Why.BUSY),
        (error(503, "Backend Error", "backendError"), Why.BUSY),
        (answered(504), Why.BUSY),
        (error(403, DENIED, "forbidden"), Why.REFUSED),
        (error(401, "Anonymous caller does not have storage.objects.create access."), Why.REFUSED),
        (
            error(412, "At least one of the pre-conditions you specified did not hold.", "conditionNotMet"),
            Why.CONDITION,
        ),
        (error(404, "The specified bucket does not exist.", "notFound"), Why.GONE),
        (error(400, 'Provided CRC32C "AA==" doesn\'t match calculated CRC32C "BB==".', "invalid"), Why.CORRUPT),
        (error(400, "Invalid argument.", "invalid"), Why.WRONG),
        (error(413, "Too large"), Why.WRONG),
        (answered(200, {}, "<html>Please log in to the hotel's network</html>"), Why.LOST),
        (reset(before=True), Why.LOST),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else value.value,
)
def test_an_answer_of_the_service_is_understood(wire: GcsWire, proxy: FaultProxy, fault: Fault, expected: Why) -> None:
    proxy.plan = lambda _: fault

    assert why(lambda: wire.put("a", b"a", TEXT, {}, None)) is expected


@fake_only
def test_what_the_service_says_is_told_in_a_line(wire: GcsWire, proxy: FaultProxy) -> None:
    said = {}
    for fault in (
        error(403, f"{DENIED}\nPermission denied."),
        answered(503, {"Retry-After": "7"}, "<b>Try</b>\nlater"),
    ):
        proxy.plan = lambda _, fault=fault: fault
        with pytest.raises(Trouble) as caught:
            wire.head("a")
        said[caught.value.why] = caught.value.message, caught.value.retry_after

    assert said[Why.BUSY] == ("Try later", 7)
    assert said[Why.REFUSED] == (f"{DENIED} Permission denied. (requests to an emulator are anonymous)", None)


def test_an_answer_that_is_lost_says_nothing_of_what_was_done(wire: GcsWire, proxy: FaultProxy, prefix: str) -> None:
    for before in (True, False):
        proxy.plan = only(lambda _, before=before: reset(before=before), "POST")
        assert why(lambda before=before: wire.put(f"{prefix}{before}", b"a", TEXT, {}, None)) is Why.LOST
    proxy.plan = nothing
    assert [stored.key for stored in wire.list(prefix)] == [f"{prefix}False"]

    proxy.plan = lambda _: truncate()
    assert why(lambda: wire.get(f"{prefix}False")) is Why.LOST


@fake_only
def test_a_service_that_does_not_answer_is_lost(
    wire: GcsWire, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ANSWER_SECONDS", 0.2)
    proxy.plan = lambda _: delay(1)
    assert why(lambda: GcsWire(BUCKET).head("a")) is Why.LOST
    proxy.plan = nothing
    assert wire.head("a") is None

    monkeypatch.setenv(service.EMULATOR, f"{HOST}:{free_port()}")
    assert why(lambda: GcsWire(BUCKET).head("a")) is Why.LOST


# Large objects


class Kept(dict[str, str]):
    """Notes that live as long as a test."""

    def set(self, name: str, text: str | None) -> None:
        if text is None:
            self.pop(name, None)
        else:
            self[name] = text


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr(Resumable, "part_bytes", PART)
    return Kept()


LARGE = random.Random(3).randbytes(3 * PART + 1000)


def parts(data: bytes) -> list[tuple[int, bytes, bool]]:
    starts = range(0, len(data), PART)
    return [(number, data[start : start + PART], start + PART >= len(data)) for number, start in enumerate(starts)]


def upload(large: Resumable, data: bytes, condition: str | None = None) -> str:
    """Send what has not arrived, and finish, as a target does."""
    for number, part, last in parts(data):
        if not large.arrived(number, part, crc32c(part)):
            large.send(number, part, crc32c(part), last=last)
    return large.finish(len(data), crc32c(data), condition)


@pytest.mark.parametrize("size", [0, 1000, PART, 2 * PART, 3 * PART + 1000])
def test_a_large_object_is_there_when_it_is_whole(wire: GcsWire, notes: Kept, prefix: str, size: int) -> None:
    data = LARGE[:size]
    large = wire.large(f"{prefix}a", CHUNK, {"release": "v1"}, notes)
    for number, part, last in parts(data):
        large.send(number, part, crc32c(part), last=last)
    assert wire.head(f"{prefix}a") is None
    assert notes

    tag = large.finish(len(data), crc32c(data), ABSENT)

    assert wire.get(f"{prefix}a") == (data, tag)
    assert wire.head(f"{prefix}a") == (size, CHUNK, {"release": "v1"}, tag, crc32c(data))
    assert not notes


def test_the_last_request_asks_for_the_checksum_of_the_whole(
    wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str
) -> None:
    """What is asked of the service, which refuses the object where they differ; neither emulator looks at it."""
    upload(wire.large(f"{prefix}a", TEXT, {}, notes), LARGE)

    puts = [seen.headers for seen in proxy.log if seen.method == "PUT"]
    spans = [f"0-{PART - 1}/*", f"{PART}-{2 * PART - 1}/*", f"{2 * PART}-{3 * PART - 1}/*"]
    assert [put["content-range"] for put in puts] == [
        *(f"bytes {span}" for span in spans),
        f"bytes {3 * PART}-{len(LARGE) - 1}/{len(LARGE)}",
    ]
    assert [put.get("x-goog-hash") for put in puts] == [None, None, None, f"crc32c={crc32c(LARGE)}"]


def test_a_whole_with_another_checksum_is_never_taken_for_ours(
    wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str
) -> None:
    """The service refuses it as here the proxy does. What an emulator stores in spite of it is found out."""
    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    large.send(0, LARGE[:PART], "", last=True)
    proxy.plan = only(lambda _: error(400, "Provided CRC32C doesn't match calculated CRC32C.", "invalid"), "PUT")
    assert why(lambda: large.finish(PART, crc32c(b""), None)) is Why.WRONG
    assert not notes

    proxy.plan = nothing
    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    large.send(0, LARGE[:PART], "", last=True)
    assert why(lambda: large.finish(PART, crc32c(b""), None)) is Why.WRONG
    assert not notes


@gcp_only
def test_an_upload_that_was_killed_goes_on_where_it_was(
    wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str
) -> None:
    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    for number, part, last in parts(LARGE)[:2]:
        large.send(number, part, crc32c(part), last=last)
    proxy.clear()

    again = GcsWire(BUCKET).large(f"{prefix}a", TEXT, {}, notes)
    assert [again.arrived(number, part, "") for number, part, _ in parts(LARGE)] == [True, True, False, False]
    upload(again, LARGE, ABSENT)

    assert read(wire, f"{prefix}a") == LARGE
    assert sum(seen.body_bytes for seen in proxy.log if seen.method == "PUT") == len(LARGE) - 2 * PART


@gcp_only
@pytest.mark.parametrize("other", ["key", "headers", "labels", "there"])
def test_an_upload_of_something_else_begins_anew(wire: GcsWire, notes: Kept, prefix: str, other: str) -> None:
    wire.large(f"{prefix}a", TEXT, {}, notes).send(0, LARGE[:PART], "", last=False)
    if other == "there":
        wire.put(f"{prefix}a", b"small", TEXT, {}, None)

    key, headers = f"{prefix}{'b' if other == 'key' else 'a'}", CHUNK if other == "headers" else TEXT
    again = wire.large(key, headers, {"a": "b"} if other == "labels" else {}, notes)

    assert not again.arrived(0, LARGE[:PART], "")
    upload(again, LARGE)
    assert read(wire, key) == LARGE


def test_an_upload_that_is_over_begins_anew(wire: GcsWire, notes: Kept, prefix: str) -> None:
    """A session ends after a week. fake-gcs-server ends it when it is asked, with an object of what it has."""
    wire.large(f"{prefix}a", TEXT, {}, notes).send(0, LARGE[:PART], "", last=False)
    for name, target in notes.items():
        notes[name] = target.replace("upload_id=", "upload_id=0")

    again = wire.large(f"{prefix}a", TEXT, {}, notes)

    assert not again.arrived(0, LARGE[:PART], "")
    upload(again, LARGE, ABSENT)
    assert read(wire, f"{prefix}a") == LARGE
    assert not notes


@fake_only
def test_an_upload_that_the_question_ended_begins_anew(wire: GcsWire, notes: Kept, prefix: str) -> None:
    wire.large(f"{prefix}a", TEXT, {}, notes).send(0, LARGE[:PART], "", last=False)

    again = wire.large(f"{prefix}a", TEXT, {}, notes)

    assert wire.head(f"{prefix}a").size_bytes == PART  # the emulator's doing
    upload(again, LARGE, ABSENT)
    assert read(wire, f"{prefix}a") == LARGE


@gcp_only
@pytest.mark.parametrize("before", [True, False])
def test_a_part_whose_answer_was_lost_is_not_sent_twice(
    wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str, *, before: bool
) -> None:
    """Where it has nothing, the service says so by no Range at all; the emulator says that it has a byte."""
    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    proxy.clear()
    proxy.plan = first(at(0, reset(before=before)), at(1, header("Range")) if before else nothing)
    assert why(lambda: large.send(0, LARGE[:PART], "", last=False)) is Why.LOST
    upload(large, LARGE)

    assert read(wire, f"{prefix}a") == LARGE
    sent = [seen.body_bytes for seen in proxy.log if seen.method == "PUT"]
    assert sum(sent) == len(LARGE) + (PART if before else 0)


@gcp_only
def test_of_a_part_that_was_taken_half_the_rest_is_sent(
    wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str
) -> None:
    def happen(request: Request, forward: Forward) -> Answer:
        less = request.having("Content-Length", "1000").having("Content-Range", "bytes 0-999/*")
        return forward(replace(less, body=request.body[:1000]))

    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    proxy.clear()
    proxy.plan = at(0, Fault("half", happen))
    upload(large, LARGE)

    assert read(wire, f"{prefix}a") == LARGE
    assert proxy.log[1].headers["content-range"] == f"bytes 1000-{PART - 1}/*"


@fake_only
def test_a_service_that_takes_nothing_is_busy(wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str) -> None:
    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    proxy.plan = only(lambda _: answered(308), "PUT")

    assert why(lambda: large.send(0, LARGE[:PART], "", last=False)) is Why.BUSY
    assert notes


def test_an_end_whose_answer_was_lost_is_found_to_be_done(
    wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str
) -> None:
    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    proxy.plan = lambda request: reset(before=False) if "X-Goog-Hash" in request.head.decode() else None
    assert why(lambda: upload(large, LARGE, ABSENT)) is Why.LOST
    proxy.plan = nothing
    proxy.clear()

    tag = large.finish(len(LARGE), crc32c(LARGE), ABSENT)

    assert wire.get(f"{prefix}a") == (LARGE, tag)
    assert sum(seen.body_bytes for seen in proxy.log) == 0
    assert not notes


@gcp_only
def test_an_end_that_was_not_done_is_sent_again(wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str) -> None:
    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    proxy.plan = lambda request: reset(before=True) if "X-Goog-Hash" in request.head.decode() else None
    assert why(lambda: upload(large, LARGE, ABSENT)) is Why.LOST
    assert wire.head(f"{prefix}a") is None
    proxy.plan = nothing

    assert wire.get(f"{prefix}a") is None
    tag = large.finish(len(LARGE), crc32c(LARGE), ABSENT)
    assert wire.get(f"{prefix}a") == (LARGE, tag)


def test_somebody_elses_object_is_not_taken_for_a_lost_answer(
    wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str
) -> None:
    """That a session is over and its bytes are there does not mean that it was the session that put them there."""
    wire.put(f"{prefix}before", LARGE, TEXT, {}, None)
    for key in ("before", "meanwhile"):
        large = wire.large(prefix + key, TEXT, {}, notes)
        wire.put(f"{prefix}meanwhile", LARGE, CHUNK, {}, None)
        proxy.plan = only(lambda _: error(410, "Gone"), "PUT")
        assert why(lambda large=large: large.finish(len(LARGE), crc32c(LARGE), None)) is Why.WRONG
        proxy.plan = nothing


def test_a_large_object_keeps_its_condition(wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str) -> None:
    """What is asked of the service at the start; neither emulator minds the condition of a session."""
    tag = wire.put(f"{prefix}a", b"small", TEXT, {}, None)
    proxy.clear()
    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    assert why(lambda: upload(large, LARGE, ABSENT)) is Why.CONDITION
    assert read(wire, f"{prefix}a") == b"small"

    assert upload(large, LARGE, tag) != tag
    assert read(wire, f"{prefix}a") == LARGE
    upload(wire.large(f"{prefix}b", TEXT, {}, notes), LARGE, ABSENT)
    asked = [seen.query["ifGenerationMatch"] for seen in proxy.log if seen.method == "POST"]
    assert asked == [tag, "0"]


@pytest.mark.parametrize(("condition", "expected"), [(ABSENT, Why.CONDITION), (None, Why.WRONG)])
def test_what_was_written_meanwhile_is_not_overwritten(
    wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str, condition: str | None, expected: Why
) -> None:
    """How the service's refusal is taken; neither emulator gives it."""
    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    proxy.plan = only(
        lambda _: error(412, "At least one of the pre-conditions did not hold.", "conditionNotMet"), "PUT"
    )

    assert why(lambda: upload(large, LARGE[:1000], condition)) is expected
    assert not notes


@fake_only
@pytest.mark.parametrize("code", [404, 410, 499])
def test_a_session_that_ended_early_is_forgotten(
    wire: GcsWire, proxy: FaultProxy, notes: Kept, prefix: str, code: int
) -> None:
    large = wire.large(f"{prefix}a", TEXT, {}, notes)
    proxy.plan = only(lambda _: error(code, "Gone"), "PUT")

    assert why(lambda: large.send(0, LARGE[:PART], "", last=False)) is Why.WRONG
    assert not notes
    proxy.plan = nothing
    upload(wire.large(f"{prefix}a", TEXT, {}, notes), LARGE)
    assert read(wire, f"{prefix}a") == LARGE


@fake_only
@pytest.mark.usefixtures("wire")
def test_no_message_tells_the_address_of_a_session(
    proxy: FaultProxy, notes: Kept, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ANSWER_SECONDS", 0.2)
    large = GcsWire(BUCKET).large(f"{prefix}a", TEXT, {}, notes)
    secret = next(iter(notes.values())).partition("upload_id=")[2]
    assert secret
    for fault in (reset(before=True), delay(1), answered(503), answered(308)):
        proxy.plan = only(lambda _, fault=fault: fault, "PUT")
        with pytest.raises(Trouble) as caught:
            large.send(0, LARGE[:PART], "", last=False)
        assert secret not in str(caught.value)


# Beside the objects


@fake_only
def test_all_of_it_works_over_tls(
    proxy: FaultProxy, notes: Kept, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TlsTerminator(proxy.endpoint, tmp_path) as tls:
        monkeypatch.setenv(service.EMULATOR, tls.endpoint)
        stranger = GcsWire(BUCKET)
        assert why(lambda: stranger.head(f"{prefix}a")) is Why.LOST  # to whom the certificate says nothing
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca))
        wire = GcsWire(BUCKET)
        wire.put(f"{prefix}a", gzip.compress(BYTES, mtime=0), CHUNK, {}, None)
        upload(wire.large(f"{prefix}b", CHUNK, {}, notes), LARGE)

        assert read(wire, f"{prefix}a") == gzip.compress(BYTES, mtime=0)
        assert read(wire, f"{prefix}b") == LARGE
        assert [stored.content_encoding for stored in wire.list(prefix)] == ["gzip", "gzip"]


def test_the_address_of_an_object_is_signed_as_it_is(wire: GcsWire) -> None:
    url = f"https://storage.googleapis.com/{BUCKET}/v1/a%20b"
    assert wire.sign("GET", url) == (url, {})


def test_googles_own_client_speaks_to_the_same_service(
    proxy: FaultProxy, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(service.EMULATOR, proxy.endpoint.removeprefix("http://"))
    wire = GcsWire(BUCKET)
    wire.put(f"{prefix}a", BYTES, TEXT, {}, None)

    assert wire.client().bucket(BUCKET).blob(f"{prefix}a").download_as_bytes() == BYTES


OBJECTS = """
import sys
from publisher.objects import Headers
from publisher.targets.gcs import GcsWire
wire, headers = GcsWire(sys.argv[1]), Headers("text/plain", None, "no-cache")
wire.put(sys.argv[2], b"a", headers, {}, None)
assert wire.get(sys.argv[2])[0] == b"a" and wire.head(sys.argv[2]) and list(wire.list(sys.argv[2]))
print([name for name in sys.modules if name.startswith(("google.cloud", "google.auth", "google.api_core", "requests"))])
"""


@fake_only
def test_objects_need_no_library_that_is_slow_to_import(emulator: FakeGcs, prefix: str) -> None:
    command = [sys.executable, "-c", OBJECTS, BUCKET, f"{prefix}a"]
    done = subprocess.run(command, env=os.environ | emulator.env, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
