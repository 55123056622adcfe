"""What the wire to S3 promises, on SeaweedFS, which checks signatures, checksums and conditions.

What it does not do, such as minding the clock, a proxy before it answers in its place, as Amazon does.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google_crc32c
import obstore
import pytest
import urllib3

from publisher.objects import UNTOLD, Headers
from publisher.targets.s3 import S3Wire, uploads
from publisher.targets.s3.connection import Connection
from publisher.targets.s3.listing import ascending
from publisher.targets.s3.settings import Sdk, Settings, of_environment
from publisher.targets.wire import ABSENT, Trouble, Why, Wire
from tests.servers.faults import (
    Answer,
    Fault,
    FaultProxy,
    Forward,
    Request,
    at,
    bad_digest,
    every,
    expired_token,
    first,
    flip_up,
    kill,
    on_key,
    only,
    reset,
    s3_error,
    slow_down,
    truncate,
)
from tests.servers.faults import status as answered
from tests.servers.fixtures import BUCKET
from tests.servers.process import HOST, free_port
from tests.servers.rclone import RcloneS3
from tests.servers.s3 import WRONG, S3Server, environment
from tests.servers.seaweed import Seaweed, publishing
from tests.servers.tls import TlsTerminator

TEXT = Headers("text/csv; charset=utf-8", None, "no-cache")
CHUNK = Headers("application/octet-stream", "gzip", "public, max-age=31536000, immutable")
LABELS = {"stored-sha256": "ff", "made-by": "publisher"}
DATA = gzip.compress(bytes(range(256)) * 64)
PART = 5 << 20  # the smallest that S3 takes

both_lanes = pytest.mark.parametrize("careful", [False, True], ids=["obstore", "boto3"])


class Memory(dict[str, str]):
    """Notes that outlive nothing."""

    def set(self, name: str, text: str | None) -> None:
        self.pop(name, None)
        if text is not None:
            self[name] = text


def speak(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """Have nothing but these variables decide."""
    for name in [*os.environ]:
        if name.startswith("AWS_") or name in {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}:
            monkeypatch.delenv(name)
    for name, value in ({"AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none"} | variables).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def wire(faulty: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> S3Wire:
    speak(monkeypatch, environment(faulty.endpoint))
    return S3Wire(BUCKET)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PART_BYTES", PART)


def trouble(attempt: Callable[[], object]) -> Trouble:
    with pytest.raises(Trouble) as caught:
        attempt()
    return caught.value


def read(wire: Wire, key: str) -> bytes:
    found = wire.get(key)
    assert found
    return found[0]


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def requests(proxy: FaultProxy, method: str, word: str) -> list[int]:
    """Return what the server answered to requests of a method that have this word in their query."""
    return [seen.applied or 0 for seen in proxy.log if seen.method == method and word in seen.query]


# Small objects


def test_it_is_a_wire(wire: S3Wire) -> None:
    as_promised: Wire = wire
    assert as_promised


@both_lanes
@pytest.mark.parametrize("headers", [TEXT, CHUNK])
def test_what_was_put_is_there_to_the_byte(wire: S3Wire, prefix: str, headers: Headers, *, careful: bool) -> None:
    tag = wire.put(f"{prefix}a", DATA, headers, LABELS, None, careful=careful)

    assert wire.get(f"{prefix}a") == (DATA, tag)
    assert wire.head(f"{prefix}a") == (len(DATA), headers, LABELS, tag, "")
    crc32c = base64.b64encode(google_crc32c.Checksum(DATA).digest()).decode() if careful else ""  # else another CRC
    assert wire.head(f"{prefix}a", checksum=True) == (len(DATA), headers, LABELS, tag, crc32c)
    assert list(wire.list(prefix)) == [(f"{prefix}a", len(DATA), UNTOLD, tag)]


@both_lanes
@pytest.mark.parametrize(
    "name", ["a b", "12:0", "a+b%20c", "é/ü", "#?&=", "a'b\"c", "{a}[b]<c>|^`~", "x.", "0-64_0-64"]
)
def test_keys_are_taken_as_they_are(wire: S3Wire, prefix: str, name: str, *, careful: bool) -> None:
    wire.put(f"{prefix}{name}", DATA, TEXT, {}, None, careful=careful)

    assert read(wire, f"{prefix}{name}") == DATA
    assert [found.key for found in wire.list(prefix)] == [f"{prefix}{name}"]


def test_parts_of_an_object_are_read(wire: S3Wire, prefix: str) -> None:
    tag = wire.put(f"{prefix}a", b"0123456789", CHUNK, {}, None)
    wire.put(f"{prefix}empty", b"", CHUNK, {}, None)

    def got(start: int, end: int | None = None) -> bytes:
        found = wire.get(f"{prefix}a", start, end)
        assert found
        assert found[1] == tag
        return found[0]

    assert [got(2, 5), got(7), got(7, 99), got(10), got(50, 60), got(3, 3)] == [b"234", b"789", b"789", b"", b"", b""]
    assert read(wire, f"{prefix}empty") == b""
    assert wire.get(f"{prefix}empty", 0, 1 << 20)
    assert wire.get(f"{prefix}none") is wire.get(f"{prefix}none", 3, 3) is wire.head(f"{prefix}none") is None


@both_lanes
@pytest.mark.parametrize("bit", [0, 12345])
def test_other_bytes_than_were_sent_are_refused(
    wire: S3Wire, faulty: FaultProxy, prefix: str, bit: int, *, careful: bool
) -> None:
    faulty.plan = on_key("/a", flip_up(bit))

    assert trouble(lambda: wire.put(f"{prefix}a", DATA, CHUNK, {}, None, careful=careful)).why is Why.CORRUPT
    assert wire.head(f"{prefix}a") is None

    faulty.plan = lambda _: None
    wire.put(f"{prefix}a", DATA, CHUNK, {}, None, careful=careful)
    (put,) = [seen.headers for seen in faulty.log if seen.method == "PUT" and seen.applied == 200]
    assert put["content-encoding"] == "gzip"
    assert put["x-amz-content-sha256"] == hashlib.sha256(DATA).hexdigest()
    assert ("x-amz-checksum-crc32c" if careful else "x-amz-checksum-crc64nvme") in put
    assert "x-amz-checksum-sha256" not in put  # tensorstore would hold it against the bytes with gzip undone


@pytest.mark.parametrize(("name", "size"), [("crc64nvme", 8), ("crc32c", 4)])
def test_a_false_checksum_is_refused(wire: S3Wire, seaweed: Seaweed, prefix: str, name: str, size: int) -> None:
    """The proof that SeaweedFS looks at the checksum, and not only at what is signed."""
    false = base64.b64encode(bytes(size)).decode()

    assert seaweed.ask("PUT", f"{BUCKET}/{prefix}a", DATA, {f"x-amz-checksum-{name}": false}).code == "BadDigest"
    assert wire.head(f"{prefix}a") is None


@both_lanes
def test_over_https_the_encoding_is_exactly_gzip(
    seaweed_tls: TlsTerminator, prefix: str, monkeypatch: pytest.MonkeyPatch, *, careful: bool
) -> None:
    speak(monkeypatch, environment(seaweed_tls.endpoint, ca=str(seaweed_tls.ca)))
    wire = S3Wire(BUCKET)

    wire.put(f"{prefix}a", DATA, CHUNK, LABELS, ABSENT, careful=careful)

    head = wire.head(f"{prefix}a")
    assert head
    assert (head.headers, head.labels) == (CHUNK, LABELS)
    assert read(wire, f"{prefix}a") == DATA


def test_over_https_boto3_by_itself_would_spoil_it(seaweed: Seaweed, seaweed_tls: TlsTerminator, prefix: str) -> None:
    import boto3
    from botocore.config import Config

    alone = boto3.client(
        "s3",
        endpoint_url=seaweed_tls.endpoint,
        aws_access_key_id=seaweed.access_key,
        aws_secret_access_key=seaweed.secret_key,
        region_name="us-east-1",
        verify=str(seaweed_tls.ca),
        config=Config(s3={"addressing_style": "path"}),
    )
    alone.put_object(Bucket=BUCKET, Key=f"{prefix}a", Body=DATA, ContentEncoding="gzip")

    found = seaweed.ask("HEAD", f"{BUCKET}/{prefix}a").headers["content-encoding"]
    assert found == "gzip,aws-chunked"


@both_lanes
def test_what_is_there_is_not_overwritten(wire: S3Wire, prefix: str, *, careful: bool) -> None:
    wire.put(f"{prefix}a", b"first", TEXT, {}, ABSENT, careful=careful)

    refused = trouble(lambda: wire.put(f"{prefix}a", b"second", TEXT, {}, ABSENT, careful=careful))

    assert (refused.why, read(wire, f"{prefix}a")) == (Why.CONDITION, b"first")


def test_of_many_racers_one_wins(wire: S3Wire, prefix: str) -> None:
    def race(number: int) -> str | None:
        try:
            return wire.put(f"{prefix}a", b"%d" % number, TEXT, {}, ABSENT, careful=number % 2 > 0)
        except Trouble as refused:
            return None if refused.why in {Why.CONDITION, Why.BUSY} else f"{refused}"

    with ThreadPoolExecutor(16) as pool:
        won = [number for number, tag in enumerate(pool.map(race, range(16))) if tag]

    assert [b"%d" % number for number in won] == [read(wire, f"{prefix}a")]


@both_lanes
def test_only_what_is_expected_is_replaced(wire: S3Wire, prefix: str, *, careful: bool) -> None:
    tag = wire.put(f"{prefix}a", b"first", TEXT, {}, None)
    newer = wire.put(f"{prefix}a", b"second", TEXT, {}, tag, careful=careful)

    assert trouble(lambda: wire.put(f"{prefix}a", b"third", TEXT, {}, tag, careful=careful)).why is Why.CONDITION
    assert trouble(lambda: wire.put(f"{prefix}none", b"x", TEXT, {}, tag, careful=careful)).why is Why.CONDITION
    assert wire.get(f"{prefix}a") == (b"second", newer)


@both_lanes
def test_that_there_is_nothing_to_replace_amazon_says_otherwise(
    wire: S3Wire, faulty: FaultProxy, *, careful: bool
) -> None:
    faulty.plan = at(0, s3_error(404, "NoSuchKey"))

    assert trouble(lambda: wire.put("none", b"x", TEXT, {}, '"tag"', careful=careful)).why is Why.CONDITION


def test_a_store_without_conditions_ignores_them(
    rclone_s3: RcloneS3, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(monkeypatch, rclone_s3.env)
    wire = S3Wire(BUCKET)
    wire.put(f"{prefix}a", b"first", TEXT, {}, ABSENT)
    wire.put(f"{prefix}a", b"second", TEXT, {}, ABSENT)

    assert read(wire, f"{prefix}a") == b"second"


# What is there in which order


def listed(wire: S3Wire, prefix: str, after: str = "") -> list[str]:
    return [found.key.removeprefix(prefix) for found in wire.list(prefix, after and prefix + after)]


def test_a_listing_is_in_the_order_of_keys_though_the_store_walks_a_tree(
    wire: S3Wire, seaweed: Seaweed, prefix: str
) -> None:
    keys = sorted(["v1", "v1/a", "v1-b", "v1/b", "v1/b/c", "v1/b-d", "v1.c/a", "v10/a", "v1/\U0001f9e0", "v1/\uff5e"])
    for key in keys:
        wire.put(f"{prefix}{key}", b"", TEXT, {}, None)
    told = re.findall(r"<Key>([^<]*)", seaweed.ask("GET", BUCKET, query={"prefix": prefix}).body.decode())
    assert told != sorted(told)

    assert listed(wire, prefix) == keys
    assert [listed(wire, prefix, after) for after in keys] == [keys[n:] for n in range(1, len(keys) + 1)]
    assert listed(wire, f"{prefix}v1/") == [key.removeprefix("v1/") for key in keys if key.startswith("v1/")]
    assert listed(wire, f"{prefix}none/") == []


def test_a_listing_goes_over_pages_and_through_faults(wire: S3Wire, faulty: FaultProxy, prefix: str) -> None:
    keys = [f"{number:04d}" for number in range(1200)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: wire.put(prefix + key, b"", TEXT, {}, None), keys))
    faulty.clear()
    faulty.plan = first(at({0, 2}, slow_down()), at(3, reset(before=True)))

    assert listed(wire, prefix) == keys
    assert len(faulty.log) == 5


def page(*keys: str, following: str = "") -> Fault:
    """Answer a listing of these keys."""
    told = "".join(f"<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                   f"<ETag>x</ETag></Contents>" for key in keys)  # fmt: skip
    more = f"<IsTruncated>{str(bool(following)).lower()}</IsTruncated>"
    more += f"<NextContinuationToken>{following}</NextContinuationToken>" * bool(following)
    return answered(200, {"Content-Type": "application/xml"}, f"<ListBucketResult>{more}{told}</ListBucketResult>")


def test_a_store_that_lists_in_order_is_passed_on_page_by_page(wire: S3Wire, faulty: FaultProxy) -> None:
    del wire
    keys = [f"v/{number:04d}" for number in range(1500)]
    faulty.plan = first(at(0, page(*keys[:1000], following="on")), at(1, page(*keys[1000:])))
    found = ascending(Connection(BUCKET), "v/", "v/")

    assert [next(found).key, len(faulty.log)] == ["v/0000", 1]
    assert [[stored.key for stored in found], len(faulty.log)] == [keys[1:], 2]
    assert faulty.log[0].query["start-after"] == "v"


def in_order_after(*keys: str) -> Callable[[Request], Fault]:
    return lambda request: page(*(key for key in keys if key > request.query.get("start-after", "")))


@pytest.mark.parametrize("odd", ["v/b//c", "v/../b", "v/b\tc", "v/a/"])
def test_a_key_that_obstore_cannot_tell_is_listed_as_it_is(wire: S3Wire, faulty: FaultProxy, odd: str) -> None:
    keys = sorted(["v/a", "v/a-", odd, "v/a/b", "v/z"])
    faulty.plan = in_order_after("v/", *keys)

    assert [found.key for found in ascending(Connection(BUCKET), "v/", "")] == keys
    if odd != "v/a/":
        assert [found.key for found in wire.list("v/", "v/a-")] == [key for key in keys if key > "v/a-"]


def test_a_store_that_breaks_the_order_that_it_promises_is_not_believed(wire: S3Wire, faulty: FaultProxy) -> None:
    del wire
    faulty.plan = in_order_after("v/a", "v/c", "v/b", "v/e", "v/d")

    refused = trouble(lambda: list(ascending(Connection(BUCKET), "v/", "")))

    assert refused.why is Why.WRONG
    assert "lists v/d after v/e" in refused.message


def test_a_listing_that_breaks_off_says_so(wire: S3Wire, faulty: FaultProxy, prefix: str) -> None:
    wire.put(f"{prefix}a", b"", TEXT, {}, None)
    faulty.plan = only(every(1, truncate()), "GET")

    assert trouble(lambda: list(wire.list(prefix))).why is Why.LOST
    assert trouble(lambda: list(wire.leftovers(prefix))).why in {Why.LOST, Why.BUSY}


# Who asks, and where


def alone(variables: dict[str, str], script: str) -> str:
    """Run a script in a Python of its own, with nothing but these variables to decide."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    root = str(Path(__file__).parents[2])
    found = clean | {"AWS_CONFIG_FILE": "/none", "PYTHONPATH": root} | variables
    done = subprocess.run([sys.executable, "-c", script], env=found, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_there_are_many_of_does_not_wait_for_boto3(seaweed: Seaweed, prefix: str) -> None:
    script = f"""
import sys
from publisher.objects import Headers
from publisher.targets.s3 import S3Wire
wire = S3Wire({BUCKET!r})
wire.put("{prefix}a", b"a", Headers("text/plain", None, "no-cache"), {{}}, "*")
assert wire.get("{prefix}a") and wire.head("{prefix}a") and len(list(wire.list("{prefix}"))) == 1
assert wire.sign("GET", wire.address + "/{prefix}a")
print(sorted(name for name in sys.modules if name in {{"boto3", "botocore", "urllib3"}}))
wire.put("{prefix}a", b"b", Headers("text/plain", None, "no-cache"), {{}}, None, careful=True)
print("boto3" in sys.modules)
"""
    assert alone(seaweed.env, script).split("\n")[:2] == ["[]", "True"]


PROFILE = """
[profile lab]
credential_process = {program}
services = here
region = eu-central-2
[services here]
s3 =
    endpoint_url = {endpoint}
"""


@pytest.fixture
def profile(faulty: FaultProxy, seaweed: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile whose program gives the keys of the file that is returned, and counts how often it was asked."""
    keys = tmp_path / "keys.json"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho >> {tmp_path}/asked\ncat {keys}\n")
    program.chmod(0o700)
    config = tmp_path / "config"
    config.write_text(PROFILE.format(program=program, endpoint=faulty.endpoint))
    told = {"Version": 1, "AccessKeyId": seaweed.access_key, "SecretAccessKey": seaweed.secret_key}
    keys.write_text(json.dumps(told))
    speak(monkeypatch, {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "lab", "AWS_EC2_METADATA_DISABLED": "true"})
    return keys


def test_a_profile_tells_the_endpoint_and_the_keys(profile: Path, faulty: FaultProxy, prefix: str) -> None:
    wire = S3Wire(BUCKET)

    assert wire.address == f"{faulty.endpoint}/{BUCKET}"
    for careful in (False, True):
        wire.put(f"{prefix}a", DATA, TEXT, {}, None, careful=careful)
    assert wire.client().meta.region_name == "eu-central-2"
    assert (profile.parent / "asked").read_text() == "\n"


@both_lanes
def test_expired_credentials_are_looked_for_anew(
    profile: Path, faulty: FaultProxy, prefix: str, *, careful: bool
) -> None:
    wire = S3Wire(BUCKET)
    wire.put(f"{prefix}a", DATA, TEXT, {}, None, careful=careful)
    good = profile.read_text()
    faulty.plan = at(1, expired_token())
    profile.write_text("{}")

    assert trouble(lambda: wire.put(f"{prefix}a", DATA, TEXT, {}, None, careful=careful)).why is Why.EXPIRED
    refused = trouble(lambda: wire.put(f"{prefix}a", DATA, TEXT, {}, None, careful=careful))
    assert (refused.why, len(faulty.log)) == (Why.EXPIRED, 2)
    assert "no credentials are to be had" in refused.message
    profile.write_text(good)
    assert wire.put(f"{prefix}a", DATA, TEXT, {}, None, careful=careful)


def test_without_credentials_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    speak(monkeypatch, {"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": f"http://{HOST}:9"})

    for careful in (False, True):
        wire = S3Wire(BUCKET)
        refused = trouble(lambda: wire.put("a", b"", TEXT, {}, None, careful=careful))  # noqa: B023
        assert (refused.why, "set AWS_PROFILE" in refused.message) == (Why.REFUSED, True)


def test_what_cannot_be_understood_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    config = tmp_path / "config"
    config.write_text("[profile odd]\nendpoint_url = nonsense\n")
    for variables, word in (
        ({"AWS_PROFILE": "nobody"}, "nobody"),
        ({"AWS_PROFILE": "odd", "AWS_CONFIG_FILE": str(config)}, "nonsense"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, "AWS_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL": f"https://{HOST}", "AWS_CA_BUNDLE": "/none"}, "/none"),
    ):
        speak(monkeypatch, keys | variables)
        refused = trouble(lambda: S3Wire(BUCKET).put("a", b"", TEXT, {}, None))
        assert (refused.why, word in refused.message, "\n" in refused.message) == (Why.WRONG, True, False), refused


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_REGION": "eu-west-2"},
        {"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-3"},
        {"AWS_DEFAULT_REGION": "cn-north-1"},
        {"AWS_DEFAULT_REGION": "us-west-2", "AWS_ENDPOINT_URL": "https://minio.example.org:9000"},
        {"AWS_REGION": "x", "AWS_ENDPOINT_URL": "https://no.example.org", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"},
        {"AWS_REGION": "eu-west-2", "AWS_CA_BUNDLE": "/a", "REQUESTS_CA_BUNDLE": "/b"},
        {"AWS_REGION": "eu-west-2", "REQUESTS_CA_BUNDLE": "/b"},
    ],
)
def test_the_environment_is_read_as_boto3_reads_it(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    speak(monkeypatch, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"} | variables)

    assert of_environment() == Sdk().settings


def test_what_only_boto3_understands_is_left_to_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.touch()
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for variables in ({}, keys | {"AWS_PROFILE": "lab"}, keys | {"AWS_CONFIG_FILE": str(config)}):
        speak(monkeypatch, variables)
        assert of_environment() is None


def test_the_address_is_the_one_that_strangers_use() -> None:
    amazon = Settings("https://s3.eu-west-2.amazonaws.com", "eu-west-2", path_style=False, ca="")
    other = Settings("http://127.0.0.1:9000/", "us-east-1", path_style=True, ca="")

    assert amazon.address("flyem") == "https://flyem.s3.eu-west-2.amazonaws.com"
    assert amazon.address("fly.em") == "https://s3.eu-west-2.amazonaws.com/fly.em"
    assert other.address("flyem") == "http://127.0.0.1:9000/flyem"
    assert (amazon.aws, other.aws) == (True, False)


def test_a_style_that_is_configured_is_kept(
    faulty: FaultProxy, seaweed: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\ns3 =\n    addressing_style = virtual\n")
    speak(monkeypatch, {**seaweed.env, "AWS_ENDPOINT_URL": "http://s3.localhost:1", "AWS_CONFIG_FILE": str(config)})

    assert S3Wire(BUCKET).address == f"http://{BUCKET}.s3.localhost:1"
    assert f"{BUCKET}.s3.localhost:1" in trouble(lambda: S3Wire(BUCKET).put("a", b"", TEXT, {}, None)).message
    assert faulty.log == []


def test_a_signed_address_lets_strangers_read(wire: S3Wire, seaweed: Seaweed, prefix: str) -> None:
    wire.put(f"{prefix}a b%", DATA, TEXT, {}, None)
    address = f"{wire.address}/{prefix}a%20b%25"
    assert seaweed.ask("GET", f"{BUCKET}/{prefix}a b%", keys=None).status == 403
    pool = urllib3.PoolManager()

    signed, headers = wire.sign("GET", address)
    got = pool.request("GET", signed, headers={**headers, "Range": "bytes=2-5"})
    assert (got.status, got.data) == (206, DATA[2:6])
    signed, headers = wire.sign("HEAD", address)
    assert pool.request("HEAD", signed, headers=dict(headers)).headers["Content-Length"] == str(len(DATA))
    assert trouble(lambda: wire.sign("GET", f"http://{HOST}/{BUCKET}/a")).why is Why.WRONG


# What goes wrong


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (slow_down(7), Why.BUSY),
        (answered(429, {"Retry-After": "7"}), Why.BUSY),
        (s3_error(500, "InternalError", headers={"Retry-After": "7"}), Why.BUSY),
        (answered(502, {"Retry-After": "7"}), Why.BUSY),
        (answered(504, {"Retry-After": "7"}, "<html>nginx</html>"), Why.BUSY),
        (s3_error(409, "ConditionalRequestConflict", headers={"Retry-After": "7"}), Why.BUSY),
        (s3_error(409, "OperationAborted", headers={"Retry-After": "7"}), Why.BUSY),
        (bad_digest(), Why.CORRUPT),
        (s3_error(400, "InvalidDigest"), Why.CORRUPT),
        (s3_error(400, "XAmzContentSHA256Mismatch"), Why.CORRUPT),
        (s3_error(400, "XAmzContentChecksumMismatch"), Why.CORRUPT),
        (s3_error(400, "RequestTimeout"), Why.LOST),
        (expired_token(), Why.EXPIRED),
        (s3_error(400, "TokenRefreshRequired"), Why.EXPIRED),
        (s3_error(400, "InvalidToken"), Why.EXPIRED),
        (s3_error(403, "AccessDenied"), Why.REFUSED),
        (answered(403), Why.REFUSED),
        (answered(401), Why.REFUSED),
        (s3_error(412, "PreconditionFailed"), Why.CONDITION),
        (s3_error(404, "NoSuchBucket"), Why.GONE),
        (s3_error(400, "EntityTooLarge"), Why.WRONG),
        (answered(501), Why.WRONG),
        (answered(301), Why.WRONG),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else value.value,
)
def test_every_refusal_is_told_apart(wire: S3Wire, faulty: FaultProxy, fault: Fault, why: Why) -> None:
    faulty.plan = only(every(1, fault), "PUT")

    told = [trouble(lambda: wire.put("a", DATA, TEXT, {}, None, careful=careful)) for careful in (False, True)]  # noqa: B023

    assert [one.why for one in told] == [why, why]
    assert [one.retry_after for one in told] == [None, 7 if why is Why.BUSY else None]
    assert all(one.message and "\n" not in one.message and "<" not in one.message for one in told)


def test_retry_after_may_be_a_date(wire: S3Wire, faulty: FaultProxy) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    for said, least, most in ((soon, 60, 90), ("Sat, 21 Nov 2020 00:00:00 GMT", 0, 0), ("soon", None, None)):
        faulty.plan = lambda _, said=said: answered(503, {"Retry-After": said})
        found = trouble(lambda: wire.put("a", DATA, TEXT, {}, None, careful=True)).retry_after
        assert found is least is None or (found is not None and (least or 0) <= found <= (most or 0))


@both_lanes
def test_a_clock_that_is_off_is_said_to_be(wire: S3Wire, faulty: FaultProxy, *, careful: bool) -> None:
    there = (datetime.now(UTC) + timedelta(minutes=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = f"<Error><Code>RequestTimeTooSkewed</Code><Message>…</Message><ServerTime>{there}</ServerTime></Error>"
    faulty.plan = at(0, answered(403, {"Content-Type": "application/xml"}, body))

    refused = trouble(lambda: wire.put("a", DATA, TEXT, {}, None, careful=careful))

    assert (refused.why, refused.message) == (Why.SKEW, "this machine's clock is 20 minutes off")


@both_lanes
@pytest.mark.parametrize("before", [True, False])
def test_an_answer_that_is_lost_is_no_failure_yet(
    wire: S3Wire, faulty: FaultProxy, prefix: str, *, before: bool, careful: bool
) -> None:
    faulty.plan = only(at(0, reset(before=before)), "PUT")

    assert trouble(lambda: wire.put(f"{prefix}a", DATA, TEXT, {}, ABSENT, careful=careful)).why is Why.LOST
    assert (wire.head(f"{prefix}a") is None) == before


def test_a_bucket_that_lies_elsewhere_is_said_where(wire: S3Wire, faulty: FaultProxy) -> None:
    there = {"x-amz-bucket-region": "eu-west-1"}
    faulty.plan = first(only(every(1, answered(301, there)), "PUT"), only(every(1, answered(200, there)), "HEAD"))

    refused = trouble(lambda: wire.put("a", DATA, TEXT, {}, None))

    assert (refused.why, refused.message) == (
        Why.WRONG,
        "the bucket lies in the region eu-west-1: set AWS_REGION to it",
    )
    malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>…</Message><Region>eu-west-2</Region></Error>"
    faulty.plan = lambda _: answered(400, {"Content-Type": "application/xml"}, malformed)
    assert "the region eu-west-2:" in trouble(lambda: wire.put("a", DATA, TEXT, {}, None)).message


def test_bytes_that_are_cut_short_are_not_taken_for_the_whole(wire: S3Wire, faulty: FaultProxy, prefix: str) -> None:
    wire.put(f"{prefix}a", DATA, TEXT, {}, None)
    faulty.plan = only(every(1, truncate()), "GET")

    assert trouble(lambda: wire.get(f"{prefix}a")).why is Why.LOST


def test_where_nobody_answers_the_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = f"{HOST}:{free_port()}"
    for place, words in ((closed, "refuses"), ("nobody.invalid:1", "a name that nobody knows")):
        speak(monkeypatch, environment(f"http://{place}"))
        for careful in (False, True):
            lost = trouble(lambda: S3Wire(BUCKET).put("a", b"", TEXT, {}, None, careful=careful))  # noqa: B023
            assert (lost.why, f"http://{place} " in lost.message, words in lost.message) == (Why.LOST, True, True), lost


@both_lanes
def test_a_certificate_that_nobody_trusts_is_named(
    seaweed_tls: TlsTerminator, monkeypatch: pytest.MonkeyPatch, *, careful: bool
) -> None:
    speak(monkeypatch, environment(seaweed_tls.endpoint))

    refused = trouble(lambda: S3Wire(BUCKET).put("a", b"", TEXT, {}, None, careful=careful))

    assert (refused.why, "AWS_CA_BUNDLE" in refused.message) == (Why.WRONG, True)


def test_a_bucket_that_is_not_there_is_no_empty_bucket(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    speak(monkeypatch, seaweed.env)
    attempts: list[Callable[[S3Wire], object]] = [
        lambda wire: wire.get("a"),
        lambda wire: wire.head("a"),
        lambda wire: wire.head("a", checksum=True),
        lambda wire: list(wire.list("a/")),
        lambda wire: list(wire.leftovers("a/")),
        lambda wire: wire.put("a", b"", TEXT, {}, None),
        lambda wire: wire.put("a", b"", TEXT, {}, None, careful=True),
        lambda wire: wire.large("a", TEXT, {}, Memory()),
    ]
    for attempt in attempts:
        refused = trouble(lambda: attempt(S3Wire("nowhere")))  # noqa: B023
        assert (refused.why, "no such bucket" in refused.message) == (Why.GONE, True)


def test_a_head_that_is_refused_says_why(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    speak(monkeypatch, environment(seaweed.endpoint, WRONG))

    for checksum in (False, True):
        refused = trouble(lambda: S3Wire(BUCKET).head("a", checksum=checksum))  # noqa: B023
        assert (refused.why, "AWS_SECRET_ACCESS_KEY" in refused.message) == (Why.REFUSED, True)


# Uploads in parts


def blocks(wire_part: int, data: bytes) -> Iterator[tuple[int, bytes, bool]]:
    for number, start in enumerate(range(0, len(data), wire_part)):
        yield number, data[start : start + wire_part], start + wire_part >= len(data)


def upload(
    wire: S3Wire, key: str, data: bytes, notes: Memory | None = None, *, headers: Headers = CHUNK, stop: int = 99
) -> uploads.Upload:
    """Send what has not arrived, up to so many parts."""
    large = wire.large(key, headers, LABELS, Memory() if notes is None else notes, size_bytes=len(data))
    for number, part, last in blocks(large.part_bytes, data):
        if not large.arrived(number, part, crc32c(part)) and (stop := stop - 1) >= 0:
            large.send(number, part, crc32c(part), last=last)
    return large


@pytest.fixture(scope="module")
def big() -> bytes:
    return os.urandom(3 * PART + 4_000_000)


def sent(proxy: FaultProxy) -> int:
    return len(requests(proxy, "PUT", "partNumber"))


def test_a_large_object_is_there_to_the_byte(wire: S3Wire, prefix: str, big: bytes) -> None:
    notes = Memory()
    tag = upload(wire, f"{prefix}a", big, notes).finish(len(big), crc32c(big), ABSENT)

    assert wire.head(f"{prefix}a", checksum=True) == (len(big), CHUNK, LABELS, tag, crc32c(big))
    assert read(wire, f"{prefix}a") == big
    assert [found.tag for found in wire.list(prefix)] == [tag]
    assert (notes, list(wire.leftovers(prefix))) == ({}, [])


def test_over_https_a_large_object_is_exactly_gzip(
    seaweed_tls: TlsTerminator, prefix: str, big: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(monkeypatch, environment(seaweed_tls.endpoint, ca=str(seaweed_tls.ca)))
    wire = S3Wire(BUCKET)
    tag = upload(wire, f"{prefix}a", big).finish(len(big), crc32c(big), ABSENT)

    assert wire.head(f"{prefix}a") == (len(big), CHUNK, LABELS, tag, "")
    assert read(wire, f"{prefix}a") == big


@pytest.mark.parametrize("name", ["a b", "a+b%20c", "é/ü", "#?&=", "a'b\"c", "{a}[b]<c>|^`~"])
def test_large_objects_have_any_key(wire: S3Wire, faulty: FaultProxy, prefix: str, name: str, big: bytes) -> None:
    upload(wire, f"{prefix}{name}", big).finish(len(big), crc32c(big), ABSENT)

    assert read(wire, f"{prefix}{name}") == big
    assert requests(faulty, "PUT", "partNumber") == [200] * 4


@pytest.mark.parametrize("fault", [reset(before=True), reset(before=False), slow_down(), answered(403)])
def test_a_part_that_a_line_of_our_own_does_not_get_through_is_sent_by_boto3(
    wire: S3Wire, faulty: FaultProxy, prefix: str, big: bytes, fault: Fault
) -> None:
    seen: list[tuple[str, bool]] = []

    def plan(request: Request) -> Fault | None:
        if "partNumber" not in request.query:
            return None
        by_boto3 = "expect" in request.headers  # which asks before it sends
        seen.append((request.query["partNumber"], by_boto3))
        return fault if seen[-1] == ("2", False) else None

    faulty.plan = plan
    upload(wire, f"{prefix}a", big).finish(len(big), crc32c(big), ABSENT)

    assert seen == [("1", False), ("2", False), ("2", True), ("3", True), ("4", True)]
    assert read(wire, f"{prefix}a") == big


def test_a_part_that_is_not_what_was_sent_is_refused(wire: S3Wire, faulty: FaultProxy, prefix: str, big: bytes) -> None:
    faulty.plan = only(lambda request: flip_up() if "partNumber" in request.query else None, "PUT")
    large = wire.large(f"{prefix}a", CHUNK, {}, Memory())
    part = big[: large.part_bytes]

    assert trouble(lambda: large.send(0, part, crc32c(part), last=False)).why is Why.CORRUPT
    faulty.plan = lambda _: None
    assert trouble(lambda: large.send(0, part, crc32c(b""), last=False)).why is Why.CORRUPT
    large.send(0, part, crc32c(part), last=True)
    large.finish(len(part), crc32c(part), None)
    assert read(wire, f"{prefix}a") == part


def test_a_whole_that_is_not_what_was_sent_is_refused_and_sent_anew(wire: S3Wire, prefix: str, big: bytes) -> None:
    notes = Memory()
    large = upload(wire, f"{prefix}a", big, notes)

    refused = trouble(lambda: large.finish(len(big), crc32c(b""), ABSENT))

    assert (refused.why, "run the same command again" in refused.message) == (Why.WRONG, True)
    assert (wire.head(f"{prefix}a"), notes, list(wire.leftovers(prefix))) == (None, {}, [])


def test_a_large_object_overwrites_nothing(wire: S3Wire, prefix: str, big: bytes) -> None:
    wire.put(f"{prefix}a", b"first", TEXT, {}, None)

    assert trouble(lambda: upload(wire, f"{prefix}a", big).finish(len(big), crc32c(big), ABSENT)).why is Why.CONDITION
    assert trouble(lambda: upload(wire, f"{prefix}a", big).finish(len(big), crc32c(big), '"x"')).why is Why.CONDITION
    assert read(wire, f"{prefix}a") == b"first"


KILLED = """
import json, pathlib, sys
from publisher.objects import Headers
from publisher.targets.s3 import S3Wire, uploads
from tests.contract.test_s3_wire import CHUNK, PART, upload

class Notes(dict):
    def set(self, name, text):
        pathlib.Path(sys.argv[3]).write_text(json.dumps({name: text}))

uploads.PART_BYTES = PART
upload(S3Wire(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[4]).read_bytes(), Notes())
"""


@pytest.mark.parametrize("remembered", [True, False], ids=["with notes", "without notes"])
@pytest.mark.parametrize(("part", "before", "missing"), [(1, True, 3), (2, True, 2), (2, False, 1)])
def test_a_run_that_was_killed_is_gone_on_with(  # noqa: PLR0913, PLR0917
    wire: S3Wire,
    faulty: FaultProxy,
    prefix: str,
    big: bytes,
    tmp_path: Path,
    part: int,
    before: bool,  # noqa: FBT001
    missing: int,
    remembered: bool,  # noqa: FBT001
) -> None:
    source, notes = tmp_path / "source", tmp_path / "notes"
    source.write_bytes(big)
    running: list[subprocess.Popen[bytes]] = []
    murder = kill(lambda: running[0].pid, before=before)
    faulty.plan = lambda request: murder if request.query.get("partNumber") == str(part + 1) else None
    command = [sys.executable, "-c", KILLED, BUCKET, f"{prefix}a", str(notes), str(source)]
    root = str(Path(__file__).parents[2])
    while not running:
        running.append(subprocess.Popen(command, env=os.environ | {"PYTHONPATH": root}))
    assert running[0].wait(120) == -9
    faulty.clear()
    faulty.plan = lambda _: None

    memory = Memory(json.loads(notes.read_text())) if remembered else Memory()
    upload(wire, f"{prefix}a", big, memory).finish(len(big), crc32c(big), ABSENT)

    assert sent(faulty) == missing
    assert (len(requests(faulty, "GET", "uploads")) == 0) == remembered
    assert read(wire, f"{prefix}a") == big
    assert list(wire.leftovers(prefix)) == []


@pytest.mark.parametrize("remembered", [True, False], ids=["with notes", "without notes"])
def test_an_upload_with_other_headers_is_not_gone_on_with(
    wire: S3Wire, faulty: FaultProxy, prefix: str, big: bytes, *, remembered: bool
) -> None:
    notes = Memory()
    upload(wire, f"{prefix}a", big, notes, stop=3)
    faulty.clear()

    other = CHUNK._replace(cache_control="no-cache")
    upload(wire, f"{prefix}a", big, notes if remembered else None, headers=other).finish(len(big), crc32c(big), ABSENT)

    assert sent(faulty) == 4
    head = wire.head(f"{prefix}a")
    assert head
    assert head.headers == other


def test_parts_with_other_bytes_are_sent_anew(wire: S3Wire, faulty: FaultProxy, prefix: str, big: bytes) -> None:
    upload(wire, f"{prefix}a", big, stop=3)
    faulty.clear()
    changed = big[:9] + bytes([big[9] ^ 1]) + big[10:]

    upload(wire, f"{prefix}a", changed).finish(len(big), crc32c(changed), ABSENT)

    assert sent(faulty) == 2
    assert read(wire, f"{prefix}a") == changed


def with_checksums(data: dict[str, str]) -> Fault:
    """Have the store tell the parts' checksums, as Amazon does."""

    def happen(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        body = answer.body.decode()
        for number, checksum in data.items():
            told = f"<PartNumber>{number}</PartNumber>"
            body = body.replace(told, f"{told}<ChecksumCRC32C>{checksum}</ChecksumCRC32C>")
        return replace(answer.having("Content-Length", str(len(body))), body=body.encode(), trailer=None)

    return Fault("checksums", happen)


def test_parts_are_known_by_their_checksums_where_the_store_tells_them(
    wire: S3Wire, faulty: FaultProxy, prefix: str, big: bytes
) -> None:
    large = upload(wire, f"{prefix}a", big, stop=2)
    parts = [part for _, part, _ in blocks(large.part_bytes, big)]
    faulty.clear()
    tell = with_checksums({"1": crc32c(parts[0]), "2": crc32c(b"other")})
    faulty.plan = only(lambda request: tell if "uploadId" in request.query else None, "GET")

    again = wire.large(f"{prefix}a", CHUNK, LABELS, Memory(), size_bytes=len(big))

    assert [again.arrived(number, part, crc32c(part)) for number, part in enumerate(parts[:3])] == [True, False, False]
    assert not again.arrived(0, parts[0][:-1], crc32c(parts[0]))


def test_a_list_of_uploads_is_read_to_its_end(wire: S3Wire, faulty: FaultProxy, prefix: str) -> None:
    for name in ("a", "a", "a-b", "b/c"):
        wire.client().create_multipart_upload(Bucket=BUCKET, Key=prefix + name)
    first_answer: list[Answer] = []
    found: list[bytes] = []

    def one_by_one(request: Request, forward: Forward) -> Answer:
        if not found:
            first_answer.append(forward(request))
            found.extend(re.findall(rb"<Upload>.*?</Upload>", first_answer[0].body, re.DOTALL))
        answer, place = first_answer[0], int(request.query.get("key-marker", "0"))
        more = b"<NextKeyMarker>%d</NextKeyMarker>" % (place + 1) * (place + 1 < len(found))
        told = b"<IsTruncated>%b</IsTruncated>%b%b" % (b"true" if more else b"false", more, found[place])
        body = b"<ListMultipartUploadsResult>%b</ListMultipartUploadsResult>" % told
        return replace(answer.having("Content-Length", str(len(body))), body=body, trailer=None)

    faulty.plan = only(lambda request: Fault("pages", one_by_one) if "uploads" in request.query else None, "GET")
    aborts = list(wire.leftovers(prefix))
    faulty.plan = lambda _: None

    assert len(aborts) == 4
    for abort in aborts * 2:  # once more is no error
        abort()
    assert list(wire.leftovers(prefix)) == []


def test_leftovers_are_those_below_the_prefix(wire: S3Wire, prefix: str) -> None:
    for name in ("v1/a", "v1/b/c", "v10/a", "v1"):
        wire.client().create_multipart_upload(Bucket=BUCKET, Key=prefix + name)

    assert len([abort() for abort in wire.leftovers(f"{prefix}v1/")]) == 2
    assert len(list(wire.leftovers(prefix))) == 2


def test_who_may_only_publish_goes_on_by_notes_and_begins_anew_without(
    seaweed: Seaweed, faulty: FaultProxy, prefix: str, big: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = seaweed.user(f"publisher-{time.time_ns()}", publishing(BUCKET, prefix))
    speak(monkeypatch, environment(faulty.endpoint, keys))
    wire, notes = S3Wire(BUCKET), Memory()
    upload(wire, f"{prefix}a", big, notes, stop=3)
    kept = Memory(notes)
    faulty.clear()

    upload(wire, f"{prefix}a", big, kept)
    assert sent(faulty) == 1
    assert trouble(lambda: wire.put("elsewhere", b"", TEXT, {}, None)).why is Why.REFUSED
    upload(wire, f"{prefix}a", big, Memory()).finish(len(big), crc32c(big), ABSENT)
    assert read(wire, f"{prefix}a") == big


def completing(fault: Fault) -> Callable[[Request], Fault | None]:
    """Let the first request that completes an upload meet a fault."""
    met: list[Request] = []

    def plan(request: Request) -> Fault | None:
        if request.method != "POST" or "uploadId" not in request.query or met:
            return None
        met.append(request)
        return fault

    return plan


@pytest.mark.parametrize("condition", [ABSENT, None])
def test_an_upload_that_was_finished_unheard_is_found_finished(
    wire: S3Wire, faulty: FaultProxy, prefix: str, big: bytes, condition: str | None
) -> None:
    faulty.plan = completing(reset(before=False))
    large = upload(wire, f"{prefix}a", big)

    assert trouble(lambda: large.finish(len(big), crc32c(big), condition)).why is Why.LOST
    tag = large.finish(len(big), crc32c(big), condition)

    assert wire.get(f"{prefix}a") == (big, tag)
    assert list(wire.leftovers(prefix)) == []


def test_somebody_elses_object_is_not_taken_for_ours(wire: S3Wire, faulty: FaultProxy, prefix: str, big: bytes) -> None:
    faulty.plan = completing(s3_error(404, "NoSuchUpload"))
    wire.put(f"{prefix}a", b"other", TEXT, {}, None)
    notes = Memory()
    large = upload(wire, f"{prefix}a", big, notes)

    refused = trouble(lambda: large.finish(len(big), crc32c(big), None))

    assert (refused.why, "begins anew" in refused.message, notes) == (Why.WRONG, True, {})
    assert read(wire, f"{prefix}a") == b"other"


def test_an_error_in_an_answer_that_says_200_is_an_error(
    wire: S3Wire, faulty: FaultProxy, prefix: str, big: bytes
) -> None:
    body = "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
    faulty.plan = completing(answered(200, {"Content-Type": "application/xml"}, body))
    large = upload(wire, f"{prefix}a", big)

    assert trouble(lambda: large.finish(len(big), crc32c(big), ABSENT)).why is Why.BUSY
    assert wire.head(f"{prefix}a") is None
    assert large.finish(len(big), crc32c(big), ABSENT)


def test_parts_grow_with_the_object() -> None:
    small, large, largest = (uploads._part_bytes(CHUNK, {}, size) for size in (0, 1 << 40, 5 << 40))  # noqa: SLF001

    assert PART <= small < PART + (1 << 20)
    for size, part in ((1 << 40, large), (5 << 40, largest)):
        assert size / part < 9_000
        assert part < size / 9_000 + (2 << 20)
    assert uploads._part_bytes(CHUNK, LABELS, 0) != small  # noqa: SLF001


@pytest.mark.parametrize("resumed", [False, True])
def test_a_store_that_does_not_say_that_it_compares_the_whole_is_not_asked_to(
    wire: S3Wire, faulty: FaultProxy, prefix: str, big: bytes, *, resumed: bool
) -> None:
    """As MinIO until 2025 and Ceph: there the checksum would be held against one of the parts' checksums."""

    def composite(request: Request, forward: Forward) -> Answer:
        answer = forward(request).without("x-amz-checksum-type")
        told = answer.body.replace(b"</Bucket>", b"</Bucket><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm>")
        return replace(answer.having("Content-Length", str(len(told))), body=told, trailer=None)

    faulty.plan = lambda request: (
        Fault("composite", composite) if request.query.keys() & {"uploads", "uploadId"} else None
    )
    if resumed:
        upload(wire, f"{prefix}a", big, stop=2)

    upload(wire, f"{prefix}a", big).finish(len(big), crc32c(big), ABSENT)

    (done,) = [seen.headers for seen in faulty.log if seen.method == "POST" and "uploadId" in seen.query]
    assert not [name for name in done if "checksum" in name]
    assert sent(faulty) == 4
    assert read(wire, f"{prefix}a") == big


def test_a_server_that_knows_no_whole_checksums_still_takes_large_objects(
    rclone_s3: S3Server, prefix: str, big: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(monkeypatch, rclone_s3.env)
    wire = S3Wire(BUCKET)

    upload(wire, f"{prefix}a", big).finish(len(big), crc32c(big), ABSENT)

    assert read(wire, f"{prefix}a") == big


def test_boto3_tells_nothing_on_the_terminal(wire: S3Wire, prefix: str, capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(80) as pool:
        list(pool.map(lambda n: wire.put(f"{prefix}{n}", b"", TEXT, {}, None, careful=True), range(160)))

    assert capfd.readouterr() == ("", "")


def client_of(wire: S3Wire) -> Any:
    return wire.client()


def test_the_client_is_for_what_else_there_is_to_say(wire: S3Wire) -> None:
    assert BUCKET in {bucket["Name"] for bucket in client_of(wire).list_buckets()["Buckets"]}
    assert obstore.__version__ >= "0.12"
