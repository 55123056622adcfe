"""What tests of buckets share: a clean environment to publish and read in, and the example in a bucket to look at."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import requests

from publisher import record
from publisher.inventory import read
from publisher.objects import Entry
from tests.e2e.conftest import ROOT, InBucket, Result

CONFLICT, FOUND, CHANGES = 5, 8, 10
OTHERS = ("AWS_", "GOOGLE_", "CLOUDSDK_", "STORAGE_EMULATOR_HOST", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "RCLONE_")


def alone(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of somebody of whom no store has heard, and what else is to be in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    nowhere = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), f"{os.devnull}/none")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | nowhere | {"AWS_EC2_METADATA_DISABLED": "true", "PATH": path} | dict(more or {})


def publisher(*words: str | Path, env: Mapping[str, str]) -> Result:
    """Run the command line with nothing in its environment that says who or where but this."""
    command = [sys.executable, "-m", "publisher.cli", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, env=alone(env), capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Live:
    """The example in a bucket, as a stranger reads it."""

    bucket: InBucket

    @property
    def base(self) -> str:
        return self.bucket.base

    def get(self, key: str) -> bytes:
        """Return an object as it is stored."""
        answer = requests.get(f"{self.base}/{key}", headers={"Accept-Encoding": "gzip"}, stream=True, timeout=30)
        assert answer.status_code == 200, (key, answer.status_code)
        return bytes(answer.raw.read(decode_content=False))

    @cached_property
    def record(self) -> record.Record:
        return record.parse(self.get("v0.9/.release/release.json"), self.base)

    @cached_property
    def entries(self) -> list[Entry]:
        ref = self.record.inventory
        assert ref is not None
        data = self.get(ref.key)
        assert hashlib.sha256(data).hexdigest() == ref.sha256
        return list(read(io.BytesIO(data)))


def released(manifest: Path, url: str, endpoint: str, *words: str, env: Mapping[str, str]) -> Live:
    """Publish to a bucket at an endpoint."""
    result = publisher("release", manifest, "--target", url, "--json", *words, env=env)
    return Live(InBucket(url, f"{endpoint}/{url.partition('://')[2]}", env, result))
