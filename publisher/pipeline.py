"""The order of the steps, and nothing else: load → stage → plan → publish → verify → site."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from publisher import __version__, inventory, manifest, plan, publish, record, scene, site, stage, verify, work
from publisher.errors import InvalidInput, LocalTrouble, Problem
from publisher.manifest import Manifest
from publisher.objects import Entry, Plan, Report
from publisher.progress import SILENCE, Progress, timed
from publisher.publish import Published
from publisher.record import Access, Record
from publisher.serve import running
from publisher.site import Built
from publisher.stage import Staged
from publisher.targets import LocalTarget, Nowhere, Target, open_target
from publisher.tree import Tree
from publisher.verify import Depth
from publisher.words import did_you_mean

Step = Literal["stage", "plan", "publish", "verify", "site"]
STEPS: tuple[Step, ...] = ("stage", "plan", "publish", "verify", "site")


@dataclass(slots=True)
class Run:
    """What a run has come to: each step adds its value, and how many seconds it took."""

    manifest: Manifest
    target: Target
    staged: Staged | None = None
    plan: Plan | None = None
    published: Published | None = None
    report: Report | None = None
    built: Built | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def release(
    path: Path, to: str | None, *, until: Step = "site", depth: Depth = "sample", progress: Progress = SILENCE
) -> Run:
    """Publish a release: every step in order, up to and with `until`.

    Raises:
        PublisherError: with everything that is wrong; what was live is unchanged, and a rerun goes on from there.

    """
    loaded = manifest.load(path)
    target, access = choose_target(loaded, to)
    run = Run(loaded, target)
    writes = until not in {"stage", "plan"}
    with work.only_one(work_folder(loaded)), target.lock(loaded.release.version) if writes else nullcontext():
        with timed(run.seconds, "stage"):
            run.staged, wanted = _staged(loaded, target, access, progress)
        if until == "stage":
            return run
        with timed(run.seconds, "plan"):
            live = live_record(target, loaded.release.version)
            run.plan = _planned(run.staged, target, live, progress)
        if until == "plan":
            return run
        with timed(run.seconds, "publish"):
            now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            run.published = publish.publish(run.plan, target, wanted, live, created=now, progress=progress)
        if until != "publish":
            with timed(run.seconds, "verify"):
                run.report = verified(target, run.published.record, depth, progress)
        if until == "site":
            with timed(run.seconds, "site"):
                run.built = built(loaded, target, run.published.record, run.report)
    return run


def validate(path: Path, progress: Progress = SILENCE) -> Run:
    """Look at a manifest and everything that it names; write nothing but the work folder."""
    loaded = manifest.load(path)
    nowhere = Nowhere()
    run = Run(loaded, nowhere)
    with work.only_one(work_folder(loaded)):
        run.staged, _ = _staged(loaded, nowhere, Access(), progress)
        run.plan = _planned(run.staged, nowhere, None, progress)
    return run


def scenes(path: Path, to: str | None) -> tuple[tuple[scene.View, ...], str]:
    """Return the scenes of a manifest, and the address that they point to."""
    loaded = manifest.load(path)
    base = _public_url(loaded, to)
    with work.only_one(work_folder(loaded)):
        staged = stage.stage(loaded, work_folder(loaded))
    return scene.build(loaded.release, staged.artifacts, base), base


def audit(path: Path, to: str | None, *, depth: Depth, progress: Progress = SILENCE) -> Report:
    """Verify the live release of a manifest."""
    loaded = manifest.load(path)
    target, _ = choose_target(loaded, to)
    version = loaded.release.version
    live = live_record(target, version)
    if live is None:
        raise InvalidInput(
            Problem(target.url, f"has no release {version}", f"publish it first: publisher release {path}")
        )
    return verified(target, live, depth, progress)


def build_site(path: Path, to: str | None, out: Path | None) -> Built:
    """Build the site of what is live; of what is only described, where every artifact is hosted elsewhere."""
    loaded = manifest.load(path)
    if all(artifact.external is not None for artifact in loaded.release.artifacts):
        with work.only_one(work_folder(loaded)):
            staged = stage.stage(loaded, work_folder(loaded))
        described = _wanted(staged, _public_url(loaded, to, optional=True), Access())
        return _rendered(loaded, described, out or work_folder(loaded) / "html", None, None)
    target, _ = choose_target(loaded, to)
    live = live_record(target, loaded.release.version)
    if live is None:
        message = f"has no release {loaded.release.version}, and a page tells what is live"
        raise InvalidInput(Problem(target.url, message, f"publish it first: publisher release {path}"))
    return built(loaded, target, live, None, out)


def choose_target(loaded: Manifest, to: str | None) -> tuple[Target, Access]:
    """Return the target that is meant by NAME, URL or PATH (the manifest's first where nothing is), and its access."""
    targets = loaded.release.targets
    if to is None and not targets:
        hint = "add one under `targets`, or say `--target FOLDER`"
        raise InvalidInput(Problem(loaded.where(), "has no target", hint))
    name = to if to is not None else next(iter(targets))
    if name in targets:
        settings = targets[name]
        access = Access(settings.access, settings.cors.origins)
        return open_target(settings.url, settings.public_url, loaded.folder), access
    if near := did_you_mean(name, targets):
        raise InvalidInput(
            Problem("--target", f"{name!r} is no target of {loaded.path}{near}", f"for a folder, write ./{name}")
        )
    return open_target(name, None, Path.cwd()), Access()


def work_folder(loaded: Manifest) -> Path:
    """Return the work folder of a manifest: several manifests may lie in one folder."""
    return loaded.folder / work.NAME / loaded.path.stem


def live_record(target: Target, version: str) -> Record | None:
    """Return the record of a release that is live at a target."""
    key = record.record_key(version)
    data = target.read(key)
    return None if data is None else record.parse(data, f"{target.url}/{key}")


def live_entries(target: Target, live: Record) -> Iterator[Entry]:
    """Read the inventory of a live release, as a stream."""
    if live.inventory is None:
        return
    file = target.open(live.inventory.key)
    if file is None:
        message = "the record names this inventory, but it is gone"
        raise LocalTrouble(Problem(f"{target.url}/{live.inventory.key}", message, "restore it from a copy"))
    with file:
        yield from inventory.read(file)


def verified(target: Target, live: Record, depth: Depth, progress: Progress = SILENCE) -> Report:
    """Verify a release at its public address; a local target is served for it, on a free port."""
    with _address(target) as base:
        return verify.verify(f"{base}/{record.record_key(live.release)}", depth=depth, expect=live, progress=progress)


def built(loaded: Manifest, target: Target, live: Record, report: Report | None, out: Path | None = None) -> Built:
    """Build the site of a live release; a local target carries it, so that `serve` shows it."""
    local = target.root / "site" / live.release if isinstance(target, LocalTarget) else work_folder(loaded) / "html"
    return _rendered(loaded, live, out or local, target, report)


@contextmanager
def _address(target: Target) -> Iterator[str]:
    if isinstance(target, LocalTarget):
        with running(target.root) as base:
            yield base
    else:
        yield target.public_url


def _staged(loaded: Manifest, target: Target, access: Access, progress: Progress) -> tuple[Staged, Record]:
    """Stage the artifacts, and the scenes that show them."""
    folder = work_folder(loaded)
    avoid = target.root if isinstance(target, LocalTarget) else None
    staged = stage.stage(loaded, folder / "stage", avoid=avoid, progress=progress)
    trees = []
    for view in scene.build(loaded.release, staged.artifacts, target.public_url):
        path = folder / "stage" / "scenes" / f"{view.ref.name}.json"
        work.write_file(path, view.dump())
        trees.append(Tree(f"scene:{view.ref.name}", view.ref.key, path, role=lambda _: "scene"))
    staged = replace(staged, trees=(*staged.trees, *trees))
    return staged, _wanted(staged, target.public_url, access)


def _planned(staged: Staged, target: Target, live: Record | None, progress: Progress) -> Plan:
    release = staged.manifest.release
    return plan.plan(
        staged.trees,
        target,
        (live, live_entries(target, live)) if live else None,
        version=release.version,
        final=release.final,
        progress=progress,
    )


def _wanted(staged: Staged, public_url: str, access: Access) -> Record:
    """Return the record of a release as it will be, without what only publishing knows."""
    release = staged.manifest.release
    return Record(
        release=release.version,
        status=release.status,
        date=release.date.isoformat(),
        dataset=release.dataset.model_dump(mode="json", exclude_none=True),
        public_url=public_url,
        access=access,
        artifacts=staged.artifacts,
        scenes=tuple(record.SceneRef(s.name, s.title or s.name, release.scene_key(s)) for s in release.scenes),
        programmatic=release.programmatic.model_dump(mode="json", exclude_none=True),
        publisher=__version__,
    )


def _rendered(loaded: Manifest, live: Record, out: Path, target: Target | None, report: Report | None) -> Built:
    release = loaded.release
    project = loaded.folder / release.site.project if release.site.project else work_folder(loaded) / "site"
    midnight = dt.datetime.combine(release.date, dt.time(), dt.UTC)
    return site.render(
        live,
        project=project,
        out=out,
        entries=(lambda: live_entries(target, live)) if target is not None and live.inventory else None,
        report=report,
        source_date=int(midnight.timestamp()),
    )


def _public_url(loaded: Manifest, to: str | None, *, optional: bool = False) -> str:
    """Return the address that scenes point to: that of the target, or one that is given as http(s)://."""
    if to is not None and to.startswith(("http://", "https://")):
        return to.rstrip("/")
    if to is None and not loaded.release.targets:
        external = all(artifact.external is not None for artifact in loaded.release.artifacts)
        if optional or external:
            return ""
    return choose_target(loaded, to)[0].public_url
