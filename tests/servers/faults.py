"""A proxy before a real server that breaks what a plan says: so clients meet every fault against the real thing.

A fault is a function around the way to the server: it may answer by itself, forward the request as it came or altered,
alter the answer, or raise `Reset`. A plan looks at each request and says which fault it meets, if any.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import struct
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from threading import Lock, Thread
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.servers.process import HOST

_LOGGED = re.compile(r"content-|cache-control|if-|range|origin|host|transfer-encoding|x-amz-|x-goog-")


class Reset(Exception):
    """The client's connection ends in a reset, with no answer."""


class _Ended(Exception):
    """The other side closed its connection, between two messages or within one."""


class _Wire:
    """A connection that is read message by message."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self._come = bytearray()

    def until(self, mark: bytes) -> bytes:
        seen = 0
        while (end := self._come.find(mark, seen)) < 0:
            seen = max(0, len(self._come) - len(mark))
            self._more()
        return self.take(end + len(mark))

    def take(self, size: int) -> bytes:
        while len(self._come) < size:
            self._more()
        taken = bytes(self._come[:size])
        del self._come[:size]
        return taken

    def rest(self) -> bytes:
        with suppress(_Ended):
            while True:
                self._more()
        return self.take(len(self._come))

    def _more(self) -> None:
        block = self.socket.recv(1 << 18)
        if not block:
            raise _Ended
        self._come += block

    def body(self, headers: Mapping[str, str], *, closes: bool) -> tuple[bytes, bytes | None]:
        """Return a message's content, and the trailer where it came in chunks."""
        if "chunked" in headers.get("transfer-encoding", ""):
            blocks = []
            while size := int(self.until(b"\r\n").partition(b";")[0], 16):
                blocks.append(self.take(size))
                self.take(2)
            lines = list(iter(lambda: self.until(b"\r\n"), b"\r\n"))
            return b"".join(blocks), b"".join(lines)
        if "content-length" in headers:
            return self.take(int(headers["content-length"])), None
        return (self.rest() if closes else b""), None

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def stale(self) -> bool:
        """Whether the other side has closed it, or says something unasked."""
        with suppress(BlockingIOError):
            self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            return True
        return False


@dataclass(frozen=True)
class Message:
    """A request or an answer, whole: what it says is kept to the byte unless a fault alters it."""

    head: bytes  # from the first line to the empty one
    body: bytes = b""
    trailer: bytes | None = None  # only where the body goes in chunks; it goes on as a single one

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers by their names in lower case."""
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def wire(self) -> bytes:
        if self.trailer is None:
            return self.head + self.body
        chunk = b"%x\r\n%b\r\n" % (len(self.body), self.body) if self.body else b""
        return b"".join((self.head, chunk, b"0\r\n", self.trailer, b"\r\n"))

    def without(self, name: str) -> Self:
        head = re.sub(rb"(?im)^%b:.*\r\n" % re.escape(name.encode()), b"", self.head)
        return replace(self, head=head)

    def having(self, name: str, value: str) -> Self:
        bare = self.without(name).head
        return replace(self, head=b"%b%b: %b\r\n\r\n" % (bare[:-2], name.encode(), value.encode()))

    def flipped(self, bit: int) -> Self:
        """Return it with one bit of its content turned over; framing stays as it is, for that would be another fault."""
        spans = list(self._content())
        size = sum(end - start for start, end in spans)
        if not size:
            return self
        at, bit = divmod(bit % (size * 8), 8)
        for start, end in spans:
            if at < end - start:
                body = bytearray(self.body)
                body[start + at] ^= 1 << bit
                return replace(self, body=bytes(body))
            at -= end - start
        raise AssertionError

    def _content(self) -> Iterator[tuple[int, int]]:
        """Yield where the content lies: clients of AWS wrap it in frames of their own."""
        if "x-amz-decoded-content-length" not in self.headers:
            yield 0, len(self.body)
            return
        at = 0
        while frame := re.compile(rb"([0-9a-fA-F]+)[^\r\n]*\r\n").match(self.body, at):
            size = int(frame[1], 16)
            if not size:
                return
            yield frame.end(), frame.end() + size
            at = frame.end() + size + 2


@dataclass(frozen=True)
class Request(Message):
    """What a client asks for."""

    number: int = 0  # in the order in which they came whole, from 0
    time: float = 0.0  # seconds since the proxy started

    @cached_property
    def _line(self) -> list[str]:
        return self.head[: self.head.index(b"\r\n")].decode("latin-1").split(" ")

    @property
    def method(self) -> str:
        return self._line[0]

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        return self._line[1]

    @cached_property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))


@dataclass(frozen=True)
class Answer(Message):
    """What a client is answered."""

    cut: int | None = None  # how much of the body's bytes goes out before the connection is closed

    @property
    def status(self) -> int:
        return int(self.head[9:12])

    @property
    def last(self) -> bool:
        """Whether the connection ends with it."""
        told = self.trailer is not None or "content-length" in self.headers or self.status in {204, 304}
        return self.cut is not None or not told or self.headers.get("connection", "") == "close"

    @property
    def wire(self) -> bytes:
        whole = super().wire
        return whole if self.cut is None else whole[: len(self.head) + self.cut]


Forward = Callable[[Request], Answer]


@dataclass(frozen=True)
class Fault:
    """Something that happens to a request, by a name that the log shows."""

    name: str
    happen: Callable[[Request, Forward], Answer]


Plan = Callable[[Request], Fault | None]


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes | str = b"") -> Fault:
    """Answer without asking the server."""
    content = body.encode() if isinstance(body, str) else body
    lines = {"Content-Length": str(len(content)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    made = Answer(f"HTTP/1.1 {code} Fault\r\n{head}\r\n".encode(), content)
    empty = replace(made, body=b"")
    return Fault(f"status {code}", lambda request, _: empty if request.method == "HEAD" else made)


def s3_error(code: int, name: str, message: str = "", headers: Mapping[str, str] | None = None) -> Fault:
    """Answer an error as S3 puts it."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{name}</Code><Message>{message}</Message></Error>'
    made = status(code, {"Content-Type": "application/xml", **(headers or {})}, body)
    return replace(made, name=f"{name} {code}")


