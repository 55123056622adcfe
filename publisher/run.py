"""One run: which release, which target, what is live there, and the values that the steps have come to so far."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from publisher import __version__, inventory, record, viewer, work
from publisher.errors import Damaged, Exposed, InvalidInput, Locked, Problem, Unreachable
from publisher.ledger import Ledger
from publisher.manifest import Manifest
from publisher.manifest.checks import address_trouble
from publisher.objects import Ability, AccessChange, Entry, Finding, Plan, Report
from publisher.page import places
from publisher.page.places import Place
from publisher.record import Access, InventoryRef, Record
from publisher.stage import Staged, stage
from publisher.targets import LocalTarget, Reach, Target, open_target
from publisher.words import did_you_mean

if TYPE_CHECKING:
    from publisher.host import Hosted
    from publisher.links import Links
    from publisher.publish import Published
    from publisher.site import Built


@cache
def _adapter() -> TypeAdapter[Report]:
    return TypeAdapter(Report)


@dataclass(slots=True)
class Run:
    """Where a run is going, and what it has come to: each step adds its value, and how many seconds it took."""

    manifest: Manifest
    target: Target
    access: Access = Access()  # noqa: RUF009 - frozen
    ledger: Ledger | None = None
    name: str = ""  # of the target in the manifest; "" for one that was given by URL or path
    staged: Staged | None = None
    health: tuple[Finding, ...] = ()  # what was found before anything was sent
    plan: Plan | None = None
    published: Published | None = None
    report: Report | None = None
    built: Built | None = None
    hosted: Hosted | None = None
    links: Links | None = None  # where those of its pages lead
    words: tuple[str, ...] = ()  # what the manifest says in other words than the live record
    doors: tuple[AccessChange, ...] = ()  # what must change for it to be read as wanted
    abilities: tuple[Ability, ...] = ()
    warnings: tuple[Problem, ...] = ()
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


def start(loaded: Manifest, to: str | None) -> Run:
    """Choose the target of a release, by NAME, URL or PATH: the manifest's first where nothing is said.

    Raises:
        InvalidInput: there is no such target.

    """
    targets = loaded.release.targets
    if to is None and not targets:
        raise InvalidInput(
            Problem(loaded.where(), "has no target", "add one under `targets`, or say `--target FOLDER`")
        )
    name = to if to is not None else next(iter(targets))
    if name in targets:
        settings = targets[name]
        ledger = Ledger(work_folder(loaded), settings.url)
        access = Access(settings.access, settings.cors.origins)
        target = open_target(settings.url, settings.public_url, loaded.folder, ledger)
        return Run(loaded, target, access, ledger, name)
    if near := did_you_mean(name, targets):
        message = f"{name!r} is no target of {loaded.path}{near}"
        raise InvalidInput(Problem("--target", message, f"for a folder, write ./{name}"))
    if wrong := address_trouble(name):
        raise InvalidInput(Problem("--target", *wrong))
    ledger = Ledger(work_folder(loaded), name)
    return Run(loaded, open_target(name, None, Path.cwd(), ledger), ledger=ledger)


def work_folder(loaded: Manifest) -> Path:
    """Return the work folder of a manifest."""
    return loaded.folder / work.NAME / loaded.path.stem


def described(loaded: Manifest) -> Staged:
    """Stage for what is said of a release, when nothing of it will be published."""
    staged = stage(loaded, work_folder(loaded) / "stage")
    if staged.problems:
        raise InvalidInput(staged.problems)
    return staged


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
        scenes=tuple(record.SceneRef(s.name, s.title or s.name, release.scene_key(s)) for s in release.views),
        programmatic=release.programmatic.model_dump(mode="json", exclude_none=True),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        publisher=__version__,
        changes=release.changes,
        viewer=viewer.key(release.version) if release.viewer == "self" else "",
    )


def reach(run: Run) -> Reach:
    """Return what of a target a release opens: its folder, the lists of releases and sites, and what lies elsewhere."""
    release = run.manifest.release
    sites, lists = release.site.host == "target", ("site/versions.json", "site/index.html")
    own = [key for artifact in release.artifacts if artifact.external is None for key in _keys(release.key(artifact))]
    listed = record.parse_releases(run.target.read(record.RELEASES_KEY))
    others: list[str] = []
    for ref in listed.values():
        data = run.target.read(ref.record) if ref.version != run.version else None
        other = record.parse(data, ref.record) if data else None
        if other is not None and other.access.mode == "public":
            others += _opened(other.release, (key for a in other.artifacts if a.key for key in _keys(a.key)))
            others += (f"site/{other.release}/", *lists)  # pages of a public release, where it has some here
    mine = (*_opened(run.version, own), *((f"site/{run.version}/",) if sites else ()))
    return Reach(mine, (record.RELEASES_KEY, *(lists if sites else ())), tuple(others))


def _keys(key: str) -> tuple[str, ...]:
    """Return where an artifact's objects lie: at its key, and what is made beside a volume or a database's CSV files."""
    return key, f"{key}-segment-properties", f"{key}-import.txt"


def _opened(version: str, keys: Iterable[str]) -> tuple[str, ...]:
    """Return a release's folder, and keys that lie elsewhere: as an object and as a folder, whichever they are."""
    elsewhere = [key for key in keys if not key.startswith(f"{version}/")]
    return f"{version}/", *(name for key in dict.fromkeys(elsewhere) for name in (key, f"{key}/"))


