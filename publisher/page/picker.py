"""The download picker: for each artifact how many objects and bytes it has, and for each tool the commands that copy it.

A tool's commands are text before, some lines for each artifact, and text after; a page shows the lines of what is ticked.
So what is copied from the page works without any script having put it together, and all of it is there without scripts.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


def _tools(book: Book, views: Sequence[View]) -> Iterator[Tool]:
    private = book.record.access.mode == "private"
    folders = {view.described.name: _nested(view, views) for view in views if not view.single}
    note = "Needs credentials that may read the bucket." if private else "Needs no account."
    if book.base.scheme:
        each = tuple((view, folders.get(view.described.name, ())) for view in views)
        rclone = tuple((view.described.name, _rclone(view, nested, anonymous=not private)) for view, nested in each)
        yield Tool("rclone", f"{note} Undoes gzip where objects are stored so.", "", rclone)
    if book.base.scheme == "s3":
        given = (f" --endpoint-url {shlex.quote(book.base.endpoint)}" if book.base.endpoint else "") + (
            "" if private else " --no-sign-request"
        )
        stored = f"{note} Keeps what is stored: gzip stays gzip." if any(view.gzipped for view in views) else note
        yield Tool(
            "aws s3", stored, "", tuple((view.described.name, _aws(view, nested, given)) for view, nested in each)
        )
        yield Tool(
            "s5cmd", stored, "", tuple((view.described.name, _s5cmd(view, nested, given)) for view, nested in each)
        )
    if book.base.scheme == "gs" and not book.base.endpoint:
        yield Tool(
            "gcloud storage", note, "", tuple((view.described.name, _gcloud(view, nested)) for view, nested in each)
        )
    if private:
        return
    assert book.inventory is not None
    mark = "    # artifacts\n"
    script = render("site/picker.py.jinja", base=book.base.url, inventory=book.inventory.url)
    before, _, after = script.partition(mark)
    named = tuple((view.described.name, f"    {literal(view.described.name)},") for view in views)
    yield Tool(
        "Python", "Works with any store, needs pyarrow, undoes gzip and checks every digest.", before, named, after
    )
    if singles := tuple((view.described.name, _curl(view)) for view in views if view.single):
        whole = len(singles) == len(views)
        yield Tool("curl", "" if whole else "For single files only; folders take one of the other tools.", "", singles)


def _nested(view: View, views: Sequence[View]) -> tuple[tuple[str, bool], ...]:
    """Return the artifacts that lie inside the folder of one, relative to it, and whether each is a single object."""
    inside = f"{view.described.key}/"
    found = (other for other in views if other.described.key.startswith(inside))
    return tuple((other.described.key.removeprefix(inside), other.single) for other in found)


def _words(*words: str) -> str:
    return " ".join(shlex.quote(word) for word in words)


def _rclone(view: View, nested: Sequence[tuple[str, bool]], *, anonymous: bool) -> str:
    place, key = view.place, view.described.key
    if place.scheme == "gs":
        options = ["anonymous=true" if anonymous else "env_auth=true"]
    else:
        options = ["provider=" + ("Other" if place.endpoint else "AWS")] + ([] if anonymous else ["env_auth=true"])
        options += [f'endpoint="{place.endpoint}"'] if place.endpoint else []
    options += ["decompress=true"] if view.gzipped else []
    remote = f":{'gcs' if place.scheme == 'gs' else 's3'},{','.join(options)}:{place.bare}"
    if view.single:
        return _words("rclone", "copyto", remote, key)
    left = [word for name, single in nested for word in ("--exclude", f"/{name}" if single else f"/{name}/**")]
    return _words("rclone", "copy", "--transfers", "32", remote, key, *left)


def _aws(view: View, nested: Sequence[tuple[str, bool]], given: str) -> str:
    store, key = view.place.store, view.described.key
    if view.single:
        return f"aws s3 cp{given} {_words(store, key)}"
    left = [word for name, single in nested for word in ("--exclude", name if single else f"{name}/*")]
    return f"aws s3 cp{given} --recursive {_words(store, key, *left)}"


def _s5cmd(view: View, nested: Sequence[tuple[str, bool]], given: str) -> str:
    store, key = view.place.store, view.described.key
    if view.single:
        return f"s5cmd{given} cp {_words(store, key)}"
    left = [word for name, single in nested for word in ("--exclude", name if single else f"{name}/*")]
    return f"s5cmd{given} cp {_words(*left, f'{store}/*', f'{key}/')}"


def _gcloud(view: View, nested: Sequence[tuple[str, bool]]) -> str:
    store, key = view.place.store, view.described.key
    if view.single:
        folder = posixpath.dirname(key) or "."
        return f"mkdir -p {_words(folder)} && gcloud storage cp {_words(store, f'{folder}/')}"
    left = ",".join(f"^{name}$" if single else f"^{name}/" for name, single in nested)
    exclude = ("--exclude", left) if left else ()
    return f"mkdir -p {_words(key)} && gcloud storage rsync --recursive {_words(*exclude, store, key)}"


def _curl(view: View) -> str:
    return _words("curl", "--fail", "--location", "--create-dirs", "--output", view.described.key, view.place.url)
