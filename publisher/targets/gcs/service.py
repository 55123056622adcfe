"""The JSON interface of Cloud Storage over connections that are kept: an answer, or what went wrong as Trouble.

Connections are handed from thread to thread, so that there are as many as requests in flight. Nothing is tried twice
here. No message tells an address with its query: the address of an upload session is as good as a password.
"""

from __future__ import annotations

import email.utils
import json
import os
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Retry, Timeout

from publisher import __version__
from publisher.targets.gcs.credentials import Credentials
from publisher.targets.gcs.troubles import UNAUTHORIZED, of_answer
from publisher.targets.wire import Trouble, Why

if TYPE_CHECKING:
    from google.cloud.storage import Client

ENDPOINT = "https://storage.googleapis.com"
EMULATOR = "STORAGE_EMULATOR_HOST"  # what Google's own clients read, with or without a scheme
CONNECTIONS = 300  # kept at most, and more than are ever in flight
ANSWER_SECONDS = 60
WHOLE_BYTES = 1 << 20  # larger bodies go out in blocks, because the time limit is one of each block
BLOCK_BYTES = 64 << 10
SKEW_SECONDS = 60
OK = frozenset({200})
_ONCE = Retry(total=False, redirect=False)  # nothing is tried twice here; made once, not for each request
_AGENT = f"publisher/{__version__}"


class Service:
    """One endpoint, safe to use from many threads."""

    def __init__(self) -> None:
        """Take the emulator that the environment names, to whom nobody needs to log in, or the real service."""
        emulator = os.environ.get(EMULATOR, "")
        self.endpoint = (emulator if "://" in emulator else f"http://{emulator}").rstrip("/") if emulator else ENDPOINT
        self.credentials = Credentials(anonymous=bool(emulator))
        self._host = urlsplit(self.endpoint).netloc
        self._pool = _manager(self.endpoint).connection_from_url(self.endpoint)

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | memoryview = b"",
        headers: Mapping[str, str] | None = None,
        *,
        fine: frozenset[int] = OK,
    ) -> BaseHTTPResponse:
        """Return the answer, its body read as it was sent, where its status is one of `fine`; else raise Trouble."""
        authorization = self.authorization()
        answer = self._send(method, target, body, {"User-Agent": _AGENT, **authorization, **(headers or {})})
        if answer.status in fine:
            return answer
        if answer.status == UNAUTHORIZED:
            self.credentials.reject(authorization)
        raise of_answer(answer, self.credentials.missing)

    def _send(self, method: str, target: str, body: bytes | memoryview, headers: Mapping[str, str]) -> BaseHTTPResponse:
        content = bytes(body) if len(body) <= WHOLE_BYTES else _blocks(memoryview(body))
        if method != "GET":
            headers = {**headers, "Content-Length": str(len(body))}
        try:
            return self._pool.urlopen(
                method,
                target,
                body=content if method != "GET" else None,
                headers=headers,
                retries=_ONCE,
                redirect=False,
                decode_content=False,
            )
        except HTTPError as error:
            raise self._in_words(error) from None

    def authorization(self) -> Mapping[str, str]:
        """Return the headers that say who is asking; none where nobody does."""
        try:
            return self.credentials.headers()
        except Trouble as trouble:
            off = self._clock_seconds() if trouble.why is Why.SKEW else 0
            if abs(off) < SKEW_SECONDS:
                raise
            which = "ahead" if off > 0 else "behind"
            raise Trouble(Why.SKEW, f"this machine's clock is {abs(off) / 60:.0f} minutes {which}") from trouble

    def client(self) -> Client:
        """Return Google's own client of this endpoint; 0.35 s to import, so not for the objects."""
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415
        from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415
        from google.cloud.storage import Client  # noqa: PLC0415

        if self.endpoint != ENDPOINT:
            return Client(None, AnonymousCredentials(), client_options={"api_endpoint": self.endpoint})
        try:
            return Client(None)
        except DefaultCredentialsError as error:
            raise Trouble(Why.REFUSED, f"no Google credentials were found: {error}") from error

    def _clock_seconds(self) -> float:
        """Return by how much this machine's clock is ahead of the service's; 0 where it does not say."""
        try:
            date = self._send("GET", "/", b"", {"User-Agent": _AGENT}).headers["Date"]
            return (datetime.now(UTC) - email.utils.parsedate_to_datetime(date)).total_seconds()
        except (Trouble, KeyError, ValueError, TypeError):
            return 0

    def _in_words(self, error: HTTPError) -> Trouble:
        match error:
            case NameResolutionError():
                return Trouble(Why.LOST, f"there is no host {self._host}")
            case SSLError() if "not yet valid" in str(error):
                return Trouble(Why.SKEW, f"the certificate of {self._host} is not valid yet, by this machine's clock")
            case SSLError():
                return Trouble(Why.LOST, f"there is no secure connection to {self._host} ({error})")
            case ConnectTimeoutError() | NewConnectionError():
                return Trouble(Why.LOST, f"nobody answers at {self._host}")
            case ReadTimeoutError():
                return Trouble(Why.LOST, f"{self._host} did not answer within {ANSWER_SECONDS} seconds")
        return Trouble(Why.LOST, f"the connection to {self._host} broke ({error})")


def resource(answer: BaseHTTPResponse) -> dict[str, Any]:
    """Return the JSON object of an answer."""
    try:
        told: dict[str, Any] = json.loads(answer.data)
    except ValueError:
        raise Trouble(Why.LOST, "something between here and the service answers in its place") from None
    return told


def _manager(endpoint: str) -> urllib3.PoolManager:
    """Go through the proxy that the environment names, as machines of a cluster must; never to an emulator."""
    timeout = Timeout(connect=20, read=ANSWER_SECONDS)
    proxy = urllib.request.getproxies().get("https")
    if not proxy or endpoint != ENDPOINT or urllib.request.proxy_bypass(urlsplit(endpoint).netloc):
        return urllib3.PoolManager(maxsize=CONNECTIONS, timeout=timeout)
    return urllib3.ProxyManager(proxy, maxsize=CONNECTIONS, timeout=timeout)


def _blocks(body: memoryview) -> Iterator[bytes]:
    return (bytes(body[start : start + BLOCK_BYTES]) for start in range(0, len(body), BLOCK_BYTES))
