"""What `verify` promises: it finds what is wrong with a live release, says so once, and finds nothing where all is well.

The server here is a bucket that can be spoilt in every way. Each check has its control: the same release, unspoilt.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from urllib.parse import unquote

import pytest

from publisher import inventory, serve
from publisher.audit.look import digests
from publisher.audit.sample import SAMPLE_BYTES, SAMPLE_OBJECTS, choose, survey
from publisher.errors import Damaged, InvalidInput, Unreachable
from publisher.objects import Entry, Finding, Headers, Report
from publisher.record import Access, InventoryRef, Record, ReleaseRef, SceneRef, dump, dump_releases, record_key
from publisher.stranger import Stranger, address
from publisher.verify import find, verify

FINAL = "public, max-age=31536000, immutable"
BINARY = "application/octet-stream"
EXPOSED = "ETag, Content-Range, Content-Encoding, Content-Length"
INVENTORY_KEY = "v0.9/.release/inventory-1.parquet"
CHUNK, SHARD, TABLE, SCENE = "v0.9/seg/0-64", "v0.9/seg/0.shard", "v0.9/tables/body.feather", "v0.9/d-v0.9.json"
ODD = ["a b", "a#b", "a?b", "a%20b", "naïve-脳", "722817260:0", "a+b&c=d", "(1)'2'"]


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes = b""
    sent: int | None = None  # so many bytes of the body, then the connection ends
    then: Callable[[Handler], None] | None = None  # what happens after the body


@dataclass(frozen=True)
class Request:
    method: str
    key: str
    headers: dict[str, str]
    times: int  # how often just this was asked for, with this time


Spoil = Callable[[Request, Reply], Reply | None]


@dataclass
class Bucket:
    """A bucket behind HTTP: what is stored, its CORS rule, and how its answers are spoilt."""

    objects: dict[str, tuple[bytes, Headers]] = field(default_factory=dict)
    origins: tuple[str, ...] = ("*",)
    spoil: Spoil = lambda _, reply: reply
    asked: list[Request] = field(default_factory=list)
    times: Counter[tuple[str, str]] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock, repr=False)
    url: str = ""

    def put(
        self, key: str, body: bytes, content_type: str = BINARY, encoding: str | None = None, cache: str = FINAL
    ) -> None:
        self.objects[key] = (body, Headers(content_type, encoding, cache))  # type: ignore[arg-type]

    def answer(self, request: Request) -> Reply | None:
        reply = self.plain(request)
        origin = request.headers.get("origin", "")
        if "*" in self.origins or origin in self.origins:
            reply.headers["Access-Control-Allow-Origin"] = "*" if "*" in self.origins else origin
            reply.headers["Access-Control-Expose-Headers"] = EXPOSED
            reply.headers["Access-Control-Allow-Headers"] = "range, content-type"
        elif request.method == "OPTIONS":
            reply.status = 403
        return self.spoil(request, reply)

    def plain(self, request: Request) -> Reply:
        if request.method == "OPTIONS":
            return Reply(200, {})
        if request.key not in self.objects:
            return Reply(404, {"Content-Type": "text/xml"}, b"<NoSuchKey/>")
        body, headers = self.objects[request.key]
        sent = {"Content-Type": headers.content_type, "Cache-Control": headers.cache_control, "Set-Cookie": "spy=1"}
        if headers.content_encoding:
            sent["Content-Encoding"] = headers.content_encoding
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
        if not match:
            return Reply(200, sent, body)
        first, last = match.groups()
        start = int(first) if first else max(0, len(body) - int(last))
        part = body[start : int(last) + 1 if first and last else None]
        return Reply(206, {**sent, "Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(body)}"}, part)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    bucket: Bucket

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        key = unquote(self.path.partition("?")[0]).removeprefix("/data/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.bucket.lock:
            self.bucket.times[self.command, key] += 1
            request = Request(self.command, key, headers, self.bucket.times[self.command, key])
        self.bucket.asked.append(request)
        reply = self.bucket.answer(request)
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            if value != "-":
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body[: reply.sent])
        if reply.then:
            reply.then(self)
        self.close_connection = reply.sent is not None or reply.then is not None

    do_GET = do_HEAD = do_OPTIONS = answer  # noqa: N815 - the names are the standard library's


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent where a client went away: a probe that has seen enough does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setattr("publisher.stranger.FIRST_PAUSE_SECONDS", 0)
    made = Bucket()
    release(made)
    handler = type("Bound", (Handler,), {"bucket": made})
    with Server(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        made.url = f"http://127.0.0.1:{server.server_address[1]}/data"
        yield made
        server.shutdown()


def release(bucket: Bucket, access: Access | None = None, **objects: tuple[bytes, str | None]) -> Record:
    """Put a small release: a volume with a gzip chunk and a shard, a table, a scene; and `objects` by key."""
    segmentation = bytes(range(256)) * 40
    bucket.put(CHUNK, gzip.compress(segmentation, mtime=0), encoding="gzip")
    bucket.put("v0.9/seg/info", b'{"type": "segmentation"}', "application/json")
    bucket.put(SHARD, segmentation[::-1])
    bucket.put(TABLE, b"ARROW1" + segmentation, "application/vnd.apache.arrow.file")
    bucket.put(SCENE, b'{"layers": []}', "application/json")
    for key, (body, encoding) in objects.items():
        bucket.put(key, body, encoding=encoding)
    return commit(bucket, access or Access())


def entry_of(key: str, body: bytes, headers: Headers) -> Entry:
    content = gzip.decompress(body) if headers.content_encoding else body
    digest, content_digest = (hashlib.sha256(data).hexdigest() for data in (body, content))
    return Entry(key, key.split("/")[1], len(body), digest, len(content), content_digest, headers)


def commit(bucket: Bucket, access: Access = Access(), **changes: object) -> Record:  # noqa: B008 - it is frozen
    """Write the inventory, the record and the list of what lies in a bucket."""
    entries = [
        entry_of(key, *bucket.objects[key])
        for key in sorted(bucket.objects)
        if key != "releases.json" and "/.release/" not in key
    ]
    sink = io.BytesIO()
    inventory.write(entries, sink)
    data = sink.getvalue()
    ref = InventoryRef(INVENTORY_KEY, hashlib.sha256(data).hexdigest(), len(data), len(entries))
    record = Record(
        release="v0.9",
        status="final",
        date="2026-11-21",
        dataset={"name": "d", "keywords": ("a", "b")},
        public_url="https://example.org/data",
        access=access,
        artifacts=(),
        scenes=(SceneRef("main", "Main", SCENE),),
        programmatic={},
        objects=len(entries),
        size_bytes=sum(entry.size_bytes for entry in entries),
        content_size_bytes=sum(entry.content_size_bytes for entry in entries),
        inventory=ref,
        created="2026-11-21T00:00:00Z",
    )
    record = replace(record, **changes)  # type: ignore[arg-type]
    bucket.put(INVENTORY_KEY, data)
    bucket.put(record_key("v0.9"), dump(record), "application/json")
    line = ReleaseRef("v0.9", "final", "2026-11-21", "D", record_key("v0.9"))
    bucket.put("releases.json", dump_releases({"v0.9": line}, "v0.9"), "application/json", cache="no-cache")
    return record


def only(report: Report) -> Finding:
    assert len(report.findings) == 1, report.findings
    return report.findings[0]


def on(key: str, method: str = "", **headers: str) -> Spoil:
    """Spoil the headers of one key; `-` removes one."""

    def spoil(request: Request, reply: Reply) -> Reply:
        if request.key == key and method in {"", request.method}:
            reply.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        return reply

    return spoil


# A release where all is well


@pytest.mark.parametrize(("depth", "digests_read"), [("quick", 0), ("sample", 5), ("full", 5)])
def test_nothing_is_found_where_all_is_well(bucket: Bucket, depth: str, digests_read: int) -> None:
    report = verify(bucket.url, depth=depth)  # type: ignore[arg-type]
    assert report.findings == ()
    assert report.ok
    assert (report.base_url, report.release, report.depth) == (bucket.url, "v0.9", depth)
    assert report.objects == 5
    assert report.digests == digests_read
    assert report.digest_bytes == (report.size_bytes if digests_read else 0)
    assert datetime.fromisoformat(report.checked_at).tzinfo
    for what in (
        f"preflight: {CHUNK}",
        f"Range: bytes=-8: {SHARD}",
        f"GET from another origin: {TABLE}",
        f"Range: bytes=0-15: {TABLE}",
        f"Range: bytes=-8: {TABLE}",
        f"exposed Content-Range: {TABLE}",
        f"GET without Accept-Encoding: {CHUNK}",
        "a missing key",
    ):
        assert what in report.probes


def test_a_served_local_target_is_well(tmp_path: Path, bucket: Bucket) -> None:
    for key, (body, headers) in bucket.objects.items():
        path = tmp_path / f"{key}.gz" if headers.content_encoding else tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    with serve.running(tmp_path) as url:
        assert verify(url, depth="full").findings == ()
    with serve.running(tmp_path, cors=False) as url:
        assert only(verify(url, depth="full")).check == "cors"


def test_a_stranger_brings_nothing_and_keeps_nothing(bucket: Bucket) -> None:
    verify(bucket.url.replace("//", "//user:secret@"), origin="https://elsewhere.example")
    assert len(bucket.asked) > 10
    for request in bucket.asked:
        assert request.headers["origin"] == "https://elsewhere.example"
        assert not {"authorization", "cookie", "referer"} & request.headers.keys()


def test_keys_are_escaped(bucket: Bucket) -> None:
    release(bucket, None, **{f"v0.9/odd/{name}": (name.encode(), None) for name in ODD})
    assert verify(bucket.url, depth="full").findings == ()
    assert {f"v0.9/odd/{name}" for name in ODD} <= {request.key for request in bucket.asked}
    assert address("http://h", "v0.9/a b#c?d%e:f/ü") == "http://h/v0.9/a%20b%23c%3Fd%25e:f/%C3%BC"


def test_progress_counts_every_object(bucket: Bucket) -> None:
    steps: list[tuple[object, ...]] = []

    class Watch:
        def step(self, name: str, objects: int | None = None, size_bytes: int | None = None) -> Watch:
            steps.append((name, objects, size_bytes))
            return self

        def advance(self, objects: int, size_bytes: int) -> None:
            steps.append((objects, size_bytes))

    report = verify(bucket.url, depth="quick", progress=Watch())
    assert steps[0] == ("verify", 5, report.size_bytes)
    assert [sum(column) for column in zip(*steps[1:], strict=True)] == [5, report.size_bytes]


# Where a release is


@pytest.mark.parametrize(
    "tail", ["", "/", "/releases.json", "/v0.9", "/v0.9/", "/v0.9/.release/release.json", "/?x=1#y"]
)
def test_any_address_of_a_release_finds_it(bucket: Bucket, tail: str) -> None:
    with Stranger("https://stranger.example") as client:
        place = find(f" {bucket.url}{tail}", client)
    assert (place.base_url, place.version, place.record.release) == (bucket.url, "v0.9", "v0.9")


def test_a_version_can_be_asked_for(bucket: Bucket) -> None:
    bucket.put("v0.8/.release/release.json", bucket.objects[record_key("v0.9")][0])
    with Stranger("https://stranger.example") as client:
        assert find(bucket.url, client, "v0.8").version == "v0.8"
        assert find(f"{bucket.url}/v0.8", client, "v0.8").version == "v0.8"
        with pytest.raises(InvalidInput, match="no release here"):
            find(f"{bucket.url}/v0.8", client, "v0.7")


def test_no_release_names_the_addresses_that_were_tried(bucket: Bucket) -> None:
    with pytest.raises(InvalidInput, match="no release here") as raised:
        verify(f"{bucket.url}/v0.7")
    for tried in ("/v0.7/releases.json (404)", "/v0.7/.release/release.json (404)"):
        assert f"{bucket.url}{tried}" in str(raised.value)


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "data/v0.9", "https://", "ftp://host/x"])
def test_only_http_addresses_can_be_verified(url: str) -> None:
    with pytest.raises(InvalidInput, match="http:// or https://"):
        verify(url)


def test_an_address_that_is_none_is_bad_input() -> None:
    with pytest.raises(InvalidInput, match="not an address"):
        verify("http://[::1/x".replace("[::1", "a:b:c"))


def test_a_list_that_is_none_is_bad_input(bucket: Bucket) -> None:
    for wrong in (b"<html>", b"[]", b'{"latest": 1}', b'{"latest": ""}'):
        bucket.put("releases.json", wrong)
        with pytest.raises(InvalidInput, match="not a list of releases"):
            verify(bucket.url)


def test_a_record_that_is_none_is_damage(bucket: Bucket) -> None:
    bucket.put(record_key("v0.9"), b"{}")
    with pytest.raises(Damaged, match="not a release record") as raised:
        verify(bucket.url)
    assert raised.value.exit_code == 8


def test_a_server_that_is_away_is_unreachable(bucket: Bucket) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_address[1]
    for url, words in ((f"http://127.0.0.1:{port}/data", "nobody answers"), ("http://nowhere.invalid/x", "no host")):
        with pytest.raises(Unreachable, match=words) as raised:
            verify(url)
        assert raised.value.exit_code == 7
    assert verify(bucket.url).ok


@pytest.mark.parametrize(
    ("status", "words"), [(403, "refuses anonymous readers"), (503, "does not answer as it should")]
)
def test_a_record_that_is_refused_is_unreachable(bucket: Bucket, status: int, words: str) -> None:
    bucket.spoil = lambda _, reply: replace(reply, status=status)
    with pytest.raises(Unreachable, match=words):
        verify(f"{bucket.url}/v0.9")


def test_a_release_is_found_beside_a_list_that_is_refused(bucket: Bucket) -> None:
    bucket.spoil = lambda request, reply: replace(reply, status=403) if "v0.9/releases" in request.key else reply
    assert verify(f"{bucket.url}/v0.9").ok


# What each object carries


@pytest.mark.parametrize("encoding", ["gzip,aws-chunked", "Gzip", "identity", "", "-"])
def test_a_wrong_content_encoding_is_found(bucket: Bucket, encoding: str) -> None:
    bucket.spoil = on(CHUNK, Content_Encoding=encoding)
    found = only(verify(bucket.url, depth="full"))
    assert (found.check, found.severity, found.key, found.artifact) == ("content-encoding", "error", CHUNK, "seg")
    assert ("absent" if encoding == "-" else f'"{encoding}"') in found.message


@pytest.mark.parametrize("encoding", ["gzip", "identity", ""])
def test_a_content_encoding_too_many_is_found(bucket: Bucket, encoding: str) -> None:
    bucket.spoil = on(SHARD, Content_Encoding=encoding)
    assert (only(verify(bucket.url, depth="quick")).check, only(verify(bucket.url)).key) == ("content-encoding", SHARD)


def test_headers_are_compared(bucket: Bucket) -> None:
    bucket.spoil = on(TABLE, Content_Type="text/html", Cache_Control="-")
    found = verify(bucket.url, depth="quick").findings
    assert [(each.check, each.key) for each in found] == [("content-type", TABLE), ("cache-control", TABLE)]
    assert '"text/html"' in found[0].message
    assert "delete it" in found[0].message
    assert "absent" in found[1].message


def test_head_and_get_are_held_to_the_same(bucket: Bucket) -> None:
    bucket.spoil = on(TABLE, "GET", Content_Type="text/html")
    assert verify(bucket.url, depth="quick").ok
    assert only(verify(bucket.url, depth="full")).check == "content-type"
    bucket.spoil = on(TABLE, "HEAD", Content_Type="text/html")
    assert only(verify(bucket.url, depth="full")).check == "content-type"


def test_a_missing_object_is_found(bucket: Bucket) -> None:
    del bucket.objects[TABLE]
    found = only(verify(bucket.url))
    assert (found.check, found.key, found.artifact) == ("missing", TABLE, "tables")
    assert "publisher release" in found.message


def test_a_size_that_changed_is_found(bucket: Bucket) -> None:
    bucket.put(SHARD, b"short")
    found = only(verify(bucket.url, depth="quick"))
    assert (found.check, found.key) == ("size", SHARD)
    assert "it is 5 bytes, the inventory says 10240; delete it at the target" in found.message


def test_a_length_that_is_not_said_is_found(bucket: Bucket) -> None:
    bucket.spoil = on(SHARD, "HEAD", Content_Length="-")
    found = only(verify(bucket.url, depth="quick"))
    assert (found.check, found.key) == ("size", SHARD)
    assert "no Content-Length" in found.message


def test_objects_that_are_refused_are_one_finding(bucket: Bucket) -> None:
    refused = {CHUNK, SHARD, TABLE}
    bucket.spoil = lambda request, reply: replace(reply, status=403) if request.key in refused else reply
    found = only(verify(bucket.url))
    assert (found.check, found.severity, found.key) == ("access", "error", CHUNK)
    assert "(3 objects)" in found.message


# What each object is


def spoilt(bucket: Bucket, key: str, body: bytes, depth: str = "sample") -> Finding:
    headers = bucket.objects[key][1]
    bucket.objects[key] = (body, headers)
    return only(verify(bucket.url, depth=depth))  # type: ignore[arg-type]


def test_an_edit_that_keeps_the_size_is_found_by_reading(bucket: Bucket) -> None:
    body = bytearray(bucket.objects[SHARD][0])
    body[5000] ^= 1
    found = spoilt(bucket, SHARD, bytes(body))
    assert (found.check, found.key) == ("digest", SHARD)
    assert "not what was published" in found.message
    assert verify(bucket.url, depth="quick").ok


@pytest.mark.parametrize("key", [CHUNK, SHARD])
def test_one_gzip_too_many_is_named(bucket: Bucket, key: str) -> None:
    found = spoilt(bucket, key, gzip.compress(bucket.objects[key][0]))
    assert (found.check, found.key) == ("size", key)
    assert "gzip once more than it should be" in found.message


def test_a_lost_layer_of_gzip_is_named(bucket: Bucket) -> None:
    found = spoilt(bucket, CHUNK, gzip.decompress(bucket.objects[CHUNK][0]))
    assert (found.check, found.key) == ("size", CHUNK)
    assert "without the gzip that it should have" in found.message


def test_gzip_undone_on_the_way_is_one_finding(bucket: Bucket) -> None:
    plain = gzip.decompress(bucket.objects[CHUNK][0])
    bucket.put(CHUNK, plain)
    found = only(verify(bucket.url, depth="quick"))
    assert (found.check, found.key) == ("content-encoding", CHUNK)
    assert f"its {len(plain)} bytes are as many as its content has without gzip" in found.message
    assert "without the gzip that it should have: Content-Encoding is absent" in only(verify(bucket.url)).message


def test_content_that_was_compressed_anew_is_named(bucket: Bucket) -> None:
    plain = gzip.decompress(bucket.objects[CHUNK][0])
    assert "compressed anew" in spoilt(bucket, CHUNK, gzip.compress(plain, compresslevel=1, mtime=1)).message


@pytest.mark.parametrize(
    "damage",
    [lambda body: body[:-20], lambda body: body[:-4], lambda body: body[:30] + b"\0" + body[31:], lambda _: b"x"],
)
def test_damaged_gzip_is_found(bucket: Bucket, damage: Callable[[bytes], bytes]) -> None:
    assert "not what was published" in spoilt(bucket, CHUNK, damage(bucket.objects[CHUNK][0])).message


def test_gzip_in_several_members_is_read_to_its_end() -> None:
    content = bytes(range(256)) * 5000 + bytes(3 << 20)
    stored = b"".join(gzip.compress(content[at : at + 300_000]) for at in range(0, len(content), 300_000))
    expected = [(hashlib.sha256(data).hexdigest(), len(data)) for data in (stored, content)]
    for size in (1, 17, 300, 4096, len(stored)):
        chunks = (stored[at : at + size] for at in range(0, len(stored), size))
        assert digests(1)(chunks) == expected
    assert len(digests(2)(iter([stored]))) == 2


def test_an_object_is_never_in_memory_whole(bucket: Bucket) -> None:
    content = bytes(64 << 20)
    release(
        bucket, None, **{"v0.9/seg/zeros": (gzip.compress(content, mtime=0), "gzip"), "v0.9/seg/big": (content, None)}
    )
    del content
    tracemalloc.start()
    try:
        assert verify(bucket.url, depth="full").ok
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20


# Patience


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_is_busy_twice_is_asked_again(bucket: Bucket, status: int) -> None:
    bucket.spoil = lambda request, reply: replace(reply, status=status) if request.times <= 2 else reply
    assert verify(bucket.url, depth="full").findings == ()


def test_connections_that_break_are_opened_again(bucket: Bucket) -> None:
    bucket.spoil = lambda request, reply: None if request.times <= 2 else reply
    assert verify(bucket.url, depth="full").findings == ()


def test_a_body_that_breaks_off_once_is_read_again(bucket: Bucket) -> None:
    bucket.spoil = lambda request, reply: replace(reply, sent=len(reply.body) // 2) if request.times == 1 else reply
    assert verify(bucket.url, depth="full").findings == ()


def test_what_the_server_asks_to_wait_is_waited(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Hasty(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            return self.is_set()

    def busy(request: Request, reply: Reply) -> Reply:
        if request.key == TABLE and request.method == "HEAD" and request.times <= 2:
            return Reply(503, {"Retry-After": "7" if request.times == 1 else "86400"})
        return reply

    bucket.spoil = busy
    monkeypatch.setattr("publisher.stranger.Event", Hasty)
    assert verify(bucket.url, depth="quick").findings == ()
    assert waits == [7, 60]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: Reply(503, {}),
        lambda _: None,
        lambda reply: replace(reply, sent=len(reply.body) // 2),
    ],
)
def test_an_object_that_fails_for_good_is_a_finding_and_the_rest_is_checked(
    bucket: Bucket, spoil: Callable[[Reply], Reply | None]
) -> None:
    bucket.put(SHARD, b"short")
    bucket.spoil = lambda request, reply: spoil(reply) if (request.key, request.method) == (TABLE, "GET") else reply
    found = verify(bucket.url, depth="full").findings
    assert {("unreadable", TABLE), ("size", SHARD)} <= {(each.check, each.key) for each in found}
    assert {each.key for each in found} == {TABLE, SHARD}


def endless(connection: Handler) -> None:
    with suppress(OSError):
        while True:
            connection.wfile.write(bytes(1 << 16))


@pytest.mark.parametrize("way", ["an endless body", "a body that stalls", "no answer"])
def test_an_interrupt_stops_what_is_waited_for(bucket: Bucket, way: str) -> None:
    begun, over = Event(), Event()

    def stall(_: Handler) -> None:
        over.wait()

    def spoil(request: Request, reply: Reply) -> Reply:
        if (request.key, request.method) != (TABLE, "GET"):
            return reply
        begun.set()
        if way == "no answer":
            over.wait()
        then = endless if way == "an endless body" else stall
        return replace(reply, headers=reply.headers | {"Content-Length": str(1 << 60)}, then=then)

    bucket.spoil = spoil
    code = "import sys; from publisher.verify import verify; verify(sys.argv[1], depth='full')"
    with subprocess.Popen([sys.executable, "-c", code, bucket.url], stderr=subprocess.PIPE) as process:
        try:
            assert begun.wait(60)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
            over.set()
    assert process.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in errors


# What a store must let strangers do


def test_missing_cors_is_one_finding(bucket: Bucket) -> None:
    bucket.origins = ()
    found = only(verify(bucket.url))
    assert (found.check, found.severity) == ("cors", "error")
    assert "no Access-Control-Allow-Origin for https://stranger.example (5 objects)" in found.message
    assert "preflight" in found.message
    assert "publisher access" in found.message


@pytest.mark.parametrize(
    ("header", "words"),
    [("Access-Control-Allow-Headers", "preflight"), ("Access-Control-Expose-Headers", "hide Content-Range")],
)
def test_a_cors_rule_that_lacks_a_part_is_found(bucket: Bucket, header: str, words: str) -> None:
    bucket.spoil = lambda _, reply: replace(reply, headers=reply.headers | {header: "x-other"})
    found = only(verify(bucket.url))
    assert found.check == "cors"
    assert words in found.message


def test_a_preflight_that_is_refused_is_found(bucket: Bucket) -> None:
    bucket.spoil = lambda request, reply: replace(reply, status=501) if request.method == "OPTIONS" else reply
    found = only(verify(bucket.url))
    assert found.check == "cors"
    assert "is refused (status 501)" in found.message


def test_only_the_allowed_origins_may_come(bucket: Bucket) -> None:
    release(bucket, Access(origins=("https://lab.example",)))
    bucket.origins = ("https://lab.example",)
    report = verify(bucket.url)
    assert report.findings == ()
    assert any(probe.startswith("HEAD from https://foreign.invalid") for probe in report.probes)

    bucket.origins = ("*",)
    assert "https://foreign.invalid may read" in only(verify(bucket.url)).message

    bucket.origins = ("https://other.example",)
    assert "for https://lab.example" in only(verify(bucket.url)).message


def test_origins_may_be_a_pattern(bucket: Bucket) -> None:
    release(bucket, Access(origins=("https://*.lab.example",)))
    bucket.origins = ("https://stranger.lab.example",)
    assert verify(bucket.url).findings == ()
    bucket.origins = ("https://a.lab.example",)
    assert verify(bucket.url, origin="https://a.lab.example").findings == ()
    assert not verify(bucket.url).ok


def test_a_release_for_no_pages_needs_no_cors(bucket: Bucket) -> None:
    release(bucket, Access(origins=()))
    bucket.origins = ()
    assert verify(bucket.url).findings == ()


def test_a_server_without_ranges_is_found(bucket: Bucket) -> None:
    bucket.spoil = lambda request, reply: (
        replace(bucket.plain(replace(request, headers={})), headers=reply.headers | {"Content-Range": "-"})
        if "range" in request.headers
        else reply
    )
    found = only(verify(bucket.url))
    assert (found.check, found.severity) == ("range", "error")
    assert "status 200" in found.message


@pytest.mark.parametrize(("spoilt_range", "other"), [("bytes=0-15", "bytes=-8"), ("bytes=-8", "bytes=0-15")])
@pytest.mark.parametrize("way", ["not understood", "one byte too many", "one byte beside"])
def test_a_range_of_other_bytes_is_found(bucket: Bucket, spoilt_range: str, other: str, way: str) -> None:
    def spoil(request: Request, reply: Reply) -> Reply:
        # The range that is spoilt is also asked for by the probe of exposed headers, which looks at nothing else.
        if request.headers.get("range") != spoilt_range:
            return reply
        if way == "not understood":
            return replace(reply, status=416, body=b"", headers=reply.headers | {"Content-Range": "-"})
        if way == "one byte too many":
            return replace(reply, body=reply.body + b"x")
        return replace(reply, headers=reply.headers | {"Content-Range": f"bytes 1-{len(reply.body)}/9999"})

    bucket.spoil = spoil
    found = only(verify(bucket.url))
    assert (found.check, found.severity) == ("range", "error")
    assert spoilt_range in found.message
    assert other not in found.message


def test_objects_smaller_than_the_ranges_are_fine(bucket: Bucket) -> None:
    release(bucket, None, **{"v0.9/aaa/tiny": (b"abc", None), "v0.9/bbb/empty": (b"", None)})
    report = verify(bucket.url)
    assert report.findings == ()
    assert "Range: bytes=-8: v0.9/aaa/tiny" in report.probes


@pytest.mark.parametrize(("status", "words"), [(403, "publisher access"), (200, "take it for data")])
def test_a_key_that_does_not_exist_must_be_404(bucket: Bucket, status: int, words: str) -> None:
    bucket.spoil = lambda _, reply: replace(reply, status=status) if reply.status == 404 else reply
    found = only(verify(f"{bucket.url}/releases.json"))
    assert (found.check, found.severity) == ("missing-key", "error")
    assert words in found.message


def test_gzip_without_its_label_for_simple_readers_is_found(bucket: Bucket) -> None:
    def spoil(request: Request, reply: Reply) -> Reply:
        simple = request.key == CHUNK and request.method == "GET" and "accept-encoding" not in request.headers
        return replace(reply, headers=reply.headers | {"Content-Encoding": "-"}) if simple else reply

    bucket.spoil = spoil
    found = only(verify(bucket.url))
    assert (found.check, found.key) == ("content-encoding", CHUNK)
    assert "sends no Accept-Encoding gets gzip bytes with no Content-Encoding" in found.message


def test_plain_bytes_for_simple_readers_are_fine(bucket: Bucket) -> None:
    def decompress(request: Request, reply: Reply) -> Reply:
        if request.key == CHUNK and request.method == "GET" and "accept-encoding" not in request.headers:
            return replace(reply, body=gzip.decompress(reply.body), headers=reply.headers | {"Content-Encoding": "-"})
        return reply

    bucket.spoil = decompress
    assert verify(bucket.url).findings == ()


@pytest.mark.parametrize("mode", ["private", "unmanaged"])
def test_access_that_is_not_public_is_not_checked_and_says_so(bucket: Bucket, mode: str) -> None:
    release(bucket, Access(mode=mode))
    bucket.origins = ()
    bucket.spoil = lambda request, reply: replace(reply, status=403) if request.key == TABLE else reply
    report = verify(bucket.url)
    assert report.ok
    assert [(each.check, each.severity) for each in report.findings] == [("access", "note"), ("anonymous", "note")]
    assert "anonymous access was not checked" in report.findings[1].message
    assert "a missing key" not in report.probes


# The record and what it names


def test_the_record_is_held_against_what_was_published(bucket: Bucket) -> None:
    published = release(bucket)
    assert verify(bucket.url, expect=replace(published, created="now", publisher="2")).findings == ()
    found = only(verify(bucket.url, expect=replace(published, date="2026-12-01", objects=9)))
    assert (found.check, found.key) == ("record", record_key("v0.9"))
    assert "date, objects" in found.message


def test_a_record_of_another_release_is_found(bucket: Bucket) -> None:
    commit(bucket, release="v0.8")
    assert "of release v0.8" in only(verify(bucket.url)).message


@pytest.mark.parametrize("name", ["objects", "size_bytes", "content_size_bytes"])
def test_totals_that_do_not_fit_the_inventory_are_found(bucket: Bucket, name: str) -> None:
    record = release(bucket)
    commit(bucket, **{name: getattr(record, name) + 1})
    assert "the record counts" in only(verify(bucket.url)).message


def test_rows_that_do_not_fit_the_inventory_are_found(bucket: Bucket) -> None:
    ref = release(bucket).inventory
    assert ref
    commit(bucket, inventory=replace(ref, rows=9))
    assert "in 9 rows" in only(verify(bucket.url)).message


def test_an_inventory_that_was_changed_is_not_believed(bucket: Bucket) -> None:
    body = bucket.objects[INVENTORY_KEY][0]
    for wrong in (body[:-1], body + b"x", bytes([body[0] ^ 1]) + body[1:]):
        bucket.put(INVENTORY_KEY, wrong)
        report = verify(bucket.url)
        assert (only(report).check, only(report).key, report.objects) == ("inventory", INVENTORY_KEY, 0)


def test_an_inventory_that_is_missing_or_not_named_is_found(bucket: Bucket) -> None:
    del bucket.objects[INVENTORY_KEY]
    assert "status 404" in only(verify(bucket.url)).message
    commit(bucket, inventory=None)
    assert "names no inventory" in only(verify(bucket.url)).message


def test_an_inventory_that_breaks_off_is_found(bucket: Bucket) -> None:
    bucket.spoil = lambda request, reply: replace(reply, sent=10) if request.key == INVENTORY_KEY else reply
    assert only(verify(bucket.url)).check == "unreadable"


def test_a_scene_that_is_not_json_is_found(bucket: Bucket) -> None:
    bucket.put(SCENE, b"{nope", "application/json")
    commit(bucket)
    found = only(verify(bucket.url))
    assert (found.check, found.key) == ("scene", SCENE)


def test_a_scene_outside_of_the_inventory_is_found(bucket: Bucket) -> None:
    commit(bucket, scenes=(SceneRef("other", "Other", "v0.9/other.json"),))
    assert "does not have the scene other" in only(verify(bucket.url)).message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "v0.8"}, "does not list v0.9"),
        ({"record": "v0.9/release.json"}, "the record of v0.9 is v0.9/release.json"),
        ({"status": "draft"}, "draft"),
        ({"date": "2020-01-01"}, "2020-01-01"),
    ],
)
def test_a_list_that_says_otherwise_is_found(bucket: Bucket, change: dict[str, str], words: str) -> None:
    listed = json.loads(bucket.objects["releases.json"][0])
    listed["releases"][0] |= change
    bucket.put("releases.json", json.dumps(listed).encode(), cache="no-cache")
    found = only(verify(bucket.url))
    assert (found.check, found.severity) == ("listing", "error")
    assert words in found.message


def test_a_latest_release_that_is_not_listed_is_found(bucket: Bucket) -> None:
    listed = json.loads(bucket.objects["releases.json"][0]) | {"latest": "v1.0"}
    bucket.put("releases.json", json.dumps(listed).encode(), cache="no-cache")
    assert "its latest release, v1.0" in only(verify(f"{bucket.url}/v0.9")).message


def test_a_list_that_is_missing_or_cached_is_found(bucket: Bucket) -> None:
    bucket.put("releases.json", bucket.objects["releases.json"][0])
    report = verify(bucket.url)
    assert (only(report).check, only(report).severity, report.ok) == ("listing", "warning", True)
    bucket.put("releases.json", b"{}", cache="no-cache")
    assert "not a list" in only(verify(f"{bucket.url}/v0.9")).message
    del bucket.objects["releases.json"]
    assert "status 404" in only(verify(f"{bucket.url}/v0.9")).message


# Many objects


def entries(artifact: str, number: int, size_bytes: int) -> Iterator[Entry]:
    headers = Headers(BINARY, None, FINAL)
    for index in range(number):
        yield Entry(f"{artifact}/{index:06}", artifact, size_bytes, "", size_bytes, "", headers)


def sampled(depth: str, *parts: tuple[str, int, int], seed: bytes = b"seed") -> tuple[list[Entry], list[Finding]]:
    rows = [entry for part in parts for entry in entries(*part)]
    wanted, notes = choose(depth, survey(rows, seed))  # type: ignore[arg-type]
    return [entry for entry in rows if wanted(entry.key)], notes


def test_a_sample_covers_every_artifact_and_both_of_its_ends() -> None:
    chosen, notes = sampled("sample", ("a", 5000, 10), ("b", 3, 10), ("c", 20_000, 10))
    keys = {entry.key for entry in chosen}
    assert {"a/000000", "a/004999", "b/000000", "b/000001", "b/000002", "c/000000", "c/019999"} <= keys
    assert SAMPLE_OBJECTS - 2 <= len(keys) <= SAMPLE_OBJECTS
    assert not notes


def test_a_sample_is_random_and_reproducible() -> None:
    first, _ = sampled("sample", ("a", 5000, 10))
    again, _ = sampled("sample", ("a", 5000, 10))
    other, _ = sampled("sample", ("a", 5000, 10), seed=b"other")
    assert first == again
    assert first != other
    assert sum(entry.key < "a/002500" for entry in first) in range(400, 600)


def test_a_sample_keeps_within_its_bytes() -> None:
    large = 100 << 20
    chosen, notes = sampled("sample", ("a", 5000, 10), ("b", 50, large), ("c", 1, SAMPLE_BYTES // 2))
    assert {entry.artifact for entry in chosen} == {"a", "b", "c"}
    assert sum(entry.size_bytes for entry in chosen) <= SAMPLE_BYTES + large
    assert not notes


def test_what_is_too_large_for_a_sample_is_said() -> None:
    chosen, notes = sampled("sample", ("a", 10, 10), ("dump", 1, SAMPLE_BYTES + 1))
    assert {entry.artifact for entry in chosen} == {"a"}
    assert [(note.artifact, note.severity) for note in notes] == [("dump", "note")]
    assert len(sampled("full", ("a", 10, 10), ("dump", 1, SAMPLE_BYTES + 1))[0]) == 11
    assert sampled("quick", ("a", 10, 10), ("dump", 1, SAMPLE_BYTES + 1)) == ([], [])


def test_a_large_release_is_sampled_and_its_findings_are_bounded(bucket: Bucket) -> None:
    release(bucket, None, **{f"v0.9/many/{index}": (str(index).encode(), None) for index in range(2_100)})
    report = verify(bucket.url)
    assert report.findings == ()
    assert report.objects == 2_105
    assert report.digests in range(900, 1_001)

    for index in range(2_100):
        del bucket.objects[f"v0.9/many/{index}"]
    report = verify(bucket.url, depth="quick")
    assert len(report.findings) <= 1_000
    listed, rest = report.findings[:-1], report.findings[-1]
    assert {each.check for each in listed} == {"missing"}
    assert f"{2_100 - len(listed):,} more findings" in rest.message
    assert rest.severity == "error"
