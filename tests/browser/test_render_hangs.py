"""A viewer that goes on for ever holds up nobody: the check ends in its time, says so, and goes on with the next scene."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from publisher import render as step
from publisher import serve, viewer
from publisher.render import render, watchdog
from publisher.render.watchdog import Watchdog
from tests.browser.stage import Stage, record

pytestmark = pytest.mark.browser

ENDLESS = """void main() {
  float sum = 0.0;
  for (int at = 0; at < 2000000000; ++at) sum += fract(sin(float(at) + sum));
  emitGrayscale(sum);
}"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(step, "GRACE_SECONDS", 3.0)
    made = Stage(tmp_path / "target")
    made.add("good")
    made.write()
    return made


def opened(stage: Stage, names: list[str], seconds: float, client: Path) -> tuple[Any, float]:
    client.mkdir(exist_ok=True)
    with serve.running(stage.root) as base, serve.running(client, gate=False) as url:
        start = monotonic()
        return render(record(names), base, url, stage.root.parent / "pictures", seconds=seconds), monotonic() - start


@pytest.mark.slow
def test_a_page_that_loops(stage: Stage, tmp_path: Path) -> None:
    """The viewer is as it is, but for one line: some seconds after it was opened it does nothing else any more."""
    page = tmp_path / "client" / viewer.prefix() / viewer.INDEX
    viewer.lay_down(page.parent)
    loop = "<script>setTimeout(() => { for (;;); }, 2000)</script>"
    page.write_text(page.read_text().replace("<head>", f"<head>{loop}"))
    result, took = opened(stage, ["good"], 4, tmp_path / "client")
    (found,) = result.findings
    assert (found.severity, found.key) == ("error", "v1/good.json")
    assert "answered nothing for 3 s after the 4 s that it had, and was ended" in found.message
    assert took < 30


@pytest.mark.slow
def test_a_shader_that_loops_and_the_scene_after_it(stage: Stage, tmp_path: Path) -> None:
    stage.add("endless")
    stage.scenes["endless"]["layers"][1]["shader"] = ENDLESS
    stage.write()
    result, took = opened(stage, ["endless", "good"], 15, tmp_path / "client")
    said = [each for each in result.findings if each.severity == "error"]
    assert {each.key for each in said} == {"v1/endless.json"}
    assert "was ended while it showed layer 'EM': does a shader go on for ever" in said[0].message
    assert next(each for each in result.scenes if each.name == "good").layers == ("Neurons", "EM")
    assert took < 60


@pytest.mark.slow
def test_a_browser_that_stands_still(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not even say that its page was ended, and so is ended itself."""
    look = Watchdog.look

    def stop(watchdog: Watchdog) -> None:
        look(watchdog)
        for pid in watchdog._browser:  # noqa: SLF001
            os.kill(pid, signal.SIGSTOP)

    monkeypatch.setattr(Watchdog, "look", stop)
    monkeypatch.setattr(watchdog, "LAST_SECONDS", 3.0)
    stage.add("other")
    stage.write()
    result, took = opened(stage, ["good", "other"], 2, tmp_path / "client")
    assert [(found.severity, found.key) for found in result.findings] == [
        ("error", "v1/good.json"),
        ("error", "v1/other.json"),
    ]
    assert "was ended" in result.findings[0].message
    assert "the browser gave it up" in result.findings[1].message
    assert took < 30
