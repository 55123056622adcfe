"""What a local target answers over HTTP: each promise of a bucket, and each way in which a folder is not one."""

from __future__ import annotations

import gzip
import os
import re
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import Literal

import pytest
import urllib3

from publisher import headers, inventory, record, serve, viewer
from publisher.errors import InvalidInput, LocalTrouble
from publisher.objects import Entry, Headers

IMMUTABLE = headers.IMMUTABLE
ORIGIN = "https://viewer.example.org"
CHUNK = b"voxels " * 1000
FEATHER = bytes(range(256)) * 40
TABLE = b"body,type\n1,DA1\n"


@dataclass(frozen=True)
class Object:
    """An object to put into a target by hand: independent of the code that publishes."""

    data: bytes
    content_type: str = "application/octet-stream"
    encoding: Literal["gzip"] | None = None
    cache_control: str = IMMUTABLE


def write(root: Path, key: str, data: bytes) -> None:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def publish(
    root: Path,
    objects: Mapping[str, Object],
    *,
    version: str = "v0.9",
    date: str = "2026-11-21",
    access: record.Access | None = None,
    before: Mapping[str, record.ReleaseRef] | None = None,
) -> dict[str, record.ReleaseRef]:
    """Put objects, their inventory, their record and releases.json on the disk; return what releases.json says."""
    entries = []
    for key, item in sorted(objects.items()):
        stored = gzip.compress(item.data, mtime=0) if item.encoding else item.data
        write(root, f"{key}.gz" if item.encoding else key, stored)
        kept = Headers(item.content_type, item.encoding, item.cache_control)
        digests = sha256(stored).hexdigest(), len(item.data), sha256(item.data).hexdigest()
        entries.append(Entry(key, "artifact", len(stored), *digests, kept))
    place = root / record.folder(version) / "inventory-1.parquet"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as sink:
        rows = inventory.write(entries, sink)
    ref = record.InventoryRef(f"{record.folder(version)}/inventory-1.parquet", "", place.stat().st_size, rows)
    told = record.Record(
        release=version,
        status="final",
        date=date,
        dataset={"name": "tiny", "title": "Tiny"},
        public_url="",
        access=access or record.Access(),
        artifacts=(),
        scenes=(),
        programmatic={},
        inventory=ref,
    )
    write(root, record.record_key(version), record.dump(told))
    line = record.ReleaseRef(version, "final", date, "Tiny", record.record_key(version))
    refs = {**(before or {}), version: line}
    fresh = root / "releases.json.new"
    fresh.write_bytes(record.dump_releases(refs, version))
    fresh.replace(root / record.RELEASES_KEY)
    return refs


