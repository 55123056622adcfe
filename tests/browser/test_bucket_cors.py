"""A page of another origin reads a release in a bucket where the bucket's CORS lets it, and does not where it does not.

SeaweedFS answers by the CORS that the bucket has, and by nothing of its own. The emulators of Cloud Storage answer
browsers in their own way, whatever the bucket says, so nothing is to be seen of it there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from publisher import serve, viewer
from tests.browser.chromium import LAYERS_READY
from tests.browser.test_example_scene import count_alike, neurons, picture
from tests.e2e.buckets import Live, released
from tests.e2e.conftest import Release
from tests.servers.seaweed import Seaweed

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("buckets")]

BUCKET = "browser"
SCENE = "v0.9/hemibrain-da1-v0.9.json"
TABLE = "v0.9/connectome-data/flat-connectome/syn-points-hemibrain-da1-v0.9.feather"

# The first range needs no preflight of a browser of today, the second does.
FETCH = """async ([base, key]) => {
  try {
    const info = await (await fetch(`${base}/v0.9/segmentation/info`)).json();
    const read = async range => {
      const answer = await fetch(`${base}/${key}`, {headers: {Range: range}});
      return [answer.status, await answer.text(), answer.headers.get("Content-Range")];
    };
    return [info["@type"], await read("bytes=0-5"), await read("bytes=-6")];
  } catch (error) { return String(error); }
}"""
REFUSED = "TypeError: Failed to fetch"


@pytest.fixture(scope="module")
def on_s3(published: Release, seaweed: Seaweed) -> Live:
    """In a bucket of its own: CORS is one list for a whole bucket."""
    seaweed.bucket(BUCKET)
    words = ("--until", "publish")
    live = released(published.manifest, f"s3://{BUCKET}/da1", seaweed.endpoint, *words, env=seaweed.env)
    assert live.bucket.result.code == 0, live.bucket.result.err
    return live


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """A site of another origin, with a page and the viewer, and without data."""
    (tmp_path / "site").mkdir()
    with serve.running(tmp_path / "site") as url:
        yield url


@contextmanager
def without_cors(server: Seaweed) -> Iterator[None]:
    client = server.client()
    rules = client.get_bucket_cors(Bucket=BUCKET)["CORSRules"]
    client.delete_bucket_cors(Bucket=BUCKET)
    try:
        yield
    finally:
        client.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": rules})


def fetched(page: Any, elsewhere: str, base: str) -> Any:
    """What a script of a page of that site gets to see."""
    page.goto(f"{elsewhere}/{viewer.prefix()}/index.html")
    return page.evaluate(FETCH, [base, TABLE])


def as_it_is(size: int) -> list[Any]:
    ends = f"bytes 0-5/{size}", f"bytes {size - 6}-{size - 1}/{size}"
    return ["neuroglancer_multiscale_volume", *([206, "ARROW1", end] for end in ends)]


def test_a_page_of_another_origin_reads_a_bucket(on_s3: Live, page: Any, elsewhere: str) -> None:
    size = len(on_s3.get(TABLE))
    assert fetched(page, elsewhere, on_s3.base) == as_it_is(size)


def test_without_the_buckets_cors_it_does_not(on_s3: Live, seaweed: Seaweed, page: Any, elsewhere: str) -> None:
    with without_cors(seaweed):
        assert fetched(page, elsewhere, on_s3.base) == REFUSED


@pytest.mark.parametrize("cors", [True, False])
def test_a_folder_that_is_served(published: Release, page: Any, elsewhere: str, *, cors: bool) -> None:
    with serve.running(published.target, cors=cors) as base:
        seen = fetched(page, elsewhere, base)
    assert seen == (as_it_is((published.target / TABLE).stat().st_size) if cors else REFUSED)


def test_the_scene_is_drawn_from_a_bucket(on_s3: Live, page: Any, elsewhere: str) -> None:
    """As it is stored there, opened in a viewer on another origin."""
    state = json.loads(on_s3.get(SCENE))
    page.goto(viewer.link(elsewhere, f"{on_s3.base}/{SCENE}"))
    names = [layer["name"] for layer in state["layers"]]
    assert page.evaluate(LAYERS_READY, [names, 60]) == ""
    page.evaluate("() => { viewer.state.children.get('layout').restoreState('3d') }")
    page.evaluate(
        "() => viewer.layerManager.managedLayers.forEach(layer => layer.setVisible(layer.name == 'Neuron segmentation'))"
    )
    assert page.evaluate(LAYERS_READY, [names, 60]) == ""
    pixels = picture(page)
    seen = {body: count_alike(pixels, color) for body, color in neurons(state)["segmentColors"].items()}
    assert len(seen) == 5
    assert min(seen.values()) > 60, seen


def test_without_the_buckets_cors_the_scene_is_not(on_s3: Live, seaweed: Seaweed, page: Any, elsewhere: str) -> None:
    state = json.loads(on_s3.get(SCENE))
    with without_cors(seaweed):
        page.goto(f"{elsewhere}/{viewer.prefix()}/index.html#!{json.dumps(state)}")
        trouble = page.evaluate(LAYERS_READY, [[layer["name"] for layer in state["layers"]], 30])
    assert trouble.startswith("error in Synapse density"), trouble
