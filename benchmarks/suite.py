"""Which data, which tools and which servers make up each scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks import builders, data, tools
from benchmarks.results import Result
from benchmarks.scenarios import FAR, INSTANT, SEAWEED, Bench, again, folder, large, many, uploads
from benchmarks.tools import Tool

SMALL, LABELS, LARGE_BYTES, FEW, MOST, MILLION, FILES = 10_000, 2_000, 2_000_000_000, 10_000, 200_000, 1_000_000, 20_000

_QUICK: tuple[Tool, ...] = (tools.publisher(), tools.s5cmd(64), tools.s5cmd(256))
_SLOW: tuple[Tool, ...] = (tools.aws("cp", "--recursive"), tools.cloud_files())
_ON = {
    SEAWEED: (*_QUICK, tools.rclone(32), tools.loop(8), tools.loop(16), tools.ceiling(16), *_SLOW),
    INSTANT: (*_QUICK, tools.rclone(32), tools.loop(4), tools.loop(8), tools.ceiling(16)),
    FAR: (*_QUICK, tools.rclone(256), tools.loop(256), tools.loop(flying=256), tools.ceiling(256)),
}


def small_objects(bench: Bench) -> Iterator[Result]:
    """(a) Many small objects, on each server."""
    with bench.folder("small") as place:
        source = data.chunks(place, bench.count(SMALL))
        for kind, ways in _ON.items():
            yield uploads(bench, f"a-{kind}", kind, source, ways, apart=kind == SEAWEED)


def packed_objects(bench: Bench) -> Iterator[Result]:
    """(b) Objects that need gzip."""
    ways = [
        tools.publisher(),
        tools.two_steps(tools.s5cmd(64)),
        tools.two_steps(tools.rclone(32)),
        tools.loop(8),
        tools.ceiling(16),
        tools.cloud_files(),
        tools.two_steps(tools.aws("cp", "--recursive")),
    ]
    with bench.folder("labels") as place:
        source = data.labels(place, bench.count(LABELS))
        yield uploads(bench, "b", SEAWEED, source, ways, gzip=True)


def large_file(bench: Bench) -> Iterator[Result]:
    """(c) One large file."""
    ways = [tools.publisher(), tools.s5cmd(64), tools.rclone(32), tools.loop(8), tools.ceiling(8), *_SLOW]
    with bench.folder("large") as place:
        yield large(bench, "c", data.one_file(place, bench.count(LARGE_BYTES)), ways)


def nothing_changed(bench: Bench) -> Iterator[Result]:
    """(d) Again, where everything is there already."""
    ways = [tools.publisher(), tools.s5cmd_sync(256), tools.rclone_again(32), tools.aws("sync")]
    for name, whole, make in (("d-few", FEW, data.chunks), ("d-many", MOST, data.linked_chunks)):
        with bench.folder(name) as place:
            yield again(bench, name, make(place, bench.count(whole)), ways)


def million(bench: Bench) -> Iterator[Result]:
    """Very many objects, to a server that forgets them."""
    with bench.folder("million") as place:
        yield many(bench, "million", data.linked_chunks(place, bench.count(MILLION), 2048))


def onto_a_folder(bench: Bench) -> Iterator[Result]:
    """A folder as the target."""
    with bench.folder("files") as place:
        yield folder(bench, "local", data.files(place, bench.count(FILES)))


SCENARIOS: dict[str, Callable[[Bench], Iterator[Result]]] = {
    "a": small_objects,
    "b": packed_objects,
    "c": large_file,
    "d": nothing_changed,
    "million": million,
    "local": onto_a_folder,
    "builders": builders.measured,
}
