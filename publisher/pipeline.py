"""The order of the steps, and nothing else: load → stage → plan → publish → verify → site."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from publisher import health, manifest, plan, publish, scene, stage, viewer, work
from publisher.brand import Brand, brand
from publisher.errors import InvalidInput, Problem
from publisher.objects import AccessChange, Plan
from publisher.progress import SILENCE, Progress, timed
from publisher.record import Record
from publisher.run import (
    Recorded,
    Run,
    described,
    live_record,
    native_url,
    new_words,
    place,
    reach,
    set_doors,
    shut_doors,
    start,
    still_live,
    wanted,
    work_folder,
)
from publisher.stage import Staged
from publisher.standing import Note, Standing
from publisher.targets import Nowhere
from publisher.tree import Tree

Step = Literal["stage", "plan", "publish", "verify", "site"]
Depth = Literal["quick", "sample", "full"]


def release(  # noqa: PLR0913 - each is a choice of the user
    path: Path,
    to: str | None,
    *,
    until: Step = "site",
    depth: Depth = "sample",
    access: bool = True,
    reread: bool = False,
    drawing: bool | None = False,
    links: bool = False,
    examples: bool | None = False,
    progress: Progress = SILENCE,
) -> Run:
    """Publish a release: every step in order, up to and with `until`.

    Args:
        path: of the manifest.
        to: the target, by name, URL or path; the manifest's first where nothing is said.
        until: the last step.
        depth: how much of the content is read, before it is sent by the checks of its health, and after by verify.
        access: whether CORS and public reading are set, too.
        reread: whether sources are read that seem to be as they were.
        drawing: whether verify opens the scenes in a browser; None where there is one.
        links: whether the site's links to others are asked for, too.
        examples: whether verify runs the examples; None where there is what they need.
        progress: who is told.

    Raises:
        PublisherError: with everything that is wrong; what was live is unchanged, and a rerun goes on from there.

    """
    run = start(manifest.load(path), to)
    if run.ledger:
        run.ledger.reread = reread
    with _hired(run, until) as hands, work.only_one(run.folder):
        with timed(run.seconds, "stage"):
            run.staged = _staged(run, depth, progress)
        if until == "stage":
            run.health = health.check(
                run.staged.trees,
                run.staged.artifacts,
                depth=depth,
                work=run.folder,
                reread=_reread(run),
                progress=progress,
            )
            _refuse(run, run.staged)
            return run
        with timed(run.seconds, "plan"):
            live, run.plan = _planned(run, run.staged, depth, progress, publishing=until != "plan")
            run.words = new_words(run, run.staged, live)
            if access:
                run.doors = run.target.access_changes(run.access, reach(run))
            if until == "plan":
                run.abilities = run.target.abilities(run.version)
        if until == "plan":
            return run
        with timed(run.seconds, "publish"), run.target.lock(run.version) as held:
            if run.access.mode == "private":
                shut_doors(run, allowed=access)
            # Nothing was written, not even a lock, until the plan was good; and nothing is published that is not.
            good = partial(still_live, run, live)
            new = wanted(run.staged, run.target.public_url, run.access)
            run.published = publish.publish(
                run.plan, run.target, new, live, progress=progress, ledger=run.ledger, held=held, good=good
            )
            set_doors(run)
            _noted(run)
        hands.close()
        if until != "publish":
            from publisher import finish  # noqa: PLC0415 - an HTTP client and MkDocs, which uploads need not wait for

            with timed(run.seconds, "verify"):
                run.report = finish.verified(
                    run,
                    run.published.record,
                    depth,
                    anonymous=access,
                    drawing=drawing,
                    examples=examples,
                    progress=progress,
                )
        if until == "site":
            from publisher import website  # noqa: PLC0415 - likewise

            with timed(run.seconds, "site"):
                website.of_live(run, run.published.record, run.report, links=links)
    return run


def _noted(run: Run) -> None:
    """Leave a note of what was published, by which the next run sees that nothing is to be done."""
    assert run.staged is not None
    assert run.plan is not None
    assert run.published is not None
    note = Note(run.ledger, run.published.record, run.staged.trees, final=run.manifest.release.final)
    note.keep(Standing(run.plan.marks, run.published.kept), run.published.seal)


def _hired(run: Run, until: Step) -> ExitStack:
    """Return what helps to publish until it is closed: before imports and requests make threads, and before a lock is held.

    What was copied from a process that held one would hold it, too.
    """
    hands = ExitStack()
    if until not in {"stage", "plan"}:
        hands.enter_context(run.target.hire())
    return hands


def release_everywhere(path: Path, *, until: Step = "site", **more: Any) -> list[Run]:  # noqa: ANN401 - `release`'s own
    """Publish a release to every target of its manifest; then verify each, and build sites that name the others.

    Raises:
        InvalidInput: the manifest names no target.
        PublisherError: as `release` does; what is done by then is found done by a rerun.

    """
    loaded = manifest.load(path)
    if not loaded.release.targets:
        raise InvalidInput(Problem(loaded.where(), "has no target", "add some under `targets`"))
    upload: Step = "publish" if until in {"verify", "site"} else until
    runs = [release(path, name, until=upload, **more) for name in loaded.release.targets]
    if upload == until:
        return runs
    from publisher import finish, website  # noqa: PLC0415 - as above

    depth, anonymous, progress = (more.get(name) for name in ("depth", "access", "progress"))
    drawing, examples = more.get("drawing", False), more.get("examples", False)
    for run in runs:
        assert run.published is not None
        live = run.published.record
        with work.only_one(run.folder):
            with timed(run.seconds, "verify"):
                run.report = finish.verified(
                    run,
                    live,
                    depth or "sample",
                    anonymous=anonymous is not False,
                    others=True,
                    drawing=drawing,
                    examples=examples,
                    progress=progress or SILENCE,
                )
            if until == "site":
                with timed(run.seconds, "site"):
                    website.of_live(run, live, run.report, links=more.get("links", False))
    return runs


def validate(path: Path, progress: Progress = SILENCE, *, depth: Depth = "sample") -> Run:
    """Look at a manifest and everything that it names; write nothing but the work folder."""
    run = Run(manifest.load(path), Nowhere())
    with work.only_one(run.folder):
        run.staged = _staged(run, depth, progress)
        _, run.plan = _planned(run, run.staged, depth, progress)
    return run


def set_access(path: Path, to: str | None) -> tuple[Run, tuple[AccessChange, ...]]:
    """Set CORS and public reading alone; return the run, with what is left for others to do, and what was done."""
    run = start(manifest.load(path), to)
    before = run.doors = run.target.access_changes(run.access, reach(run))
    set_doors(run)
    return run, tuple(change for change in before if change not in run.doors)


def scenes(path: Path, to: str | None) -> tuple[tuple[scene.View, ...], str]:
    """Return the scenes of a manifest, and the address that they point below: that of the target, or `to` itself."""
    loaded, native = manifest.load(path), ""
    if to is not None and to.startswith(("http://", "https://")):
        base = to.rstrip("/")
    else:
        run = None if to is None and not loaded.release.targets else start(loaded, to)
        base, native = (run.target.public_url, native_url(run)) if run else ("", "")
    with work.only_one(work_folder(loaded)):
        staged = described(loaded)
    return scene.build(loaded.release, staged.artifacts, base, native), base


def _staged(run: Run, depth: Depth, progress: Progress) -> Staged:
    """Stage the artifacts, and the scenes that show them."""
    folder = run.folder / "stage"
    looks = brand(run.manifest)
    staged = stage.stage(run.manifest, folder, avoid=run.root, progress=progress)
    problems, warnings = (*looks.problems, *staged.problems), (*looks.warnings, *staged.warnings)
    staged = replace(staged, problems=problems, warnings=warnings)
    if staged.problems:
        run.health = health.check(
            staged.trees, staged.artifacts, depth=depth, work=run.folder, reread=_reread(run), progress=progress
        )
        release = staged.manifest.release
        try:
            plan.plan(staged.trees, Nowhere(), None, version=release.version, final=release.final)
        except InvalidInput as error:
            _refuse(run, staged, error.problems)
        _refuse(run, staged)
    trees = []
    for view in scene.build(run.manifest.release, staged.artifacts, run.target.public_url, native_url(run)):
        path = folder / "scenes" / f"{view.ref.name}.json"
        work.write_file(path, view.dump())
        trees.append(Tree(f"scene:{view.ref.name}", view.ref.key, path, role=lambda _: "scene"))
    release = run.manifest.release
    if release.examples:
        trees.append(_examples(run, staged, looks, folder / "examples"))
    if release.viewer == "self":
        viewer.lay_down(folder / "viewer")
        trees.append(Tree("viewer:neuroglancer", viewer.key(release.version), folder / "viewer", role=viewer.role))
    return replace(staged, trees=(*staged.trees, *trees))


def _planned(
    run: Run, staged: Staged, depth: Depth, progress: Progress, *, publishing: bool = False
) -> tuple[Record | None, Plan]:
    """Compare what was staged with what is live, and look at its health meanwhile; return what is live, and the plan."""
    made: Plan | None = None
    problems: tuple[Problem, ...] = ()
    with health.looking(
        staged.trees, staged.artifacts, depth=depth, work=run.folder, reread=_reread(run), progress=progress
    ) as found:
        live = live_record(run)
        staged = _kept_examples(run, staged, live) if run.manifest.release.examples else staged
        try:
            made = plan.plan(
                staged.trees,
                run.target,
                (live, Recorded(run.target, live)) if live else None,
                version=run.version,
                final=run.manifest.release.final,
                progress=progress,
                ledger=run.ledger,
            )
        except InvalidInput as error:
            problems = error.problems
        if made and publishing:
            publish.prepare(made, live)
        run.health = found(made)
    _refuse(run, staged, problems)
    assert made is not None
    assert run.staged is not None
    if depth != "quick":
        artifacts = health.with_values(staged.trees, staged.artifacts, run.folder, reread=_reread(run))
        run.staged = replace(run.staged, artifacts=artifacts)
    return live, made


def _reread(run: Run) -> bool:
    return run.ledger is not None and run.ledger.reread


def _refuse(run: Run, staged: Staged, further: tuple[Problem, ...] = ()) -> None:
    """Raise InvalidInput with everything that is wrong: with what was staged, its health, and what a plan says besides."""
    ill = (*staged.problems, *health.problems(run.health, "error", staged.trees))
    named = {problem.where for problem in ill}
    if everything := (*ill, *(other for other in further if other.where not in named)):
        raise InvalidInput(everything)
    warnings = health.problems(run.health, "warning", staged.trees)
    run.staged = replace(staged, warnings=(*staged.warnings, *warnings))


def _examples(run: Run, staged: Staged, looks: Brand, folder: Path) -> Tree:
    """Lay the examples down."""
    from publisher.page import examples, shelf, templates, view  # noqa: PLC0415 - templates and Markdown

    new = wanted(staged, run.target.public_url, run.access)
    with templates.using(looks.templates):
        files = shelf.files(examples.numbered(view.book(new, place(run), ())))
    shelf.lay_down(folder, files)
    return Tree(shelf.ARTIFACT, shelf.folder(run.version), folder, role=shelf.role)


def _kept_examples(run: Run, staged: Staged, live: Record | None) -> Staged:
    """Keep the examples of a final release that is live as they are, whatever templates say today."""
    from publisher.page import shelf  # noqa: PLC0415 - as above

    tree = next((tree for tree in staged.trees if tree.artifact == shelf.ARTIFACT), None)
    if live is None or live.status != "final" or tree is None:
        return staged
    known = {path.name: path.read_bytes() for path in tree.path.iterdir()}
    files = shelf.kept(run.version, run.target.read, known)
    if files is None:  # an older publisher's: it never had any
        return replace(staged, trees=tuple(each for each in staged.trees if each is not tree))
    shelf.lay_down(tree.path, files)
    return staged
