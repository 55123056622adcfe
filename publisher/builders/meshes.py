"""Files of meshes, one a segment → a folder that neuroglancer reads: legacy, or multi-resolution, sharded or not.

One mesh is in memory at a time, and eight bytes of every other. What is kept from run to run lies below a work folder:
`files/` has the objects of each segment, `records/` what they were made of, `shards/` the same in shards. A record is
written after its objects and removed before them, so a run that was killed leaves nothing that the next takes for whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from publisher.builders import levels, mesh_records
from publisher.builders.mesh_records import Record, Sums, triple
from publisher.builders.mesh_sources import SUFFIXES, Source
from publisher.errors import InvalidInput, Problem
from publisher.facts import MeshFacts
from publisher.formats import multires, sharded, surfaces
from publisher.formats.sharding import Keys
from publisher.formats.surfaces import Surface, ngmesh
from publisher.work import write_file

VERSION = 1  # of what is built; raise it when the same source gives other bytes
SHARDED_FROM = 1000  # segments: two objects each are then too many requests
PROPERTIES = "segment_properties"


@dataclass(frozen=True, slots=True)
class Options:
    """How meshes are built. A file's unit is `unit_nm`; `transform` (3 x 4, row by row, in nm) is applied after it."""

    unit_nm: float
    form: Literal["multiresolution", "legacy"] = "multiresolution"
    sharded: bool | None = None  # None: by the number of meshes; legacy ones never are
    bits: Literal[16, 10] = 16
    lod_scale_multiplier: float = 1.0
    transform: tuple[float, ...] = ()

    @property
    def of_one(self) -> str:
        """What of them one mesh depends on."""
        return repr((VERSION, self.unit_nm, self.form, self.bits, self.transform))

    def packed(self, count: int) -> bool:
        """Whether so many meshes are put into shards."""
        wanted = count >= SHARDED_FROM if self.sharded is None else self.sharded
        return wanted and self.form == "multiresolution"


class Built(NamedTuple):
    """What was built: the folder to publish (`info` included), what was measured, and what is worth knowing."""

    folder: Path
    facts: MeshFacts
    notes: tuple[Problem, ...]


def build(sources: Iterable[Source | Problem], work: Path, options: Options, *, segmentation: str = "") -> Built:
    """Build a mesh folder below `work`; what has not changed since the last run is taken as it is.

    Args:
        sources: one mesh a segment, in an order that is the same from run to run; problems among them are told with
            those of the files. Names, where there are any, become a list of segments, which the viewer shows.
        work: a folder that nothing else writes into.
        options: how they are built.
        segmentation: the name of the volume whose segments they are, for the facts.

    Raises:
        InvalidInput: meshes that cannot be drawn, all of them at once; a segment with two; none at all; or
            multi-resolution meshes without the packages that make them.
        LocalTrouble: the disk.

    """
    _require(options)
    ids, names, sums, problems = array("Q"), dict[int, str](), Sums(), list[Problem]()
    whole = hashlib.sha256(options.of_one.encode())
    for source in sources:
        if isinstance(source, Problem):
            problems.append(source)
            continue
        try:
            record = _one(source, work, options)
        except InvalidInput as error:
            problems += error.problems
            continue
        ids.append(source.segment)
        if source.name:
            names[source.segment] = source.name
        sums.add(source.segment, source.where or str(source.path), record)
        whole.update(f"{source.segment}:{record.digest}".encode())
    every = np.sort(np.array(ids, np.uint64))
    for segment in np.unique(every[1:][every[1:] == every[:-1]]).tolist():
        problems.append(Problem("", f"has two meshes of segment {segment}", "keep one of them"))
    if not ids and not problems:
        hint = f"a mesh is a file named <segment id> and one of {', '.join(SUFFIXES)}"
        problems.append(Problem("", "has no meshes in its source", hint))
    if problems:
        raise InvalidInput(problems)
    _sweep(work, every, options)
    folder, sharding = work / "files", None
    if options.packed(len(ids)):
        folder = work / "shards"
        sharding = _shards(work, every, sums.size_bytes, whole.hexdigest()).to_json()
    _describe(folder, options, sharding, names)
    facts = MeshFacts(
        options.form,
        sharding is not None,
        segmentation,
        count=sums.count,
        ids=tuple(sums.ids),
        bounds_nm=sums.bounds_nm,
        vertex_nm=sums.vertex_nm,
    )
    return Built(folder, facts, sums.notes())


def _require(options: Options) -> None:
    if options.form == "multiresolution" and not all(map(find_spec, ("DracoPy", "fast_simplification"))):
        message = "needs DracoPy and fast-simplification for multi-resolution meshes, and they are not installed"
        hint = (
            "install publisher with its extra 'mesh': in its checkout, pip install \".[mesh]\"; or say `format: legacy`"
        )
        raise InvalidInput(Problem("", message, hint))


