"""A Chromium on this machine that playwright can drive: where it is, what it lacks, and how it is started."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZE = {"width": 1280, "height": 720}

# SwiftShader draws WebGL2 without a graphics card; the rest keeps Chromium from calling home.
FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--force-device-scale-factor=1",
)


def lacking() -> str:
    """Return what must be installed before scenes can be opened, in words; "" where everything is there."""
    if find_spec("playwright") is None:
        return "playwright is not installed: install publisher with its extra 'render', as its README says"
    if find() is None:
        return "there is no Chromium: install your system's package `chromium`, or run `playwright install chromium`"
    return ""


def find() -> str | None:
    """Return the path of a Chromium: the system's, else the one that playwright installed."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None:
        return found
    with ThreadPoolExecutor(1) as apart:  # playwright refuses to start where an asyncio loop runs, as in a notebook
        own = apart.submit(_own).result()
    return own if own and Path(own).is_file() else None


def _own() -> str:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - an extra, and slow to import

    with sync_playwright() as playwright:
        return str(playwright.chromium.executable_path)


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium headless, and end it. Raise what playwright raises where it does not start."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - as above

    path = find()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield launched
        finally:
            launched.close()
