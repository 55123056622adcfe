"""How each tool is called: with the options that make it quickest, and with its own checksums on."""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.data import Data
from tests.servers.null_s3 import NullS3
from tests.servers.s3 import S3Server

BUCKET = "bench"
HERE = Path(__file__).parent
CORES = os.cpu_count() or 1
PART_MB = 16

PUBLISHER, S5CMD, RCLONE, AWS, CLOUD_FILES = "publisher", "s5cmd", "rclone", "aws cli", "cloud-files"
LOOP, CEILING = "obstore loop", "load generator"
TOOLS = (S5CMD, RCLONE, AWS, CLOUD_FILES)  # what people would use instead

_RENAME = """
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        os.rename(f"{folder}/{name}", f"{folder}/{name}".removesuffix(".gz"))
"""


@dataclass(frozen=True)
class Job:
    """What is uploaded, and where to."""

    data: Data
    source: Path
    server: S3Server
    prefix: str
    scratch: Path  # for what a tool makes on the way; empty at first
    gzip: bool = False

    @property
    def place(self) -> str:
        """Return the bucket and the prefix."""
        return f"{BUCKET}/{self.prefix}"

    @property
    def env(self) -> dict[str, str]:
        """Return an environment that holds nothing of whoever runs the benchmark."""
        home = self.scratch / "home"
        found = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "TMPDIR": str(self.scratch)}
        return found | self.server.env | {"AWS_REGION": self.server.env["AWS_DEFAULT_REGION"]}


@dataclass(frozen=True)
class Tool:
    """A way to upload."""

    family: str
    label: str
    command: Callable[[Job], list[str]]
    env: Callable[[Job], dict[str, str]] = lambda _: {}
    once: bool = False  # it is slow, and runs a single time
    tells: bool = False  # it measures itself, and prints what it found


def program(name: str) -> str:
    """Return where a package of this Python put a program; its own, not a script that starts it."""
    package = importlib.util.find_spec(name)
    inside = Path(package.origin).parent / "bin" / name if package and package.origin else None
    if inside and inside.is_file():
        return str(inside)
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.is_file():
        raise SystemExit(f"{name} is not installed beside {sys.executable}: install the package's bench extra")
    return str(path)


def publisher() -> Tool:
    """Return the command whose time counts: to the commit record, with access left alone as all others leave it."""

    def command(job: Job) -> list[str]:
        words = [program("publisher"), "release", str(job.data.manifest), "--target", f"s3://{job.place}"]
        return [*words, "--until", "publish", "--no-access", "--quiet", "--json"]

    return Tool(PUBLISHER, "publisher release", command)


def s5cmd(workers: int) -> Tool:
    """Return s5cmd cp."""

    def command(job: Job) -> list[str]:
        large = ["--concurrency", "8", "--part-size", str(PART_MB)]
        how = [*large, *(["--content-encoding", "gzip"] if job.gzip else [])]
        return [*_s5cmd(job, workers), "cp", *how, f"{job.source}/", f"s3://{job.place}/"]

    return Tool(S5CMD, f"s5cmd cp, {workers} workers", command)


def s5cmd_sync(workers: int) -> Tool:
    """Return s5cmd sync, which compares size and time."""

    def command(job: Job) -> list[str]:
        return [*_s5cmd(job, workers), "sync", f"{job.source}/", f"s3://{job.place}/{job.data.key}/"]

    return Tool(S5CMD, f"s5cmd sync, {workers} workers", command)


def _s5cmd(job: Job, workers: int) -> list[str]:
    return [program("s5cmd"), "--endpoint-url", job.server.endpoint, "--log", "error", "--numworkers", str(workers)]


def rclone(transfers: int) -> Tool:
    """Return rclone copy into an empty place. A server that forgets has no checksums to compare."""

    def command(job: Job) -> list[str]:
        how = ["--no-check-dest", "--s3-no-head", "--s3-chunk-size", f"{PART_MB}M", "--s3-upload-concurrency", "8"]
        how += ["--header-upload", "Content-Encoding: gzip"] if job.gzip else []
        how += ["--ignore-checksum"] if isinstance(job.server, NullS3) else []
        return [*_rclone(transfers), *how, str(job.source), f"bench:{job.place}"]

    return Tool(RCLONE, f"rclone copy, {transfers} transfers", command, _rclone_env)


