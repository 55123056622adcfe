"""Many small requests at once over plain sockets, all from one thread: nothing waits for another thread to wake."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from time import monotonic
from typing import NamedTuple
from urllib.parse import urlsplit

IDLE_SECONDS = 15  # a connection that a store closes is not one to send a put on
TIRED = 3  # lines that could not be made, one after another: then no more are tried
_AT_ONCE = 1 << 20  # bytes that are sent: encryption tells of no progress before all of them are on their way
_LONGEST_ANSWER = 1 << 16
_LOOK_SECONDS = 1.0  # between two looks for lines that stand still
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_UNBOUNDED = re.compile(rb"\r\n(connection: *close|transfer-encoding:)", re.IGNORECASE)


class Answer(NamedTuple):
    """What became of a request: its status, headers and body, after so many seconds.

    Where there was no answer `status` is 0, and `error` says why; a connection that ended says nothing.
    """

    number: int
    status: int
    head: bytes = b""
    body: bytes = b""
    seconds: float = 0.0
    error: OSError | None = None


class _Line:
    """One connection: `rest` and then `body` are to be sent, `got` has come; it was asked at `since`, and sent at `moved`."""

    __slots__ = ("body", "descriptor", "got", "moved", "number", "ready", "rest", "since", "size", "socket", "writes")

    def __init__(self, made: socket.socket) -> None:
        self.socket, self.descriptor = made, made.fileno()
        self.number: int | None = None
        self.rest, self.body = memoryview(b""), b""
        self.got, self.size, self.since, self.moved = b"", 0, 0.0, 0.0
        self.ready, self.writes = False, True  # whether it is connected; whether it is watched for room to write


class Lines:
    """Connections to one host. One thread uses them; `nudge` alone may be called from others."""

    def __init__(self, address: str, ca: str, connect_seconds: float, longest_seconds: float) -> None:
        """Take an address (its scheme, host and port count), a file of certificates to trust besides, and two limits.

        The first is for a connection to be made, the second for an answer to come once no more goes out.
        """
        parts = urlsplit(address)
        self._host, self._tls = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._ca, self._connect_seconds, self._longest_seconds = ca, connect_seconds, longest_seconds
        self._selector = DefaultSelector()
        self._lines: dict[int, _Line] = {}  # by their descriptors
        self._idle: list[_Line] = []
        self._answers: list[Answer] = []
        self._looked, self._failures = monotonic(), 0
        self._context: ssl.SSLContext | None = None
        self._places: Iterator[tuple[int, tuple[object, ...]]] | None = None
        self._nudged, self._nudge = socket.socketpair()
        self._nudged.settimeout(0)
        self._nudge.settimeout(0)
        self._selector.register(self._nudged, EVENT_READ)
        self.flying = self.flying_bytes = 0

    @property
    def tired(self) -> bool:
        """Whether nobody is there to be connected to."""
        return self._failures >= TIRED

    def send(self, number: int, request: bytes, body: bytes = b"") -> None:
        """Send a request, and what may follow it, as soon as a line takes it; its answer comes with that number."""
        try:
            line = self._free() or self._connected()
        except OSError as error:
            self._failures += 1
            self._answers.append(Answer(number, 0, error=error))
            return
        self.flying += 1
        line.number, line.size = number, len(request) + len(body)
        self.flying_bytes += line.size
        line.since = line.moved = monotonic()
        line.rest, line.body, line.got = memoryview(request), body, b""
        if line.ready:
            self._push(line)

    def answers(self, seconds: float) -> list[Answer]:
        """Return what was answered; wait at most so long, or until a nudge, for something to be."""
        if not self._answers:
            for key, _ in self._selector.select(min(seconds, _LOOK_SECONDS)):
                if key.fileobj is self._nudged:
                    with suppress(BlockingIOError):
                        self._nudged.recv(4096)
                elif key.data is not None and self._open(key.data):
                    self._turn(key.data)
        self._end_what_stands_still()
        answers, self._answers = self._answers, []
        return answers

    def nudge(self) -> None:
        """Have `answers` return soon."""
        with suppress(OSError):  # full of nudges, or closed
            self._nudge.send(b"!")

    def watch(self, descriptor: int) -> None:
        """Have `answers` return also when this can be read."""
        self._selector.register(descriptor, EVENT_READ)

    def forget(self, descriptor: int) -> None:
        """Watch it no longer."""
        self._selector.unregister(descriptor)

    def close(self) -> None:
        """Close everything; what was on its way may have been done."""
        for line in list(self._lines.values()):
            self._drop(line)
        self._selector.close()
        self._nudged.close()
        self._nudge.close()

    # Connecting

    def _free(self) -> _Line | None:
        while self._idle:
            line = self._idle.pop()
            if self._open(line) and monotonic() - line.since < IDLE_SECONDS:
                return line
            self._drop(line)
        return None

    def _connected(self) -> _Line:
        if self._places is None:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._places = cycle([(family, place) for family, _, _, _, place in found])
        family, place = next(self._places)
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(0)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with suppress(BlockingIOError):
                made.connect(place)
        except OSError:
            made.close()
            raise
        line = self._lines[made.fileno()] = _Line(made)
        self._selector.register(line.descriptor, EVENT_READ | EVENT_WRITE, line)
        return line

    def _connect_further(self, line: _Line) -> None:
        """Find out whether a line is connected, and agree on encryption."""
        if isinstance(line.socket, ssl.SSLSocket):
            line.socket.do_handshake()
        elif error := line.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "Could not connect")
        elif self._tls:
            if self._context is None:
                self._context = ssl.create_default_context()
                if self._ca:
                    self._context.load_verify_locations(self._ca)
            line.socket = self._context.wrap_socket(
                line.socket, do_handshake_on_connect=False, server_hostname=self._host
            )
            self._connect_further(line)
            return
        line.ready, self._failures = True, 0
        line.since = line.moved = monotonic()  # the store's own time begins now

    # Sending and reading

    def _turn(self, line: _Line) -> None:
        """Do what can be done on a line now."""
        try:
            if not line.ready:
                self._connect_further(line)
            if line.rest:
                self._push(line)
            elif line.writes:
                self._watch(line, writes=False)
            self._read(line)
        except ssl.SSLWantReadError:  # encryption has its own mind about who speaks next
            self._watch(line, writes=False)
        except ssl.SSLWantWriteError:
            self._watch(line, writes=True)
        except BlockingIOError:
            return
        except OSError as error:
            self._failures += not line.ready
            self._lost(line, error)

    def _push(self, line: _Line) -> None:
        try:
            while line.rest:
                line.rest = line.rest[line.socket.send(line.rest[:_AT_ONCE]) :]
                line.moved = monotonic()
                if not line.rest:
                    line.rest, line.body = memoryview(line.body), b""
        except ssl.SSLWantReadError:
            self._watch(line, writes=False)
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._watch(line, writes=True)
        except OSError as error:
            self._lost(line, error)
        else:
            self._watch(line, writes=False)

    def _watch(self, line: _Line, *, writes: bool) -> None:
        if line.writes is not writes:
            line.writes = writes
            self._selector.modify(line.descriptor, EVENT_READ | (EVENT_WRITE if writes else 0), line)

    def _read(self, line: _Line) -> None:
        if not self._open(line):
            return  # it was lost a moment ago
        try:
            data = line.socket.recv(_LONGEST_ANSWER)
        except ssl.SSLWantReadError:
            return  # nothing has come, which is no reason to send nothing more
        if not data or line.number is None:  # the store ends it, or says what nobody asked for
            self._lost(line, None)
            return
        line.got += data
        while (end := line.got.find(b"\r\n\r\n") + 4) > 3:  # noqa: PLR2004 - where it was not found
            head = line.got[:end]
            if head[9:10] == b"1":  # such as 100 Continue
                line.got = line.got[end:]
                continue
            length = _LENGTH.search(head)
            ends = length is None or _UNBOUNDED.search(head) is not None
            size = int(length[1]) if length else 0
            if len(line.got) - end >= size:
                self._over(line, Answer(line.number, int(head[9:12]), head, line.got[end:], monotonic() - line.since))
                if ends or line.rest:
                    self._drop(line)
                else:
                    line.since = monotonic()
                    self._idle.append(line)
                return
            break
        if len(line.got) > _LONGEST_ANSWER:
            self._lost(line, None)

    def _lost(self, line: _Line, error: OSError | None) -> None:
        if line.number is not None:
            self._over(line, Answer(line.number, 0, error=error))
        self._drop(line)

    def _over(self, line: _Line, answer: Answer) -> None:
        self._answers.append(answer)
        self.flying -= 1
        self.flying_bytes -= line.size
        line.number, line.got = None, b""

    def _drop(self, line: _Line) -> None:
        if self._open(line):
            del self._lines[line.descriptor]
            self._selector.unregister(line.descriptor)
            line.socket.close()

    def _open(self, line: _Line) -> bool:
        """Whether a line is one still: another may have its descriptor now."""
        return self._lines.get(line.descriptor) is line

    def _end_what_stands_still(self) -> None:
        now = monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        for line in list(self._lines.values()):
            allowed = self._longest_seconds if line.ready else self._connect_seconds
            if line.number is not None and now - line.moved > allowed:
                self._failures += not line.ready
                self._lost(line, TimeoutError("timed out"))


def straight(address: str) -> bool:
    """Whether a host is reached without a proxy."""
    parts = urlsplit(address)
    proxied = any(os.environ.get(name) for kind in ("all", parts.scheme) for name in _proxy_names(kind))
    if not proxied:
        return True
    from urllib.request import proxy_bypass  # noqa: PLC0415 - an HTTP client, which few need

    return bool(proxy_bypass(parts.netloc))


def _proxy_names(kind: str) -> tuple[str, str]:
    return f"{kind}_proxy", f"{kind}_proxy".upper()
