"""One process, measured: the time until it ends, the processors' time of it and its children, its peak memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LONGEST_SECONDS = 3600.0  # for one process; then it is ended
WATCH_SECONDS = 0.25
SETTLE_SECONDS = 15.0  # to wait for a server to come to rest
REST = 0.05  # of a core
LOG_BYTES = 3000  # of what a process said before it failed

# What a process was before `exec` counts as its memory, too: so this small one starts it, and waits for it.
_STARTER = """
import json, os, sys, time
told = int(sys.argv[1])
os.set_inheritable(told, False)
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
os.write(told, b"%d\\n" % pid)
_, status, used = os.wait4(pid, 0)
seconds = time.perf_counter() - start
words = {"status": status, "wall": seconds, "cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}
os.write(told, json.dumps(words).encode())
"""


@dataclass(frozen=True)
class Measured:
    """What one process took.

    `peak_mb` is the largest of its processes; `others` the share of the machine that was busy with neither it nor the
    server: a run on a quiet machine has next to none.
    """

    wall: float
    cpu: float
    peak_mb: float
    server_cpu: float = 0.0
    others: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)  # seconds, as the process itself tells them


def alone(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Path,
    server: int | None = None,
    watch: Callable[[int], None] | None = None,
) -> Measured:
    """Run a command to its end and measure it.

    Args:
        command: the program and its words.
        env: its whole environment.
        log: takes what it says.
        server: the process that it talks to.
        watch: is called with its process id, again and again, while it runs.

    Raises:
        SystemExit: it failed; a benchmark of what does not work says nothing.

    """
    words = [str(word) for word in command]
    busy, served = _busy_seconds(), cpu_seconds(server)
    read, write = os.pipe()
    with log.open("wb") as out:
        starter = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _STARTER, str(write), *words],
            env=dict(env),
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=(write,),
            start_new_session=True,
        )
    os.close(write)
    with os.fdopen(read) as told:
        try:
            pid = int(told.readline() or 0)
            while watch and starter.poll() is None:
                watch(pid)
                time.sleep(WATCH_SECONDS)
            starter.wait(LONGEST_SECONDS)
        except BaseException:
            os.killpg(starter.pid, signal.SIGKILL)
            starter.wait()
            raise
        found = json.loads(told.read() or '{"status": 1}')
    if found.pop("status"):
        raise SystemExit(f"{words[0]} failed:\n{log.read_bytes()[-LOG_BYTES:].decode(errors='replace')}\n{words}")
    served = cpu_seconds(server) - served
    idle = _busy_seconds() - busy - served - found["cpu"]
    others = max(0.0, idle) / (found["wall"] * (os.cpu_count() or 1))
    return Measured(**found, server_cpu=served, others=others)


def settle(server: int) -> None:
    """Wait until a server has done what it does after its last answer."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        before, start = cpu_seconds(server), time.monotonic()
        time.sleep(0.4)
        if cpu_seconds(server) - before <= REST * (time.monotonic() - start):
            return


def resident_mb(pid: int) -> float:
    """Return the memory that a process holds now, 0 where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def cpu_seconds(pid: int | None) -> float:
    """Return the processors' time that a process has taken, 0 where nobody tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _busy_seconds() -> float:
    """Return the time in which processors were not idle, that which a hypervisor took from them among it."""
    try:
        fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    except OSError:
        return 0.0
    user, nice, system, _, _, interrupts, soft, stolen = map(int, fields)
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")
