"""The command line: the only place that prints, prompts, exits, or reads publisher's own variables."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from publisher import __version__, show
from publisher.console import Screen, guarded
from publisher.errors import InvalidInput, Problem
from publisher.words import count, did_you_mean

VERIFY_FOUND = 8
PLAN_CHANGES = 10

app = typer.Typer(
    name="publisher",
    help="Publish a dataset release: staged, uploaded, verified and described, from one YAML manifest.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
ci = typer.Typer(help="Write the workflow that publishes from CI.", no_args_is_help=True)
app.add_typer(ci, name="ci")


class Until(StrEnum):
    """Steps that `release` can stop after."""

    STAGE = "stage"
    PLAN = "plan"
    PUBLISH = "publish"
    VERIFY = "verify"


class Depth(StrEnum):
    """How much of the content `verify` reads."""

    QUICK = "quick"
    SAMPLE = "sample"
    FULL = "full"


ManifestPath = Annotated[
    Path, typer.Argument(metavar="MANIFEST", help="The release's YAML manifest.", show_default=False)
]
TargetName = Annotated[
    str | None,
    typer.Option(
        "--target", "-t", metavar="NAME|URL|PATH", help="Where the release goes; default: the manifest's first."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output; all else on standard error.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what was asked for, and errors.")]
DepthOption = Annotated[
    Depth, typer.Option("--depth", help="Content that is read: none, a sample of each artifact, all.")
]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"publisher {__version__}")
        raise typer.Exit


@app.command()
def validate(manifest: ManifestPath, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Check schema, sources, formats and links: all problems at once, each with file:line:column."""
    screen = Screen(as_json, quiet)
    with guarded(screen), screen.progress() as progress:
        from publisher import pipeline  # noqa: PLC0415

        run = pipeline.validate(manifest, progress)
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
        **total,
    )


