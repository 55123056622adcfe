"""A release that carries its own viewer opens from wherever it lies, and asks nobody else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from publisher import serve, viewer
from tests.browser.chromium import LAYERS_READY
from tests.browser.stage import build
from tests.e2e.conftest import publisher
from tests.servers.fixtures import BUCKET
from tests.servers.seaweed import Seaweed

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("buckets")]

MANIFEST = """\
schema: 1
version: v1
date: 2026-01-01
status: final
dataset: {name: ball, title: Ball, description: A ball., license: CC0-1.0, authors: [{name: A}]}
space: {name: EM, voxel_size: [8, 8, 8], units: nm}
viewer: self
volumes:
  - {name: em, source: data/v1/em}
scenes: [{name: main, title: A ball, layers: [{artifact: em}]}]
"""
OWN = f"v1/{viewer.prefix()}"
SCENE = "v1/ball-v1.json"
FRAME = "iframe.pub-frame"


@dataclass
class Tab:
    page: Any
    asked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        return {"/".join(url.split("/")[:3]) for url in self.asked if not url.startswith(("blob:", "data:"))}


@pytest.fixture
def tab(page: Any) -> Tab:
    tab = Tab(page)
    page.on("request", lambda request: tab.asked.append(request.url))
    page.on("response", lambda answer: tab.failed.append(answer.url) if answer.status >= 400 else None)
    return tab


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("self")
    build(folder / "data")
    (folder / "release.yaml").write_text(MANIFEST)
    return folder / "release.yaml"


@pytest.fixture(scope="module")
def target(manifest: Path) -> Path:
    root = manifest.parent / "public"
    result = publisher("release", manifest, "--target", root, "--no-render")
    assert result.code == 0, result.err
    return root


@pytest.fixture
def served(target: Path) -> Iterator[str]:
    with serve.running(target) as url:
        yield url


def test_every_file_of_the_client_is_an_object_of_the_release(target: Path, served: str) -> None:
    import requests

    for name in viewer.names():
        found = viewer.file(name)
        assert found is not None
        content = found[0].read_bytes() if isinstance(found[0], Path) else found[0]
        assert (target / OWN / name).read_bytes() == content
        answer = requests.get(f"{served}/{OWN}/{name}", timeout=10)
        assert (answer.content, answer.headers["Content-Type"]) == (content, found[1])
        assert "immutable" in answer.headers["Cache-Control"]
    record = json.loads((target / "v1/.release/release.json").read_text())
    assert record["viewer"] == OWN


def test_a_second_run_changes_nothing(manifest: Path, target: Path) -> None:
    result = publisher("release", manifest, "--target", target, "--json", "--no-render")
    assert result.code == 0, result.err
    assert result.json["uploaded"] == 0


def test_the_page_shows_the_scene_when_it_is_asked(tab: Tab, served: str) -> None:
    tab.page.goto(f"{served}/site/v1/explore.html")
    button = tab.page.get_by_role("button", name="Show on this page")
    button.wait_for()
    assert not [url for url in tab.asked if "/viewer/" in url]
    assert tab.page.locator(FRAME).count() == 0
    button.click()
    frame = tab.page.wait_for_selector(FRAME).content_frame()
    frame.wait_for_function("() => window.viewer?.layerManager.managedLayers.length")
    assert frame.evaluate(LAYERS_READY, [["em"], 60]) == ""
    assert f"/{OWN}/" in frame.url
    assert tab.hosts == {served}
    assert tab.failed == []


def test_its_link_opens_it_on_any_port_and_in_a_copy_of_the_folder(tab: Tab, target: Path, tmp_path: Path) -> None:
    """The stored scene names the public address; the release's own viewer reads from where it lies itself."""
    copy = tmp_path / "archive"
    shutil.copytree(target, copy, ignore=shutil.ignore_patterns("releases.json"))
    with serve.running(copy) as url:
        tab.page.goto(f"{url}/site/v1/explore.html")
        tab.page.get_by_role("link", name="Open in Neuroglancer").click()
        tab.page.wait_for_url(f"**/{OWN}/**")
        assert tab.page.evaluate(LAYERS_READY, [["em"], 60]) == ""
        assert tab.hosts == {url}


def test_from_a_bucket(manifest: Path, seaweed: Seaweed, tab: Tab) -> None:
    words = ("--target", f"s3://{BUCKET}/own-viewer", "--no-render")
    result = publisher("release", manifest, *words, env=seaweed.env)
    assert result.code == 0, result.err
    base = f"{seaweed.endpoint}/{BUCKET}/own-viewer"
    page = (manifest.parent / ".publisher/release/html/explore.html").read_text()
    link = viewer.link(base, f"{base}/{SCENE}", base, OWN)
    assert link.replace("&", "&amp;") in page or link in page
    assert f"frame-src 'self' {seaweed.endpoint};" in page
    tab.page.goto(link)
    assert tab.page.evaluate(LAYERS_READY, [["em"], 60]) == ""
    assert tab.hosts == {seaweed.endpoint}
    assert tab.failed == []


def test_a_hosted_viewer_leaves_nothing_at_the_target(manifest: Path, tmp_path: Path) -> None:
    hosted = manifest.with_name("hosted.yaml")
    hosted.write_text(MANIFEST.replace("viewer: self\n", ""))
    result = publisher("release", hosted, "--target", tmp_path / "public", "--until", "publish")
    assert result.code == 0, result.err
    assert not (tmp_path / "public" / OWN).exists()


def test_no_artifact_may_lie_where_the_viewer_goes(manifest: Path) -> None:
    taken = manifest.with_name("taken.yaml")
    taken.write_text(MANIFEST.replace("{name: em, ", '{name: em, key: "{version}/viewer/em", '))
    result = publisher("validate", taken)
    assert result.code == 2
    assert "where the release's own viewer goes" in " ".join(result.err.split())
