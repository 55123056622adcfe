"""A small release whose site is hosted beside it, or as a branch: the whole way, read as strangers read it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from publisher import serve
from tests.e2e.buckets import FOUND, alone, publisher
from tests.e2e.conftest import Result, snapshot
from tests.servers.fixtures import BUCKET
from tests.servers.gcs import FakeGcs
from tests.servers.seaweed import Seaweed

pytestmark = pytest.mark.xdist_group("buckets")

MANIFEST = """\
schema: 1
version: v1
date: 2026-11-21
status: draft
dataset: {name: hosted, title: Hosted, description: A site beside its data., license: CC0-1.0, authors: [{name: A}]}
site: {host: target, colors: {primary: "#5b2a86", accent: "#7a3db8"}, logo: logo.svg, favicon: logo.svg}
templates: ours
files: [{name: notes, source: notes.md}]
"""
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><circle cx="12" cy="12" r="10" fill="#fff"/></svg>'


def written(at: Path, *changes: tuple[str, str]) -> Path:
    """A manifest with what it names."""
    text = MANIFEST
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (at / "ours/site").mkdir(parents=True, exist_ok=True)
    (at / "v1.yaml").write_text(text)
    (at / "notes.md").write_text("# Notes\n")
    (at / "logo.svg").write_text(LOGO)
    (at / "ours/site/cite.md.jinja").write_text(
        '{% extends "publisher/site/cite.md.jinja" %}\n{% block after %}Thank you, from our lab.\n{% endblock %}\n'
    )
    return at / "v1.yaml"


@dataclass(frozen=True)
class Cloud:
    """Where it goes, and how it is reached."""

    url: str
    base: str
    env: dict[str, str]
    words: tuple[str, ...] = ()

    def run(self, command: str, manifest: Path, *words: str) -> Result:
        return publisher(command, manifest, "--target", self.url, "--json", *words, env=self.env)

    def get(self, name: str) -> requests.Response:
        return requests.get(f"{self.base}/site/{name}", timeout=30)


def in_s3(request: pytest.FixtureRequest) -> Cloud:
    """A bucket of its own: its policy is one for all of it."""
    seaweed: Seaweed = request.getfixturevalue("seaweed")
    bucket = seaweed.bucket("hosted")
    return Cloud(f"s3://{bucket}/labs/hosted", f"{seaweed.endpoint}/{bucket}/labs/hosted", dict(seaweed.env))


def in_gcs(request: pytest.FixtureRequest) -> Cloud:
    server: FakeGcs = request.getfixturevalue("fake_gcs")
    where = f"{BUCKET}/hosted"
    return Cloud(f"gs://{where}", f"{server.endpoint}/{where}", dict(server.env), ("--no-access",))


@pytest.mark.parametrize("place", [in_s3, pytest.param(in_gcs, marks=pytest.mark.slow)], ids=["s3", "gcs"])
def test_a_site_beside_its_data(place: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    cloud, manifest = place(request), written(tmp_path)
    done = cloud.run("release", manifest, *cloud.words)
    assert done.code == 0, done.err
    site = done.json["site"]
    assert site["url"] == f"{cloud.base}/site/v1/index.html"
    assert (site["sent"], site["kept"], site["links"]["findings"]) == (site["files"], 0, [])
    home = requests.get(site["url"], timeout=30)
    assert (home.status_code, home.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert home.headers["Cache-Control"] == "no-cache"
    assert "A site beside its data." in home.text
    assert [row["version"] for row in cloud.get("versions.json").json()] == ["v1"]
    assert "url=v1/index.html" in cloud.get("index.html").text

    # What the lab made its own
    assert "<style>:root{--md-primary-fg-color:#5b2a86" in home.text
    assert home.text.count("assets/brand/logo.svg") >= 2
    assert (
        cloud.get("v1/assets/brand/logo.svg").text,
        cloud.get("v1/assets/brand/logo.svg").headers["Content-Type"],
    ) == (
        LOGO,
        "image/svg+xml",
    )
    assert "Thank you, from our lab." in cloud.get("v1/cite.html").text

    again = cloud.run("release", manifest, *cloud.words)
    assert (again.code, again.json["uploaded"], again.json["site"]["sent"]) == (0, 0, 0)
    (tmp_path / "ours/site/cite.md.jinja").unlink()
    changed = cloud.run("site", manifest)
    assert changed.code == 0, changed.err
    assert 1 <= changed.json["sent"] <= 4  # the page, the search's index and what tells of all pages
    assert "Thank you" not in cloud.get("v1/cite.html").text


@pytest.mark.slow
def test_strangers_read_a_site_only_where_they_read_the_release(seaweed: Seaweed, tmp_path: Path) -> None:
    bucket = seaweed.bucket("unhosted")
    cloud = Cloud(f"s3://{bucket}/p", f"{seaweed.endpoint}/{bucket}/p", dict(seaweed.env))
    manifest = written(tmp_path, ("files:", f'targets: {{b: {{url: "{cloud.url}", access: private}}}}\nfiles:'))
    done = publisher("release", manifest, "--target", "b", "--json", env=cloud.env)
    assert done.code == 0, done.err
    assert [cloud.get(name).status_code for name in ("v1/index.html", "versions.json")] == [403, 403]
    # A public one beside it opens its own pages, and not the other's.
    other = tmp_path / "other"
    other.mkdir()
    again = cloud.run("release", written(other, ("version: v1", "version: v2")))
    assert again.code == 0, again.err
    assert [cloud.get(name).status_code for name in ("v2/index.html", "versions.json", "index.html")] == [200] * 3
    assert cloud.get("v1/index.html").status_code == 403


@pytest.mark.slow
def test_strangers_who_are_refused_are_warned_of(seaweed: Seaweed, tmp_path: Path) -> None:
    bucket = seaweed.bucket("refused")
    cloud = Cloud(f"s3://{bucket}/p", f"{seaweed.endpoint}/{bucket}/p", dict(seaweed.env))
    done = cloud.run("release", written(tmp_path), "--no-access")
    assert "strangers who ask for the site are answered 403" in done.err
    assert done.json["site"]["sent"] == done.json["site"]["files"]


@pytest.mark.slow
def test_a_branch_is_pushed_with_two_commands(tmp_path: Path) -> None:
    """And a second version is added to what is there."""
    at = tmp_path / "lab"
    at.mkdir()

    def git(*words: str, cwd: Path = at) -> str:
        who = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"}
        who |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}
        done = subprocess.run(["git", *words], cwd=cwd, env=alone(who), capture_output=True, text=True, check=True)
        return done.stdout

    git("init", "--quiet", "--bare", "-b", "main", str(tmp_path / "origin"))
    git("clone", "--quiet", str(tmp_path / "origin"), str(at))
    git("commit", "--quiet", "--allow-empty", "-m", "first")
    git("worktree", "add", "--quiet", "--no-checkout", "-b", "gh-pages", "gh-pages")
    (at / "gh-pages/CNAME").write_text("data.example.org\n")
    for version in ("v1", "v2"):
        manifest = written(
            at,
            ("host: target", "host: gh-pages, url: https://data.example.org"),
            ("version: v1", f"version: {version}"),
        )
        done = publisher("release", manifest, "--target", at / "public", "--json", env={})
        assert done.code == 0, done.err
        assert done.json["site"]["url"] == f"https://data.example.org/{version}/index.html"
        git("-C", "gh-pages", "add", "--all")
        git("-C", "gh-pages", "commit", "--quiet", "-m", version)
        git("-C", "gh-pages", "push", "--quiet", "origin", "gh-pages")
    names = git("ls-tree", "-r", "--name-only", "gh-pages", cwd=tmp_path / "origin").split()
    assert {".nojekyll", "CNAME", "index.html", "versions.json", "v1/index.html", "v2/download.html"} <= {*names}
    listed = json.loads(git("show", "gh-pages:versions.json", cwd=tmp_path / "origin"))
    assert [(row["version"], row["aliases"]) for row in listed] == [("v2", ["latest"]), ("v1", [])]
    assert not (at / "public/site").exists()


@pytest.mark.slow
def test_a_folder_has_its_list_of_versions_and_is_as_it_was_after_a_second_run(tmp_path: Path) -> None:
    manifest, root = written(tmp_path, ("host: target, ", "")), tmp_path / "public"
    done = publisher("release", manifest, "--target", root, "--json", env={})
    assert done.code == 0, done.err
    before = snapshot(root)
    assert {"site/versions.json", "site/index.html", "site/v1/index.html"} <= before.keys()
    with serve.running(root) as base:
        assert requests.get(f"{base}/site/", timeout=30).url == f"{base}/site/"
        assert "url=v1/index.html" in requests.get(f"{base}/site/", timeout=30).text
    assert publisher("release", manifest, "--target", root, env={}).code == 0
    assert snapshot(root) == before

    # A page that links to what is not there is told of, and so is an object that is gone.
    project = tmp_path / ".publisher/v1/site/docs"
    (project / "ours.md").write_text('# Ours\n\n<a href="nowhere.html">nowhere</a>\n')
    shutil.move(root / "v1/files/notes", tmp_path / "gone")
    broken = publisher("site", manifest, "--target", root, "--json", env={})
    assert broken.code == FOUND, broken.err
    found = {finding["message"].split(" leads")[0] for finding in broken.json["links"]["findings"]}
    assert "'nowhere.html'" in found
    assert any("/v1/files/notes" in message for message in found)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("templates: ours", "templates: theirs", "v1.yaml:7:1: there is no folder theirs"),
        ("logo: logo.svg,", "logo: notes.md,", "the logo notes.md is no SVG or PNG by its name"),
    ],
)
def test_a_site_that_cannot_be_built_is_told_of_before_anything_is_sent(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    done = publisher("release", written(tmp_path, (old, new)), "--target", tmp_path / "public", env={})
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "public/v1").exists()


@pytest.mark.slow
def test_a_template_that_fails_with_real_values_leaves_the_release_as_it_is_and_says_so(tmp_path: Path) -> None:
    manifest = written(tmp_path, ("host: target, ", ""))
    (tmp_path / "ours/site/index.md.jinja").write_text("# Home\n\n{{ book.record.titel }}\n")
    done = publisher("release", manifest, "--target", tmp_path / "public", "--json", env={})
    assert (done.code, done.json["error"]) == (2, "The release is as it was; its site cannot be built as it is")
    (problem,) = done.json["problems"]
    assert problem["where"].endswith("ours/site/index.md.jinja:3")
    assert "titel" in problem["message"]
    assert (tmp_path / "public/v1/.release/release.json").is_file()
    assert not (tmp_path / "public/site").exists()
