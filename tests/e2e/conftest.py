"""The example release, prepared once and published once for all tests that only read it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from publisher import serve
from tests.servers.fixtures import BUCKET
from tests.servers.gcs import FakeGcs
from tests.servers.seaweed import Seaweed

ROOT = Path(__file__).resolve().parents[2]
RELEASES = ROOT / "releases"


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)  # type: ignore[no-any-return]


def publisher(
    *words: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, timeout: float = 300
) -> Result:
    """Run the command line as a user does: another process; `env` is added to its environment."""
    command = [sys.executable, "-m", "publisher.cli", *map(str, words)]
    more = {**os.environ, **(env or {})}
    done = subprocess.run(command, cwd=cwd, env=more, capture_output=True, text=True, check=False, timeout=timeout)
    assert "Traceback" not in done.stderr, done.stderr
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def inputs() -> Path:
    """The example's real inputs; the script waits for another that prepares them already."""
    subprocess.run([sys.executable, str(RELEASES / "prepare_inputs.py")], check=True, timeout=300)
    return RELEASES / "inputs"


@dataclass(frozen=True)
class Release:
    """A published copy of the example."""

    manifest: Path
    target: Path
    result: Result

    @property
    def inputs(self) -> Path:
        return self.manifest.parent / "inputs"

    def again(self, *words: str) -> Result:
        return publisher("release", self.manifest, "--target", self.target, "--json", *words)

    def change(self, old: str, new: str) -> None:
        text = self.manifest.read_text()
        assert old in text
        self.manifest.write_text(text.replace(old, new))


def copy_of_example(inputs: Path, folder: Path) -> Path:
    """Copy manifest and inputs, so that a test can change them."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(inputs, folder / "inputs", ignore=shutil.ignore_patterns(".*"))
    manifest = folder / "v0.9.yaml"
    manifest.write_text((RELEASES / "v0.9.yaml").read_text().replace("site: {project: ../site}\n", ""))
    return manifest


@pytest.fixture(scope="session")
def published(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The example with its site; read only."""
    folder = tmp_path_factory.mktemp("example")
    manifest = copy_of_example(inputs, folder / "release")
    result = publisher("release", manifest, "--target", folder / "public", "--json")
    assert result.code == 0, result.err
    return Release(manifest, folder / "public", result)


@pytest.fixture
def make_release(inputs: Path, tmp_path: Path) -> Callable[..., Release]:
    """Publish a copy that the test may change and break; without its site unless asked for."""

    def make(*, draft: bool = False) -> Release:
        manifest = copy_of_example(inputs, tmp_path / "release")
        if draft:
            manifest.write_text(manifest.read_text().replace("status: final", "status: draft"))
        target = tmp_path / "public"
        result = publisher("release", manifest, "--target", target, "--json", "--until", "publish")
        assert result.code == 0, result.err
        return Release(manifest, target, result)

    return make


@pytest.fixture
def served(published: Release) -> Iterator[str]:
    """The address of the published example."""
    with serve.running(published.target) as base:
        yield base


@dataclass(frozen=True)
class InBucket:
    """The example in a bucket: how it is reached by its owner, and by strangers."""

    url: str
    base: str
    env: Mapping[str, str]
    result: Result


@pytest.fixture(scope="session")
def in_s3(published: Release, seaweed: Seaweed) -> InBucket:
    """The example on SeaweedFS, public; read only."""
    url = f"s3://{BUCKET}/example"
    result = publisher("release", published.manifest, "--target", url, "--json", env=seaweed.env)
    return InBucket(url, f"{seaweed.endpoint}/{BUCKET}/example", seaweed.env, result)


@pytest.fixture(scope="session")
def in_gcs(published: Release, fake_gcs: FakeGcs) -> InBucket:
    """The example on fake-gcs-server, which has neither CORS nor accounts: everybody may read all that there is."""
    url = f"gs://{BUCKET}/example"
    words = ("release", published.manifest, "--target", url, "--json", "--no-access")
    result = publisher(*words, env=fake_gcs.env)
    return InBucket(url, f"{fake_gcs.endpoint}/{BUCKET}/example", fake_gcs.env, result)


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file of a target with what tells that it was written again."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ".publisher-tmp" not in path.parts:
            info = path.stat()
            found[str(path.relative_to(folder))] = (info.st_ino, info.st_mtime_ns, info.st_size)
    return found
