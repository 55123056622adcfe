"""A site as its manifest has it now, built anew whenever that or what it names is edited; nothing is published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

from publisher import host, manifest, site, website
from publisher.errors import PublisherError
from publisher.manifest import Manifest
from publisher.resources import folder
from publisher.run import Run, start
from publisher.serve.preview import Pages, stamps
from publisher.targets import LocalTarget, Nowhere
from publisher.words import count

POLL_SECONDS = 0.3


class Preview:
    """The pages of a manifest, and what is watched for them."""

    def __init__(self, path: Path, at: Path | None) -> None:
        """Build the site for the first time; `at` is the local target, by default the manifest's first."""
        self._path, self._at = path, at
        self.pages = Pages("", Path())
        self._run = self._build()

    @property
    def root(self) -> Path | None:
        """The folder that the release lies in, where it is one and there."""
        return self._run.root if self._run.root and self._run.root.is_dir() else None

    @property
    def address(self) -> str:
        """Where the first page is, below a server's own address."""
        return self.pages.prefix

    def _build(self) -> Run:
        loaded = manifest.load(self._path)
        run = _run(loaded, self._at)
        out = run.folder / "preview"
        website.preview(run, out)
        self.pages.prefix, self.pages.folder = host.place(loaded.release.version), out
        return run

    def watch(self, tell: Callable[[str, str], None], stop: Event) -> None:
        """Build anew after every edit, until `stop` is set; tell (line, colour) of each time, and of what is wrong."""
        seen = stamps(self._watched())
        while not stop.wait(POLL_SECONDS):
            if (now := stamps(self._watched())) == seen:
                continue
            changed = {path for path, _ in now.items() ^ seen.items()}
            seen = now
            try:
                self._run = self._build()
            except PublisherError as error:
                self.pages.told(f"{error.headline}\n{error}")
                tell(f"{error.headline}\n{error}", "red")
            else:
                self.pages.told()
                tell(f"built anew: {count(len(changed), 'file')} changed, {min(changed)}", "")

    def _watched(self) -> list[Path]:
        """Return what a person edits: the manifest, what it names for its site, and publisher's own templates."""
        loaded = self._run.manifest
        settings = loaded.release.site
        named = (loaded.release.templates, settings.logo, settings.favicon)
        own = [loaded.folder / name for name in named if name is not None]
        project = website.project(self._run)
        return [loaded.path, *own, *site.hand_made(project), folder("templates"), *site.skeleton()]


def _run(loaded: Manifest, at: Path | None) -> Run:
    """Return a run to a folder, to the manifest's first that is one, to its first target, or nowhere."""
    if at is not None:
        return start(loaded, str(at.resolve()))
    runs = [start(loaded, name) for name in loaded.release.targets]
    return next((run for run in runs if isinstance(run.target, LocalTarget)), (*runs, Run(loaded, Nowhere()))[0])
