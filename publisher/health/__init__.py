"""Health: what of a release would not be shown, or would be shown wrongly, by those who read it. Before it is uploaded.

A check looks at one subject (a folder of one format), or at all of them together, and yields findings. An error stops
the release, a warning is told, a note is for whoever looks closely. Each has the key, and a message: the reason, ` → `,
and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from publisher.errors import Problem
from publisher.health import across, linked, meshes, properties, skeletons, volumes
from publisher.health.annotations import check as check_annotations  # __future__ has the name of the module
from publisher.health.gathered import WORST
from publisher.health.memory import Memory, fingerprint
from publisher.health.subject import Depth, Kind, Subject, subjects
from publisher.objects import Finding, Severity
from publisher.progress import SILENCE, Progress
from publisher.record import Described
from publisher.tree import Tree

Check = Callable[[Subject, Depth], Iterator[Finding]]
Together = Callable[[Sequence[Subject], Depth], Iterator[Finding]]

# The checks of one folder, by what it holds; and those that look from one layer to another.
CHECKS: dict[Kind, Check] = {
    "volume": volumes.check,
    "meshes": meshes.check,
    "skeletons": skeletons.check,
    "annotations": check_annotations,
    "properties": properties.check,
}
TOGETHER: tuple[Together, ...] = (linked.check, across.check)


def check(
    trees: Iterable[Tree],
    artifacts: Iterable[Described],
    *,
    depth: Depth = "sample",
    work: Path | None = None,
    reread: bool = False,
    progress: Progress = SILENCE,
) -> tuple[Finding, ...]:
    """Look at everything that was staged; return what was found, errors first, at most 20 of a kind named.

    Args:
        trees: where the objects come from.
        artifacts: what they are.
        depth: `quick` looks at metadata and names, `sample` also at some hundred pieces of content of each subject (the
            same in each run), `full` at all.
        work: the work folder, where findings are remembered for folders that do not change.
        reread: whether to look again at what seems to be as it was.
        progress: who is told.

    """
    patients = tuple(subjects(trees, artifacts))
    memory = Memory(work, reread=reread)
    meter = progress.step("health", len(patients) + 1)
    marks: list[str] = []
    found: list[Finding] = []
    for patient in patients:
        marks.append(fingerprint(patient))
        look = CHECKS.get(patient.kind, _nothing)
        found += memory.findings(patient.key, marks[-1], depth, partial(look, patient, depth))
        meter.advance(1, 0)
    found += memory.findings("", " ".join(sorted(marks)), depth, partial(_together, patients, depth))
    meter.advance(1, 0)
    memory.save()
    return tuple(sorted(found, key=lambda finding: WORST.index(finding.severity)))


def problems(findings: Iterable[Finding], severity: Severity, trees: Iterable[Tree]) -> tuple[Problem, ...]:
    """Return the findings of one severity as problems, each with the file or folder on this disk that it is about."""
    by_length = sorted(trees, key=lambda tree: -len(tree.key))
    return tuple(
        Problem(_place(finding.key, by_length), *_sentences(finding.message))
        for finding in findings
        if finding.severity == severity
    )


def _place(key: str, trees: Iterable[Tree]) -> str:
    for tree in trees:
        if key == tree.key or key.startswith(f"{tree.key}/"):
            return f"{tree.path}{key[len(tree.key) :]}"
    return key


def _sentences(message: str) -> tuple[str, str]:
    """Part what is wrong from what to do about it: a message says them with ` → ` between."""
    what, _, hint = message.partition(" → ")
    return what, hint


def _together(patients: Sequence[Subject], depth: Depth) -> Iterator[Finding]:
    for look in TOGETHER:
        yield from look(patients, depth)


def _nothing(patient: Subject, depth: Depth) -> Iterator[Finding]:
    del patient, depth
    return iter(())
