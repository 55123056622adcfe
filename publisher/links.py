"""Where the links of a built site lead: to its own pages, to objects of the release, and to others.

Pages are read as a browser reads them. Every page and anchor of the site's own must be there, every object that is
linked must be answered, each asked for once; what others host is listed, and asked for where that is wanted.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from publisher import __version__
from publisher.errors import Unreachable
from publisher.objects import Finding, Severity
from publisher.stranger import MISSING, REFUSED, SIMPLE, Sign, Stranger, nothing

CHECK = "link"
ABREAST = 8  # addresses that are asked at once
MOST_NAMED = 50  # findings of each sort
SECONDS = (5, 10)  # to connect, and to answer: who takes longer is not waited for

_HELD = {  # what leads somewhere, by tag
    **dict.fromkeys(("a", "area", "link"), ("href",)),
    **dict.fromkeys(("img", "script", "iframe", "source", "video", "audio", "embed"), ("src",)),
    "button": ("data-scene",),
}
_SEARCH = "search/search_index.json"
_NO_PLACE = ("mailto:", "data:", "tel:")
_BAD = 400


@dataclass(frozen=True, slots=True)
class Release:
    """Where the release's objects are: their address on the pages, and where it is answered now.

    `pages` is the address at which the site itself is, where it lies at the target; `sign` reads what strangers may not.
    `own` is the address at which the site will be read, with a slash at its end, "" where that is not known.
    """

    base: str = ""
    served: str = ""
    pages: str = ""
    sign: Sign | None = None
    own: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """How many links lead where, what others host (each address once), and what is wrong."""

    inside: int = 0
    objects: int = 0
    others: tuple[str, ...] = ()
    asked: int = 0  # of the others
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every link leads somewhere, as far as they were looked at."""
        return not any(finding.severity == "error" for finding in self.findings)


