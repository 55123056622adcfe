"""What publisher must reach beside the others, and what it does reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from benchmarks.results import Result, Sample
from benchmarks.tools import LOOP, PUBLISHER, RCLONE, S5CMD, TOOLS

MOST_MB = 300
BUILT_MB = 2_000
PARTS = 10  # of a long run: the last is held against the first
STEADY = 0.10

SERVERS = {
    "a-seaweedfs": "SeaweedFS",
    "a-instant": "a server that answers at once",
    "a-far": "the same, after 30 ms",
}


class Floor(NamedTuple):
    """A promise: `measured` must reach `wanted`, or stay below it where `most` is set."""

    text: str
    wanted: float
    measured: float
    most: bool = False
    unit: str = "times"

    @property
    def held(self) -> bool:
        """Whether it is kept."""
        return self.measured <= self.wanted if self.most else self.measured >= self.wanted

    @property
    def sign(self) -> str:
        """Return ✓ or ✗."""
        return "✓" if self.held else "✗"

    def spelled(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{value:,.0f} {self.unit}" if self.unit == "MB" else f"{value:.2f} {self.unit}"

    @property
    def bound(self) -> str:
        """Return what is wanted."""
        return f"{'≤' if self.most else '≥'} {self.spelled(self.wanted)}"


def floors(found: Mapping[str, Result]) -> list[Floor]:
    """Return the floors of all that was measured."""
    return [
        *(floor for name, where in SERVERS.items() if name in found for floor in _small(found[name], where)),
        *_faster(found.get("b"), 2.5, "(b) objects/s beside the best tool,", *TOOLS),
        *_faster(found.get("c"), 0.9, "(c) MB/s beside the best of all,", *TOOLS, LOOP),
        *_again(found.get("d-few"), 1.0, 1.0),
        *_again(found.get("d-many"), 3.0, 2.0),
        *_memory(found),
        *_steady(found.get("million")),
        *_built(found.get("builders-annotations"), "annotations"),
        *_built(found.get("builders-meshes"), "meshes"),
    ]


def _small(result: Result, where: str) -> Iterator[Floor]:
    least = 1.1 if result.name == "a-seaweedfs" else 1.5
    yield from _faster(result, least, f"(a) {where}: objects/s beside", S5CMD)
    yield from _faster(result, 0.8, f"(a) {where}: objects/s beside", LOOP)
    ours, theirs = result.of(PUBLISHER), result.of(S5CMD)
    if ours and theirs:
        share = ours[0].cpu / min(row.cpu for row in theirs)
        yield Floor(f"(a) {where}: client CPU an object beside s5cmd", 1.0, share, most=True)


def _faster(result: Result | None, least: float, text: str, *families: str) -> Iterator[Floor]:
    """Yield how many times as fast as the quickest of others publisher is."""
    ours, best = (result.quickest(PUBLISHER), result.quickest(*families)) if result else (None, None)
    if ours and best:
        yield Floor(f"{text} {best.label}", least, best.wall / ours.wall)


def _again(result: Result | None, beside_s5cmd: float, beside_rclone: float) -> Iterator[Floor]:
    what = f"(d) {result.objects:,} objects again: speed beside" if result else ""
    yield from _faster(result, beside_s5cmd, what, S5CMD)
    yield from _faster(result, beside_rclone, what, RCLONE)


def _memory(found: Mapping[str, Result]) -> Iterator[Floor]:
    peaks = [row.peak_mb for result in found.values() for row in result.of(PUBLISHER)]
    if peaks:
        yield Floor("highest memory of publisher in all of these", MOST_MB, max(peaks), most=True, unit="MB")


def _steady(result: Result | None) -> Iterator[Floor]:
    if result is None or len(stretches := parts(result.samples, result.objects)) < PARTS:
        return
    first, last = stretches[0], stretches[-1]
    text = f"{result.objects:,} objects, the last tenth beside the first"
    yield Floor(f"{text}: objects/s", 1 - STEADY, last.rate / first.rate)
    yield Floor(f"{text}: memory", 1 + STEADY, last.resident_mb / first.resident_mb, most=True)


def _built(result: Result | None, what: str) -> Iterator[Floor]:
    """Yield how time and memory grow where ten times as much is built as before."""
    if result is None or len(result.rows) < 2:  # noqa: PLR2004
        return
    before, last = result.rows[-2:]
    text = f"{last.count:,} {'points' if what == 'annotations' else 'faces'} of {what}"
    beside = f"{text}, beside {before.count:,}"
    yield Floor(f"{beside}: CPU of each", 1.3, last.cpu / last.count / (before.cpu / before.count), most=True)
    yield Floor(f"{beside}: memory", 1.3, last.peak_mb / before.peak_mb, most=True)
    yield Floor(f"{text}: memory", BUILT_MB, last.peak_mb, most=True, unit="MB")


class Part(NamedTuple):
    """A stretch of a long run: objects a second, and the most memory that was held."""

    puts: int
    rate: float
    resident_mb: float


def parts(samples: list[Sample], objects: int) -> list[Part]:
    """Cut a long run into stretches of as many objects each."""
    made = []
    for number in range(PARTS):
        start, end = objects * number // PARTS, objects * (number + 1) // PARTS
        inside = [sample.resident_mb for sample in samples if start < sample.puts <= end]
        times = _moment(samples, start), _moment(samples, end)
        if not inside or times[1] <= times[0]:
            return []
        made.append(Part(end, (end - start) / (times[1] - times[0]), max(inside)))
    return made


def _moment(samples: list[Sample], puts: int) -> float:
    """Return when so many were sent, by a straight line between the samples around it."""
    before = samples[0]
    for sample in samples:
        if sample.puts > puts or (puts and sample.puts == puts):
            share = (puts - before.puts) / (sample.puts - before.puts) if sample.puts > before.puts else 0.0
            return before.seconds + share * (sample.seconds - before.seconds)
        before = sample
    return samples[-1].seconds
