"""Commands that show what there is: scene, site, serve, schema."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated

import typer

from publisher import show
from publisher.cli.options import VERIFY_FOUND, AsJson, Links, ManifestPath, Quiet, TargetName
from publisher.console import Screen, guarded
from publisher.errors import InvalidInput, Problem
from publisher.words import did_you_mean

if TYPE_CHECKING:
    from publisher.preview import Preview


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


def site(
    manifest: ManifestPath,
    target: TargetName = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the static HTML.", show_default=False)] = None,
    links: Links = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Build the download site from what is live (or from the manifest alone, where everything is hosted elsewhere).

    It is hosted as `site.host` of the manifest says, unless --out names a folder for it. Exit code 8: a link leads nowhere.
    """
    screen = Screen(as_json, quiet)
    with guarded(screen):
        from publisher import website  # noqa: PLC0415

        run = website.build(manifest, target, out.resolve() if out else None, links=links)
        screen.warn(run.warnings)
        screen.finish(**show.site(screen, run))
        if run.links is not None and not run.links.ok:
            raise SystemExit(VERIFY_FOUND)


def serve(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The local target; default: public.", show_default=False)
    ] = None,
    port: Annotated[int, typer.Option("--port", "-p", help="0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option("--host")] = "127.0.0.1",
    manifest: Annotated[
        Path | None,
        typer.Option(
            metavar="MANIFEST",
            help="Show its site as it would be, built anew after every edit; DIR is then its local target.",
            show_default=False,
        ),
    ] = None,
    cors: Annotated[
        bool, typer.Option("--cors/--no-cors", help="Answer other origins as the release's access says.")
    ] = True,
    listing: Annotated[bool, typer.Option("--listing", help="List folders; buckets do not.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print each request.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Serve a local target and its site over HTTP, as strict as a bucket; or preview a site while it is written."""
    screen = Screen(as_json, quiet)
    with guarded(screen), TemporaryDirectory(prefix="publisher-") as empty:
        from publisher import serve as step  # noqa: PLC0415

        shown = _preview(manifest, folder) if manifest else None
        root = (shown.root or Path(empty)) if shown else folder or Path("public")
        log = screen.say if verbose else None
        pages = shown.pages if shown else None
        server = step.server(
            step.Settings(root, host=host, port=port, cors=cors, listing=listing, log=log, preview=pages)
        )
        stop = Event()
        if shown:
            screen.say(f"{manifest} is shown at {server.base_url}/{shown.address} (stop with Ctrl-C)", "green")
            Thread(target=shown.watch, args=(screen.say, stop), daemon=True).start()
        else:
            screen.say(f"{root} is at {server.base_url}/ (stop with Ctrl-C)", "green")
        at = {"page": f"{server.base_url}/{shown.address}"} if shown else {}
        screen.finish(url=server.base_url, folder=str(root), **at)
        with server:
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                screen.say("stopped")
            finally:
                stop.set()


def _preview(manifest: Path, folder: Path | None) -> Preview:
    from publisher.preview import Preview  # noqa: PLC0415

    return Preview(manifest, folder)


def schema(
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file.", show_default=False)] = None,
) -> None:
    """Print the manifest's JSON Schema, which editors complete from."""
    screen = Screen()
    with guarded(screen):
        from publisher.manifest import schema as model  # noqa: PLC0415

        text = json.dumps(model.schema(), indent=1, ensure_ascii=False)
        if out is None:
            screen.show(text)
        else:
            out.write_text(f"{text}\n", encoding="utf-8")
