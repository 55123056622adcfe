"""The static client in Chromium, from a served target, without any request to others."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from publisher import serve, viewer

pytestmark = pytest.mark.browser

STATUS = "document.querySelector('#neuroglancer-status-container')"

# Loaded: every layer of the expected type, no data source in error, the expected chunks ready to be drawn (the client
# calls itself ready before it has asked for the first), nothing on its way, nothing failed. The loop is in here because
# Playwright's wait_for_function takes a promise for an answer.
LOADED = """async ([expected, chunks, seconds]) => {
  const loaded = async () => {
    const layers = window.viewer?.layerManager.managedLayers;
    if (JSON.stringify(layers?.map(each => [each.name, each.layer?.type])) !== JSON.stringify(expected)) return false;
    if (layers.some(each => each.layer.dataSources.some(one => !one.loadState || one.loadState.error))) return false;
    if (!viewer.isReady()) return false;
    const sources = [...(await viewer.chunkQueueManager.getStatistics()).values()];
    const visible = state => sources.reduce((sum, numbers) => sum + numbers[state * 9], 0);
    return visible(0) === chunks && [3, 4, 5, 6].every(state => visible(state) === 0);
  };
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await new Promise(requestAnimationFrame))
    if (await loaded()) return true;
  return false;
}"""


@dataclass
class Tab:
    """A page, and what it said and asked for."""

    page: Any
    asked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def open(self, url: str) -> None:
        self.page.goto(url)

    def wait(self, *layers: tuple[str, str], chunks: int = 4) -> None:
        assert self.page.evaluate(LOADED, [[list(layer) for layer in layers], chunks, 60]), (self.failed, self.said)

    def status(self) -> str:
        """What the client's status bar shows."""
        shown = (
            "[...document.querySelectorAll('#statusContainer *')].filter(e => e.offsetParent).map(e => e.textContent)"
        )
        return " ".join(self.page.evaluate(shown))


@pytest.fixture
def tab(chromium: Any) -> Iterator[Tab]:
    page = chromium.new_page(viewport={"width": 800, "height": 600})
    tab = Tab(page)
    page.on("request", lambda request: tab.asked.append(request.url))
    page.on("response", lambda answer: tab.failed.append(answer.url) if answer.status >= 400 else None)
    page.on("console", lambda message: tab.said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: tab.said.append(str(error)))
    yield tab
    page.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("target")
    ball(root / "v0.9" / "seg")
    layer = {"type": "segmentation", "name": "seg", "source": "precomputed://@BASE@/seg", "segments": ["7"]}
    scene = {
        "dimensions": {axis: [8e-9, "m"] for axis in "xyz"},
        "position": [32.5, 32.5, 32.5],
        "crossSectionScale": 0.2,
        "layers": [layer],
        "layout": "xy",
    }
    (root / "v0.9" / "tiny.json").write_text(json.dumps(scene))
    (root / "v0.9" / "broken.json").write_text("<html>")
    with serve.running(root) as url:
        absolute = json.dumps(scene).replace("@BASE@", f"{url}/v0.9")
        (root / "v0.9" / "absolute.json").write_text(absolute)
        yield url


def ball(folder: Path) -> None:
    """Write a tiny precomputed segmentation: body 7 is a ball, body 9 is what is around it."""
    import tensorstore as ts

    at = np.indices((64, 64, 64)) - 31.5
    labels = np.where((at**2).sum(axis=0) < 24**2, 7, 9).astype(np.uint64)
    volume = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": "segmentation", "data_type": "uint64", "num_channels": 1},
            "scale_metadata": {
                "size": [64, 64, 64],
                "resolution": [8, 8, 8],
                "chunk_size": [32, 32, 32],
                "encoding": "compressed_segmentation",
                "compressed_segmentation_block_size": [8, 8, 8],
            },
        },
        create=True,
    ).result()
    volume[..., 0] = labels


