"""What follows publishing, and works alone a year later: the audit of what is live, and its site."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from publisher import manifest, record, verify, work
from publisher.audit.drift import drift
from publisher.audit.place import MOST_JSON_BYTES, Refused, find
from publisher.errors import InvalidInput, LocalTrouble, Problem
from publisher.extras import extras
from publisher.mirrors import mirrors
from publisher.objects import Checked, Finding, Report
from publisher.page import shelf
from publisher.page.view import Read
from publisher.progress import SILENCE, Progress
from publisher.record import Record
from publisher.render import Rendered, render
from publisher.render.chromium import lacking
from publisher.run import (
    Run,
    address,
    keep_report,
    must_be_live,
    pictures,
    reach,
    start,
)
from publisher.stranger import Stranger, first
from publisher.stranger import address as address_of
from publisher.verify import Depth


def audit(  # noqa: PLR0913 - each is a choice of the user
    path: Path,
    to: str | None,
    *,
    depth: Depth,
    access: bool = True,
    others: bool = False,
    drawing: bool | None = False,
    examples: bool | None = False,
    album: Path | None = None,
    progress: Progress = SILENCE,
) -> Report:
    """Verify the live release of a manifest; `album` is a folder that takes copies of its scenes' pictures."""
    run = start(manifest.load(path), to)
    live = must_be_live(run)
    report = verified(
        run, live, depth, anonymous=access, others=others, drawing=drawing, examples=examples, progress=progress
    )
    if album is not None:
        for name in (name for scene in report.scenes for name in scene.pictures):
            for kept in (name, Path(name).with_suffix(".png").name):
                work.write_file(album / kept, (pictures(run, live) / kept).read_bytes())
    return report


def audit_address(
    url: str,
    *,
    depth: Depth,
    drawing: bool | None = False,
    examples: bool = False,
    album: Path | None = None,
    progress: Progress = SILENCE,
) -> Report:
    """Verify the release at an address; `album` is a folder that takes its scenes' pictures.

    Its examples are programs that others wrote: they are run where that is asked for, and never by default.
    """
    report = verify.verify(url, depth=depth, progress=progress)
    if drawing is False and not examples:
        return report
    with Stranger("https://stranger.example") as client, TemporaryDirectory(prefix="publisher-") as nowhere:
        live = find(f"{report.base_url}/{record.record_key(report.release)}", client).record
        opened = rendered(
            live,
            report.base_url,
            album or Path(nowhere),
            wanted=drawing,
            readable=live.access.mode == "public",
            progress=progress,
        )
        read = partial(_fetched, client, report.base_url)
        tried = ran(live, report.base_url, read, wanted=examples, progress=progress)
    found = (*report.findings, *opened.findings, *tried.findings)
    return replace(report, findings=found, scenes=opened.scenes, examples=tried.examples)


def _fetched(client: Stranger, base_url: str, key: str) -> bytes | None:
    """Return the bytes of a small object at an address, or None where there is none."""
    answer = client.ask("GET", address_of(base_url, key), first(MOST_JSON_BYTES))
    return answer.body if answer.ok else None


def verified(  # noqa: PLR0913 - each is a choice of the user
    run: Run,
    live: Record,
    depth: Depth,
    *,
    anonymous: bool = True,
    others: bool = False,
    drawing: bool | None = False,
    examples: bool | None = False,
    progress: Progress = SILENCE,
) -> Report:
    """Verify a release at its public address, and what only its owner sees: strays in its folder, drift of its access.

    Where strangers are not to read, or their access is not ours to set, it is read with credentials. `others` asks the
    manifest's other targets, too, whether they have the same release. `drawing` opens its scenes in a browser, `examples`
    runs its examples; None does so where there is what that takes.
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
        opened = rendered(
            live,
            base,
            pictures(run, live),
            wanted=drawing,
            readable=strangers or run.root is not None,
            progress=progress,
        )
        tried = ran(live, base, run.target.read, wanted=examples, progress=progress)
    found += (*opened.findings, *tried.findings)
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
    report = replace(
        report, findings=(*report.findings, *found), mirrors=seen, scenes=opened.scenes, examples=tried.examples
    )
    keep_report(run, live, report)
    return report


def rendered(
    live: Record,
    base_url: str,
    folder: Path,
    *,
    wanted: bool | None,
    readable: bool = True,
    progress: Progress = SILENCE,
) -> Rendered:
    """Open the scenes of a live release in a browser: where that is wanted, or (None) where there is one.

    Raises:
        InvalidInput: it is wanted, and there is no browser.

    """
    if wanted is False or not live.scenes:
        return Rendered()
    lacks, key = lacking(), record.record_key(live.release)
    if lacks and wanted:
        raise InvalidInput(Problem("--render", lacks, "or go without it: --no-render"))
    if lacks or not readable:
        why = lacks or "only who has credentials may read them, and a viewer has none"
        return Rendered(findings=(Finding("render", "note", key, f"scenes were not opened: {why}"),))
    from publisher.serve import running  # noqa: PLC0415 - a web server, which few runs need

    # The viewer is on an address of its own, as it is for readers: who is refused there for want of CORS is refused here.
    with TemporaryDirectory(prefix="publisher-") as empty, running(Path(empty)) as client:
        try:
            return render(live, base_url, client, folder, progress=progress)
        except LocalTrouble as trouble:
            if wanted:
                raise
            message = f"scenes were not opened: {trouble.problems[0].message}"
            return Rendered(findings=(Finding("render", "note", key, message),))


class Ran(NamedTuple):
    """What became of the examples of a release, and what was found."""

    examples: tuple[Checked, ...] = ()
    findings: tuple[Finding, ...] = ()


def ran(live: Record, base_url: str, read: Read, *, wanted: bool | None, progress: Progress = SILENCE) -> Ran:
    """Check the examples that a live release carries: where that is wanted, or (None) where there is what it takes.

    Raises:
        InvalidInput: it is wanted, and something that it takes is not here.

    """
    if wanted is False:
        return Ran()
    from publisher import examples  # noqa: PLC0415 - which few runs need

    there = shelf.published(live.release, read)
    if there is None:
        return Ran(findings=(_note(live, "it carries no examples"),))
    lacks = examples.lacking()
    if lacks and wanted:
        raise InvalidInput(Problem("--examples", lacks, "or go without it: --no-examples"))
    if lacks:
        return Ran(findings=(_note(live, f"examples were not run: {lacks}"),))
    checked = examples.check(there, examples.Live(live, base_url, live.access.mode == "public"), progress=progress)
    return Ran(checked, examples.findings(checked, live.release))


def _note(live: Record, message: str) -> Finding:
    return Finding("example", "note", shelf.folder(live.release), message)
