"""Skeletons: SWC files from a folder, tar or zip → the SWC objects themselves, and precomputed skeletons in nm."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from publisher.artifacts.base import Bench, Made, OfSegments
from publisher.errors import InvalidInput, Problem
from publisher.safety import hostile, junk
from publisher.tree import File, Tree, walk
from publisher.units import nanometres
from publisher.work import write_file

Units = Annotated[str, StringConstraints(pattern=r"^(\d+(\.\d+)?\s*)?(nm|um|µm|mm)$")]


class Skeletons(OfSegments):
    """Skeletons of segments, one SWC file each, named after the segment."""

    section: ClassVar[str] = "skeletons"
    default_group: ClassVar[str] = "Skeletons"

    units: Units | None = None
    """Units of the SWC coordinates, such as "8 nm"; SWC files do not say."""
    formats: tuple[Literal["swc", "precomputed"], ...] = ("swc", "precomputed")
    """What is published."""

    sharded: Literal["auto"] | bool = "auto"
    """Whether precomputed skeletons are put into few large files; `auto` does so from 10,000 on."""

    def stage(self, bench: Bench) -> Made:
        """Read every SWC file, report what is wrong in it by line, and write the precomputed form."""
        from publisher.builders import skeletons  # noqa: PLC0415 - numpy, which `--help` need not wait for

        if self.units is None:
            hint = 'say `units: "8 nm"` (or nm, um): a wrong guess would be off by a factor'
            raise InvalidInput(Problem("", "has no units, and SWC files do not say theirs", hint))
        source = _unpacked(bench)
        tree = self.tree(bench, path=source, key=f"{bench.key}/skeletons-swc", only=".swc", role=lambda _: "swc")

        def files() -> Iterator[File]:
            # What must not be public is named by `plan`, for every tree alike.
            return (file for file in walk(tree) if isinstance(file, File))

        wanted = None if self.sharded == "auto" else self.sharded
        options = skeletons.Options(nanometres(self.units), self.formats, self.segmentation or "", wanted)
        built = skeletons.build(source, files, bench.work / "skeletons" / self.name, options, str(bench.source))
        if not built.problems and not built.facts.count:
            hint = "skeletons are files named <segment id>.swc"
            return Made(problems=(Problem(str(bench.source), "holds no .swc file", hint),))
        trees = [tree] if "swc" in self.formats else []
        if "precomputed" in self.formats:
            trees.append(Tree(self.name, f"{bench.key}/skeletons-precomputed", built.folder, role=_role))
        return Made(tuple(trees), built.facts, built.problems)


def _role(name: str) -> str:
    if name == "info":
        return "json"
    return "shard" if name.endswith(".shard") else "skeleton"


def _unpacked(bench: Bench) -> Path:
    """Return the folder of SWC files: the source itself, or what its archive holds, unpacked below `bench.work`."""
    source = bench.source
    if source.is_dir():
        return source
    folder = bench.work / "unpacked" / source.name
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
    for path in folder.glob("*.swc"):
        if path.name not in seen:  # an earlier run unpacked it, and the archive has lost it since
            path.unlink()
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
