"""What stood when a plan found nothing to do: while sources and store look as they did then, nothing is to do again.

A plan holds each source against its row of the ledger, that of the inventory, and the listing. Where all of them were the
same it leaves a note of what it has seen: the marks of the trees, the inventory, the seal of the listing, and how many
objects there were. Where all that is found again, nothing need be compared one by one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from publisher.headers import NAMES, RULES
from publisher.ledger import Ledger
from publisher.record import Record
from publisher.targets import Lookup
from publisher.tree import Tree, mark

NAME = "standing"

Marks = Mapping[str, str]  # of trees, by their keys


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found: how many objects of each artifact are live as they should be, and their stored bytes."""

    marks: Marks
    artifacts: Mapping[str, tuple[int, int]]


class Note:
    """The note of a release at a target, in the ledger of both."""

    def __init__(self, ledger: Ledger | None, live: Record | None, trees: Sequence[Tree], *, final: bool) -> None:
        """Take what a plan is made of; without a ledger, or where nothing is live, there is no note."""
        self._ledger = ledger if live is not None and live.inventory is not None and _inside(trees, live) else None
        self._trees = trees
        sources = [(tree.artifact, tree.key, tree.path, tree.encoded_names, tree.only) for tree in trees]
        words = f"{live.inventory if live else None} {final} {RULES} {NAMES} {sources}"
        self._asked = hashlib.sha256(words.encode(errors="surrogateescape")).hexdigest()

    def recall(self, found: Lookup) -> Standing | None:
        """Return what stands, if all looks as it did: sources first, and `found` is used up only where they do."""
        told = self._told()
        if told is None or any(told.marks.get(tree.key) != mark(tree).text for tree in self._trees):
            return None
        return told if self._ledger and self._text(told, found.seal()) == self._ledger.get(NAME) else None

    def _told(self) -> Standing | None:
        if self._ledger is None or self._ledger.reread:
            return None
        try:
            said: dict[str, Any] = json.loads(self._ledger.get(NAME) or "{}")
            artifacts = {name: (objects, size) for name, (objects, size) in said["artifacts"].items()}
            return Standing(dict(said["marks"]), artifacts) if said["asked"] == self._asked else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def keep(self, standing: Standing, seal: str) -> None:
        """Leave a note, where the target seals what it has."""
        if self._ledger and seal:
            self._ledger.set(NAME, self._text(standing, seal))

    def _text(self, standing: Standing, seal: str) -> str:
        said = {"asked": self._asked, "seal": seal, "marks": standing.marks, "artifacts": standing.artifacts}
        return json.dumps(said, sort_keys=True)


def _inside(trees: Sequence[Tree], live: Record) -> bool:
    """Whether all objects lie in the release's own folder, which is what is sealed."""
    return all(tree.key.startswith(f"{live.release}/") for tree in trees)
