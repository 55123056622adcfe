"""Forms of layers, drawn in Chromium, and read over HTTP by libraries that did not write them."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from PIL import Image

from publisher import viewer
from tests import annotated, shapes
from tests.browser.chromium import load
from tests.browser.formats import VOXEL_NM
from tests.browser.lattice import APART, SHADERS, WANTED, drawn, lattice
from tests.browser.lattice import SIDE as ACROSS
from tests.browser.layer_forms import BENDS, LAYERS, MIDDLE, NAME, RADIUS, RING, SEGMENT, SIDE, TAG, LayerForm

EXACT, LOSSY, NO, NONE = "exact", "lossy", "**no**", "-"
VOXELS_HIGH = 1.5 * SIDE  # of the 3-d view
LINE_PIXELS = 6
WINDOW = {"width": 800, "height": 640}  # the lattice is 480 pixels wide and high


def draw(form: LayerForm, url: str, client: str, page: Any, seconds: float = 60) -> str:
    """Open a form at an address; return what is wrong with the picture, "" where it shows what it should."""
    page.set_viewport_size(WINDOW)
    layer, more = _notes(form, url) if form.kind == "annotations" else _segments(url, listed=form.kind == "properties")
    state = {
        "dimensions": {axis: [VOXEL_NM * 1e-9, "m"] for axis in "xyz"},
        "layers": [{**layer, "name": "it"}],
        "showAxisLines": False,
        "showScaleBar": False,
        "showDefaultAnnotations": False,
        "crossSectionBackgroundColor": "#000000",
        "projectionBackgroundColor": "#000000",
        **more,
    }
    if trouble := load(page, f"{client}/{viewer.prefix()}/index.html#!{json.dumps(state)}", ["it"], seconds):
        return trouble
    if form.kind == "annotations":
        right = (drawn(page) == WANTED).mean()
        return "" if right == 1 else f"{right:.0%} of them are drawn where they are, in their colours"
    if form.kind == "properties":
        return _words(page, min(seconds, 10))
    height, found = _green(page)
    if form.kind == "meshes":
        expected = np.pi * ((4 / 3) ** 2 - (2 / 3) ** 2) * (RADIUS * height / VOXELS_HIGH) ** 2
    else:
        voxels = np.linalg.norm(np.diff(BENDS, axis=0), axis=1).sum()
        expected = voxels * height / VOXELS_HIGH * LINE_PIXELS
    return "" if abs(found / expected - 1) < 0.05 else f"{found} pixels instead of {expected:.0f}"


def _segments(url: str, *, listed: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    colors = {"segments": [str(SEGMENT)], "segmentColors": {str(SEGMENT): "#00ff00"}}
    layer = {"type": "segmentation", "source": f"precomputed://{url}", "tab": "segments", **colors}
    if listed:
        layer["segmentQuery"] = f"#{TAG} size>100"
    else:
        layer["skeletonRendering"] = {"mode3d": "lines", "lineWidth3d": LINE_PIXELS}
    return layer, {
        "position": [MIDDLE] * 3,
        "projectionScale": VOXELS_HIGH,
        "showSlices": False,
        "layout": "xy" if listed else {"type": "3d", "orthographicProjection": True},
        "selectedLayer": {"visible": listed, "layer": "it"},
    }


def _notes(form: LayerForm, url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    shader = f"void main() {{ setColor(prop_colour()); {SHADERS[form.geometry]} }}"
    layer = {"type": "annotation", "source": f"precomputed://{url}", "shader": shader}
    middle = ACROSS * APART / 2 + 0.5
    more = {"position": [middle, middle, 10.5], "crossSectionScale": 1, "layout": "xy"}
    return {**layer, "crossSectionAnnotationSpacing": 1}, {**more, "selectedLayer": {"visible": False}}


def _words(page: Any, seconds: float) -> str:
    from playwright.sync_api import TimeoutError as Missing

    for text in (NAME, "1 match /2 total"):
        try:
            page.wait_for_selector(f"text={text}", timeout=seconds * 1000)
        except Missing:
            return f"the list of segments does not say {text!r}"
    return ""


def _green(page: Any) -> tuple[int, int]:
    """Return how high the view is, and how many pixels of it have the segment's colour, lit or not."""
    data, height = page.evaluate(
        """() => { viewer.display.draw(); return [viewer.display.canvas.toDataURL(),
             [...viewer.display.panels].find(each => each.viewer).element.clientHeight]; }"""
    )
    red, green, blue = np.asarray(Image.open(io.BytesIO(b64decode(data.partition(",")[2]))).convert("RGB")).T.astype(
        int
    )
    return int(height), int(((green > 40) & (red < green / 4) & (blue < green / 4)).sum())


