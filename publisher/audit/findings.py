"""Findings as they gather: a bounded number, and one for each setting of a store rather than one for each object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from publisher.objects import Finding, Severity

MOST = 1_000
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")

# These are settings of the whole store: one finding says it for all objects, and what to do.
SETTINGS = {
    "access": "if everybody should read, run `publisher access`",
    "cors": "pages such as neuroglancer cannot read; run `publisher access`, which sets what browsers ask for",
    "range": "readers of shards, tables and archives rely on it; use a store or server that answers range requests",
}
OF_BYTES = frozenset({"content-encoding", "size", "digest", "unreadable"})


class Findings:
    """Gathers findings in the order of their discovery. Memory: the number that is kept."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: list[Finding] = []
        self._damaged: set[str] = set()
        self._settings: dict[str, tuple[Finding, Counter[str]]] = {}
        self._more = Counter[Severity]()

    def add(self, found: Iterable[Finding]) -> None:
        """Take findings; of those beyond the most that are kept, only the number is known."""
        for finding in found:
            if finding.check in SETTINGS:
                self._settings.setdefault(finding.check, (finding, Counter()))[1][finding.message] += 1
            elif len(self._kept) < MOST - len(SETTINGS) - 1:
                self._kept.append(finding)
                self._damaged |= {finding.key} if finding.check in OF_BYTES else set()
            else:
                self._more[finding.severity] += 1

    def explains(self, finding: Finding) -> bool:
        """Whether what is known of an object's bytes is the cause of what a probe of its encoding found."""
        return finding.check == "content-encoding" and finding.key in self._damaged

    def all(self) -> tuple[Finding, ...]:
        """Return what concerns the whole store, then everything else, and at the end how much more there was."""
        merged = [_merged(finding, messages) for finding, messages in self._settings.values()]
        return (*merged, *self._kept, *self._rest())

    def _rest(self) -> list[Finding]:
        number = self._more.total()
        if not number:
            return []
        worst = max(self._more, key=SEVERITIES.index)
        message = f"{number:,} more findings are not listed; repair what is listed, and verify again"
        return [Finding("more", worst, "", message)]


def _merged(finding: Finding, messages: Counter[str]) -> Finding:
    counted = "; ".join(f"{message} ({_objects(number)})" for message, number in messages.items())
    return replace(finding, message=f"{counted}; {SETTINGS[finding.check]}")


def _objects(number: int) -> str:
    return "1 object" if number == 1 else f"{number:,} objects"
