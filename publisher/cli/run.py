"""Commands that look at a release and publish it: validate, plan, release, verify, access."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from publisher import show
from publisher.cli.options import (
    PLAN_CHANGES,
    VERIFY_FOUND,
    AsJson,
    Checksum,
    Depth,
    DepthOption,
    Examples,
    Links,
    ManifestPath,
    NoAccess,
    Quiet,
    Render,
    TargetName,
    Until,
)
from publisher.console import Screen, guarded
from publisher.words import count


def validate(
    manifest: ManifestPath, depth: DepthOption = Depth.SAMPLE, as_json: AsJson = False, quiet: Quiet = False
) -> None:
    """Check schema, sources, formats, links and the health of the data: all problems at once, each with its place."""
    screen = Screen(as_json, quiet)
    with guarded(screen), screen.progress() as progress:
        from publisher import pipeline  # noqa: PLC0415

        run = pipeline.validate(manifest, progress, depth=depth.value)
        assert run.staged is not None
        assert run.plan is not None
        total = show.total(run.plan)
    screen.warn(run.staged.warnings)
    release = run.manifest.release
    artifacts = count(len(release.artifacts), "artifact")
    amount = show.amount(**total)
    screen.say(
        f"{manifest} is good: {release.dataset.title} {release.version}, {artifacts}, {amount} to publish", "green"
    )
    screen.finish(
        manifest=str(manifest),
        release=release.version,
        problems=[],
        warnings=[str(w) for w in run.staged.warnings],
        findings=show.findings(run.health),
        **total,
    )


def plan(
    manifest: ManifestPath,
    target: TargetName = None,
    every: Annotated[bool, typer.Option("--all", help="Show every change, not only the first.")] = False,
    no_access: NoAccess = False,
    checksum: Checksum = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what would change, and why. Exit code 0: nothing, 10: changes."""
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import pipeline  # noqa: PLC0415

        with screen.progress() as progress:
            run = pipeline.release(
                manifest, target, until="plan", access=not no_access, reread=checksum, progress=progress
            )
        assert run.plan is not None
        assert run.staged is not None
        screen.warn(run.staged.warnings)
        changed = show.plan(screen, run.plan, None if every else show.LINES)
        lines = [{"change": str(c.op), "key": c.key, "reason": c.reason, "bytes": c.size_bytes} for c in changed]
        totals = {
            str(op): {"objects": tally.objects, "bytes": tally.size_bytes} for op, tally in run.plan.totals.items()
        }
        if run.words:
            screen.say(f"the record would change: {', '.join(run.words)}", "yellow")
        asked = show.requests(screen, run)
        show.doors(screen, run)
        screen.finish(
            requests=asked,
            release=run.manifest.release.version,
            target=run.target.url,
            totals=totals,
            changes=lines,
            record=list(run.words),
            access=[change._asdict() for change in run.doors],
            abilities=[ability._asdict() for ability in run.abilities],
        )
        nothing = run.plan.empty and not run.plan.news and not run.words and all(c.op == "!" for c in run.doors)
        raise SystemExit(0 if nothing else PLAN_CHANGES)


def release(
    manifest: ManifestPath,
    target: TargetName = None,
    until: Annotated[Until | None, typer.Option("--until", help="Stop after this step.")] = None,
    depth: DepthOption = Depth.SAMPLE,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="To every target of the manifest, one after another: mirrors.")
    ] = False,
    render: Render = None,
    examples: Examples = None,
    links: Links = False,
    no_access: NoAccess = False,
    checksum: Checksum = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Stage, plan, publish, verify, and build the site. Running it again changes nothing, or finishes what was begun."""
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import pipeline  # noqa: PLC0415

        with screen.progress() as progress:
            how: dict[str, Any] = {
                "until": until.value if until else "site",
                "depth": depth.value,
                "access": not no_access,
                "reread": checksum,
                "drawing": render,
                "examples": examples,
                "links": links,
                "progress": progress,
            }
            if everywhere:
                runs = pipeline.release_everywhere(manifest, **how)
            else:
                runs = [pipeline.release(manifest, target, **how)]
        told = []
        for run in runs:
            assert run.staged is not None
            screen.warn((*run.staged.warnings, *run.warnings))
            told.append(show.run(screen, run))
        screen.finish(**told[0], **({"mirrors": told[1:]} if everywhere else {}))
        if not all(seen.ok for run in runs for seen in (run.report, run.links) if seen is not None):
            raise SystemExit(VERIFY_FOUND)


def verify(
    manifest: Annotated[
        str, typer.Argument(metavar="MANIFEST|URL", help="A manifest, or the address of a release.", show_default=False)
    ],
    target: TargetName = None,
    depth: DepthOption = Depth.SAMPLE,
    no_access: NoAccess = False,
    mirrors: Annotated[
        bool, typer.Option("--mirrors", help="Compare with the manifest's other targets, by digests.")
    ] = False,
    render: Render = None,
    examples: Examples = None,
    pictures: Annotated[
        Path | None, typer.Option("--pictures", help="Also put the scenes' pictures here.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Audit what is live, as a stranger from another origin. Exit code 8: something was found.

    The examples of a release at a URL are programs that its publisher wrote: they are run only with --examples.
    """
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import finish  # noqa: PLC0415

        with screen.progress() as progress:
            if manifest.startswith(("http://", "https://")):
                report = finish.audit_address(
                    manifest,
                    depth=depth.value,
                    drawing=render,
                    examples=examples is True,
                    album=pictures,
                    progress=progress,
                )
            else:
                report = finish.audit(
                    Path(manifest),
                    target,
                    depth=depth.value,
                    access=not no_access,
                    others=mirrors,
                    drawing=render,
                    examples=examples,
                    album=pictures,
                    progress=progress,
                )
        show.report(screen, report)
        screen.finish(**show.as_json(report))
        if not report.ok:
            raise SystemExit(VERIFY_FOUND)


def access(manifest: ManifestPath, target: TargetName = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Set CORS and public reading only, for a role that may; objects are left alone."""
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import pipeline  # noqa: PLC0415

        run, done = pipeline.set_access(manifest, target)
        for change in done:
            screen.say(f"{change.op} {change.what} of {change.place}: {change.after} ({change.reason})")
        show.doors(screen, run)
        if not done and not run.doors:
            screen.say(f"access to {run.target.url} is as the manifest wants it", "green")
        screen.warn(run.warnings)
        rows = [change._asdict() for change in done]
        screen.finish(target=run.target.url, changed=rows, left=[change._asdict() for change in run.doors])
