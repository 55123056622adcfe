"""Fragments that are called `12.ngmesh` lie as `12.ngmesh.gz` in a folder, and are no strays there; what is one, is told."""

from __future__ import annotations

import gzip
from pathlib import Path
from urllib.request import urlopen

from publisher import serve
from tests.e2e.conftest import publisher
from tests.unit import layers

MANIFEST = """\
schema: 1
version: v1
date: 2026-01-01
status: draft
dataset: {name: n, title: N, description: Meshes., license: CC0-1.0, authors: [{name: A}]}
meshes: [{name: skins, source: skins}]
"""


def test_a_fragment_with_an_ending_is_no_stray(tmp_path: Path) -> None:
    fragment = layers.fragment(*layers.TETRAHEDRON)
    info = {"@type": "neuroglancer_legacy_mesh"}
    layers.write(tmp_path / "skins", {"info": info, "12:0": {"fragments": ["12.ngmesh"]}, "12.ngmesh": fragment})
    (tmp_path / "v1.yaml").write_text(MANIFEST)
    done = publisher("release", tmp_path / "v1.yaml", "--target", tmp_path / "public", "--no-render", "--json")
    assert done.code == 0, done.err
    stored = tmp_path / "public/v1/meshes/skins/12.ngmesh.gz"
    assert gzip.decompress(stored.read_bytes()) == fragment
    with serve.running(tmp_path / "public") as base, urlopen(f"{base}/v1/meshes/skins/12.ngmesh") as answer:
        assert answer.headers["Content-Encoding"] == "gzip"

    def strays() -> list[str]:
        told = publisher("verify", tmp_path / "v1.yaml", "--target", tmp_path / "public", "--no-render", "--json")
        return [each["key"] for each in told.json["findings"] if each["check"] == "extra"]

    assert strays() == []
    stored.with_name("13.ngmesh.gz").write_bytes(stored.read_bytes())
    assert strays() == ["v1/meshes/skins/13.ngmesh.gz"]
