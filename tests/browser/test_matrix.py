"""Each format is drawn by the real client, and read by tensorstore and cloud-volume, as docs/formats.md says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.browser import matrix
from tests.browser.formats import FORMS, Form

pytestmark = pytest.mark.browser

QUICK = tuple(form for form in FORMS if form.quick)
SLOW = tuple(form for form in FORMS if not form.quick)


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
def test_a_format_is_read_as_the_table_says(form: Form, quick_shelf: matrix.Shelf, tab: Any) -> None:
    assert str(matrix.measure(quick_shelf, form, tab)) in matrix.committed().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("form", SLOW, ids=lambda form: form.name)
def test_every_other_format_too(form: Form, whole_shelf: matrix.Shelf, tab: Any) -> None:
    assert str(matrix.measure(whole_shelf, form, tab)) in matrix.committed().splitlines()


def test_the_table_has_a_row_for_each_form_and_no_other() -> None:
    """Write it anew with `make formats`."""
    rows = matrix.committed().removeprefix(matrix.HEAD).splitlines()
    told = [tuple(cell.strip() for cell in row.split("|")[1:3]) for row in rows]
    assert told == [(form.title, form.stored) for form in FORMS]


def test_negative_control(quick_shelf: matrix.Shelf, tab: Any) -> None:
    """A chunk that is lost, and an encoding that is dropped, are seen by who reads and by who looks."""
    form = next(form for form in QUICK if form.name == "raw-uint8-gzip")
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
