"""A local target over HTTP on loopback, as strict as a bucket: types, access and CORS are as its releases record them.

What lies on the disk decides what is sent, and whether it is labelled gzip: a damaged file is seen as damaged. File
`X.gz` is object `X` with `Content-Encoding: gzip`, unless `.gz` is a part of an object's own name.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256
from heapq import nsmallest
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from json import loads
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from threading import Lock, Thread
from typing import IO, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from publisher import headers, inventory, record, viewer
from publisher.errors import InvalidInput, LocalTrouble, Problem, PublisherError
from publisher.objects import Entry

TEMPORARY = ".publisher-tmp"  # where a local target keeps what is not whole yet
PAGES = ("site/", "viewer/")  # pages for people: always public, and the only folders with an index.html
EXPOSED = "ETag, Content-Range, Content-Encoding, Content-Length, Accept-Ranges, Content-Type"
LISTED = 1000  # names on a folder's page

Log = Callable[[str], None]
_ABSOLUTE = re.compile(r"^https?://[^/?]*", re.IGNORECASE)
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_SMALL = re.compile(r"[0-9]{1,6}")  # the Content-Length of a request's body that is read and dropped
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


class _Published:
    """One release: who may read it, and its inventory, for one thread at a time."""

    def __init__(self, version: str, access: record.Access, index: inventory.Index | None) -> None:
        self.version, self.access = version, access
        self._index, self._lock = index, Lock()

    def get(self, key: str) -> Entry | None:
        # A damaged inventory names nothing: its own bytes are still served, so that a check can see the damage.
        with self._lock, suppress(OSError, ValueError, KeyError):
            return self._index.get(key) if self._index else None
        return None


@dataclass(frozen=True, slots=True)
class Live:
    """The releases of a target, newest first, and which one is the latest."""

    releases: tuple[_Published, ...] = ()
    latest: str = ""

    def entry(self, key: str) -> Entry | None:
        """Return what the newest release that has this key says of it."""
        return next(filter(None, (release.get(key) for release in self.releases)), None)

    def owner(self, key: str) -> _Published | None:
        """Return the newest release that has this key, else the one in whose folder it lies."""
        has = (release for release in self.releases if release.get(key))
        lies = (release for release in self.releases if key.startswith(f"{release.version}/"))
        return next(has, None) or next(lies, None)

    def closed(self, key: str) -> bool:
        """Whether strangers may not read this key."""
        owner = self.owner(key)
        return owner is not None and owner.access.mode == "private" and not key.startswith(PAGES)

    def origins(self, key: str) -> tuple[str, ...]:
        """Return the origins that may read this key in a browser; the newest release speaks for what nobody owns."""
        owner = self.owner(key) or next(iter(self.releases), None)
        return (owner.access if owner else record.Access()).origins

    def stands_alone(self, key: str) -> bool:
        """Whether a key that ends in `.gz` is an object's own name, rather than how object `key[:-3]` is stored."""
        if self.entry(key):
            return True
        return not self.entry(key.removesuffix(".gz")) and headers.keeps_gz(key.rpartition("/")[2])


class _Releases:
    """The releases as they were when last read; read again as soon as a record on the disk is another file."""

    def __init__(self, root: Path, log: Log) -> None:
        self._root, self._log, self._lock = root, log, Lock()
        self._stamps: list[tuple[Path, object]] = []
        self._live = Live()

    def now(self) -> Live:
        with self._lock:
            if not self._stamps or any(_stamp(path) != stamp for path, stamp in self._stamps):
                self._load()
            return self._live

    def _load(self) -> None:
        # Stamps are taken before reading: what changes in between is read once more, never missed.
        names = self._root / record.RELEASES_KEY
        self._stamps = [(names, _stamp(names))]
        try:
            refs, latest = _newest_first(names)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._log(f"{record.RELEASES_KEY} cannot be read, what it said before still holds: {error}")
            return
        paths = [(ref.version, self._root / ref.record) for ref in refs]
        self._stamps += [(path, _stamp(path)) for _, path in paths]
        self._live = Live(tuple(filter(None, (self._published(version, path) for version, path in paths))), latest)

    def _published(self, version: str, path: Path) -> _Published | None:
        try:
            told = record.parse(path.read_bytes(), str(path))
        except (OSError, PublisherError) as error:  # without its record, a release does not exist
            self._log(f"{version} has no readable record: {error}")
            return None
        try:
            index = inventory.Index(self._root / told.inventory.key) if told.inventory else None
        except (OSError, ValueError) as error:
            self._log(f"{version} has no readable inventory: {error}")
            index = None
        return _Published(version, told.access, index)


