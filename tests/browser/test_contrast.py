"""An image of 12 bits in 16, drawn by the scene that nobody wrote: it is seen; without what was measured it is nearly black."""

from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from publisher import serve, viewer
from tests.browser.chromium import load
from tests.e2e.conftest import publisher
from tests.unit.test_contrast import image, written

pytestmark = pytest.mark.browser

MANIFEST = """\
schema: 1
version: v1
date: 2026-01-01
status: draft
dataset: {name: dark, title: Dark, description: An image., license: CC0-1.0, authors: [{name: A}]}
space: {name: EM, voxel_size: [8, 8, 8], units: nm}
volumes: [{name: em, source: em}]
"""


def lightness(page: Any, url: str) -> float:
    """Return the median of the middle of the left view, a cross-section."""
    assert load(page, url, ["em"]) == ""
    data = page.evaluate("() => { viewer.display.draw(); return viewer.display.canvas.toDataURL() }")
    picture = np.asarray(Image.open(io.BytesIO(b64decode(data.partition(",")[2]))).convert("L"))
    high, wide = picture.shape
    return float(np.median(picture[high // 3 : 2 * high // 3, wide // 8 : wide // 4]))


def test_an_image_of_12_bits_is_seen(tmp_path: Path, page: Any) -> None:
    written(tmp_path / "em", image("uint16", 900, 3100))
    (tmp_path / "release.yaml").write_text(MANIFEST)
    done = publisher("release", "release.yaml", "--target", "./public", "--until", "publish", cwd=tmp_path)
    assert done.code == 0, done.err
    with serve.running(tmp_path / "public") as base:
        text = (tmp_path / "public/v1/dark-v1.json").read_text().replace("http://127.0.0.1:8000", base)
        state = json.loads(text)
        client = f"{base}/{viewer.prefix()}/index.html"
        assert 90 < lightness(page, f"{client}#!{json.dumps(state)}") < 165
        shader = state["layers"][0]["shader"]
        state["layers"][0]["shader"] = re.sub(r"\(range=[^)]*\)", "", shader)
        assert state["layers"][0]["shader"] != shader
        assert lightness(page, f"{client}#!{json.dumps(state)}") < 15
