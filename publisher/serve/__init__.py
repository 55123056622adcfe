"""A local target over HTTP on loopback, as strict as a bucket: types, access and CORS are as its releases record them.

What lies on the disk decides what is sent, and whether it is labelled gzip: a damaged file is seen as damaged. File
`X.gz` is object `X` with `Content-Encoding: gzip`, unless `.gz` is a part of an object's own name.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread

from publisher.errors import InvalidInput, LocalTrouble, Problem
from publisher.serve.handler import Handler
from publisher.serve.live import Live, Log, Releases
from publisher.serve.preview import Pages


@dataclass(frozen=True, slots=True)
class Settings:
    """Which folder is served, and where; `cors=False` answers no browser of another origin; `log` takes request lines.

    `preview` shows pages that are not published, in the place of those that are.
    """

    root: Path
    host: str = "127.0.0.1"
    port: int = 8000
    cors: bool = True
    listing: bool = False
    log: Log | None = None
    gate: bool = True  # answer 403 for what is private; without it, the server is its owner's own
    preview: Pages | None = None


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
        self._releases = Releases(self.root, self.log)
        super().__init__((settings.host, settings.port), Handler)

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
    root: Path,
    *,
    port: int = 0,
    cors: bool = True,
    listing: bool = False,
    log: Log | None = None,
    gate: bool = True,
) -> Iterator[str]:
    """Serve a folder on loopback from a background thread, at a free port unless told otherwise; yield its address."""
    served = server(Settings(root, port=port, cors=cors, listing=listing, log=log, gate=gate))
    thread = Thread(target=served.serve_forever, args=(0.02,), name="publisher-serve", daemon=True)
    thread.start()
    try:
        yield served.base_url
    finally:
        served.shutdown()
        served.server_close()
        thread.join()
