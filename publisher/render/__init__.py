"""Open the scenes of a live release in the real Neuroglancer, headless, and look at what it draws.

The client is the static build of the neuroglancer wheel, on an address of its own: what browsers are refused for want
of CORS is refused here, too. Of missing chunks of a volume the viewer says nothing (they read as 0): that is for the
health checks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from publisher import viewer, work
from publisher.audit.place import MOST_JSON_BYTES
from publisher.audit.probes import welcome
from publisher.errors import LocalTrouble, Problem
from publisher.objects import Drawn, Finding
from publisher.progress import SILENCE, Progress
from publisher.record import Record, SceneRef, record_key
from publisher.render import tab as tabs
from publisher.render.chromium import browser, lacking
from publisher.render.judge import Case, judge
from publisher.render.tab import Tab
from publisher.render.watchdog import Watchdog
from publisher.stranger import Stranger, address, first

__all__ = ["SCENE_SECONDS", "Rendered", "lacking", "render"]

SCENE_SECONDS = 180.0
GRACE_SECONDS = 20.0  # after which a page that is still asked something is taken to hang
SCHEMES = ("dark", "light")


class Rendered(NamedTuple):
    """Which scenes were opened, and what was found."""

    scenes: tuple[Drawn, ...] = ()
    findings: tuple[Finding, ...] = ()


def render(
    live: Record,
    base_url: str,
    client_url: str,
    folder: Path,
    *,
    seconds: float = SCENE_SECONDS,
    progress: Progress = SILENCE,
) -> Rendered:
    """Open each scene of a release that is live at `base_url`, and write its pictures to a folder.

    Args:
        live: the release's record.
        client_url: where the viewer is served, as `publisher.serve` does; another origin than `base_url`.
        base_url: where strangers read it; scenes that point to the recorded public address are read from here.
        folder: takes `<scene>-dark` and `<scene>-light`, as PNG and as WebP, and `<scene>.json` with what was seen.
        seconds: for each scene, at the most.
        progress: who is told.

    Raises:
        LocalTrouble: Chromium does not start, or a picture cannot be written. `lacking` tells beforehand what is missing.

    """
    stopped = Event()
    # A thread of its own: playwright's loop stays apart from any other, and this one is free to meet interrupts.
    with ThreadPoolExecutor(1) as other:
        future = other.submit(lambda: Rendered(*_all(live, base_url, client_url, folder, seconds, progress, stopped)))
        try:
            return future.result()
        except BaseException:
            stopped.set()
            raise


def _all(
    live: Record, base_url: str, client_url: str, folder: Path, seconds: float, progress: Progress, stopped: Event
) -> tuple[tuple[Drawn, ...], tuple[Finding, ...]]:
    from playwright.sync_api import Error  # noqa: PLC0415 - an extra, and slow to import

    drawn: list[Drawn] = []
    found: list[Finding] = []
    meter = progress.step("render", len(live.scenes))
    if welcome(live.access.origins, client_url) != client_url:
        message = f"scenes were not opened: only pages of {', '.join(live.access.origins)} may read the release"
        return (), (Finding("render", "note", record_key(live.release), message),)
    with _chromium() as chromium, Stranger(client_url) as client:
        watchdog = Watchdog(chromium, stopped)
        for ref in live.scenes:
            tab = Tab(chromium, seconds, stopped)
            with watchdog.watching(seconds + GRACE_SECONDS) as hung:
                try:
                    with tab:
                        watchdog.look()
                        scene, findings = _visit(tab, ref, live, base_url, client, folder)
                except Error as error:
                    scene = _opened(ref)
                    message = f"the browser gave it up: {_first_line(error)}" if not hung.is_set() else _hung(tab)
                    findings = [Finding("render", "error", ref.key, message)]
            drawn.append(scene)
            found += findings
            meter.advance(1, 0)
    return tuple(drawn), tuple(found)


@contextmanager
def _chromium() -> Iterator[Any]:
    from playwright.sync_api import Error  # noqa: PLC0415 - an extra, and slow to import

    try:
        with browser() as chromium:
            yield chromium
    except Error as error:
        hint = "does it start by hand? `--no-render` goes without it"
        raise LocalTrouble(Problem("Chromium", _first_line(error), hint)) from None


def _hung(tab: Tab) -> str:
    named = " and ".join(f"layer {name!r}" for name in tab.suspects)
    message = f"the viewer answered nothing for {GRACE_SECONDS:,.0f} s after the {tab.seconds:,.0f} s that it had, and was ended"
    return f"{message}{f' while it showed {named}' if named else ''}: does a shader go on for ever, or is the scene too heavy?"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _opened(ref: SceneRef) -> Drawn:
    """Return a scene of which nothing is known but that it was tried, by which viewer, and when."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Drawn(ref.name, viewer.prefix().rpartition("/")[2], now)