def native_url(run: Run) -> str:
    """Return the target's address as programs of its cloud write it: gs:// or s3://; "" for folders and own endpoints."""
    from publisher.targets.bucket import Bucket  # noqa: PLC0415 - for scenes of buckets alone

    return run.target.url if isinstance(run.target, Bucket) and not run.target.endpoint else ""


def place(run: Run) -> Place:
    """Return where the release of a run lies: at which address, and in which store."""
    from publisher.targets.bucket import Bucket  # noqa: PLC0415 - for buckets alone

    endpoint = run.target.endpoint if isinstance(run.target, Bucket) else None
    return places.target(run.target.public_url, run.target.url, endpoint)


def set_doors(run: Run) -> None:
    """Set access as far as this role may; what is left is to be done by somebody else, who is told why."""
    if any(change.op != "!" for change in run.doors):
        try:
            run.target.set_access(run.access, reach(run))
        except Unreachable as error:
            run.warnings = (*run.warnings, *error.problems)
        run.doors = run.target.access_changes(run.access, reach(run))


def shut_doors(run: Run, *, allowed: bool = True) -> None:
    """Shut what is to be private before anything is written to it, if that is allowed; raise Exposed where it is open."""
    if allowed:
        set_doors(run)
    else:
        run.doors = run.target.access_changes(run.access, reach(run))
    exposed = [door for door in run.doors if door.op != "!" or (door.what == "public read" and door.after)]
    if exposed:
        raise Exposed([Problem(door.place, door.reason, door.after) for door in exposed])


def new_words(run: Run, staged: Staged, live: Record | None) -> tuple[str, ...]:
    """Return what publishing would change in a draft's record besides its objects: titles, descriptions, access."""
    if live is None or live.status == "final":
        return ()
    new = wanted(staged, run.target.public_url, run.access)
    return live.differs_from(replace(new.counted_as(live), inventory=live.inventory))


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
    listed = run.target.read(record.RELEASES_KEY) if live is None else None
    if live is None and run.version in record.parse_releases(listed):
        message = f"{record.RELEASES_KEY} names release {run.version}, but its record is gone"
        raise Damaged(Problem(f"{run.target.url}/{record.record_key(run.version)}", message, "restore it from a copy"))
    if live is None:
        hint = f"publish it first: publisher release {run.manifest.path}"
        raise InvalidInput(Problem(run.target.url, f"has no release {run.version}", hint))
    return live


class Recorded:
    """The inventory of a live release, fetched once, iterated as a stream as often as needed."""

    def __init__(self, target: Target, live: Record) -> None:
        """Take where it is; nothing is fetched yet."""
        self._target, self._ref = target, live.inventory

    @cached_property
    def _file(self) -> IO[bytes] | None:
        return self._target.open(self._ref.key) if self._ref else None

    def __iter__(self) -> Iterator[Entry]:
        """Read the entries; raise Damaged where the record names what cannot be read."""
        if self._ref is None:
            return
        place = f"{self._target.url}/{self._ref.key}"
        if self._file is None:
            message = "the record names this inventory, but it is gone"
            raise Damaged(Problem(place, message, "restore it from a copy"))
        self._file.seek(0)
        try:
            yield from inventory.read(self._file)
        except ValueError as error:  # pyarrow's own
            message = f"the live inventory cannot be read: {error}"
            raise Damaged(Problem(place, message, "restore it from a copy")) from None


def keep_report(run: Run, live: Record, report: Report) -> None:
    """Keep what verify saw, so that a page built later can tell."""
    if live.inventory is not None:
        work.write_file(_report_path(run, live.inventory), _adapter().dump_json(report))


def kept_report(run: Run, live: Record) -> Report | None:
    """Return what verify saw of this very release at this target, or None."""
    path = _report_path(run, live.inventory) if live.inventory is not None else None
    if path is not None and path.is_file():
        with suppress(ValidationError):  # another version of publisher kept it, in other words
            return _adapter().validate_json(path.read_bytes())
    return None


def _report_path(run: Run, ref: InventoryRef) -> Path:
    place = hashlib.sha256(f"{run.target.url} {ref.sha256}".encode()).hexdigest()
    return run.folder / "reports" / f"{place[:16]}.json"


def pictures(run: Run, live: Record) -> Path:
    """Return where the pictures of this very release's scenes at this target lie, beside what verify saw of it."""
    place = _report_path(run, live.inventory) if live.inventory is not None else run.folder / "reports" / "none"
    return place.with_suffix("") / "renders"


@contextmanager
def address(run: Run) -> Iterator[str]:
    """Give the address under which strangers read the target; a folder is served on a free port as long as this lasts."""
    if run.root is None:
        yield run.target.public_url
        return
    from publisher.serve import running  # noqa: PLC0415 - a web server, which few runs need

    with running(run.root, gate=False) as base:  # a private folder is its owner's to read
        yield base
