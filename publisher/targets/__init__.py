"""Where releases go. One module is one URL scheme."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from publisher.errors import InvalidInput, Problem
from publisher.targets.access import Reach
from publisher.targets.base import Held, Lane, Target
from publisher.targets.local import DEFAULT_PUBLIC_URL, LocalTarget
from publisher.targets.lookup import Lookup, Seal
from publisher.targets.nowhere import Nowhere
from publisher.targets.wire import Notes

__all__ = [
    "DEFAULT_PUBLIC_URL",
    "Held",
    "Lane",
    "LocalTarget",
    "Lookup",
    "Nowhere",
    "Reach",
    "Seal",
    "Target",
    "open_target",
]


def open_target(url: str, public_url: str | None, folder: Path, notes: Notes) -> Target:
    """Open a target by its URL, or by a path that is relative to `folder`; nothing is asked of it yet.

    Raises:
        InvalidInput: nothing here speaks its scheme, or what speaks it is not installed.

    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return LocalTarget((folder / url).resolve(), public_url)
    if scheme == "file":
        return LocalTarget(Path(rest), public_url)
    if scheme not in _BUCKETS:
        raise InvalidInput(Problem(url, f"nothing here speaks {scheme}://", "give a folder, s3://… or gs://…"))
    bucket, _, prefix = rest.partition("/")
    try:
        module = import_module(_BUCKETS[scheme])
        return module.target(bucket, prefix.strip("/"), public_url, notes)  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        hint = f"install publisher with its extra {_EXTRAS[scheme]!r}, as its README says"
        raise InvalidInput(Problem(url, f"{error.name} is not installed, which speaks {scheme}://", hint)) from None


_BUCKETS = {"s3": "publisher.targets.s3.target", "gs": "publisher.targets.gcs.target"}
_EXTRAS = {"s3": "s3", "gs": "gcs"}
