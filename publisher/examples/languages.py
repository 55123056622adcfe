"""How an example is checked in its language: Python, shell, R. Each tells how, and with what result."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from publisher.examples import doubles, inside
from publisher.examples.interpreters import Interpreter, Interpreters, requirements
from publisher.examples.sandbox import TEMPORARY, Outcome, environment, run
from publisher.objects import Checked, How
from publisher.page.examples import Example

_R_PACKAGES = re.compile(r"^library\((\w+)\)|(\w+)::", re.MULTILINE)
_DATABASE = re.compile(r"-neo4j-\w+\.sh$")
_SCRIPT = {"python": "example.py", "bash": "example.sh", "r": "example.R"}


@dataclass(frozen=True, slots=True)
class Task:
    """One example to be checked, and what it takes.

    `text` is the example with the address where the release is read now; `beyond` says why it is not to be run; `files`
    is how many it must leave behind, where that is known.
    """

    example: Example
    text: str
    folder: Path
    pythons: Interpreters
    service: Mapping[str, Any]
    anonymous: bool
    given: Mapping[str, str]
    beyond: str = ""
    files: int = 0

    @property
    def script(self) -> Path:
        """The file that it is written to: outside of the folder that it is run in, which is empty."""
        return self.folder / _SCRIPT[self.example.language]

    @property
    def room(self) -> Path:
        """The empty folder that it is run in."""
        return self.folder / "room"

    @property
    def environment(self) -> dict[str, str]:
        """The environment that it is run with."""
        return environment(self.room, anonymous=self.anonymous, given=self.given)

    def run(self, *command: str, more: Mapping[str, str] | None = None) -> Outcome:
        """Run a command on it."""
        return run(command, self.room, self.environment | dict(more or {}))

    def told(self, how: How, seen: Outcome, *, why: str = "", by: str = "") -> Checked:
        """Return what became of it."""
        ok = seen.code == 0
        return Checked(self.example.name, how, ok, round(seen.seconds, 1), why if ok else seen.why, by)


def lacking() -> str:
    """Say which program is missing here that examples need to be read at all; "" where none is."""
    missing = [name for name in ("bash", "Rscript") if not shutil.which(name)]
    return f"{' and '.join(missing)} cannot be found (Debian: apt install bash r-base-core)" if missing else ""


def check(task: Task) -> Checked:
    """Check an example as well as it can be here: run, run against a stand-in, or parsed."""
    (task.room / TEMPORARY).mkdir(parents=True)
    task.script.write_text(task.text, encoding="utf-8")
    return {"python": _python, "bash": _shell, "r": _r}[task.example.language](task)


# Python


def _python(task: Task) -> Checked:
    try:
        ast.parse(task.text)
    except SyntaxError as error:
        return _bad(task, f"line {error.lineno}: {error.msg}")
    if task.beyond:
        return _parsed(task, task.beyond)
    python = task.pythons.having(requirements(task.text))
    if not python.program:
        return _parsed(task, python.why)
    if task.example.service:
        return _against_a_double(task, python)
    # Isolated: of this user's own settings and folders it knows nothing.
    return _counted(task, task.run(python.program, "-I", str(task.script)), python.packages)


def _against_a_double(task: Task, python: Interpreter) -> Checked:
    """Run an example of a service with its real client against a stand-in; without one, hold its calls against the client."""
    if not doubles.able():
        return _parsed(task, "stand-ins of services take publisher's extra 'check'")
    if not doubles.known(task.example.service):
        seen = _inside(task, python, {})
        return task.told("parsed", seen, why=f"it needs more than a stand-in; its calls fit {python.packages}")
    with doubles.running(task.example.service, task.service, task.folder) as double:
        seen = _inside(task, python, {double.host: double.port}, str(double.authority))
        if seen.code and double.unknown:
            asked = f"{seen.why} (the stand-in of {task.example.service} knows no {double.unknown[-1]})"
            return task.told("doubled", Outcome(seen.code, asked, seen.seconds))
    return task.told("doubled", seen, by=python.packages)


def _inside(task: Task, python: Interpreter, routes: Mapping[str, int], authority: str = "") -> Outcome:
    trust = {"REQUESTS_CA_BUNDLE": authority, "SSL_CERT_FILE": authority, "NO_PROXY": "*"} if authority else {}
    words = (str(Path(inside.__file__)), str(task.script), json.dumps(routes))
    return task.run(python.program, "-I", *words, more=trust)


# Shell


def _shell(task: Task) -> Checked:
    seen = task.run("bash", "-n", str(task.script))
    lines = [line for line in task.text.splitlines() if line.strip() and not line.startswith("#")]
    if seen.code or task.beyond:
        return task.told("parsed", seen, why=task.beyond)
    if task.example.service:
        return _parsed(task, "there is no stand-in of the service for the shell", seen)
    if _DATABASE.search(task.example.name):
        return _parsed(task, "it takes a database server of its own", seen)
    tools = dict.fromkeys(shlex.split(line)[0] for line in lines)
    path = task.environment["PATH"]
    if "gsutil" in tools and "STORAGE_EMULATOR_HOST" in task.given:
        return _parsed(task, "gsutil speaks https alone, and so to no emulator", seen)
    if missing := [tool for tool in tools if not shutil.which(tool, path=path)]:
        return _parsed(task, f"{', '.join(missing)} cannot be found here", seen)
    return _counted(task, task.run("bash", "-eu", str(task.script)))


# R


def _r(task: Task) -> Checked:
    if not shutil.which("Rscript"):
        return task.told("unchecked", Outcome(1, lacking(), 0))
    seen = task.run("Rscript", "--vanilla", "-e", "invisible(parse(commandArgs(TRUE)[1]))", str(task.script))
    if seen.code or task.beyond:
        return task.told("parsed", seen, why=task.beyond)
    if task.example.service:
        return _parsed(task, "there is no stand-in of the service for R", seen)
    packages = list(dict.fromkeys(one or other for one, other in _R_PACKAGES.findall(task.text)))
    asked = "; ".join(f"stopifnot(requireNamespace('{name}', quietly = TRUE))" for name in packages) or "TRUE"
    if task.run("Rscript", "--vanilla", "-e", asked).code:
        return _parsed(task, f"R has no package {', '.join(packages)} here", seen)
    return _counted(task, task.run("Rscript", "--vanilla", str(task.script)))


# What became of it


def _parsed(task: Task, why: str, seen: Outcome | None = None) -> Checked:
    return task.told("parsed", seen or Outcome(0, "", 0), why=why)


def _bad(task: Task, why: str) -> Checked:
    return task.told("parsed", Outcome(1, why, 0))


def _counted(task: Task, seen: Outcome, by: str = "") -> Checked:
    """Tell how a run went; one that copies must have left as many files as the artifact has objects."""
    copies = re.search(r"-(copy|part)-\w+\.\w+$", task.example.name)
    few = bool(copies) and (seen.files < 1 or (task.files and seen.files < task.files))
    if seen.code == 0 and few:
        wanted = f"{task.files:,}" if task.files else "at least 1"
        seen = Outcome(1, f"it left {seen.files:,} files behind, and {wanted} should have been copied", seen.seconds)
    return task.told("run", seen, by=by)