@app.command()
def plan(
    manifest: ManifestPath,
    target: TargetName = None,
    every: Annotated[bool, typer.Option("--all", help="Show every change, not only the first.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what would change, and why. Exit code 0: nothing, 10: changes."""
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import pipeline  # noqa: PLC0415

        with screen.progress() as progress:
            run = pipeline.release(manifest, target, until="plan", progress=progress)
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
        screen.finish(
            release=run.manifest.release.version,
            target=run.target.url,
            totals=totals,
            changes=lines,
            record=list(run.words),
        )
        nothing = run.plan.empty and not run.plan.news and not run.words
        raise SystemExit(0 if nothing else PLAN_CHANGES)


@app.command()
def release(
    manifest: ManifestPath,
    target: TargetName = None,
    until: Annotated[Until | None, typer.Option("--until", help="Stop after this step.")] = None,
    depth: DepthOption = Depth.SAMPLE,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Stage, plan, publish, verify, and build the site. Running it again changes nothing, or finishes what was begun."""
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import pipeline  # noqa: PLC0415

        with screen.progress() as progress:
            run = pipeline.release(
                manifest, target, until=until.value if until else "site", depth=depth.value, progress=progress
            )
        assert run.staged is not None
        screen.warn(run.staged.warnings)
        screen.finish(**show.run(screen, run))
        if run.report is not None and not run.report.ok:
            raise SystemExit(VERIFY_FOUND)


@app.command()
def verify(
    manifest: Annotated[
        str, typer.Argument(metavar="MANIFEST|URL", help="A manifest, or the address of a release.", show_default=False)
    ],
    target: TargetName = None,
    depth: DepthOption = Depth.SAMPLE,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Audit what is live, as a stranger from another origin. Exit code 8: something was found."""
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import pipeline  # noqa: PLC0415
        from publisher import verify as step  # noqa: PLC0415

        with screen.progress() as progress:
            if manifest.startswith(("http://", "https://")):
                report = step.verify(manifest, depth=depth.value, progress=progress)
            else:
                report = pipeline.audit(Path(manifest), target, depth=depth.value, progress=progress)
        show.report(screen, report)
        screen.finish(**show.as_json(report))
        if not report.ok:
            raise SystemExit(VERIFY_FOUND)


@app.command()
def scene(
    manifest: ManifestPath,
    target: TargetName = None,
    name: Annotated[str | None, typer.Option("--name", help="Only this scene.")] = None,
    state: Annotated[bool, typer.Option("--state", help="Print the viewer state instead of its links.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Print each scene's links: the whole state in the address, and the short form that loads the hosted JSON.

    With --target http://…, the scenes point below that address.
    """
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import pipeline  # noqa: PLC0415
        from publisher import scene as step  # noqa: PLC0415

        views, base = pipeline.scenes(manifest, target)
        known = [view.ref.name for view in views]
        if name is not None and name not in known:
            message = f"{name!r} is no scene of {manifest}{did_you_mean(name, known)}"
            raise InvalidInput(Problem("--name", message, f"there are {', '.join(known)}" if known else "it has none"))
        rows = []
        for view in views:
            if name is not None and view.ref.name != name:
                continue
            url = f"{base}/{view.ref.key}" if base else ""
            short = step.short_link(url) if url else ""
            rows.append(
                {
                    "name": view.ref.name,
                    "url": url,
                    "link": step.link(view.state),
                    "short_link": short,
                    "state": view.state,
                }
            )
            if state:
                screen.show(json.dumps(view.state, indent=1, ensure_ascii=False))
            else:
                screen.show(
                    f"{view.ref.name}\n  {short or url}\n  {step.link(view.state)}"
                    if short
                    else f"{view.ref.name}\n  {step.link(view.state)}"
                )
        screen.finish(scenes=rows)


@app.command()
def site(
    manifest: ManifestPath,
    target: TargetName = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the static HTML.", show_default=False)] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Build the download site from what is live (or from the manifest alone, where everything is hosted elsewhere)."""
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import pipeline  # noqa: PLC0415

        made = pipeline.build_site(manifest, target, out.resolve() if out else None)
        screen.say(f"{count(made.pages, 'page')} in {made.out}", "green")
        screen.finish(out=str(made.out), pages=made.pages, files=made.files)


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The local target.")] = Path("public"),
    port: Annotated[int, typer.Option("--port", "-p", help="0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option("--host")] = "127.0.0.1",
    cors: Annotated[
        bool, typer.Option("--cors/--no-cors", help="Answer other origins as the release's access says.")
    ] = True,
    listing: Annotated[bool, typer.Option("--listing", help="List folders; buckets do not.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print each request.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Serve a local target and its site over HTTP, as strict as a bucket."""
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import serve as step  # noqa: PLC0415

        log = screen.say if verbose else None
        server = step.server(step.Settings(folder, host=host, port=port, cors=cors, listing=listing, log=log))
        screen.say(f"{folder} is at {server.base_url}/ (stop with Ctrl-C)", "green")
        screen.finish(url=server.base_url, folder=str(folder))
        with server:
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                screen.say("stopped")


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file.", show_default=False)] = None,
) -> None:
    """Print the manifest's JSON Schema, which editors complete from."""
    screen = Screen()
    with guarded(screen):
        from publisher import manifest as model  # noqa: PLC0415

        text = json.dumps(model.schema(), indent=1, ensure_ascii=False)
        if out is None:
            screen.show(text)
        else:
            out.write_text(f"{text}\n", encoding="utf-8")


@ci.command("github")
def ci_github(
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="MANIFEST", help="One like those to be released; default: the only one in releases/."),
    ] = None,
    prepare: Annotated[str, typer.Option(metavar="CMD", help="Brings the inputs.", show_default=False)] = "",
    install: Annotated[
        str | None,
        typer.Option(metavar="CMD", help="Installs publisher; default: pip installs what requirements.txt says."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: .github/workflows/publish.yml.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing. Exit code 2: FILE is out of date.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the GitHub workflow that validates and plans pull requests and releases tags, from the top of a repository."""
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import ci as step  # noqa: PLC0415

        settings = step.Settings(manifest, prepare, install or step.INSTALL, out or step.OUT)
        written = (step.check if check else step.write)(settings)
        screen.say(f"{settings.out} is {'written' if written else 'up to date'}", "green")
        screen.finish(out=str(settings.out), written=written)


@ci.command("tag")
def ci_tag(
    tag: Annotated[str, typer.Argument(metavar="TAG", show_default=False)],
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where the manifests are.")] = Path("releases"),
) -> None:
    """Print the manifest that a tag releases: DIR/TAG.yaml, whose version is TAG."""
    screen = Screen()
    with guarded(screen):
        from publisher import ci as step  # noqa: PLC0415

        screen.show(str(step.manifest_of(tag, folder)))


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
