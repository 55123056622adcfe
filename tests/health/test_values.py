"""The least and the greatest value of a volume: held against what tensorstore reads of the whole scale."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts

from publisher import health
from publisher.artifacts.volume import look
from publisher.facts import VolumeFacts
from publisher.health import values
from publisher.record import Described
from publisher.tree import Tree
from tests.health import makers

FORMS = [
    ("precomputed", ("raw", "uint8", "image")),
    ("precomputed", ("raw", "uint16", "image", "gz")),
    ("precomputed", ("compressed_segmentation", "uint64", "segmentation", "gzip")),
    ("precomputed", ("raw", "uint32", "segmentation", "sharded")),
    ("array", ("zarr", "uint16")),
    ("array", ("n5", "uint16")),
    ("array", ("zarr3", "float32")),
]


def measured(source: Path, folder: Path, *, reread: bool = False) -> VolumeFacts:
    facts, role, encoded = look(source)
    artifact = Described("v", "volumes", "V", "", "", "v1/v", None, facts=facts)
    tree = Tree("v", "v1/v", source, role=role, encoded_names=encoded)
    (found,) = health.with_values([tree], [artifact], folder, reread=reread)
    assert isinstance(found.facts, VolumeFacts)
    return found.facts


@pytest.mark.parametrize(("maker", "words"), FORMS, ids=lambda each: "-".join(each) if isinstance(each, tuple) else "")
def test_the_range_is_that_of_every_voxel(tmp_path: Path, maker: str, words: tuple[Any, ...]) -> None:
    more = {"scales": 1} if maker == "precomputed" else {}
    source = makers.copy_of(tmp_path / "v", getattr(makers, maker), *words, **more)
    found = measured(source, tmp_path / "work").values
    whole = makers.labels(words[1])  # as the makers write them
    assert found is not None
    assert (found.low, found.high) == (whole.min(), whole.max())
    assert not found.absent


def test_it_is_the_coarsest_scale_that_is_read(tmp_path: Path) -> None:
    source = makers.copy_of(tmp_path / "v", makers.precomputed, "raw", "uint8", "image")
    facts = measured(source, tmp_path / "work")
    assert facts.values is not None
    assert facts.values.scale == facts.scales[-1].key != facts.scales[0].key


def test_absent_chunks_are_zeros(tmp_path: Path) -> None:
    source = makers.copy_of(tmp_path / "v", makers.precomputed, "raw", "uint8", "image", scales=1)
    assert (whole := measured(source, tmp_path / "a").values)
    assert (whole.low > 0, whole.absent) == (True, False)
    makers.chunks(source)[0].unlink()
    assert (holey := measured(source, tmp_path / "b").values)
    assert (holey.low, holey.high, holey.absent) == (0, whole.high, True)


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    source = makers.copy_of(tmp_path / "v", makers.precomputed, "raw", "uint8", "image", scales=1)
    first = measured(source, tmp_path / "work").values
    chunk = makers.chunks(source)[0]
    at, data = chunk.stat(), bytearray(chunk.read_bytes())
    data[:] = bytes([255]) * len(data)
    chunk.write_bytes(data)
    os.utime(chunk, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert measured(source, tmp_path / "work").values == first
    assert (anew := measured(source, tmp_path / "work", reread=True).values)
    assert anew.high == 255
    os.utime(chunk)
    chunk.write_bytes(bytes([254]) * len(data))
    assert (changed := measured(source, tmp_path / "work").values)
    assert changed.high == 254


def test_a_large_scale_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = makers.copy_of(tmp_path / "v", makers.precomputed, "raw", "uint8", "image", scales=1)
    monkeypatch.setattr(values, "MOST_VOXELS", 1000)
    assert measured(source, tmp_path / "work").values is None


def test_what_cannot_be_read_has_no_range(tmp_path: Path) -> None:
    source = makers.copy_of(
        tmp_path / "v", makers.precomputed, "compressed_segmentation", "uint64", "segmentation", scales=1
    )
    makers.chunks(source)[0].write_bytes(b"none")
    assert measured(source, tmp_path / "work").values is None


def test_not_a_number_is_no_value(tmp_path: Path) -> None:
    data = np.full((40, 40, 40), np.nan, np.float32)
    data[3, 3, 3], data[4, 4, 4] = -2.5, 7
    spec = {
        "driver": "zarr3",
        "kvstore": f"file://{tmp_path}/v/",
        "metadata": {"shape": [40, 40, 40], "data_type": "float32"},
    }
    ts.open(spec, create=True).result().write(data).result()
    assert (found := measured(tmp_path / "v", tmp_path / "work").values)
    assert (found.low, found.high) == (-2.5, 7.0)


def test_a_machine_that_measures_nothing_has_the_same_facts(tmp_path: Path) -> None:
    source = makers.copy_of(tmp_path / "v", makers.precomputed, "raw", "uint8", "image", scales=1)
    facts = measured(source, tmp_path / "work")
    assert facts.values is not None
    assert replace(facts, values=None) == facts
    assert replace(facts, data_type="uint16") != facts
