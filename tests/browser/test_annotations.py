"""Annotations from a table, drawn by the real client: each at its place, in the colour that the table gives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from publisher import serve, viewer
from publisher.builders.annotations import grid, indexes
from tests.annotated import Reader, stage, written
from tests.browser.chromium import LAYERS_READY
from tests.browser.lattice import APART, BODIES, SHADERS, SIDE, WANTED, drawn, lattice

pytestmark = pytest.mark.browser


@pytest.fixture
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Several levels of few annotations; each index in shards, or each in files."""
    monkeypatch.setattr(grid, "LIMIT", 100)
    monkeypatch.setattr(grid, "_AIM", 90)
    monkeypatch.setattr(indexes, "FILES", 0 if request.param == "sharded" else 10**6)
    monkeypatch.setattr(indexes, "SHARD_BYTES", 8000)
    monkeypatch.setattr(indexes, "MINISHARD_KEYS", 8)
    return str(request.param)


def opened(page: Any, base: str, shader: str, more: dict[str, Any], *layers: dict[str, Any], seconds: int = 60) -> str:
    """Open a cross-section through the lattice; return what is the matter, nothing once all is drawn."""
    notes = {
        "type": "annotation",
        "name": "notes",
        "source": f"precomputed://{base}/notes",
        "shader": f"void main() {{ setColor(prop_colour()); {shader} }}",
        "crossSectionAnnotationSpacing": 1,
        **more,
    }
    state = {
        "dimensions": {axis: [8e-9, "m"] for axis in "xyz"},
        "position": [SIDE * APART / 2 + 0.5, SIDE * APART / 2 + 0.5, 10.5],
        "crossSectionScale": 1,
        "layers": [notes, *layers],
        "layout": "xy",
        "showAxisLines": False,
        "showScaleBar": False,
        "showDefaultAnnotations": False,
        "crossSectionBackgroundColor": "#000000",
    }
    page.goto(f"{base}/{viewer.prefix()}/index.html#!{json.dumps(state)}")
    return str(page.evaluate(LAYERS_READY, [["notes", *(layer["name"] for layer in layers)], seconds]))


@pytest.mark.parametrize(
    ("few", "geometry"), [("unsharded", "point"), *(("sharded", each) for each in SHADERS)], indirect=["few"]
)
def test_each_is_drawn_at_its_place_in_its_colour(geometry: str, few: str, tmp_path: Path, page: Any) -> None:
    said = {"geometry": geometry, "id": "id", "relationships": {"body": "body"}, "units": "8 nm"}
    made = stage(written(tmp_path / "a.parquet", lattice(geometry)), tmp_path / "work", **said)
    (tmp_path / "public").mkdir()
    made.trees[0].path.rename(tmp_path / "public" / "notes")
    info = Reader(tmp_path / "public" / "notes").info
    assert len(info["spatial"]) >= 3
    assert [("sharding" in each) for each in info["spatial"]] == [few == "sharded"] * len(info["spatial"])
    with serve.running(tmp_path / "public") as base:
        assert opened(page, base, SHADERS[geometry], {}) == ""
        found = drawn(page)
        assert (found == WANTED).mean() == 1, found


def labels(folder: Path) -> None:
    """Write a segmentation, for annotations to be filtered by."""
    import tensorstore as ts

    scale = {"size": [480, 480, 20], "resolution": [8, 8, 8], "chunk_size": [64, 64, 20], "encoding": "raw"}
    volume = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": "segmentation", "data_type": "uint64", "num_channels": 1},
            "scale_metadata": scale,
        },
        create=True,
    ).result()
    volume[:64, :64, :, 0] = np.full((64, 64, 20), 9, np.uint64)


ONE = """async (id) => {
  const source = viewer.layerManager.managedLayers[0].layer.annotationStates.states[0].source;
  const reference = source.getReference(id);
  for (let tries = 0; tries < 100 && reference.value === undefined; ++tries) await new Promise(r => setTimeout(r, 50));
  const one = reference.value;
  return one && {point: [...one.point], properties: [...one.properties],
                 related: one.relatedSegments.map(each => [...each].map(String))};
}"""


