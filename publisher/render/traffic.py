"""What a page asked for and what became of it: the browser knows why a source failed, the viewer often does not."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

_KEPT = 5_000  # answers that are remembered; a scene asks for hundreds
_CORS = re.compile(r"Access to \S+ at '([^']+)' from origin '([^']+)' has been blocked by CORS policy: (.*)", re.DOTALL)
_CHUNK = re.compile(r"Error retrieving chunk .*?: (.*)", re.DOTALL)
_GOOGLE = re.compile(r"^storage\.googleapis\.com/storage/v1/b/([^/]+)/o/")
_AMAZON = re.compile(r"^([^/]+)\.s3[.-][^/]*amazonaws\.com/")
_ABORTED = "net::ERR_ABORTED"  # the viewer changed its mind: the view moved, or the scale
_GOOD = range(200, 400)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its address, status and Content-Encoding ("" for none), and whether only a range was asked for."""

    url: str
    status: int
    encoding: str
    ranged: bool


@dataclass
class Traffic:
    """Listens to one page."""

    answers: deque[Answer] = field(default_factory=lambda: deque(maxlen=_KEPT))
    failures: dict[str, str] = field(default_factory=dict)  # address -> what the network said
    refused: dict[str, str] = field(default_factory=dict)  # address -> what the browser said of CORS
    chunk_errors: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    origin: str = ""
    finished: int = 0
    _open: set[Any] = field(default_factory=set)

    @property
    def open(self) -> int:
        """How many requests are under way."""
        return len(self._open)

    def listen(self, page: Any) -> None:  # noqa: ANN401 - playwright's, which is imported late
        """Take note of all that a page asks for and complains of."""
        page.on("request", lambda request: self._open.add(request))  # noqa: PLW0108 - playwright marks handlers
        page.on("requestfinished", self._done)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.crashes.append(str(error)))
        page.on("crash", lambda _: self.crashes.append("the page crashed: there may be too little memory"))

    def below(self, place: str) -> list[Answer]:
        """Return the answers for addresses that hold a place, such as bucket/folder, newest first."""
        return [answer for answer in reversed(self.answers) if place in place_of(answer.url)]

    def _done(self, request: Any) -> None:  # noqa: ANN401
        self._open.discard(request)
        self.finished += 1

    def _failed(self, request: Any) -> None:  # noqa: ANN401
        self._done(request)
        if request.failure and request.failure != _ABORTED:
            self.failures[request.url] = request.failure

    def _answered(self, answer: Any) -> None:  # noqa: ANN401
        ranged = "range" in answer.request.headers
        self.answers.append(Answer(answer.url, answer.status, answer.headers.get("content-encoding", ""), ranged))

    def _said(self, message: Any) -> None:  # noqa: ANN401
        if match := _CORS.match(message.text):
            self.refused[match[1]] = match[3].split(". ")[0].strip()
            self.origin = match[2]
        elif (match := _CHUNK.match(message.text)) and match[1] not in self.chunk_errors:
            self.chunk_errors.append(match[1].strip())


def ok(answer: Answer) -> bool:
    """Whether there was something to read."""
    return answer.status in _GOOD


def place_of(url: str) -> str:
    """Return the part of a source's address that the requests for it hold: host or bucket, and the path."""
    bare = url.split("|", maxsplit=1)[0].rstrip("/")
    while "://" in bare:
        bare = bare.partition("://")[2]
    # The viewer reads gs://bucket/key through Google's JSON interface, where the key is one escaped word.
    return _AMAZON.sub(r"\1/", _GOOGLE.sub(r"\1/", unquote(bare)))
