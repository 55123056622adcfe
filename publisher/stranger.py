"""The stranger: a reader without credentials or cookies, from another origin, who sees the bytes as they are stored."""

from __future__ import annotations

import copy
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import closing, suppress
from dataclasses import dataclass
from threading import Event, Lock
from types import TracebackType
from typing import Generic, Self, TypeVar
from urllib.parse import quote, urlsplit
from weakref import WeakSet

import urllib3
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    LocationValueError,
    MaxRetryError,
    NameResolutionError,
    SSLError,
)
from urllib3.util import SKIP_HEADER, Retry, Timeout

from publisher import __version__
from publisher.errors import InvalidInput, Problem, Unreachable

TRIES = 3
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 60  # whatever a server's Retry-After says
CHUNK_BYTES = 256 * 1024
TOO_MANY_REQUESTS = 429
SERVER_FAULTS = frozenset({500, 502, 503, 504})
REFUSED = frozenset({401, 403})
MISSING = frozenset({404, 410})

# What browsers send. Without it GCS undoes gzip on the way, and what arrives is not what is stored.
STORED: Mapping[str, str] = {"Accept-Encoding": "gzip"}
# Left out altogether, where the HTTP library would write `identity` by itself.
SIMPLE: Mapping[str, str] = {"Accept-Encoding": SKIP_HEADER}

# Redirects are followed as browsers do; all other second tries are made here, because they include the body.
_REDIRECTS = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=5, raise_on_redirect=False)

# Authorities that the SDKs of the targets are told to trust; SSL_CERT_FILE is OpenSSL's own business.
_AUTHORITIES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")

T = TypeVar("T")
Chunks = Iterator[bytes]
Sign = Callable[[str, str], tuple[str, Mapping[str, str]]]


class Broken(Unreachable):
    """The server was there, but an answer broke off each time that it was asked for."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What came back: the status, the headers (in any case of letters), and what was made of the body."""

    status: int
    headers: Mapping[str, str]
    body: T

    @property
    def ok(self) -> bool:
        """Whether the whole object was answered."""
        return self.status == 200  # noqa: PLR2004 - the one number that everybody knows

    @property
    def length(self) -> int | None:
        """Content-Length, where there is one."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isdecimal() else None

    @property
    def encoding(self) -> str | None:
        """Content-Encoding as it was sent: an empty one is not the same as none."""
        return self.headers.get("Content-Encoding")

    def admits(self, origin: str) -> bool:
        """Whether a browser would hand this answer to a page of that origin."""
        return self.headers.get("Access-Control-Allow-Origin") in {"*", origin}

    def lists(self, header: str, word: str) -> bool:
        """Whether a header that holds a list, such as Access-Control-Expose-Headers, names a word or everything."""
        words = {item.strip().lower() for item in self.headers.get(header, "").split(",")}
        return bool(words & {word.lower(), "*"})


def nothing(chunks: Chunks) -> None:
    """Read a body to its end, and keep none of it."""
    for _ in chunks:
        pass


def first(size_bytes: int) -> Callable[[Chunks], bytes]:
    """Return a reader of a body's first bytes; the rest is not transferred."""

    def read(chunks: Chunks) -> bytes:
        data = bytearray()
        for chunk in chunks:
            data += chunk
            if len(data) >= size_bytes:
                break
        return bytes(data[:size_bytes])

    return read


