"""SHA256SUMS, for `sha256sum -c`: of every file that people handle one by one. Trees of many objects have the inventory."""

from __future__ import annotations

import posixpath

from publisher.objects import Entry
from publisher.page.metadata.card import Card

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r"})


def sums(card: Card) -> str:
    """Return a line a file: the digest of its content, and its path from the release's own folder."""
    book = card.book
    entries = sorted({entry for view in book.views for entry in view.summed}.union(book.scenes))
    return "".join(_line(entry, card.version) for entry in entries)


def _line(entry: Entry, version: str) -> str:
    path = posixpath.relpath(entry.key, version)
    escaped = path.translate(_ESCAPES)
    return f"{'' if escaped == path else chr(92)}{entry.content_sha256}  {escaped}\n"


def lacking(card: Card) -> str:
    """Say what is missing; "" where nothing is."""
    summed = card.book.scenes or any(view.summed for view in card.book.views)
    return "" if summed else "the release has no files of its own that are few enough to list"