def _newest_first(path: Path) -> tuple[list[record.ReleaseRef], str]:
    data = path.read_bytes() if path.exists() else None
    latest = loads(data)["latest"] if data else ""
    refs = reversed(record.parse_releases(data).values())
    return sorted(refs, key=lambda ref: (ref.version == latest, ref.date), reverse=True), latest


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _inside(root: Path, key: str) -> Path | None:
    """Return where a key lies, with symbolic links followed; None for what lies outside the root."""
    try:
        path = Path(os.path.realpath(root / key))
    except (OSError, ValueError):  # a name that this file system cannot have
        return None
    return path if path.is_relative_to(root) else None


def key_of(target: str) -> str | None:
    """Return the key that a request target names, or None where no object can have it. A `/` at the end stays."""
    try:
        path = unquote_to_bytes(_ABSOLUTE.sub("", target).partition("?")[0].encode("latin-1")).decode()
    except UnicodeError:
        return None
    if not path.startswith("/") or _NO_NAME.search(path):
        return None
    *folders, last = path[1:].split("/")
    return None if "" in folders or {".", "..", TEMPORARY} & {*folders, last} else path[1:]


@dataclass(frozen=True, slots=True)
class Settings:
    """Which folder is served, and where; `cors=False` answers no browser of another origin; `log` takes request lines."""

    root: Path
    host: str = "127.0.0.1"
    port: int = 8000
    cors: bool = True
    listing: bool = False
    log: Log | None = None


class Server(ThreadingMixIn, TCPServer):
    """A bound server: `serve_forever` runs it, `shutdown` and `server_close` end it and its open connections."""

    daemon_threads = True
    allow_reuse_address = True  # a port is free again at once; somebody else's live one stays taken
    request_queue_size = 256

    def __init__(self, settings: Settings) -> None:
        """Bind; raise OSError or OverflowError when that cannot be."""
        self.settings = settings
        self.root = Path(os.path.realpath(settings.root))
        self.connections: set[socket.socket] = set()
        self.address_family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        self._releases = _Releases(self.root, self.log)
        super().__init__((settings.host, settings.port), _Handler)

    @property
    def base_url(self) -> str:
        """The address of the target, without a slash at the end."""
        host, port = self.server_address[:2]
        assert isinstance(host, str)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def live(self) -> Live:
        """Return the releases as they are on the disk now."""
        return self._releases.now()

    def log(self, line: str) -> None:
        """Hand one line to whoever listens, without what could disturb a terminal."""
        if self.settings.log:
            self.settings.log("".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line))

    def server_close(self) -> None:
        """Free the port and end the connections that clients keep alive."""
        super().server_close()
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what failed, except for clients that went away: they do so all the time."""
        del request
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.log(f"{client_address}: {type(error).__name__}: {error}")


def server(settings: Settings) -> Server:
    """Return a server that is bound and not running yet; raise InvalidInput or LocalTrouble when it cannot be had."""
    if not settings.root.is_dir():
        raise InvalidInput(Problem(str(settings.root), "there is no such folder to serve"))
    try:
        return Server(settings)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        where = f"{settings.host}:{settings.port}"
        raise LocalTrouble(
            Problem(where, f"cannot listen here ({reason})", "choose another port with --port")
        ) from None


@contextmanager
def running(
    root: Path, *, port: int = 0, cors: bool = True, listing: bool = False, log: Log | None = None
) -> Iterator[str]:
    """Serve a folder on loopback from a background thread, at a free port unless told otherwise; yield its address."""
    served = server(Settings(root, port=port, cors=cors, listing=listing, log=log))
    thread = Thread(target=served.serve_forever, args=(0.02,), name="publisher-serve", daemon=True)
    thread.start()
    try:
        yield served.base_url
    finally:
        served.shutdown()
        served.server_close()
        thread.join()


def span(asked: str | None, size: int) -> tuple[HTTPStatus, range]:
    """Return which bytes a Range header asks for: 200 all (also when it makes no sense), 206 a part, 416 none."""
    match = _RANGE.fullmatch(asked or "")
    first, last = match.groups() if match else ("", "")
    if not (first or last) or (first and last and int(first) > int(last)):
        return HTTPStatus.OK, range(size)
    if first:
        part = range(int(first), min(size, int(last) + 1) if last else size)
    else:
        part = range(max(0, size - int(last)), size)
    return (HTTPStatus.PARTIAL_CONTENT, part) if part else (HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, range(0))


def allowed(origin: str | None, origins: tuple[str, ...]) -> str | None:
    """Return the Access-Control-Allow-Origin for an origin, or None. One `*` in a rule stands for anything, as in S3."""
    if not origin or "*" in origins:
        return "*" if origin else None
    for rule in origins:
        start, star, end = rule.partition("*")
        fits = star and len(origin) >= len(start + end) and origin.startswith(start) and origin.endswith(end)
        if fits or origin == rule:
            return origin
    return None


class _Found(NamedTuple):
    """Where a key's bytes are, and what is said about them."""

    source: Path | bytes
    content_type: str
    cache_control: str
    content_encoding: str | None


