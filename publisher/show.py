"""What people read of a plan, a report and a run, and what programs read of them."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from publisher.console import Screen
from publisher.errors import Problem
from publisher.words import count, size

if TYPE_CHECKING:  # these import pyarrow, mkdocs and the viewer; `--help` must be instant
    from publisher.links import Links
    from publisher.objects import Change, Checked, Finding, Plan, Report
    from publisher.run import Run

PART_BYTES = 16 << 20  # of what is larger, each part is a request
WRITE_DOLLARS = 0.005 / 1000  # list price of a PUT (S3 Standard) and of a class A operation (GCS Standard), 2026
LINES = 40  # of a plan that are shown unless all are asked for


def run(screen: Screen, run: Run) -> dict[str, Any]:
    """Say what a release run did and what to do next; return the same for programs."""
    from publisher.targets import DEFAULT_PUBLIC_URL  # noqa: PLC0415 - as above

    version = run.manifest.release.version
    base: dict[str, Any] = {
        "release": version,
        "target": run.target.url,
        "objects": 0,
        "bytes": 0,
        "uploaded": 0,
        "skipped": 0,
        "failed": 0,
    }
    if run.published is not None:
        done, live = run.published, run.published.record
        base |= {"objects": live.objects, "bytes": live.size_bytes, "uploaded": done.uploaded, "skipped": done.skipped}
        if done.uploaded:
            screen.say(
                f"{count(done.uploaded, 'object')} written ({size(done.uploaded_bytes)}), {done.skipped:,} were there already",
                "green",
            )
        else:
            screen.say(
                f"0 objects written: {count(live.objects, 'object')} of the release, and every one is there already"
                + (", a new record was written" if done.committed else ""),
                "green",
            )
        screen.say(
            f"{live.dataset['title']} {version} ({live.status}) is live at {run.target.url}: {amount(live.objects, live.size_bytes)}"
        )
        if done.outdated:
            message = f"the manifest now says otherwise of: {', '.join(done.outdated)}"
            screen.warn(
                [Problem("", message, "the final record keeps what it said; publish a new version to change it")]
            )
        doors(screen, run)
    elif run.plan is not None:
        plan(screen, run.plan, LINES)
        doors(screen, run)
    found = [finding for finding in run.health if finding.severity != "note"]  # `validate` tells those, too
    if run.report is not None:
        base["examples"] = [each._asdict() for each in run.report.examples]
        found += run.report.findings
        report(screen, run.report)
    if run.built is not None:
        base |= {"site": site(screen, run)}
        found += run.links.findings if run.links is not None else ()
    good = run.report is None or run.report.ok
    if good and run.built is not None and run.built.out.is_relative_to(run.target.url):
        page = f"{DEFAULT_PUBLIC_URL}/site/{version}/"
        screen.say(f"next: {_command()} serve {_near(run.target.url)}   then open {page}", "bold")
    return base | {"seconds": run.seconds, "findings": findings(found)}


def site(screen: Screen, run: Run) -> dict[str, Any]:
    """Say what was built, and where it is hosted; return the same for programs."""
    built, hosted = run.built, run.hosted
    assert built is not None
    screen.say(f"site: {count(built.pages, 'page')} in {built.out}", "green")
    screen.warn(built.lacks)
    told: dict[str, Any] = {"out": str(built.out), "pages": built.pages, "files": built.files}
    told |= {"lacks": [each.message for each in built.lacks]}
    if run.links is not None:
        told |= {"links": links(screen, run.links)}
    if hosted is None:
        return told
    if hosted.sent or hosted.kept:
        sent = f"{count(hosted.sent, 'file')} sent ({size(hosted.sent_bytes)})" if hosted.sent else "0 files sent"
        screen.say(f"site: {sent}, {hosted.kept:,} were there already")
    if hosted.left:
        screen.say(
            f"site: {count(len(hosted.left), 'file')} of an earlier one left alone: {', '.join(hosted.left[:3])} …"
        )
    if hosted.folder is not None:
        screen.say(f"site: {hosted.folder} is ready to be committed and pushed as a branch")
    if hosted.url:
        screen.say(f"site: {hosted.url}", "bold")
    left = {"left": list(hosted.left)} if hosted.left else {}
    return told | {"url": hosted.url, "sent": hosted.sent, "sent_bytes": hosted.sent_bytes, "kept": hosted.kept, **left}


def links(screen: Screen, links: Links) -> dict[str, Any]:
    """Say where the links of a site lead; return the same for programs."""
    shown(screen, links.findings)
    others = "1 address" if len(links.others) == 1 else f"{len(links.others):,} addresses"
    asked = f"{links.asked:,} of them answered" if links.asked else "not asked for"
    verdict = "lead somewhere" if links.ok else "do NOT all lead somewhere"
    screen.say(
        f"links: {links.inside:,} inside and {links.objects:,} to objects {verdict}; {others} of others, {asked}",
        "" if links.ok else "bold red",
    )
    told = {"inside": links.inside, "objects": links.objects, "others": list(links.others), "asked": links.asked}
    return told | {"findings": findings(links.findings)}


def _command() -> str:
    """Return how this shell calls publisher: by its name, or by the path that it was called by."""
    if shutil.which("publisher"):
        return "publisher"
    called = Path(sys.argv[0]).resolve()
    return "python -m publisher.cli" if called.suffix == ".py" else _near(str(called))


def _near(path: str) -> str:
    """Return a path relative to here where that is shorter."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def plan(screen: Screen, plan: Plan, most: int | None) -> list[Change]:
    """Show the changes and their totals; return the changes that are not `=`."""
    colors = {"+": "green", "~": "yellow", "?": "magenta"}
    changed: list[Change] = []
    more = 0
    for change in plan.changes if not plan.empty else ():
        if change.op == "=":
            continue
        if most is not None and len(changed) >= most:
            more += 1
            continue
        changed.append(change)
        screen.say(f"{change.op} {change.key}  ({size(change.size_bytes)}; {change.reason})", colors[change.op])
    if more:
        screen.say(f"… and {count(more, 'more change')} (--all shows them)")
    for artifact, tallies in plan.artifacts.items():
        parts = [f"{op}{tally.objects:,}" for op, tally in tallies.items() if tally.objects]
        screen.say(f"{artifact:>28}  {' '.join(parts):<24} {size(sum(t.size_bytes for t in tallies.values()))}")
    words = {"+": "to add", "~": "to replace", "=": "unchanged", "?": "no longer described (left alone)"}
    screen.say(
        ", ".join(f"{tally.objects:,} {words[op]}" for op, tally in plan.totals.items() if tally.objects)
        or "nothing at all",
        "bold",
    )
    return changed


