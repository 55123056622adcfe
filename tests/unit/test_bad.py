"""Bad manifests and bad inputs: each folder of tests/bad is one, with the very words that its user reads.

`expected.txt` has the exit code in its first line and then what `publisher validate release.yaml` writes to standard
error. After a change of words, `python tests/unit/test_bad.py` writes them anew: read the difference before it goes in.
What cannot lie in a repository, or would set off its scanners, is made by MAKERS.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
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

from publisher.cli import app

BAD = Path(__file__).parent.parent / "bad"
CASES = sorted(path.name for path in BAD.iterdir() if path.is_dir())
PROCESSES = ("01-", "07-", "14-", "43-", "59-", "80-")  # these also run as a program, as a shell starts it

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


def feather(folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import feather

    table = pa.table({"body": list(range(1000)), "type": ["DA1"] * 1000})
    feather.write_feather(table, folder / "bodies.feather", compression="lz4")
    data = (folder / "bodies.feather").read_bytes()
    (folder / "bodies.feather").write_bytes(data[: len(data) // 2])


MAKERS: dict[str, tuple[Callable[[Path], None], ...]] = {
    "10-not-utf8": (write("release.yaml", "schema: 1\nversion: v1\n# Universität\n".encode("latin-1")),),
    "45-source-is-a-pipe": (pipe("bodies.csv"),),
    "47-source-is-empty": (lambda folder: (folder / "notes").mkdir(),),
    "51-chunk-beside-its-gz": (write(f"{CHUNK}.gz", gzip.compress(b"0", mtime=0)),),
    "53-shard-is-gzip": (write("volume/8_8_8/0.shard", gzip.compress(b"0", mtime=0)),),
    "54-jpeg-is-gzip": (write(CHUNK, gzip.compress(b"0", mtime=0)),),
    "65-swc-archive-damaged": (write("swc.tar.gz", gzip.compress(b"no archive", mtime=0)),),
    "66-swc-archive-climbs-out": (tar("swc.tar", {"12.swc": SWC, "../evil.swc": SWC}),),
    "67-swc-archive-with-errors": (zipped("swc.zip", {"swc/12.swc": SWC, "swc/13.swc": SWC + b"3 3 1 0 0 1 9\n"}),),
    "73-csv-not-utf8": (write("bodies.csv", "body,type\n1,Größe\n".encode("latin-1")),),
    "74-feather-truncated": (feather,),
    "78-link-out": (link("notes/all", "/"), link("notes/none.txt", "/nowhere/none.txt")),
    "79-link-in-a-circle": (link("notes/a/up", "../b"), link("notes/b/up", "../a"), link("notes/self", ".")),
    "80-control-character-in-a-name": (
        write("notes/bell\a.txt", ""),
        write("notes/back\\slash.txt", ""),
        write("notes/exe\u202etxt.md", ""),
        write(os.fsdecode(b"notes/\xff.txt"), ""),
    ),
    "81-name-too-long": (long_name,),
    "82-names-differ-by-case": (
        write("notes/Notes.txt", ""),
        write("notes/notes.txt", ""),
        write("notes/caf\u00e9.txt", ""),
        write("notes/cafe\u0301.txt", ""),
    ),
    "83-git-folder": (write("notes/.git/config", "[core]\n"), write("notes/sub/.git", "gitdir: ../x\n")),
    "84-env-file": (write("notes/.env", "TOKEN=x\n"), write("notes/keys/id_ed25519", "x\n")),
    "85-private-key-in-json": (write("notes/account.json", f'{{"private_key": "{PRIVATE_KEY}"}}\n'),),
    "86-aws-key-in-text": (write("notes/upload.md", f"export AWS_ACCESS_KEY_ID={AWS_KEY}\n"),),
    "87-secret-is-the-source": (write("notes.txt", f"export AWS_ACCESS_KEY_ID={AWS_KEY}\n"),),
    "88-pipe-in-a-folder": (pipe("notes/pipe"),),
}


def made(case: str, folder: Path) -> Path:
    """Return a copy of a case, with what its makers make."""
    shutil.copytree(BAD / case, folder, ignore=shutil.ignore_patterns("expected.txt"))
    for make in MAKERS.get(case, ()):
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
    assert [path.name for path in target.rglob("*") if path.name not in {".publisher-tmp", "lock"}] == []


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith(PROCESSES)])
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
    assert MAKERS.keys() <= set(CASES)


def _anew() -> Iterator[str]:
    for case in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            text = words(made(case, Path(scratch) / "case"), "validate", "release.yaml")
        (BAD / case / "expected.txt").write_text(text, encoding="utf-8")
        yield f"{case}: {text}"


if __name__ == "__main__":
    print("\n".join(_anew()))
