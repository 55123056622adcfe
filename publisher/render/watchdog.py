"""Ends a page that answers no more: a script or a shader that goes on for ever holds up whoever asks the page something.

The browser's own processes for pages are ended by their ids; whoever waits for an answer then gets an error, and the next
page begins with new ones.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic
from typing import Any

_LOOK_SECONDS = 0.5
_OF_PAGES = frozenset({"renderer", "GPU"})  # a shader keeps the second busy, and the first waits for it


class Watchdog:
    """Ends the pages of a browser where they were to be done by a time, or where nobody waits for them any more."""

    def __init__(self, browser: Any, stopped: Event) -> None:  # noqa: ANN401 - playwright's
        """Take the browser; it is asked for its processes whenever a page is watched."""
        self._session, self._stopped = browser.new_browser_cdp_session(), stopped

    @contextmanager
    def watching(self, seconds: float) -> Iterator[Event]:
        """Watch a page that is open; the event is set where it was ended."""
        bitten, done = Event(), Event()
        told = self._session.send("SystemInfo.getProcessInfo")["processInfo"]
        pids = [int(each["id"]) for each in told if each["type"] in _OF_PAGES]
        thread = Thread(target=self._watch, args=(monotonic() + seconds, pids, bitten, done), daemon=True)
        thread.start()
        try:
            yield bitten
        finally:
            done.set()
            thread.join()

    def _watch(self, end: float, pids: list[int], bitten: Event, done: Event) -> None:
        while not done.wait(_LOOK_SECONDS):
            if monotonic() > end or self._stopped.is_set():
                bitten.set()
                for pid in pids:
                    with suppress(ProcessLookupError):  # it has ended by itself
                        os.kill(pid, signal.SIGKILL)
                return
