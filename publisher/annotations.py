"""Problems as GitHub's workflow commands, which show each at its line of the pull request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from publisher.errors import Problem

_PLACE = re.compile(r"(?P<file>[^\n]+):(?P<line>[1-9]\d*):(?P<col>[1-9]\d*)")


def command(level: Literal["error", "warning"], problem: Problem, title: str, workspace: str = "") -> str:
    """Return the command, without a line's end, that shows a problem.

    GitHub wants paths relative to `workspace`, the folder of the checkout; where that is not known, the path stays as
    it is. A problem whose place is not file:line:column is shown without a file, and says its place in words.
    """
    match = _PLACE.fullmatch(problem.where)
    if match is None or "://" in problem.where:
        return f"::{level} title={_property(title)}::{_data(str(problem))}"
    file = Path(match["file"])
    if workspace and (there := file.resolve()).is_relative_to(workspace):
        file = there.relative_to(workspace)
    where = f"file={_property(file.as_posix())},line={match['line']},col={match['col']}"
    words = Problem("", problem.message, problem.hint)
    return f"::{level} {where},title={_property(title)}::{_data(str(words))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
