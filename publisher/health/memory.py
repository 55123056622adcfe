"""What the checks found in folders that have not changed since: a file in the work folder, a cache of this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from publisher import __version__, work
from publisher.health.gathered import Gathered
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding

NAME = "health.json"
_DEPTHS: tuple[Depth, ...] = get_args(Depth)


class Memory:
    """Findings by subject. A deeper look also answers for a shallower one; another version of publisher looks anew."""

    def __init__(self, folder: Path | None, *, reread: bool = False) -> None:
        """Take the work folder, or None to remember nothing; with `reread` nothing is believed, and all is kept."""
        self._path = folder / NAME if folder else None
        self._known: dict[str, dict[str, Any]] = _read(self._path) if self._path else {}
        self._used: dict[str, dict[str, Any]] = {}
        self._reread = reread

    def findings(
        self, name: str, mark: str, depth: Depth, look: Callable[[], Iterable[Finding]]
    ) -> tuple[Finding, ...]:
        """Return what is known of a subject that was looked at as deep as this and has not changed since, else look."""
        known = self._known.get(name)
        same = known is not None and known["mark"] == mark and _DEPTHS.index(known["depth"]) >= _DEPTHS.index(depth)
        if known is None or not same or self._reread:
            gathered = Gathered()
            gathered.add(look())
            rows = [asdict(finding) for finding in gathered.all()]
            known = {"mark": mark, "depth": depth, "findings": rows}
        self._used[name] = known
        return tuple(Finding(**row) for row in known["findings"])

    def save(self) -> None:
        """Write down what is of use for the next run: of the subjects that were asked for in this one."""
        if self._path is not None and self._used != self._known:
            work.write_file(self._path, json.dumps(self._used, ensure_ascii=False).encode())


def fingerprint(subject: Subject) -> str:
    """Return a digest of names, sizes and times of all files, and of who looks: unchanged, and findings are the same."""
    digest = hashlib.sha256(f"{__version__} {find_spec('tensorstore') is not None}".encode())
    digest.update(f"{subject.key}\n{subject.artifact.facts}\n{subject.artifact.space}\n".encode())
    for file in subject.files():
        row = f"{file.relative}\0{file.gz_name}\0{file.size_bytes}\0{file.mtime_ns}\0{file.inode}\n"
        digest.update(row.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(path.read_bytes())
        return {name: dict(row) for name, row in known.items() if row["depth"] in _DEPTHS and "mark" in row}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}  # not there, or damaged: everything is looked at again
