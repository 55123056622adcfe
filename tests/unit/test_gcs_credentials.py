"""Who the wire to Google Cloud Storage says is asking: with the files that Google's tools leave, and no Google."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Lock

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth._cloud_sdk import CLOUD_SDK_CLIENT_ID

from publisher.objects import Headers
from publisher.targets.gcs import GcsWire, service
from publisher.targets.gcs.credentials import Credentials
from publisher.targets.wire import Trouble, Why
from tests.servers.faults import Fault, FaultProxy, Request, delay, status
from tests.servers.process import HOST, free_port

TEXT = Headers("text/plain", None, "no-cache")
HEAD = json.dumps({"size": "1", "generation": "7", "crc32c": ""})
SKEWED = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat."
REVOKED = "Token has been expired or revoked."


class Google:
    """Hands out tokens and tells of objects, to whom shows the newest token."""

    def __init__(self) -> None:
        self.tokens: list[str] = []  # as they were handed out
        self.asked: list[str] = []  # what objects were asked for with
        self.error: Fault | None = None
        self.slow = False
        self.ahead = timedelta()
        self._lock = Lock()

    def __call__(self, request: Request) -> Fault:
        if request.path == "/token":
            return self.error or self._token()
        now = format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)
        if request.path == "/":
            return status(400, {"Date": now})
        with self._lock:
            self.asked.append(request.headers.get("authorization", ""))
        newest = self.tokens and f"Bearer {self.tokens[-1]}"
        return status(200, {}, HEAD) if self.asked[-1] == newest else status(401, {}, "Invalid Credentials")

    def _token(self) -> Fault:
        with self._lock:
            self.tokens.append(f"token-{len(self.tokens)}")
            body = json.dumps({"access_token": self.tokens[-1], "expires_in": 3600, "token_type": "Bearer"})
        made = status(200, {"Content-Type": "application/json"}, body)
        return (
            Fault("slow", lambda *_: delay(0.2).happen(_[0], lambda asked: made.happen(asked, _[1])))
            if self.slow
            else made
        )


@pytest.fixture
def google() -> Google:
    return Google()


@pytest.fixture
def proxy(google: Google) -> Iterator[FaultProxy]:
    with FaultProxy(f"http://{HOST}:{free_port()}", google) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return made.private_bytes(encoding, form, serialization.NoEncryption()).decode()


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a machine that has no credentials, and asks nobody whether it is Google's."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def wire(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, nobody: None) -> GcsWire:  # noqa: ARG001
    """Look for credentials, though the service is not Google's."""
    monkeypatch.setenv(service.EMULATOR, proxy.endpoint)
    wire = GcsWire("releases")
    wire.service.credentials = Credentials(anonymous=False)
    return wire


