"""Every format, drawn in Chromium and read by two libraries that did not publish it: `python -m tests.browser.matrix`.

It writes the table of docs/formats.md. The tests measure again and hold the committed table against it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from publisher import serve, viewer
from tests.browser import layer_forms, layer_matrix
from tests.browser.chromium import FLAGS, load
from tests.browser.formats import FORMS, GROUPS, RADIUS, VOXEL_NM, Form, content, write
from tests.browser.layer_forms import LAYERS, LayerForm
from tests.e2e.conftest import ROOT, publisher

PAGE = ROOT / "docs" / "formats.md"
BEGIN, END = "<!-- measured: make formats -->\n", "<!-- end -->\n"
HEAD = "| format | stored | Neuroglancer | tensorstore | cloud-volume |\n|---|---|---|---|---|\n"
WINDOW = {"width": 800, "height": 600}
PIXELS = 5  # of the screen, a voxel
COLORS = {"7": "#00ff00", "9": "#0000ff"}
YES, NO = "yes", "**no**"
AnyForm = Form | LayerForm
JPEG_ERROR = 12  # grey values, at the edge of the ball


@dataclass(frozen=True)
class Row:
    """What became of one form."""

    form: AnyForm
    drawn: str
    tensorstore: str
    cloudvolume: str

    def __str__(self) -> str:
        cells = (self.form.title, self.form.stored, self.drawn, self.tensorstore, self.cloudvolume)
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Shelf:
    """All forms, published and as they lie, each under its address; and the state of each one's scene."""

    public: Path
    published: str
    plain: str
    states: dict[str, dict[str, Any]]

    def base(self, form: AnyForm) -> str:
        return self.published if form.published else self.plain

    def url(self, form: AnyForm) -> str:
        return f"{self.base(form)}/v1/{form.section}/{form.name}"

    def state(self, form: Form) -> dict[str, Any]:
        return json.loads(  # type: ignore[no-any-return]
            json.dumps(self.states[form.name]).replace("http://base.test", self.base(form))
        )


@contextmanager
def shelf(folder: Path, forms: Iterable[AnyForm] = (*FORMS, *LAYERS)) -> Iterator[Shelf]:
    """Write and publish all forms below a folder; of volumes there are scenes, too."""
    forms = tuple(forms)
    sections: dict[str, list[dict[str, str]]] = {}
    for form in forms:
        source = f"v1/{form.section}/{form.name}"
        (write if isinstance(form, Form) else layer_forms.write)(form, folder / source)  # type: ignore[operator]
        sections.setdefault(form.section, []).append({"name": form.name, "source": source})
    manifest = {
        "schema": 1,
        "version": "v1",
        "date": "2026-01-01",
        "status": "draft",
        "dataset": {
            "name": "forms",
            "title": "Forms",
            "description": "Balls.",
            "license": "CC0-1.0",
            "authors": [{"name": "A"}],
        },
        "space": {"name": "EM", "voxel_size": [VOXEL_NM] * 3, "units": "nm"},
        **sections,
        "scenes": [_scene(form) for form in forms if isinstance(form, Form)],
    }
    path = folder / "release.yaml"
    path.write_text(json.dumps(manifest))  # JSON is YAML
    done = publisher("release", path, "--target", folder / "public", "--until", "publish", "--quiet")
    assert done.code == 0, done.err
    told = publisher("scene", path, "--target", "http://base.test", "--json")
    assert told.code == 0, told.err
    states = {scene["name"]: scene["state"] for scene in told.json["scenes"]}
    with serve.running(folder / "public") as published, serve.running(folder, gate=False) as plain:
        yield Shelf(folder / "public", published, plain, states)


def _scene(form: Form) -> dict[str, Any]:
    layer: dict[str, Any] = {"artifact": form.name}
    layer |= {"segments": [7, 9], "colors": COLORS, "opacity": 1} if form.labels else {"contrast": [0, 255]}
    scene = {"name": form.name, "layers": [layer], "layout": "xy", "zoom": VOXEL_NM / PIXELS, "axis_lines": False}
    state = {"crossSectionBackgroundColor": "#000000", "showScaleBar": False, "selectedLayer": {"visible": False}}
    return {**scene, "position": [31.9, 31.9, 31.9], "state": state}


def measure(shelf: Shelf, form: AnyForm, page: Any) -> Row:
    """Draw one form, and read it with both libraries."""
    if isinstance(form, LayerForm):
        return _measure_layer(shelf, form, page)
    page.set_viewport_size(WINDOW)
    drawn = NO if draw(shelf, form, page) else YES
    return Row(form, drawn, read_by_tensorstore(shelf, form), read_by_cloudvolume(shelf, form))


