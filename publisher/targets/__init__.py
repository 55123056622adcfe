"""Where releases go. One module is one URL scheme."""

from __future__ import annotations

from pathlib import Path

from publisher.errors import InvalidInput, Problem
from publisher.targets.base import Target
from publisher.targets.local import DEFAULT_PUBLIC_URL, LocalTarget
from publisher.targets.nowhere import Nowhere

__all__ = ["DEFAULT_PUBLIC_URL", "LocalTarget", "Nowhere", "Target", "open_target"]


def open_target(url: str, public_url: str | None, folder: Path) -> Target:
    """Open a target by its URL, or by a path that is relative to `folder`.

    Raises:
        InvalidInput: nothing here speaks its scheme.

    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return LocalTarget((folder / url).resolve(), public_url)
    if scheme == "file":
        return LocalTarget(Path(rest), public_url)
    hint = "publish to a folder and copy it with its headers, or wait for the release that speaks it"
    raise InvalidInput(Problem(url, f"targets of the scheme {scheme}:// are not served by this version", hint))
