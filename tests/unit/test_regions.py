"""Volumes of regions: their labels have names, from the manifest or a table, beside a volume that stays as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts

from publisher import manifest, pipeline
from publisher.errors import InvalidInput
from publisher.facts import VolumeFacts

HEAD = """\
schema: 1
version: v1
date: 2026-01-01
status: draft
dataset: {name: d, title: D, description: D., license: CC0-1.0, authors: [{name: A}]}
space: {name: EM, voxel_size: [8, 8, 8], units: nm}
"""


def volume(folder: Path, dtype: str = "uint8", kind: str = "segmentation") -> None:
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{folder}/"},
            "multiscale_metadata": {"type": kind, "data_type": dtype, "num_channels": 1},
            "scale_metadata": {"size": [8, 8, 8], "resolution": [8, 8, 8], "chunk_size": [8, 8, 8], "encoding": "raw"},
        },
        create=True,
    ).result()
    store.write(np.ones((8, 8, 8, 1), dtype)).result()


def released(folder: Path, volumes: str, tables: str = "") -> tuple[VolumeFacts, dict[str, Any]]:
    path = folder / "release.yaml"
    path.write_text(f"{HEAD}tables: [{tables}]\nvolumes: [{volumes}]\n")
    run = pipeline.release(path, str(folder / "public"), until="publish")
    assert run.staged is not None
    facts = next(each.facts for each in run.staged.artifacts if each.name == "rois")
    assert isinstance(facts, VolumeFacts)
    return facts, json.loads((folder / "public/v1/volumes/rois-segment-properties/info").read_text())


NAMED = {
    "ids": ["1", "2", "10"],
    "properties": [{"id": "name", "type": "label", "values": ["LH(R)", "MB(R)", "Größe"]}],
}


def test_names_from_the_manifest(tmp_path: Path) -> None:
    volume(tmp_path / "rois")
    before = (tmp_path / "rois/info").read_bytes()
    facts, info = released(tmp_path, "{name: rois, source: rois, regions: {2: MB(R), 10: Größe, 1: LH(R)}}")
    assert info == {"@type": "neuroglancer_segment_properties", "inline": NAMED}
    assert facts.regions == (("1", "LH(R)"), ("2", "MB(R)"), ("10", "Größe"))
    assert (tmp_path / "public/v1/volumes/rois/info").read_bytes() == before


def test_names_from_a_table(tmp_path: Path) -> None:
    volume(tmp_path / "rois")
    (tmp_path / "names.csv").write_text("label,volume_um3,id\nMB(R),3,2\nLH(R),5,1\nGröße,1,10\n", encoding="utf-8")
    _, info = released(tmp_path, "{name: rois, source: rois, regions: names}", "{name: names, source: names.csv}")
    assert info["inline"] == NAMED


def test_an_image_of_labels_becomes_a_segmentation(tmp_path: Path) -> None:
    volume(tmp_path / "rois", kind="image")
    facts, _ = released(tmp_path, "{name: rois, source: rois, regions: {1: LH(R)}}")
    assert facts.role == "segmentation"


WRONG = {
    "id,name\n1,LH\n1,MB\n": "row 2 of names.feather has label 1 twice",
    "id,name\n1,LH\n2,\n": "row 2 of names.feather has no label or no name",
    "region,volume\nLH,5\n": "needs a column of labels and one of names, and names.feather has region, volume",
}


@pytest.mark.parametrize("table", WRONG)
def test_a_table_that_names_no_regions_is_refused(table: str, tmp_path: Path) -> None:
    volume(tmp_path / "rois")
    (tmp_path / "names.csv").write_text(table)
    with pytest.raises(InvalidInput) as told:
        released(tmp_path, "{name: rois, source: rois, regions: names}", "{name: names, source: names.csv}")
    assert WRONG[table] in str(told.value)


def test_what_has_no_labels_has_no_regions(tmp_path: Path) -> None:
    volume(tmp_path / "rois", "float32", "image")
    with pytest.raises(InvalidInput, match="has regions, and its voxels are float32"):
        released(tmp_path, "{name: rois, source: rois, regions: {1: LH(R)}}")


@pytest.mark.parametrize(
    ("volumes", "message"),
    [
        ("{name: r, source: r, regions: {1: a}, segment_properties: t}", "has both regions and segment_properties"),
        ("{name: r, external: 'gs://b/r', regions: {1: a}}", "has regions, but is external"),
        ("{name: r, source: r, regions: nothing}", "names 'nothing', which is no artifact"),
        ("{name: r, source: r, regions: {}}", "regions"),
        ("{name: r, source: r, regions: {-1: a}}", "regions"),
    ],
)
def test_wrong_words_are_told_by_place(volumes: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "release.yaml"
    path.write_text(f"{HEAD}tables: [{{name: t, source: t.csv}}]\nvolumes: [{volumes}]\n")
    with pytest.raises(InvalidInput) as told:
        manifest.load(path)
    assert message in str(told.value)