OBJECTS = {
    "v0.9/seg/info": Object(b'{"type": "segmentation"}', "application/json"),
    "v0.9/seg/8/0-64_0-64_0-64": Object(CHUNK, encoding="gzip"),
    "v0.9/tables/body.feather": Object(FEATHER, "application/vnd.apache.arrow.file"),
    "v0.9/tables/edges.csv.gz": Object(gzip.compress(TABLE, mtime=0), "application/gzip"),
    "v0.9/tables/plain.csv": Object(TABLE, "text/csv; charset=utf-8", encoding="gzip"),
    "v0.9/a b+ü%41:0": Object(b"odd name", "text/plain; charset=utf-8"),
    "v0.9/empty": Object(b""),
    "shared/mesh": Object(b"shared", "model/obj"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    publish(target, OBJECTS)
    return target


@pytest.fixture
def base(root: Path) -> Iterator[str]:
    with serve.running(root) as url:
        yield url


def ask(url: str, method: str = "GET", **fields: str) -> urllib3.BaseHTTPResponse:
    """One request whose bytes come back as they were sent. `Range=…` and the like become header fields."""
    sent = {name.replace("_", "-"): value for name, value in fields.items()}
    return urllib3.request(method, url, headers=sent, redirect=False, decode_content=False, retries=False)


def raw(base: str, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request exactly as it is written; return status, headers in lower case, and body."""
    host, port = base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(request)
        answer = HTTPResponse(line, method=request.split(b" ")[0].decode("latin-1"))
        answer.begin()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def path_as_is(base: str, target: str | bytes) -> tuple[int, dict[str, str], bytes]:
    target = target.encode() if isinstance(target, str) else target
    return raw(base, b"GET " + target + b" HTTP/1.1\r\nHost: target\r\nConnection: close\r\n\r\n")


def cors(answer: urllib3.BaseHTTPResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}


# What is sent


def test_an_object_has_the_headers_of_its_inventory(base: str) -> None:
    answer = ask(f"{base}/v0.9/tables/body.feather")
    assert (answer.status, answer.data) == (200, FEATHER)
    assert answer.headers["Content-Type"] == "application/vnd.apache.arrow.file"
    assert answer.headers["Cache-Control"] == IMMUTABLE
    assert answer.headers["Content-Length"] == str(len(FEATHER))
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Last-Modified"].endswith("GMT")
    assert re.fullmatch(r'"[^"]+"', answer.headers["ETag"])
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("accepted", ["identity", "gzip", "br"])
def test_a_gzip_file_is_sent_labelled_whatever_is_accepted(base: str, accepted: str) -> None:
    answer = ask(f"{base}/v0.9/seg/8/0-64_0-64_0-64", Accept_Encoding=accepted)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert gzip.decompress(answer.data) == CHUNK


@pytest.mark.parametrize("key", ["v0.9/seg/8/0-64_0-64_0-64.gz", "v0.9/tables/plain.csv.gz"])
def test_the_file_of_a_gzip_object_has_no_key_of_its_own(base: str, key: str) -> None:
    assert ask(f"{base}/{key}").status == 404


def test_an_object_whose_name_ends_in_gz_is_itself_and_nothing_else(base: str) -> None:
    answer = ask(f"{base}/v0.9/tables/edges.csv.gz")
    assert answer.headers["Content-Type"] == "application/gzip"
    assert "Content-Encoding" not in answer.headers
    assert gzip.decompress(answer.data) == TABLE
    assert ask(f"{base}/v0.9/tables/edges.csv").status == 404


def test_an_object_named_gz_beside_a_plain_one(root: Path) -> None:
    publish(root, {"v0.9/a": Object(b"plain"), "v0.9/a.gz": Object(b"zipped", "application/gzip")})
    with serve.running(root) as base:
        plain, zipped = ask(f"{base}/v0.9/a"), ask(f"{base}/v0.9/a.gz")
    assert (plain.data, zipped.data) == (b"plain", b"zipped")
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in zipped.headers


def test_files_of_no_release_go_by_their_names(root: Path, base: str) -> None:
    write(root, "other/notes.tar.gz", b"archive")
    write(root, "other/0-64_0-64_0-64.gz", gzip.compress(CHUNK, mtime=0))
    archive = ask(f"{base}/other/notes.tar.gz")
    assert (archive.data, archive.headers["Content-Type"]) == (b"archive", "application/gzip")
    assert ask(f"{base}/other/notes.tar").status == 404
    chunk = ask(f"{base}/other/0-64_0-64_0-64")
    assert (gzip.decompress(chunk.data), chunk.headers["Content-Encoding"]) == (CHUNK, "gzip")
    assert ask(f"{base}/other/0-64_0-64_0-64.gz").status == 404


def test_the_disk_says_what_is_gzip_not_the_inventory(root: Path, base: str) -> None:
    (root / "v0.9/seg/8/0-64_0-64_0-64.gz").unlink()
    write(root, "v0.9/seg/8/0-64_0-64_0-64", CHUNK)
    lost = ask(f"{base}/v0.9/seg/8/0-64_0-64_0-64")
    assert (lost.data, lost.headers.get("Content-Encoding")) == (CHUNK, None)
    write(root, "v0.9/seg/info.gz", b"not gzip")
    wrong = ask(f"{base}/v0.9/seg/info")
    assert (wrong.data, wrong.headers["Content-Encoding"]) == (b"not gzip", "gzip")


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("site/x/a.html", "text/html; charset=utf-8"),
        ("site/x/a.js", "text/javascript"),
        ("site/x/a.wasm", "application/wasm"),
        ("site/x/a.css", "text/css"),
        ("site/x/a.json", "application/json"),
        ("site/x/a.svg", "image/svg+xml"),
        ("site/x/a.png", "image/png"),
        ("site/x/a.woff2", "font/woff2"),
        ("site/x/a.xml", "application/xml"),
        ("site/x/a.txt", "text/plain"),
        ("other/a.parquet", "application/vnd.apache.parquet"),
        ("other/info", "application/octet-stream"),
        ("other/0", "application/octet-stream"),
    ],
)
def test_types_of_files_that_no_inventory_has(root: Path, base: str, name: str, content_type: str) -> None:
    write(root, name, b"x")
    answer = ask(f"{base}/{name}")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(content_type)
    assert answer.headers["Cache-Control"] == "no-cache"


def test_the_records_are_json_and_never_cached(base: str) -> None:
    for key in ("releases.json", "v0.9/.release/release.json"):
        answer = ask(f"{base}/{key}")
        assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("application/json", "no-cache")


def test_keys_are_decoded_once_and_plus_is_plus(root: Path, base: str) -> None:
    assert ask(f"{base}/v0.9/a%20b+%C3%BC%2541:0?query=ignored").data == b"odd name"
    assert path_as_is(base, "/v0.9/a%20b%2B%c3%bc%2541%3A0")[2] == b"odd name"
    assert path_as_is(base, "/v0.9/a%20b+ü%2541:0")[2] == b"odd name"
    assert path_as_is(base, f"{base}/v0.9/seg/info")[0] == 200
    assert ask(f"{base}/v0.9/a%20b%20%C3%BC%2541:0").status == 404
    write(root, "v0.9/%41", b"percent")
    assert ask(f"{base}/v0.9/%2541").data == b"percent"
    assert path_as_is(base, "/v0.9/%41")[0] == 404


@pytest.mark.parametrize(
    "target",
    [
        "/../secret",
        "/v0.9/../../secret",
        "/v0.9/../v0.9/seg/info",
        "/v0.9/./seg/info",
        "/%2e%2e/secret",
        "/v0.9/%2e%2e/%2e%2e/secret",
        "/v0.9%2f..%2f..%2fsecret",
        "/..%5csecret",
        "/v0.9\\seg\\info",
        "//v0.9/seg/info",
        "/v0.9//seg/info",
        "/%2Fv0.9/seg/info",
        "/v0.9/seg/info/",
        "/v0.9/seg/info/more",
        "/v0.9/seg/info%00",
        "/v0.9/seg/info%00.txt",
        "/v0.9/seg/info%0a",
        "/v0.9/seg/info%0d%0aX-Injected:%20yes",
        "/v0.9/seg/info%7f",
        "/v0.9/seg/%ff%fe",
        b"/v0.9/seg/\xff\xfe",
        "/v0.9/seg/info%c0%ae",
        "/.publisher-tmp/part",
        "/out/secret",
        "/leak",
        "/loop",
        "/v0.9",
        "/v0.9/",
        "/v0.9/seg",
        "/" + "x" * 5000,
        "/v0.9/missing",
    ],
)
def test_what_is_no_object_is_a_small_404(root: Path, base: str, target: str | bytes) -> None:
    (root.parent / "secret").write_bytes(b"secret")
    (root / "leak").symlink_to(root.parent / "secret")
    (root / "out").symlink_to(root.parent)
    (root / "loop").symlink_to(root / "loop")
    write(root, ".publisher-tmp/part", b"half")
    status, fields, body = path_as_is(base, target)
    assert status == 404
    assert fields["content-type"] == "text/plain; charset=utf-8"
    assert len(body) < 6000
    assert body != b"secret"
    assert "x-injected" not in fields
    assert "Traceback" not in body.decode()


def test_symbolic_links_inside_the_target_are_followed(root: Path, base: str) -> None:
    (root / "v0.9/alias").symlink_to(root / "v0.9/seg/info")
    assert ask(f"{base}/v0.9/alias").data == OBJECTS["v0.9/seg/info"].data


def test_a_root_that_is_a_link_itself(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    with serve.running(root.parent / "link") as base:
        assert ask(f"{base}/v0.9/seg/info").status == 200


def test_a_fifo_is_no_object(root: Path, base: str) -> None:
    os.mkfifo(root / "v0.9/pipe")
    assert ask(f"{base}/v0.9/pipe").status == 404


# Parts, and what the client has already


@pytest.mark.parametrize(
    ("asked", "first", "stop"),
    [
        ("bytes=0-15", 0, 16),
        ("bytes=100-", 100, None),
        ("bytes=-16", -16, None),
        ("bytes=0-", 0, None),
        ("bytes=0-99999999", 0, None),
        ("bytes=-99999999", 0, None),
        ("bytes=10239-10239", 10239, 10240),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_part(base: str, asked: str, first: int, stop: int | None, method: str) -> None:
    answer = ask(f"{base}/v0.9/tables/body.feather", method, Range=asked)
    part = FEATHER[first:stop]
    start = len(FEATHER) + first if first < 0 else first
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{len(FEATHER)}"
    assert answer.headers["Content-Length"] == str(len(part))
    assert answer.data == (part if method == "GET" else b"")


def test_a_part_of_a_gzip_object_is_of_the_stored_bytes(root: Path, base: str) -> None:
    stored = (root / "v0.9/seg/8/0-64_0-64_0-64.gz").read_bytes()
    answer = ask(f"{base}/v0.9/seg/8/0-64_0-64_0-64", Range="bytes=-8")
    assert (answer.status, answer.data, answer.headers["Content-Encoding"]) == (206, stored[-8:], "gzip")


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_part_that_is_not_there(base: str, asked: str) -> None:
    answer = ask(f"{base}/v0.9/tables/body.feather", Range=asked, Origin=ORIGIN)
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */10240")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert ask(f"{base}/v0.9/empty", Range="bytes=0-").status == 416


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,4-5", "bytes=5-2", "bytes=-", "bytes=a-b", "bytes 0-1", "lines=0-1", "bytes=0-" + "9" * 5000]
)
def test_a_range_that_makes_no_sense_is_ignored(base: str, asked: str) -> None:
    answer = ask(f"{base}/v0.9/tables/body.feather", Range=asked)
    assert (answer.status, answer.data) == (200, FEATHER)
    assert "Content-Range" not in answer.headers


def test_if_range(base: str) -> None:
    url = f"{base}/v0.9/tables/body.feather"
    whole = ask(url)
    for kept in (whole.headers["ETag"], whole.headers["Last-Modified"]):
        assert ask(url, Range="bytes=0-1", If_Range=kept).status == 206
    for other in ('"other"', "W/" + whole.headers["ETag"], "Thu, 01 Jan 1970 00:00:00 GMT"):
        assert ask(url, Range="bytes=0-1", If_Range=other).status == 200


def test_what_the_client_has_is_not_sent_again(root: Path, base: str) -> None:
    url = f"{base}/v0.9/tables/body.feather"
    etag = ask(url).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = ask(url, If_None_Match=known, Origin=ORIGIN)
        assert (answer.status, answer.data, answer.headers["ETag"]) == (304, b"", etag)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cache-Control"] == IMMUTABLE
    assert ask(url, If_None_Match='"other"').status == 200
    assert ask(url, If_Match='"other"').status == 412
    assert ask(url, If_Match=etag).status == 200
    write(root, "fresh", FEATHER)
    (root / "fresh").replace(root / "v0.9/tables/body.feather")
    replaced = ask(url, If_None_Match=etag)
    assert replaced.status == 200
    assert replaced.headers["ETag"] != etag


@pytest.mark.parametrize("key", ["v0.9/tables/body.feather", "v0.9/seg/8/0-64_0-64_0-64", "v0.9/empty", "v0.9/missing"])
def test_head_is_get_without_the_body(base: str, key: str) -> None:
    got, head = ask(f"{base}/{key}", Origin=ORIGIN), ask(f"{base}/{key}", "HEAD", Origin=ORIGIN)
    assert head.data == b""
    assert head.status == got.status
    volatile = {"Date"}
    assert {k: v for k, v in head.headers.items() if k not in volatile} == {
        k: v for k, v in got.headers.items() if k not in volatile
    }


def test_an_empty_object(base: str) -> None:
    answer = ask(f"{base}/v0.9/empty")
    assert (answer.status, answer.data, answer.headers["Content-Length"]) == (200, b"", "0")


def test_a_large_file_arrives_whole(root: Path, base: str) -> None:
    data = os.urandom(1 << 20) * 24
    write(root, "other/large", data)
    assert sha256(ask(f"{base}/other/large").data).digest() == sha256(data).digest()
    assert ask(f"{base}/other/large", Range="bytes=20000000-20000009").data == data[20_000_000:20_000_010]


# Other origins


def test_cors_for_every_origin(base: str) -> None:
    expected = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "ETag, Content-Range, Content-Encoding, Content-Length, Accept-Ranges, Content-Type",
    }
    for key in ("v0.9/seg/info", "v0.9/missing", "shared/mesh", "releases.json", "%2e%2e"):
        answer = ask(f"{base}/{key}", Origin=ORIGIN)
        assert cors(answer) == expected
        assert "Vary" not in answer.headers
    assert cors(ask(f"{base}/v0.9/seg/info")) == {}


def test_a_target_without_releases_is_public(tmp_path: Path) -> None:
    write(tmp_path, "chunk", b"x")
    with serve.running(tmp_path) as base:
        assert cors(ask(f"{base}/chunk", Origin=ORIGIN))["Access-Control-Allow-Origin"] == "*"


RULES = ("https://one.example.com", "https://*.example.org")


@pytest.mark.parametrize(
    ("origin", "fits"),
    [
        ("https://one.example.com", True),
        ("https://viewer.example.org", True),
        ("https://a.b.example.org", True),
        ("https://example.org", False),
        ("https://.example.org.evil.com", False),
        ("http://viewer.example.org", False),
        ("https://two.example.com", False),
        ("https://one.example.com.evil.com", False),
        ("null", False),
    ],
)
def test_cors_for_some_origins(root: Path, origin: str, fits: bool) -> None:  # noqa: FBT001 - a case of the table
    publish(root, OBJECTS, access=record.Access("public", RULES))
    with serve.running(root) as base:
        for key in ("v0.9/seg/info", "v0.9/missing", "releases.json"):
            answer = ask(f"{base}/{key}", Origin=origin)
            assert cors(answer).get("Access-Control-Allow-Origin") == (origin if fits else None)
            assert bool(cors(answer)) == fits
            assert answer.headers["Vary"] == "Origin"
        preflight = ask(f"{base}/v0.9/seg/info", "OPTIONS", Origin=origin, Access_Control_Request_Method="GET")
        assert preflight.status == (200 if fits else 403)
        assert cors(preflight).get("Access-Control-Allow-Origin") == (origin if fits else None)


def test_without_cors_no_origin_is_answered(root: Path) -> None:
    with serve.running(root, cors=False) as base:
        for key in ("v0.9/seg/info", "v0.9/missing"):
            assert cors(ask(f"{base}/{key}", Origin=ORIGIN)) == {}
        preflight = ask(f"{base}/v0.9/seg/info", "OPTIONS", Origin=ORIGIN, Access_Control_Request_Method="GET")
        assert (preflight.status, cors(preflight)) == (403, {})


def test_each_release_has_its_own_origins(root: Path) -> None:
    refs = publish(root, OBJECTS, access=record.Access("public", ("https://old.example.org",)))
    new = record.Access("public", ("https://new.example.org",))
    publish(root, {"v1.0/x": Object(b"x")}, version="v1.0", date="2027-01-01", access=new, before=refs)
    with serve.running(root) as base:
        for key, speaker in [("v0.9/seg/info", "old"), ("shared/mesh", "old"), ("v1.0/x", "new"), ("other", "new")]:
            for name in ("old", "new"):
                answer = ask(f"{base}/{key}", Origin=f"https://{name}.example.org")
                assert bool(cors(answer)) == (name == speaker), (key, name)


def test_preflight(base: str) -> None:
    url = f"{base}/v0.9/tables/body.feather"
    asked = {"Origin": ORIGIN, "Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "range, x-a"}
    answer = ask(url, "OPTIONS", **asked)
    assert (answer.status, answer.data) == (200, b"")
    assert cors(answer) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "GET, HEAD",
        "Access-Control-Allow-Headers": "range, x-a",
        "Access-Control-Max-Age": "3600",
    }
    put = ask(url, "OPTIONS", Origin=ORIGIN, Access_Control_Request_Method="PUT")
    assert (put.status, cors(put)) == (403, {})
    assert ask(url, "OPTIONS").status == 400
    assert ask(url, "OPTIONS", Origin=ORIGIN).status == 400


def test_a_folded_header_is_not_sent_back(base: str) -> None:
    request = (
        b"OPTIONS /v0.9/seg/info HTTP/1.1\r\nHost: t\r\nOrigin: https://a\r\nAccess-Control-Request-Method: GET\r\n"
        b"Access-Control-Request-Headers: range\r\n X-Injected: yes\r\nConnection: close\r\n\r\n"
    )
    status, fields, _ = raw(base, request)
    assert status == 200
    assert "access-control-allow-headers" not in fields
    assert "x-injected" not in fields


# Who may read


def test_a_private_release_is_closed_and_its_pages_are_open(root: Path) -> None:
    write(root, "site/v0.9/index.html", b"<p>page")
    publish(root, OBJECTS, access=record.Access("private", ("*",)))
    write(root, "v0.9/unlisted", b"x")
    closed = ["v0.9/seg/info", "v0.9/seg/8/0-64_0-64_0-64", "shared/mesh", "v0.9/unlisted", "v0.9/missing"]
    closed += ["v0.9/.release/release.json", "v0.9/.release/inventory-1.parquet"]
    with serve.running(root) as base:
        assert {key: ask(f"{base}/{key}").status for key in closed} == dict.fromkeys(closed, 403)
        assert b"segmentation" not in ask(f"{base}/v0.9/seg/info").data
        assert ask(f"{base}/site/v0.9/").data == b"<p>page"
        assert ask(f"{base}/releases.json").status == 200
        assert ask(f"{base}/{viewer.prefix()}/index.html").status == 200


def test_a_private_release_beside_a_public_one(root: Path) -> None:
    refs = publish(root, OBJECTS)
    shut = {"v1.0/x": Object(b"x")}
    publish(root, shut, version="v1.0", date="2027-01-01", access=record.Access("private"), before=refs)
    with serve.running(root) as base:
        assert ask(f"{base}/v0.9/seg/info").status == 200
        assert ask(f"{base}/v1.0/x").status == 403


def test_unmanaged_is_read_as_public(root: Path) -> None:
    publish(root, OBJECTS, access=record.Access("unmanaged"))
    with serve.running(root) as base:
        assert ask(f"{base}/v0.9/seg/info").status == 200


def test_a_change_of_the_record_holds_at_once(root: Path, base: str) -> None:
    url = f"{base}/v0.9/seg/info"
    assert ask(url).status == 200
    publish(root, OBJECTS, access=record.Access("private"))
    assert ask(url).status == 403
    changed = {"v0.9/seg/info": Object(b"{}", "application/problem+json", cache_control="no-cache")}
    publish(root, changed)
    answer = ask(url)
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("application/problem+json", "no-cache")
    refs = publish(root, OBJECTS)
    publish(root, {"v1.0/x": Object(b"x", "text/x-new")}, version="v1.0", date="2027-01-01", before=refs)
    assert ask(f"{base}/v1.0/x").headers["Content-Type"] == "text/x-new"


def test_the_newest_release_that_has_a_key_says_its_headers(root: Path) -> None:
    refs = publish(root, OBJECTS)
    publish(root, {"shared/mesh": Object(b"newer", "text/x-new")}, version="v1.0", date="2027-01-01", before=refs)
    with serve.running(root) as base:
        assert ask(f"{base}/shared/mesh").headers["Content-Type"] == "text/x-new"


@pytest.mark.parametrize("key", ["releases.json", "v0.9/.release/release.json", "v0.9/.release/inventory-1.parquet"])
def test_a_damaged_record_is_served_as_it_is(root: Path, key: str) -> None:
    (root / key).write_bytes(b"damaged")
    lines: list[str] = []
    with serve.running(root, log=lines.append) as base:
        assert ask(f"{base}/{key}").data == b"damaged"
        assert ask(f"{base}/v0.9/seg/info").data == OBJECTS["v0.9/seg/info"].data
    assert any("readable" in line or "cannot be read" in line for line in lines)


def test_releases_json_that_breaks_while_serving_opens_nothing(root: Path) -> None:
    publish(root, OBJECTS, access=record.Access("private"))
    with serve.running(root) as base:
        assert ask(f"{base}/v0.9/seg/info").status == 403
        (root / "releases.json").write_bytes(b"{")
        assert ask(f"{base}/v0.9/seg/info").status == 403


# Methods, folders, pages


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "BREW"])
def test_objects_can_only_be_read(root: Path, base: str, method: str) -> None:
    before = sorted(root.rglob("*"))
    answer = urllib3.request(method, f"{base}/v0.9/seg/info", body=b"x" * 10_000, retries=False)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert sorted(root.rglob("*")) == before


def test_pages_have_an_index_and_folders_redirect(root: Path, base: str) -> None:
    assert ask(f"{base}/").status == 404
    write(root, "site/v0.9/index.html", b"home")
    write(root, "site/v0.9/tables/index.html", b"tables")
    write(root, "v0.9/index.html", b"data")
    for path, home in [("site/v0.9/", b"home"), ("site/v0.9/tables/", b"tables"), ("v0.9/index.html", b"data")]:
        answer = ask(f"{base}/{path}")
        assert (answer.status, answer.data) == (200, home)
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    moved = ask(f"{base}/site/v0.9?a=b")
    assert (moved.status, moved.headers["Location"]) == (301, "/site/v0.9/?a=b")
    found = ask(f"{base}/")
    assert (found.status, found.headers["Location"]) == (302, "/site/v0.9/")
    for path in ("v0.9/", "v0.9", "site/", "site"):
        assert ask(f"{base}/{path}").status == 404


def test_a_listing_only_when_asked_for(root: Path) -> None:
    write(root, "other/<b>&.txt", b"x")
    write(root, "other/chunk.gz", gzip.compress(b"x", mtime=0))
    write(root, "other/1:0", b"manifest")
    write(root, ".publisher-tmp/part", b"x")
    with serve.running(root, listing=True) as base:
        page = ask(f"{base}/other/").data.decode()
        assert '<a href="./%3Cb%3E%26.txt">&lt;b&gt;&amp;.txt</a>' in page
        assert '<a href="./chunk">chunk</a>' in page
        assert '<a href="./1%3A0">1:0</a>' in page
        assert ask(f"{base}/other").headers["Location"] == "/other/"
        top = ask(f"{base}/").data.decode()
        assert "v0.9/" in top
        assert ".publisher-tmp" not in top
        assert "edges.csv.gz" in ask(f"{base}/v0.9/tables/").data.decode()
        assert ask(f"{base}/missing/").status == 404


def test_the_viewer_comes_from_the_wheel_unless_it_lies_on_the_disk(root: Path, base: str) -> None:
    for name in viewer.names():
        answer = ask(f"{base}/{viewer.prefix()}/{name}", Origin=ORIGIN)
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) == len(answer.data)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    home = f"{base}/{viewer.prefix()}"
    assert ask(home).headers["Location"] == f"/{viewer.prefix()}/"
    index = ask(f"{home}/")
    assert b"EventSource" in index.data
    assert ask(f"{home}/", If_None_Match=index.headers["ETag"]).status == 304
    assert ask(f"{home}/", Range="bytes=0-14").data == b"<!doctype html>"
    assert ask(f"{home}/missing.js").status == 404
    assert ask(f"{base}/viewer/v/0.0.0/index.html").status == 404
    write(root, f"{viewer.prefix()}/index.html", b"ours")
    assert ask(f"{home}/").data == b"ours"


# Connections


def test_a_connection_is_kept_alive(base: str) -> None:
    host, port = base.removeprefix("http://").split(":")
    line = HTTPConnection(host, int(port))
    line.connect()
    first = line.sock
    for method, path, status in [
        ("GET", "/v0.9/seg/info", 200),
        ("HEAD", "/v0.9/tables/body.feather", 200),
        ("GET", "/v0.9/missing", 404),
        ("POST", "/v0.9/seg/info", 405),
        ("OPTIONS", "/v0.9/seg/info", 400),
        ("GET", "/v0.9/tables/body.feather", 200),
    ]:
        line.request(method, path, body=b"body" if method == "POST" else None)
        answer = line.getresponse()
        answer.read()
        assert (answer.status, line.sock) == (status, first)
    line.close()


def test_pipelined_requests_are_answered_in_order(base: str) -> None:
    host, port = base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        asked = b"GET /v0.9/tables/body.feather HTTP/1.1\r\nHost: t\r\n"
        line.sendall(asked + b"\r\n" + asked + b"Range: bytes=0-3\r\nConnection: close\r\n\r\n")
        stream = line.makefile("rb").read()
    assert [int(code) for code in re.findall(rb"HTTP/1.1 (\d+)", stream)] == [200, 206]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET\r\n\r\n", 400),
        (b"GET /v0.9/seg/info HTTP/7.0\r\n\r\n", 505),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET v0.9/seg/info HTTP/1.1\r\nHost: t\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 405),
        (b"GET /v0.9/seg/info HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 200),
    ],
)
def test_odd_requests_get_a_plain_answer(base: str, request_bytes: bytes, status: int) -> None:
    code, fields, body = raw(base, request_bytes)
    assert code == status
    assert b"<" not in body
    assert fields.get("connection") == "close" or status == 404


def test_32_clients_at_once(base: str) -> None:
    pool = urllib3.PoolManager(maxsize=32, block=True)

    def one(turn: int) -> bool:
        key = ["v0.9/tables/body.feather", "v0.9/seg/8/0-64_0-64_0-64", "v0.9/missing"][turn % 3]
        answer = pool.request(
            "GET", f"{base}/{key}", headers={"Range": f"bytes={turn}-{turn + 2}"}, decode_content=False
        )
        return (answer.status, len(answer.data)) == (206, 3) if turn % 3 != 2 else answer.status == 404

    with ThreadPoolExecutor(32) as threads:
        assert all(threads.map(one, (turn % 20 for turn in range(960))))


def test_clients_that_go_away_leave_no_trace(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(root, "other/large", bytes(1 << 25))
    lines: list[str] = []
    with serve.running(root, log=lines.append) as base:
        host, port = base.removeprefix("http://").split(":")
        for _ in range(8):
            line = socket.create_connection((host, int(port)), timeout=20)
            line.sendall(b"GET /other/large HTTP/1.1\r\nHost: t\r\n\r\n")
            line.recv(100)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not a farewell
            line.close()
        assert ask(f"{base}/v0.9/seg/info").status == 200
    assert capfd.readouterr() == ("", "")
    assert not [entry for entry in lines if "Error" in entry]


def test_the_log_gets_request_lines_and_no_control_characters(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    with serve.running(root, log=lines.append) as base:
        path_as_is(base, b"/v0.9/\x1b[31mred")
        ask(f"{base}/v0.9/seg/info")
    assert any("GET /v0.9/seg/info" in line and "200" in line for line in lines)
    assert all(line.isprintable() for line in lines)
    assert capfd.readouterr() == ("", "")


def test_stopping_ends_open_connections_and_frees_the_port(root: Path) -> None:
    with serve.running(root) as base:
        host, port = base.removeprefix("http://").split(":")
        line = HTTPConnection(host, int(port), timeout=20)
        line.request("GET", "/v0.9/seg/info")
        line.getresponse().read()
    assert line.sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))
    with serve.running(root, port=int(port)) as again:
        assert again == base


def test_a_port_that_is_taken_is_said_in_a_sentence(root: Path) -> None:
    with serve.running(root) as base:
        port = int(base.rpartition(":")[2])
        with pytest.raises(LocalTrouble, match=f"127.0.0.1:{port}: cannot listen here .* --port"):
            serve.server(serve.Settings(root, port=port))
    with pytest.raises(LocalTrouble, match="--port"):
        serve.server(serve.Settings(root, port=99999))


def test_a_folder_that_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such folder"):
        serve.server(serve.Settings(tmp_path / "missing"))


def test_a_server_is_bound_before_it_runs(root: Path) -> None:
    bound = serve.server(serve.Settings(root, port=0))
    thread = Thread(target=bound.serve_forever, args=(0.02,))
    thread.start()
    assert ask(f"{bound.base_url}/v0.9/seg/info").status == 200
    bound.shutdown()
    bound.server_close()
    thread.join()


def test_a_target_that_is_not_there_yet_and_grows(tmp_path: Path) -> None:
    with serve.running(tmp_path) as base:
        assert ask(f"{base}/v0.9/seg/info").status == 404
        publish(tmp_path, OBJECTS)
        assert ask(f"{base}/v0.9/seg/info").headers["Content-Type"] == "application/json"


def test_requests_reads_what_was_published(base: str) -> None:
    import requests

    assert requests.get(f"{base}/v0.9/seg/8/0-64_0-64_0-64", timeout=20).content == CHUNK


@pytest.mark.parametrize("name", ["edges.csv.gz", "plain.csv"])
def test_pandas_reads_what_was_published(base: str, name: str) -> None:
    import pandas as pd

    assert pd.read_csv(f"{base}/v0.9/tables/{name}")["type"].tolist() == ["DA1"]


def test_tensorstore_reads_what_was_published(base: str) -> None:
    import tensorstore as ts

    store = ts.KvStore.open(f"{base}/v0.9/").result()
    assert store["tables/body.feather"] == FEATHER
    assert store["seg/8/0-64_0-64_0-64"] == CHUNK
    with pytest.raises(KeyError):
        _ = store["missing"]
