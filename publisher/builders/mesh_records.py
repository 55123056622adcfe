"""What is known of meshes that were built: kept beside them, so that what has not changed is not built again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from publisher.errors import Problem
from publisher.facts import Triple
from publisher.formats.surfaces import ngmesh
from publisher.work import trouble, write_file

SAMPLE = 10  # ids that the facts name


@dataclass(frozen=True, slots=True)
class Record:
    """A mesh that was built: the digest of what it was made of, its objects' sizes by name; lengths in nm."""

    digest: str
    sizes: dict[str, int]
    low_nm: Triple
    high_nm: Triple
    vertex_nm: Triple
    notes: dict[str, int]

    def holds(self, digest: str, folder: Path) -> bool:
        """Whether it was made of the same, and its objects are there."""
        paths = ((folder / name, size) for name, size in self.sizes.items())
        return self.digest == digest and all(path.is_file() and path.stat().st_size == size for path, size in paths)

    def write(self, path: Path) -> None:
        """Keep it."""
        write_file(path, json.dumps(asdict(self)).encode())


def read(path: Path) -> Record | None:
    """Return a record; None where there is none that can be read."""
    try:
        value = json.loads(path.read_bytes())
        return Record(**{**value, **{name: triple(value[name]) for name in ("low_nm", "high_nm", "vertex_nm")}})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def digest(path: Path, how: str) -> str:
    """Return the digest of a file (and of the fragments that it names), and of how it is built."""
    made = hashlib.sha256(f"{how} {path.suffix}".encode())
    try:
        for each in (path, *ngmesh.fragments(path)):
            with each.open("rb") as file:
                made.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise trouble(error, path) from error
    return made.hexdigest()


def triple(values: Any) -> Triple:  # noqa: ANN401 - three numbers
    """Return three numbers as floats."""
    x, y, z = values
    return float(x), float(y), float(z)


class Sums:
    """What is counted while meshes pass; lengths in nm."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.count = self.size_bytes = 0
        self.ids: list[str] = []
        self.vertex_nm: Triple | None = None
        self._low, self._high = np.full(3, np.inf), np.full(3, -np.inf)
        self._notes: dict[str, tuple[int, int, list[str]]] = {}

    def add(self, segment: int, where: str, record: Record) -> None:
        """Count one more mesh."""
        self.count += 1
        self.size_bytes += sum(record.sizes.values())
        self.vertex_nm = self.vertex_nm or record.vertex_nm
        self._low, self._high = np.minimum(self._low, record.low_nm), np.maximum(self._high, record.high_nm)
        if len(self.ids) < SAMPLE:
            self.ids.append(str(segment))
        for kind, times in record.notes.items():
            if times:
                files, before, names = self._notes.get(kind, (0, 0, []))
                self._notes[kind] = files + 1, before + times, [*names, where.rpartition("/")[2]][:_NAMED]

    @property
    def bounds_nm(self) -> tuple[Triple, Triple]:
        """The box that holds all meshes."""
        return triple(self._low), triple(self._high)

    def notes(self) -> tuple[Problem, ...]:
        """Return a line for each kind of thing that is worth knowing, however many files have it."""
        return tuple(self._note(kind, *found) for kind, found in sorted(self._notes.items()))

    def _note(self, kind: str, files: int, times: int, names: list[str]) -> Problem:
        shown = ", ".join(names) + (", …" if files > len(names) else "")
        what, hint = _SAID[kind]
        return Problem("", f"has {what} in {files:,} of {self.count:,} files ({shown}): {times:,} in all", hint)


_NAMED = 3
_SAID = {
    "split": ("polygons with more than three corners", "they were cut into triangles"),
    "dropped": ("faces without an area", "they were left out"),
    "open": ("open edges", "they are drawn as they are; a closed surface has none"),
}
