"""Bad manifests and bad inputs: each folder of tests/bad is one, with the very words that its user reads.

`expected.txt` has the exit code in its first line and then what `publisher validate release.yaml` writes to standard
error. After a change of words, `python -m tests.unit.test_bad` writes them anew: read the difference before it goes in.
What cannot lie in a repository, or would set off its scanners, is made by MAKERS.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from publisher.cli.app import app

BAD = Path(__file__).parent.parent / "bad"
CASES = sorted(path.name for path in BAD.iterdir() if path.is_dir())
PROCESSES = (
    "empty-file",
    "many-problems",
    "much-is-missing",
    "source-missing",
    "swc-cycle",
    "control-character-in-a-name",
)  # these also run as a program, as a shell starts it

CHUNK = "volume/8_8_8/0-64_0-64_0-64"
SWC = b"1 1 0 0 0 1 -1\n2 3 1 0 0 1 1\n"
PRIVATE_KEY = "-----BEGIN " + "PRIVATE KEY-----\\nMIIEvQIBADANBgkq"
AWS_KEY = "AKIA" + "2E0A8F3B244C9986"


def write(path: str, data: bytes | str) -> Callable[[Path], None]:
    """Return what writes a file below a case's folder."""

    def make(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data.encode() if isinstance(data, str) else data)

    return make


def link(path: str, to: str) -> Callable[[Path], None]:
    return lambda folder: (folder / path).symlink_to(to)


def pipe(path: str) -> Callable[[Path], None]:
    return lambda folder: os.mkfifo(folder / path)


def long_name(folder: Path) -> None:
    for _ in range(5):
        folder /= "n" * 250 if folder.name.startswith("n") else "notes"
        folder.mkdir(exist_ok=True)
    (folder / "notes.txt").write_text("Some notes.\n", encoding="utf-8")


def tar(path: str, members: dict[str, bytes]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with tarfile.open(folder / path, "w") as archive:
            for name, data in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))

    return make


def zipped(path: str, members: dict[str, bytes]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)

    return make


def half_a_tar_gz() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        member = tarfile.TarInfo("12.swc")
        member.size = 1 << 16
        archive.addfile(member, io.BytesIO(random.Random(1).randbytes(member.size)))
    return data.getvalue()[: 1 << 15]


