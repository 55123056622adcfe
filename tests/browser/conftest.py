"""A Chromium for all browser tests of a worker, and a fresh page for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import FLAGS
from tests.e2e.conftest import inputs, published, served

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


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    opened = chromium.new_page(viewport={"width": 1000, "height": 800})
    yield opened
    opened.close()
