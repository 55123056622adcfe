"""Ends a page that answers no more: a script or a shader that goes on for ever holds up whoever asks the page something.

The browser's own processes for pages are ended by their ids; whoever waits for an answer then gets an error, and the next
page begins with new ones. A browser that does not get over that is ended itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic
from typing import Any

LAST_SECONDS = 20.0  # from the end of a page to that of the browser
_LOOK_SECONDS = 0.5
_OF_PAGES = frozenset({"renderer", "GPU"})  # a shader keeps the second busy, and the first waits for it


class Watchdog:
    """Ends the pages of a browser where they were to be done by a time, or where nobody waits for them any more."""

    def __init__(self, browser: Any, stopped: Event) -> None:  # noqa: ANN401 - playwright's
        """Take the browser."""
        self._session, self._stopped = browser.new_browser_cdp_session(), stopped
        self._browser = self._pids(frozenset({"browser"}))
        self._pages: Sequence[int] = ()

    @contextmanager
    def watching(self, seconds: float) -> Iterator[Event]:
        """Watch what is done with a page; the event is set where it was ended."""
        bitten, done = Event(), Event()
        thread = Thread(target=self._watch, args=(monotonic() + seconds, bitten, done), daemon=True)
        thread.start()
        try:
            yield bitten
        finally:
            done.set()
            thread.join()
            self._pages = ()  # these numbers may soon be others'

    def look(self) -> None:
        """Ask the browser for its processes, once there is a page."""
        self._pages = self._pids(_OF_PAGES)

    def _pids(self, kinds: frozenset[str]) -> list[int]:
        told = self._session.send("SystemInfo.getProcessInfo")["processInfo"]
        return [int(each["id"]) for each in told if each["type"] in kinds]

    def _watch(self, end: float, bitten: Event, done: Event) -> None:
        while monotonic() < end and not self._stopped.is_set():
            if done.wait(_LOOK_SECONDS):
                return
        bitten.set()
        _end(self._pages)
        if not done.wait(LAST_SECONDS):
            _end(self._browser)


def _end(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.kill(pid, signal.SIGKILL)
