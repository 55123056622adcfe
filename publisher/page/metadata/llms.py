"""llms.txt: what there is and where, in one short text for programs that read pages as people do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from publisher.page.metadata.card import Card
from publisher.page.metadata.jsonld import contents

_MARKS = re.compile(r"([\\`*_\[\]<>#])")


def llms(card: Card, pages: Iterable[tuple[str, str]], documents: Iterable[str]) -> str:
    """Return the text; `pages` are titles and file names of the site's pages, `documents` the names of its other files."""
    return "\n".join(_lines(card, pages, documents)) + "\n"


def _lines(card: Card, pages: Iterable[tuple[str, str]], documents: Iterable[str]) -> Iterator[str]:
    yield from (f"# {_text(card.title)} {_text(card.version)}", "", f"> {_text(card.description)}", "")
    yield f"{_text(contents(card))} Licence: {_text(card.licence)}. Published {card.date}.".strip()
    yield from ("", "## Pages", "")
    yield from (f"- [{_text(title)}]({quote(name)})" for title, name in pages)
    yield from ("", "## Data", "")
    book = card.book
    if book.inventory is not None and book.commit is not None:
        yield f"- [Inventory]({book.inventory.url}): every object with its size and SHA-256, as Parquet"
        yield f"- [Release record]({book.commit.url}): everything that was measured, as JSON"
    for view in book.views:
        yield f"- [{_text(view.described.title)}]({view.place.url}): {view.described.section}"
    names = list(documents)
    if names:
        yield from ("", "## Metadata", "")
        yield from (f"- [{name.rpartition('/')[2]}]({quote(name)})" for name in names)


def _text(words: str) -> str:
    return _MARKS.sub(r"\\\1", " ".join(words.split()))