def gcs_error(code: int, reason: str, headers: Mapping[str, str] | None = None) -> Fault:
    """Answer an error as Google's JSON interface puts it."""
    error = {"code": code, "message": reason, "errors": [{"domain": "global", "reason": reason, "message": reason}]}
    made = status(code, {"Content-Type": "application/json", **(headers or {})}, json.dumps({"error": error}))
    return replace(made, name=f"{reason} {code}")


def slow_down(retry_after: float | None = None) -> Fault:
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return s3_error(503, "SlowDown", "Please reduce your request rate.", headers)


def expired_token() -> Fault:
    return s3_error(400, "ExpiredToken", "The provided token has expired.")


def bad_digest() -> Fault:
    return s3_error(400, "BadDigest", "The Content-MD5 or checksum value that you specified did not match.")


def reset(*, before: bool) -> Fault:
    """Reset the connection: before the server heard of the request, or once it has done what was asked."""

    def happen(request: Request, forward: Forward) -> Answer:
        if not before:
            forward(request)
        raise Reset

    return Fault(f"reset {'before' if before else 'after'}", happen)


def kill(pid: int | Callable[[], int], *, before: bool) -> Fault:
    """SIGKILL the client: before the server heard of the request, or once it has done what was asked."""

    def happen(request: Request, forward: Forward) -> Answer:
        if not before:
            forward(request)
        os.kill(pid if isinstance(pid, int) else pid(), signal.SIGKILL)
        raise Reset

    return Fault(f"kill {'before' if before else 'after'}", happen)


def _bit(bit: int | None, request: Request) -> int:
    return random.Random(request.number).getrandbits(62) if bit is None else bit


def flip_up(bit: int | None = None) -> Fault:
    """Turn over one bit of the body on its way up; each request has a bit of its own where none is given."""
    return Fault("flip up", lambda request, forward: forward(request.flipped(_bit(bit, request))))


def flip_down(bit: int | None = None) -> Fault:
    """Turn over one bit of the answer's body."""
    return Fault("flip down", lambda request, forward: forward(request).flipped(_bit(bit, request)))


