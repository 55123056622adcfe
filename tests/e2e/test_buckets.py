"""The example release in buckets: by every reader's own way into them, by the commands of its page, over TLS.

SeaweedFS stands for S3. Of Cloud Storage there are two emulators, each of which lacks something; what they lack is told
where it matters. Managed folders, by which strangers read there, no emulator has: `tests/contract/test_access_gcs.py`
shows what is asked for.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests

from publisher.objects import Entry, Headers
from publisher.page import examples, places
from publisher.page.view import Book, book
from publisher.targets.cors import GcsCors
from tests.e2e.buckets import CONFLICT, FOUND, Live, alone, publisher, released
from tests.e2e.conftest import InBucket, Release, copy_of_example
from tests.e2e.test_example import SCALES
from tests.e2e.test_site_build import Page
from tests.servers.fixtures import BUCKET
from tests.servers.gcs import FakeGcs, GcpEmulator, GcsServer
from tests.servers.s3 import environment
from tests.servers.seaweed import Seaweed
from tests.servers.tls import TlsTerminator

pytestmark = pytest.mark.xdist_group("buckets")  # one worker publishes for all of them


@pytest.fixture(scope="module")
def on_s3(in_s3: InBucket) -> Live:
    assert in_s3.result.code == 0, in_s3.result.err
    return Live(in_s3)


@pytest.fixture(scope="module")
def on_gcs(in_gcs: InBucket) -> Live:
    return Live(in_gcs)


@pytest.fixture(scope="module")
def on_emulator(published: Release, gcp_emulator: GcpEmulator) -> Live:
    words = ("--until", "publish")
    return released(published.manifest, f"gs://{BUCKET}/emulated", gcp_emulator.endpoint, *words, env=gcp_emulator.env)


def test_anybody_can_verify_it_from_its_address(on_s3: Live) -> None:
    done = publisher("verify", on_s3.base, "--json", "--depth", "quick", env={})
    assert done.code == 0, done.err
    assert (done.json["objects"], done.json["findings"]) == (len(on_s3.entries), [])
    assert any("preflight" in probe for probe in done.json["probes"])


def test_a_final_release_refuses_one_changed_byte(
    on_s3: Live, seaweed: Seaweed, published: Release, tmp_path: Path
) -> None:
    """By somebody else's copy: no ledger knows what was sent."""
    prefix = on_s3.bucket.url.removeprefix(f"s3://{BUCKET}/")

    def there() -> list[tuple[str, str, Any]]:
        pages = seaweed.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        return [(each["Key"], each["ETag"], each["LastModified"]) for page in pages for each in page["Contents"]]

    manifest = copy_of_example(published.inputs, tmp_path)
    path = tmp_path / "inputs/rois/lh.obj"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    before = there()
    done = publisher("release", manifest, "--target", on_s3.bucket.url, env=on_s3.bucket.env)
    assert done.code == CONFLICT
    assert "v0.9/rois/obj/lh.obj" in done.err
    assert there() == before


# Readers, by their own ways into a bucket

# Reads boxes of volumes with both readers, in a process that has just this environment; prints a digest of each volume.
READ = """
import json, sys, zlib
import numpy as np

for reader, where, mip, boxes in json.load(sys.stdin):
    if reader == "cloud-volume":
        from cloudvolume import CloudVolume
        volume = CloudVolume(where, mip=mip, fill_missing=True, progress=False)
        read = lambda box: np.asarray(volume[box])[..., 0]
    else:
        import tensorstore as ts
        spec = {"driver": "neuroglancer_precomputed", "kvstore": where, "scale_index": mip}
        store = ts.open(spec, read=True).result()
        read = lambda box: store[(*box, 0)].read().result()
    digest = 0
    for box in boxes:
        digest = zlib.crc32(np.ascontiguousarray(read(tuple(slice(*span) for span in box)).T), digest)
    print(digest)
"""
Box = list[tuple[int, int]]
Where = str | dict[str, Any]
Way = tuple[str, Callable[[str], Where]]  # the reader, and where it finds a volume
Source = dict[tuple[str, int], tuple[list[Box], str]]  # of each volume and scale: which boxes, and what is in them


