"""Put a built site where it is read: beside the data at a target, or in a folder that is pushed as a branch.

A site is no part of its release: it may be built anew with other words. Still its readers come first. What pages need
is there before the pages are, the list of versions comes last, and nothing is ever deleted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from publisher import headers, work
from publisher.errors import Conflict, Incomplete, Problem, Unhosted
from publisher.objects import Entry, Headers
from publisher.record import ReleaseRef
from publisher.targets import Target

FOLDER = "site"  # of all sites at a target
VERSIONS = "versions.json"  # which versions have a site; the selector on each page reads it
INDEX = "index.html"
LATEST = "latest"
ABREAST = 8  # files of a site that are looked at or sent at once

# The theme names what never changes after a digest of it: bundle.a5f9d56c.min.js.
_HASHED = re.compile(r"assets/.+\.[0-9a-f]{8,}\.min\.(js|css)(\.map)?")


@dataclass(frozen=True, slots=True)
class Hosted:
    """A site as it is hosted: its first page's address ("" where nobody knows it), and what was sent to get there.

    `left` names what lies there and is no longer the site's; `folder` is that of a branch.
    """

    url: str = ""
    sent: int = 0
    sent_bytes: int = 0
    kept: int = 0
    left: tuple[str, ...] = ()
    folder: Path | None = None


@dataclass(slots=True)
class _Listing:
    """The versions that have a site, as `versions.json` lists them; fields of others in it stay."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def latest(self) -> str:
        """The version that the shortest address leads to."""
        return next((name for name, row in self.rows.items() if LATEST in row["aliases"]), next(iter(self.rows)))

    def dump(self) -> bytes:
        return (json.dumps(list(self.rows.values()), indent=1, ensure_ascii=False) + "\n").encode()


def place(version: str, name: str = "") -> str:
    """Return the key of a file of a version's site, or of their folder."""
    return f"{FOLDER}/{version}/{name}"


def upload(target: Target, site: Path, version: str, releases: Mapping[str, ReleaseRef], latest: str) -> Hosted:
    """Bring a built site to `site/<version>/` of a target: what differs is sent, pages last. Memory: one file at a time.

    Raises:
        Unhosted: a file could not be stored; no page was sent that would miss it.
        LocalTrouble, Unreachable, Locked: as a target does.

    """
    files = {place(version, name): site / name for name in names(site)}
    there = {stored.key for stored in target.below(place(version))}
    with ThreadPoolExecutor(ABREAST) as pool:

        def differs(key: str) -> bool:
            entry = _entry(key, files[key], version)
            return key not in there or not target.holds(entry, lambda: [files[key].read_bytes()])

        changed = [key for key, new in zip(files, pool.map(differs, files), strict=True) if new]
        lists = _lists(target.read, version, releases, latest)
        if changed or any(target.read(key) != data for key, data in lists.items()):
            with target.lock(version):
                for wave in _waves(changed, place(version, INDEX)):
                    _all(pool.map(lambda key: _sent(target, _entry(key, files[key], version), files[key]), wave))
                point(target, version, releases, latest)
                target.settle()
    size_bytes = sum(files[key].stat().st_size for key in changed)
    return Hosted("", len(changed), size_bytes, len(files) - len(changed), tuple(sorted(there - files.keys())))


