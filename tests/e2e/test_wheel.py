"""The wheel alone, in a clean environment, releases from any folder: templates and the site's skeleton travel in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

from publisher import serve
from tests.e2e.conftest import ROOT

MANIFEST = """\
schema: 1
version: v0.1
date: 2026-11-21
status: final
dataset:
  name: tiny
  title: Tiny dataset
  description: One table.
  license: CC0-1.0
  authors: [{name: A. Author}]
tables:
  - {name: bodies, source: bodies.csv, columns: {body: Segment id., type: Cell type.}}
"""


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_wheel_in_a_clean_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert "publisher/render/client.js" in zipfile.ZipFile(wheel).namelist()
    venv.create(tmp_path / "venv", with_pip=True)
    binary = tmp_path / "venv" / "bin"
    run(binary / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    folder = tmp_path / "anywhere"
    folder.mkdir()
    (folder / "release.yaml").write_text(MANIFEST)
    (folder / "bodies.csv").write_text("body,type\n1,A\n2,B\n")
    out = run(binary / "publisher", "release", "release.yaml", "--target", "./public", "--json", cwd=folder)
    result = json.loads(out)
    assert (result["uploaded"], result["findings"]) == (
        7,
        [],
    )  # the table, what was measured of it, four examples and their list
    with serve.running(folder / "public") as base:
        import requests

        page = requests.get(f"{base}/site/v0.1/index.html", timeout=10)
        assert page.status_code == 200
        assert "Tiny dataset" in page.text
        table = requests.get(f"{base}/v0.1/tables/bodies.feather", timeout=10)
        assert table.content.startswith(b"ARROW1")