class Page(HTMLParser):
    """What a page has to be linked to, and what it links to."""

    def __init__(self, html: str) -> None:
        """Read it."""
        super().__init__(convert_charrefs=True)
        self.ids: set[str] = set()
        self.links: dict[str, None] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where it can be gone to, and where it leads."""
        given = dict(attrs)
        self.ids.update(value for name in ("id", "name") if (value := given.get(name)))
        for name in _HELD.get(tag, ()):
            if (value := given.get(name)) is not None:
                self.links[value.strip()] = None
        if tag == "meta" and (given.get("http-equiv") or "").lower() == "refresh":
            self.links[(given.get("content") or "").partition("url=")[2].strip()] = None


class _Link(NamedTuple):
    page: str
    to: str


@dataclass(slots=True)
class _Sorted:
    """Links by where they lead: how many inside, addresses of objects and of others with a page that has each."""

    inside: int = 0
    objects: dict[str, _Link] = field(default_factory=dict)
    others: dict[str, _Link] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def wrong(self, link: _Link, message: str) -> None:
        self.findings.append(Finding(CHECK, "error", link.page, f"{link.to!r} {message}"))


def check(site: Path, release: Release, *, others: bool = False) -> Links:
    """Look where every link of a built site leads; `others` asks for what others host, too. Memory: the site's links."""
    read = {path.relative_to(site).as_posix(): Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    found = _Sorted()
    for link in _links(site, read):
        _sort(link, site, read, release, found)
    _ask_objects(found, release)
    told, asked = _ask_others(found.others) if others else ((), 0)
    return Links(found.inside, len(found.objects), tuple(found.others), asked, (*_shortened(found.findings), *told))


def _links(site: Path, read: Mapping[str, Page]) -> Iterator[_Link]:
    for name, page in read.items():
        yield from (_Link(name, to) for to in page.links)
    if (site / _SEARCH).is_file():
        listed = json.loads((site / _SEARCH).read_text("utf-8"))["docs"]
        yield from (_Link("", entry["location"]) for entry in listed)  # from the top, where the search starts


def _sort(link: _Link, site: Path, read: Mapping[str, Page], release: Release, found: _Sorted) -> None:
    try:
        parts = urlsplit(link.to)
    except ValueError:
        return found.wrong(link, "is no address")
    if release.own and link.to.startswith(release.own):  # such as a page's word for itself, before it is there
        return _sort_inside(link, link.to.removeprefix(release.own) or "index.html", "", site, read, found)
    if parts.scheme in {"http", "https"}:
        return _sort_address(link, link.to, release, found)
    if link.to.startswith(_NO_PLACE):
        return None
    if parts.scheme or parts.netloc or parts.path.startswith("/"):
        return found.wrong(link, "works on no other host or folder; say where it leads from this page")
    folder = posixpath.dirname(link.page)
    name = posixpath.normpath(posixpath.join(folder, unquote(parts.path))) if parts.path else link.page
    if name.startswith("../"):
        if not release.pages:
            return found.wrong(link, "leads out of the site, which nothing is known to lie beside")
        return _sort_address(link, urljoin(f"{release.pages}/{quote(link.page)}", link.to), release, found)
    return _sort_inside(link, name, unquote(parts.fragment), site, read, found)


def _sort_inside(link: _Link, name: str, anchor: str, site: Path, read: Mapping[str, Page], found: _Sorted) -> None:
    found.inside += 1
    if (site / name).is_dir():
        return found.wrong(link, "is a folder; buckets have no index pages, so link to a file")
    if not (site / name).is_file():
        return found.wrong(link, f"leads to {name}, which is not there")
    if anchor and name in read and anchor not in read[name].ids:
        return found.wrong(link, f"leads to #{anchor}, which {name} does not have")
    return None


def _sort_address(link: _Link, url: str, release: Release, found: _Sorted) -> None:
    """Tell objects of the release from what others host; what a viewer is told to open is an object, too."""
    bare, _, fragment = url.partition("#")
    if release.base and f"{bare}/".startswith(f"{release.base}/"):
        found.objects.setdefault(bare.partition("?")[0], link)
        for scene in parse_qs(urlsplit(bare).query).get("scene", ()):
            found.objects.setdefault(urljoin(bare, scene).partition("?")[0], link)
    else:
        found.others.setdefault(bare, link)
    state = fragment.removeprefix("!")
    if release.base and state.startswith(f"{release.base}/"):
        found.objects.setdefault(state, link)


def _ask_objects(found: _Sorted, release: Release) -> None:
    """Ask for every object once, and add what is not there."""
    with Stranger(release.base or "null", ABREAST, release.sign) as client, ThreadPoolExecutor(ABREAST) as pool:
        asked = partial(_status, client, release)
        for (url, link), status in zip(found.objects.items(), pool.map(asked, found.objects), strict=True):
            if status in MISSING:
                found.wrong(link, f"leads to {url}, where there is no object")
            elif status in REFUSED:
                found.wrong(link, f"leads to {url}, which is refused ({status})")
            elif status >= _BAD:
                found.wrong(link, f"leads to {url}, which is answered {status}")


def _status(client: Stranger, release: Release, url: str) -> int:
    return client.ask("HEAD", release.served + url.removeprefix(release.base), nothing, SIMPLE).status


# What others host


def _ask_others(links: Mapping[str, _Link]) -> tuple[list[Finding], int]:
    """Ask for what others host; return what is wrong, and how many answered. Without a network, say so once."""
    pool = urllib3.PoolManager(
        maxsize=ABREAST,
        timeout=Timeout(*SECONDS),
        retries=Retry(total=None, connect=0, read=0, status=0, other=0, redirect=5, raise_on_redirect=False),
        headers={"User-Agent": f"publisher/{__version__}"},
    )
    with ThreadPoolExecutor(ABREAST) as threads:
        answers = list(threads.map(partial(_asked, pool), links))
    answered = sum(isinstance(answer, int) for answer in answers)
    if links and not answered:
        return [Finding(CHECK, "note", "", f"{len(links):,} links to others were not checked: no network")], 0
    pairs = zip(links.values(), answers, strict=True)
    return list(_shortened([found for link, answer in pairs for found in _judged(link, answer)])), answered


def _asked(pool: urllib3.PoolManager, url: str) -> int | str:
    """Return how an address is answered, or why it is not. Some servers know no HEAD."""
    try:
        status = 0
        for method in ("HEAD", "GET"):
            answer = pool.request(method, url, preload_content=False)
            answer.close()
            status = answer.status
            if status < _BAD:
                break
    except (HTTPError, Unreachable, UnicodeError) as error:
        return f"is not answered ({type(getattr(error, 'reason', None) or error).__name__})"
    return status


def _judged(link: _Link, answer: int | str) -> Iterator[Finding]:
    """Yield what is wrong: what is gone is an error; who refuses programs may answer people."""
    if isinstance(answer, str):
        yield Finding(CHECK, "warning", link.page, f"{link.to!r} {answer}")
    elif answer >= _BAD:
        severity: Severity = "error" if answer in MISSING else "warning"
        yield Finding(CHECK, severity, link.page, f"{link.to!r} is answered {answer} by its host")


def _shortened(findings: Iterable[Finding]) -> Iterator[Finding]:
    found = list(findings)
    yield from found[:MOST_NAMED]
    if len(found) > MOST_NAMED:
        worst: Severity = "error" if any(finding.severity == "error" for finding in found[MOST_NAMED:]) else "warning"
        yield Finding(CHECK, worst, "", f"and {len(found) - MOST_NAMED:,} more links that lead nowhere")
