"""Health that is looked at beside planning, in a process of its own: what is remembered of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.shop import fill


def validated(manifest: Path) -> list[str]:
    """Validate a release as a program, which has no threads as tests have; return which subjects are remembered."""
    command = [sys.executable, "-m", "publisher.cli", "validate", str(manifest), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path = manifest.parent / ".publisher" / manifest.stem / "health.json"
    return sorted(json.loads(path.read_text())) if path.exists() else []


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return fill(tmp_path, texts=3, large_bytes=1000) / "draft.yaml"


def test_what_was_found_is_remembered(manifest: Path) -> None:
    time.sleep(1.1)  # what has just been written is looked at once more
    assert validated(manifest) == ["", "v1/volumes/seg"]
    kept = (manifest.parent / ".publisher/draft/health.json").read_bytes()
    assert validated(manifest) == ["", "v1/volumes/seg"]  # by the walk of the plan, which came to the same marks
    assert (manifest.parent / ".publisher/draft/health.json").read_bytes() == kept


def test_what_may_have_changed_meanwhile_is_not_remembered(manifest: Path) -> None:
    time.sleep(1.1)
    code = f"""
import time
real = time.time_ns
time.time_ns = lambda: real() - {3600 * 10**9}  # as if it had begun an hour ago
from publisher.cli.app import app
app(["validate", {str(manifest)!r}, "--quiet"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (manifest.parent / ".publisher/draft/health.json").exists()
