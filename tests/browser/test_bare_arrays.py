"""Arrays whose files do not say how large a voxel is are shown in the manifest's space: right axes, right units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from publisher import serve, viewer
from tests.browser.chromium import LAYERS_READY
from tests.e2e.conftest import publisher

pytestmark = pytest.mark.browser

MANIFEST = """\
schema: 1
version: v1
date: 2026-01-01
status: draft
dataset: {name: bare, title: Bare, description: An array., license: CC0-1.0, authors: [{name: A}]}
space: {name: EM, voxel_size: [8, 8, 40], units: nm}
volumes: [{name: labels, source: labels}]
scenes: [{name: main, layers: [{artifact: labels}], layout: xy}]
"""


@pytest.mark.parametrize(("driver", "order"), [("zarr", "zyx"), ("zarr3", "zyx"), ("n5", "xyz")])
def test_axes_and_units(driver: str, order: str, tmp_path: Path, page: Any) -> None:
    import tensorstore as ts

    (tmp_path / "release.yaml").write_text(MANIFEST)
    sizes = {"x": 60, "y": 50, "z": 20}
    shape = [sizes[axis] for axis in order]
    store = ts.open(
        {"driver": driver, "kvstore": {"driver": "file", "path": f"{tmp_path}/labels/"}},
        create=True,
        dtype=ts.uint32,  # the viewer of this version cannot draw zarr v2 in 64 bits
        shape=shape,
    ).result()
    store.write(np.full(shape, 7, np.uint32)).result()
    result = publisher("release", "release.yaml", "--target", "./public", "--until", "publish", cwd=tmp_path)
    assert result.code == 0, result.err
    assert "those of the space 'EM' are taken" in result.err
    with serve.running(tmp_path / "public") as base:
        state = json.loads((tmp_path / "public/v1/bare-v1.json").read_text().replace("http://127.0.0.1:8000", base))
        page.goto(f"{base}/{viewer.prefix()}/index.html#!{json.dumps(state)}")
        assert page.evaluate(LAYERS_READY, [["labels"], 60]) == ""
        seen = page.evaluate(
            "() => { const space = viewer.coordinateSpace.value;"
            " return [space.names, [...space.scales], space.units, [...space.bounds.upperBounds]] }"
        )
    names, scales, units, upper = seen
    assert (names, units) == (["x", "y", "z"], ["m", "m", "m"])
    assert np.allclose(scales, [8e-9, 8e-9, 40e-9])
    assert upper == [60, 50, 20]