def truncate(keep: float = 0.5) -> Fault:
    """Send a part of the answer's body, then close the connection."""

    def happen(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        return replace(answer, cut=int(len(answer.body) * keep))

    return Fault("truncate", happen)


def delay(seconds: float) -> Fault:
    def happen(request: Request, forward: Forward) -> Answer:
        time.sleep(seconds)
        return forward(request)

    return Fault(f"delay {seconds:g}", happen)


def header(name: str, value: str | None = None) -> Fault:
    """Put another value into a header of the answer; leave it out where there is none."""

    def happen(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        return answer.without(name) if value is None else answer.having(name, value)

    return Fault(f"header {name}", happen)


def no_range() -> Fault:
    """Have ranges ignored. Only where they are not signed, as those of strangers: else the server refuses the request."""
    return Fault("no range", lambda request, forward: forward(request.without("Range")))


def both(outer: Fault, inner: Fault) -> Fault:
    """Let one fault happen around another."""
    return Fault(
        f"{outer.name}, {inner.name}",
        lambda request, forward: outer.happen(request, lambda passed: inner.happen(passed, forward)),
    )


def nothing(_: Request) -> None:
    """Plan no fault."""


def at(numbers: int | Collection[int], fault: Fault) -> Plan:
    chosen = {numbers} if isinstance(numbers, int) else set(numbers)
    return lambda request: fault if request.number in chosen else None


def every(fraction: float, fault: Fault, seed: int = 0) -> Plan:
    """Let a fraction of all requests meet a fault: by their numbers, so that threads make no difference."""
    return lambda request: fault if random.Random(f"{seed} {request.number}").random() < fraction else None


def while_time(seconds: float, fault: Fault) -> Plan:
    """Let everything meet a fault for so long, from the first request on that this plan is asked about."""
    began: list[float] = []

    def plan(request: Request) -> Fault | None:
        if not began:
            began.append(request.time)
        return fault if request.time - began[0] < seconds else None

    return plan


def on_key(substring: str, fault: Fault) -> Plan:
    return lambda request: fault if substring in request.path else None


def only(plan: Plan, *methods: str, key: str = "") -> Plan:
    """Ask a plan about the requests of some methods and keys alone."""
    return lambda request: plan(request) if request.method in methods and key in request.path else None


def first(*plans: Plan) -> Plan:
    """Ask plans in turn, until one has a fault."""
    return lambda request: next((fault for plan in plans if (fault := plan(request))), None)


@dataclass(frozen=True)
class Seen:
    """One request, and what became of it until now."""

    number: int
    time: float
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # those that say something about the object or the condition
    body_bytes: int  # with AWS's frames, where there are any
    fault: str | None
    applied: int | None  # the server's status; None where it was not asked, or did not answer
    status: int | None  # what the client was told; None where it was told nothing


@dataclass
class _Exchange:
    """A request under way, for the log."""

    request: Request
    fault: Fault | None
    applied: int | None = None
    status: int | None = None

    @property
    def seen(self) -> Seen:
        asked = self.request
        headers = {name: value for name, value in asked.headers.items() if _LOGGED.match(name)}
        name = self.fault.name if self.fault else None
        what = (asked.number, asked.time, asked.method, asked.path, asked.query, headers)
        return Seen(*what, len(asked.body), name, self.applied, self.status)


@dataclass
class FaultProxy:
    """HTTP/1.1 at `endpoint`, and behind it the server of `upstream`; `plan` may be set anew at any time.

    Each connection of a client has a thread and a connection to the server of its own. Everything passes to the byte,
    the Host header too: signatures cover it, and servers check them against what they read.
    """

    upstream: str
    plan: Plan = nothing
    errors: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        url = urlsplit(self.upstream)
        assert url.hostname
        self._server = (url.hostname, url.port or 80)
        self._listener = socket.create_server((HOST, 0), backlog=512)
        self._open: set[_Wire] = set()
        self._lock = Lock()
        self._began = time.monotonic()
        self.clear()

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self._listener.getsockname()[1]}"

    @property
    def log(self) -> list[Seen]:
        """What came so far, in the order of the numbers."""
        return sorted((exchange.seen for exchange in list(self._log)), key=lambda seen: seen.number)

    def clear(self) -> None:
        """Forget what was, and number from 0 again."""
        self._log: list[_Exchange] = []
        self._numbers = count()

    def __enter__(self) -> Self:
        Thread(target=self._accept, name="fault proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Fail where the proxy broke by itself: that must not pass for a fault it was told to make."""
        with self._lock:
            sockets = [self._listener, *(wire.socket for wire in self._open)]
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # unlike close, it wakes the thread that waits there
        self._listener.close()
        if self.errors:
            raise ExceptionGroup("the proxy itself failed", self.errors)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                Thread(target=self._serve, args=(connection,), name="fault proxy", daemon=True).start()

    @contextmanager
    def _wire(self, connection: socket.socket) -> Iterator[_Wire]:
        wire = _Wire(connection)
        with self._lock:
            self._open.add(wire)
        try:
            yield wire
        finally:
            with self._lock:
                self._open.discard(wire)
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        with self._wire(connection) as client, ExitStack() as stack:
            try:
                with suppress(_Ended, OSError):
                    self._converse(client, stack)
            except Exception as error:  # noqa: BLE001
                self.errors.append(error)

    def _converse(self, client: _Wire, stack: ExitStack) -> None:
        server: _Wire | None = None

        def forward(asked: Request) -> Answer:
            nonlocal server
            if server is None or server.stale():
                server = stack.enter_context(self._wire(socket.create_connection(self._server)))
            answer = _ask(server, asked)
            exchange.applied = answer.status
            return answer

        while True:
            request = self._read(client)
            fault = self.plan(request)
            exchange = _Exchange(request, fault)
            self._log.append(exchange)
            try:
                answer = fault.happen(request, forward) if fault else forward(request)
            except (Reset, _Ended, OSError):
                client.reset()
                return
            exchange.status = answer.status
            client.socket.sendall(answer.wire)
            if answer.last or request.headers.get("connection", "") == "close":
                return

    def _read(self, client: _Wire) -> Request:
        head = client.until(b"\r\n\r\n")
        headers = Message(head).headers
        if "expect" in headers:
            client.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body, trailer = client.body(headers, closes=False)
        return Request(head, body, trailer, next(self._numbers), time.monotonic() - self._began)


def _ask(server: _Wire, asked: Request) -> Answer:
    server.socket.sendall(asked.wire)
    while (answer := Answer(server.until(b"\r\n\r\n"))).status < 200:  # such as the server's own 100 Continue
        pass
    if asked.method == "HEAD" or answer.status in {204, 304}:
        return answer
    body, trailer = server.body(answer.headers, closes=True)
    return replace(answer, body=body, trailer=trailer)
