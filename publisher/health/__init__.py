"""Health: what of a release would not be shown, or would be shown wrongly, by those who read it. Before it is uploaded.

A check looks at one subject (a folder of one format), or at all of them together, and yields findings. An error stops
the release, a warning is told, a note is for whoever looks closely. Each has the key, and a message: the reason, ` → `,
and what to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from publisher.aside import alone, aside
from publisher.errors import Problem
from publisher.facts import VolumeFacts
from publisher.health import referring
from publisher.health.gathered import WORST, gathered
from publisher.health.memory import Memory, fingerprint
from publisher.health.subject import Depth, Kind, Subject, subjects
from publisher.objects import Finding, Plan, Severity
from publisher.progress import SILENCE, Progress
from publisher.record import Described
from publisher.tree import Tree, mark

MARGIN_NS = 1_000_000_000  # by which the clocks of a disk and of this machine may differ

Check = Callable[[Subject, Depth], Iterator[Finding]]
Together = Callable[[Sequence[Subject], Depth], Iterator[Finding]]


def _later(name: str) -> Callable[[Any, Depth], Iterator[Finding]]:
    """Return the check of a module here, imported when it is first asked: a rerun that remembers need not wait for numpy."""

    def look(looked_at: Any, depth: Depth) -> Iterator[Finding]:  # noqa: ANN401 - a subject, or all of them
        yield from import_module(f"{__name__}.{name}").check(looked_at, depth)

    return look


# The checks of one folder, by what it holds; and those that look from one layer to another.
CHECKS: dict[Kind, Check] = {
    "volume": _later("volumes"),
    "meshes": _later("meshes"),
    "skeletons": _later("skeletons"),
    "annotations": _later("annotations"),
    "properties": _later("properties"),
}
TOGETHER: tuple[Together, ...] = (_later("across"),)


def check(
    trees: Iterable[Tree],
    artifacts: Iterable[Described],
    *,
    depth: Depth = "sample",
    work: Path | None = None,
    reread: bool = False,
    progress: Progress = SILENCE,
    marks: Mapping[str, str] | None = None,
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
        marks: those of the trees, by their keys, where somebody has walked them just now.

    """
    looks = _looks(trees, artifacts, depth)
    memory = Memory(work, reread=reread)
    meter = progress.step("health", len(looks))
    known = dict(marks or {})
    found: list[Finding] = []
    for each in looks:
        found += memory.findings(each.name, each.mark(known), depth, each.look)
        meter.advance(1, 0)
    memory.save()
    return _worst_first(found)


@contextmanager
def looking(
    trees: Iterable[Tree],
    artifacts: Iterable[Described],
    *,
    depth: Depth,
    work: Path,
    reread: bool,
    progress: Progress,
) -> Iterator[Callable[[Plan | None], tuple[Finding, ...]]]:
    """Look while a plan is made; the call that is given takes the plan, where there is one, and waits for what was found.

    Where there is something to remember, or no other core to look on, it looks only then.
    """
    trees, artifacts = tuple(trees), tuple(artifacts)
    if not Memory(work, reread=reread).empty or not alone():
        again = partial(check, trees, artifacts, depth=depth, work=work, reread=reread, progress=progress)
        yield lambda plan: again(marks=plan.marks if plan else None)
        return
    looks = _looks(trees, artifacts, depth)
    began_ns = time.time_ns() - MARGIN_NS
    with aside(partial(_looked, looks), progress) as found:

        def told(plan: Plan | None) -> tuple[Finding, ...]:
            results, memory = found(), Memory(work, reread=reread)
            if plan is not None:
                known, changed = dict(plan.marks), plan.changed_ns
            else:
                walked = {tree.key: mark(tree) for tree in trees}
                known = {key: each.text for key, each in walked.items()}
                changed = {key: each.changed_ns for key, each in walked.items()}
            for each, findings in zip(looks, results, strict=True):
                # The plan walks while this looks: what changed meanwhile may be one thing to it and another to this.
                if all(changed.get(part.tree.key, began_ns) < began_ns for part in each.parts):
                    memory.keep(each.name, each.mark(known), depth, findings)
            memory.save()
            return _worst_first(finding for findings in results for finding in findings)

        yield told


def _looked(looks: Sequence[_Look], progress: Progress) -> list[tuple[Finding, ...]]:
    meter = progress.step("health", len(looks))
    found = []
    for each in looks:
        found.append(gathered(each.look()))
        meter.advance(1, 0)
    return found


def _worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda finding: WORST.index(finding.severity)))


class _Part(NamedTuple):
    """A folder that a look depends on: its key, what it is, and the tree that it lies in."""

    key: str
    artifact: Described
    tree: Tree


class _Look(NamedTuple):
    """One look, at one subject or ("") from one to another."""

    name: str
    parts: tuple[_Part, ...]
    look: Callable[[], Iterable[Finding]]

    def mark(self, known: dict[str, str]) -> str:
        """Return what changes where any of its folders does; marks of trees that are not `known` are taken now."""
        for part in self.parts:
            if part.tree.key not in known:
                known[part.tree.key] = mark(part.tree).text
        return " ".join(sorted(fingerprint(part.key, part.artifact, known[part.tree.key]) for part in self.parts))


def _looks(trees: Iterable[Tree], artifacts: Iterable[Described], depth: Depth) -> tuple[_Look, ...]:
    trees, artifacts = tuple(trees), tuple(artifacts)
    patients, others = tuple(subjects(trees, artifacts)), referring.referring(trees, artifacts)
    parts = tuple(_Part(patient.key, patient.artifact, patient.tree) for patient in patients)
    alone_ = (
        _Look(part.key, (part,), partial(CHECKS.get(patient.kind, _nothing), patient, depth))
        for part, patient in zip(parts, patients, strict=True)
    )
    further = (_Part(each.tree.key, each.artifact, each.tree) for each in others)
    return (*alone_, _Look("", (*parts, *further), partial(_together, patients, others, depth)))


def with_values(
    trees: Iterable[Tree], artifacts: Iterable[Described], work: Path, *, reread: bool = False
) -> tuple[Described, ...]:
    """Return the artifacts with the least and the greatest value of each volume's coarsest scale, where that is small."""
    artifacts = tuple(artifacts)
    if not any(isinstance(artifact.facts, VolumeFacts) for artifact in artifacts):
        return artifacts
    from publisher.health import values  # noqa: PLC0415 - for releases with volumes alone

    return values.measured(subjects(trees, artifacts), artifacts, work, reread=reread)


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
            place = Path(f"{tree.path}{key[len(tree.key) :]}")
            packed = place.with_name(f"{place.name}.gz")
            return str(packed if tree.encoded_names and not place.exists() and packed.exists() else place)
    return key


def _sentences(message: str) -> tuple[str, str]:
    """Part what is wrong from what to do about it: a message says them with ` → ` between."""
    what, _, hint = message.partition(" → ")
    return what, hint


def _together(patients: Sequence[Subject], others: Sequence[referring.Referring], depth: Depth) -> Iterator[Finding]:
    for look in TOGETHER:
        yield from look(patients, depth)
    yield from _later("referred")((others, patients), depth)


def _nothing(patient: Subject, depth: Depth) -> Iterator[Finding]:
    del patient, depth
    return iter(())