def digests(jobs: list[tuple[str, Where, int, list[Box]]], env: Mapping[str, str]) -> list[str]:
    """Read, and return a digest of what each job read."""
    command = [sys.executable, "-c", READ]
    done = subprocess.run(
        command, env=alone(env), input=json.dumps(jobs), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def boxes_of(inputs: Path, mip: int) -> list[Box]:
    """Return the chunks that the source's segmentation has at a scale."""
    names = sorted(path.name.removesuffix(".gz") for path in (inputs / "segmentation" / SCALES[mip]).glob("*.gz"))
    spans = [[span.split("-") for span in name.split("_")] for name in names]
    return [[(int(low), int(high)) for low, high in box] for box in spans]


@pytest.fixture(scope="module")
def source(published: Release) -> Source:
    """Boxes and their digest at every scale of every volume, as they lie: all of the segmentation, a block of others."""
    inputs, named = published.inputs, {"rois/regions-512nm": "roi-volume"}  # in shards
    blocks: dict[int, list[Box]] = {0: [[(192, 384)] * 3], 1: [[(96, 192)] * 3]}
    wanted = [("segmentation", mip, boxes_of(inputs, mip)) for mip in range(len(SCALES))]
    wanted += [(name, mip, box) for name in ("rois/regions-512nm", "synapse-density") for mip, box in blocks.items()]
    jobs: list[tuple[str, Where, int, list[Box]]] = [
        ("cloud-volume", f"precomputed://file://{inputs}/{named.get(name, name)}", mip, boxes)
        for name, mip, boxes in wanted
    ]
    found = digests(jobs, {})
    assert len(set(found)) == len(found) == 8
    return {(name, mip): (boxes, digest) for (name, mip, boxes), digest in zip(wanted, found, strict=True)}


def check(source: Source, env: Mapping[str, str], ways: Mapping[str, Way]) -> None:
    """Read every volume in several ways, in one process, and compare it with the source voxel by voxel."""
    asked = [(way, *key) for way in ways for key in source]
    jobs = [(ways[way][0], ways[way][1](name), mip, source[name, mip][0]) for way, name, mip in asked]
    found = dict(zip(asked, digests(jobs, env), strict=True))
    assert [each for each in asked if found[each] != source[each[1], each[2]][1]] == []


def test_s3_voxels_are_those_of_the_source(on_s3: Live, seaweed: Seaweed, source: Source) -> None:
    """cloud-volume's s3:// knows no anonymous readers, so it comes with credentials."""
    bucket, _, prefix = on_s3.bucket.url.removeprefix("s3://").partition("/")
    s3 = {"driver": "s3", "bucket": bucket, "endpoint": seaweed.endpoint, "aws_credentials": {"type": "anonymous"}}
    check(
        source,
        seaweed.env | {"AWS_SESSION_TOKEN": ""},  # cloud-files asks for it where there are keys
        {
            "tensorstore": ("tensorstore", lambda name: s3 | {"path": f"{prefix}/v0.9/{name}/"}),
            "cloud-volume": ("cloud-volume", lambda name: f"precomputed://{on_s3.bucket.url}/v0.9/{name}"),
        },
    )


def tensorstore_gcs(live: Live) -> Way:
    """TensorStore's own driver."""
    bucket, _, prefix = live.bucket.url.removeprefix("gs://").partition("/")
    return "tensorstore", lambda name: {"driver": "gcs", "bucket": bucket, "path": f"{prefix}/v0.9/{name}/"}


def of_emulator(server: GcsServer) -> dict[str, str]:
    """Where each tool looks for an emulator."""
    return {
        "TENSORSTORE_GCS_HTTP_URL": server.endpoint,
        "CLOUD_STORAGE_EMULATOR_ENDPOINT": server.endpoint,
        "RCLONE_GCS_ENDPOINT": f"{server.endpoint}/storage/v1/",
    }


def test_gcs_voxels_are_those_of_the_source(on_gcs: Live, fake_gcs: FakeGcs, source: Source) -> None:
    check(source, of_emulator(fake_gcs), {"tensorstore": tensorstore_gcs(on_gcs)})


# The page


def shown(live: Live) -> Book:
    return book(live.record, places.target(live.record.public_url, live.bucket.url), live.entries)


def chosen(live: Live) -> dict[str, tuple[str, examples.Example]]:
    """Return the first example of each template that needs no account, with its artifact; of copying, of each form."""
    found: dict[str, tuple[str, examples.Example]] = {}
    for view in shown(live).views:
        for made in examples.of(view, shown(live)):
            template = made.name.removeprefix(f"{view.described.name}-")
            form = "one " if view.single and "copy" in template else ""
            if made.language != "r" and not template.startswith("neo4j-"):  # which takes a container
                found.setdefault(f"{form}{template}", (view.described.name, made))
    return found


def copying(*tools: str) -> set[str]:
    """Return how `chosen` calls the examples that copy: a tree, one object, a part."""
    return {f"{form}-{tool}.sh" for form in ("copy", "one copy", "part") for tool in tools}


SAYS = {
    "volume-tensorstore.py": "(64, 64, 64, 1) uint64 0 1734350908",
    "volume-tensorstore-bucket.py": "(64, 64, 64, 1) uint64 0 1734350908",
    "volume-cloudvolume.py": "(64, 64, 64, 1) uint64 0 1734350908",
    "copy-tree.py": "350 objects, digests as published",
    "table-pandas.py": "(5, 9)",
    "table-pyarrow.py": "5 rows",
    "table-bucket.py": "5 rows",
    "skeletons-swc.py": "count",
    "skeletons-cloudvolume.py": "(4465, 3) (4464, 2)",
    "skeletons-navis.py": "1.0 nanometer",
    "meshes-cloudvolume.py": "(10211, 3) (15648, 3)",
    "meshes-navis.py": "navis.MeshNeuron",
    "annotations-cloudvolume.py": "[14836 rows x 6 columns]",
}


def run(made: examples.Example, folder: Path, env: Mapping[str, str]) -> str:
    """Run an example as it stands, as somebody without credentials."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / made.name).write_text(made.text)
    command = [sys.executable, made.name] if made.language == "python" else ["bash", "-e", made.name]
    done = subprocess.run(
        command, cwd=folder, env=alone({"HOME": str(folder), **env}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (made.name, done.stdout + done.stderr)
    return done.stdout


def copied(live: Live, form: str, folder: Path, env: Mapping[str, str]) -> bool:
    """Run an example that copies in a folder of its own; say if all arrived as it should.

    rclone and Google's tools undo gzip; the other tools for S3 keep what is stored.
    """
    artifact, made = chosen(live)[form]
    key = next(view.described.key for view in shown(live).views if view.described.name == artifact)
    wanted = [entry for entry in live.entries if f"{entry.key}/".startswith(f"{key}/")]
    run(made, folder, env)
    kept = form.endswith(("aws.sh", "s5cmd.sh"))

    def same(entry: Entry) -> bool:
        path = folder / Path(key).name / Path(entry.key).relative_to(key)
        digest = entry.stored_sha256 if kept else entry.content_sha256
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest

    return bool(wanted) and all(map(same, wanted))


def test_the_page_has_its_addresses_and_commands(
    on_s3: Live, published: Release, seaweed: Seaweed, tmp_path: Path
) -> None:
    words = ("--target", on_s3.bucket.url, "--out", tmp_path)
    assert publisher("site", published.manifest, *words, env=on_s3.bucket.env).code == 0
    code = Page((tmp_path / "download.html").read_text()).code
    blocks = {text.strip("\n") for text in code}
    assert {f"{on_s3.base}/v0.9/segmentation", f"{on_s3.bucket.url}/v0.9/segmentation"} <= blocks
    assert on_s3.bucket.url in Page((tmp_path / "download.html").read_text()).text
    assert [made.name for _, made in chosen(on_s3).values() if made.text.strip("\n") not in blocks] == []
    commands = [line for text in code for line in text.splitlines() if line.startswith(("aws ", "s5cmd ", "rclone "))]
    parts = [made for view in shown(on_s3).views for made in examples.of(view, shown(on_s3)) if "-part-" in made.name]
    own = 3 * len(on_s3.record.artifacts) + len([made for made in parts if "curl" not in made.name])
    assert len(commands) > own  # and those of the picker
    assert [line for line in commands if seaweed.endpoint not in line] == []


def test_examples_of_the_page_run(on_s3: Live, tmp_path: Path) -> None:
    """One of each template, anonymously: they differ in names and numbers only."""
    made = chosen(on_s3)
    curl = {"one copy-curl.sh", "part-curl.sh"}
    assert set(made) == {*SAYS, *curl, *copying("aws", "s5cmd", "rclone")}
    said = {name: run(made[name][1], tmp_path / str(number), {}) for number, name in enumerate(SAYS)}
    assert {name: text for name, text in said.items() if SAYS[name] not in text} == {}


@pytest.mark.parametrize("tool", ["aws", "s5cmd", "rclone"])
@pytest.mark.parametrize("form", ["copy", "one copy"])
def test_commands_of_the_page_copy_what_was_published(on_s3: Live, tmp_path: Path, form: str, tool: str) -> None:
    assert copied(on_s3, f"{form}-{tool}.sh", tmp_path, {})


def test_examples_of_the_page_of_cloud_storage_run(on_gcs: Live, fake_gcs: FakeGcs, tmp_path: Path) -> None:
    """Those that differ from S3's: the others read over http, and are the same."""
    made, env = chosen(on_gcs), of_emulator(fake_gcs)
    curl = {"one copy-curl.sh", "part-curl.sh"}
    assert set(made) == {*SAYS, *curl, *copying("gcloud", "gsutil", "rclone")}
    for name in ("volume-tensorstore-bucket.py", "table-bucket.py"):
        assert SAYS[name] in run(made[name][1], tmp_path / name, env)
    for form, words in (("copy", "--recursive "), ("one copy", "")):
        assert copied(on_gcs, f"{form}-rclone.sh", tmp_path / form, env)
        assert f"gcloud storage cp {words}{on_gcs.bucket.url}/v0.9/" in made[f"{form}-gcloud.sh"][1].text


# Over TLS


def test_over_tls_the_encoding_is_exactly_gzip(
    published: Release, seaweed: Seaweed, seaweed_tls: TlsTerminator
) -> None:
    """A private authority: publishing and verifying trust it by the one variable that AWS's tools know."""
    env = environment(seaweed_tls.endpoint, ca=seaweed_tls.ca)
    live = released(published.manifest, f"s3://{BUCKET}/tls", seaweed.endpoint, "--until", "verify", env=env)
    result = live.bucket.result
    assert (result.code, result.json["findings"]) == (0, []), result.err
    assert live.record.public_url == f"{seaweed_tls.endpoint}/{BUCKET}/tls"
    found = {row.key: row.headers.content_encoding for row in live.entries}
    told = {key: requests.head(f"{live.base}/{key}", timeout=30).headers.get("Content-Encoding") for key in found}
    assert told == found
    assert set(found.values()) == {None, "gzip"}


# Cloud Storage, on emulators


def differing(live: Live, server: GcsServer) -> list[str]:
    """Return the keys whose bytes, content or headers are not the inventory's, as Google's own client sees them."""
    bucket_name, _, prefix = live.bucket.url.removeprefix("gs://").partition("/")
    bucket = server.client().bucket(bucket_name)

    def good(entry: Entry) -> bool:
        blob = bucket.get_blob(f"{prefix}/{entry.key}")
        told = Headers(blob.content_type, blob.content_encoding, blob.cache_control)  # before an answer changes them
        data = blob.download_as_bytes(raw_download=True, checksum="crc32c")
        content = gzip.decompress(data) if told.content_encoding == "gzip" else data
        sums = [(len(each), hashlib.sha256(each).hexdigest()) for each in (data, content)]
        said = [(entry.size_bytes, entry.stored_sha256), (entry.content_size_bytes, entry.content_sha256)]
        return told == entry.headers and sums == said and blob.size == len(data)

    with ThreadPoolExecutor(8) as pool:
        return [entry.key for entry, fine in zip(live.entries, pool.map(good, live.entries), strict=True) if not fine]


def test_fake_gcs_holds_what_the_inventory_says(on_gcs: Live, fake_gcs: FakeGcs) -> None:
    assert differing(on_gcs, fake_gcs) == []


def test_fake_gcs_has_all_but_cors_and_iam(on_gcs: Live, published: Release) -> None:
    """fake-gcs-server forgets CORS, exposes one header of its own to every origin, and has no IAM.

    These are the findings of verify, and nothing else is; on the real service there would be none.
    """
    words = ("--target", on_gcs.bucket.url, "--json", "--depth", "quick")
    done = publisher("verify", published.manifest, *words, env=on_gcs.bucket.env)
    assert done.code == FOUND, done.err
    cors, *drift = done.json["findings"]
    top = f"gs://{BUCKET}"
    assert (cors["check"], cors["severity"]) == ("cors", "error")
    assert cors["message"].startswith("browsers hide Content-Range from their pages")
    told = [("access-drift", "error", top), ("access-drift", "note", top)]
    assert [(each["check"], each["severity"], each["key"]) for each in drift] == told
    assert drift[0]["message"].startswith("CORS is not as the release wants it")
    assert drift[1]["message"].startswith("public read was not looked at: this service has no IAM")


def test_cloud_storage_never_undoes_gzip_on_the_way(on_gcs: Live) -> None:
    """Else it sends clients that do not ask for gzip something without a length, and ignores their ranges."""
    told = {entry.headers.content_encoding: entry.headers.cache_control for entry in on_gcs.entries}
    assert "no-transform" in told["gzip"]


def test_the_emulator_is_asked_for_what_browsers_need(
    on_emulator: Live, gcp_emulator: GcpEmulator, published: Release
) -> None:
    """gcp-storage-emulator keeps the CORS that it is sent, and does not answer by it."""
    first = on_emulator.bucket.result
    assert first.code == 0, first.err
    assert first.json["uploaded"] == first.json["objects"] == len(on_emulator.entries)
    assert gcp_emulator.client().get_bucket(BUCKET).cors == [GcsCors().write(["*"])]
    words = ("--target", on_emulator.bucket.url, "--json", "--until", "publish")
    again = publisher("release", published.manifest, *words, env=gcp_emulator.env)
    assert (again.code, again.json["uploaded"]) == (0, 0), again.err


def test_the_emulator_holds_what_the_inventory_says(on_emulator: Live, gcp_emulator: GcpEmulator) -> None:
    assert differing(on_emulator, gcp_emulator) == []


def test_the_emulator_is_read_where_it_can_be(
    on_emulator: Live, gcp_emulator: GcpEmulator, published: Release, source: Source
) -> None:
    """It answers without Content-Encoding, so that no reader sees gzip for what it is: chunks in gzip are left out.

    It tells no generation with the bytes, which tensorstore's gcs driver holds on to in shards: these are read over
    http. And it answers 501 to every HEAD, which is what verify finds.
    """
    plain = {key: value for key, value in source.items() if key[0] != "segmentation"}
    whole = {key: value for key, value in plain.items() if key[0] != "rois/regions-512nm"}
    check(plain, {}, {"http": ("tensorstore", lambda name: f"{on_emulator.base}/v0.9/{name}/")})
    check(whole, of_emulator(gcp_emulator), {"gcs": tensorstore_gcs(on_emulator)})
    points = pd.read_feather(
        f"{on_emulator.base}/v0.9/connectome-data/flat-connectome/syn-points-hemibrain-da1-v0.9.feather"
    )
    assert len(points) == 14_836
    words = ("--target", on_emulator.bucket.url, "--json", "--depth", "quick", "--no-access")
    found = publisher("verify", published.manifest, *words, env=gcp_emulator.env)
    assert found.code == FOUND
    unread = {each["key"]: each["message"] for each in found.json["findings"] if each["check"] == "unreadable"}
    assert set(unread) == {entry.key for entry in on_emulator.entries}
    assert all("status 501" in message for message in unread.values())
