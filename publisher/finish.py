"""What follows publishing, and works alone a year later: the audit of what is live, and its site."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial
from pathlib import Path

from publisher import manifest, record, scene, site, verify, work
from publisher.audit.drift import drift
from publisher.audit.place import Refused
from publisher.extras import extras
from publisher.mirrors import mirrors
from publisher.objects import Finding, Report
from publisher.progress import SILENCE, Progress
from publisher.record import Access, Record
from publisher.run import (
    Recorded,
    Run,
    address,
    described,
    keep_report,
    kept_report,
    must_be_live,
    reach,
    start,
    wanted,
)
from publisher.site import Built
from publisher.targets import Nowhere
from publisher.targets.bucket import Bucket
from publisher.verify import Depth


def audit(
    path: Path,
    to: str | None,
    *,
    depth: Depth,
    access: bool = True,
    others: bool = False,
    progress: Progress = SILENCE,
) -> Report:
    """Verify the live release of a manifest."""
    run = start(manifest.load(path), to)
    return verified(run, must_be_live(run), depth, anonymous=access, others=others, progress=progress)


def verified(
    run: Run,
    live: Record,
    depth: Depth,
    *,
    anonymous: bool = True,
    others: bool = False,
    progress: Progress = SILENCE,
) -> Report:
    """Verify a release at its public address, and what only its owner sees: strays in its folder, drift of its access.

    Where strangers are not to read, or their access is not ours to set, it is read with credentials. `others` asks the
    manifest's other targets, too, whether they have the same release.
    """
    ours = anonymous or run.root is not None  # who serves a folder reads its access from the record
    strangers = ours and live.access.mode == "public"
    with address(run) as base:
        url = f"{base}/{record.record_key(live.release)}"
        sign = None if strangers or run.root else run.target.sign
        found = []
        try:
            report = verify.verify(url, depth=depth, expect=live, progress=progress, sign=sign)
        except Refused as refused:
            if sign is not None or run.root:
                raise
            # Strangers see nothing of a public release: that is what was found. The rest is its owner's to see.
            message = f"{refused.problems[0].message}; run `publisher access`"
            found.append(Finding("access", "error", record.record_key(live.release), message))
            report = verify.verify(url, depth=depth, expect=live, progress=progress, sign=run.target.sign)
    told = {finding.key for finding in report.findings}
    found += [stray for stray in extras(run.target, live) if stray.key not in told]
    if ours:
        found += drift(run.target.access_changes(run.access, reach(run)))
    elif live.access.mode == "public":
        message = "anonymous access was not checked: the bucket's access was to be left alone"
        found.append(Finding("anonymous", "note", record.record_key(live.release), message))
    seen = tuple(mirrors(run, live)) if others else ()
    found += [
        Finding("mirror", "error", mirror.differs, f"is not the same at {mirror.url}, the target {mirror.name}")
        for mirror in seen
        if mirror.differs
    ]
    report = replace(report, findings=(*report.findings, *found), mirrors=seen)
    keep_report(run, live, report)
    return report


def build_site(path: Path, to: str | None, out: Path | None) -> Built:
    """Build the site of what is live; of what is only described, where every artifact is hosted elsewhere."""
    loaded = manifest.load(path)
    if any(artifact.external is None for artifact in loaded.release.artifacts):
        run = start(loaded, to)
        live = must_be_live(run)
        return site_of_live(run, live, kept_report(run, live), out)
    run = start(loaded, to) if to is not None or loaded.release.targets else Run(loaded, Nowhere())
    with work.only_one(run.folder):
        staged = described(loaded)
    views = scene.build(loaded.release, staged.artifacts, "")
    refs = tuple(replace(view.ref, link=scene.link(view.state)) for view in views)
    return _site(run, replace(wanted(staged, "", Access()), scenes=refs), out or run.folder / "html", None)


def site_of_live(run: Run, live: Record, report: Report | None, out: Path | None = None) -> Built:
    """Build the site of a live release; a local target carries it, so that `serve` shows it."""
    others = run.name and run.name != next(iter(run.manifest.release.targets))
    local = run.folder / (f"html-{run.name}" if others else "html")
    default = run.root / "site" / live.release if run.root else local
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
        hosting=site.Hosting(
            run.target.url,
            "../.." if run.root and out.is_relative_to(run.root) else None,
            run.target.endpoint if isinstance(run.target, Bucket) else None,
        ),
    )
