"""Stage: read the sources, make what must be made, and say what there is. What passes through is read where it lies."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from publisher.artifacts import Artifact, Bench, Made
from publisher.errors import InvalidInput, Problem
from publisher.manifest import Manifest
from publisher.progress import SILENCE, Progress
from publisher.record import Described, summary_key
from publisher.tree import Tree
from publisher.words import did_you_mean

LOCATED = frozenset({"volumes", "skeletons", "meshes", "annotations"})  # sections that always have coordinates


@dataclass(frozen=True, slots=True)
class Staged:
    """A release that can be planned: its trees of objects, its artifacts as they will be described, and warnings."""

    manifest: Manifest
    trees: tuple[Tree, ...]
    artifacts: tuple[Described, ...]
    warnings: tuple[Problem, ...]
    problems: tuple[Problem, ...]  # where there are any, it cannot be published, and what is here is the rest


def stage(manifest: Manifest, work: Path, *, avoid: Path | None = None, progress: Progress = SILENCE) -> Staged:
    """Stage every artifact of a release below the folder `work`.

    Args:
        manifest: the release.
        work: the work folder of this release.
        avoid: the folder of a local target, in which no source may lie.
        progress: who is told.

    """
    release = manifest.release
    meter = progress.step("stage", len(release.artifacts))
    problems: list[Problem] = []
    warnings: list[Problem] = []
    trees: list[Tree] = []
    described: list[Described] = []
    tables: dict[str, Path] = {}
    for artifact in release.artifacts:
        made = Made()
        if artifact.external is None:
            made = _make(manifest, artifact, work, tables, avoid)
            if artifact.section == "tables" and made.trees:
                tables[artifact.name] = made.trees[0].path
        where = manifest.where(*manifest.place(artifact))
        problems += [_placed(problem, where, artifact) for problem in made.problems]
        warnings += [_placed(warning, where, artifact) for warning in made.warnings]
        trees += made.trees
        if made.summary is not None:
            allow = {each.path: each.reason for each in artifact.allow}
            key = summary_key(release.version, artifact.name)
            trees.append(Tree(f"table:{artifact.name}", key, made.summary, role=lambda _: "json", allow=allow))
        described.append(_describe(manifest, artifact, made))
        meter.advance(1, 0)
    return Staged(manifest, tuple(trees), tuple(described), tuple(warnings), tuple(problems))


def _make(manifest: Manifest, artifact: Artifact, work: Path, tables: dict[str, Path], avoid: Path | None) -> Made:
    where = manifest.where(*manifest.place(artifact), "source")
    source = manifest.source(artifact)
    if problems := tuple(_source_problems(artifact, source, where, avoid)):
        return Made(problems=problems)
    release = manifest.release

    def table(name: str) -> Path:
        if name in tables:
            return tables[name]
        if any(other.name == name and other.external is not None for other in release.artifacts):
            message = f"needs the rows of the table {name!r}, which is external"
            raise InvalidInput(Problem("", message, "give that table a source on this disk"))
        raise InvalidInput(())  # the table's own problems are known already

    try:
        made = artifact.stage(Bench(source, release.key(artifact), release.space_of(artifact), work, table))
    except InvalidInput as error:
        return Made(problems=error.problems)
    if any(tree.key == release.version and tree.path.is_file() for tree in made.trees):
        message = f"would be the object {release.version!r}, which is the folder of the release itself"
        return Made(problems=(Problem(where, message, "give it a key below {version}/"),))
    return made


def _source_problems(artifact: Artifact, source: Path, where: str, avoid: Path | None) -> Iterator[Problem]:
    given = artifact.source or ""
    if "://" in given:
        hint = f"link to it with `external: {given}`, or copy it to this disk first"
        yield Problem(where, f"source {given!r} is an address, and sources are read from this disk", hint)
        return
    try:
        mode = source.stat().st_mode
    except FileNotFoundError:
        yield Problem(where, f"source {given!r} {_not_there(source)}", "paths are relative to the manifest")
        return
    except (OSError, ValueError) as error:  # such as a name that is too long, or a NUL in it
        why = error.strerror if isinstance(error, OSError) else "a NUL is in it"
        yield Problem(where, f"source {given!r} cannot be read: {why}", "correct the path")
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        yield Problem(where, f"source {given!r} is neither a file nor a folder", "write the data to a file first")
        return
    if avoid is not None:
        real, target = source.resolve(), avoid.resolve()
        if real.is_relative_to(target) or target.is_relative_to(real):
            yield Problem(where, f"source {given!r} and the target {avoid} lie in each other", "keep them apart")


def _not_there(path: Path) -> str:
    """Say which part of a path is missing, and what is near it."""
    if path.is_symlink():
        return f"is a link to {path.readlink()}, which is not there"
    missing = path
    while not missing.parent.exists():
        missing = missing.parent
    near = did_you_mean(missing.name, (sibling.name for sibling in missing.parent.iterdir()))
    return f"is not there{near}" if missing == path else f"is not there: there is no folder {str(missing)!r}{near}"


def _placed(problem: Problem, where: str, artifact: Artifact) -> Problem:
    """Give a problem that names no file the artifact's place in the manifest."""
    if problem.where:
        return problem
    return replace(problem, where=where, message=f"{artifact.name} {problem.message}")


def _describe(manifest: Manifest, artifact: Artifact, made: Made) -> Described:
    release = manifest.release
    return Described(
        name=artifact.name,
        section=artifact.section,
        title=artifact.title or artifact.name,
        description=artifact.description or "",
        group=artifact.group or artifact.default_group,
        key="" if artifact.external is not None else release.key(artifact),
        space=release.space_of(artifact) if artifact.space or artifact.section in LOCATED else None,
        external=artifact.external or "",
        stated=artifact.stated.model_dump(mode="json", exclude_none=True) if artifact.stated else None,
        facts=made.facts,
    )
