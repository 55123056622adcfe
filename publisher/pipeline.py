"""The order of the steps, and nothing else: load → stage → plan → publish → verify → site."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from publisher import manifest, plan, publish, record, scene, site, stage, verify, work
from publisher.audit.extras import extras
from publisher.errors import InvalidInput, Problem
from publisher.manifest import Manifest
from publisher.objects import Plan, Report
from publisher.progress import SILENCE, Progress, timed
from publisher.record import Access, Record
from publisher.run import (
    Recorded,
    Run,
    address,
    keep_report,
    kept_report,
    live_record,
    must_be_live,
    new_words,
    open_doors,
    parts,
    start,
    still_live,
    wanted,
    work_folder,
)
from publisher.site import Built
from publisher.stage import Staged
from publisher.targets import Nowhere
from publisher.tree import Tree
from publisher.verify import Depth

Step = Literal["stage", "plan", "publish", "verify", "site"]


def release(
    path: Path,
    to: str | None,
    *,
    until: Step = "site",
    depth: Depth = "sample",
    access: bool = True,
    reread: bool = False,
    progress: Progress = SILENCE,
) -> Run:
    """Publish a release: every step in order, up to and with `until`.

    Args:
        path: of the manifest.
        to: the target, by name, URL or path; the manifest's first where nothing is said.
        until: the last step.
        depth: how much of the content verify reads.
        access: whether CORS and public reading are set, too.
        reread: whether sources are read that seem to be as they were.
        progress: who is told.

    Raises:
        PublisherError: with everything that is wrong; what was live is unchanged, and a rerun goes on from there.

    """
    run = start(manifest.load(path), to)
    with work.only_one(run.folder):
        with timed(run.seconds, "stage"):
            run.staged = _staged(run, progress)
        if until == "stage":
            return run
        with timed(run.seconds, "plan"):
            live = live_record(run)
            run.plan = _planned(run, run.staged, live, progress, reread=reread)
            run.words = new_words(run, run.staged, live)
            if access:
                run.doors = run.target.access_changes(run.access, parts(run.staged))
            if until == "plan":
                run.abilities = run.target.abilities(run.version)
        if until == "plan":
            return run
        with timed(run.seconds, "publish"), run.target.lock(run.version) as held:
            still_live(run, live)  # nothing was written, not even a lock, until the plan was good
            now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            new = wanted(run.staged, run.target.public_url, run.access)
            run.published = publish.publish(
                run.plan, run.target, new, live, created=now, progress=progress, ledger=run.ledger, held=held
            )
            run.target.tidy(run.version)
            if run.doors:
                run.doors = open_doors(run, parts(run.staged))
        if until != "publish":
            with timed(run.seconds, "verify"):
                run.report = _verified(run, run.published.record, depth, progress)
        if until == "site":
            with timed(run.seconds, "site"):
                run.built = _site_of_live(run, run.published.record, run.report)
    return run


def validate(path: Path, progress: Progress = SILENCE) -> Run:
    """Look at a manifest and everything that it names; write nothing but the work folder."""
    run = Run(manifest.load(path), Nowhere())
    with work.only_one(run.folder):
        run.staged = _staged(run, progress)
        run.plan = _planned(run, run.staged, None, progress)
    return run


def audit(path: Path, to: str | None, *, depth: Depth, progress: Progress = SILENCE) -> Report:
    """Verify the live release of a manifest."""
    run = start(manifest.load(path), to)
    return _verified(run, must_be_live(run), depth, progress)


def scenes(path: Path, to: str | None) -> tuple[tuple[scene.View, ...], str]:
    """Return the scenes of a manifest, and the address that they point below: that of the target, or `to` itself."""
    loaded = manifest.load(path)
    if to is not None and to.startswith(("http://", "https://")):
        base = to.rstrip("/")
    else:
        base = "" if to is None and not loaded.release.targets else start(loaded, to).target.public_url
    with work.only_one(work_folder(loaded)):
        staged = _only_described(loaded)
    return scene.build(loaded.release, staged.artifacts, base), base


def build_site(path: Path, to: str | None, out: Path | None) -> Built:
    """Build the site of what is live; of what is only described, where every artifact is hosted elsewhere."""
    loaded = manifest.load(path)
    if any(artifact.external is None for artifact in loaded.release.artifacts):
        run = start(loaded, to)
        live = must_be_live(run)
        return _site_of_live(run, live, kept_report(run, live), out)
    run = start(loaded, to) if to is not None or loaded.release.targets else Run(loaded, Nowhere())
    with work.only_one(run.folder):
        staged = _only_described(loaded)
    views = scene.build(loaded.release, staged.artifacts, "")
    refs = tuple(replace(view.ref, link=scene.link(view.state)) for view in views)
    return _site(run, replace(wanted(staged, "", Access()), scenes=refs), out or run.folder / "html", None)


def _staged(run: Run, progress: Progress) -> Staged:
    """Stage the artifacts, and the scenes that show them."""
    folder = run.folder / "stage"
    staged = stage.stage(run.manifest, folder, avoid=run.root, progress=progress)
    if staged.problems:
        raise InvalidInput([*staged.problems, *_further_problems(staged)])
    trees = []
    for view in scene.build(run.manifest.release, staged.artifacts, run.target.public_url):
        path = folder / "scenes" / f"{view.ref.name}.json"
        work.write_file(path, view.dump())
        trees.append(Tree(f"scene:{view.ref.name}", view.ref.key, path, role=lambda _: "scene"))
    return replace(staged, trees=(*staged.trees, *trees))


def _only_described(loaded: Manifest) -> Staged:
    """Stage for what is said of a release, when nothing of it will be published."""
    staged = stage.stage(loaded, work_folder(loaded) / "stage")
    if staged.problems:
        raise InvalidInput(staged.problems)
    return staged


def _further_problems(staged: Staged) -> tuple[Problem, ...]:
    """Return what a plan would refuse of the rest, so that everything is named in one run."""
    release = staged.manifest.release
    try:
        plan.plan(staged.trees, Nowhere(), None, version=release.version, final=release.final)
    except InvalidInput as error:
        return error.problems
    return ()


def _planned(run: Run, staged: Staged, live: Record | None, progress: Progress, *, reread: bool = False) -> Plan:
    there = (live, Recorded(run.target, live)) if live else None
    final, ledger = run.manifest.release.final, run.ledger
    return plan.plan(
        staged.trees,
        run.target,
        there,
        version=run.version,
        final=final,
        progress=progress,
        ledger=ledger,
        reread=reread,
    )


def _verified(run: Run, live: Record, depth: Depth, progress: Progress) -> Report:
    """Verify a release at its public address; of a folder, also what lies in it without being one of its objects."""
    with address(run) as base:
        url = f"{base}/{record.record_key(live.release)}"
        report = verify.verify(url, depth=depth, expect=live, progress=progress)
    told = {finding.key for finding in report.findings}
    strays = (stray for stray in (extras(run.root, live) if run.root else ()) if stray.key not in told)
    report = replace(report, findings=(*report.findings, *strays))
    keep_report(run, live, report)
    return report


def _site_of_live(run: Run, live: Record, report: Report | None, out: Path | None = None) -> Built:
    """Build the site of a live release; a local target carries it, so that `serve` shows it."""
    default = run.root / "site" / live.release if run.root else run.folder / "html"
    return _site(run, live, out or default, report)


def _site(run: Run, live: Record, out: Path, report: Report | None) -> Built:
    release = run.manifest.release
    project = run.manifest.folder / release.site.project if release.site.project else run.folder / "site"
    midnight = dt.datetime.combine(release.date, dt.time(), dt.UTC)
    return site.render(
        live,
        project=project,
        out=out,
        entries=partial(Recorded, run.target, live) if live.inventory else None,
        report=report,
        source_date=int(midnight.timestamp()),
        # `publisher serve` serves the viewer beside a folder's site, so that scenes open without a network.
        hosting=site.Hosting(run.target.url, "../.." if run.root and out.is_relative_to(run.root) else None),
    )
