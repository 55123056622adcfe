"""Measure publishing many small objects onto a folder beside the system's own copy, and write docs/performance.md.

Runs are interleaved, medians and ratios are reported: seconds depend on the machine, ratios hardly do.

    python benchmarks/run.py [--objects 20000] [--runs 3]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]
CHUNK_BYTES = 4096
FOLDER = 1000  # files in one folder

MANIFEST = """\
schema: 1
version: v1
date: 2026-01-01
status: final
dataset: {name: bench, title: Benchmark, description: Many small files., license: CC0-1.0, authors: [{name: nobody}]}
files: [{name: chunks, source: source}]
"""


@dataclass(frozen=True)
class Measured:
    """What one process took: seconds of the clock and of the processors, and its peak memory in MB."""

    wall: float
    cpu: float
    peak_mb: float


def run(*command: str | Path) -> Measured:
    """Run a command to its end and measure it alone."""
    start = perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return Measured(perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def make_source(folder: Path, objects: int) -> None:
    """Write files of random bytes, which nothing compresses."""
    for number in range(objects):
        path = folder / f"{number // FOLDER}" / f"{number}"
        if number % FOLDER == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(CHUNK_BYTES))


def median(runs: list[Measured]) -> Measured:
    """Return the median of each figure."""
    return Measured(*(statistics.median(getattr(r, name) for r in runs) for name in ("wall", "cpu", "peak_mb")))


def measure(objects: int, runs: int) -> dict[str, Measured]:
    """Measure each way in turn, several times."""
    publisher = Path(sys.executable).with_name("publisher")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "release.yaml").write_text(MANIFEST)
        make_source(folder / "source", objects)
        public, copied = folder / "public", folder / "copied"
        release = (publisher, "release", folder / "release.yaml", "--target", public, "--until", "publish", "--quiet")
        ways: dict[str, Callable[[], Measured]] = {
            "publisher release": lambda: run(*release),
            "publisher release again, nothing changed": lambda: run(*release),
            "cp -r": lambda: run("cp", "-r", folder / "source", copied),
            "cp -r, and sha256sum of every file": lambda: run(
                "sh", "-c", f"cp -r {folder}/source {copied} && find {copied} -type f -print0 | xargs -0 sha256sum"
            ),
        }
        taken: dict[str, list[Measured]] = {name: [] for name in ways}
        for _ in range(runs):
            shutil.rmtree(public, ignore_errors=True)
            for name, way in ways.items():
                shutil.rmtree(copied, ignore_errors=True)
                taken[name].append(way())
    return {name: median(figures) for name, figures in taken.items()}


def page(found: dict[str, Measured], objects: int, runs: int) -> str:
    """Return docs/performance.md."""
    base = found["publisher release"].wall
    rows = "\n".join(
        f"| {name} | {m.wall:.2f} | {objects / m.wall:,.0f} | {m.cpu / objects * 1e3:.2f} | {m.peak_mb:.0f} | {m.wall / base:.2f} |"
        for name, m in found.items()
    )
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    return f"""# Performance

Written by `make bench` on {dt.datetime.now(dt.UTC).date()}; {machine}. Medians of {runs} interleaved runs of whole
processes. Seconds depend on the machine; compare ratios.

## {objects:,} files of {CHUNK_BYTES:,} bytes onto a folder

| | seconds | objects/s | CPU ms an object | peak MB | time, publisher = 1 |
|---|---|---|---|---|---|
{rows}

publisher looks at every file twice (once to plan, once to publish), hashes it, and writes it atomically; `cp` does none
of that. Memory does not grow with the number of objects: `tests/contract/test_memory.py` holds the line.
"""


def main() -> None:
    """Measure and write."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--objects", type=int, default=20_000)
    words.add_argument("--runs", type=int, default=3)
    chosen = words.parse_args()
    found = measure(chosen.objects, chosen.runs)
    (ROOT / "docs" / "performance.md").write_text(page(found, chosen.objects, chosen.runs), encoding="utf-8")
    print(json.dumps({name: vars(figures) for name, figures in found.items()}, indent=1))


if __name__ == "__main__":
    main()