class _Body(NamedTuple):
    """What will be sent: open, with its size and the headers that go with it."""

    file: IO[bytes]
    size: int
    headers: dict[str, str]


def _opened(found: _Found) -> _Body:
    """Open what was found: size, tag and bytes are of the same file, whatever replaces it meanwhile."""
    shown = {"Content-Type": found.content_type, "Cache-Control": found.cache_control, "Accept-Ranges": "bytes"}
    if found.content_encoding:
        shown["Content-Encoding"] = found.content_encoding
    if isinstance(found.source, bytes):
        tag = sha256(found.source).hexdigest()[:32]
        return _Body(BytesIO(found.source), len(found.source), {**shown, "ETag": f'"{tag}"'})
    file = found.source.open("rb")
    seen = os.fstat(file.fileno())
    tag = f"{seen.st_size:x}-{seen.st_mtime_ns:x}-{seen.st_ino:x}"
    modified = formatdate(seen.st_mtime, usegmt=True)
    return _Body(file, seen.st_size, {**shown, "ETag": f'"{tag}"', "Last-Modified": modified})


def _names_tag(value: str | None, etag: str, *, weakly: bool) -> bool:
    """Whether an If-Match or If-None-Match header names a tag."""
    tags = [tag.strip() for tag in (value or "").split(",")]
    return etag in tags or "*" in tags or (weakly and f"W/{etag}" in tags)


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "publisher"
    sys_version = ""
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._cors: Mapping[str, str] = {}
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        self.server.log(f"{self.client_address[0]} {format % args}")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what http.server itself refuses: methods without a `do_…`, and requests that it cannot parse."""
        del explain
        self._cors = {}
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._drop_body()
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, "objects can only be read", {"Allow": "GET, HEAD, OPTIONS"})
        else:
            self.close_connection = True
            self.request_version = self.protocol_version  # else, after a line it cannot parse, http.server speaks 0.9
            self._say(HTTPStatus(code), message or "bad request")

    def do_GET(self) -> None:
        self._drop_body()
        key, live = self._key(), self.server.live()
        self._cors = self._shared_with(live.origins(key or ""))
        if key is None:
            self._say(HTTPStatus.NOT_FOUND, "no object can have this key")
        elif live.closed(key):
            self._say(HTTPStatus.FORBIDDEN, f"{key} is private")
        elif found := self._find(live, key):
            self._give(found, key)
        elif to := self._elsewhere(live, key):
            self._say(*to)
        elif folder := self._folder(key):
            self._list(live, key, folder)
        else:
            self._say(HTTPStatus.NOT_FOUND, f"there is no object {key}")

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def do_OPTIONS(self) -> None:
        self._drop_body()
        self._cors = {}
        asked, method = self._header("Origin"), self._header("Access-Control-Request-Method")
        if not asked or not method:
            return self._say(HTTPStatus.BAD_REQUEST, "a preflight needs Origin and Access-Control-Request-Method")
        shared = self._shared_with(self.server.live().origins(self._key() or ""))
        if "Access-Control-Allow-Origin" not in shared or method not in {"GET", "HEAD"}:
            return self._say(HTTPStatus.FORBIDDEN, f"{asked} may not {method} here")
        wanted = self._header("Access-Control-Request-Headers")
        self._cors = {
            "Access-Control-Allow-Origin": shared["Access-Control-Allow-Origin"],
            "Access-Control-Allow-Methods": "GET, HEAD",
            "Access-Control-Max-Age": "3600",
            "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
            **({"Access-Control-Allow-Headers": wanted} if wanted else {}),
        }
        return self._say(HTTPStatus.OK, "")

    def _drop_body(self) -> None:
        """Take the request's body off the connection, or give the connection up."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not _SMALL.fullmatch(length):
            self.close_connection = True
        else:
            self.rfile.read(int(length))

    def _key(self) -> str | None:
        # Not self.path, in which http.server has made one slash of several.
        return key_of(self.requestline.split()[1])

    def _header(self, name: str) -> str | None:
        """Return a request's header, unless it is folded or otherwise unfit to be sent back."""
        value = self.headers.get(name)
        return value if value and value.isascii() and value.isprintable() else None

    def _shared_with(self, origins: tuple[str, ...]) -> Mapping[str, str]:
        """Return the CORS headers of an answer to this request."""
        origin = allowed(self._header("Origin"), origins) if self.server.settings.cors else None
        shared = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED} if origin else {}
        # A cache must not give one origin's answer to another, nor the answer to none.
        return shared if "*" in origins or not self.server.settings.cors else {**shared, "Vary": "Origin"}

    def _path(self, key: str) -> Path | None:
        path = _inside(self.server.root, key)
        return path if path and os.path.isfile(path) else None  # noqa: PTH113 - is_file raises where a name is too long

    def _folder(self, key: str) -> Path | None:
        """Return a folder whose names may be shown."""
        path = _inside(self.server.root, key) if self.server.settings.listing and key[-1:] in {"", "/"} else None
        return path if path and os.path.isdir(path) else None  # noqa: PTH112 - likewise

    def _find(self, live: Live, key: str) -> _Found | None:
        """Return where the bytes of a key are, and with which headers; None when there are none."""
        if key.endswith("/") and key.startswith(PAGES):
            key += "index.html"
        if not key or key.endswith("/"):
            return None
        entry = live.entry(key)
        content_type = entry.headers.content_type if entry else headers.rule_for_name(key).content_type
        cache_control = entry.headers.cache_control if entry else headers.MOVING
        if (path := self._path(f"{key}.gz")) and not live.stands_alone(f"{key}.gz"):
            return _Found(path, content_type, cache_control, "gzip")
        if (path := self._path(key)) and (not key.endswith(".gz") or live.stands_alone(key)):
            return _Found(path, content_type, cache_control, None)
        client = viewer.prefix() + "/"
        carried = viewer.file(key.removeprefix(client)) if key.startswith(client) else None
        return _Found(*carried, headers.MOVING, None) if carried else None

    def _elsewhere(self, live: Live, key: str) -> tuple[HTTPStatus, str, Mapping[str, str]] | None:
        """Return a redirection from `/` to the latest site, and from a folder's name to the folder."""
        if not key and live.latest and self._path(f"site/{live.latest}/index.html"):
            return HTTPStatus.FOUND, "", {"Location": f"/site/{quote(live.latest)}/"}
        if key and not key.endswith("/") and (self._find(live, f"{key}/") or self._folder(f"{key}/")):
            query = "".join(self.requestline.split()[1].partition("?")[1:])
            return HTTPStatus.MOVED_PERMANENTLY, "", {"Location": f"/{quote(key)}/{query}"}
        return None

    def _give(self, found: _Found, key: str) -> None:
        try:
            body = _opened(found)
        except OSError as error:
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, f"{key} cannot be read: {error.strerror}")
            return
        with body.file:
            etag = body.headers["ETag"]
            if "If-Match" in self.headers and not _names_tag(self.headers["If-Match"], etag, weakly=False):
                self._say(HTTPStatus.PRECONDITION_FAILED, f"{key} is not what it was")
            elif _names_tag(self.headers["If-None-Match"], etag, weakly=True):
                self._start(HTTPStatus.NOT_MODIFIED, body.headers)
            else:
                self._send(body)

    def _send(self, body: _Body) -> None:
        same = self.headers["If-Range"] in {None, body.headers["ETag"], body.headers.get("Last-Modified")}
        status, part = span(self.headers["Range"] if same else None, body.size)
        if status is HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._say(status, f"there are {body.size} bytes", {"Content-Range": f"bytes */{body.size}"})
            return
        fields = {**body.headers, "Content-Length": str(len(part))}
        if status is HTTPStatus.PARTIAL_CONTENT:
            fields["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{body.size}"
        self._start(status, fields)
        # sendfile takes no count of 0. A file that was cut short meanwhile leaves an answer that cannot be finished.
        if self.command == "GET" and part and self.connection.sendfile(body.file, part.start, len(part)) < len(part):
            self.close_connection = True

    def _list(self, live: Live, key: str, folder: Path) -> None:
        """Show the first names of a folder, as the names of objects."""
        with os.scandir(folder) as children:
            names = nsmallest(LISTED, (f"{child.name}/" if child.is_dir() else child.name for child in children))
        shown = [name if live.stands_alone(key + name) else name.removesuffix(".gz") for name in names]
        rows = "".join(
            f'<li><a href="./{quote(name)}">{escape(name)}</a></li>\n' for name in shown if name != f"{TEMPORARY}/"
        )
        page = f'<!doctype html><meta charset="utf-8"><title>/{escape(key)}</title>\n<ul>\n{rows}</ul>\n'
        self._give(_Found(page.encode(), "text/html; charset=utf-8", headers.MOVING, None), key)

    def _say(self, status: HTTPStatus, text: str, fields: Mapping[str, str] | None = None) -> None:
        """Answer with a line of plain text."""
        line = f"{text}\n".encode() if text else b""
        shown = {"Content-Type": "text/plain; charset=utf-8"} if text else {}
        self._start(status, {**shown, "Content-Length": str(len(line)), **(fields or {})})
        if self.command != "HEAD":
            self.wfile.write(line)

    def _start(self, status: HTTPStatus, fields: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**fields, **self._cors}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
