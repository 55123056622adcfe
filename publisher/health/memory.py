"""What the checks found in folders that have not changed since: a file in the work folder, a cache of this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from publisher import __version__, work
from publisher.health.gathered import gathered
from publisher.health.subject import Depth
from publisher.objects import Finding
from publisher.record import Described

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

    @property
    def empty(self) -> bool:
        """Whether nothing is remembered."""
        return self._reread or not self._known

    def findings(
        self, name: str, mark: str, depth: Depth, look: Callable[[], Iterable[Finding]]
    ) -> tuple[Finding, ...]:
        """Return what is known of a subject that was looked at as deep as this and has not changed since, else look."""
        known = self._known.get(name)
        same = known is not None and known["mark"] == mark and _DEPTHS.index(known["depth"]) >= _DEPTHS.index(depth)
        if known is None or not same or self._reread:
            self.keep(name, mark, depth, gathered(look()))
            known = self._used[name]
        self._used[name] = known
        return tuple(Finding(**row) for row in known["findings"])

    def keep(self, name: str, mark: str, depth: Depth, findings: Iterable[Finding]) -> None:
        """Remember what was found."""
        self._used[name] = {"mark": mark, "depth": depth, "findings": [asdict(finding) for finding in findings]}

    def save(self) -> None:
        """Write down what is of use for the next run: of the subjects that were asked for in this one."""
        if self._path is not None and self._used != self._known:
            work.write_file(self._path, json.dumps(self._used, ensure_ascii=False).encode())


def fingerprint(key: str, artifact: Described, mark: str) -> str:
    """Return a digest of a folder, of the mark of its tree's files, and of who looks: unchanged, and findings are the same."""
    said = f"{__version__} {_eyes()} {key}\n{artifact.facts}\n{artifact.space}\n{mark}"
    return hashlib.sha256(said.encode()).hexdigest()


@cache
def _eyes() -> str:
    """Return what tells one set of checks from another: while they are being written, a version is not enough."""
    found = sorted(
        (path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in Path(__file__).parent.glob("*.py")
    )
    return f"{find_spec('tensorstore') is not None} {found}"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(path.read_bytes())
        return {name: dict(row) for name, row in known.items() if row["depth"] in _DEPTHS and "mark" in row}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}  # not there, or damaged: everything is looked at again
