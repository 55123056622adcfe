"""Meshes that are built, drawn by the real client: the right size, at the right place, from near and far."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from publisher import serve, viewer
from publisher.builders import mesh_sources, meshes
from publisher.builders.meshes import Options
from publisher.formats import multires, sharded
from publisher.formats.sharded import Item, Sharding
from tests import shapes
from tests.browser.chromium import LAYERS_READY

pytestmark = pytest.mark.browser

SEGMENT = 722817260
RADIUS = 4000.0  # voxels of 8 nm: 64 µm wide, several levels of detail
CENTRE = (9000.0, 8000.0, 7000.0)
FORMS = {
    "unsharded": Options(8),
    "sharded": Options(8, sharded=True),
    "ten bits": Options(8, bits=10),
    "legacy": Options(8, form="legacy"),
    "wrong units": Options(1),
}
HEIGHT = 800  # of the view, in pixels


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("target")
    source = root / "source"
    shapes.write(source / f"{SEGMENT}.obj", *shapes.torus(300, 100, radius=RADIUS, centre=CENTRE))
    named = root / "regions"
    shapes.write(named / "LH(R).obj", *shapes.torus(30, 10, radius=RADIUS, centre=CENTRE))
    for name, options in FORMS.items():
        built = meshes.build(mesh_sources.find(source, {}), root / "work" / name, options)
        (root / name.replace(" ", "-")).symlink_to(built.folder)
    built = meshes.build(mesh_sources.find(named, {}, numbered=True), root / "work" / "named", Options(8, sharded=True))
    (root / "named").symlink_to(built.folder)
    spoil(root)
    with serve.running(root) as url:
        yield url


def spoil(root: Path) -> None:
    """Write a shard with the fragments behind their manifest, and a folder whose fragments are lost."""
    good, sharding = root / "unsharded", Sharding(0, 0)
    index, fragments = (good / f"{SEGMENT}.index").read_bytes(), (good / str(SEGMENT)).read_bytes()
    items = [Item(1, b"x" * len(fragments)), Item(SEGMENT, index), Item(2**40, fragments)]
    sharded.write(root / "wrong-order", sharding, items)
    (root / "wrong-order" / "info").write_text(json.dumps(multires.info(16, 1, sharding.to_json())))
    (root / "lost").mkdir()
    (root / "lost" / "info").write_bytes((good / "info").read_bytes())
    (root / "lost" / f"{SEGMENT}.index").write_bytes(index)


def shown(
    page: Any, base: str, folder: str, *, segment: int = SEGMENT, height_voxels: float = 4 * RADIUS, seconds: int = 40
) -> str:
    """Open one mesh folder in a 3-d view without perspective, along z; return what is the matter, "" for nothing."""
    state = {
        "dimensions": {axis: [8e-9, "m"] for axis in "xyz"},
        "position": list(CENTRE),
        "projectionScale": height_voxels,
        "layers": [
            {"type": "segmentation", "name": folder, "tab": "segments", "source": f"precomputed://{base}/{folder}",
             "segments": [str(segment)], "segmentColors": {str(segment): "#ffffff"}}
        ],
        "layout": {"type": "3d", "orthographicProjection": True},
        "showAxisLines": False,
        "showDefaultAnnotations": False,
        "selectedLayer": {"visible": folder == "named", "layer": folder},
        "projectionBackgroundColor": "#000000",
    }  # fmt: skip
    page.set_viewport_size({"width": 1000, "height": HEIGHT + 60})
    page.goto(f"{base}/{viewer.prefix()}/index.html#!{json.dumps(state)}")
    said: str = page.evaluate(LAYERS_READY, [[folder], seconds])
    return said


def silhouette(page: Any) -> Any:
    data = page.evaluate("() => { viewer.display.draw(); return viewer.display.canvas.toDataURL() }")
    return (
        np.asarray(Image.open(io.BytesIO(b64decode(data.partition(",")[2]))).convert("RGB"))[3:-3, 3:-3].max(axis=-1)
        > 30
    )


def ring_share(page: Any, height_voxels: float) -> float:
    """Return how many pixels are drawn, as a share of those of a ring from 2/3 to 4/3 of the radius."""
    panel = page.evaluate("() => [...viewer.display.panels].find(p => p.viewer)?.element.clientHeight ?? 0")
    assert panel > HEIGHT / 2
    pixels = np.pi * ((4 / 3) ** 2 - (2 / 3) ** 2) * (RADIUS * panel / height_voxels) ** 2
    return float(silhouette(page).sum() / pixels)


@pytest.mark.parametrize("form", ["unsharded", "sharded", "ten-bits", "legacy"])
def test_a_ring_is_drawn_as_large_as_it_is(form: str, page: Any, base: str) -> None:
    assert shown(page, base, form) == ""
    assert ring_share(page, 4 * RADIUS) == pytest.approx(1, abs=0.03)


def test_wrong_units_are_an_eighth_of_it(page: Any, base: str) -> None:
    """The control of the sizes above: the client draws it gladly, elsewhere and an eighth as large."""
    assert shown(page, base, "wrong-units") == ""
    assert ring_share(page, 4 * RADIUS) < 0.05


@pytest.mark.parametrize("height_voxels", [60 * RADIUS, RADIUS / 2])
@pytest.mark.parametrize("form", ["unsharded", pytest.param("sharded", marks=pytest.mark.slow)])
def test_far_and_near_it_is_the_same_ring(form: str, height_voxels: float, page: Any, base: str) -> None:
    """From far the client takes the coarsest level, from near the finest ones: what is drawn is what legacy draws."""
    assert shown(page, base, "legacy", height_voxels=height_voxels) == ""
    expected = silhouette(page)
    assert shown(page, base, form, height_voxels=height_voxels) == ""
    assert (silhouette(page) != expected).sum() < 0.05 * max(expected.sum(), 400)


def test_from_near_finer_levels_are_asked_for(page: Any, base: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.headers.get("range", "")))
    counts = []
    for height in (120 * RADIUS, 4 * RADIUS):
        page.goto("about:blank")  # so that the client begins anew, with nothing in its memory
        asked.clear()
        assert shown(page, base, "unsharded", height_voxels=height) == ""
        counts.append(len([each for each in asked if each]))
    assert counts[0] <= 3
    assert counts[1] > 50


def test_names_of_regions_are_listed(page: Any, base: str) -> None:
    assert shown(page, base, "named", segment=1) == ""
    page.wait_for_selector("text=LH(R)")


@pytest.mark.parametrize(
    ("folder", "segment"),
    [
        ("wrong-order", SEGMENT),
        ("unsharded", 5),
        pytest.param("lost", SEGMENT, marks=pytest.mark.slow),
        pytest.param("sharded", 5, marks=pytest.mark.slow),
        pytest.param("legacy", 5, marks=pytest.mark.slow),
    ],
)
def test_what_is_broken_is_not_taken_for_loaded(folder: str, segment: int, page: Any, base: str) -> None:
    """A shard in the wrong order, lost fragments, no manifest: each fails."""
    assert shown(page, base, folder, segment=segment, seconds=4) == "not ready"
    assert silhouette(page).sum() < 0.02 * HEIGHT**2  # the panel's border and buttons; the ring is ten times that
