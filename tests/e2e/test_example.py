"""The example release, read back from `serve` by readers that did not write it."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
import tensorstore as ts
from cloudvolume import CloudVolume, Skeleton

from tests import catalogues
from tests.e2e.conftest import Release, publisher

BODIES = (722817260, 754534424, 754538881, 1734350788, 1734350908)
SCALES = ("128_128_128", "256_256_256", "512_512_512", "1024_1024_1024")


def test_the_result_for_programs(published: Release) -> None:
    result = published.result.json
    assert result["release"] == "v0.9"
    assert result["target"] == str(published.target)
    assert result["objects"] == result["uploaded"] > 450
    assert (result["skipped"], result["failed"], result["findings"]) == (0, 0, [])
    assert set(result["seconds"]) == {"stage", "plan", "publish", "verify", "site"}
    on_disk = [
        path
        for path in (published.target / "v0.9").rglob("*")
        if path.is_file()
        and (".release" not in path.relative_to(published.target).parts or path.parent.name == "tables")
    ]
    assert len(on_disk) == result["objects"]
    assert sum(path.stat().st_size for path in on_disk) == result["bytes"]


@pytest.fixture(params=["local", "s3", "gcs"])
def anywhere(request: pytest.FixtureRequest) -> str:
    """The address of the example at each kind of target."""
    if request.param == "local":
        return str(request.getfixturevalue("served"))
    return str(request.getfixturevalue(f"in_{request.param}").base)


@pytest.mark.parametrize("scale", range(len(SCALES)))
def test_segmentation_is_the_source_voxel_for_voxel(published: Release, anywhere: str, scale: int) -> None:
    source = CloudVolume(f"file://{published.inputs}/segmentation", mip=scale, fill_missing=True, progress=False)
    live = CloudVolume(f"precomputed://{anywhere}/v0.9/segmentation", mip=scale, fill_missing=True, progress=False)
    store = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": f"{anywhere}/v0.9/segmentation/",
            "scale_index": scale,
        },
        open=True,
    ).result()
    assert tuple(store.shape[:3]) == tuple(source.volume_size)
    labels = set()
    chunks = sorted((published.inputs / "segmentation" / SCALES[scale]).glob("*.gz"))
    assert chunks
    for chunk in chunks:
        box = [tuple(map(int, span.split("-"))) for span in chunk.name.removesuffix(".gz").split("_")]
        where = tuple(slice(a, b) for a, b in box)
        wanted = np.asarray(source[where])[..., 0]
        assert np.array_equal(np.asarray(live[where])[..., 0], wanted)
        assert np.array_equal(store[(*where, 0)].read().result(), wanted)
        labels |= set(np.unique(wanted).tolist())
    assert labels == {0, *BODIES}


@pytest.mark.parametrize("volume", ["rois/regions-512nm", "synapse-density"])
def test_other_volumes_read_the_same_in_both_readers(anywhere: str, volume: str) -> None:
    live = CloudVolume(f"precomputed://{anywhere}/v0.9/{volume}", mip=1, fill_missing=True, progress=False)
    store = ts.open(
        {"driver": "neuroglancer_precomputed", "kvstore": f"{anywhere}/v0.9/{volume}/", "scale_index": 1}
    ).result()
    seen = np.asarray(live[:])[..., 0]
    assert seen.any()
    assert np.array_equal(store[..., 0].read().result(), seen)


@pytest.mark.parametrize("body", BODIES)
def test_skeletons_are_nanometres(published: Release, anywhere: str, body: int) -> None:
    rows = np.loadtxt(published.inputs / f"skeletons-swc/{body}.swc")
    info = requests.get(f"{anywhere}/v0.9/segmentation/skeletons/skeletons-precomputed/info", timeout=10).json()
    data = requests.get(f"{anywhere}/v0.9/segmentation/skeletons/skeletons-precomputed/{body}", timeout=10).content
    skeleton = Skeleton.from_precomputed(data, vertex_attributes=info["vertex_attributes"])
    assert np.allclose(skeleton.vertices, rows[:, 2:5] * 8, rtol=1e-6)
    assert np.allclose(skeleton.radius, rows[:, 5] * 8, rtol=1e-6)
    assert len(skeleton.edges) == (rows[:, 6] >= 0).sum()
    swc = requests.get(f"{anywhere}/v0.9/segmentation/skeletons/skeletons-swc/{body}.swc", timeout=10).content
    assert swc == (published.inputs / f"skeletons-swc/{body}.swc").read_bytes()


def test_tables_in_pandas(published: Release, anywhere: str) -> None:
    folder = f"{anywhere}/v0.9/connectome-data/flat-connectome"
    points = pd.read_feather(
        io.BytesIO(requests.get(f"{folder}/syn-points-hemibrain-da1-v0.9.feather", timeout=10).content)
    )
    source = pd.read_parquet(published.inputs / "syn-points.parquet")
    pd.testing.assert_frame_equal(points, source, check_categorical=False)
    assert len(points) == 14_836
    assert points.dtypes["body"] == "uint64"
    bodies = pd.read_feather(
        io.BytesIO(requests.get(f"{folder}/body-annotations-hemibrain-da1-v0.9.feather", timeout=10).content)
    )
    assert sorted(bodies["body"]) == sorted(BODIES)
    assert set(bodies["type"]) == {"DA1_lPN"}
    stats = requests.get(f"{folder}/body-stats-hemibrain-da1-v0.9.feather", timeout=10)
    assert (
        stats.content == (published.inputs / "body-stats.feather").read_bytes()
    )  # Feather already: published as it lies
    assert stats.headers["Content-Type"] == "application/vnd.apache.arrow.file"


def test_the_inventory_describes_every_file(published: Release) -> None:
    import gzip
    import hashlib

    import pyarrow.parquet as pq

    (path,) = (published.target / "v0.9/.release").glob("inventory-*.parquet")
    rows = pq.read_table(path).to_pylist()
    assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
    for row in rows:
        encoded = row["content_encoding"] == "gzip"
        data = Path(f"{published.target}/{row['key']}{'.gz' if encoded else ''}").read_bytes()
        content = gzip.decompress(data) if encoded else data
        assert (row["size"], row["stored_sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert (row["content_size"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_scene_command(published: Release) -> None:
    result = publisher("scene", published.manifest, "--target", "http://127.0.0.1:1234", "--json")
    (scene,) = result.json["scenes"]
    sources = json.dumps(scene["state"])
    assert "precomputed://http://127.0.0.1:1234/v0.9/segmentation" in sources
    assert "8000" not in sources
    stored = json.loads((published.target / "v0.9/hemibrain-da1-v0.9.json").read_text())
    assert stored == json.loads(sources.replace(":1234", ":8000"))
    assert scene["state"]["dimensions"] == {axis: [8e-9, "m"] for axis in "xyz"}


def test_the_site_describes_the_release_to_catalogues(published: Release) -> None:
    site = published.target / "site" / "v0.9"
    read = {path.name: path.read_text(encoding="utf-8") for path in (site / "metadata").iterdir()}
    assert catalogues.dataset((site / "index.html").read_text(encoding="utf-8")) == []
    assert catalogues.croissant(read["croissant.json"]) == []
    assert catalogues.cff(read["CITATION.cff"]) == []
    assert catalogues.bibtex(read["citation.bib"])[0] == []
    assert catalogues.ris(read["citation.ris"])[0] == []
    assert catalogues.datapackage(read["datapackage.json"]) == []
    assert catalogues.feed((site / "feed.xml").read_bytes()) == []
    assert "datacite.json" not in read  # the manifest names no publisher, and nobody makes one up
    tables = {each["@id"]: each for each in json.loads(read["croissant.json"])["distribution"]}
    feather = "v0.9/connectome-data/flat-connectome/body-stats-hemibrain-da1-v0.9.feather"
    data = (published.target / feather).read_bytes()
    assert tables["body-stats"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert tables["body-stats"]["contentSize"] == f"{len(data)} B"
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "--ignore-missing", site / "metadata" / "SHA256SUMS"],
        cwd=published.target / "v0.9", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
