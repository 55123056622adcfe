"""SWC files, one a segment → precomputed skeletons in nm, one file each or in shards.

One skeleton is in memory at a time, and some bytes of every other. What was made of the same files in the same way is
left alone: beside the folder lies `<folder>.made.json`, removed before anything is made and written after all is.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from publisher.errors import Problem
from publisher.facts import SkeletonFacts, Triple
from publisher.formats import sharded, swc
from publisher.tree import File
from publisher.work import trouble, write_file

VERSION = 1  # of what is built; raise it when the same source gives other bytes
SHARDED_FROM = 10_000  # skeletons: one object each is then too many
Files = Callable[[], Iterator[File]]
_SHOWN = 10  # ids, enough for a scene that people can tell apart


@dataclass(frozen=True, slots=True)
class Options:
    """How skeletons are built: nm a unit of the files, which formats are published, whether in shards (None: by count)."""

    unit_nm: float
    formats: tuple[str, ...]
    segmentation: str = ""
    sharded: bool | None = None

    def packed(self, count: int) -> bool:
        """Whether so many skeletons are put into shards."""
        return count >= SHARDED_FROM if self.sharded is None else self.sharded


class Built(NamedTuple):
    """What was built: the folder to publish (`info` included), what was measured, and what is wrong with the files."""

    folder: Path
    facts: SkeletonFacts
    problems: tuple[Problem, ...] = ()


def build(source: Path, files: Files, work: Path, options: Options, shown: str = "") -> Built:
    """Build a folder of skeletons: `work`, or `work` with -sharded behind its name.

    Args:
        source: the folder of the SWC files.
        files: gives those of them that are published, in the order of their names, more than once.
        work: a folder that nothing else writes into.
        options: how they are built.
        shown: what problems call the source, where it was unpacked from an archive.

    Raises:
        LocalTrouble: the disk.

    """
    packed = work.with_name(f"{work.name}-sharded")
    stamp = work.with_name(f"{work.name}.made.json")
    wanted, count = _digest(files(), options)
    if (known := _known(stamp, wanted)) is not None:
        folder = packed if options.packed(known.count) else work
        return Built(folder, known)
    stamp.unlink(missing_ok=True)
    wants = "precomputed" in options.formats
    one_each = wants and not options.packed(count)
    work.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=work.parent) as spool:
        sums, ids, ends, problems = _Sums(options.unit_nm), array("Q"), array("Q"), list[Problem]()
        for file in files():
            made = _one(file, shown or str(source))
            if isinstance(made, list):
                problems += made
                continue
            data = swc.encode(made, options.unit_nm)
            ids.append(int(Path(file.relative).stem))
            sums.add(ids[-1], made, len(data))
            if one_each:
                write_file(work / str(ids[-1]), data)
            elif wants:
                spool.write(data)
                ends.append(spool.tell())
        facts = sums.facts(options)
        if problems or not ids:
            write_file(
                work / "info", json.dumps(swc.INFO, indent=1).encode()
            )  # nobody publishes it: the rest is planned
            return Built(work, facts, tuple(problems))
        folder, info, keep = work, dict(swc.INFO), {str(segment) for segment in ids} if one_each else set[str]()
        if wants and not one_each:
            folder = packed
            sharding = sharded.choose(len(ids), sums.size_bytes, data_encoding="gzip")
            order = sharding.order(np.array(ids, np.uint64)).tolist()
            names = sharded.write(folder, sharding, _items(spool, ids, ends, order))
            info["sharding"], keep = sharding.to_json(), set(names)
    if wants:
        write_file(folder / "info", json.dumps(info, indent=1).encode())
        _forget(folder, keep | {"info"})
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()} if folder is packed else {}
    row = {"digest": wanted, "facts": asdict(facts), "folder": folder.name, "count": len(keep), "sizes": sizes}
    write_file(stamp, json.dumps(row).encode())
    return Built(folder, facts)


def _one(file: File, shown: str) -> swc.Skeleton | list[Problem]:
    """Return the skeleton of a file, or what is wrong with it."""
    segment, where = Path(file.relative).stem, f"{shown}/{file.relative}"
    if "/" in file.relative or not re.fullmatch(r"[1-9][0-9]*|0", segment):
        return [Problem(where, "is not named after a segment", "name it <segment id>.swc, such as 722817260.swc")]
    if int(segment) >= 1 << 64:
        return [Problem(where, "is named by a number that is no segment", "ids are below 2^64")]
    return swc.parse(Path(file.path).read_bytes(), where)


def _items(spool: IO[bytes], ids: array[int], ends: array[int], order: list[int]) -> Iterator[sharded.Item]:
    """Yield encoded skeletons in an order, from the file that holds one after the other."""
    for at in order:
        start = ends[at - 1] if at else 0
        spool.seek(start)
        yield sharded.Item(ids[at], spool.read(ends[at] - start))


def _digest(files: Iterable[File], options: Options) -> tuple[str, int]:
    """Return the SHA-256 of all files' names and bytes and of what is asked for, and their number: read, and not parsed."""
    held, count = hashlib.sha256(repr((VERSION, options)).encode()), 0
    for file in files:
        try:
            data = Path(file.path).read_bytes()
        except OSError as error:
            raise trouble(error, file.path) from error
        held.update(f"{file.relative}\0{len(data)}\0".encode())
        held.update(data)
        count += 1
    return held.hexdigest(), count


