"""Builders, measured alone: seconds and peak memory for 10^5, ten times and a hundred times as much.

A builder is a function that makes its input in a folder, and the code that a process of its own runs on it: from reading
the input to the objects on disk. Time should grow as the size does, and memory should not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import measure
from benchmarks.results import FAMILY, ROOT, Result, Row
from benchmarks.scenarios import Bench

SIZES = (100_000, 1_000_000, 10_000_000)
BATCH = 1 << 18  # rows
FACES = 10_000  # of one of many meshes
_FACE = np.dtype([("n", "u1"), ("i", "<i4", 3)])


@dataclass(frozen=True)
class Builder:
    """What makes the input of a size in a folder, and the code that builds from it: argv has the folder, and where to."""

    prepare: Callable[[Path, int], None]
    code: str


def synapses(folder: Path, count: int) -> None:
    """Write points as a dataset has them: in clumps, in no order, with ids of 64 bits, two bodies and two properties."""
    chance = np.random.default_rng(1)
    clumps = chance.uniform(0, 30_000, (2000, 3))
    bodies = chance.integers(1, 2**60, max(100, count // 100), dtype=np.uint64)
    kinds = pa.array(["PreSyn", "PostSyn"])
    schema = pa.schema(
        [
            *((name, pa.uint64()) for name in ("id", "pre", "post")),
            *((axis, pa.int32()) for axis in "xyz"),
            ("kind", pa.dictionary(pa.int8(), pa.string())),
            ("confidence", pa.float32()),
        ]
    )
    factor = np.uint64(0x9E3779B97F4A7C15)  # odd: a permutation of all ids
    with pq.ParquetWriter(folder / "points.parquet", schema) as writer:
        for start in range(0, count, BATCH):
            rows = min(BATCH, count - start)
            whose = bodies[(len(bodies) * chance.random((2, rows)) ** 3).astype(np.int64)]  # a few have very many
            places = (clumps[chance.integers(0, len(clumps), rows)] + chance.normal(0, 600, (rows, 3))).clip(0, 32_000)
            columns = [
                pa.array(np.arange(start, start + rows, dtype=np.uint64) * factor),
                *map(pa.array, whose),
                *map(pa.array, places.astype(np.int32).T),
                pa.DictionaryArray.from_arrays(chance.integers(0, 2, rows).astype(np.int8), kinds),
                pa.array(chance.random(rows, np.float32)),
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def torus(faces: int) -> tuple[Any, Any]:
    """Return a closed surface with bumps of several sizes: vertices in nm, 120 µm wide, and faces."""
    side = int((faces / 2) ** 0.5)
    u, v = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    a, b = u * 2 * np.pi / side, v * 2 * np.pi / side
    thick = 15_000 * (1 + 0.2 * np.sin(9 * a) * np.sin(7 * b) + 0.02 * np.sin(101 * a + 60 * b))
    ring = 45_000 + thick * np.cos(b)
    vertices = np.stack([ring * np.cos(a), ring * np.sin(a), thick * np.sin(b)], axis=-1).reshape(-1, 3)

    p, q = (u + 1) % side, (v + 1) % side
    here, along, across, beyond = (np.ravel(i * side + j) for i, j in ((u, v), (p, v), (u, q), (p, q)))
    faces_one, faces_other = np.stack([here, along, beyond], axis=1), np.stack([here, beyond, across], axis=1)
    return vertices, np.concatenate([faces_one, faces_other])


def write(path: Path, faces: int) -> None:
    """Write a torus as PLY."""
    vertices, corners = torus(faces)
    rows = np.zeros(len(corners), _FACE)
    rows["n"], rows["i"] = 3, corners
    head = "ply\nformat binary_little_endian 1.0\n"
    head += f"element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
    head += f"element face {len(rows)}\nproperty list uchar int vertex_indices\nend_header\n"
    path.write_bytes(head.encode() + vertices.astype("<f4").tobytes() + rows.tobytes())


def many(folder: Path, faces: int) -> None:
    """Write meshes of `FACES` each: links to one file."""
    write(folder / "1.ply", FACES)
    for segment in range(2, max(1, faces // FACES) + 1):
        (folder / f"{segment}.ply").hardlink_to(folder / "1.ply")


ANNOTATIONS = """
import sys
from pathlib import Path
from publisher.artifacts import Bench
from publisher.artifacts.annotations import Annotations
from publisher.record import Space

source, work = Path(sys.argv[1]) / "points.parquet", Path(sys.argv[2])
said = {"id": "id", "relationships": {"pre": "pre", "post": "post"}}
made = Annotations.model_validate({"name": "synapses", "source": "x", **said})
space = Space("EM", (8, 8, 8), "nm", "")
made.stage(Bench(source, "v1/synapses", space, work, lambda name: source))
"""
MESHES = """
import sys
from pathlib import Path
from publisher.builders import mesh_sources, meshes

meshes.build(mesh_sources.find(Path(sys.argv[1]), {}), Path(sys.argv[2]), meshes.Options(1.0))
"""

BUILDERS: dict[str, Builder] = {
    "builders-annotations": Builder(synapses, ANNOTATIONS),
    "builders-meshes": Builder(many, MESHES),
    "builders-mesh": Builder(lambda folder, faces: write(folder / "1.ply", faces), MESHES),
}


def measured(bench: Bench) -> Iterator[Result]:
    """Measure each builder at each size once, in a process of its own; what it builds is removed again."""
    for name, builder in BUILDERS.items():
        bench.say(name)
        rows = [_once(bench, builder, bench.count(size)) for size in SIZES]
        yield Result(name, rows[-1].count, rows[-1].stored_bytes, rows)


def _once(bench: Bench, builder: Builder, count: int) -> Row:
    with bench.folder("build") as place:
        source, to = place / "source", place / "built"
        source.mkdir(parents=True)
        to.mkdir()
        builder.prepare(source, count)
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(place)}
        took = measure.alone([sys.executable, "-c", builder.code, source, to], env=env, log=place / "log")
        sizes = [path.stat().st_size for path in to.rglob("*") if path.is_file()]
    bench.say(f"  {count:,}: {took.wall:.2f} s, {took.cpu:.2f} s CPU, {took.peak_mb:.0f} MB")
    return Row(FAMILY, f"{count:,}", [took], sum(sizes), count, len(sizes))
