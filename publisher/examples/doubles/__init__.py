"""Stand-ins of services on this machine: each answers in its service's own format, about a few neurons that it makes up."""

from __future__ import annotations

import importlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# What a stand-in answers: to a method, a path with its query and a body; None where the service has no such thing.
Answer = tuple[str, bytes]  # Content-Type, body
Answers = Callable[[str, str, bytes], Answer | None]


@dataclass(slots=True)
class Double:
    """A stand-in that runs: the host that it stands for, its port here, the certificate to trust, what it did not know."""

    host: str
    port: int
    authority: Path
    unknown: list[str]


def able() -> bool:
    """Whether stand-ins can have a certificate here."""
    return find_spec("trustme") is not None


def known(service: str) -> bool:
    """Whether there is a stand-in for a service: a module here that bears its name."""
    return service.isidentifier() and find_spec(f"{__name__}.{service}") is not None


@contextmanager
def running(service: str, given: Mapping[str, Any], folder: Path) -> Iterator[Double]:
    """Run the stand-in of a service as the manifest names it, with a certificate of an authority made for it alone."""
    import trustme  # noqa: PLC0415 - only for services

    module = importlib.import_module(f"{__name__}.{service}")
    answers: Answers = module.answers(given)
    parts = urlsplit(given["server"] if "://" in given["server"] else f"https://{given['server']}")
    host, unknown = parts.hostname or "", []  # type: tuple[str, list[str]]
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers, unknown)) as server:
        if parts.scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(host).configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield Double(host, server.server_address[1], folder / "authority.pem", unknown)
        finally:
            server.shutdown()
            thread.join()


def _handler(answers: Answers, unknown: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = answers(self.command, self.path, body)
            if found is None:
                unknown.append(f"{self.command} {self.path}")
            kind, data = found or ("text/plain", b"no such thing")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the server's own names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
