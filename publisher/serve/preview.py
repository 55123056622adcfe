"""Pages of a site that are not published: shown in the place of a version's, and told when they have been built anew."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition

from publisher.resources import folder as resource

CHANGES = "site/.preview/changes"  # is answered when something has changed, or after a while
SCRIPT = "site/.preview/reload.js"
WAIT_SECONDS = 25.0
_CALL = f'<script src="/{SCRIPT}"></script>'.encode()

Stamps = dict[Path, tuple[int, int, int]]


@dataclass(slots=True)
class Pages:
    """A folder of pages that is shown below a prefix, how often it was built, and what is wrong since then."""

    prefix: str
    folder: Path
    number: int = 0
    trouble: str = ""
    _changed: Condition = field(default_factory=Condition)

    def told(self, trouble: str = "") -> None:
        """Tell every page that is open that it was built anew, or why it could not be."""
        with self._changed:
            self.number, self.trouble = self.number + 1, trouble
            self._changed.notify_all()

    def news(self, seen: int, seconds: float = WAIT_SECONDS) -> bytes:
        """Wait until there is other news than number `seen`, or for some seconds; return it as JSON."""
        with self._changed:
            self._changed.wait_for(lambda: self.number != seen, seconds)
            return json.dumps({"number": self.number, "trouble": self.trouble}).encode()

    def has(self, key: str) -> bool:
        """Whether a key is the preview's to answer: what is published does not shine through."""
        return key == SCRIPT or key.startswith(self.prefix)

    def find(self, key: str) -> bytes | None:
        """Return the bytes of a page or what it needs, of what `has` is true of, or None; pages are made to listen for news."""
        if key == SCRIPT:
            return (resource("templates") / "serve" / "reload.js").read_bytes()
        name = os.path.normpath(key.removeprefix(self.prefix))
        path = self.folder / name
        if name.startswith((".", "/")) or not path.is_file():
            return None
        data = path.read_bytes()
        return data.replace(b"</body>", _CALL + b"</body>", 1) if path.suffix == ".html" else data


def stamps(paths: list[Path]) -> Stamps:
    """Return what tells that files were written again: of each path, and of all that is below those that are folders."""
    found: Stamps = {}
    for path in paths:
        for each in (path, *path.rglob("*")) if path.is_dir() else (path,):
            try:
                seen = each.stat()
            except OSError:
                continue  # it has just gone, or is not there yet: either shows in what is found
            if each.is_file():
                found[each] = seen.st_ino, seen.st_size, seen.st_mtime_ns
    return found