@pytest.mark.parametrize("few", ["sharded", "unsharded"], indirect=True)
def test_by_relationship_and_by_id(few: str, tmp_path: Path, page: Any) -> None:
    columns = lattice("point")
    said = {"id": "id", "relationships": {"body": "body"}, "units": "8 nm"}
    made = stage(written(tmp_path / "a.parquet", columns), tmp_path / "work", **said)
    folder = tmp_path / "public" / "notes"
    folder.parent.mkdir()
    made.trees[0].path.rename(folder)
    labels(tmp_path / "public" / "seg")
    info = Reader(folder).info
    assert ("sharding" in info["by_id"]) == ("sharding" in info["relationships"][0]) == (few == "sharded")
    more = {"linkedSegmentationLayer": {"body": "seg"}, "filterBySegmentation": ["body"]}
    with serve.running(tmp_path / "public") as base:
        source = f"precomputed://{base}/seg"
        seg = {
            "type": "segmentation",
            "name": "seg",
            "source": source,
            "segments": [str(BODIES[1])],
            "selectedAlpha": 0,
        }
        assert opened(page, base, SHADERS["point"], more, seg) == ""
        found = drawn(page)
        assert (found[:, 1::2] == WANTED[:, 1::2]).all(), found
        assert (found[:, ::2] == -1).all(), found
        at = 5 * SIDE + 3
        one = page.evaluate(ONE, str(columns["id"][at]))
    assert one["point"] == [columns[axis][at] for axis in "xyz"]
    assert one["related"] == [[str(BODIES[1])]]
    by_name = dict(zip([each["id"] for each in info["properties"]], one["properties"], strict=True))
    assert by_name["score"] == pytest.approx(0.5)
    assert by_name["kind"] == 1


def test_control_a_wrong_record_is_not_drawn_right(tmp_path: Path, page: Any) -> None:
    """Four bytes too few a record, as a forgotten padding: the client says so, or draws elsewhere."""
    made = stage(written(tmp_path / "a.parquet", lattice("point")), tmp_path / "work", id="id", units="8 nm")
    folder = tmp_path / "public" / "notes"
    folder.parent.mkdir()
    made.trees[0].path.rename(folder)
    info = json.loads((folder / "info").read_text())
    info["properties"] = [each for each in info["properties"] if each["id"] != "score"]
    (folder / "info").write_text(json.dumps(info))
    with serve.running(tmp_path / "public") as base:
        trouble = opened(page, base, SHADERS["point"], {}, seconds=5)
        assert trouble or (drawn(page) == WANTED).mean() < 0.9


# A machine on which half a second passes between two looks at the clock.
SLOW = "{ const clock = Date.now.bind(Date); let late = 0; Date.now = () => clock() + (late += 500); }"


@pytest.mark.parametrize("few", ["sharded"], indirect=True)
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
def test_no_layer_is_dropped_on_a_slow_machine(guarded: object, few: str, tmp_path: Path, page: Any) -> None:
    del few
    made = stage(written(tmp_path / "a.parquet", lattice("point")), tmp_path / "work", id="id", units="8 nm")
    (tmp_path / "public").mkdir()
    made.trees[0].path.rename(tmp_path / "public" / "notes")
    page.add_init_script(SLOW)
    if not guarded:
        page.add_init_script("Object.defineProperty(Date, 'now', {value: Date.now, writable: false})")
    with serve.running(tmp_path / "public") as base:
        trouble = opened(page, base, SHADERS["point"], {}, seconds=20 if guarded else 5)
        dropped = "Cannot read properties of undefined" in page.evaluate("document.body.innerText")
    assert dropped is not bool(guarded)
    assert (trouble == "") is bool(guarded)