def _known(stamp: Path, wanted: str) -> SkeletonFacts | None:
    """Return the facts of what was made before of the same, if it is all still there."""
    try:
        row = json.loads(stamp.read_bytes())
        folder = stamp.with_name(row["folder"])
        there = {path.name: path.stat().st_size for path in folder.iterdir()} if row["count"] else {}
        whole = row["count"] == len(there) - ("info" in there) and (not row["sizes"] or there == row["sizes"])
        return _facts(row["facts"]) if row["digest"] == wanted and whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _facts(row: dict[str, Any]) -> SkeletonFacts:
    bounds, node = row["bounds_nm"], row["node_nm"]
    row["bounds_nm"] = (tuple(bounds[0]), tuple(bounds[1])) if bounds else None
    row["node_nm"] = tuple(node) if node else None
    row["nodes_nm"] = tuple(tuple(place) for place in row["nodes_nm"])
    return SkeletonFacts(**{**row, "formats": tuple(row["formats"]), "ids": tuple(row["ids"])})


def _forget(folder: Path, keep: set[str]) -> None:
    """Remove what an earlier run made from files that are no longer there."""
    for path in folder.iterdir():
        if path.name not in keep:
            path.unlink()


@dataclass(slots=True)
class _Sums:
    """What is counted while the files pass: lengths in nm."""

    unit_nm: float
    count: int = 0
    nodes: int = 0
    size_bytes: int = 0
    low: Triple | None = None
    high: Triple | None = None
    places: list[Triple] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def add(self, segment: int, skeleton: swc.Skeleton, size_bytes: int) -> None:
        """Count one more skeleton."""
        nodes = skeleton.nodes.astype(float) * self.unit_nm
        low, high = nodes.min(axis=0).tolist(), nodes.max(axis=0).tolist()
        self.low = low if self.low is None else _triple(map(min, self.low, low))
        self.high = high if self.high is None else _triple(map(max, self.high, high))
        self.count += 1
        self.nodes += len(nodes)
        self.size_bytes += size_bytes
        if len(self.ids) < _SHOWN:
            self.ids.append(str(segment))
            self.places.append(_triple(nodes[len(nodes) // 2].tolist()))

    def facts(self, options: Options) -> SkeletonFacts:
        """Return the facts of all that was counted."""
        bounds = None if self.low is None or self.high is None else (_triple(self.low), _triple(self.high))
        about = (options.formats, self.count, self.nodes, self.unit_nm, bounds, next(iter(self.places), None))
        return SkeletonFacts(*about, tuple(self.ids), options.segmentation, tuple(self.places))


def _triple(values: Iterable[float]) -> Triple:
    x, y, z = values
    return float(x), float(y), float(z)