def requests(screen: Screen, run: Run) -> int:
    """Say how many requests a plan writes to a bucket, and about what they cost; return their number."""
    if run.plan is None or run.root is not None:
        return 0
    todo = run.plan.tally(*(op for op in run.plan.totals if op in {"+", "~"}))
    number = todo.objects + todo.size_bytes // PART_BYTES
    if number:
        price = f"about ${number * WRITE_DOLLARS:,.2f} at ${WRITE_DOLLARS * 1000} for 1,000"
        screen.say(f"{number:,} requests to write, {price}, which S3 and GCS ask for their standard classes")
    return number


def doors(screen: Screen, run: Run) -> None:
    """Show what would change of who may read, and what the store can do."""
    colors = {"+": "green", "~": "yellow", "!": "magenta"}
    for change in run.doors:
        becomes = f": {change.after}" if change.after else ""
        screen.say(f"{change.op} {change.what} of {change.place}{becomes}  ({change.reason})", colors[change.op])
    for ability in run.abilities:
        screen.say(ability.message, "" if ability.works else "yellow")


def report(screen: Screen, report: Report) -> None:
    """Show what was found, and how much was looked at."""
    shown(screen, report.findings)
    for scene in report.scenes:
        drawn = f"{len(scene.layers)} of {count(scene.visible, 'layer')} drawn"
        pictures = f": {', '.join(scene.pictures)}" if scene.pictures else ""
        screen.say(f"scene {scene.name} opened in Neuroglancer {scene.viewer}, {drawn}{pictures}")
    if report.examples:
        screen.say(examples(report.examples), "green" if all(each.ok for each in report.examples) else "red")
    read = f"{amount(report.objects, report.size_bytes)} asked for, content of {report.digests:,} read ({size(report.digest_bytes)})"
    verdict = "verified" if report.ok else "NOT as it should be"
    screen.say(f"{report.release} at {report.base_url} is {verdict}: {read}", "green" if report.ok else "bold red")


def shown(screen: Screen, findings: Iterable[Finding]) -> None:
    """Show what was found, each on a line."""
    colors = {"error": "red", "warning": "yellow", "note": "cyan"}
    for finding in findings:
        screen.say(f"{finding.severity} [{finding.check}] {finding.key}: {finding.message}", colors[finding.severity])


def examples(checked: Sequence[Checked]) -> str:
    """Say how many examples were checked, how, and with what result."""
    hows = Counter(each.how for each in checked)
    told = ", ".join(f"{hows[how]} {how}" for how in ("run", "doubled", "parsed", "unchecked") if hows[how])
    failed = sum(not each.ok for each in checked)
    return f"{count(len(checked), 'example')} shown: {told}, {f'{failed} FAILED' if failed else 'all passed'}"


def as_json(report: Report) -> dict[str, Any]:
    """Return a report for programs."""
    return {
        "release": report.release,
        "target": report.base_url,
        "ok": report.ok,
        "depth": report.depth,
        "objects": report.objects,
        "bytes": report.size_bytes,
        "digests": report.digests,
        "digest_bytes": report.digest_bytes,
        "probes": list(report.probes),
        "scenes": [{**scene._asdict(), "layers": list(scene.layers)} for scene in report.scenes],
        "examples": [each._asdict() for each in report.examples],
        "findings": findings(report.findings),
    }


def findings(found: Iterable[Finding]) -> list[dict[str, str]]:
    """Return findings for programs."""
    return [
        {
            "check": finding.check,
            "severity": finding.severity,
            "key": finding.key,
            "artifact": finding.artifact,
            "message": finding.message,
        }
        for finding in found
    ]


def total(plan: Plan) -> dict[str, int]:
    """Return objects and bytes of a whole plan."""
    tallies = plan.totals.values()
    return {"objects": sum(t.objects for t in tallies), "bytes": sum(t.size_bytes for t in tallies)}


def amount(objects: int, bytes: int) -> str:  # noqa: A002 - the name of the JSON field
    """Return objects and bytes in words."""
    return f"{count(objects, 'object')}, {size(bytes)}"
