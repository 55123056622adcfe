"""From a table to a folder of precomputed annotations, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.builders.annotations import grid as grids
from publisher.builders.annotations.buckets import BLOCK, Buckets
from publisher.builders.annotations.choose import Choice
from publisher.builders.annotations.grid import Grid
from publisher.builders.annotations.indexes import Index, by_hash, by_place, write_cells, write_ids, write_related
from publisher.builders.annotations.records import Seen, extremes, records, survey
from publisher.errors import InvalidInput, Problem
from publisher.facts import AnnotationFacts, Triple
from publisher.formats.precomputed import annotation_facts
from publisher.formats.sharding import morton
from publisher.formats.tables import Source
from publisher.work import write_file

VERSION = 1  # of what is written; another one builds what was built before anew
CROWDED = 100_000  # annotations of one cell, which the viewer loads as one
SORT_BYTES = 64 << 20  # of records that are sorted at once
TYPES = {"point": "POINT", "line": "LINE", "box": "AXIS_ALIGNED_BOUNDING_BOX", "ellipsoid": "ELLIPSOID"}


@dataclass(frozen=True, slots=True)
class Built:
    """What was built, and what is odd about it."""

    facts: AnnotationFacts
    warnings: tuple[Problem, ...]


def build(source: Source, choice: Choice, unit_nm: Triple, folder: Path, scratch: Path) -> Built:
    """Write all of a table's annotations.

    Args:
        source: the table.
        choice: which of its columns is what.
        unit_nm: nm a unit of the coordinates along x, y, z.
        folder: an empty folder, which becomes the annotations.
        scratch: an empty folder for what is needed meanwhile: about three times the records.

    Raises:
        InvalidInput: the table does not hold; see `survey`. Or it has an id twice.
        LocalTrouble: the disk.

    """
    seen = survey(source, choice)
    rows = _Sorted(_by_hash_of_ids(source, choice, seen, scratch), scratch, seen, choice)
    indexes = _indexes(rows, np.array(unit_nm), folder)
    info = _info(rows, unit_nm, indexes)
    write_file(folder / "info", json.dumps(info, indent=1, ensure_ascii=False).encode())
    facts = _facts(folder, rows)
    crowd = max((index.longest for index in indexes.levels), default=0)
    if crowd > CROWDED:
        message = f"has {crowd:,} annotations at almost one place, which the viewer can only load together"
        seen.warnings.append(Problem("", message, "are coordinates in other units than these?"))
    return Built(facts, tuple(seen.warnings))


class _Sorted:
    """Records on disk in the order of a hash of their ids."""

    def __init__(self, buckets: Buckets, scratch: Path, seen: Seen, choice: Choice) -> None:
        self.seen, self.choice, self.scratch = seen, choice, scratch
        self.dtype = seen.record(choice)
        self._path = scratch / "sorted"
        twice: list[int] = []
        with self._path.open("wb") as file:
            for number, rows in buckets:
                ids = np.array(rows["id"])
                order = np.argsort(mixed(ids))
                ids = ids[order]
                twice += np.unique(ids[1:][ids[1:] == ids[:-1]])[:1].tolist()
                for at in range(0, len(order), BLOCK):
                    file.write(rows[order[at : at + BLOCK]].tobytes())
                del rows
                buckets.drop(number)
        if twice:
            message = f"needs one row an id, and the column {choice.id!r} has {min(twice)} twice"
            raise InvalidInput(
                Problem("", message, "make the ids unique, or leave out `id`: then the rows are numbered")
            )

    def blocks(self, first: int = 0) -> Iterator[NDArray[Any]]:
        """Yield the records from one on, a block at a time."""
        with self._path.open("rb") as file:
            file.seek(first * self.dtype.itemsize)
            while len(rows := np.fromfile(file, self.dtype, BLOCK)):
                yield rows

    def middles(self, first: int) -> Iterator[NDArray[np.float64]]:
        """Yield the middle of each annotation from one on, a block at a time."""
        for rows in self.blocks(first):
            low, high = self.extremes(rows)
            yield (low + high) / 2

    def extremes(self, rows: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bounds of each of some records."""
        return extremes(self.choice, rows["body"]["geometry"])

    def buckets(self, name: str, count: int, *, whole: bool = False) -> Buckets:
        """Return new buckets, for whole records or for the rows of a list."""
        body = self.seen.body(self.choice)
        listed = np.dtype([("key", "<u8"), ("id", "<u8"), ("body", body)])
        return Buckets(self.scratch / name, self.dtype if whole else listed, count)


