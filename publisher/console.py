"""What people see: tables, progress and errors on a terminal, a line now and then in a log, one JSON object for programs."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from publisher.annotations import command
from publisher.errors import LocalTrouble, Problem, PublisherError
from publisher.progress import SILENCE, Meter, Progress
from publisher.words import count, size

if TYPE_CHECKING:  # what is quiet need not wait for it
    from rich.console import Console
    from rich.progress import Progress as Bars

LOG_SECONDS = 30  # between two lines of progress where nobody watches a terminal
INTERRUPTED = 130


@dataclass
class Screen:
    """One command's output. With `as_json`, standard output holds the result alone and all else goes to standard error."""

    as_json: bool = False
    quiet: bool = False
    result: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def _out(self) -> Console:
        return self._err if self.as_json else _console()

    @cached_property
    def _err(self) -> Console:
        return _console(stderr=True)

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line for people, unless they asked for quiet."""
        if not self.quiet:
            self._out.print(_escaped(text), style=style)

    def show(self, text: str) -> None:
        """Print what was asked for, quiet or not; a program that reads JSON has it there."""
        if not self.as_json:
            sys.stdout.write(f"{text}\n")

    def warn(self, problems: Iterable[Problem]) -> None:
        """Print warnings."""
        if self.quiet:
            return
        problems = tuple(problems)
        for problem in problems:
            self._err.print(f"[yellow]warning[/] {_escaped(str(problem))}")
        _annotate("warning", problems, "publisher")

    def finish(self, **result: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Print the result for programs."""
        self.result |= result
        if self.as_json:
            sys.stdout.write(json.dumps(self.result, ensure_ascii=False) + "\n")
            sys.stdout.flush()

    def fail(self, error: PublisherError, code: int | None = None) -> None:
        """Say what is wrong: a headline, and every problem with its place."""
        self._err.print(
            f"[bold red]{_escaped(error.headline)}[/]"
            + (f" ({count(len(error.problems), 'problem')})" if len(error.problems) > 1 else "")
        )
        for problem in error.problems:
            self._err.print(f"  {_escaped(str(problem))}")
        _annotate("error", error.problems, error.headline)
        problems = [{"where": p.where, "message": p.message, "hint": p.hint} for p in error.problems]
        code = error.exit_code if code is None else code
        self.finish(**error.counts, error=error.headline, problems=problems, exit=code)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show progress as bars on a terminal, as lines in a log, and not at all where quiet is asked for."""
        if self.quiet:
            yield SILENCE
        elif self._err.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
            from rich.progress import Progress as Bars  # noqa: PLC0415

            columns = (
                TextColumn("{task.description:>8}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[size]}"),
                TimeElapsedColumn(),
            )
            with Bars(*columns, console=self._err, transient=True) as bars:
                yield _Terminal(bars)
        else:
            yield _Log(self._err)


def _console(*, stderr: bool = False) -> Console:
    """Open a console; text never wraps in a log, so that addresses stay whole."""
    from rich.console import Console  # noqa: PLC0415 - as above

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def _escaped(text: str) -> str:
    from rich.markup import escape  # noqa: PLC0415 - as above

    return escape(text)


def _annotate(level: Literal["error", "warning"], problems: Iterable[Problem], title: str) -> None:
    """Where GitHub runs this, let it show the problems in the pull request; it reads standard error, too."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        workspace = os.environ.get("GITHUB_WORKSPACE", "")
        for problem in problems:
            sys.stderr.write(f"{command(level, problem, title, workspace)}\n")


class _Terminal:
    """Bars."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def step(self, name: str, objects: int | None = None, size_bytes: int | None = None) -> Meter:
        del size_bytes
        return _Bar(self._bars, self._bars.add_task(name, total=objects, size=""))


class _Bar:
    def __init__(self, bars: Bars, task: Any) -> None:  # noqa: ANN401 - rich's TaskID
        self._bars, self._task, self._bytes = bars, task, 0

    def advance(self, objects: int, size_bytes: int) -> None:
        self._bytes += size_bytes
        self._bars.update(self._task, advance=objects, size=size(self._bytes) if self._bytes else "")


class _Log:
    """A line every half minute."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def step(self, name: str, objects: int | None = None, size_bytes: int | None = None) -> Meter:
        del size_bytes
        return _Lines(self._console, name, objects)


class _Lines:
    def __init__(self, console: Console, name: str, total: int | None) -> None:
        self._console, self._name, self._total = console, name, total
        self._objects, self._bytes, self._next = 0, 0, monotonic() + LOG_SECONDS
        self._lock = threading.Lock()

    def advance(self, objects: int, size_bytes: int) -> None:
        with self._lock:
            self._objects, self._bytes = self._objects + objects, self._bytes + size_bytes
            if monotonic() < self._next:
                return
            self._next = monotonic() + LOG_SECONDS
        of = f" of {self._total:,}" if self._total else ""
        self._console.print(f"{self._name}: {self._objects:,}{of} objects, {size(self._bytes)}")


@contextmanager
def guarded(screen: Screen) -> Iterator[None]:
    """Turn every error into sentences and its exit code; a traceback is for developers who ask for one."""
    try:
        yield
    except PublisherError as error:
        screen.fail(error)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        interrupted = PublisherError(Problem("", "interrupted", "run the same command again, it goes on from here"))
        screen.fail(interrupted, INTERRUPTED)
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        trouble = LocalTrouble(Problem(str(error.filename or ""), error.strerror or str(error), ""))
        screen.fail(trouble)
        raise SystemExit(trouble.exit_code) from None
    except Exception as error:
        if "PUBLISHER_DEBUG" in os.environ:
            raise
        message = f"{type(error).__name__}: {error}"
        screen.fail(
            PublisherError(
                Problem("", message, "this is a mistake of publisher's; run with PUBLISHER_DEBUG=1 and report it")
            )
        )
        raise SystemExit(1) from None
