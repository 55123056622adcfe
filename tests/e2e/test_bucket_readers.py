"""The example in buckets: every object as it should be, and read by the stores' own drivers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorstore as ts
import urllib3

from tests.e2e.conftest import InBucket, Release, publisher
from tests.e2e.test_example import SCALES
from tests.servers.fixtures import BUCKET
from tests.servers.seaweed import Seaweed

SEGMENTATION = "v0.9/segmentation"
SCENE, EXAMPLES = "v0.9/hemibrain-da1-v0.9.json", "v0.9/examples/"


@pytest.fixture(params=["in_s3", "in_gcs"])
def bucket(request: pytest.FixtureRequest) -> InBucket:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def test_a_release_onto_a_bucket_and_again(bucket: InBucket, published: Release) -> None:
    told = bucket.result.json
    wrong = [finding for finding in told["findings"] if finding["severity"] == "error"]
    if bucket.url.startswith("s3"):
        assert (bucket.result.code, told["findings"]) == (0, []), bucket.result.err
    else:  # the emulator exposes no Content-Range, and who may read was not looked at
        assert {finding["check"] for finding in wrong} <= {"cors"}
    assert told["objects"] == told["uploaded"] > published.result.json["objects"]  # buckets have tools of their own
    words = ("release", published.manifest, "--target", bucket.url, "--json", "--until", "publish", "--no-access")
    again = publisher(*words, env=bucket.env)
    assert (again.code, again.json["uploaded"], again.json["skipped"]) == (0, 0, told["objects"])


@pytest.mark.usefixtures("in_s3")
def test_every_object_is_what_the_inventory_says_and_what_the_folder_has(seaweed: Seaweed, published: Release) -> None:
    """Through boto3, byte by byte and header by header."""
    client = seaweed.client()

    def get(key: str) -> dict[str, Any]:
        return client.get_object(Bucket=BUCKET, Key=f"example/{key}")  # type: ignore[no-any-return]

    record = json.load(get("v0.9/.release/release.json")["Body"])
    rows = inventory(get(record["inventory"]["key"])["Body"].read())
    assert len(rows) == record["objects"] > published.result.json["objects"]
    encoded = 0
    for key, row in rows.items():
        there = get(key)
        headers = there["ContentType"], there.get("ContentEncoding") or None, there["CacheControl"]
        assert headers == (row["content_type"], row["content_encoding"], row["cache_control"]), key
        assert there["Metadata"]["sha256"] == row["sha256"]
        assert there["ContentLength"] == row["size"]
        encoded += row["content_encoding"] == "gzip"
        on_disk = published.target / (f"{key}.gz" if row["content_encoding"] else key)
        if key != SCENE and not key.startswith(EXAMPLES):  # which have addresses in them
            assert there["Body"].read() == on_disk.read_bytes(), key
    assert encoded > 100


def inventory(data: bytes) -> dict[str, dict[str, Any]]:
    import io

    return {row["key"]: row for row in pq.read_table(io.BytesIO(data)).to_pylist()}


def test_two_targets_hold_the_same_content(in_s3: InBucket, in_gcs: InBucket) -> None:
    """But for what has addresses in it, of which each store has examples of its own tools."""
    found = []
    for bucket in (in_s3, in_gcs):
        record = urllib3.request("GET", f"{bucket.base}/v0.9/.release/release.json").json()
        rows = inventory(urllib3.request("GET", f"{bucket.base}/{quote(record['inventory']['key'])}").data)
        found.append({key: row["sha256"] for key, row in rows.items() if not key.startswith(EXAMPLES)})
        assert f"{EXAMPLES}index.json" in rows
    left, right = found
    assert left.keys() == right.keys()
    assert [key for key in left if left[key] != right[key]] == [SCENE]


def test_tensorstore_s_own_drivers_read_every_scale(
    bucket: InBucket, published: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`s3` with an endpoint; `gcs`, whose server is an environment variable that is read once a process."""
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    path = f"example/{SEGMENTATION}/"
    if bucket.url.startswith("s3"):
        store: dict[str, Any] = {
            "driver": "s3",
            "bucket": BUCKET,
            "path": path,
            "endpoint": bucket.env["AWS_ENDPOINT_URL"],
            "aws_region": "us-east-1",
        }
    else:
        monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", bucket.env["STORAGE_EMULATOR_HOST"])
        store = {"driver": "gcs", "bucket": BUCKET, "path": path}
    source = unpacked(published, tmp_path)
    for scale, key in enumerate(SCALES):
        chunk = max((source / key).iterdir(), key=lambda path: path.stat().st_size).name
        box = tuple(slice(*map(int, span.split("-"))) for span in chunk.split("_"))
        wanted = read({"driver": "file", "path": f"{source}/"}, scale, box)
        assert wanted.any()
        assert np.array_equal(read(store, scale, box), wanted)


def read(store: dict[str, Any], scale: int, box: tuple[slice, ...]) -> np.ndarray:
    opened = ts.open({"driver": "neuroglancer_precomputed", "kvstore": store, "scale_index": scale}).result()
    return np.asarray(opened[(*box, 0)].read().result())


def unpacked(published: Release, folder: Path) -> Path:
    """Return the source without gzip: tensorstore's file driver does not know that X.gz stands for X."""
    import gzip

    root = folder / "segmentation"
    for path in (published.inputs / "segmentation").rglob("*"):
        if path.is_file():
            place = root / path.relative_to(published.inputs / "segmentation")
            place.parent.mkdir(parents=True, exist_ok=True)
            packed = path.suffix == ".gz"
            data = path.read_bytes()
            (place.with_suffix("") if packed else place).write_bytes(gzip.decompress(data) if packed else data)
    return root