def feather(folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import feather

    table = pa.table({"body": list(range(1000)), "type": ["DA1"] * 1000})
    feather.write_feather(table, folder / "bodies.feather", compression="lz4")
    data = (folder / "bodies.feather").read_bytes()
    (folder / "bodies.feather").write_bytes(data[: len(data) // 2])


MAKERS: dict[str, tuple[Callable[[Path], None], ...]] = {
    "not-utf8": (write("release.yaml", "schema: 1\nversion: v1\n# Universität\n".encode("latin-1")),),
    "nested-too-deep": (write("release.yaml", f"schema: {'[' * 40_000}\n"),),
    "source-is-a-pipe": (pipe("bodies.csv"),),
    "source-is-empty": (lambda folder: (folder / "notes").mkdir(),),
    "chunk-beside-its-gz": (
        write(CHUNK, bytes(64**3 * 8)),
        write(f"{CHUNK}.gz", gzip.compress(bytes(64**3 * 8), mtime=0)),
    ),
    "shard-is-gzip": (write("volume/8_8_8/0.shard", gzip.compress(b"0", mtime=0)),),
    "jpeg-is-gzip": (write(CHUNK, gzip.compress(b"0", mtime=0)),),
    "swc-archive-damaged": (write("swc.tar.gz", gzip.compress(b"no archive", mtime=0)),),
    "swc-archive-climbs-out": (tar("swc.tar", {"12.swc": SWC, "../evil.swc": SWC}),),
    "swc-archive-with-errors": (zipped("swc.zip", {"swc/12.swc": SWC, "swc/13.swc": SWC + b"3 3 1 0 0 1 9\n"}),),
    "swc-archive-truncated": (write("swc.tar.gz", half_a_tar_gz()),),
    "swc-archive-with-a-file-twice": (zipped("swc.zip", {"left/12.swc": SWC, "right/12.swc": SWC}),),
    "csv-not-utf8": (write("bodies.csv", "body,type\n1,Größe\n".encode("latin-1")),),
    "feather-truncated": (feather,),
    "link-out": (link("notes/all", "/"), link("notes/none.txt", "/nowhere/none.txt")),
    "link-in-a-circle": (link("notes/a/up", "../b"), link("notes/b/up", "../a"), link("notes/self", ".")),
    "control-character-in-a-name": (
        write("notes/bell\a.txt", ""),
        write("notes/back\\slash.txt", ""),
        write("notes/exe\u202etxt.md", ""),
        write(os.fsdecode(b"notes/\xff.txt"), ""),
    ),
    "name-too-long": (long_name,),
    "names-differ-by-case": (
        write("notes/Notes.txt", ""),
        write("notes/notes.txt", ""),
        write("notes/caf\u00e9.txt", ""),
        write("notes/cafe\u0301.txt", ""),
    ),
    "git-folder": (write("notes/.git/config", "[core]\n"), write("notes/sub/.git", "gitdir: ../x\n")),
    "env-file": (write("notes/.env", "TOKEN=x\n"), write("notes/keys/id_ed25519", "x\n")),
    "private-key-in-json": (write("notes/account.json", f'{{"private_key": "{PRIVATE_KEY}"}}\n'),),
    "aws-key-in-text": (write("notes/upload.md", f"export AWS_ACCESS_KEY_ID={AWS_KEY}\n"),),
    "secret-is-the-source": (write("notes.txt", f"export AWS_ACCESS_KEY_ID={AWS_KEY}\n"),),
    "source-is-named-like-a-secret": (write("login.netrc/.netrc", "machine example.org\n"),),
    "source-is-a-broken-link": (link("notes.txt", "nowhere.txt"),),
    "reserved-name-in-a-folder": (write("notes/.release/release.json", "{}\n"),),
    "pipe-in-a-folder": (pipe("notes/pipe"),),
}


def name(case: str) -> str:
    """Return the name of a case without its number."""
    return case.partition("-")[2]


def made(case: str, folder: Path) -> Path:
    """Return a copy of a case, with what its makers make."""
    shutil.copytree(BAD / case, folder, ignore=shutil.ignore_patterns("expected.txt"))
    for make in MAKERS.get(name(case), ()):
        make(folder)
    return folder


def words(folder: Path, *arguments: str) -> str:
    """Return what a command says, as `expected.txt` has it: the exit code, then standard error."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, arguments)
    assert done.stdout == ""
    return f"exit {done.exit_code}\n{done.stderr}"


@pytest.mark.parametrize("case", CASES)
def test_its_user_reads_these_words(case: str, tmp_path: Path) -> None:
    said = words(made(case, tmp_path / "case"), "validate", "release.yaml")
    assert said == (BAD / case / "expected.txt").read_text(encoding="utf-8")
    assert said.startswith("exit 2\n")
    assert "Traceback" not in said
    assert str(tmp_path) not in said


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_written(case: str, tmp_path: Path) -> None:
    folder = made(case, tmp_path / "case")
    target = tmp_path / "public"
    said = words(folder, "release", "release.yaml", "--target", str(target))
    assert said == (BAD / case / "expected.txt").read_text(encoding="utf-8")
    assert not target.exists()


@pytest.mark.parametrize("case", [case for case in CASES if name(case) in PROCESSES])
def test_as_a_program(case: str, tmp_path: Path) -> None:
    folder = made(case, tmp_path / "case")
    done = subprocess.run(
        [sys.executable, "-m", "publisher.cli", "validate", "release.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(BAD.parent.parent), *sys.path])},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert f"exit {done.returncode}\n{done.stderr}" == (BAD / case / "expected.txt").read_text(encoding="utf-8")
    assert done.stdout == ""


def test_makers_belong_to_cases() -> None:
    assert MAKERS.keys() | set(PROCESSES) <= set(map(name, CASES))


def _anew() -> Iterator[str]:
    for case in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            text = words(made(case, Path(scratch) / "case"), "validate", "release.yaml")
        (BAD / case / "expected.txt").write_text(text, encoding="utf-8")
        yield f"{case}: {text}"


if __name__ == "__main__":
    print("\n".join(_anew()))
