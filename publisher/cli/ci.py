"""Commands for publishing from CI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from publisher.cli.options import AsJson, Quiet
from publisher.console import Screen, guarded

app = typer.Typer(help="Write the workflow that publishes from CI.", no_args_is_help=True)


@app.command("github")
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
    render: Annotated[
        bool, typer.Option(help="Install Chromium, in which a release opens its scenes; without scenes there is none.")
    ] = True,
    check: Annotated[bool, typer.Option("--check", help="Write nothing. Exit code 2: FILE is out of date.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the GitHub workflow that validates and plans pull requests and releases tags, from the top of a repository."""
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import ci as step  # noqa: PLC0415

        settings = step.Settings(manifest, prepare, install or step.INSTALL, out or step.OUT, render)
        written = (step.check if check else step.write)(settings)
        screen.say(f"{settings.out} is {'written' if written else 'up to date'}", "green")
        screen.finish(out=str(settings.out), written=written)


@app.command("tag")
def ci_tag(
    tag: Annotated[str, typer.Argument(metavar="TAG", show_default=False)],
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where the manifests are.")] = Path("releases"),
) -> None:
    """Print the manifest that a tag releases: DIR/TAG.yaml, whose version is TAG."""
    screen = Screen()
    with guarded(screen):
        from publisher import ci as step  # noqa: PLC0415

        screen.show(str(step.manifest_of(tag, folder)))
