"""Skeletons in shards and segment properties of every type, made here, in the real client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as pf
import pytest

from publisher import serve, viewer
from publisher.artifacts import Bench
from publisher.artifacts.skeletons import Skeletons
from publisher.builders.segment_properties import build
from tests.browser.chromium import LAYERS_READY

pytestmark = pytest.mark.browser

ROWS = 1000
CHAIN = "".join(f"{at} 3 {at} {at % 7} 0 2 {at - 1 if at > 1 else -1}\n" for at in range(1, 60))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("target")
    (root / "swc").mkdir()
    for segment in range(1, 31):
        (root / "swc" / f"{segment}.swc").write_text(CHAIN)
    given = {"name": "sk", "source": "x", "units": "8 nm", "sharded": True}
    made = Skeletons.model_validate(given).stage(Bench(root / "swc", "v1/sk", None, root / "v1", lambda _: root))
    assert made.trees[1].path == root / "v1" / "skeletons" / "sk-sharded"
    columns: dict[str, Any] = {
        "body": list(range(1, ROWS + 1)),
        "instance": [f"neuron_{at}" for at in range(ROWS)],
        "type": [("DA1 lPN", "KC", None, "Kenyon")[at % 4] for at in range(ROWS)],
        "side": [("L", "R")[at % 2] for at in range(ROWS)],
        "size": [at * 100_000 for at in range(ROWS)],
        "score": [at / 8 for at in range(ROWS)],
        "note": [f"note {at}" for at in range(ROWS)],
    }
    pf.write_feather(pa.table(columns), root / "bodies.feather")
    build(root / "bodies.feather", root / "v1" / "props")
    with serve.running(root) as url:
        yield url


def open_scene(page: Any, base: str, **layer: Any) -> str:
    sources = [f"precomputed://{base}/v1/skeletons/sk-sharded", f"precomputed://{base}/v1/props"]
    state = {
        "dimensions": {axis: [8e-9, "m"] for axis in "xyz"},
        "position": [30, 3, 0],
        "projectionScale": 100,
        "layers": [
            {
                "type": "segmentation",
                "name": "seg",
                "source": sources,
                "segments": ["1", "30"],
                "tab": "segments",
                **layer,
            }
        ],
        "selectedLayer": {"visible": True, "layer": "seg"},
        "layout": "3d",
    }
    page.goto(f"{base}/{viewer.prefix()}/index.html#!{json.dumps(state)}")
    return str(page.evaluate(LAYERS_READY, [["seg"], 60]))


QUERIES = {
    "#KC": "250 match",
    "#da1_lpn": "250 match",
    "#L #KC": "0 match",
    "#R -#KC": "250 match",
    "size>=99000000": "10 match",
    "score<1": "8 match",
    "neuron_99": "11 match",
    "/_99$": "1 match",
    "#KC size>50000000 |note": "125 match",
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_finds_what_the_table_says(query: str, base: str, page: Any) -> None:
    assert open_scene(page, base, segmentQuery=query) == ""
    page.wait_for_selector(f"text={QUERIES[query]} /{ROWS} total", timeout=10_000)


def test_skeletons_in_shards_are_drawn(base: str, page: Any) -> None:
    assert open_scene(page, base) == ""
    drawn = page.evaluate(
        """async () => [...(await viewer.chunkQueueManager.getStatistics()).entries()]
             .filter(([source]) => source.constructor.name !== "" && source.vertexAttributes !== undefined)
             .reduce((sum, [, row]) => sum + row[0], 0)"""
    )
    assert drawn == 2


def test_a_uint8_attribute_kills_the_layer(page: Any, tmp_path: Path) -> None:
    """Why the health check calls it an error: nothing of the layer is shown."""
    from tests.unit import layers

    files = layers.skeletons()
    files["info"]["vertex_attributes"] = [{"id": "vertex_types", "data_type": "uint8", "num_components": 1}]
    layers.write(tmp_path / "v1" / "skeletons" / "sk-sharded", {"info": files["info"], "1": files["1"][:-9]})
    layers.write(tmp_path / "v1" / "props", layers.properties())
    with serve.running(tmp_path) as bad:
        page.goto("about:blank")
        assert open_scene(page, bad, segments=["1"]) != ""
