"""The spatial index of annotations: its cells are on the grid, hold what is in them, and together hold everything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from publisher.health.keyed import Value, below, sharding_of, values
from publisher.health.records import Layout, many
from publisher.health.sample import MOST, chosen
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding

CHECK = "annotations"
T = TypeVar("T")


def decoded(
    found: Iterable[Value | Finding], decode: Callable[[bytes], T | str]
) -> Iterator[tuple[Value, T] | Finding]:
    """Yield each value with what its bytes are; as findings those that cannot be read, or are not what they should be."""
    for one in found:
        if isinstance(one, Finding):
            yield one
            continue
        data = one.read()
        made = decode(data) if isinstance(data, bytes) else data
        yield one.finding(CHECK, "error", made) if isinstance(made, str) else (one, made)


@dataclass(slots=True)
class Counts:
    """How many annotations the index by id has, and how many the cells; `whole` unless some cell could not be counted."""

    by_id: int = 0
    in_cells: int = 0
    whole: bool = True

    def passing(self, found: Iterable[T | Finding]) -> Iterator[T | Finding]:
        """Count values as they pass."""
        for item in found:
            self.by_id += not isinstance(item, Finding)
            yield item

    def findings(self, subject: Subject, *, exact: bool) -> Iterator[Finding]:
        """Yield that the two do not agree: points are in exactly one cell, what is longer in one or more."""
        if not self.by_id:
            if self.in_cells:
                message = f"has {self.in_cells:,} annotations in its cells and none by id: selecting one shows nothing"
                yield subject.finding(CHECK, "error", message)
            return
        if self.in_cells < self.by_id and self.whole:
            message = f"has {self.by_id:,} annotations by id, and its cells hold {self.in_cells:,} of them"
            hint = "cells are missing, which the viewer takes for empty ones: copy or write the spatial index again"
            yield subject.finding(CHECK, "error", f"{message} → {hint}")
        elif exact and self.in_cells > self.by_id:
            message = f"has {self.by_id:,} annotations by id, and its cells hold {self.in_cells:,}"
            hint = "some cannot be selected, or are shown twice: copy or write the index by id again"
            yield subject.finding(CHECK, "error", f"{message} → {hint}")


def check(subject: Subject, number: int, shape: Layout, depth: Depth, counts: Counts) -> Iterator[Finding]:
    """Yield what is wrong with one level; count what all its cells hold."""
    level = subject.info["spatial"][number]
    sharding = sharding_of(level, subject, CHECK)
    if isinstance(sharding, Finding):
        counts.whole = False
        yield sharding
        return
    place = below(subject, level["key"])
    grid = [int(cells) for cells in level["grid_shape"]]
    found = _files(place, grid) if sharding is None else values(place, sharding, CHECK, "cell")
    for each in decoded(chosen(_counted(found, counts, shape), MOST[depth], place.key), partial(many, shape=shape)):
        if isinstance(each, Finding):
            yield each
            continue
        one, (geometry, ids) = each
        if len(ids) > level["limit"]:
            message = f"holds {len(ids):,} annotations, and `limit` of spatial[{number}] is {level['limit']:,}"
            yield one.finding(CHECK, "warning", f"{message}: the viewer misjudges how dense they are")
        if wrong := outside(geometry, subject.info, shape):
            yield one.finding(CHECK, "error", wrong)
            continue
        cell = [int(part) for part in one.file.split("_")] if sharding is None else cell_of(one.id, grid)
        yield from _in_cell(one, geometry, shape, subject.info, level, cell)


def _files(place: Subject, grid: list[int]) -> Iterator[Value | Finding]:
    for file in place.files():
        parts = file.relative.split("_")
        if not all(re.fullmatch(r"0|[1-9][0-9]*", part) for part in parts) or len(parts) != len(grid):
            message = f"is no cell: those are named by {len(grid)} whole numbers, such as {'_'.join('0' * len(grid))}"
            yield place.finding(CHECK, "note", message, file.relative)
        elif any(int(part) >= cells for part, cells in zip(parts, grid, strict=True)):
            message = f"lies outside the grid of {' x '.join(map(str, grid))} cells: it is never asked for"
            yield place.finding(CHECK, "error", message, file.relative)
        else:
            yield Value(0, place, file.relative)


def cell_of(code: int, grid: list[int]) -> list[int]:
    """Return the cell of a compressed Morton code: bits of the axes take turns, those that need no more are left out."""
    cell, bit, at = [0] * len(grid), 0, 0
    needed = [(cells - 1).bit_length() for cells in grid]
    while bit < max(needed, default=0):
        for axis, bits in enumerate(needed):
            if bit < bits:
                cell[axis] |= (code >> at & 1) << bit
                at += 1
        bit += 1
    return cell


def _counted(found: Iterable[Value | Finding], counts: Counts, shape: Layout) -> Iterator[Value | Finding]:
    """Count annotations by the sizes of cells, without reading them."""
    for item in found:
        if isinstance(item, Finding):
            counts.whole = counts.whole and item.severity != "error"
        else:
            number = _number(item, shape)
            counts.whole = counts.whole and number is not None
            counts.in_cells += number or 0
        yield item


def _number(value: Value, shape: Layout) -> int | None:
    """Return how many annotations a cell says it holds, None where that cannot be read."""
    raw = value.sharding is None or value.sharding.data_encoding == "raw"
    if value.entry is not None and raw:
        return max(0, value.entry.size - 8) // (shape.size_bytes + 8)
    data = value.read()
    if isinstance(data, str) or len(data) < 8:  # noqa: PLR2004 - the count
        return None
    return int(np.frombuffer(data, "<u8", 1)[0])


def outside(geometry: NDArray[np.float32], info: dict[str, Any], shape: Layout) -> str:
    """Return what is wrong with where annotations lie: no numbers, or beyond the bounds of `info`; "" for nothing."""
    if not np.isfinite(geometry).all():
        return "has a coordinate that is no number (NaN or infinite)"
    first = geometry[:, : shape.rank].astype(np.float64)
    low, high = np.array(info["lower_bound"], float), np.array(info["upper_bound"], float)
    slack = 1e-5 * np.maximum(1, np.maximum(np.abs(low), np.abs(high)))  # float32 beside the float64 of JSON
    beyond = np.flatnonzero(((first < low - slack) | (first > high + slack)).any(axis=1))
    if not len(beyond):
        return ""
    told = ", ".join(f"{number:g}" for number in first[beyond[0]])
    message = f"has {len(beyond):,} annotations beyond the bounds of `info`, the first at ({told})"
    return f"{message} → correct lower_bound and upper_bound, or the units of the points"


def _in_cell(
    value: Value,
    geometry: NDArray[np.float32],
    shape: Layout,
    info: dict[str, Any],
    level: dict[str, Any],
    cell: list[int],
) -> Iterator[Finding]:
    """Yield that points are in the wrong cell: the viewer does not show them where they are looked for."""
    if shape.floats != shape.rank or not len(geometry):
        return  # what is longer than a point may reach into a cell from anywhere
    side, low = np.array(level["chunk_size"], float), np.array(info["lower_bound"], float)
    places = (geometry.astype(np.float64) - low) / side
    wrong = ((places < np.array(cell) - 1e-3) | (places > np.array(cell) + 1 + 1e-3)).any(axis=1)
    if wrong.any():
        here = [min(int(n), cells - 1) for n, cells in zip(places[np.argmax(wrong)], level["grid_shape"], strict=True)]
        told = "_".join(map(str, here))
        message = f"holds {int(wrong.sum()):,} annotations that lie elsewhere, the first in {told}"
        yield value.finding(CHECK, "error", f"{message} → is chunk_size that of this level?")
