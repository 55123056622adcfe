"""The scenarios: what is measured, on which server, beside which tools.

In each round every tool runs once, in another order than in the round before, on a server that does nothing else. A run
counts only where the server has everything afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import data, tools
from benchmarks.data import Data
from benchmarks.measure import Measured, alone, resident_mb, settle
from benchmarks.results import Result, Row, Sample
from benchmarks.tools import BUCKET, PUBLISHER, Job, Tool
from tests.servers import s3
from tests.servers.null_s3 import NullS3
from tests.servers.s3 import S3Server
from tests.servers.seaweed import Seaweed

SEAWEED, INSTANT, FAR = "seaweedfs", "instant", "far"
DELAY_SECONDS = 0.03
WARM_BYTES, WARM, WARM_ABREAST = 16_384, 200, 8  # what a server takes before it is measured

Say = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """What all scenarios are given."""

    scratch: Path
    runs: int
    scale: float
    say: Say

    def count(self, whole: int) -> int:
        """Return how many, scaled."""
        return max(1, round(whole * self.scale))

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """Return a folder that is not there yet, and is gone afterwards."""
        path = self.scratch / name
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def server(self, kind: str) -> Iterator[S3Server]:
        """Start a server; it has taken a few objects when it is handed out."""
        with self.folder("server") as folder:
            server = Seaweed(folder) if kind == SEAWEED else NullS3(folder, DELAY_SECONDS if kind == FAR else 0)
            with server:
                server.bucket(BUCKET)
                store = s3.store(server.endpoint, BUCKET)
                with ThreadPoolExecutor(WARM_ABREAST) as pool:
                    list(pool.map(lambda number: store.put(f"warm/{number}", bytes(WARM_BYTES)), range(WARM)))
                yield server

    def run(self, tool: Tool, job: Job, watch: Callable[[int], None] | None = None) -> Measured:
        """Run a tool once, in a scratch folder that is empty, while the server is at rest."""
        shutil.rmtree(job.scratch, ignore_errors=True)
        (job.scratch / "home").mkdir(parents=True)
        log = job.scratch / "log"
        settle(job.server.pid)
        env = job.env | tool.env(job)
        measured = alone(tool.command(job), env=env, log=log, server=job.server.pid, watch=watch)
        if tool.tells:
            measured = replace(measured, **_told(log))
        if tool.family == PUBLISHER:
            measured = replace(measured, steps=_told(log)["seconds"])
        steps = "".join(f", {step} {seconds:.2f} s" for step, seconds in measured.steps.items())
        self.say(f"  {tool.label}: {measured.wall:.2f} s, {measured.cpu:.2f} s CPU, {measured.peak_mb:.0f} MB{steps}")
        return measured


def _told(log: Path) -> dict[str, Any]:
    """Return the JSON that a process ended with."""
    return json.loads(log.read_text(encoding="utf-8").splitlines()[-1])  # type: ignore[no-any-return]


def in_turn(bench: Bench, ways: Sequence[Tool], rounds: Callable[[int], Iterator[Callable[[Tool], Row]]]) -> list[Row]:
    """Run each way once a round, in another order each time; return the rows in the order of the ways."""
    rows = {way.label: Row(way.family, way.label) for way in ways}
    for number in range(bench.runs):
        shift = number % len(ways)
        order = (*ways[shift:], *ways[:shift])[:: -1 if number % 2 else 1]
        for run in rounds(number):
            for way in order:
                if way.once and number:
                    continue
                row = run(way)
                rows[way.label].runs += row.runs
                rows[way.label].stored_bytes = row.stored_bytes
    return [row for row in rows.values() if row.runs]


def uploads(
    bench: Bench, name: str, kind: str, source: Data, ways: Sequence[Tool], *, gzip: bool = False, apart: bool = False
) -> Result:
    """Upload a source to a fresh prefix with each tool; publisher knows nothing of it beforehand."""
    bench.say(f"{name}: {source.objects:,} objects, {source.size_bytes / 1e6:,.0f} MB")
    steps: dict[str, float] = {}

    def once(server: S3Server, number: int, way: Tool) -> Row:
        prefix = f"{number}/{ways.index(way)}"
        job = Job(source, source.source, server, prefix, bench.scratch / "tool", gzip)
        shutil.rmtree(source.folder / ".publisher", ignore_errors=True)
        before = server.stats["puts"] if isinstance(server, NullS3) else 0
        measured = bench.run(way, job)
        stored = _check(job, before)
        if apart and way.family == PUBLISHER and not number:
            steps.update(_steps_apart(bench, job))
        return Row(way.family, way.label, [measured], stored)

    def rounds(number: int) -> Iterator[Callable[[Tool], Row]]:
        with bench.server(kind) as server:
            yield lambda way: once(server, number, way)

    rows = in_turn(bench, ways, rounds)
    return Result(name, source.objects, source.size_bytes, rows, apart=steps)


def large(bench: Bench, name: str, source: Data, ways: Sequence[Tool]) -> Result:
    """Upload a large file with each tool, each to a server of its own: memory does not hold them all."""
    bench.say(f"{name}: {source.size_bytes / 1e6:,.0f} MB")

    def once(way: Tool) -> Row:
        with bench.server(SEAWEED) as server:
            job = Job(source, source.source, server, "large", bench.scratch / "tool")
            shutil.rmtree(source.folder / ".publisher", ignore_errors=True)
            measured = bench.run(way, job)
            return Row(way.family, way.label, [measured], _check(job, 0))

    rows = in_turn(bench, ways, lambda _: iter([once]))
    return Result(name, source.objects, source.size_bytes, rows)


def again(bench: Bench, name: str, source: Data, ways: Sequence[Tool]) -> Result:
    """Publish once, then run each tool on what is there already: nothing is written, which is checked."""
    bench.say(f"{name}: {source.objects:,} objects that are there")
    with bench.server(SEAWEED) as server:
        job = Job(source, source.source, server, "again", bench.scratch / "tool")
        first = bench.run(tools.publisher(), job)
        _check(job, 0)
        before = _listing(server, f"again/{source.key}/")

        def once(way: Tool) -> Row:
            row = Row(way.family, way.label, [bench.run(way, job)])
            if _listing(server, f"again/{source.key}/") != before:
                raise SystemExit(f"{way.label} has written something")
            return row

        rows = in_turn(bench, ways, lambda _: iter([once]))
        info = source.source / "info"
        written = info.read_bytes()
        info.unlink()
        info.write_bytes(written)
        compared = bench.run(tools.publisher(), job)
        if _listing(server, f"again/{source.key}/") != before:
            raise SystemExit("publisher has written something")
    apart = {"first publication": first.wall, "again, where one file was written anew": compared.wall}
    return Result(name, source.objects, source.size_bytes, rows, apart=apart)


def many(bench: Bench, name: str, source: Data) -> Result:
    """Publish very many objects to a server that forgets them; look at the pace and the memory on the way."""
    bench.say(f"{name}: {source.objects:,} objects")
    samples: list[Sample] = []
    with bench.server(INSTANT) as server:
        assert isinstance(server, NullS3)
        job = Job(source, source.source, server, "many", bench.scratch / "tool")
        start, before = time.monotonic(), server.stats["puts"]

        def watch(pid: int) -> None:
            samples.append(Sample(time.monotonic() - start, server.stats["puts"] - before, resident_mb(pid)))

        way = tools.publisher()
        row = Row(way.family, way.label, [bench.run(way, job, watch)])
        _check(job, before)
    return Result(name, source.objects, source.size_bytes, [row], samples)


def folder(bench: Bench, name: str, source: Data) -> Result:
    """Publish onto a folder, beside the system's own copy."""
    bench.say(f"{name}: {source.objects:,} files")
    public, copied = bench.scratch / "public", bench.scratch / "copied"
    release = [tools.program("publisher"), "release", str(source.manifest), "--target", str(public)]
    release += ["--until", "publish", "--quiet"]
    again_label = "publisher release again, nothing changed"
    hashed = f'cp -r "{source.source}" "{copied}" && find "{copied}" -type f -print0 | xargs -0 sha256sum'
    ways = {
        "publisher release": release,
        again_label: release,
        "cp -r": ["cp", "-r", str(source.source), str(copied)],
        "cp -r, and sha256sum of every file": ["sh", "-c", hashed],
    }
    rows = {label: Row(PUBLISHER if label.startswith("publisher") else "cp", label) for label in ways}
    env = {"PATH": os.environ["PATH"], "HOME": str(bench.scratch), "LC_ALL": "C.UTF-8", "TMPDIR": str(bench.scratch)}
    for _ in range(bench.runs):
        shutil.rmtree(public, ignore_errors=True)
        shutil.rmtree(source.folder / ".publisher", ignore_errors=True)
        for label, command in ways.items():
            shutil.rmtree(copied, ignore_errors=True)
            rows[label].runs.append(alone(command, env=env, log=bench.scratch / "log"))
            bench.say(f"  {label}: {rows[label].runs[-1].wall:.2f} s")
    shutil.rmtree(public)
    shutil.rmtree(copied)
    return Result(name, source.objects, source.size_bytes, list(rows.values()))