@pytest.fixture
def account(nobody: None, proxy: FaultProxy, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Have a service account's key file."""
    told = {"type": "service_account", "private_key": key, "client_email": "me@lab.iam.gserviceaccount.com"}
    file = tmp_path / "key.json"
    file.write_text(json.dumps({**told, "token_uri": f"{proxy.endpoint}/token", "project_id": "lab"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))


def trouble(wire: GcsWire) -> Trouble:
    with pytest.raises(Trouble) as caught:
        wire.head("a")
    return caught.value


@pytest.mark.usefixtures("account")
def test_a_key_file_is_found_and_its_token_shown(wire: GcsWire, google: Google) -> None:
    assert wire.head("a")
    assert wire.head("a")

    assert google.tokens == ["token-0"]
    assert google.asked == ["Bearer token-0"] * 2
    assert wire.sign("GET", "https://storage.googleapis.com/b/a") == (
        "https://storage.googleapis.com/b/a",
        {"authorization": "Bearer token-0"},
    )


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("project", ["lab", None])
def test_a_login_by_gcloud_is_found(
    wire: GcsWire, google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: str | None
) -> None:
    told = {"type": "authorized_user", "client_id": CLOUD_SDK_CLIENT_ID, "client_secret": "b", "refresh_token": "c"}
    file = tmp_path / "gcloud" / "application_default_credentials.json"
    file.parent.mkdir()
    file.write_text(json.dumps({**told, "quota_project_id": project} if project else told))
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{wire.service.endpoint}/token")

    with warnings.catch_warnings(record=True) as warned:
        assert wire.head("a")
    assert google.asked == ["Bearer token-0"]
    assert wire.sign("GET", "")[1].get("x-goog-user-project") == project
    assert not warned


@pytest.mark.usefixtures("account")
def test_many_threads_ask_for_one_token(wire: GcsWire, google: Google) -> None:
    google.slow = True
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(wire.head, ["a"] * 64))

    assert google.tokens == ["token-0"]


@pytest.mark.usefixtures("account")
def test_a_token_that_is_refused_is_renewed_once_for_the_next_request(wire: GcsWire, google: Google) -> None:
    assert wire.head("a")
    google.tokens.append("another")  # as if the service had forgotten the first

    def ask(_: int) -> Why | None:
        try:
            wire.head("a")
        except Trouble as trouble:
            return trouble.why
        return None

    with ThreadPoolExecutor(16) as pool:
        told = set(pool.map(ask, range(16)))
    assert told <= {Why.EXPIRED, None}
    assert Why.EXPIRED in told
    assert ask(0) is None
    assert google.tokens == ["token-0", "another", "token-2"]


@pytest.mark.usefixtures("account")
def test_a_token_is_renewed_before_it_ends(wire: GcsWire, google: Google) -> None:
    assert wire.head("a")
    found = wire.service.credentials._found  # noqa: SLF001
    found.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=30)

    assert wire.head("a")
    assert google.asked == ["Bearer token-0", "Bearer token-1"]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("ahead", "message"),
    [
        (20, "this machine's clock is 20 minutes behind"),
        (-90, "this machine's clock is 90 minutes ahead"),
        (0, f"this machine's clock seems to be off: invalid_grant: {SKEWED}"),
    ],
)
def test_a_clock_that_is_off_is_told_in_a_sentence(wire: GcsWire, google: Google, ahead: int, message: str) -> None:
    google.ahead = timedelta(minutes=ahead)
    google.error = status(400, {}, json.dumps({"error": "invalid_grant", "error_description": SKEWED}))

    told = trouble(wire)
    assert (told.why, told.message) == (Why.SKEW, message)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (status(400, {}, json.dumps({"error": "invalid_grant", "error_description": REVOKED})), Why.EXPIRED),
        (status(401, {}, json.dumps({"error": "unauthorized_client", "error_description": "No."})), Why.REFUSED),
    ],
    ids=["revoked", "unauthorized"],
)
def test_why_there_is_no_token_is_told(wire: GcsWire, google: Google, error: Fault, expected: Why) -> None:
    google.error = error
    told = trouble(wire)

    assert told.why is expected
    assert told.message.startswith("no access token: ")
    google.error = None
    assert wire.head("a")  # what went wrong once is tried again


@pytest.mark.usefixtures("account")
def test_a_token_endpoint_that_is_out_of_reach_is_lost(wire: GcsWire, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(file.read_text().replace(wire.service.endpoint, f"http://{HOST}:{free_port()}"))

    assert trouble(wire).why is Why.LOST


def test_without_credentials_one_is_a_stranger_and_told_so_when_refused(wire: GcsWire, proxy: FaultProxy) -> None:
    told = trouble(wire)
    assert told.why is Why.REFUSED
    assert told.message.startswith(
        "Invalid Credentials (no Google credentials were found, so the request was anonymous:"
    )

    proxy.plan = lambda request: status(200, {}, HEAD) if "authorization" not in request.headers else status(401)
    assert wire.head("a")


STRANGER = """
from publisher.targets.gcs import GcsWire, service
wire = GcsWire("releases")
wire.service.credentials = service.Credentials(anonymous=False)
assert wire.sign("GET", "") == ("", {})
"""


@pytest.mark.usefixtures("nobody")
def test_to_look_for_credentials_prints_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", STRANGER], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")


def test_a_key_file_that_is_not_there_is_named(wire: GcsWire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")

    assert "/nowhere/key.json" in trouble(wire).message


@pytest.mark.usefixtures("nobody")
def test_the_real_service_is_reached_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(60)
        for name in ("NO_PROXY", "HTTPS_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy", f"http://{HOST}:{listener.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.delenv(service.EMULATOR, raising=False)
        wire = GcsWire("releases")
        wire.service.credentials = Credentials(anonymous=True)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(trouble, wire)
            connection, _ = listener.accept()
            line = connection.recv(1000).partition(b"\r\n")[0]
            connection.close()
            assert asked.result(60).why is Why.LOST

        assert line.startswith(b"CONNECT storage.googleapis.com:443 ")
        monkeypatch.setenv(service.EMULATOR, f"{HOST}:{free_port()}")
        assert "nobody answers at" in trouble(GcsWire("releases")).message
