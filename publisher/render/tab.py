"""One page with the real viewer: opens a scene, waits until it is loaded or will never be, and takes pictures."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Self

from publisher import viewer, work
from publisher.render import seen
from publisher.render.chromium import SIZE
from publisher.render.seen import Alone, Look, Mark
from publisher.render.traffic import Traffic

POLL_SECONDS = 0.1
STILL_SECONDS = 5.0  # a broken layer never becomes ready: so long nothing may change
BROKEN_SECONDS = 2.0  # likewise, where something is known to be broken and only the rest is waited for
BACKGROUNDS = ("crossSectionBackgroundColor", "projectionBackgroundColor")
BLACK, WHITE = "#000000", "#ffffff"
STRANGE = "#ff00ff"  # no data have it, so that also what is black is told from what is not there


class Stopped(Exception):
    """The one who asked went away."""


@dataclass(slots=True)
class Tab:
    """A page of a browser, as long as this is entered, which is looked at for so many seconds at the most.

    It is empty at first, and whatever pages before it kept is not there.
    """

    browser: Any  # playwright's
    seconds: float
    stopped: Any  # a threading.Event
    page: Any = field(init=False)
    traffic: Traffic = field(default_factory=Traffic)
    still_seconds: float = STILL_SECONDS
    colors: Mapping[str, str] = field(default_factory=dict)
    layers: Sequence[Mapping[str, Any]] = ()  # of the scene
    showing: Sequence[Mapping[str, Any]] = ()  # those that were shown last
    deadline: float = field(init=False)  # by `time.monotonic`

    def __enter__(self) -> Self:
        """Open it."""
        self.page = self.browser.new_page(viewport=SIZE)
        self.traffic.listen(self.page)
        self.deadline = monotonic() + self.seconds
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.page.close()

    def open(self, client: str) -> None:
        """Load the viewer from the server that has it, without a scene."""
        self.page.goto(f"{client}/{viewer.prefix()}/{viewer.INDEX}")
        self.page.wait_for_function("() => window.viewer?.state")
        self.page.evaluate(_script())

    def load(self, state: Mapping[str, Any]) -> str:
        """Give the viewer a scene; return what it objects to, or ""."""
        self.layers = self.showing = state.get("layers", [])
        return str(self.page.evaluate("state => watch.open(state)", dict(state)))

    def ask(self, call: str, *values: Any) -> Any:  # noqa: ANN401 - JSON
        """Call a function of `client.js`."""
        return self.page.evaluate(f"values => watch.{call}(...values)", list(values))

    def wait(self) -> Look:
        """Wait until all is loaded on two looks in a row, nothing changes any more, or the time is over."""
        good, before, since = 0, "", monotonic()
        while True:
            if self.stopped.is_set():
                raise Stopped
            given = self.ask("look")
            look = seen.look(given)
            good = good + 1 if look.loaded else 0
            now = monotonic()
            print_of = json.dumps([given, self.traffic.finished])
            if print_of != before:
                before, since = print_of, now
            broken = any(layer.broken for layer in look.layers) or (look.failed and not look.coming)
            patience = BROKEN_SECONDS if broken else self.still_seconds
            still = now - since > patience and not self.traffic.open
            if still:
                self.still_seconds = BROKEN_SECONDS  # what will never be ready is not waited for again and again
            if good > 1 or still or now > self.deadline:
                return look
            self.page.wait_for_timeout(POLL_SECONDS * 1000)

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return monotonic() > self.deadline

    @property
    def overdue(self) -> float:
        """How long was waited, in seconds, where the time is over; else 0."""
        return self.seconds if self.late else 0.0

    @property
    def suspects(self) -> list[str]:
        """The layers whose shaders may hold up the viewer: of those that it showed last, any where none has a shader."""
        shown = [each for each in self.showing if isinstance(each, Mapping)]
        shaded = [each for each in shown if "shader" in each] or shown
        return [str(each.get("name", "")) for each in shaded]

    def paint(self, color: str, *, always: bool = True) -> None:
        """Set the colour behind the data; one that the scene asks for stays, unless `always`."""
        self.ask("background", {name: color if always else self.colors.get(name, color) for name in BACKGROUNDS})

    def clear(self) -> None:
        """Remember the picture of no layer: what is drawn from then on is compared with it."""
        self.ask("show", [])
        self.wait()
        self.ask("remember")

    def show(
        self, places: Sequence[int], only: int | None = None, *, photograph: Path | None = None
    ) -> tuple[Mark, Look]:
        """Show some layers, or one source of one; return what differs from the remembered picture, and keep this one."""
        self.showing = [self.layers[at] for at in places if at < len(self.layers)]
        self.ask("show", list(places), only)
        look = self.wait()
        given = self.ask("changed", photograph is not None)
        if not given["pixels"] and not self.late and not look.failed:
            self.page.wait_for_timeout(500)  # before nothing is believed, it is looked at once more
            look = self.wait()
            given = self.ask("changed", photograph is not None)
        if photograph is not None:
            _keep(photograph, given["pictures"])
        return seen.mark(given), look

    def photograph(self, path: Path) -> None:
        """Write the picture as it is now as WebP, and as PNG beside it."""
        _keep(path, self.ask("photograph"))

    def each_alone(self, look: Look) -> dict[int, Alone]:
        """Show each layer that can be shown without the others; those for which there is no time are left out."""
        wanted = [
            at for at, layer in enumerate(look.layers) if layer.sources and not layer.archived and not layer.broken
        ]
        found: dict[int, Alone] = {}
        for at in wanted:
            if self.late:
                break
            mark, alone = self.show([at])
            found[at] = Alone(mark, mark, alone.failed, self._sources(at, look) if mark.pixels else {})
        empty = [at for at, alone in found.items() if not alone.drawn.pixels]
        if empty and not self.late:
            self.paint(STRANGE)
            self.clear()
            for at in empty:
                mark, _ = self.show([at])
                found[at] = Alone(found[at].drawn, mark, found[at].failed, found[at].sources)
        return found

    def _sources(self, at: int, look: Look) -> dict[int, Mark]:
        sources = look.layers[at].sources
        drawing = [number for number, source in enumerate(sources) if source.draws]
        if len(drawing) < 2 or self.late:  # noqa: PLR2004 - one source is the layer itself
            return {}
        marks = {number: self.show([at], number)[0] for number in drawing}
        self.ask("enableAll", at)
        return marks


def _script() -> str:
    return Path(__file__).with_name("client.js").read_text(encoding="utf-8")


def _keep(path: Path, pictures: Mapping[str, str]) -> None:
    for kind, text in pictures.items():
        work.write_file(path.with_suffix(f".{kind}"), base64.b64decode(text))
