"""Which Python an example runs in: this one where it has what the example asks for, else a clean one that is made for it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

_ASKS = re.compile(r"^# pip install ((?:[A-Za-z0-9][A-Za-z0-9._-]* ?)+)$", re.MULTILINE)
_VERSIONS = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
_LIMIT_S = 900


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that has some packages: their versions by name, and why it cannot be had where `program` is "" ."""

    program: str
    versions: dict[str, str]
    why: str = ""

    @property
    def packages(self) -> str:
        """What it has, in words: pandas 2.3.3, pyarrow 21.0.0."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())


def requirements(text: str) -> tuple[str, ...]:
    """Return the packages that an example names in its first lines."""
    found = _ASKS.search(text)
    return tuple(found[1].split()) if found else ()


class Interpreters:
    """Finds or makes an interpreter for each set of packages, once."""

    def __init__(self, cache: Path | None = None) -> None:
        """Keep those that are made below `cache`: by default among what this user's programs keep."""
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._cache = cache or home / "publisher" / "environments"
        self._known: dict[tuple[str, ...], Interpreter] = {}
        self._lock = threading.Lock()

    def having(self, packages: tuple[str, ...]) -> Interpreter:
        """Return an interpreter that has these packages."""
        wanted = tuple(sorted(packages))
        with self._lock:
            if wanted not in self._known:
                self._known[wanted] = _found(sys.executable, wanted) or self._made(wanted)
            return self._known[wanted]

    def _made(self, packages: tuple[str, ...]) -> Interpreter:
        name = hashlib.sha256(f"{sys.version} {packages}".encode()).hexdigest()[:16]
        place = self._cache / name
        program = place / ("Scripts" if os.name == "nt" else "bin") / "python"
        if there := _found(str(program), packages):
            return there
        shutil.rmtree(place, ignore_errors=True)
        quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
        try:
            for command in (
                [sys.executable, "-m", "venv", str(place)],
                [str(program), "-m", "pip", "install", *quiet, *packages],
            ):
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT_S)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(place, ignore_errors=True)
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()
            return Interpreter(
                "", {}, f"{', '.join(packages)} cannot be installed here ({said[-1] if said else error})"
            )
        made = _found(str(program), packages)
        assert made is not None
        return made


def _found(program: str, packages: tuple[str, ...]) -> Interpreter | None:
    """Return an interpreter if it has these packages."""
    if not shutil.which(program):
        return None
    command = [program, "-I", "-c", _VERSIONS, *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - names of packages
    return Interpreter(program, json.loads(done.stdout)) if done.returncode == 0 else None
