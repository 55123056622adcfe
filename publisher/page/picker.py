"""The download picker: for each artifact how many objects and bytes it has, and for each tool the commands that copy it.

A tool's commands are text before, some lines for each artifact, and text after; a page shows the lines of what is ticked.
So what is copied from the page works without any script having put it together, and all of it is there without scripts.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from publisher.page.places import Place
from publisher.page.safe import literal
from publisher.page.templates import render
from publisher.page.view import Book, View


@dataclass(frozen=True, slots=True)
class Price:
    """What a provider asks for data that leaves its cloud, in US dollars: the list price, where it stands, and when."""

    provider: str
    per_gb: float
    per_1000_reads: float
    source: str
    date: str


# The first terabytes of a month, from the standard storage class in the US; the only place that names these prices.
PRICES = {
    "s3": Price("Amazon S3", 0.09, 0.0004, "https://aws.amazon.com/s3/pricing/", "2026"),
    "gs": Price("Google Cloud Storage", 0.12, 0.0004, "https://cloud.google.com/storage/pricing", "2026"),
}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that copies artifacts: its commands, and by artifact those lines that are only for it."""

    name: str
    note: str
    before: str
    lines: tuple[tuple[str, str], ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Picker:
    """What a page's picker shows: artifacts by group, the tools, and the price where a provider is known to ask one."""

    groups: tuple[tuple[str, tuple[View, ...]], ...]
    tools: tuple[Tool, ...]
    price: Price | None


def picker(book: Book) -> Picker | None:
    """Return the picker of a release; None where nothing of it is published."""
    groups = tuple((name, tuple(view for view in views if view.described.objects)) for name, views in book.groups)
    groups = tuple((name, views) for name, views in groups if views)
    if not groups or not book.inventory:
        return None
    views = tuple(view for _, views in groups for view in views)
    known = PRICES.get(book.base.scheme) if not book.base.endpoint else None
    return Picker(groups, tuple(_tools(book, views)), known)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A folder or a single object of an artifact, and what of others lies inside the folder: name there, and whether single."""

    key: str
    place: Place
    single: bool
    gzipped: bool
    others: tuple[tuple[str, bool], ...] = ()


def _tools(book: Book, views: Sequence[View]) -> Iterator[Tool]:
    private = book.record.access.mode == "private"
    pieces = tuple(_pieces(book, views))
    note = "Needs credentials that may read the bucket." if private else "Needs no account."
    if book.base.scheme:
        undone = f"{note} Undoes gzip where objects are stored so."
        yield _tool("rclone", undone, pieces, lambda piece: _rclone(piece, anonymous=not private))
    if book.base.scheme == "s3":
        given = f" --endpoint-url {shlex.quote(book.base.endpoint)}" if book.base.endpoint else ""
        given += "" if private else " --no-sign-request"
        stored = f"{note} Keeps what is stored: gzip stays gzip." if any(view.gzipped for view in views) else note
        yield _tool("aws s3", stored, pieces, lambda piece: _aws(piece, given))
        yield _tool("s5cmd", stored, pieces, lambda piece: _s5cmd(piece, given))
    if book.base.scheme == "gs" and not book.base.endpoint:
        yield _tool("gcloud storage", note, pieces, _gcloud)
    if private:
        return
    assert book.inventory is not None
    script = render("site/picker.py.jinja", base=book.base.url, inventory=book.inventory.url)
    before, _, after = script.partition("    # artifacts\n")
    named = tuple((view.described.name, f"    {literal(view.described.name)},") for view in views)
    note = "Works with any store, needs pyarrow, undoes gzip and checks every digest."
    yield Tool("Python", note, before, named, after)
    singles = tuple((name, mine) for name, mine in pieces if all(piece.single for piece in mine))
    if singles:
        whole = len(singles) == len(views)
        yield _tool("curl", "" if whole else "For single files; folders take one of the other tools.", singles, _curl)


_Pieces = tuple[tuple[str, tuple[_Piece, ...]], ...]


def _tool(name: str, note: str, pieces: _Pieces, command: Callable[[_Piece], str]) -> Tool:
    return Tool(name, note, "", tuple((artifact, "\n".join(map(command, mine))) for artifact, mine in pieces))


def _pieces(book: Book, views: Sequence[View]) -> Iterator[tuple[str, tuple[_Piece, ...]]]:
    """Yield what each artifact is made of: its own key, and what it has beside it."""
    keys = {view.described.name: ((view.described.key, view.single), *view.beside) for view in views}
    for view in views:
        name = view.described.name
        others = tuple(each for other, mine in keys.items() if other != name for each in mine)
        yield (
            name,
            tuple(
                _Piece(key, book.base.at(key), single, view.gzipped, _inside(key, others)) for key, single in keys[name]
            ),
        )


def _inside(folder: str, others: Sequence[tuple[str, bool]]) -> tuple[tuple[str, bool], ...]:
    start = f"{folder}/"
    return tuple((key.removeprefix(start), single) for key, single in others if key.startswith(start))


def _words(*words: str) -> str:
    return " ".join(shlex.quote(word) for word in words)


def _rclone(piece: _Piece, *, anonymous: bool) -> str:
    place = piece.place
    if place.scheme == "gs":
        options = ["anonymous=true" if anonymous else "env_auth=true"]
    else:
        options = ["provider=" + ("Other" if place.endpoint else "AWS")] + ([] if anonymous else ["env_auth=true"])
        options += [f'endpoint="{place.endpoint}"'] if place.endpoint else []
    options += ["decompress=true"] if piece.gzipped else []
    remote = f":{'gcs' if place.scheme == 'gs' else 's3'},{','.join(options)}:{place.bare}"
    if piece.single:
        return _words("rclone", "copyto", remote, piece.key)
    left = [word for name, single in piece.others for word in ("--exclude", f"/{name}" if single else f"/{name}/**")]
    return _words("rclone", "copy", "--transfers", "32", remote, piece.key, *left)


def _aws(piece: _Piece, given: str) -> str:
    if piece.single:
        return f"aws s3 cp{given} {_words(piece.place.store, piece.key)}"
    left = [word for name, single in piece.others for word in ("--exclude", name if single else f"{name}/*")]
    return f"aws s3 cp{given} --recursive {_words(piece.place.store, piece.key, *left)}"


def _s5cmd(piece: _Piece, given: str) -> str:
    if piece.single:
        return f"s5cmd{given} cp {_words(piece.place.store, piece.key)}"
    left = [word for name, single in piece.others for word in ("--exclude", name if single else f"{name}/*")]
    return f"s5cmd{given} cp {_words(*left, f'{piece.place.store}/*', f'{piece.key}/')}"


def _gcloud(piece: _Piece) -> str:
    store, key = piece.place.store, piece.key
    if piece.single:
        folder = posixpath.dirname(key) or "."
        return f"mkdir -p {_words(folder)} && gcloud storage cp {_words(store, f'{folder}/')}"
    left = ",".join(f"^{re.escape(name)}{'$' if single else '/'}" for name, single in piece.others)
    exclude = ("--exclude", left) if left else ()
    return f"mkdir -p {_words(key)} && gcloud storage rsync --recursive {_words(*exclude, store, key)}"


def _curl(piece: _Piece) -> str:
    return _words("curl", "--fail", "--location", "--create-dirs", "--output", piece.key, piece.place.url)
