"""Health: what of a release would not be shown, or would be shown wrongly, by those who read it. Before it is uploaded.

A check looks at one subject (a folder of one format), or at all of them together, and yields findings. An error stops
the release, a warning is told, a note is for whoever looks closely. Each has the key, and a message: the reason, ` → `,
and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from publisher.aside import aside
from publisher.errors import Problem
from publisher.facts import VolumeFacts
from publisher.health import referring
from publisher.health.gathered import WORST
from publisher.health.memory import Memory, fingerprint
from publisher.health.subject import Depth, Kind, Subject, subjects
from publisher.objects import Finding, Severity
from publisher.progress import SILENCE, Progress
from publisher.record import Described
from publisher.tree import Tree, mark

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
    trees, artifacts = tuple(trees), tuple(artifacts)
    patients = tuple(subjects(trees, artifacts))
    others = referring.referring(trees, artifacts)
    memory = Memory(work, reread=reread)
    meter = progress.step("health", len(patients) + 1)
    known = dict(marks or {})

    def marked(key: str, artifact: Described, tree: Tree) -> str:
        if tree.key not in known:
            known[tree.key] = mark(tree)
        return fingerprint(key, artifact, known[tree.key])

    all_marks: list[str] = []
    found: list[Finding] = []
    for patient in patients:
        all_marks.append(marked(patient.key, patient.artifact, patient.tree))
        look = CHECKS.get(patient.kind, _nothing)
        found += memory.findings(patient.key, all_marks[-1], depth, partial(look, patient, depth))
        meter.advance(1, 0)
    all_marks += [marked(each.tree.key, each.artifact, each.tree) for each in others]
    found += memory.findings("", " ".join(sorted(all_marks)), depth, partial(_together, patients, others, depth))
    meter.advance(1, 0)
    memory.save()
    return tuple(sorted(found, key=lambda finding: WORST.index(finding.severity)))


@contextmanager
def looking(
    trees: Iterable[Tree],
    artifacts: Iterable[Described],
    *,
    depth: Depth,
    work: Path,
    reread: bool,
    progress: Progress,
) -> Iterator[Callable[[Mapping[str, str]], tuple[Finding, ...]]]:
    """Look while something else is done; the call that is given waits for what was found.

    Where there is something to remember, it looks only then: who has walked the trees meanwhile gives their marks.
    """
    trees, artifacts = tuple(trees), tuple(artifacts)
    if not Memory(work, reread=reread).empty:
        again = partial(check, trees, artifacts, depth=depth, work=work, progress=progress)
        yield lambda marks: again(marks=marks)
        return
    look = partial(check, trees, artifacts, depth=depth, work=work, reread=reread)
    with aside(lambda told: look(progress=told), progress) as found:
        yield lambda _: found()


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
