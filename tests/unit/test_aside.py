"""Work in a copy of this process: its result, its progress, its errors, and what is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Tests run beside threads, which forbid a copy; so each case is a program of its own.
HEAD = """
import os, signal, sys, time
from publisher.aside import aside
from publisher.progress import SILENCE

class Shown:
    def step(self, name, objects=None, size_bytes=None):
        print("step", name, objects)
        return self
    def advance(self, objects, size_bytes):
        print("advance", objects)
"""


def ran(body: str, tmp_path: Path) -> tuple[int, list[str], str]:
    program = tmp_path / "program.py"
    program.write_text(HEAD + body)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.split("\n")[:-1], done.stderr


def test_it_is_done_on_another_core_and_its_progress_is_told(tmp_path: Path) -> None:
    code, said, errors = ran(
        """
def work(progress):
    meter = progress.step("health", 2)
    meter.advance(1, 0)
    return os.getpid()
with aside(work, Shown()) as result:
    there = result()
print(there != os.getpid())
try:
    os.kill(there, 0)
except ProcessLookupError:
    print("gone")
""",
        tmp_path,
    )
    assert (code, errors) == (0, "")
    assert said == ["step health 2", "advance 1", "True", "gone"]


@pytest.mark.parametrize("trouble", ["raise ValueError('bad')", "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)"])
def test_what_fails_there_is_done_here(trouble: str, tmp_path: Path) -> None:
    code, said, errors = ran(
        f"""
here = os.getpid()
def work(progress):
    if os.getpid() != here:
        {trouble}
    raise LookupError("here")
with aside(work, SILENCE) as result:
    try:
        result()
    except LookupError as error:
        print(error)
""",
        tmp_path,
    )
    assert (code, said, errors) == (0, ["here"], "")


def test_beside_other_threads_no_copy_is_made(tmp_path: Path) -> None:
    code, said, _ = ran(
        """
import threading
stop = threading.Event()
threading.Thread(target=stop.wait).start()
with aside(lambda _: os.getpid(), SILENCE) as result:
    print(result() == os.getpid())
stop.set()
""",
        tmp_path,
    )
    assert (code, said) == (0, ["True"])


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_it_does_not_outlive_this_process(end: str, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code, _, _ = ran(
        f"""
def work(progress):
    with open({str(note)!r}, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)
with aside(work, SILENCE):
    while not os.path.exists({str(note)!r}) or not os.path.getsize({str(note)!r}):
        time.sleep(0.01)
    {end}
""",
        tmp_path,
    )
    assert code in {3, -signal.SIGKILL}
    copy, patience = int(note.read_text()), time.monotonic() + 20
    while time.monotonic() < patience:
        try:
            os.kill(copy, 0)
        except ProcessLookupError:
            return
        if "\nState:\tZ" in Path(f"/proc/{copy}/status").read_text():
            return  # dead, and nobody has asked yet how it died
        time.sleep(0.05)
    pytest.fail("it lives on")


def test_it_holds_no_lock_that_was_held_when_it_began(tmp_path: Path) -> None:
    code, said, errors = ran(
        f"""
from contextlib import ExitStack
from pathlib import Path
from publisher.aside import copied
from publisher.work import only_one
read, write = os.pipe()
def work():
    os.write(write, b"!")
    time.sleep(60)
with ExitStack() as stack:
    with only_one(Path({str(tmp_path)!r})):
        stack.enter_context(copied(work))
        os.read(read, 1)
    with only_one(Path({str(tmp_path)!r})):
        print("free")
""",
        tmp_path,
    )
    assert (code, said, errors) == (0, ["free"], "")


def test_a_result_that_ends_in_the_middle_is_worked_out_here(tmp_path: Path) -> None:
    code, said, errors = ran(
        """
from threading import Timer
here = os.getpid()
def work(progress):
    if os.getpid() == here:
        return "here"
    Timer(0.3, os._exit, [9]).start()  # by then the pipe is full, and half of it is on its way
    return bytes(10_000_000)
with aside(work, SILENCE) as result:
    time.sleep(0.6)
    print(result())
""",
        tmp_path,
    )
    assert (code, said, errors) == (0, ["here"], "")


def test_where_nobody_hears_of_children_no_copy_is_made(tmp_path: Path) -> None:
    """As below a program that ignores SIGCHLD."""
    code, said, errors = ran(
        """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with aside(lambda _: os.getpid(), SILENCE) as result:
    print(result() == os.getpid())
""",
        tmp_path,
    )
    assert (code, said, errors) == (0, ["True"], "")
