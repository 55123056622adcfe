"""Each format is drawn by the real client, and read by tensorstore and cloud-volume, as docs/formats.md says."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.browser import layer_matrix, matrix
from tests.browser.formats import FORMS
from tests.browser.layer_forms import LAYERS, LayerForm

pytestmark = pytest.mark.browser

ALL: tuple[matrix.AnyForm, ...] = (*FORMS, *LAYERS)
QUICK = tuple(form for form in ALL if form.quick)
SLOW = tuple(form for form in ALL if not form.quick)
QUICK_LAYERS = tuple(form for form in LAYERS if form.quick)


@pytest.fixture(scope="module")
def quick_shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[matrix.Shelf]:
    with matrix.shelf(tmp_path_factory.mktemp("quick"), QUICK) as ready:
        yield ready


@pytest.fixture(scope="module")
def whole_shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[matrix.Shelf]:
    with matrix.shelf(tmp_path_factory.mktemp("whole"), SLOW) as ready:
        yield ready


@pytest.fixture(scope="module")
def tab(chromium: Any) -> Iterator[Any]:
    opened = chromium.new_page(viewport={"width": 800, "height": 600})
    yield opened
    opened.close()


@pytest.mark.parametrize("form", QUICK, ids=lambda form: form.name)
def test_a_format_is_read_as_the_table_says(form: matrix.AnyForm, quick_shelf: matrix.Shelf, tab: Any) -> None:
    assert str(matrix.measure(quick_shelf, form, tab)) in matrix.committed().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("form", SLOW, ids=lambda form: form.name)
def test_every_other_format_too(form: matrix.AnyForm, whole_shelf: matrix.Shelf, tab: Any) -> None:
    assert str(matrix.measure(whole_shelf, form, tab)) in matrix.committed().splitlines()


def test_the_table_has_a_row_for_each_form_and_no_other() -> None:
    """Write it anew with `make formats`."""
    rows = matrix.committed().removeprefix(matrix.HEAD).splitlines()
    told = [tuple(cell.strip() for cell in row.split("|")[1:3]) for row in rows]
    assert told == [(form.title, form.stored) for form in ALL]


def test_negative_control_of_volumes(quick_shelf: matrix.Shelf, tab: Any) -> None:
    """A chunk that is lost, and an encoding that is dropped, are seen by who reads and by who looks."""
    form = next(form for form in FORMS if form.name == "raw-uint8-gzip")
    broken = replace(form, name="broken")
    folder = quick_shelf.public / "v1" / "volumes" / broken.name
    shutil.copytree(quick_shelf.public / "v1" / "volumes" / form.name, folder)
    state = quick_shelf.state(form)
    source = state["layers"][0]["source"]
    source[0]["url"] = source[0]["url"].replace(form.name, broken.name)
    quick_shelf.states[broken.name] = state
    assert matrix.draw(quick_shelf, broken, tab) == ""
    assert matrix.read_by_tensorstore(quick_shelf, broken) == matrix.read_by_cloudvolume(quick_shelf, broken) == "exact"
    lost, *others = sorted((folder / "8_8_8").iterdir())
    lost.unlink()
    assert "pixels of the ball" in matrix.draw(quick_shelf, broken, tab)
    assert (
        matrix.read_by_tensorstore(quick_shelf, broken) == matrix.read_by_cloudvolume(quick_shelf, broken) == matrix.NO
    )
    for path in others:
        path.rename(path.with_suffix(""))  # bytes of gzip that nothing says are
    assert matrix.draw(quick_shelf, broken, tab) not in {"", "layers are not there"}


@pytest.mark.slow
@pytest.mark.parametrize("form", QUICK_LAYERS, ids=lambda form: form.name)
def test_negative_control_of_layers(form: LayerForm, quick_shelf: matrix.Shelf, tab: Any) -> None:
    """What is lost of a layer is seen by who reads and by who looks."""
    broken = replace(form, name=f"{form.name}-broken")
    below = quick_shelf.public / "v1" / form.section
    shutil.copytree(below / form.name, below / broken.name)
    folder, url = below / broken.name / form.inside, quick_shelf.url(broken)
    for path in [*folder.rglob("*.shard"), *folder.glob("7:0:*")]:
        path.unlink()
    for path in folder.glob("info.gz"):
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"the seventh", b"the lost one")))
    assert layer_matrix.draw(broken, url, quick_shelf.published, tab, seconds=6) not in {"", "layers are not there"}
    if form.kind == "properties":
        assert layer_matrix.read_by_hand(url) == layer_matrix.NO
        return
    assert layer_matrix.read_by_tensorstore(broken, url) in {layer_matrix.NO, layer_matrix.NONE}
    assert layer_matrix.read_by_cloudvolume(broken, url) == layer_matrix.NO
