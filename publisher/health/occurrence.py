"""Ids that name segments, and whether those occur: in the segmentation's voxels, and among its meshes and skeletons.

Small segments vanish where voxels are large. So an id that a coarse scale does not show is told as what it is; at depth
`full` the finest scale is read, and what is missing there is missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from publisher.facts import TableFacts, VolumeFacts
from publisher.formats import tables
from publisher.formats.precomputed import LEGACY_MESH
from publisher.health.keyed import below, sharding_of, value
from publisher.health.labels import Unreadable, open_labels
from publisher.health.sample import MOST, chosen
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding, Severity
from publisher.record import Described

CHECK = "ids"
MOST_IDS = 1_000_000  # that are looked for, 8 bytes each
_ROUNDED = frozenset({"double", "float", "float64", "float32"})
_VOXELS = 1 << 27  # read at depth `sample`: some seconds

Ids = NDArray[np.uint64]


def of_table(table: Described, path: Path, key: str, subjects: Sequence[Subject], depth: Depth) -> Iterator[Finding]:
    """Yield columns of a table that refer to a segmentation, and hold ids that do not occur in it.

    Args:
        table: the artifact.
        path: of its staged file.
        key: that it will have.
        subjects: among them the segmentations.
        depth: at `full` all voxels are read.

    """
    if depth == "quick" or not isinstance(table.facts, TableFacts):
        return
    volumes = {each.artifact.name: each for each in subjects if each.kind == "volume"}
    for column in table.facts.columns:
        volume = volumes.get(column.references)
        if volume is not None and re.fullmatch(r"u?int\d+", column.type):
            message, severity = _sought(volume, _column(path, column.name), depth)
            if message:
                yield Finding(CHECK, severity, key, f"the column {column.name!r}: {message}", table.name)
        elif volume is not None and column.type in _ROUNDED:
            message = f"the column {column.name!r} is {column.type}, and refers to segments of {column.references}"
            cure = "ids above 2^53 are rounded in it: write whole numbers, which may be missing, too"
            yield Finding(CHECK, "warning", key, f"{message} → {cure}", table.name)


def of_properties(volume: Subject, subjects: Sequence[Subject], depth: Depth) -> Iterator[Finding]:
    """Yield segment properties whose ids do not occur in the voxels, and how many have no mesh or skeleton."""
    for properties in subjects:
        if properties.kind != "properties" or properties.artifact.name != volume.artifact.name:
            continue
        listed = properties.info.get("inline", {}).get("ids", [])
        ids = np.array([int(each) for each in listed if str(each).isdecimal() and int(each) < 1 << 64], np.uint64)
        message, severity = _sought(volume, ids, depth)
        if message:
            yield properties.finding(CHECK, severity, message, "info")
        for layer in subjects:
            if layer.kind in {"meshes", "skeletons"} and _of(layer) == volume.artifact.name:
                yield from _shapes(layer, properties, ids)


def _of(layer: Subject) -> str:
    return str(getattr(layer.artifact.facts, "segmentation", "") or layer.artifact.name)


def _shapes(layer: Subject, properties: Subject, ids: Ids) -> Iterator[Finding]:
    few = [int(each) for each in chosen(ids.tolist(), MOST["sample"], layer.key) if not isinstance(each, Finding)]
    without = [segment for segment in few if not _has(layer, segment)]
    if without:
        every = "" if len(few) == len(ids) else " of a sample"
        noun = "mesh" if layer.kind == "meshes" else "skeleton"
        message = f"{len(without)} of {len(few)} segments{every} have properties and no {noun}, such as {without[0]}"
        yield layer.finding(CHECK, "note", f"{message} (listed in {properties.key})")


def _has(layer: Subject, segment: int) -> bool:
    if layer.info.get("@type") == LEGACY_MESH:
        return any((layer.folder / f"{segment}:0{end}").is_file() for end in ("", ".gz"))
    sharding = sharding_of(layer.info, layer, CHECK)
    if isinstance(sharding, Finding):
        return True  # which is told by the folder's own check
    if layer.kind == "meshes" and sharding is None:
        return any((layer.folder / f"{segment}.index{end}").is_file() for end in ("", ".gz"))
    return value(below(layer, ""), sharding, segment) is not None


def _column(path: Path, name: str) -> Ids:
    """Return the distinct ids of a column: at most `MOST_IDS`. Memory: those, and one batch."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    found: Ids = np.zeros(0, np.uint64)
    for batch in tables.open_source(path, {}).batches():
        column = batch.column(batch.schema.get_field_index(name)).drop_null()
        column = pc.filter(column, pc.greater(column, pa.scalar(0, column.type)))  # 0 is no segment
        found = np.union1d(found, column.to_numpy(zero_copy_only=False).astype(np.uint64))[:MOST_IDS]
    return found


def _sought(volume: Subject, ids: Ids, depth: Depth) -> tuple[str, Severity]:
    """Return what is to be said of ids that a segmentation does not have, and how bad it is; "" for nothing."""
    facts = volume.artifact.facts
    ids = np.unique(ids[ids > 0])
    if not isinstance(facts, VolumeFacts) or not len(ids) or facts.role != "segmentation" or facts.axes is not None:
        return "", "note"
    ids = ids[:MOST_IDS]
    scale = facts.scales[0 if depth == "full" else -1]
    try:
        labels = open_labels(volume, scale)
        left, budget, whole = ids, (math.inf if depth == "full" else _VOXELS), True
        for box in labels.chunks():
            if not len(left):
                break
            if budget <= 0:
                whole = False
                break
            block = labels.read(box).ravel(order="K")
            budget -= block.size
            runs = np.flatnonzero(np.concatenate([[True], block[1:] != block[:-1]]))  # far fewer than voxels
            left = np.setdiff1d(left, block[runs], assume_unique=False)
    except Unreadable as error:
        return f"whether its ids occur in {volume.artifact.name} was not looked at, because {error}", "note"
    if not len(left):
        return "", "note"
    name, some = volume.artifact.name, f"{len(left):,} of {len(ids):,} ids, such as {left[0]},"
    if len(left) == len(ids):
        part = "" if whole else "the part that was read of "
        message = f"none of its {len(ids):,} ids, such as {left[0]}, occurs in {part}{name} ({scale.key})"
        return f"{message} → are they of another segmentation, or another version of it?", "error" if whole else "note"
    if scale is facts.scales[0] and whole:
        return f"{some} do not occur in {name} → are they of another version of it?", "warning"
    how = "where small segments vanish" if whole else "of which a part was read"
    return f"{some} do not occur in {name} at {scale.key}, {how}; look at all with `--depth full`", "note"