def _measure_layer(shelf: Shelf, form: LayerForm, page: Any) -> Row:
    url = shelf.url(form)
    packed = [*(shelf.public / "v1" / form.section / form.name / form.inside).rglob("*.gz")]
    assert ("gzip" in form.stored) <= bool(packed), f"{form.name} is not stored as gzip"
    if form.kind == "properties":
        assert layer_matrix.read_by_hand(url) == layer_matrix.EXACT
    trouble = layer_matrix.draw(form, url, shelf.published, page)
    if trouble:
        print(f"{form.name}: {trouble}", file=sys.stderr)
    read = layer_matrix.read_by_tensorstore(form, url), layer_matrix.read_by_cloudvolume(form, url)
    return Row(form, NO if trouble else YES, *read)


def draw(shelf: Shelf, form: Form, page: Any) -> str:
    """Open a form's scene; return what is wrong with the picture, "" where it shows the ball."""
    from PIL import Image

    state = shelf.state(form)
    url = f"{shelf.published}/{viewer.prefix()}/index.html#!{json.dumps(state)}"
    if trouble := load(page, url, [layer["name"] for layer in state["layers"]]):
        return trouble
    data = page.evaluate("() => { viewer.display.draw(); return viewer.display.canvas.toDataURL() }")
    picture = np.asarray(Image.open(BytesIO(b64decode(data.partition(",")[2]))).convert("RGB")).astype(int)
    wanted = (0, 255, 0) if form.labels else (200, 200, 200)
    seen = int((np.abs(picture - wanted).max(axis=-1) < JPEG_ERROR).sum())
    expected = np.pi * (RADIUS * PIXELS) ** 2
    return "" if abs(seen / expected - 1) < 0.05 else f"{seen} pixels of the ball instead of {expected:.0f}"


def _verdict(form: Form, voxels: np.ndarray[Any, Any]) -> str:
    wanted = content(form)
    if voxels.shape != wanted.shape:
        return NO
    if form.exact:
        return "exact" if voxels.dtype == wanted.dtype and np.array_equal(voxels, wanted) else NO
    error = np.abs(voxels.astype(float) - wanted)
    return "lossy" if error.mean() < 2 else NO


def read_by_tensorstore(shelf: Shelf, form: Form) -> str:
    import tensorstore as ts

    drivers = {"precomputed": "neuroglancer_precomputed", "ome04": "zarr", "ome05": "zarr3"}
    below = GROUPS.get(form.driver, "")
    kvstore = {"driver": "http", "base_url": f"{shelf.url(form)}/{below}"}
    try:
        store = ts.open({"driver": drivers.get(form.driver, form.driver), "kvstore": kvstore}).result()
        voxels = np.asarray(store.read().result())
    except ValueError:
        return NO
    return _verdict(form, voxels[..., 0] if form.driver == "precomputed" else _xyz(form, voxels))


def _xyz(form: Form, voxels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return voxels if form.driver == "n5" else voxels.T


def read_by_cloudvolume(shelf: Shelf, form: Form) -> str:
    from cloudvolume import CloudVolume

    schemes = {"zarr": "zarr2", "ome04": "zarr2", "ome05": "zarr3"}
    try:
        path = f"{schemes.get(form.driver, form.driver)}://{shelf.url(form)}"
        voxels = np.asarray(CloudVolume(path, progress=False, use_https=True)[:])
    except Exception:  # noqa: BLE001 - whatever it raises, it is not read
        return NO
    return _verdict(form, voxels.reshape(voxels.shape[:3]))


def rows(forms: Iterable[AnyForm] = (*FORMS, *LAYERS)) -> list[Row]:
    """Measure forms in a browser of our own."""
    from playwright.sync_api import sync_playwright

    forms, folder = tuple(forms), Path(tempfile.mkdtemp(prefix="formats-"))
    try:
        with shelf(folder, forms) as ready, sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = chromium.new_page()
            found = []
            for form in forms:
                found.append(measure(ready, form, page))
                print(found[-1], file=sys.stderr)
            chromium.close()
            return found
    finally:
        shutil.rmtree(folder)


def committed() -> str:
    """Return the table of docs/formats.md."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    """Measure everything, and write the table."""
    table = HEAD + "".join(f"{row}\n" for row in rows())
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + table + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
