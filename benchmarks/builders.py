"""Builders, measured alone: seconds and peak memory for ten times as much, and ten times again.

    python benchmarks/builders.py --sizes 100000,1000000,10000000

A builder is a function that makes its input in a folder, and the code that a process of its own runs on it. Time should
grow as the size does, memory should not.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import measure  # noqa: E402

SIZES = (100_000, 1_000_000, 10_000_000)
BATCH = 1 << 18  # rows


@dataclass(frozen=True)
class Built:
    """What building so many took; `files` and `size_mb` are of what was built."""

    builder: str
    count: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    files: int
    size_mb: float


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


ANNOTATIONS = """
import sys
from pathlib import Path
from publisher.artifacts import Bench
from publisher.artifacts.annotations import Annotations
from publisher.record import Space

source, work = Path(sys.argv[1]) / "points.parquet", Path(sys.argv[2])
made = Annotations(name="synapses", source="x", id="id", relationships={"pre": "pre", "post": "post"})
space = Space("EM", (8, 8, 8), "nm", "")
facts = made.stage(Bench(source, "v1/synapses", space, work, lambda name: source)).facts
print(facts.count)
"""

BUILDERS: dict[str, Builder] = {"annotations": Builder(synapses, ANNOTATIONS)}


def run(names: Iterable[str], sizes: Iterable[int], folder: Path) -> list[Built]:
    """Measure builders at sizes, each in a process of its own; what they build is removed again."""
    results = []
    for name in names:
        for count in sizes:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                source, to = Path(place) / "source", Path(place) / "built"
                source.mkdir()
                to.mkdir()
                BUILDERS[name].prepare(source, count)
                command = [sys.executable, "-c", BUILDERS[name].code, source, to]
                env = {**os.environ, "PYTHONPATH": str(ROOT)}
                took = measure.alone(command, env=env, log=Path(place) / "log.txt")
                sizes_built = [path.stat().st_size for path in to.rglob("*") if path.is_file()]
                size_mb = round(sum(sizes_built) / 1e6, 1)
                built = Built(
                    name, count, round(took.wall, 2), round(took.cpu, 2), round(took.peak_mb), len(sizes_built), size_mb
                )
                print(
                    f"{name} {count:>12,}: {built.seconds:8.2f} s, peak {built.peak_mb:6.0f} MB, {built.files} files, "
                    f"{built.size_mb} MB",
                    flush=True,
                )
                results.append(built)
    return results


def main() -> None:
    """Measure what the words ask for; `--json` writes the figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="comma-separated")
    parser.add_argument("--builders", default=",".join(BUILDERS), help="comma-separated")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where there is room")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = run(given.builders.split(","), map(int, given.sizes.split(",")), given.folder)
    if given.json:
        given.json.write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