def _check(job: Job, puts_before: int) -> int:
    """Return how many bytes were stored; end the benchmark where objects are missing."""
    server = job.server
    if isinstance(server, NullS3):
        stats = server.stats
        found, size = stats["puts"] - puts_before, 0
    else:
        listed = _listing(server, f"{job.prefix}/")
        found, size = len(listed), sum(entry[1] for entry in listed)
        if job.gzip:
            key = next(entry[0] for entry in listed if f"/{data.SCALE}/" in entry[0])
            if server.ask("HEAD", f"{BUCKET}/{key}").headers.get("content-encoding") != "gzip":
                raise SystemExit(f"{key} has no Content-Encoding: gzip")
        elif size < job.data.size_bytes:
            raise SystemExit(f"{size:,} bytes were stored of {job.data.size_bytes:,}")
    if found < job.data.files:
        raise SystemExit(f"{found:,} objects were stored of {job.data.files:,}")
    return size


def _listing(server: S3Server, prefix: str) -> list[tuple[str, int, str, str]]:
    pages = s3.store(server.endpoint, BUCKET).list(prefix, chunk_size=10_000)
    told = ((one["path"], one["size"], one["e_tag"] or "", str(one["last_modified"])) for page in pages for one in page)
    return sorted(told)


def _steps_apart(bench: Bench, job: Job) -> dict[str, float]:
    """Return the seconds of verifying and of building the site, which follow publishing where nobody stops it."""
    command = [tools.program("publisher"), "release", str(job.data.manifest), "--target", f"s3://{job.place}"]
    command += ["--no-access", "--quiet", "--json"]
    done = subprocess.run(command, env=job.env, cwd=job.scratch, capture_output=True, text=True, check=False)
    if done.returncode:
        bench.say(f"  verify and site were not timed: {done.stderr[-500:]}{done.stdout[-500:]}")
        return {}
    seconds: dict[str, float] = json.loads(done.stdout)["seconds"]
    return {step: seconds[step] for step in ("verify", "site")}
