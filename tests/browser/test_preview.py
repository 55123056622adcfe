"""`publisher serve --manifest`: the site as it is being written, built anew after each edit, for whoever has it open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.buckets import alone, publisher
from tests.e2e.conftest import ROOT, snapshot
from tests.e2e.test_site_host import written
from tests.rig import mortal

WAIT = 60


@dataclass
class Desk:
    """A manifest that somebody edits, and its preview."""

    manifest: Path
    root: Path
    base: str

    def text(self, page: str = "index.html") -> str:
        answer = requests.get(f"{self.base}/site/v1/{page}", timeout=WAIT)
        assert answer.status_code == 200
        return answer.text

    def news(self, seen: int) -> dict[str, Any]:
        """What the page itself asks for, which is answered when there is some."""
        return requests.get(f"{self.base}/site/.preview/changes?seen={seen}", timeout=WAIT).json()  # type: ignore[no-any-return]

    def edit(self, path: Path, text: str) -> dict[str, Any]:
        seen = requests.get(f"{self.base}/site/.preview/changes", timeout=WAIT).json()["number"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        started, told = time.monotonic(), {"number": seen}
        while told["number"] == seen and time.monotonic() - started < WAIT:
            told = self.news(seen)
        assert told["number"] == seen + 1
        return told


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    at = tmp_path_factory.mktemp("desk")
    manifest = written(at, ("host: target, ", ""), ("status: draft", "status: final"))
    done = publisher("release", manifest, "--target", at / "public", env={})
    assert done.code == 0, done.err
    words = ("serve", at / "public", "--manifest", manifest, "--port", "0", "--json")
    command = [sys.executable, "-m", "publisher.cli", *map(str, words)]
    with (
        subprocess.Popen(command, cwd=ROOT, env=alone(), stdout=subprocess.PIPE, text=True) as process,
        mortal(process),
    ):
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert told["page"] == f"{told['url']}/site/v1/"
        yield Desk(manifest, at / "public", told["url"])
        process.terminate()


def test_a_preview_shows_the_manifest_as_it_is_now_and_publishes_nothing(desk: Desk) -> None:
    """Of a final release, too, whose own page keeps what it said."""
    before = snapshot(desk.root)
    was = desk.manifest.read_text()
    desk.edit(desk.manifest, was.replace("A site beside its data.", "Written a minute later."))
    assert "Written a minute later." in desk.text()
    assert snapshot(desk.root) == before
    assert "A site beside its data." in (desk.root / "site/v1/index.html").read_text()
    assert requests.get(desk.base, timeout=WAIT).url == f"{desk.base}/site/v1/"
    assert requests.get(f"{desk.base}/v1/files/notes", timeout=WAIT).text == "# Notes\n"


@pytest.mark.slow
def test_templates_project_and_pictures_are_watched(desk: Desk) -> None:
    at = desk.manifest.parent
    desk.edit(at / "ours/site/index.md.jinja", "# Ours\n\nA page of our own.\n")
    assert "A page of our own." in desk.text()
    project = at / ".publisher/v1/site"
    desk.edit(project / "docs/assets/site.css", (project / "docs/assets/site.css").read_text() + "p { color: teal }")
    assert "color: teal" in desk.text("assets/site.css")
    desk.edit(project / "docs/news.md", "# News\n\nWritten by hand.\n")
    assert "Written by hand." in desk.text("news.html")
    desk.edit(at / "logo.svg", (at / "logo.svg").read_text().replace("#fff", "#ffe"))
    assert "#ffe" in desk.text("assets/brand/logo.svg")


@pytest.mark.slow
def test_what_is_wrong_is_told_and_what_was_right_stays(desk: Desk) -> None:
    shown, right = desk.text(), desk.manifest.read_text()
    told = desk.edit(desk.manifest, right.replace("license:", "licence:"))
    assert "unknown key 'licence'; did you mean 'license'?" in told["trouble"]
    assert desk.text() == shown
    template = desk.manifest.parent / "ours/site/index.md.jinja"
    assert desk.edit(desk.manifest, right)["trouble"] == ""
    told = desk.edit(template, "# Ours\n\n{{ nothing }}\n")
    assert f"{template.name}:3" in told["trouble"]
    assert "'nothing' is undefined" in told["trouble"]
    assert desk.edit(template, "# Ours again\n")["trouble"] == ""
    assert "Ours again" in desk.text()


@pytest.mark.parametrize("key", ["../v1.yaml", "%2e%2e/v1.yaml", ".publisher-site", "./../../v1.yaml", "/etc/passwd"])
def test_a_preview_shows_nothing_but_its_pages(key: str, desk: Desk) -> None:
    answer = subprocess.run(
        ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--path-as-is", f"{desk.base}/site/v1/{key}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout == "404"


@pytest.mark.browser
def test_an_open_page_loads_itself_again(desk: Desk, chromium: Any) -> None:
    page = chromium.new_page()
    errors: list[str] = []
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto(f"{desk.base}/site/v1/")
    right = desk.manifest.read_text()
    template = desk.manifest.parent / "ours/site/index.md.jinja"
    page.wait_for_timeout(500)  # until it has asked for the first time
    template.write_text("# Seen by a browser\n")
    page.get_by_role("heading", name="Seen by a browser").wait_for(timeout=WAIT * 1000)
    desk.manifest.write_text(right.replace("title: Hosted", "tittle: Hosted"))
    page.locator("#preview-trouble", has_text="tittle").wait_for(timeout=WAIT * 1000)
    desk.manifest.write_text(right)
    page.locator("#preview-trouble").wait_for(state="detached", timeout=WAIT * 1000)
    assert errors == []
    page.close()


@pytest.mark.slow
def test_a_release_that_is_not_published_yet_has_a_preview(tmp_path: Path) -> None:
    manifest = written(tmp_path)
    command = [sys.executable, "-m", "publisher.cli", "serve", "--manifest", str(manifest), "--port", "0", "--json"]
    env = alone({"PYTHONPATH": str(ROOT)})
    with (
        subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process,
        mortal(process),
    ):
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        page = requests.get(told["page"], timeout=WAIT).text
        process.terminate()
    assert "A site beside its data." in page
    assert "Verified" not in page
    assert not (tmp_path / "public").exists()
