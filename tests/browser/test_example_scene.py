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
from tests.browser.chromium import LAYERS_READY
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


def count_near(pixels: np.ndarray[Any, Any], color: str) -> int:
    rgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])
    return int((np.abs(pixels.astype(int) - rgb).max(axis=-1) < 12).sum())


def test_the_scene_shows_five_neurons(published: Release, served: str, page: Any) -> None:
    state = scene_state(published, served)
    state["layout"] = "3d"
    state["selectedLayer"] = {"visible": False}
    page.goto(f"{served}/{viewer.prefix()}/index.html#!{json.dumps(state)}")
    names = [layer["name"] for layer in state["layers"]]
    assert page.evaluate(LAYERS_READY, [names, 60]) == ""
    colors = state["layers"][0]["segmentColors"]
    assert set(colors) == BODIES
    page.wait_for_function("() => { viewer.display.draw(); return true }")
    pixels = picture(page)
    seen = {body: count_near(pixels, color) for body, color in colors.items()}
    assert min(seen.values()) > 100, seen


@pytest.mark.parametrize(
    ("query", "says"),
    [("/DA1", "5 match /5 total"), ("pre>700", "2 match /5 total"), ("nonsense", "0 match /5 total")],
)
def test_searchable_types(published: Release, served: str, page: Any, query: str, says: str) -> None:
    """The viewer lists the neurons by what the table says of them, and finds those that a query asks for."""
    state = scene_state(published, served)
    state["layers"][0]["segmentQuery"] = query
    page.goto(f"{served}/{viewer.prefix()}/index.html#!{json.dumps(state)}")
    assert page.evaluate(LAYERS_READY, [[layer["name"] for layer in state["layers"]], 60]) == ""
    page.wait_for_selector(f"text={says}")


def test_negative_control_without_cors(published: Release, page: Any) -> None:
    """From another origin and without CORS nothing is drawn, and the check says which layer."""
    from publisher import serve

    with serve.running(published.target) as client, serve.running(published.target, cors=False) as data:
        state = scene_state(published, data)
        page.goto(f"{client}/{viewer.prefix()}/index.html#!{json.dumps(state)}")
        trouble = page.evaluate(LAYERS_READY, [[layer["name"] for layer in state["layers"]], 30])
    assert "Neuron segmentation" in trouble


def test_the_page_opens_the_scene_on_any_port(published: Release, served: str, page: Any) -> None:
    """The stored scene points to the release's public address; the page's own link reads from where it is served."""
    page.goto(f"{served}/site/v0.9/index.html")
    page.get_by_role("link", name="Open in Neuroglancer").click()
    page.wait_for_url("**/viewer/v/**")
    names = [layer["name"] for layer in scene_state(published, served)["layers"]]
    assert page.evaluate(LAYERS_READY, [names, 60]) == ""
