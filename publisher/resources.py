"""Folders that travel with the package: templates, and the skeleton of the download site."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Name = Literal["templates", "site"]


def folder(name: Name) -> Path:
    """Return a folder of the wheel (`publisher/_templates`, `publisher/_site`), or of a checkout (beside `publisher/`)."""
    package = Path(__file__).parent
    carried = package / f"_{name}"
    return carried if carried.is_dir() else package.parent / name