def rclone_again(checkers: int) -> Tool:
    """Return rclone copy --checksum, which reads every file and compares its MD5."""

    def command(job: Job) -> list[str]:
        how = ["--checksum", "--fast-list"]
        return [*_rclone(checkers), *how, str(job.source), f"bench:{job.place}/{job.data.key}"]

    return Tool(RCLONE, f"rclone copy --checksum --fast-list, {checkers} checkers", command, _rclone_env)


def _rclone(abreast: int) -> list[str]:
    count = str(abreast)
    config = ["--config", "", "--s3-no-check-bucket"]
    return [program("rclone"), "copy", *config, "--transfers", count, "--checkers", count]


def _rclone_env(job: Job) -> dict[str, str]:
    told = {"TYPE": "s3", "PROVIDER": "SeaweedFS", "ENV_AUTH": "true", "ENDPOINT": job.server.endpoint}
    return {f"RCLONE_CONFIG_BENCH_{name}": value for name, value in told.items()}


def aws(*words: str) -> Tool:
    """Return aws s3. It makes ten requests at once by itself; with more, and with its other client, it was slower."""

    def command(job: Job) -> list[str]:
        how = ["--only-show-errors", *(["--content-encoding", "gzip"] if job.gzip else [])]
        place = f"s3://{job.place}/{job.data.key}/" if "sync" in words else f"s3://{job.place}/"
        return [program("aws"), "s3", *words, *how, f"{job.source}/", place]

    def env(job: Job) -> dict[str, str]:
        config = job.scratch / "aws"
        config.write_text(f"[default]\ns3 =\n  multipart_chunksize = {PART_MB}MB\n")
        return {"AWS_CONFIG_FILE": str(config)}

    return Tool(AWS, f"aws s3 {' '.join(words)}", command, env, once=True)


def cloud_files() -> Tool:
    """Return cloudfiles cp, the only one of them that compresses by itself."""

    def command(job: Job) -> list[str]:
        packing = "gzip" if job.gzip else "none"
        place = f"s3://{job.server.endpoint}/{job.place}"
        return [program("cloudfiles"), "-p", str(CORES), "cp", "-r", "-c", packing, f"{job.source}/", place]

    session = {"AWS_SESSION_TOKEN": ""}  # it insists that there is one
    return Tool(CLOUD_FILES, f"cloudfiles cp, {CORES} processes", command, lambda _: session, once=True)


def loop(threads: int = 0, flying: int = 0) -> Tool:
    """Return the bare loop over obstore, in threads or in asyncio."""

    def command(job: Job) -> list[str]:
        how = ["--flying", str(flying)] if flying else ["--threads", str(threads)]
        how += ["--gzip"] if job.gzip else []
        return [sys.executable, str(HERE / "obstore_loop.py"), str(job.source), BUCKET, job.prefix, *how]

    return Tool(LOOP, f"bare obstore loop, {f'{flying} in asyncio' if flying else f'{threads} threads'}", command)


def ceiling(connections: int) -> Tool:
    """Return the load generator."""

    def command(job: Job) -> list[str]:
        how = ["--connections", str(connections), *(["--gzip"] if job.gzip else [])]
        return [sys.executable, str(HERE / "replay.py"), str(job.source), BUCKET, job.prefix, *how]

    return Tool(CEILING, f"load generator, {connections} connections", command, tells=True)


def two_steps(tool: Tool) -> Tool:
    """Return a tool with the step before it that compresses a copy, on all cores."""

    def command(job: Job) -> list[str]:
        copy = job.scratch / "gzipped"
        place = shlex.quote(str(copy))
        steps = [
            f"cp -r {shlex.quote(str(job.source))} {place}",
            f"find {place} -type f -print0 | xargs -0 -n 32 -P {CORES} gzip -6 -n",
            shlex.join([sys.executable, "-I", "-S", "-c", _RENAME, str(copy)]),
            f"exec {shlex.join(tool.command(replace(job, source=copy)))}",
        ]
        return ["sh", "-c", " && ".join(steps)]

    return replace(tool, label=f"gzip, then {tool.label}", command=command)
