"""A Chromium for all browser tests of a worker, and a fresh page for each."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from publisher.render.watchdog import Watchdog
from tests.browser.chromium import FLAGS
from tests.e2e.conftest import inputs, published, served

LONGEST_SECONDS = 300.0  # for one test

__all__ = ["inputs", "published", "served"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, headless. A missing one fails: `tests/install_programs.sh` installs it."""
    import shutil

    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    assert path, "Chromium is not installed: run tests/install_programs.sh"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(autouse=True)
def _ends(request: pytest.FixtureRequest) -> Iterator[None]:
    """A browser that answers no more is ended: playwright waits for most answers without a limit."""
    if "chromium" not in request.fixturenames:
        yield
        return
    with Watchdog(request.getfixturevalue("chromium"), Event()).watching(LONGEST_SECONDS):
        yield


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    opened = chromium.new_page(viewport={"width": 1000, "height": 800})
    yield opened
    opened.close()