def read_by_tensorstore(form: LayerForm, url: str) -> str:
    """Read a form: annotations with neuroglancer's own reader; of others, in shards, the object of the segment."""
    if form.kind == "annotations":
        try:
            return NO if annotated.differences(url, _wanted(form)) else EXACT
        except ValueError:
            return NO
    if form.stored != "sharded":
        return NONE
    import tensorstore as ts

    base = {"driver": "http", "base_url": f"{url}/{form.inside}/"}
    spec = {"driver": "neuroglancer_uint64_sharded", "base": base, "metadata": _info(url, form)["sharding"]}
    found = ts.KvStore.open(spec).result().read(SEGMENT.to_bytes(8, "big")).result().value
    return EXACT if found == _unsharded(form) else NO


def _unsharded(form: LayerForm) -> bytes:
    """Return what should be in the shards under the segment's id: what is else an object of its own."""
    with tempfile.TemporaryDirectory() as place:
        twin = next(each for each in LAYERS if (each.title, each.stored) == (form.title, "unsharded"))
        twin.build(Path(place, "it"))
        return Path(place, "it", f"{SEGMENT}.index" if form.kind == "meshes" else f"{SEGMENT}").read_bytes()


def read_by_cloudvolume(form: LayerForm, url: str) -> str:
    """Read a form with cloud-volume."""
    if form.kind == "properties":
        return NONE
    try:
        return {"meshes": _mesh, "skeletons": _skeleton, "annotations": _annotations}[form.kind](form, url)
    except Exception:  # noqa: BLE001 - whatever it raises, it is not read
        return NO


def _mesh(form: LayerForm, url: str) -> str:
    from cloudvolume import CloudVolume

    del form
    found = CloudVolume(f"precomputed://{url}", progress=False, use_https=False).mesh.get(SEGMENT)
    mesh = found[SEGMENT] if isinstance(found, dict) else found
    vertices, faces = RING[0] * VOXEL_NM, RING[1]
    off = max(
        shapes.furthest(vertices[::9], mesh.vertices), np.abs(np.ptp(mesh.vertices, 0) - np.ptp(vertices, 0)).max()
    )
    if abs(shapes.area(mesh.vertices, mesh.faces) / shapes.area(vertices, faces) - 1) > 1e-3:
        return NO
    return EXACT if off < 1e-3 else LOSSY if off < 0.3 else NO


def _skeleton(form: LayerForm, url: str) -> str:
    from cloudvolume import CloudVolume

    del form
    found = CloudVolume(f"precomputed://{url}", progress=False, use_https=False).skeleton.get(SEGMENT)
    length = np.linalg.norm(np.diff(BENDS, axis=0), axis=1).sum() * VOXEL_NM
    ends = all((np.abs(found.vertices - end * VOXEL_NM).max(axis=1) < 1e-3).any() for end in BENDS)
    return EXACT if ends and abs(found.cable_length() / length - 1) < 1e-5 else NO


def _annotations(form: LayerForm, url: str) -> str:
    from cloudvolume.datasource.precomputed.annotation import PrecomputedAnnotationSource

    wanted = _wanted(form)
    cloud = PrecomputedAnnotationSource(f"precomputed://{url}")
    for key, one in cloud.get_by_id(list(wanted)[::7]).items():
        if tuple(one.geometry.ravel().tolist()) != wanted[key].place:
            return NO
    bodies = sorted({body for one in wanted.values() for body in (one.related or {})["body"]})
    for body, found in cloud.get_by_relationship("body", bodies).items():
        if sorted(found.ids.tolist()) != sorted(key for key, one in wanted.items() if one.related == {"body": (body,)}):
            return NO
    return EXACT


def _wanted(form: LayerForm) -> dict[int, annotated.Read]:
    """Return the annotations of the lattice by id, as the table says them."""
    columns = lattice(form.geometry)
    places = [name for name in columns if name not in {"id", "body", "score", "colour", "kind"}]
    made = {}
    for at, key in enumerate(columns["id"].tolist()):
        place = tuple(float(np.float32(columns[name][at])) for name in places)
        said = {"score": float(np.float32(columns["score"][at])), "colour": str(columns["colour"][at])}
        properties = {**said, "kind": str(columns["kind"][at])}
        made[key] = annotated.Read(place, properties, {"body": (int(columns["body"][at]),)})
    return made


def read_by_hand(url: str) -> str:
    """Read segment properties by the words of their specification: no library of readers does."""
    inline = json.loads(_got(f"{url}/segment_properties/info"))["inline"]
    label, tags, size = inline["properties"]
    at = inline["ids"].index(str(SEGMENT))
    said = (label["values"][at], [tags["tags"][number] for number in tags["values"][at]], size["values"][at])
    return EXACT if said == (NAME, [TAG], 4_000_000_000) else NO


def _info(url: str, form: LayerForm) -> dict[str, Any]:
    return json.loads(_got(f"{url}/{form.inside}/info"))  # type: ignore[no-any-return]


def _got(url: str) -> bytes:
    with urlopen(url) as answer:
        data = bytes(answer.read())
        return gzip.decompress(data) if answer.headers["Content-Encoding"] == "gzip" else data
