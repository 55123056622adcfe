"""Skeletons: SWC files from a folder, tar or zip → the SWC objects themselves, and precomputed skeletons in nm."""

from __future__ import annotations

import json
import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import StringConstraints

from publisher.artifacts.base import Bench, Made, OfSegments
from publisher.errors import InvalidInput, Problem
from publisher.facts import SkeletonFacts, Triple
from publisher.safety import hostile, junk
from publisher.tree import File, Tree, walk
from publisher.units import nanometres
from publisher.work import write_file

if TYPE_CHECKING:
    from publisher.formats import swc

Units = Annotated[str, StringConstraints(pattern=r"^(\d+(\.\d+)?\s*)?(nm|um|µm|mm)$")]


class Skeletons(OfSegments):
    """Skeletons of segments, one SWC file each, named after the segment."""

    section: ClassVar[str] = "skeletons"
    default_group: ClassVar[str] = "Skeletons"

    units: Units | None = None
    """Units of the SWC coordinates, such as "8 nm"; SWC files do not say."""
    formats: tuple[Literal["swc", "precomputed"], ...] = ("swc", "precomputed")
    """What is published."""

    def stage(self, bench: Bench) -> Made:
        """Read every SWC file, report what is wrong in it by line, and write the precomputed form."""
        from publisher.formats import swc  # noqa: PLC0415 - numpy, which `--help` and most releases need not wait for

        if self.units is None:
            hint = 'say `units: "8 nm"` (or nm, um): a wrong guess would be off by a factor'
            raise InvalidInput(Problem("", "has no units, and SWC files do not say theirs", hint))
        source = _unpacked(bench)
        tree = self.tree(bench, path=source, key=f"{bench.key}/skeletons-swc", only=".swc", role=lambda _: "swc")
        made = bench.work / "skeletons" / self.name
        sums = _Sums(nanometres(self.units))
        problems = [problem for file in walk(tree) for problem in _convert(file, bench.source, made, sums)]
        if not problems and not sums.count:
            hint = "skeletons are files named <segment id>.swc"
            return Made(problems=(Problem(str(bench.source), "holds no .swc file", hint),))
        trees = [tree] if "swc" in self.formats else []
        if "precomputed" in self.formats:
            write_file(made / "info", json.dumps(swc.INFO, indent=1).encode())
            _forget(made, source)
            role = {"info": "json"}.get
            trees.append(
                Tree(self.name, f"{bench.key}/skeletons-precomputed", made, role=lambda name: role(name, "skeleton"))
            )
        return Made(tuple(trees), sums.facts(self.formats, self.segmentation or ""), tuple(problems))


@dataclass(slots=True)
class _Sums:
    """What is counted while the files pass: lengths in nm."""

    unit_nm: float
    count: int = 0
    nodes: int = 0
    low: Triple | None = None
    high: Triple | None = None
    places: list[Triple] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def add(self, segment: str, skeleton: swc.Skeleton) -> None:
        """Count one more skeleton."""
        nodes = skeleton.nodes.astype(float) * self.unit_nm
        low, high = nodes.min(axis=0).tolist(), nodes.max(axis=0).tolist()
        self.low = low if self.low is None else _triple(map(min, self.low, low))
        self.high = high if self.high is None else _triple(map(max, self.high, high))
        self.count += 1
        self.nodes += len(nodes)
        if len(self.ids) < 10:  # noqa: PLR2004 - enough for a scene that people can tell apart
            self.ids.append(segment)
            self.places.append(_triple(nodes[len(nodes) // 2].tolist()))

    def facts(self, formats: tuple[str, ...], segmentation: str) -> SkeletonFacts:
        """Return the facts of all that was counted."""
        bounds = None if self.low is None or self.high is None else (_triple(self.low), _triple(self.high))
        return SkeletonFacts(
            formats=formats,
            count=self.count,
            nodes=self.nodes,
            swc_unit_nm=self.unit_nm,
            bounds_nm=bounds,
            node_nm=next(iter(self.places), None),
            ids=tuple(self.ids),
            segmentation=segmentation,
            nodes_nm=tuple(self.places),
        )


def _triple(values: Iterable[float]) -> Triple:
    x, y, z = values
    return float(x), float(y), float(z)


def _convert(file: File | Problem, source: Path, made: Path, sums: _Sums) -> Iterator[Problem]:
    """Write one precomputed skeleton; yield what is wrong with its SWC file."""
    from publisher.formats import swc  # noqa: PLC0415 - as above

    if isinstance(file, Problem):
        return  # what must not be public is named by `plan`, for every tree alike
    segment, where = Path(file.relative).stem, f"{source}/{file.relative}"  # also where it was unpacked elsewhere
    if "/" in file.relative or not re.fullmatch(r"[1-9][0-9]*|0", segment):
        yield Problem(where, "is not named after a segment", "name it <segment id>.swc, such as 722817260.swc")
        return
    skeleton = swc.parse(Path(file.path).read_bytes(), where)
    if isinstance(skeleton, list):
        yield from skeleton
        return
    sums.add(segment, skeleton)
    write_file(made / segment, swc.encode(skeleton, sums.unit_nm))


def _forget(made: Path, source: Path) -> None:
    """Remove skeletons that an earlier run made from files that are no longer there."""
    for path in made.iterdir():
        if path.name != "info" and not (source / f"{path.name}.swc").is_file():
            path.unlink()


def _unpacked(bench: Bench) -> Path:
    """Return the folder of SWC files: the source itself, or what its archive holds, unpacked below `bench.work`."""
    source = bench.source
    if source.is_dir():
        return source
    folder = bench.work / "unpacked" / source.name
    shutil.rmtree(folder, ignore_errors=True)
    seen: dict[str, str] = {}
    try:
        for member, read in _members(source):
            name = _swc_name(member, source)
            if name in seen:
                message = f"has {name} twice, as {seen[name]} and {member}"
                raise InvalidInput(Problem(str(source), message, "keep one skeleton a segment"))
            if name:
                seen[name] = member
                write_file(folder / name, read())
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError) as error:
        raise InvalidInput(Problem(str(source), f"cannot be unpacked: {error}", "is it damaged?")) from None
    return folder


def _members(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield each file of an archive: its name in there, and what reads it."""
    if tarfile.is_tarfile(source):
        with tarfile.open(source) as tar:
            for member in tar:
                # A hard link is how tar stores a file that it holds already, under another name.
                stream = tar.extractfile(member) if member.isfile() or member.islnk() else None
                if stream is not None:
                    yield member.name, stream.read
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for name in archive.namelist():
                yield name, partial(archive.read, name)
    else:
        raise InvalidInput(
            Problem(str(source), "is neither a folder, nor a tar or zip archive, of SWC files", "is it damaged?")
        )


def _swc_name(name: str, source: Path) -> str:
    """Return the file name of an SWC file in an archive, "" for what is none; refuse names that climb out."""
    parts = name.removeprefix("./").split("/")
    if name.startswith("/") or any(hostile(part) for part in parts):
        raise InvalidInput(Problem(f"{source}:{name!a}", "has a name that climbs out or hides", "pack it again"))
    return parts[-1] if name.endswith(".swc") and not junk(parts[-1]) else ""
