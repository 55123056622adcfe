"""`versions.json`, beside the folders of the sites: which versions have one. Old sites, too, read it when they are opened."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from publisher.record import ReleaseRef

NAME = "versions.json"


def dump(releases: Mapping[str, ReleaseRef], latest: str, built: Collection[str]) -> bytes:
    """Return the versions that have a site, in the order of `releases` (newest first), in the form that themes and tools of MkDocs read, too.

    `built` names those that have one. `title` and `aliases` are theirs; `date` and `status` are ours.
    """
    rows: list[dict[str, Any]] = [
        {
            "version": ref.version,
            "title": ref.version,
            "aliases": ["latest"] if ref.version == latest else [],
            "date": ref.date,
            "status": ref.status,
        }
        for ref in releases.values()
        if ref.version in built
    ]
    return (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode()
