"""What health says that the viewer cannot show, it cannot; and what it says nothing of is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from publisher import serve, viewer
from tests.browser.chromium import LAYERS_READY
from tests.e2e.conftest import publisher
from tests.health.makers import array, edit, ome, precomputed

pytestmark = pytest.mark.browser

MANIFEST = """\
schema: 1
version: v1
date: 2026-01-01
status: draft
dataset: {name: seen, title: Seen, description: An array., license: CC0-1.0, authors: [{name: A}]}
space: {name: EM, voxel_size: [8, 8, 8], units: nm}
volumes: [{name: v, source: v}]
scenes: [{name: main, layers: [{artifact: v}], layout: xy}]
"""
HIDDEN = {
    "zarr v2 of 64 bits without a fill value": lambda folder: array(folder, "zarr", "uint64", {"fill_value": None}),
    "N5 as bzip2": lambda folder: array(folder, "n5", "uint8", {"compression": {"type": "bzip2"}}),
    "N5 of float64": lambda folder: array(folder, "n5", "float64"),
    "labels as crackle": lambda folder: crackle(precomputed(folder, "raw", "uint32", "segmentation", scales=1)),
    "OME-Zarr 0.6": lambda folder: version(ome(folder, "0.4"), "0.6"),
}
SHOWN = {
    "zarr v2 of 64 bits": lambda folder: array(folder, "zarr", "uint64"),
    "N5 as zstd": lambda folder: array(folder, "n5", "uint8", {"compression": {"type": "zstd"}}),
    "zarr v3 of 64 bits": lambda folder: array(folder, "zarr3", "uint64"),
    "labels in shards": lambda folder: precomputed(
        folder, "compressed_segmentation", "uint64", "segmentation", "sharded"
    ),
    "OME-Zarr 0.4": lambda folder: ome(folder, "0.4"),
    "OME-Zarr 0.5": lambda folder: ome(folder, "0.5"),
}


def crackle(folder: Path) -> Path:
    """Name an encoding that the viewer does not know, in chunks that begin as its own do."""
    edit("info", lambda value: value["scales"][0].update(encoding="crackle"))(folder)
    for path in (folder / "8_8_8").iterdir():
        ends = [[int(n) for n in part.split("-")] for part in path.name.split("_")]
        size = b"".join((high - low).to_bytes(4, "little") for low, high in ends)
        path.write_bytes(b"crkl\0\0\0" + size + bytes(9))
    return folder


def version(folder: Path, number: str) -> Path:
    edit(".zattrs", lambda value: value["multiscales"][0].update(version=number))(folder)
    return folder


def seen(folder: Path, page: Any, seconds: int) -> tuple[str, str]:
    """Publish a volume `v`; return what was said, and what the viewer says of its layer."""
    (folder / "release.yaml").write_text(MANIFEST)
    result = publisher("release", "release.yaml", "--target", "./public", "--until", "publish", cwd=folder)
    assert result.code == 0, result.err
    with serve.running(folder / "public") as base:
        state = json.loads((folder / "public/v1/seen-v1.json").read_text().replace("http://127.0.0.1:8000", base))
        page.goto(f"{base}/{viewer.prefix()}/index.html#!{json.dumps(state)}")
        return result.err, page.evaluate(LAYERS_READY, [["v"], seconds])


@pytest.mark.parametrize("title", HIDDEN)
def test_what_is_said_not_to_be_shown_is_not(title: str, tmp_path: Path, page: Any) -> None:
    HIDDEN[title](tmp_path / "v")
    said, viewer_says = seen(tmp_path, page, 5)
    assert "its layer stays empty" in said
    assert viewer_says.startswith(("error in v", "nothing drawn"))


@pytest.mark.parametrize("title", SHOWN)
def test_what_nothing_is_said_of_is_shown(title: str, tmp_path: Path, page: Any) -> None:
    SHOWN[title](tmp_path / "v")
    said, viewer_says = seen(tmp_path, page, 60)
    assert "neuroglancer" not in said
    assert viewer_says == ""
