"""What a page says of a bucket: its addresses, and examples that fit who may read it."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from publisher.page import examples, places
from publisher.page.examples import Example
from publisher.record import Access
from tests.unit.test_site import a_book, a_record

ENDPOINT = "https://s3.lab.example"


@pytest.mark.parametrize(
    ("public_url", "storage", "endpoint", "expected"),
    [
        ("https://s3.lab.example/b/a", "s3://b/a", None, ENDPOINT),
        ("https://s3.lab.example/b/%C3%A9%20x", "s3://b/é x", None, ENDPOINT),
        ("https://s3.lab.example/store/b/a", "s3://b/a", None, f"{ENDPOINT}/store"),
        ("https://data.example/a", "s3://b/a", None, ""),
        ("https://data.example/a", "s3://b/a", ENDPOINT, ENDPOINT),
        ("https://cdn.example/b/a", "s3://b/a", "", ""),  # Amazon's own, behind something that keeps its paths
        ("https://b.s3.dualstack.eu-west-1.amazonaws.com/a", "s3://b/a", None, ""),
        ("https://s3.eu-west-1.amazonaws.com/b/a", "s3://b/a", None, ""),
        ("https://storage.googleapis.com/b/a", "gs://b/a", None, ""),
        ("http://127.0.0.1:4443/b/a", "gs://b/a", None, "http://127.0.0.1:4443"),
    ],
)
def test_where_a_store_answers(public_url: str, storage: str, endpoint: str | None, expected: str) -> None:
    place = places.target(public_url, storage, endpoint).at("v1/x")
    assert (place.store, place.endpoint) == (f"{storage}/v1/x", expected)
    assert f"{place.bucket}/{place.key}" == place.bare


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("https://b.storage.googleapis.com/a", "gs://b/a"),
        ("https://my.b.s3.dualstack.us-east-1.amazonaws.com/a", "s3://my.b/a"),
        ("https://storage.googleapis.com.evil.example/b/a", ""),
        ("http://b.storage.googleapis.com/a", ""),
    ],
)
def test_a_providers_own_address_tells_the_bucket(url: str, store: str) -> None:
    assert places.store_of(url) == store


def test_a_scene_at_an_emulator_is_not_looked_for_at_google() -> None:
    scene = places.target("http://127.0.0.1:4443/b", "gs://b").at("v1/s.json")
    assert places.viewer(scene).endswith("#!http://127.0.0.1:4443/b/v1/s.json")


def made(storage: str, public_url: str, access: str = "public") -> dict[str, Example]:
    """Return the examples of what the release has itself, by their names."""
    shown = a_book(replace(a_record(public_url=public_url), access=Access(access)), storage)  # type: ignore[arg-type]
    own = [view for view in shown.views if not view.described.external]
    return {each.name: each for view in own for each in examples.of(view, shown)}


def kvstore(example: Example) -> object:
    """The store that an example names, as Python reads it."""
    (found,) = [
        ast.literal_eval(value)
        for node in ast.walk(ast.parse(example.text))
        if isinstance(node, ast.Dict)
        for name, value in zip(node.keys, node.values, strict=True)
        if isinstance(name, ast.Constant) and name.value == "kvstore"
    ]
    return found


def test_tensorstore_reads_from_the_bucket() -> None:
    path = "da1/v0.9/volumes/segmentation/"
    s3 = {"driver": "s3", "bucket": "b", "path": path}
    nobody = {"aws_credentials": {"type": "anonymous"}}
    name = "segmentation-volume-tensorstore-bucket.py"
    assert kvstore(made("s3://b/da1", "https://b.s3.amazonaws.com/da1")[name]) == s3 | nobody
    other = made("s3://b/da1", f"{ENDPOINT}/b/da1")
    assert kvstore(other[name]) == s3 | {"endpoint": ENDPOINT} | nobody
    assert kvstore(made("s3://b/da1", f"{ENDPOINT}/b/da1", "private")[name]) == s3 | {"endpoint": ENDPOINT}
    assert kvstore(made("gs://b/da1", "https://storage.googleapis.com/b/da1")[name]) == s3 | {"driver": "gcs"}
    assert kvstore(other["em-volume-tensorstore-bucket.py"]) == s3 | {
        "path": "da1/v0.9/volumes/em/s0/",
        "endpoint": ENDPOINT,
        **nobody,
    }
    assert kvstore(other["segmentation-volume-tensorstore.py"]) == f"{ENDPOINT}/b/{path}"


def test_pyarrow_reads_from_the_bucket() -> None:
    name = "bodies-table-bucket.py"
    amazon = made("s3://b/da1", "https://b.s3.amazonaws.com/da1")[name].text
    assert "S3FileSystem(anonymous=True, region=region)" in amazon
    assert 'resolve_s3_region("b")' in amazon
    other = made("s3://b/da1", f"{ENDPOINT}/b/da1", "private")[name].text
    assert f'S3FileSystem(endpoint_override="{ENDPOINT}")' in other
    assert "GcsFileSystem(anonymous=True)" in made("gs://b/da1", "https://storage.googleapis.com/b/da1")[name].text


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_private_release_is_read_with_credentials_only(scheme: str) -> None:
    """Over the web nobody reads it, so nothing on the page tries to."""
    public, private = (made(f"{scheme}://b/da1", "https://data.example/a", access) for access in ("public", "private"))
    tools = {"s3": ("aws", "s5cmd", "rclone"), "gs": ("gcloud", "gsutil", "rclone")}[scheme]
    theirs = tuple(f"-{amount}-{tool}.sh" for amount in ("copy", "part") for tool in tools)
    theirs += ("-neo4j-serve.sh", "-neo4j-load.sh")  # of what was copied
    assert {name for name in public if "bucket" in name or name.endswith(theirs)} == set(private)
    assert len(private) > 10
    for each in private.values():
        assert not [word for word in ("anonymous", "no-sign-request", "without", "https:") if word in each.text]
    unmanaged = made(f"{scheme}://b/da1", "https://data.example/a", "unmanaged")
    assert set(unmanaged) == set(public)  # who may read is not known, so all are shown
