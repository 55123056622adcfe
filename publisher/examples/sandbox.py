"""A clean place to run an example in: an empty folder that is its home too, hardly any environment, and a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 600
SHOWN = 300  # characters of what a failed example said
_NETWORK = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "LANG",
    "TZ",
)
_CREDENTIALS = ("AWS_", "GOOGLE_", "CLOUDSDK_", "RCLONE_")
TEMPORARY = ".tmp"  # below an example's home
_CODE_OF_TIMEOUT = 124  # as coreutils' timeout has it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command came to: its exit code, what it said, how long it took, and how many files it left."""

    code: int
    said: str
    seconds: float
    files: int = 0

    @property
    def why(self) -> str:
        """What it said last, on one line, which names the trouble in all languages that examples are in."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip(" ^~")]
        marked = next((at for at, line in enumerate(lines) if line.startswith("Error")), None)  # where R begins to tell
        told = " ".join(lines[-2:])[-SHOWN:] if marked is None else " ".join(lines[marked:])[:SHOWN]
        return told or f"it ended with exit code {self.code} and said nothing"


def environment(home: Path, *, anonymous: bool, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of somebody who has just sat down: a path, the network, and credentials where they are due.

    Emulators of stores are named by one variable for publisher, and by others for each reader.
    """
    names = [name for name in given if name.upper() in _NETWORK]
    if not anonymous:
        names += [name for name in given if name.startswith(_CREDENTIALS)]
    clean = {name: given[name] for name in names}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{given.get('PATH', os.defpath)}"
    clean |= {"HOME": str(home), "TMPDIR": str(home / TEMPORARY), "CLOUDSDK_CONFIG": str(home / ".gcloud")} | clean
    if anonymous:
        nothing = str(home / ".nobody")
        clean |= {
            "AWS_CONFIG_FILE": nothing,
            "AWS_SHARED_CREDENTIALS_FILE": nothing,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        clean["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = "true"
    if emulator := given.get("STORAGE_EMULATOR_HOST", "").rstrip("/"):
        clean |= {
            "TENSORSTORE_GCS_HTTP_URL": emulator,
            "CLOUD_STORAGE_EMULATOR_ENDPOINT": emulator,
            "RCLONE_GCS_ENDPOINT": f"{emulator}/storage/v1/",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{emulator}/storage/v1/",
        }
    return clean


def run(command: Sequence[str], folder: Path, env: Mapping[str, str], limit_s: float = LIMIT_S) -> Outcome:
    """Run a command in a folder; end it, and all that it started, when its time is up."""
    before, started = _files(folder), time.monotonic()
    with subprocess.Popen(  # noqa: S603 - examples are there to be run, and whoever asks for it is told so
        command,
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            said = process.communicate(timeout=limit_s)[0].decode(errors="replace")
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return Outcome(_CODE_OF_TIMEOUT, f"it was not done after {limit_s:g} s", time.monotonic() - started)
    return Outcome(process.returncode, said, time.monotonic() - started, _files(folder) - before)


def _files(folder: Path) -> int:
    """Count what lies below a folder, but for what tools keep for themselves."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sum(1 for name in names if not name.parts[0].startswith("."))