def names(site: Path) -> Iterator[str]:
    """Yield the files of a built site; what starts with a dot is a note to publisher itself."""
    for path in sorted(site.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(site).as_posix()


def head(name: str) -> Headers:
    """Return the headers of a file of a site: what is named after its digest never changes, all else is asked for anew."""
    row = headers.rule_for_name(name)
    return headers.headers(row, encoded=False, final=_HASHED.fullmatch(name) is not None)


def _entry(key: str, path: Path, version: str) -> Entry:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    name = key.removeprefix(place(version))
    return Entry(key, "", len(data), digest, len(data), digest, head(name))


def _waves(keys: Iterable[str], first: str) -> list[list[str]]:
    """Return what must be there before what: assets, pages, and the page that readers come to first."""
    waves: list[list[str]] = [[], [], []]
    for key in keys:
        waves[key.endswith(".html") + (key == first)].append(key)
    return waves


def _sent(target: Target, entry: Entry, path: Path) -> Problem | None:
    def labels() -> dict[str, str]:
        return {"sha256": entry.content_sha256}

    try:
        target.put(entry.key, [path.read_bytes()], entry.headers, labels=labels, about=entry.size_bytes)
    except Incomplete as error:
        return error.problems[0]
    return None


def _all(sent: Iterable[Problem | None]) -> None:
    if problems := [problem for problem in sent if problem is not None]:
        raise Unhosted(problems)


def point(target: Target, version: str, releases: Mapping[str, ReleaseRef], latest: str) -> None:
    """List a version's site in `site/versions.json`, and have `site/index.html` lead to the latest; the caller holds the lock."""
    key = f"{FOLDER}/{VERSIONS}"
    listing = _Listing()

    def listed(there: bytes | None) -> bytes:
        nonlocal listing
        listing = _with(there, f"{target.url}/{key}", version, releases, latest)
        return listing.dump()

    target.swap(key, listed, head(VERSIONS))
    target.swap(f"{FOLDER}/{INDEX}", lambda _: redirect(listing.latest), head(INDEX))


def pointed(target: Target, version: str, releases: Mapping[str, ReleaseRef], latest: str) -> None:
    """Do the same for a site that lies at the target already, and take the lock only where something changes."""
    wanted = _lists(target.read, version, releases, latest)
    if any(target.read(key) != data for key, data in wanted.items()):
        with target.lock(version):
            point(target, version, releases, latest)


def branch(folder: Path, version: str, releases: Mapping[str, ReleaseRef], latest: str) -> None:
    """Make a folder that holds a version's site ready to be pushed as a branch; what others have there stays."""

    def there(key: str) -> bytes | None:
        path = folder / key.removeprefix(f"{FOLDER}/")
        return path.read_bytes() if path.is_file() else None

    work.write_file(folder / ".nojekyll", b"")  # else GitHub drops what begins with an underscore
    for key, data in _lists(there, version, releases, latest).items():
        work.write_file(folder / key.removeprefix(f"{FOLDER}/"), data)


def _lists(
    read: Callable[[str], bytes | None], version: str, releases: Mapping[str, ReleaseRef], latest: str
) -> dict[str, bytes]:
    """Return what the two moving files are to be, by their keys."""
    key = f"{FOLDER}/{VERSIONS}"
    listing = _with(read(key), key, version, releases, latest)
    return {key: listing.dump(), f"{FOLDER}/{INDEX}": redirect(listing.latest)}


def _with(there: bytes | None, where: str, version: str, releases: Mapping[str, ReleaseRef], latest: str) -> _Listing:
    """Add a version to a list: newest first as the releases are, then what is no release here."""
    rows = _rows(there, where)
    rows.setdefault(version, {"version": version})
    order = [*(name for name in releases if name in rows), *(name for name in rows if name not in releases)]
    newest = latest if latest in rows else order[0]
    made = {}
    for name in order:
        kept = [alias for alias in rows[name].get("aliases", ()) if alias != LATEST]
        aliases = [*kept, LATEST] if name == newest else kept
        row = {"title": name, **rows[name], "aliases": aliases}
        made[name] = row | {"date": releases[name].date, "status": releases[name].status} if name in releases else row
    return _Listing(made)


def _rows(there: bytes | None, where: str) -> dict[str, dict[str, Any]]:
    try:
        return {str(row["version"]): dict(row) for row in json.loads(there)} if there else {}
    except (ValueError, KeyError, TypeError):
        message = "is there already, and is no list of a site's versions"
        raise Conflict(Problem(where, message, "move it away, or host the site elsewhere")) from None


def redirect(version: str) -> bytes:
    """Return a page that leads to a version's first page, without a script."""
    to = escape(f"{quote(version)}/{INDEX}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(version)}</title>\n"
        f'<meta http-equiv="refresh" content="0; url={to}">\n<link rel="canonical" href="{to}">\n</head>\n'
        f'<body><p>The latest version is <a href="{to}">{escape(version)}</a>.</p></body>\n</html>\n'
    ).encode()