class _Sockets:
    """The open sockets of a pool, which does not tell itself: shut, they wake the threads that wait for them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: WeakSet[socket.socket] = WeakSet()

    def shut(self) -> None:
        with self._lock:
            for each in self._open:
                with suppress(OSError):  # it may have been closed already
                    each.shutdown(socket.SHUT_RDWR)

    def pool_classes(self) -> dict[str, type[HTTPConnectionPool]]:
        """Return what a PoolManager needs, to make connections that are known here."""

        def known(connection: HTTPConnection) -> None:
            with self._lock:
                self._open.add(connection.sock)

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                known(self)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                known(self)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        return {"http": PlainPool, "https": SecurePool}


class Stranger:
    """An anonymous HTTP client, safe to use from many threads. As a context manager it stops what is in flight."""

    def __init__(self, origin: str, connections: int = 16, sign: Sign | None = None) -> None:
        """Come from `origin`, as a browser says it when a page of that site asks; `sign` makes a friend of a stranger."""
        self.origin = origin
        self._sign = sign
        self._stopped = Event()
        self._sockets = _Sockets()
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            retries=_REDIRECTS,
            timeout=Timeout(connect=10, read=60),
            headers={"User-Agent": f"publisher/{__version__}"},
            ssl_context=_trusting(),
        )
        self._pool.pool_classes_by_scheme = self._sockets.pool_classes()

    def coming_from(self, origin: str) -> Stranger:
        """Return the same client, with another origin."""
        other = copy.copy(self)
        other.origin = origin
        return other

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()
        self._pool.clear()

    def stop(self) -> None:
        """End at once what other threads ask for: they meet CancelledError, also where a server says nothing more."""
        self._stopped.set()
        self._sockets.shut()

    def ask(self, method: str, url: str, read: Callable[[Chunks], T], headers: Mapping[str, str] = STORED) -> Answer[T]:
        """Ask once, or up to three times where the answer breaks off or the server is busy.

        `read` makes something of the body, which comes in pieces and exactly as it was sent; it is called anew for
        every try. Raise Unreachable where no server answers, Broken where its answers break off.
        """
        pause = FIRST_PAUSE_SECONDS
        for tries_left in reversed(range(TRIES)):
            self._go_on()
            try:
                with closing(self._send(method, url, headers)) as response:
                    if not (tries_left and _is_passing(response.status)):
                        return Answer(response.status, response.headers, read(self._chunks(response)))
                    wait = _retry_after(response)
            except LocationValueError:
                hint = "give one such as https://example.org/data/v0.9"
                raise InvalidInput(Problem(url, "this is not an address", hint)) from None
            except HTTPError as error:
                if not tries_left:
                    raise _in_words(error, url) from None
                wait = None
            self._stopped.wait(pause if wait is None else wait)
            pause *= 2
        raise AssertionError

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        url, credentials = self._sign(method, url) if self._sign else (url, {})
        everything = {**self._pool.headers, "Origin": self.origin, **headers, **credentials}
        return self._pool.request(method, url, headers=everything, preload_content=False, decode_content=False)

    def _chunks(self, response: urllib3.BaseHTTPResponse) -> Chunks:
        for chunk in response.stream(CHUNK_BYTES, decode_content=False):
            self._go_on()
            yield chunk

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise CancelledError


def _trusting() -> ssl.SSLContext | None:
    """Trust whom publishing trusts, beside whom this machine does; None where nothing is said of that."""
    paths = [path for name in _AUTHORITIES if (path := os.environ.get(name))]
    if not paths:
        return None
    context = ssl.create_default_context()
    for path in paths:
        with suppress(OSError):  # what cannot be read is told by those whose variable it is
            context.load_verify_locations(*((None, path) if os.path.isdir(path) else (path,)))  # noqa: PTH112
    return context


def address(base_url: str, key: str) -> str:
    """Return the address of a key: what HTTP gives a meaning to (`#`, `?`, `%`, blanks …) is escaped."""
    return f"{base_url}/{quote(key, safe='/:@')}"


def _is_passing(status: int) -> bool:
    return status == TOO_MANY_REQUESTS or status in SERVER_FAULTS


def _retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    """Return how long the server asks to wait, in seconds; None where it does not say, or in no known way."""
    try:
        seconds = Retry().get_retry_after(response)
    except InvalidHeader:
        return None
    return None if seconds is None else min(seconds, LONGEST_PAUSE_SECONDS)


def _in_words(error: HTTPError, url: str) -> Unreachable:
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    host = urlsplit(url).netloc
    match cause:
        case NameResolutionError():
            return Unreachable(
                Problem(url, f"there is no host {host}", "is it spelled right, and is this machine online?")
            )
        case SSLError():
            hint = (
                "is the certificate of the server valid, and does it speak https at all? One that a private authority"
                " signed is trusted where AWS_CA_BUNDLE or SSL_CERT_FILE names the file of that authority"
            )
            return Unreachable(Problem(url, f"there is no secure connection to {host} ({cause})", hint))
        case ConnectTimeoutError():
            return Unreachable(Problem(url, f"nobody answers at {host}", "is the server running, and the port right?"))
    return Broken(Problem(url, f"the answer broke off, {TRIES} times ({cause})", "try again later"))
