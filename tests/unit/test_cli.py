"""The command line as a whole: instant help, no heavy import, every error a sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pyarrow", "numpy", "neuroglancer", "mkdocs", "tensorstore", "boto3", "google.cloud", "pydantic", "jinja2")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom publisher.cli.app import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize("command", ["validate", "plan", "release", "verify", "scene", "site", "serve", "schema"])
def test_every_command_has_help(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "publisher.cli", command, "--help"], capture_output=True, text=True, check=True
    )
    assert f"publisher.cli {command}" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["release"], 2, "MANIFEST"),
        (["relase", "x.yaml"], 2, "release"),
        (["release", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["verify", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["serve", "no-such-folder"], 2, "no-such-folder"),
    ],
)
def test_wrong_words(words: list[str], code: int, says: str) -> None:
    done = subprocess.run([sys.executable, "-m", "publisher.cli", *words], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("redirection", "code", "says"),
    [
        ("", 0, ""),
        ("> /dev/full", 4, "No space left on device"),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("| head -c 9", 0, ""),
    ],
)
def test_it_ends_as_it_should_whoever_listens(redirection: str, code: int, says: str) -> None:
    command = f"set -o pipefail; {sys.executable} -m publisher.cli schema {redirection}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code or ("|" in redirection and done.returncode == 1)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.endswith("}\n") is (not redirection)
