"""The requests of one connection: which bytes a key has, with which headers, for whom."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from email.utils import formatdate
from hashlib import sha256
from heapq import nsmallest
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, quote

from publisher import headers, viewer
from publisher.serve.live import PAGES, Live
from publisher.serve.preview import CHANGES, Pages
from publisher.serve.rules import TEMPORARY, allowed, key_of, names_tag, span

if TYPE_CHECKING:
    from publisher.serve import Server

EXPOSED = "ETag, Content-Range, Content-Encoding, Content-Length, Accept-Ranges, Content-Type"
LISTED = 1000  # names on a folder's page
_SMALL = re.compile(r"[0-9]{1,6}")  # the Content-Length of a request's body that is read and dropped


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


def _inside(root: Path, key: str) -> Path | None:
    """Return where a key lies, with symbolic links followed; None for what lies outside the root."""
    try:
        path = Path(os.path.realpath(root / key))
    except (OSError, ValueError):  # a name that this file system cannot have
        return None
    return path if path.is_relative_to(root) else None


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "publisher"
    sys_version = ""
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Take the connection, so that the server can end it."""
        super().setup()
        self._cors: Mapping[str, str] = {}
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        """Let the connection go."""
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Hand a line to the server's log."""
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
        """Answer with an object, a page, or why there is none."""
        self._drop_body()
        key, live = self._key(), self.server.live()
        self._cors = self._shared_with(live.origins(key or ""))
        if key is None:
            self._say(HTTPStatus.NOT_FOUND, "no object can have this key")
        elif self.server.settings.gate and live.closed(key):
            self._say(HTTPStatus.FORBIDDEN, f"{key} is private")
        elif key == CHANGES and self.server.settings.preview:
            self._tell(self.server.settings.preview)
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
        """Answer a browser that asks beforehand."""
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

    def _tell(self, pages: Pages) -> None:
        """Answer with the preview's news, as soon as there is some that was not seen."""
        seen = parse_qs(self.requestline.split()[1].partition("?")[2]).get("seen", ["-1"])[0]
        news = pages.news(int(seen) if _SMALL.fullmatch(seen) else -1)
        self._give(_Found(news, headers.JSON, headers.MOVING, None), CHANGES)

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
        preview = self.server.settings.preview
        if preview and preview.has(key):
            if (page := preview.find(key)) is None:
                return None
            return _Found(page, headers.rule_for_name(key).content_type, headers.MOVING, None)
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
        if not key and self.server.settings.preview:
            return HTTPStatus.FOUND, "", {"Location": f"/{quote(self.server.settings.preview.prefix)}"}
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
            if "If-Match" in self.headers and not names_tag(self.headers["If-Match"], etag, weakly=False):
                self._say(HTTPStatus.PRECONDITION_FAILED, f"{key} is not what it was")
            elif names_tag(self.headers["If-None-Match"], etag, weakly=True):
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
