"""What breaks in practice, each case twice: found without a browser, and again by the render where the viewer can see it.

Most are broken in the sources, which `validate` must refuse, and again in what is live, behind publisher's back, which the
render must find by layer and cause. What the viewer cannot see has no words of the render, and then it must say nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from publisher import serve
from tests.browser import broken
from tests.browser.broken import Break, Place, cells_lost, cut, edited, encoding_dropped, gone, in_nm, replaced, scaled
from tests.e2e.conftest import Result, publisher

pytestmark = pytest.mark.browser

FIRST = "0-32_0-32_0-32"
LOST = "is not stored, but scale 16_16_16 has data there"


@dataclass(frozen=True)
class Case:
    """What is broken where, and what is said of it: the place and the reason without a browser, layer and cause with one."""

    break_it: Break
    where: str
    reason: str
    layer: str = ""
    cause: str = ""
    severity: str = "error"  # without a browser

    @property
    def seen(self) -> bool:
        """Whether the viewer can see it."""
        return bool(self.layer)


def slip(info: dict[str, Any]) -> None:
    for scale in info["scales"]:
        scale["resolution"] = [side / 8 for side in scale["resolution"]]


def one_nm(info: dict[str, Any]) -> None:
    info["dimensions"] = {axis: [1e-9, "m"] for axis in "xyz"}


CASES: dict[str, Case] = {
    "a chunk of an image is lost": Case(gone("em", f"8_8_8/{FIRST}"), f"em/8_8_8/{FIRST}", LOST),
    "a chunk of labels is lost": Case(gone("seg", f"8_8_8/{FIRST}"), f"seg/8_8_8/{FIRST}", LOST),
    "cells of annotations are lost": Case(cells_lost, "notes", "its cells hold"),
    "the info of legacy meshes is missing": Case(gone("seg", "mesh/info"), "seg/mesh", "has no info"),
    "the info of skeletons is missing": Case(
        gone("seg", "skeletons/info"),
        "seg/skeletons",
        "has no info",
        "Neurons",
        "skeletons/info is not there (status 404)",
    ),
    "skeletons 8 times too small": Case(
        scaled("seg", "skeletons/7", 8, 1 / 8),
        "seg/skeletons",
        "multiplied by 8 it would be",
        "Neurons",
        "the skeletons of precomputed://",
    ),
    "legacy meshes 8 times too large": Case(
        scaled("seg", "mesh/7:0:all", 4, 8), "seg/mesh", "it would be", "Neurons", "times as large as the other"
    ),
    "meshes in shards 8 times too small": Case(in_nm, "skins", "it would be", "Neurons", "are its units right"),
    "an image 8 times too small": Case(
        edited("em", "info", slip), "seg/info", "is 8 times as large as em", "EM", "are its units", severity="warning"
    ),
    "annotations 8 times too small": Case(
        edited("notes", "info", one_nm), "notes", "it would be", "Synapses", "draws nothing"
    ),
    "blocks of N5 that end too early": Case(cut("n5", "s0/*/*/*"), "n5/s0/0/0/0", "", "Density", "failed to load"),
    "zarr metadata that are a web page": Case(
        replaced("ome", "0/zarr.json", b"<html>Not found</html>"), "ome/0/zarr.json", "", "Light", "is not JSON"
    ),
    "a shard of meshes that ends too early": Case(cut("skins", "*.shard"), "skins", "", "Neurons", "skins"),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken") / "sources"
    broken.build(folder)
    return folder


@pytest.fixture(scope="module")
def public(sources: Path) -> Path:
    (sources.parent / "good.yaml").write_text(json.dumps(broken.manifest()))
    done = publisher(
        "release", sources.parent / "good.yaml", "--target", sources.parent / "public", "--until", "publish"
    )
    assert done.code == 0, done.err
    return sources.parent / "public"


def validated(folder: Path, manifest: dict[str, Any]) -> tuple[Result, list[dict[str, Any]]]:
    (folder / "release.yaml").write_text(json.dumps(manifest))
    result = publisher("validate", folder / "release.yaml", "--json")
    warnings = [{"where": said, "message": said} for said in result.json.get("warnings", [])]
    return result, [*result.json.get("problems", []), *warnings]


def rendered(folder: Path) -> list[dict[str, Any]]:
    with serve.running(folder) as base:
        result = publisher("verify", base, "--render", "--depth", "quick", "--json")
    return [each for each in result.json["findings"] if each["check"] == "render"]


def test_what_is_good_has_no_finding(sources: Path) -> None:
    """The negative control of all that is found without a browser."""
    result, said = validated(sources.parent, broken.manifest())
    assert (result.code, said) == (0, []), said


@pytest.mark.slow
def test_what_is_good_is_drawn_without_a_finding(public: Path) -> None:
    """The negative control of all that the render finds."""
    assert rendered(public) == []


QUICK = {"a chunk of an image is lost", "the info of legacy meshes is missing", "skeletons 8 times too small"}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_it_is_found_without_a_browser(name: str, sources: Path, tmp_path: Path) -> None:
    case = CASES[name]
    shutil.copytree(sources, tmp_path / "sources")
    case.break_it(Place(tmp_path / "sources", live=False))
    result, said = validated(tmp_path, broken.manifest())
    assert result.code == (2 if case.severity == "error" else 0)
    found = [each for each in said if case.where in each["where"] and case.reason in each["message"]]
    assert found, said


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_is_found_again_by_the_render_where_the_viewer_can_see_it(name: str, public: Path, tmp_path: Path) -> None:
    case = CASES[name]
    shutil.copytree(public, tmp_path / "public")
    (tmp_path / "sources").symlink_to(public.parent / "sources")
    case.break_it(Place(tmp_path / "public", live=True))
    said = rendered(tmp_path / "public")
    if not case.seen:
        assert said == [], "the viewer sees it: say so in the table, and in docs/render.md"
        return
    found = [each for each in said if f"layer {case.layer!r}" in each["message"] and case.cause in each["message"]]
    assert found, said


@pytest.fixture
def live(public: Path, tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(public, tmp_path / "public")
    yield tmp_path / "public"
    shutil.rmtree(tmp_path / "public")


def verified(base: str, *words: str) -> list[dict[str, Any]]:
    return publisher("verify", base, "--json", *words).json["findings"]  # type: ignore[no-any-return]


def test_an_encoding_that_is_dropped_is_found_without_a_browser(live: Path) -> None:
    encoding_dropped(Place(live, live=True))
    with serve.running(live) as base:
        said = verified(base, "--no-render")
    assert any("v1/volumes/em/8_8_8" in each["key"] and "Content-Encoding" in each["message"] for each in said), said


@pytest.mark.slow
def test_an_encoding_that_is_dropped_is_found_by_the_render(live: Path) -> None:
    encoding_dropped(Place(live, live=True))
    said = rendered(live)
    assert any("layer 'EM'" in each["message"] and "no Content-Encoding: gzip" in each["message"] for each in said), (
        said
    )


def test_that_cors_is_off_is_found_without_a_browser(public: Path) -> None:
    with serve.running(public, cors=False) as base:
        said = verified(base, "--no-render")
    assert any(each["check"] == "cors" and "Access-Control-Allow-Origin" in each["message"] for each in said), said


@pytest.mark.slow
def test_that_cors_is_off_is_found_by_the_render(public: Path) -> None:
    with serve.running(public, cors=False) as base:
        said = verified(base, "--render", "--depth", "quick")
    assert any("layer 'EM'" in each["message"] and "CORS: a page of" in each["message"] for each in said), said


SCENES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a bad shader": (
        {"layers": [{"artifact": "em", "name": "EM", "shader": broken.SHADER}]},
        "layer 'EM': its shader calls 'toNormalised', which the viewer does not know; did you mean 'toNormalized'?",
        "layer 'EM': its shader is wrong",
        "toNormalised",
    ),
    "a view off the data": (
        {"position": [32500.5, 32.5, 32.5]},
        "looks at x = 260,004 nm, and all that it shows lies between 0 and",
        "the picture is empty",
        "the view is at x = 260,004 nm",
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_that_shows_nothing_is_found_without_a_browser(name: str, sources: Path) -> None:
    scene, wanted, *_ = SCENES[name]
    result, said = validated(sources.parent, broken.manifest(**scene))
    assert result.code == 2
    assert any(wanted in each["message"] for each in said), said


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_a_scene_that_shows_nothing_is_found_by_the_render(name: str, live: Path) -> None:
    scene, _, *wanted = SCENES[name]
    path = live / "v1" / "all-v1.json"
    state = json.loads(path.read_text())
    if "position" in scene:
        state["position"] = scene["position"]
    else:
        state["layers"][0]["shader"] = broken.SHADER
    path.write_text(json.dumps(state))
    said = rendered(live)
    assert any(all(words in each["message"] for words in wanted) for each in said), said
