"""Measure publisher beside other tools, and write docs/performance.md.

    python benchmarks/run.py [--runs 5] [--only a,b,c,d,million,local,builders] [--scale 1.0] [--out docs/performance.md]

What was measured is kept in benchmarks/.results/, so that scenarios can run one by one: the page is written from all of
them. A run on another scale is for trying things out; it keeps its results, and its page, apart.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for the servers of the tests

from benchmarks.floors import floors  # noqa: E402
from benchmarks.page import page  # noqa: E402
from benchmarks.results import load  # noqa: E402
from benchmarks.scenarios import Bench  # noqa: E402
from benchmarks.suite import SCENARIOS  # noqa: E402

RESULTS = Path(__file__).with_name(".results")
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
ROOM_BYTES = 8 << 30  # of memory files, for the largest scenario and its server


def scratch() -> Path:
    """Return a new folder: in memory where there is room, for disks are slower than what is measured."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    return Path(tempfile.mkdtemp(prefix="bench-", dir=MEMORY if roomy else None))


def main() -> None:
    """Measure and write."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", type=int, default=5, help="rounds of each scenario")
    words.add_argument(
        "--only", default=",".join(SCENARIOS), help="scenarios, with commas between them; none: the page"
    )
    words.add_argument("--scale", type=float, default=1.0, help="share of the objects and bytes")
    words.add_argument("--out", type=Path, help="the page")
    given = words.parse_args()
    whole = given.scale == 1
    results = RESULTS if whole else RESULTS / f"scale-{given.scale:g}"
    out: Path = given.out or (ROOT / "docs" / "performance.md" if whole else results / "performance.md")
    chosen = [name for name in given.only.split(",") if name and name != "none"]
    if unknown := set(chosen) - SCENARIOS.keys():
        words.error(f"there is no scenario {min(unknown)}")
    place, start = scratch(), time.monotonic()
    try:
        bench = Bench(place, given.runs, given.scale, lambda text: print(text, flush=True))
        for name in chosen:
            for result in SCENARIOS[name](bench):
                result.save(results)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    found = load(results)
    if not found:
        raise SystemExit("nothing was measured")
    out.write_text(page(found, given.scale), encoding="utf-8")
    print(f"{out} is written, after {(time.monotonic() - start) / 60:.0f} minutes")
    for floor in floors(found):
        print(f"{floor.sign} {floor.text}: {floor.spelled(floor.measured)}, wanted {floor.bound}")


if __name__ == "__main__":
    main()
