"""Every error that a user can meet, as one tree. The exit code belongs to the error, the sentence to the problem."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong: where (file:line:column, path or key), what, and what to do about it."""

    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} → {self.hint}" if self.hint else text


class PublisherError(Exception):
    """Base of all errors that are meant for users: one or more problems, never a traceback."""

    exit_code: ClassVar[int] = 1
    headline: ClassVar[str] = "publisher stopped"

    def __init__(self, problems: Iterable[Problem] | Problem | str, **counts: int) -> None:
        """Take one sentence, one problem or all of them; and numbers, for programs that read the result."""
        self.counts = counts
        if isinstance(problems, str):
            problems = Problem("", problems)
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InvalidInput(PublisherError):
    """The manifest, a source or the command's words are wrong; nothing was written."""

    exit_code = 2
    headline = "This cannot go on as it is; nothing was written"


class Incomplete(PublisherError):
    """Some objects failed; nothing was committed, and running again sends only those."""

    exit_code = 3
    headline = "The release is incomplete; nothing was committed. Run the same command again"


class Unbuilt(InvalidInput):
    """A template, a page or a picture is wrong; found when the release was live already."""

    headline = "The release is as it was; its site cannot be built as it is"


class Unhosted(PublisherError):
    """Some files of the site could not be stored; the release itself is live, and running again sends the rest."""

    exit_code = 3
    headline = "The release is live, but its site is not all there. Run the same command again"


class LocalTrouble(PublisherError):
    """This machine: a full disk, an unreadable file, a source that changed while it was read."""

    exit_code = 4
    headline = "Stopped by this machine; nothing was committed"


class Conflict(PublisherError):
    """What is asked would change a published final release, or what somebody else owns."""

    exit_code = 5
    headline = "A published final release never changes; nothing was written"


class Locked(PublisherError):
    """Another publisher is at work on the same release."""

    exit_code = 6
    headline = "Another publisher is at work here"


class Damaged(PublisherError):
    """What is live is not what was published; a finding that leaves nothing else to look at."""

    exit_code = 8
    headline = "What is live is damaged"


class Exposed(PublisherError):
    """What is to be private can be read by strangers, and this role cannot shut it."""

    exit_code = 7
    headline = "This target is to be private, and strangers may read it; nothing was written"


class Unreachable(PublisherError):
    """The target does not answer, refuses, or does not know our credentials."""

    exit_code = 7
    headline = "The target cannot be reached"