def mixed(ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a number for each id that looks random, another for each: the finaliser of SplitMix64."""
    mixed = ids + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _by_hash_of_ids(source: Source, choice: Choice, seen: Seen, scratch: Path) -> Buckets:
    """Spread the table over buckets, by the highest bits of the hash."""
    made = seen.record(choice)
    bits = max(1, (seen.rows * made.itemsize // SORT_BYTES).bit_length())
    buckets = Buckets(scratch / "records", made, 1 << bits)
    for rows in records(source, choice, seen):
        buckets.add(rows, mixed(rows["id"]) >> np.uint64(64 - bits))
    buckets.close()
    return buckets


@dataclass(frozen=True, slots=True)
class _Indexes:
    grid: Grid
    ids: Index
    related: list[Index]
    levels: list[Index]


def _indexes(rows: _Sorted, unit_nm: NDArray[np.float64], folder: Path) -> _Indexes:
    seen = rows.seen
    grid, ends = grids.settle(seen.low, seen.high, unit_nm, seen.rows, rows.middles)
    ids = _write_ids(rows, folder / "by_id")
    related = [_write_related(rows, at, folder / key) for at, key in enumerate(_keys(rows.choice))]
    return _Indexes(grid, ids, related, _write_levels(rows, grid, ends, folder))


def _keys(choice: Choice) -> list[str]:
    return [f"rel_{name}" for name, _ in choice.relationships]


def _write_ids(rows: _Sorted, folder: Path) -> Index:
    sharding = by_hash(rows.seen.rows, rows.dtype.itemsize, lists=False)
    buckets = rows.buckets(folder.name, 1 << sharding.shard_bits, whole=True)
    for some in rows.blocks():
        buckets.add(some, sharding.places(some["id"])[0])
    buckets.close()
    return write_ids(buckets, folder, sharding)


def _write_related(rows: _Sorted, relation: int, folder: Path) -> Index:
    sharding = by_hash(rows.seen.rows, rows.dtype.itemsize, lists=True)
    buckets = rows.buckets(folder.name, 1 << sharding.shard_bits)
    for every in rows.blocks():
        some = every[every["has"][:, relation]]
        keys = some["related"][:, relation]
        buckets.add(_listed(some, keys), sharding.places(keys)[0])
    buckets.close()
    return write_related(buckets, folder, sharding)


def _write_levels(rows: _Sorted, grid: Grid, ends: list[int], folder: Path) -> list[Index]:
    """Spread the records over the levels and the shards of these, and write each level."""
    starts = [0, *ends]
    row_bytes = rows.dtype.itemsize
    count = len(ends)
    shardings = [by_place(grid.shape(at), ends[at] - starts[at], row_bytes) for at in range(count)]
    spread = [rows.buckets(f"spatial{at}", 1 << shardings[at].shard_bits) for at in range(count)]
    first = 0
    for block in rows.blocks():
        low, high = rows.extremes(block)
        found = grids.levels(grid, ends, first, low, high)
        for level in np.unique(found).tolist():
            here = np.flatnonzero(found == level)
            which, cells = _cells(rows.choice, grid, level, (block[here]["body"]["geometry"], low[here], high[here]))
            keys = morton(cells, grid.shape(level))
            spread[level].add(_listed(block[here[which]], keys), shardings[level].places(keys)[0])
        first += len(block)
    made = []
    for level, (buckets, sharding) in enumerate(zip(spread, shardings, strict=True)):
        buckets.close()
        made.append(write_cells(buckets, folder / f"spatial{level}", sharding, grid.shape(level)))
    return made


def _cells(
    choice: Choice, grid: Grid, level: int, of: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return every cell that each annotation meets: its number among those given, and the cell."""
    places, low, high = of
    if choice.geometry == "point":
        return np.arange(len(low)), grid.cells(low, level)
    which, cells = grids.touched(grid.cells(low, level), grid.cells(high, level))
    first, second = places[which, :3].astype(np.float64), places[which, 3:].astype(np.float64)
    start = grid.lower + cells * grid.chunk(level)
    meets = grids.crosses(choice.geometry, first, second, start, start + grid.chunk(level))
    return which[meets], cells[meets]


def _listed(rows: NDArray[Any], keys: NDArray[np.uint64]) -> NDArray[Any]:
    made = np.empty(len(rows), np.dtype([("key", "<u8"), ("id", "<u8"), ("body", rows.dtype["body"])]))
    made["key"], made["id"], made["body"] = keys, rows["id"], rows["body"]
    return made


def _info(rows: _Sorted, unit_nm: Triple, indexes: _Indexes) -> dict[str, Any]:
    grid, choice = indexes.grid, rows.choice
    related = zip(choice.relationships, _keys(choice), indexes.related, strict=True)
    return {
        "@type": "neuroglancer_annotations_v1",
        "dimensions": {axis: [_metres(nm), "m"] for axis, nm in zip("xyz", unit_nm, strict=True)},
        "lower_bound": _plain(grid.lower),
        "upper_bound": _plain(grid.upper),
        "annotation_type": TYPES[choice.geometry],
        "properties": [one.to_json() for one in rows.seen.properties],
        "relationships": [{"id": name, **index.to_json(key)} for (name, _), key, index in related],
        "by_id": indexes.ids.to_json("by_id"),
        "spatial": [
            {
                **index.to_json(f"spatial{level}"),
                "grid_shape": list(grid.shape(level)),
                "chunk_size": _plain(grid.chunk(level)),
                # What the viewer takes for the density of a level: the truth, and not the most that could be.
                "limit": max(1, index.longest),
            }
            for level, index in enumerate(indexes.levels)
        ],
    }


def _metres(nm: float) -> float:
    return float(f"{nm * 1e-9:.12g}")  # 8e-09, and not 8.000000000000001e-09


def _plain(values: NDArray[np.float64]) -> list[float]:
    return [int(value) if value.is_integer() else value for value in values.tolist()]


def _facts(folder: Path, rows: _Sorted) -> AnnotationFacts:
    """Return the facts of what was written, from its own `info`, with what only the table tells."""
    made = annotation_facts(folder, "")
    low, high = rows.extremes(next(rows.blocks())[:1])
    example = tuple(((low + high) / 2)[0].tolist())
    described = tuple(one.facts for one in rows.seen.properties)
    return replace(made, count=rows.seen.rows, described=described, example=example)
