"""Servers as fixtures: one of a kind for each process of a test run, started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.servers.faults import FaultProxy
from tests.servers.gcs import FakeGcs, GcpEmulator
from tests.servers.null_s3 import NullS3
from tests.servers.rclone import RcloneS3
from tests.servers.seaweed import Seaweed
from tests.servers.tls import TlsTerminator

BUCKET = "releases"
_numbers = count()


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """SeaweedFS with a bucket `releases`: take a `prefix` in it."""
    with Seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        server.bucket(BUCKET)
        yield server


@pytest.fixture(scope="session")
def seaweed_tls(seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsTerminator]:
    """The same server over HTTPS."""
    with TlsTerminator(seaweed.endpoint, tmp_path_factory.mktemp("tls")) as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """Return where a test may write in the bucket that it shares with others."""
    return f"t{next(_numbers)}/"


@pytest.fixture
def faulty(seaweed: Seaweed) -> Iterator[FaultProxy]:
    """A proxy before SeaweedFS that does nothing until it has a plan."""
    with FaultProxy(seaweed.endpoint) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    with RcloneS3(tmp_path_factory.mktemp("rclone")) as server:
        server.bucket(BUCKET)
        yield server


@pytest.fixture(scope="session")
def null_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NullS3]:
    with NullS3(tmp_path_factory.mktemp("null")) as server:
        yield server


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGcs]:
    with FakeGcs(tmp_path_factory.mktemp("fake-gcs")) as server:
        server.bucket(BUCKET)
        yield server


@pytest.fixture(scope="session")
def gcp_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcpEmulator]:
    with GcpEmulator(tmp_path_factory.mktemp("gcp-emulator")) as server:
        server.bucket(BUCKET)
        yield server
