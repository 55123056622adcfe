"""The render check: what is good passes; what the viewer can see is found, by layer and with the cause."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from publisher import serve
from publisher.objects import Drawn, Finding
from publisher.render import Rendered, render
from tests.browser.stage import AWAY, PUBLIC, Stage, record, zipped

pytestmark = pytest.mark.browser

Break = Callable[["Scene"], None]


@dataclass(frozen=True)
class Scene:
    """A scene to be broken; `elsewhere` serves the same data to no page of another origin."""

    stage: Stage
    name: str
    elsewhere: str

    @property
    def state(self) -> dict[str, Any]:
        return self.stage.scenes[self.name]

    def copy(self, source: str) -> Path:
        return self.stage.copy(self.name, source)


def cors(scene: Scene) -> None:
    scene.state["layers"][1]["source"] = f"precomputed://{scene.elsewhere}/v1/em"


def missing_info(scene: Scene) -> None:
    (scene.copy("em") / "info").unlink()


def missing_skeletons(scene: Scene) -> None:
    (scene.copy("skeletons") / "info").unlink()


def missing_segment(scene: Scene) -> None:
    (scene.copy("skeletons") / "7").unlink()


def not_json(scene: Scene) -> None:
    (scene.copy("em") / "info").write_text("<html>Not found</html>")


def encoding_dropped(scene: Scene) -> None:
    zipped(scene.copy("em"))


def encoding_dropped_of_labels(scene: Scene) -> None:
    zipped(scene.copy("seg"))


def encoding_invented(scene: Scene) -> None:
    folder = scene.copy("em")
    for path in [*folder.rglob("*_*_*/*-*")]:
        path.rename(f"{path}.gz")  # served with Content-Encoding: gzip


def units_of_skeletons(scene: Scene) -> None:
    times(scene.copy("skeletons") / "7", 1 / 8)


def units_of_meshes(scene: Scene) -> None:
    path = scene.copy("meshes") / "7:0:all"
    data = path.read_bytes()
    points = np.frombuffer(data[4:100], "<f4") * 8
    path.write_bytes(data[:4] + points.astype("<f4").tobytes() + data[100:])


def times(path: Path, factor: float) -> None:
    data = path.read_bytes()
    points = np.frombuffer(data[8:104], "<f4") * factor
    path.write_bytes(data[:8] + points.astype("<f4").tobytes() + data[104:])


def units_of_volume(scene: Scene) -> None:
    path = scene.copy("em") / "info"
    info = json.loads(path.read_text())
    info["scales"][0]["resolution"] = [1, 1, 1]
    path.write_text(json.dumps(info))


def shader(scene: Scene) -> None:
    scene.state["layers"][1]["shader"] = "void main() { emitRGB(toNormalised(getDataValue())); }"


def layer_type(scene: Scene) -> None:
    scene.state["layers"][0]["type"] = "segmentatoin"


def field(scene: Scene) -> None:
    scene.state["layers"][0]["selectedAlhpa"] = 0.3


def top_field(scene: Scene) -> None:
    scene.state["showSlice"] = True


def control(scene: Scene) -> None:
    scene.state["layers"][1] |= {"shader": "#uicontrol invlerp normal\nvoid main() { emitGrayscale(normal()); }"}
    scene.state["layers"][1] |= {"shaderControls": {"normalized": {"range": [0, 99]}}}


def no_source(scene: Scene) -> None:
    scene.state["layers"][1]["source"] = []


def off_the_data(scene: Scene) -> None:
    scene.state["position"] = [3250.5, 32.5, 32.5]


def hidden_and_broken(scene: Scene) -> None:
    scene.state["layers"][1]["visible"] = False
    (scene.copy("em") / "info").unlink()


def away(scene: Scene) -> None:
    scene.state["layers"][1]["source"] = AWAY


CASES: list[tuple[Break, str, str]] = [
    (cors, "EM", "CORS: a page of http://127.0.0.1"),
    (missing_info, "EM", "missing_info-em/info is not there (status 404)"),
    (missing_skeletons, "Neurons", "missing_skeletons-skeletons/info is not there (status 404)"),
    (missing_segment, "Neurons", "missing_segment-skeletons/7 is not there (status 404)"),
    (not_json, "EM", "not_json-em/info is not JSON: it begins with b'<html>"),
    (encoding_dropped, "EM", "is gzip, but carries no Content-Encoding: gzip"),
    (encoding_dropped_of_labels, "Neurons", "is gzip, but carries no Content-Encoding: gzip"),
    (encoding_invented, "EM", "says Content-Encoding: gzip, but its bytes are not gzip"),
    (units_of_skeletons, "Neurons", "5 times as large as"),
    (units_of_meshes, "Neurons", "the units of both right"),
    (units_of_volume, "EM", "covers 0 to 64 nm: are its units"),
    (shader, "EM", "its shader is wrong: "),
    (layer_type, "Neurons", "the viewer knows no layers of type 'segmentatoin'"),
    (field, "Neurons", "the viewer dropped the field 'selectedAlhpa'"),
    (top_field, "", "the viewer dropped the field 'showSlice'"),
    (control, "EM", "its shader has no #uicontrol 'normalized'"),
    (no_source, "EM", "it has no source"),
    (off_the_data, "", "the picture is empty"),
    (hidden_and_broken, "EM", "is not there (status 404)"),
]
QUICK = {"cors", "encoding_dropped", "units_of_skeletons", "shader"}


@dataclass
class Shown:
    """What a run of the check said, by scene."""

    result: Rendered
    folder: Path

    def scene(self, name: str) -> Drawn:
        return next(each for each in self.result.scenes if each.name == name)

    def findings(self, name: str) -> list[Finding]:
        return [each for each in self.result.findings if each.key == f"v1/{name}.json"]

    def picture(self, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return np.asarray(Image.open(io.BytesIO((self.folder / name).read_bytes())).convert("RGB"))


def run(folder: Path, cases: list[Break]) -> Shown:
    """Break one scene for each case, and open all of them in one browser."""
    stage = Stage(folder / "target")
    (folder / "empty").mkdir()
    with (
        serve.running(stage.root) as base,
        serve.running(stage.root, cors=False) as elsewhere,
        serve.running(folder / "empty") as client,
    ):
        stage.add("good")
        for case in cases:
            stage.add(case.__name__)
            case(Scene(stage, case.__name__, elsewhere))
        stage.write()
        result = render(record([*stage.scenes, "gone"]), base, client, folder / "pictures")
    return Shown(result, folder / "pictures")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    chosen = [case for case, *_ in CASES if case.__name__ in QUICK]
    return run(tmp_path_factory.mktemp("render"), chosen)


@pytest.fixture(scope="module")
def thorough(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    chosen = [case for case, *_ in CASES if case.__name__ not in QUICK]
    return run(tmp_path_factory.mktemp("render-slow"), [*chosen, away])


def test_what_is_good_passes(quick: Shown) -> None:
    """The negative control of all that follows."""
    assert quick.findings("good") == []
    drawn = quick.scene("good")
    assert (drawn.visible, drawn.layers, drawn.pictures) == (
        2,
        ("Neurons", "EM"),
        ("good-dark.webp", "good-light.webp"),
    )


def test_its_pictures_show_it_on_dark_and_on_light(quick: Shown) -> None:
    dark, light = quick.picture("good-dark.webp"), quick.picture("good-light.webp")
    assert dark.shape == light.shape == (720, 1280, 3)
    assert dark[20, -20].tolist() == [0, 0, 0]
    assert light[20, -20].tolist() == [255, 255, 255]
    # The mesh, in the right half, in the segment's colour: no background, and the same on both.
    middle = dark[330:390, 930:990].astype(int)
    assert (middle.max(axis=-1) > 60).mean() > 0.9
    assert np.abs(middle - light[330:390, 930:990].astype(int)).max() < 8


def test_what_was_seen_is_kept_beside_them(quick: Shown) -> None:
    told = json.loads((quick.folder / "good.json").read_text())
    neurons, em = told["seen"]
    assert {source["url"].rpartition("/")[2] for source in neurons["sources"]} == {"seg", "skeletons", "meshes"}
    assert neurons["alone"]["drawn"]["pixels"] > 1000
    assert em["alone"]["drawn"]["colors"] > 50
    assert all(mark["pixels"] > 100 for mark in neurons["alone"]["sources"].values())


def expect(shown: Shown, case: Break, layer: str, message: str) -> None:
    found = [each for each in shown.findings(case.__name__) if each.severity == "error"]
    said = [each.message for each in found]
    assert any(message in each and (not layer or f"layer {layer!r}" in each) for each in said), said
    others = {"Neurons", "EM"} - {layer} if layer else set()
    assert not any(f"layer {other!r}" in each for each in said for other in others), said


@pytest.mark.parametrize(("case", "layer", "message"), [c for c in CASES if c[0].__name__ in QUICK])
def test_what_is_broken_is_named(quick: Shown, case: Break, layer: str, message: str) -> None:
    expect(quick, case, layer, message)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "layer", "message"), [c for c in CASES if c[0].__name__ not in QUICK])
def test_what_else_is_broken_is_named(thorough: Shown, case: Break, layer: str, message: str) -> None:
    expect(thorough, case, layer, message)


@pytest.mark.slow
def test_what_others_host_is_not_wrong_because_it_cannot_be_reached_from_here(thorough: Shown) -> None:
    (found,) = thorough.findings("away")
    assert (found.severity, found.artifact) == ("warning", "away")
    assert "on a host that does not exist" in found.message


def test_the_finding_names_the_artifact(quick: Shown) -> None:
    (found,) = [each for each in quick.findings("encoding_dropped") if each.severity == "error"]
    assert found.check == "render"
    assert "encoding_dropped-em" in found.message


def test_where_only_others_may_read_a_note_says_so(tmp_path: Path) -> None:
    closed = record(["good"], origins=("https://only.example",))
    result = render(closed, PUBLIC, "http://127.0.0.1:1", tmp_path)
    assert result.scenes == ()
    assert [(each.severity, "https://only.example" in each.message) for each in result.findings] == [("note", True)]


def test_a_scene_that_is_not_there_is_found(quick: Shown) -> None:
    (found,) = quick.findings("gone")
    assert (found.severity, "status 404" in found.message) == ("error", True)
    assert quick.scene("gone").pictures == ()
