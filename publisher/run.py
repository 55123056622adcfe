"""One run: which release, which target, what is live there, and the values that the steps have come to so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from publisher import __version__, inventory, manifest, record, work
from publisher.errors import InvalidInput, LocalTrouble, Locked, Problem
from publisher.manifest import Manifest
from publisher.objects import Entry, Plan, Report
from publisher.record import Access, Record
from publisher.serve import running
from publisher.stage import Staged
from publisher.targets import LocalTarget, Target, open_target
from publisher.words import did_you_mean

if TYPE_CHECKING:
    from publisher.publish import Published
    from publisher.site import Built


@dataclass(slots=True)
class Run:
    """Where a run is going, and what it has come to: each step adds its value, and how many seconds it took."""

    manifest: Manifest
    target: Target
    access: Access = Access()  # noqa: RUF009 - frozen
    staged: Staged | None = None
    plan: Plan | None = None
    published: Published | None = None
    report: Report | None = None
    built: Built | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The release's version."""
        return self.manifest.release.version

    @property
    def folder(self) -> Path:
        """The work folder; several manifests may lie in one folder, so each has its own."""
        return work_folder(self.manifest)

    @property
    def root(self) -> Path | None:
        """The folder of a local target."""
        return self.target.root if isinstance(self.target, LocalTarget) else None


def start(path: Path, to: str | None) -> Run:
    """Load a manifest and choose its target, by NAME, URL or PATH: the manifest's first where nothing is said.

    Raises:
        InvalidInput: the manifest has problems, or there is no such target.

    """
    loaded = manifest.load(path)
    targets = loaded.release.targets
    if to is None and not targets:
        raise InvalidInput(
            Problem(loaded.where(), "has no target", "add one under `targets`, or say `--target FOLDER`")
        )
    name = to if to is not None else next(iter(targets))
    if name in targets:
        settings = targets[name]
        access = Access(settings.access, settings.cors.origins)
        return Run(loaded, open_target(settings.url, settings.public_url, loaded.folder), access)
    if near := did_you_mean(name, targets):
        message = f"{name!r} is no target of {loaded.path}{near}"
        raise InvalidInput(Problem("--target", message, f"for a folder, write ./{name}"))
    return Run(loaded, open_target(name, None, Path.cwd()))


def work_folder(loaded: Manifest) -> Path:
    """Return the work folder of a manifest."""
    return loaded.folder / work.NAME / loaded.path.stem


def wanted(staged: Staged, public_url: str, access: Access) -> Record:
    """Return the record of a release as it will be, without what only publishing knows."""
    release = staged.manifest.release
    return Record(
        release=release.version,
        status=release.status,
        date=release.date.isoformat(),
        dataset=release.dataset.model_dump(mode="json"),
        public_url=public_url,
        access=access,
        artifacts=staged.artifacts,
        scenes=tuple(record.SceneRef(s.name, s.title or s.name, release.scene_key(s)) for s in release.scenes),
        programmatic=release.programmatic.model_dump(mode="json", exclude_none=True),
        publisher=__version__,
    )


def live_record(run: Run) -> Record | None:
    """Return the record of this version that is live at the target."""
    key = record.record_key(run.version)
    data = run.target.read(key)
    return None if data is None else record.parse(data, f"{run.target.url}/{key}")


def still_live(run: Run, planned: Record | None) -> None:
    """Raise Locked where somebody else has published since the plan was made."""
    if live_record(run) != planned:
        message = "another publisher wrote this release while it was planned"
        raise Locked(Problem(run.target.url, message, "run the same command again"))


def must_be_live(run: Run) -> Record:
    """Return the live record; raise InvalidInput where there is none."""
    live = live_record(run)
    if live is None:
        hint = f"publish it first: publisher release {run.manifest.path}"
        raise InvalidInput(Problem(run.target.url, f"has no release {run.version}", hint))
    return live


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


@contextmanager
def address(run: Run) -> Iterator[str]:
    """Give the address under which strangers read the target; a folder is served on a free port as long as this lasts."""
    if run.root is None:
        yield run.target.public_url
        return
    with running(run.root) as base:
        yield base
