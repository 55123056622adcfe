"""The example's scene, opened in the real Neuroglancer client: it shows the neurons."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from typing import Any

import numpy as np
import pytest
from PIL import Image

from publisher import viewer
from tests.browser.chromium import load
from tests.e2e.conftest import Release, publisher

pytestmark = pytest.mark.browser

# The colours that the scene gives to the five neurons; the picture must have each of them.
BODIES = {"1734350788", "1734350908", "722817260", "754534424", "754538881"}


def scene_state(published: Release, base: str) -> dict[str, Any]:
    result = publisher("scene", published.manifest, "--target", base, "--json")
    state: dict[str, Any] = result.json["scenes"][0]["state"]
    return state


def picture(page: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Draw, and read the canvas in the same task: WebGL forgets its picture afterwards."""
    data = page.evaluate("() => { viewer.display.draw(); return viewer.display.canvas.toDataURL() }")
    return np.asarray(Image.open(io.BytesIO(b64decode(data.partition(",")[2]))).convert("RGB"))


def neurons(state: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(layer for layer in state["layers"] if layer["name"] == "Neuron segmentation")
    return found


def count_near(pixels: np.ndarray[Any, Any], color: str) -> int:
    rgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])
    return int((np.abs(pixels.astype(int) - rgb).max(axis=-1) < 12).sum())


def count_alike(pixels: np.ndarray[Any, Any], color: str) -> int:
    """Count the pixels of a colour, however brightly it is lit: the light on a mesh changes that."""
    brightest = pixels.max(axis=-1, keepdims=True).astype(int)
    rgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])
    alike = np.abs(pixels / np.maximum(brightest, 1) - rgb / rgb.max()).max(axis=-1) < 0.08
    return int((alike & (brightest[..., 0] > 40)).sum())


def only(state: dict[str, Any], *names: str) -> dict[str, Any]:
    """Leave the named layers visible, in the 3-d view alone."""
    for layer in state["layers"]:
        layer["visible"] = layer["name"] in names
    return {**state, "layout": "3d", "selectedLayer": {"visible": False}}


def shown(page: Any, client: str, state: dict[str, Any]) -> str:
    url = f"{client}/{viewer.prefix()}/index.html#!{json.dumps(state)}"
    return load(page, url, [layer["name"] for layer in state["layers"]], 90)


def opened(page: Any, served: str, state: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    assert shown(page, served, state) == ""
    page.wait_for_function("() => { viewer.display.draw(); return true }")
    return picture(page)


def test_the_scene_shows_everything_of_five_neurons(published: Release, served: str, page: Any) -> None:
    """Meshes and skeletons in the neurons' colours, synapses by their kind, both regions by name."""
    state = scene_state(published, served)
    colors = neurons(state)["segmentColors"]
    assert set(colors) == BODIES
    for layer in ("Neuron segmentation", "Skeletons"):
        alone = only(json.loads(json.dumps(state)), layer)
        neurons(alone)["objectAlpha"] = 1
        pixels = opened(page, served, alone)
        for body, color in colors.items():
            assert count_alike(pixels, color) > 60, (layer, body)
    pixels = opened(page, served, only(json.loads(json.dumps(state)), "Synapses"))
    assert min(count_near(pixels, "#ff3fb4"), count_near(pixels, "#c8ff5a")) > 300
    assert shader_errors(page) == []
    # The negative control: what is hidden leaves no colour behind.
    assert max(count_near(pixels, color) for color in colors.values()) < 20
    opened(
        page,
        served,
        only(json.loads(json.dumps(state)), "Brain regions")
        | {"selectedLayer": {"layer": "Brain regions", "visible": True}},
    )
    for name in ("LH(R)", "Neuropil"):
        page.wait_for_selector(f"text={name}")


def test_a_kind_of_synapse_can_be_hidden(published: Release, served: str, page: Any) -> None:
    state = only(scene_state(published, served), "Synapses")
    layer = next(layer for layer in state["layers"] if layer["name"] == "Synapses")
    layer["shaderControls"] = {"preSyn": False}
    pixels = opened(page, served, state)
    assert count_near(pixels, "#c8ff5a") < 5
    assert count_near(pixels, "#ff3fb4") > 300


def shader_errors(page: Any) -> list[str]:
    """What the shaders' compiler says; the viewer calls such a layer ready."""
    return page.evaluate(  # type: ignore[no-any-return]
        "() => viewer.layerManager.managedLayers.flatMap(({layer}) => [layer.shaderError, layer.displayState?.shaderError,"
        " layer.annotationDisplayState?.shaderError].map(each => each?.value?.message).filter(each => each))"
    )


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("/DA1", "5 match /5 total"),
        ("pre>700", "2 match /5 total"),
        pytest.param("nonsense", "0 match /5 total", marks=pytest.mark.slow),
    ],
)
def test_searchable_types(published: Release, served: str, page: Any, query: str, says: str) -> None:
    """The viewer lists the neurons by what the table says of them, and finds those that a query asks for."""
    state = scene_state(published, served)
    neurons(state)["segmentQuery"] = query
    assert shown(page, served, state) == ""
    page.wait_for_selector(f"text={says}")


def test_negative_control_without_cors(published: Release, page: Any) -> None:
    """From another origin and without CORS nothing is drawn, and the check says which layer."""
    from publisher import serve

    with serve.running(published.target) as client, serve.running(published.target, cors=False) as data:
        state = scene_state(published, data)
        trouble = shown(page, client, state)
    assert "Synapse density" in trouble


def test_the_page_opens_the_scene_on_any_port(published: Release, served: str, page: Any) -> None:
    """The stored scene points to the release's public address; the page's own link reads from where it is served."""
    page.goto(f"{served}/site/v0.9/index.html")
    page.get_by_role("link", name="Open the scene").click()
    page.wait_for_url("**/viewer/v/**")
    link = page.url.partition("#")[0]
    assert load(page, link, [layer["name"] for layer in scene_state(published, served)["layers"]], 90) == ""
