"""Health of the example release's own volumes: sparse, with `.gz` files, in shards, as jpeg."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import inputs
from tests.health.makers import find

__all__ = ["inputs"]

VOLUMES = ("segmentation", "roi-volume", "synapse-density")


@pytest.mark.parametrize("name", VOLUMES)
def test_real_volumes_are_well(name: str, inputs: Path) -> None:
    """Most of their chunks are empty and not stored, which other scales prove: a note, and nothing else."""
    found = find(inputs / name, "full")
    assert {(finding.severity, finding.check) for finding in found} == {("note", "missing")}
    assert all("the other scales are empty there, too" in finding.message for finding in found)


@pytest.mark.parametrize("name", ["segmentation", "synapse-density"])
def test_a_chunk_that_is_lost_is_missed_among_all_that_are_empty(name: str, inputs: Path, tmp_path: Path) -> None:
    """Of a thousand chunks of which 97 % are not stored, one more is noticed."""
    volume = Path(shutil.copytree(inputs / name, tmp_path / "v"))
    full = max((volume / "512_512_512").iterdir(), key=lambda path: path.stat().st_size)
    full.unlink()
    lost = full.name.removesuffix(".gz")
    errors = [finding for finding in find(volume) if finding.severity == "error"]
    assert [(finding.check, finding.key) for finding in errors] == [("missing", f"v/512_512_512/{lost}")]
