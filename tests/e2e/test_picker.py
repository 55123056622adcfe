"""What the download picker gives is run as it stands: each tool's lines of some artifacts fetch those, and nothing else."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import urllib3

from publisher import inventory, record, serve
from publisher.objects import Entry
from publisher.page import places
from publisher.page.picker import PRICES, Tool, picker
from publisher.page.view import Book, book
from tests.e2e.conftest import InBucket, Release

# A folder with other artifacts inside, one of these, a single file, and files under a name of their own.
TICKED = {"segmentation", "skeletons", "body-stats", "rois-obj"}


def lines(tool: Tool, names: set[str]) -> str:
    """What the page's copy button copies when these are ticked."""
    return tool.before + "".join(f"{line}\n" for name, line in tool.lines if name in names) + tool.after


def fetched(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def wanted(shown: Book, entries: list[Entry]) -> Mapping[str, Entry]:
    assert {item.name for item in shown.record.artifacts} > TICKED
    return {entry.key: entry for entry in entries if entry.artifact in TICKED}


def run(folder: Path, text: str, *command: str) -> None:
    folder.mkdir(parents=True)
    (folder.parent / "picked").write_text(text)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean = {"PATH": path, "HOME": str(folder.parent), "AWS_REGION": "us-east-1"}
    done = subprocess.run(
        [*command, str(folder.parent / "picked")], cwd=folder, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def by_name(shown: Book) -> dict[str, Tool]:
    made = picker(shown)
    assert made is not None
    return {tool.name: tool for tool in made.tools}


@pytest.mark.xdist_group("buckets")
@pytest.mark.parametrize("name", ["rclone", "s5cmd", "Python"])
def test_tools_fetch_what_is_ticked_from_a_bucket(in_s3: InBucket, tmp_path: Path, name: str) -> None:
    live = record.parse(urllib3.request("GET", f"{in_s3.base}/v0.9/.release/release.json").data, "release.json")
    assert live.inventory is not None
    entries = list(inventory.read(io.BytesIO(urllib3.request("GET", f"{in_s3.base}/{live.inventory.key}").data)))
    shown = book(live, places.target(in_s3.base, in_s3.url, in_s3.base.rsplit("/", 2)[0]), entries)
    tools = by_name(shown)
    assert list(tools) == ["rclone", "aws s3", "s5cmd", "Python", "curl"]
    run(tmp_path / "got", lines(tools[name], TICKED), sys.executable if name == "Python" else "bash", *_strict(name))
    expected = wanted(shown, entries)
    assert fetched(tmp_path / "got") == set(expected)
    for key, entry in expected.items():
        data = (tmp_path / "got" / key).read_bytes()
        # s5cmd keeps what is stored; the others undo gzip.
        if name == "s5cmd" and entry.headers.content_encoding == "gzip":
            data = gzip.decompress(data)
        assert hashlib.sha256(data).hexdigest() == entry.content_sha256, key


def _strict(name: str) -> list[str]:
    return [] if name == "Python" else ["-e"]


def test_tools_fetch_what_is_ticked_from_a_folder(published: Release, tmp_path: Path) -> None:
    live = record.parse((published.target / "v0.9/.release/release.json").read_bytes(), "release.json")
    assert live.inventory is not None
    entries = list(inventory.read(published.target / live.inventory.key))
    with serve.running(published.target) as base:
        shown = book(replace(live, public_url=base), places.target(base), entries)
        tools = by_name(shown)
        assert list(tools) == ["Python", "curl"]
        run(tmp_path / "a" / "got", lines(tools["Python"], TICKED), sys.executable)
        run(tmp_path / "b" / "got", lines(tools["curl"], TICKED), "bash", "-e")
    expected = wanted(shown, entries)
    assert fetched(tmp_path / "a" / "got") == set(expected)
    assert fetched(tmp_path / "b" / "got") == {key for key, entry in expected.items() if entry.artifact == "body-stats"}


def test_only_providers_with_a_list_price_have_one(published: Release) -> None:
    live = record.parse((published.target / "v0.9/.release/release.json").read_bytes(), "release.json")
    for storage, endpoint, price in (
        ("s3://bucket/x", "", PRICES["s3"]),
        ("gs://bucket/x", "", PRICES["gs"]),
        ("s3://bucket/x", "https://store.example", None),
        ("", "", None),
    ):
        made = picker(book(live, places.target("https://data.example/x", storage, endpoint), ()))
        assert made is not None
        assert made.price == price


def test_gcloud_leaves_out_what_is_inside(published: Release) -> None:
    live = record.parse((published.target / "v0.9/.release/release.json").read_bytes(), "release.json")
    tools = by_name(book(live, places.target("https://storage.googleapis.com/lab/x"), ()))
    assert list(tools) == ["rclone", "gcloud storage", "Python", "curl"]
    commands = dict(tools["gcloud storage"].lines)
    assert commands["segmentation"] == (
        "mkdir -p v0.9/segmentation && gcloud storage rsync --recursive --exclude '^skeletons/,^meshes/' "
        "gs://lab/x/v0.9/segmentation v0.9/segmentation"
    )


def test_names_are_quoted() -> None:
    from publisher.page.picker import _words

    assert _words("rclone", "$(touch x)", "-a; b") == "rclone '$(touch x)' '-a; b'"