def _visit(
    tab: Tab, ref: SceneRef, live: Record, base_url: str, client: Stranger, folder: Path
) -> tuple[Drawn, list[Finding]]:
    """Open one scene, look at it as a whole and at each layer alone; return what was drawn, and what is wrong."""
    given, trouble = _scene(client, ref, live, base_url)
    if trouble:
        return _opened(ref), [Finding("render", "error", ref.key, trouble)]
    tab.open(client.origin)
    tab.colors = {name: given[name] for name in tabs.BACKGROUNDS if name in given}
    refusal = tab.load(given)
    look = tab.wait()
    kept, status = tab.ask("state"), tab.ask("status")
    tab.ask("tidy", "showAxisLines" in given)
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", ref.name)  # a record from any address can say anything
    pictures = tuple(f"{stem}-{scheme}.webp" for scheme in SCHEMES)
    visible = [at for at, layer in enumerate(look.layers) if layer.visible and not layer.archived]
    tab.paint(tabs.WHITE)
    tab.wait()
    tab.photograph(folder / pictures[1])
    tab.paint(tabs.BLACK, always=False)
    tab.clear()
    together, _ = tab.show(visible, photograph=folder / pictures[0])
    alone = tab.each_alone(look)
    position, scales = tab.ask("place")
    metres = tuple(at * scale for at, scale in zip(position or (), scales, strict=False))
    late = tab.overdue if not look.loaded or any(at not in alone for at in visible) else 0.0
    case = Case(ref.key, given, kept, refusal, status, look, alone, together, metres, tab.ask("cuts"), late)
    findings = list(judge(case, live, tab.traffic, client))
    names = tuple(look.layers[at].name for at in visible if at in alone and alone[at].drawn.pixels)
    drawn = _opened(ref)._replace(visible=len(visible), layers=names, pictures=pictures)
    _write(folder / f"{stem}.json", drawn, case, findings)
    return drawn, findings


def _scene(client: Stranger, ref: SceneRef, live: Record, base_url: str) -> tuple[dict[str, Any], str]:
    """Read a scene as it is live; return it with addresses of where it was read, or what is wrong with it."""
    answer = client.ask("GET", address(base_url, ref.key), first(MOST_JSON_BYTES))
    if not answer.ok:
        return {}, f"the scene is answered with status {answer.status}; run `publisher release` again"
    try:
        text = answer.body.decode()
        state = json.loads(text.replace(live.public_url, base_url) if live.public_url else text)
    except ValueError:
        return {}, "the scene is not JSON, and no viewer opens it; run `publisher release` again"
    return (state, "") if isinstance(state, dict) else ({}, "the scene is JSON, but no viewer's state")


def _write(path: Path, drawn: Drawn, case: Case, findings: Sequence[Finding]) -> None:
    """Keep what was seen beside the pictures."""
    layers = [
        {**asdict(layer), "alone": asdict(case.alone[at]) if at in case.alone else None}
        for at, layer in enumerate(case.look.layers)
    ]
    told = {
        **drawn._asdict(),
        "together": asdict(case.together),
        "chunks": case.look.shown,
        "status": list(case.status),
        "findings": [asdict(finding) for finding in findings],
        "seen": layers,
    }
    work.write_file(path, (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode())