def _one(source: Source, work: Path, options: Options) -> Record:
    """Build one mesh, unless that was done already of the same file in the same way."""
    files, path = work / "files", work / "records" / str(source.segment)
    digest = mesh_records.digest(source.path, options.of_one)
    known = mesh_records.read(path)
    if known is not None and known.holds(digest, files):
        return known
    path.unlink(missing_ok=True)
    where = source.where or str(source.path)
    surface = surfaces.repaired(surfaces.read(source.path, where))
    if not len(surface.faces):
        raise InvalidInput(Problem(where, "has no face with an area", "is it the right file?"))
    surface = _in_nm(surface, options)
    objects = _objects(source.segment, surface, options)
    for name, data in objects.items():
        write_file(files / name, data)
    corners = surface.vertices[surface.faces]
    record = Record(
        digest,
        {name: len(data) for name, data in objects.items()},
        triple(corners.min(axis=(0, 1))),
        triple(corners.max(axis=(0, 1))),
        triple(corners[len(corners) // 2, 0]),
        {"split": surface.split, "dropped": surface.dropped, "open": surfaces.open_edges(surface)},
    )
    record.write(path)
    return record


def _in_nm(surface: Surface, options: Options) -> Surface:
    vertices = surface.vertices * options.unit_nm
    if options.transform:
        matrix = np.array(options.transform, float).reshape(3, 4)
        vertices = vertices @ matrix[:, :3].T + matrix[:, 3]
    return Surface(vertices, surface.faces, surface.split, surface.dropped)


def _objects(segment: int, surface: Surface, options: Options) -> dict[str, bytes]:
    """Return the objects of one segment by name; vertices are in nm."""
    if options.form == "legacy":
        fragment = f"{segment}.ngmesh"
        manifest = json.dumps({"fragments": [fragment]}).encode()
        return {fragment: ngmesh.encode(surface.vertices, surface.faces), f"{segment}:0": manifest}
    made = levels.build(surface.vertices, surface.faces, options.bits)
    return {str(segment): made.fragments, f"{segment}.index": made.manifest.encode()}


def _sweep(work: Path, ids: Keys, options: Options) -> None:
    """Remove what earlier runs made of meshes that are gone, in another form, or left half written."""
    forms = ("", ".index") if options.form == "multiresolution" else (":0", ".ngmesh")
    for folder, suffixes in ((work / "files", forms), (work / "records", ("",))):
        for path in folder.iterdir():
            if path.is_file() and path.name != "info" and not any(_is_of(path.name, end, ids) for end in suffixes):
                path.unlink()


def _is_of(name: str, suffix: str, ids: Keys) -> bool:
    segment = name.removesuffix(suffix)
    if not name.endswith(suffix) or not segment.isdecimal():
        return False
    at = int(np.searchsorted(ids, np.uint64(segment)))
    return at < len(ids) and int(ids[at]) == int(segment)


def _shards(work: Path, ids: Keys, size_bytes: int, digest: str) -> sharded.Sharding:
    """Put all segments into shards, each one's fragments right before its manifest; nothing where that is done."""
    sharding, files, folder, path = (
        sharded.choose(len(ids), size_bytes),
        work / "files",
        work / "shards",
        work / "packed",
    )
    mark = json.dumps([digest, sharding.to_json()]).encode()
    if path.is_file() and path.read_bytes() == mark:
        return sharding
    path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)

    def items() -> Iterator[sharded.Item]:
        for segment in ids[sharding.order(ids)].tolist():
            fragments = (files / str(segment)).read_bytes()
            yield sharded.Item(segment, (files / f"{segment}.index").read_bytes(), [fragments])

    sharded.write(folder, sharding, items())
    write_file(path, mark)
    return sharding


def _describe(folder: Path, options: Options, sharding: dict[str, Any] | None, names: dict[int, str]) -> None:
    """Write the folder's `info`, and the list of segments by name where they have names."""
    info: dict[str, Any] = {"@type": "neuroglancer_legacy_mesh"}
    if options.form == "multiresolution":
        info = multires.info(options.bits, options.lod_scale_multiplier, sharding)
    shutil.rmtree(folder / PROPERTIES, ignore_errors=True)
    if names:
        info["segment_properties"] = PROPERTIES
        values = [names[segment] for segment in sorted(names)]
        listed = {
            "ids": list(map(str, sorted(names))),
            "properties": [{"id": "name", "type": "label", "values": values}],
        }
        properties = {"@type": "neuroglancer_segment_properties", "inline": listed}
        write_file(folder / PROPERTIES / "info", json.dumps(properties, ensure_ascii=False).encode())
    write_file(folder / "info", json.dumps(info, indent=1).encode())
