"""Publishers as processes that may be killed: forked from one that has imported everything, so that hundreds are quick.

A child imports nothing and has used no store before it was forked: obstore's threads do not survive a fork.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import IO, Self

from tests.servers.s3 import environment
from tests.shop import PART_BYTES

LONGEST_SECONDS = 500  # for one publisher

_CODE = """
import faulthandler, json, os, signal, sys, traceback
from pathlib import Path
import boto3, obstore, pyarrow.parquet
from publisher import pipeline
from publisher.errors import PublisherError
from publisher.targets import lock, parts
from publisher.targets.s3 import target, uploads

faulthandler.register(signal.SIGUSR1)  # tells where each thread is
uploads.PART_BYTES = parts.PART_BYTES = int(sys.argv[1])
for name, seconds in json.loads(sys.argv[2]).items():
    setattr(lock, name, seconds)
for line in sys.stdin:
    manifest, to = json.loads(line)
    child = os.fork()
    if not child:
        code = 1
        try:
            pipeline.release(Path(manifest), to, until="publish", access=False)
            code = 0
        except PublisherError as error:
            print(error, file=sys.stderr)
            code = error.exit_code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass
class Nursery:
    """Runs `publisher release --until publish`, one at a time; what they say goes to the file `said`."""

    endpoint: str
    said: Path
    lock: Mapping[str, float] = field(default_factory=dict)  # LEASE_SECONDS and its like, where they must be short
    _child: Future[int] = field(default_factory=Future)

    def __enter__(self) -> Self:
        self._file: IO[bytes] = self.said.open("wb")
        command = [sys.executable, "-c", _CODE, str(PART_BYTES), json.dumps(dict(self.lock))]
        env = os.environ | environment(self.endpoint) | {"AWS_CONFIG_FILE": os.devnull + "/none"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._file}
        self._process = subprocess.Popen(command, env=env, text=True, start_new_session=True, **pipes)
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)  # also a publisher that was stopped
        self._process.communicate()
        self._file.close()

    @property
    def pid(self) -> int:
        """The publisher that runs, once there is one."""
        return self._child.result(timeout=60)

    def begin(self, manifest: Path, to: str) -> None:
        """Have a publisher run, whose `pid` is then known."""
        assert self._process.stdin
        self._child = Future()
        self._process.stdin.write(f"{json.dumps([str(manifest), to])}\n")
        self._process.stdin.flush()
        self._child.set_result(self._heard())

    def end(self) -> int:
        """Wait until it has ended; return its exit code."""
        return self._heard()

    def _heard(self) -> int:
        assert self._process.stdout
        limit = Timer(LONGEST_SECONDS, self._give_up)
        limit.start()
        line = self._process.stdout.readline()
        limit.cancel()
        assert line, f"the publisher has not ended within {LONGEST_SECONDS} s: {self.said.read_text()}"
        return int(line)

    def _give_up(self) -> None:
        if self._child.done():
            self.signal(signal.SIGUSR1)
            time.sleep(1)
        os.killpg(self._process.pid, signal.SIGKILL)

    def publish(self, manifest: Path, to: str) -> int:
        """Have a publisher run, and return its exit code."""
        self.begin(manifest, to)
        return self.end()

    def signal(self, number: signal.Signals) -> None:
        """Send the publisher that runs a signal."""
        os.kill(self.pid, number)
