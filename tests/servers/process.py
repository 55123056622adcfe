"""A server as a process of its own: on a free port of this machine, and gone when the tests are, however they end."""

from __future__ import annotations

import atexit
import http.client
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Self

HOST = "127.0.0.1"

# Between the ports that programs are known by and those that Linux hands out for connections. Each process of a test
# run begins elsewhere, so that two of them do not take the same free port at once.
_PORTS = range(20_000, 32_000)
_PORTS_A_PROCESS = 48

# The kernel ends the server with the thread that started it, be that by SIGKILL; the signal survives exec. A fork hook
# in the test process would do the same, but Python code between fork and exec is unsafe beside other threads.
_LEASH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the tests are over")
os.execv(sys.argv[2], sys.argv[2:])
"""


def _ports() -> Iterator[int]:
    start = os.getpid() * _PORTS_A_PROCESS % len(_PORTS)
    for port in chain(_PORTS[start:], _PORTS[:start]):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        yield port


_free = _ports()


def free_port() -> int:
    """Return a port that nothing listens on, another one each time."""
    return next(_free)


def installed(program: str) -> str:
    """Return where a package of this Python put its program."""
    path = shutil.which(program, path=sysconfig.get_path("scripts"))
    assert path, f"{program} is not installed beside {sys.executable}: install the package's dev extra"
    return path


class Server(ABC):
    """A process that answers HTTP at `endpoint`, with all that it keeps below `folder`.

    Start it from a thread that lives as long as it is needed: the server ends with its thread.
    """

    seconds = 60.0  # to start in; a machine that does much else is slow

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.started_in = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def data(self) -> Path:
        """Where the server works and keeps what it is given; gone once it stops."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def environment(self) -> dict[str, str]:
        """What the process finds in its environment, besides what the tests have."""
        return {}

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def ready(self) -> bool:
        """Whether the server does its work, not just listens."""

    def status(self, path: str = "/") -> int | None:
        """Return what the server answers to a GET; None while nobody listens."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def start(self) -> Self:
        began = time.monotonic()
        self.data.mkdir(parents=True)
        leashed = [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *self.command()]
        environment = os.environ | self.environment
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                leashed,
                cwd=self.data,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which then stops its servers
            )
        atexit.register(self.stop)
        try:
            while not self.ready():
                self._check(began)
                time.sleep(0.02)
        except BaseException:
            self.stop()
            raise
        self.started_in = time.monotonic() - began
        return self

    def _check(self, began: float) -> None:
        assert self._process
        code = self._process.poll()
        if code is not None or time.monotonic() - began > self.seconds:
            what = "does not answer" if code is None else f"ended with {code}"
            raise RuntimeError(f"{type(self).__name__} {what}. The end of its log:\n{self.log[-4000:]}")

    def stop(self) -> None:
        """End it at once: what it holds is of no use to anybody, and some take seconds to say goodbye."""
        atexit.unregister(self.stop)
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        shutil.rmtree(self.data, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
