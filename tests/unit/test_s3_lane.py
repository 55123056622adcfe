"""Requests of the quick way, held against botocore's own signatures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from publisher.headers import headers, rule
from publisher.objects import Entry, Form, Headers, ObjectSpec
from publisher.targets.pace import AdaptivePace
from publisher.targets.s3 import lane as lane_module
from publisher.targets.s3.connection import Connection
from publisher.targets.s3.lane import MOST_BYTES, Lane, lane
from publisher.targets.wire import Trouble, Why

NOW = 1_790_000_000
PLAIN = headers(rule("chunk/raw"), encoded=False, final=True)
GZIP = Headers("application/octet-stream", "gzip", "no-cache")


@dataclass
class Shop:
    pace: AdaptivePace = field(default_factory=AdaptivePace)
    prefix: str = "some/prefix/"
    stored: bool = False
    missed: dict[str, Trouble] = field(default_factory=dict)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-3",
        "AWS_CONFIG_FILE": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(lane_module, "time", lambda: NOW)


def opened(shop: Shop | None = None) -> Lane:
    made = lane(Connection("bucket"), shop or Shop())
    assert made is not None
    return made


@pytest.mark.parametrize("token", ["", "a/token+of=somebody"])
@pytest.mark.parametrize("head", [PLAIN, GZIP])
@pytest.mark.parametrize("condition", [None, "*", '"0123-4"'])
@pytest.mark.parametrize("key", ["v1/a", "v1/volumes/em/8_8_8/0-64_64-128_0-64", "v1/~x.y"])
def test_what_is_signed_is_what_botocore_would_sign(
    key: str, condition: str | None, head: Headers, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    data = b"some bytes"
    digest = hashlib.sha256(data).hexdigest()
    entry = Entry(key, "a", len(data), digest, len(data), digest, head)
    made = opened()._request(entry, data, {"sha256": digest}, condition)  # noqa: SLF001 - what goes out, before it does
    text, _, body = made.partition(b"\r\n\r\n")
    first, *rest = text.decode().split("\r\n")
    told = dict(line.split(":", 1) for line in rest)
    path = first.split()[1]
    assert body == data
    assert int(told.pop("content-length")) == len(data)
    assert (told.get("if-none-match"), told.get("if-match")) == (
        "*" if condition == "*" else None,
        None if condition == "*" else condition,
    )
    signature = told.pop("authorization")
    asked = AWSRequest("PUT", f"http://{told['host']}{path}", headers=told, data=data)
    auth = S3SigV4Auth(Credentials("AKIDEXAMPLE", "secret", token or None), "s3", "eu-west-3")
    asked.context["timestamp"] = told["x-amz-date"]
    canonical = auth.canonical_request(asked)
    wanted = auth.signature(auth.string_to_sign(asked, canonical), asked)
    assert signature.endswith(f"Signature={wanted}")


def some(key: str = "v1/a", size_bytes: int = 1, form: Form = Form.AS_IS, head: Headers = PLAIN) -> ObjectSpec:
    return ObjectSpec(key, "a", "nowhere", size_bytes, 0, form, head)


def test_weather() -> None:
    shop = Shop()
    quick = opened(shop)
    assert quick.takes(some(size_bytes=MOST_BYTES))
    assert not quick.takes(some(size_bytes=MOST_BYTES + 1))
    assert not any(quick.takes(some(key)) for key in ("v1//a", "v1/../a", "v1/.", "v1/ä", "v1/a\n", "v1/"))
    shop.missed["v1/b"] = Trouble(Why.BUSY, "")
    assert not quick.takes(some())
    shop.missed.clear()
    shop.pace.failed(Trouble(Why.LOST, ""))
    assert not quick.takes(some())
    shop.pace.ran(0.1)
    assert quick.takes(some())


def test_what_takes_long_to_make_is_taken_by_who_has_nothing_else_to_do() -> None:
    quick = opened()
    for heavy in (some(form=Form.GZIP, head=GZIP), some(head=GZIP)):
        assert quick.reaches(heavy)
        assert not quick.takes(heavy)


def test_behind_a_proxy_there_is_no_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.org:3128")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert lane(Connection("bucket"), Shop()) is None
