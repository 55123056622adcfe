"""The values that occur in a volume: measured on the coarsest scale, and only where that is soon read.

What was measured is remembered in the work folder, for scales whose files did not change since.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from publisher import work
from publisher.facts import Values
from publisher.health.subject import Subject
from publisher.record import Described

if TYPE_CHECKING:
    from publisher.health.labels import Labels

NAME = "values.json"
MOST_VOXELS = 1 << 26  # read within about a second


def measured(
    subjects: Iterable[Subject], artifacts: tuple[Described, ...], folder: Path, *, reread: bool = False
) -> tuple[Described, ...]:
    """Return the artifacts, volumes with their values; without where the coarsest scale is large or cannot be read.

    Args:
        subjects: among them the volumes, as they lie on this disk.
        artifacts: what was staged.
        folder: the work folder.
        reread: whether to measure anew what seems to be as it was.

    """
    known = {} if reread else _read(folder / NAME)
    marks: dict[str, list[object]] = {}
    found: dict[str, Values] = {}
    for subject in subjects:
        if subject.kind != "volume" or subject.inside or not _small(subject):
            continue
        name, mark = subject.artifact.name, _mark(subject)
        if name in known and known[name][0] == mark:
            found[name] = known[name][1]
        elif (values := _measure(subject)) is not None:
            found[name] = values
        if name in found:
            marks[name] = [mark, asdict(found[name])]
    if marks:
        work.write_file(folder / NAME, json.dumps(marks).encode())
    return tuple(
        replace(each, facts=replace(each.facts, values=found[each.name])) if each.name in found else each  # type: ignore[type-var]
        for each in artifacts
    )


def _small(subject: Subject) -> bool:
    facts = subject.facts
    return facts.channels == 1 and math.prod(facts.scales[-1].size_voxels) <= MOST_VOXELS


def _measure(subject: Subject) -> Values | None:
    from publisher.health.labels import Unreadable, open_labels  # noqa: PLC0415 - numpy, which reruns need not wait for

    with suppress(Unreadable):  # why is told by the checks, where it matters
        return _range(open_labels(subject, subject.facts.scales[-1]))
    return None


def _range(voxels: Labels) -> Values | None:
    """Read a scale chunk by chunk. Memory: one of them."""
    import numpy as np  # noqa: PLC0415 - as above

    lows, highs, seen = [], [], 0
    for box in voxels.chunks():
        block = voxels.voxels.read(box)
        seen += block.size
        if block.dtype.kind == "f":
            block = block[np.isfinite(block)]
        if block.size:
            lows.append(block.min().item())
            highs.append(block.max().item())
    absent = seen < math.prod(voxels.scale.size_voxels)
    zero = [0] if absent else []
    return Values(min(lows + zero), max(highs + zero), voxels.scale.key, absent) if lows + zero else None


def _mark(subject: Subject) -> str:
    """Return a digest of names, sizes and times of the coarsest scale's files."""
    digest = hashlib.sha256(repr(subject.facts.scales[-1]).encode())
    for place, folders, files in os.walk(subject.folder / subject.facts.scales[-1].key):
        folders.sort()
        for name in sorted(files):
            at = os.stat(f"{place}/{name}")  # noqa: PTH116 - a path for each of many files takes its time
            digest.update(f"{place}/{name} {at.st_size} {at.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _read(path: Path) -> dict[str, tuple[str, Values]]:
    try:
        known = json.loads(path.read_bytes())
        return {name: (str(mark), Values(**values)) for name, (mark, values) in known.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # not there, or damaged: measured again
