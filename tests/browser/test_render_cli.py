"""The command line opens scenes: pictures go to the work folder, to the site and where they are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from publisher import serve
from tests.browser.stage import build
from tests.e2e.conftest import Release, publisher

pytestmark = pytest.mark.browser

MANIFEST = """\
schema: 1
version: v1
date: 2026-01-01
status: draft
dataset: {name: ball, title: Ball, description: A ball., license: CC0-1.0, authors: [{name: A}]}
space: {name: EM, voxel_size: [8, 8, 8], units: nm}
volumes: [{name: em, source: data/v1/em}]
scenes: [{name: main, title: A ball, layers: [{artifact: em}]}]
"""
PICTURES = {"main-dark.webp", "main-light.webp"}
WEBP = b"RIFF"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("cli")
    build(folder / "data")
    (folder / "release.yaml").write_text(MANIFEST)
    words = ("--target", folder / "public", "--render", "--json")
    result = publisher("release", folder / "release.yaml", *words)
    assert result.code == 0, result.err
    return Release(folder / "release.yaml", folder / "public", result)


def test_a_release_opens_its_scenes_and_its_pages_show_them(released: Release) -> None:
    assert [each for each in released.result.json["findings"] if each["check"] == "render"] == []
    assert "1 of 1 layer drawn" in released.result.err
    site = released.target / "site/v1"
    assert {path.name for path in (site / "renders").iterdir()} == PICTURES
    for name in PICTURES:
        (kept,) = (released.manifest.parent / ".publisher").rglob(f"reports/*/renders/{name}")
        assert kept.read_bytes().startswith(WEBP)
        assert (site / "renders" / name).read_bytes() == kept.read_bytes()
    explore = (site / "explore.html").read_text()
    assert "1 of 1 layer drawn" in explore
    assert 'src="renders/main-light.webp"' in explore


def test_a_site_that_is_built_later_has_them_too_and_one_of_nothing_opened_has_none(
    released: Release, tmp_path: Path
) -> None:
    assert publisher("site", released.manifest, "--target", released.target, "--out", tmp_path / "later").code == 0
    assert {path.name for path in (tmp_path / "later/renders").iterdir()} == PICTURES
    other = tmp_path / "public"
    assert publisher("release", released.manifest, "--target", other, "--no-render").code == 0
    assert not (other / "site/v1/renders").exists()


def test_an_address_is_enough_and_pictures_go_where_they_are_asked_for(released: Release, tmp_path: Path) -> None:
    with serve.running(released.target) as base:
        result = publisher("verify", base, "--render", "--depth", "quick", "--json", "--pictures", tmp_path / "album")
    assert result.code == 0, result.err
    (scene,) = result.json["scenes"]
    assert (scene["name"], scene["visible"], scene["layers"]) == ("main", 1, ["em"])
    assert PICTURES.issubset(path.name for path in (tmp_path / "album").iterdir())
    assert (tmp_path / "album/main-dark.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_wrong_is_exit_code_8(released: Release, tmp_path: Path) -> None:
    """Bytes that were changed behind publisher's back: the sizes are right, and the viewer fails."""
    target = tmp_path / "public"
    assert publisher("release", released.manifest, "--target", target, "--until", "publish").code == 0
    scene = target / "v1/ball-v1.json"
    state = json.loads(scene.read_text())
    state["layers"][0]["shader"] = "void main() { emitGrayscale(nothing); }"
    scene.write_text(json.dumps(state))
    result = publisher("verify", released.manifest, "--target", target, "--render", "--json")
    assert result.code == 8
    found = [each for each in result.json["findings"] if each["check"] == "render"]
    assert [(each["severity"], each["artifact"]) for each in found] == [("error", "em")]
    assert "layer 'em': its shader is wrong" in found[0]["message"]


@pytest.mark.slow
def test_the_example_is_drawn(published: Release, tmp_path: Path) -> None:
    words = ("--target", published.target, "--render", "--depth", "quick", "--json", "--pictures", tmp_path / "album")
    result = publisher("verify", published.manifest, *words)
    assert result.code == 0, result.err
    assert [each for each in result.json["findings"] if each["check"] == "render" and each["severity"] != "note"] == []
    for scene in result.json["scenes"]:
        assert len(scene["layers"]) == scene["visible"]
    assert PICTURES.issubset(path.name for path in (tmp_path / "album").iterdir())
    assert (tmp_path / "album/main-dark.png").read_bytes().startswith(b"\x89PNG")