def is_a_disc(tab: Tab) -> bool:
    """Whether the picture shows one body in its colour: a disc of 24 voxels' radius, 5 pixels each, in the middle."""
    from PIL import Image

    # Drawn and read in one task: what the screen shows may be a frame behind.
    url = tab.page.evaluate("() => { viewer.display.draw(); return viewer.display.canvas.toDataURL(); }")
    shown = Image.open(BytesIO(b64decode(url.partition(",")[2])))
    picture = np.asarray(shown.convert("RGB")).astype(int)
    green = (picture[..., 1] - picture[..., 0] > 100) & (picture[..., 2] > 80)
    return bool(abs(green.sum() / (np.pi * 120**2) - 1) < 0.05)


def test_a_scene_opens_offline(tab: Tab, base: str) -> None:
    tab.open(viewer.link(base, f"{base}/v0.9/tiny.json"))
    tab.wait(("seg", "segmentation"))
    assert is_a_disc(tab)
    assert tab.status() == ""
    assert (tab.said, tab.failed) == ([], [])
    assert all(url.startswith((base, "blob:", "data:")) for url in tab.asked)
    assert tab.page.evaluate("viewer.state.toJSON().layers[0].source") == f"precomputed://{base}/v0.9/seg"


def test_a_reload_shows_what_the_user_had(tab: Tab, base: str) -> None:
    tab.open(viewer.link(base, f"{base}/v0.9/tiny.json"))
    tab.wait(("seg", "segmentation"))
    tab.page.evaluate("viewer.state.children.get('layout').restoreState('yz')")
    tab.page.wait_for_function('decodeURIComponent(location.hash).includes(\'"layout":"yz"\')')
    tab.page.reload()
    tab.wait(("seg", "segmentation"))
    assert tab.page.evaluate("viewer.state.toJSON().layout") == "yz"


def test_an_absolute_scene_on_another_origin(tab: Tab, base: str, tmp_path: Path) -> None:
    with serve.running(tmp_path) as other:
        tab.open(viewer.link(other, f"{base}/v0.9/tiny.json"))
        tab.wait(("seg", "segmentation"))
        assert is_a_disc(tab)
        assert tab.failed == []


def test_a_scene_named_in_the_hash(tab: Tab, base: str) -> None:
    tab.open(f"{base}/{viewer.prefix()}/#!{base}/v0.9/absolute.json")
    tab.wait(("seg", "segmentation"))
    assert is_a_disc(tab)


def test_no_scene_is_an_empty_viewer(tab: Tab, base: str) -> None:
    tab.open(f"{base}/{viewer.prefix()}/")
    tab.page.wait_for_function("window.viewer?.layerManager.managedLayers.length === 0")
    assert tab.status() == ""
    assert (tab.said, tab.failed) == ([], [])


@pytest.mark.parametrize(("scene", "reason"), [("missing.json", "HTTP 404"), ("broken.json", "not valid JSON")])
def test_a_scene_that_cannot_be_read_says_so(tab: Tab, base: str, scene: str, reason: str) -> None:
    tab.open(viewer.link(base, f"{base}/v0.9/{scene}"))
    assert reason in tab.page.locator("#scene-error").inner_text()


def test_the_wheels_own_page_shows_the_bar_that_ours_does_not(tab: Tab, base: str) -> None:
    """Proof that an empty status bar means something."""
    tab.page.route("**/index.html", lambda route: route.fulfill(body=_unpatched(), content_type="text/html"))
    tab.open(f"{base}/{viewer.prefix()}/index.html#!{{}}")
    tab.page.wait_for_function(f"{STATUS}?.innerText.includes('Disconnected')")


def _unpatched() -> str:
    found = viewer.file("index.html")
    assert found is not None
    assert isinstance(found[0], bytes)
    text = found[0].decode()
    return text[: text.index("<script>")] + text[text.index("<script defer") :]
