"""The site of what is live: built, its links followed, and brought to its readers; or only shown to who writes it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial
from pathlib import Path

from publisher import host, manifest, record, scene, site, work
from publisher.brand import brand
from publisher.errors import InvalidInput, Problem, Unbuilt
from publisher.host import Hosted
from publisher.links import Links, check
from publisher.links import Release as Linked
from publisher.objects import Report
from publisher.page import places
from publisher.record import Access, Record
from publisher.run import (
    Recorded,
    Run,
    address,
    described,
    kept_report,
    live_record,
    must_be_live,
    pictures,
    start,
    wanted,
)
from publisher.site import Built
from publisher.stranger import Stranger, nothing
from publisher.targets import Nowhere
from publisher.targets.bucket import Bucket


def build(path: Path, to: str | None, out: Path | None, *, links: bool = False) -> Run:
    """Build the site of what is live; of what is only described, where every artifact is hosted elsewhere.

    It is hosted where the manifest says so, unless it is built elsewhere (`out`). `links` asks for what others host, too.
    """
    loaded = manifest.load(path)
    if any(artifact.external is None for artifact in loaded.release.artifacts):
        run = start(loaded, to)
        live = must_be_live(run)
        of_live(run, live, kept_report(run, live), out, links=links)
        return run
    run = start(loaded, to) if to is not None or loaded.release.targets else Run(loaded, Nowhere())
    with work.only_one(run.folder):
        staged = described(loaded)
    views = scene.build(loaded.release, staged.artifacts, "")
    refs = tuple(replace(view.ref, link=scene.link(view.state)) for view in views)
    _build(run, replace(wanted(staged, "", Access()), scenes=refs), None, out, links=links)
    return run


def of_live(run: Run, live: Record, report: Report | None, out: Path | None = None, *, links: bool = False) -> None:
    """Build the site of a live release, and host it; a local target carries it, so that `serve` shows it."""
    _build(run, live, report, out, links=links)


def _build(run: Run, live: Record, report: Report | None, out: Path | None, *, links: bool) -> None:
    try:
        run.built = _site(run, live, out or _place(run, live), report)
    except InvalidInput as error:
        raise Unbuilt(error.problems) from error
    run.links = _linked(run, live, run.built.out, others=links)
    if out is None:
        run.hosted = _hosted(run, live, run.built.out)


def _linked(run: Run, live: Record, out: Path, *, others: bool) -> Links:
    """Look where the links of a built site lead, while the target is served."""
    own = _page(run, live, out)
    if not live.inventory:
        return check(out, Linked(own=own), others=others)
    at = (
        f"{live.public_url}/{out.relative_to(run.root).as_posix()}" if run.root and out.is_relative_to(run.root) else ""
    )
    with address(run) as served:
        # With credentials where there are some: who may read is for `verify` to say.
        sign = None if run.root else run.target.sign
        return check(out, Linked(live.public_url, served, at, sign, own), others=others)


def _place(run: Run, live: Record) -> Path:
    """Return where the site is built: where it is read, if that is on this machine."""
    if run.manifest.release.site.host == "gh-pages":
        return _branch(run) / live.release
    if run.root and live.inventory:
        return run.root / host.place(live.release).rstrip("/")
    others = run.name and run.name != next(iter(run.manifest.release.targets))
    return run.folder / (f"html-{run.name}" if others else "html")


def _beside_others(run: Run, live: Record, out: Path) -> bool:
    """Whether a site lies where those of other versions do, with the list of them all above it."""
    hosted = run.manifest.release.site.host != "none" or (run.root is not None and live.inventory is not None)
    return hosted and out == _place(run, live)


def _branch(run: Run) -> Path:
    return run.manifest.folder / (run.manifest.release.site.folder or "gh-pages")


def _hosted(run: Run, live: Record, out: Path) -> Hosted | None:
    """Bring a built site to its readers; return None where that is left to somebody else."""
    settings, version = run.manifest.release.site, live.release
    listed = run.target.read(record.RELEASES_KEY)
    releases, latest = record.parse_releases(listed), record.latest(listed)
    page = _page(run, live, out)
    if settings.host == "gh-pages":
        host.branch(_branch(run), version, releases, latest)
        return Hosted(f"{page}{host.INDEX}" if page else "", folder=_branch(run))
    if run.root and out.is_relative_to(run.root):
        host.pointed(run.target, version, releases, latest)
        done = Hosted()
    elif settings.host == "target" and not isinstance(run.target, Nowhere):
        done = host.upload(run.target, out, version, releases, latest)
        _greet(run, live, f"{run.target.public_url}/{host.place(version, host.INDEX)}")
    else:
        return None
    return replace(done, url=f"{page or f'{run.target.public_url}/{host.place(version)}'}{host.INDEX}")


def _greet(run: Run, live: Record, page: str) -> None:
    """Ask for the first page as a stranger, and warn where a public release's is refused."""
    with Stranger("https://stranger.example") as client:
        status = client.ask("HEAD", page, nothing).status if live.access.mode == "public" else 200
    if status != 200:  # noqa: PLR2004 - what everybody knows
        message = f"strangers who ask for the site are answered {status}"
        run.warnings = (
            *run.warnings,
            Problem(page, message, "run `publisher access`, with a role that may open `site/`"),
        )


def preview(run: Run, out: Path) -> None:
    """Build the site as the manifest has it now: in its words, with the numbers of what is live. It is for nobody else."""
    live = live_record(run)
    with work.only_one(run.folder):
        new = wanted(described(run.manifest), run.target.public_url, run.access)
    if live is not None:
        new = replace(new.counted_as(live), inventory=live.inventory)
    run.built = _site(run, new, out, kept_report(run, live) if live else None, "../.." if run.root else None)


def project(run: Run) -> Path:
    """Return the folder of the site's MkDocs project."""
    named = run.manifest.release.site.project
    return run.manifest.folder / named if named else run.folder / "site"


def _site(run: Run, live: Record, out: Path, report: Report | None, root: str | None = None) -> Built:
    release, looks = run.manifest.release, brand(run.manifest)
    if looks.problems:
        raise InvalidInput(looks.problems)
    midnight = dt.datetime.combine(release.date, dt.time(), dt.UTC)
    return site.render(
        live,
        project=project(run),
        out=out,
        entries=partial(Recorded, run.target, live) if live.inventory else None,
        report=report,
        source_date=int(midnight.timestamp()),
        # `publisher serve` serves the viewer beside a folder's site, so that scenes open without a network.
        hosting=site.Hosting(
            run.target.url,
            "../.." if run.root and out.is_relative_to(run.root) else root,
            run.target.endpoint if isinstance(run.target, Bucket) else None,
            pictures(run, live),
            run.target.read,
            page=places.public(_page(run, live, out)),
            ro_crate=release.site.ro_crate,
            versions=f"../{host.VERSIONS}" if _beside_others(run, live, out) else "",
        ),
        brand=looks,
    )


def _page(run: Run, live: Record, out: Path) -> str:
    """Return the address of a site's folder once it is hosted; "" where nobody knows it."""
    settings, version = run.manifest.release.site, live.release
    if settings.url:
        return f"{settings.url.rstrip('/')}/{version}/"
    beside = settings.host == "target" and not isinstance(run.target, Nowhere)
    here = run.root is not None and out.is_relative_to(run.root)
    return f"{run.target.public_url}/{host.place(version)}" if here or (beside and run.root is None) else ""
