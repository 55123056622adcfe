"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.rig import Rig

# Scenes are opened in a browser where a test is about that; elsewhere it would only take its time.
os.environ.setdefault("PUBLISHER_RENDER", "0")
os.environ.setdefault("PUBLISHER_EXAMPLES", "0")  # and examples likewise

# A shell that runs the tests beside other work may have interrupts ignored, by what they start, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.servers.fixtures"]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A release of nothing yet: write its sources, then plan and publish it."""
    return Rig(tmp_path)


@pytest.fixture(autouse=True)
def _at_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests compare what people read; in CI, workflow commands would be among it."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
