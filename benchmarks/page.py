"""docs/performance.md, from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from benchmarks.floors import Floor, floors, parts
from benchmarks.results import FAMILY, Result, Row
from benchmarks.tools import CEILING, PUBLISHER

_INTRODUCTION = """\
# Performance

Written by `make bench`, which measures again and replaces this page. Seconds depend on the machine, ratios hardly do:
server and clients share its cores, so that against a server that works hard, the client that leaves it the most is
ahead. Everything is on loopback and in memory files: this compares programs, not disks or networks.

**How.** Every tool runs as a whole process, its start included, once in each round and in another order than in the
round before, while the server is otherwise idle. A run counts only where the server then has every object. Figures are
medians over the rounds, with the quickest and the slowest run in brackets; memory is the highest peak of any run, of
the tool's largest process; CPU is the tool's own and its children's, beside what the server's process took at the same
time. Slow tools run once (*n* = 1). *publisher = 1* is a tool's time over publisher's.

**What is compared.** publisher runs as `publisher release MANIFEST --target s3://… --until publish --no-access`, with
nothing remembered from an earlier run: it looks at every file, plans, refuses what must not be published, sends each
object with its headers, a checksum that the store holds it against (CRC32C, and SHA-256 in what is signed), and its
SHA-256 as metadata, and writes an inventory and a commit record. It works in as many processes as there are cores.
The others copy: they plan nothing, record nothing, and verify nothing afterwards. Each has its own
default checksums (of the signed payload, or MD5), and as many requests at once as serve it best among those shown.
*obstore loop* is `benchmarks/obstore_loop.py`: the library that publisher sends with, in the shortest loop there is,
with headers and SHA-256. *load generator* is `benchmarks/replay.py`: requests that were made and signed beforehand,
over bare sockets; signing is not in its time. It is what the server can do.
"""
_TITLES = {
    "a-seaweedfs": "(a) {objects:,} objects of 16 KB, to SeaweedFS",
    "a-instant": "(a) {objects:,} objects of 16 KB, to a server that answers at once",
    "a-far": "(a) {objects:,} objects of 16 KB, to a server that answers after 30 ms",
    "b": "(b) {objects:,} objects of {each:.0f} KB that need gzip, to SeaweedFS",
    "c": "(c) One file of {gigabytes:.1f} GB, to SeaweedFS",
    "d-few": "(d) Again, with nothing changed: {objects:,} objects",
    "d-many": "(d) Again, with nothing changed: {objects:,} objects",
    "million": "{objects:,} objects to a server that forgets them",
    "local": "{objects:,} files of 4 KB onto a folder",
    "builders-annotations": "Built: annotations, up to {objects:,} points",
    "builders-meshes": "Built: meshes of 10,000 faces, up to {objects:,} faces",
    "builders-mesh": "Built: one mesh, up to {objects:,} faces",
}
_NOTES = {
    "a-seaweedfs": "jpeg chunks of a precomputed volume, which are stored as they are.",
    "a-instant": (
        "The server keeps nothing, and tells every object the same checksum, so rclone runs with `--ignore-checksum`."
    ),
    "a-far": "What then counts is how much a client keeps in flight; the server takes any number.",
    "b": (
        "Chunks in compressed_segmentation. publisher and the loop compress with libdeflate, level 6, and cloudfiles with"
        " zlib, on the way; the others get a copy that `gzip -6` has compressed on all cores, and that time is"
        " theirs. For the load generator everything was compressed beforehand."
    ),
    "c": "Each has a server of its own. The load generator sends objects of 16 MB.",
    "d-few": (
        "publisher knows the files that it has sent by name, size, time and inode, and the store's listing by its digest;"
        " where either differs, it compares one by one, which is timed apart. s5cmd"
        " and aws compare size and time, rclone reads every file and compares MD5; they run on the objects that publisher"
        " has published. cloudfiles and the loop have no such thing."
    ),
    "d-many": "As above. The files are hard links to some hundreds, which all tools read from memory.",
    "million": (
        "Objects of 2 KB. What is held is looked at four times a second. The process starts, looks at all files and"
        " plans before the first of them is sent."
    ),
    "local": (
        "publisher looks at every file twice (once to plan, once to publish), hashes it, and writes it atomically; `cp`"
        " does none of that. Memory does not grow with the number of objects: `tests/contract/test_memory.py` holds"
        " the line."
    ),
    "builders-annotations": (
        "Points in clumps and in no order, with ids of 64 bits, two related bodies and two properties, from Parquet: by id,"
        " by relationship, and in space. Time should grow as their number does, and memory should not."
    ),
    "builders-meshes": (
        "PLY files to multi-resolution draco, in shards from 1,000 meshes on. One mesh is in memory at a time."
    ),
    "builders-mesh": "One PLY file, which is in memory as a whole: what a face takes there is what counts.",
}


def page(found: Mapping[str, Result], scale: float = 1) -> str:
    """Return the page."""
    tried = f"**This is a trial, {scale:g} of the size: what must be reached is not meant for it.**\n"
    blocks = [_INTRODUCTION, *([] if scale == 1 else [tried]), _conditions(found), _floors(floors(found))]
    blocks += [_scenario(found[name]) for name in _TITLES if name in found]
    return "\n".join(blocks)


def table_of_floors(floors: list[Floor]) -> Iterator[str]:
    """Yield a line for each floor."""
    yield from (
        f"| {floor.text} | {floor.bound} | {floor.spelled(floor.measured)} | {floor.sign} |" for floor in floors
    )


def _floors(found: list[Floor]) -> str:
    held = sum(floor.held for floor in found)
    rows = "\n".join(table_of_floors(found))
    return f"## What it must reach\n\n{held} of {len(found)} hold.\n\n| | wanted | measured | |\n|---|---|---|---|\n{rows}\n"


def _conditions(found: Mapping[str, Result]) -> str:
    results = list(found.values())
    machines = sorted({result.machine for result in results})
    versions: dict[str, set[str]] = {}
    for result in results:
        for name, version in result.versions.items():
            versions.setdefault(name, set()).add(version)
    told = ", ".join(f"{name} {' and '.join(sorted(each))}" for name, each in versions.items())
    dates = " to ".join(sorted({min(r.date for r in results), max(r.date for r in results)})) if results else "never"
    return f"**When and where.** {dates}, on {'; '.join(machines)}. {told}.\n"


def _scenario(result: Result) -> str:
    each, gigabytes = result.size_bytes / result.objects / 1e3, result.size_bytes / 1e9
    title = _TITLES[result.name].format(objects=result.objects, each=each, gigabytes=gigabytes)
    busy = f"other processes took {result.others:.0%} of the machine meanwhile"
    table = _built(result) if result.rows[0].family == FAMILY else _table(result)
    blocks = [f"## {title}", f"{_NOTES[result.name]} Measured on {result.date}; {busy}.", table]
    if result.rows[0].family == FAMILY:
        return "\n\n".join(blocks) + "\n"
    if steps := result.of(PUBLISHER)[0].steps:
        told = ", ".join(f"{step} {seconds:.2f} s" for step, seconds in steps.items())
        blocks.append(f"Of publisher's time: {told}; the rest is its start and its end.")
    if result.samples and (stretches := parts(result.samples, result.objects)):
        rows = "\n".join(f"| {part.puts:,} | {part.rate:,.0f} | {part.resident_mb:.0f} |" for part in stretches)
        blocks.append(f"| sent | objects/s since the row above | most MB held |\n|---|---|---|\n{rows}")
    if result.apart:
        told = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in result.apart.items())
        blocks.append(f"Timed apart, once: {told}.")
    return "\n\n".join(blocks) + "\n"


def _table(result: Result) -> str:
    """Return the table of a scenario; a column is left out where it says nothing."""
    columns = _columns(result)
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    for row in result.rows:
        name = f"**{row.label}**" if row.family == PUBLISHER else row.label
        lines.append([name, *(tell(row) for tell in columns.values())])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _built(result: Result) -> str:
    """Return the table of a builder, a row for each size."""
    noun = "point" if "annotations" in result.name else "face"
    lines = [f"| {noun}s | seconds | µs a {noun} | CPU µs a {noun} | peak MB | files | MB built | bytes a {noun} |"]
    lines.append("| --- " * 8 + "|")
    for row in result.rows:
        each = f"{row.wall / row.count * 1e6:.1f} | {row.cpu / row.count * 1e6:.1f}"
        built = f"{row.files:,} | {row.stored_bytes / 1e6:.1f} | {row.stored_bytes / row.count:.1f}"
        lines.append(f"| {row.count:,} | {row.wall:.2f} | {each} | {row.peak_mb:.0f} | {built} |")
    return "\n".join(lines)


def _columns(result: Result) -> dict[str, Callable[[Row], str]]:
    ours, top = result.of(PUBLISHER)[0].wall, result.of(CEILING)
    large = result.name == "c"
    amount = result.size_bytes / 1e6 if large else result.objects
    unit, share, scale = ("MB/s", "s", 1.0) if large else ("objects/s", "ms an object", 1e3 / amount)
    columns: dict[str, Callable[[Row], str]] = {
        "n": lambda row: str(len(row.runs)),
        "seconds": _seconds,
        unit: lambda row: f"{amount / row.wall:,.0f}",
    }
    if top:
        columns["of the ceiling"] = lambda row: f"{top[0].wall / row.wall:.2f}"
    if len(result.rows) > 1:
        columns["publisher = 1"] = lambda row: f"{row.wall / ours:.2f}"
    columns[f"CPU {share}"] = lambda row: f"{row.cpu * scale:.2f}"
    if result.name != "local":
        columns[f"server's CPU {share}"] = lambda row: f"{row.server_cpu * scale:.2f}"
    columns["peak MB"] = lambda row: f"{row.peak_mb:.0f}"
    if result.name == "b":
        columns["stored MB"] = lambda row: f"{row.stored_bytes / 1e6:.1f}"
    return columns


def _seconds(row: Row) -> str:
    if len(row.runs) == 1:
        return f"{row.wall:.2f}"
    walls = [run.wall for run in row.runs]
    return f"{row.wall:.2f} ({min(walls):.2f} to {max(walls):.2f})"
