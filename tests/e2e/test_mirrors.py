"""One release at several targets: the same content, proved by digests; the page of each names the others."""

from __future__ import annotations

import html
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import publisher
from tests.servers.fixtures import BUCKET
from tests.servers.gcs import FakeGcs
from tests.servers.seaweed import Seaweed

MANIFEST = """
schema: 1
version: v1
date: 2026-11-21
status: final
dataset: {{name: mirrored, title: Mirrored, description: Twice., license: CC0-1.0, authors: [{{name: A}}]}}
targets:
  here: {{url: here}}
  there: {{url: there}}
  aws: {{url: "s3://{bucket}/{prefix}"}}
  gcp: {{url: "gs://{bucket}/{prefix}", access: unmanaged}}
files: [{{name: notes, source: notes}}]
"""


@pytest.fixture
def manifest(tmp_path: Path, seaweed: Seaweed, fake_gcs: FakeGcs, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in (seaweed.env | fake_gcs.env).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "notes").mkdir()
    for number in range(20):
        (tmp_path / f"notes/{number}.md").write_text(f"# {number}\n")
    path = tmp_path / "v1.yaml"
    path.write_text(MANIFEST.format(bucket=BUCKET, prefix=prefix.rstrip("/")))
    return path


def page(folder: Path) -> str:
    return html.unescape((folder / "download.html").read_text())


def test_everywhere_publishes_to_every_target_and_each_page_names_the_others(manifest: Path, prefix: str) -> None:
    done = publisher("release", manifest, "--everywhere", "--json")
    assert done.code == 0, done.err
    rows = [done.json, *done.json["mirrors"]]
    # The list of the examples, the one that copies over the web, and one of each tool of the store.
    assert [row["uploaded"] for row in rows] == [20 + 2, 20 + 2, 20 + 5, 20 + 5]
    s3, gs = (f"{scheme}://{BUCKET}/{prefix.rstrip('/')}" for scheme in ("s3", "gs"))
    assert [row["target"] for row in rows[2:]] == [s3, gs]
    work, here = manifest.parent / ".publisher/v1", manifest.parent / "here/site/v1"
    for built, others in ((here, (s3, gs)), (work / "html-aws", (gs,)), (work / "html-gcp", (s3,))):
        assert "with the same SHA-256" in page(built)
        assert all(other in page(built) for other in others)
    again = publisher("release", manifest, "--everywhere", "--until", "publish", "--json")
    assert [row["uploaded"] for row in (again.json, *again.json["mirrors"])] == [0] * 4


def test_a_mirror_that_differs_is_found_and_not_named(manifest: Path) -> None:
    """The control: the same version with another content at one of the targets."""
    assert publisher("release", manifest, "--target", "there").code == 0
    (manifest.parent / "notes/7.md").write_text("# another\n")
    assert publisher("release", manifest, "--target", "here").code == 0
    done = publisher("verify", manifest, "--target", "here", "--mirrors", "--json")
    assert done.code == 8
    found = [finding for finding in done.json["findings"] if finding["check"] == "mirror"]
    assert [finding["key"] for finding in found] == ["v1/files/notes/7.md"]
    assert "is not the same at" in found[0]["message"]
    assert publisher("site", manifest, "--target", "here").code == 0
    assert "with the same SHA-256" not in page(manifest.parent / "here/site/v1")
    shutil.rmtree(manifest.parent / "there")
    assert publisher("verify", manifest, "--target", "here", "--mirrors").code == 0
