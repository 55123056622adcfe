"""Findings as they gather: the first of each kind by key, and how many more there were."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable

from publisher.objects import Finding, Severity

NAMED = 20  # of a kind that are named: whoever mends these mends the rest with them
WORST: tuple[Severity, ...] = ("error", "warning", "note")

_Kind = tuple[str, str, Severity]  # artifact, check, severity


def gathered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that are named."""
    all_ = Gathered()
    all_.add(found)
    return all_.all()


class Gathered:
    """Takes findings in any order. Memory: `NAMED` for each kind, whatever their number."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: dict[_Kind, list[tuple[str, str, Finding]]] = {}
        self._counts = Counter[_Kind]()

    def add(self, found: Iterable[Finding]) -> None:
        """Take findings; of each kind those with the first keys are kept."""
        for finding in found:
            kind = (finding.artifact, finding.check, finding.severity)
            self._counts[kind] += 1
            kept = self._kept.setdefault(kind, [])
            place = (finding.key, finding.message)
            if len(kept) < NAMED or place < kept[-1][:2]:
                insort(kept, (*place, finding), key=lambda row: row[:2])
                del kept[NAMED:]

    def all(self) -> tuple[Finding, ...]:
        """Return errors, then warnings, then notes; each kind together, with the number that is not named at its end."""
        found: list[Finding] = []
        for kind in sorted(self._kept, key=lambda kind: (WORST.index(kind[2]), kind)):
            artifact, check, severity = kind
            found += [finding for _, _, finding in self._kept[kind]]
            if more := self._counts[kind] - len(self._kept[kind]):
                last = self._kept[kind][-1][2]
                message = f"and {more:,} more like this → mend what is named, and look again"
                found.append(Finding(check, severity, last.key.rpartition("/")[0] or last.key, message, artifact))
        return tuple(found)
