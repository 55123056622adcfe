"""The ledger of sources: what it takes for the same file, and that it may be lost, damaged or full at no cost but time."""

from __future__ import annotations

import builtins
import gc
import gzip
import os
import random
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from publisher import ledger as ledgers
from publisher import pipeline
from publisher.errors import LocalTrouble
from publisher.ledger import BATCH, Ledger
from publisher.objects import Entry, Form, Headers, Known, ObjectSpec
from publisher.publish import Published
from tests.rig import state

HEADERS = Headers("text/plain", None, "no-cache")
TARGET = "s3://bucket/prefix"


def spec_of(key: str, **more: Any) -> ObjectSpec:
    return ObjectSpec(key, "a", f"/sources/{key}", 10, 1_000_000_007, Form.AS_IS, HEADERS, 77)._replace(**more)


def entry_of(key: str, digest: str = "d") -> Entry:
    return Entry(key, "a", 5, f"stored {digest}", 10, digest, HEADERS)


def known_of(digest: str = "d", tag: str = "tag", **more: Any) -> Known:
    return Known(gzip_bytes=False, form=Form.AS_IS, stored_size_bytes=5, stored_sha256=f"stored {digest}",
                 content_size_bytes=10, content_sha256=digest, tag=tag)._replace(**more)  # fmt: skip


def found(ledger: Ledger, spec: ObjectSpec, tree: str | None = None) -> Known | None:
    memory = ledger.below(tree if tree is not None else spec.key)
    return memory.find(spec.key, spec.path, spec.size_bytes, spec.mtime_ns, spec.inode)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, TARGET)


def file_of(folder: Path) -> Path:
    (path,) = folder.glob("ledger/*.sqlite")
    return path


def test_what_was_learned_is_found_by_this_process_and_the_next(ledger: Ledger, tmp_path: Path) -> None:
    plain, packed = spec_of("v1/a"), spec_of("v1/b", form=Form.GZIP, gzip_bytes=True)
    ledger.learn(plain, entry_of("v1/a"), "tag")
    ledger.learn(packed, entry_of("v1/b", "e"), "")
    ledger.commit()
    for each in (ledger, Ledger(tmp_path, TARGET)):
        assert found(each, plain) == known_of()
        assert found(each, packed) == known_of("e", "", form=Form.GZIP, gzip_bytes=True)
        assert found(each, spec_of("v1/c")) is None


@pytest.mark.parametrize(
    "more",
    [{"size_bytes": 11}, {"mtime_ns": 1_000_000_008}, {"inode": 78}, {"path": "/sources/v1/A"}],
    ids=["size", "mtime", "inode", "path"],
)
def test_another_file_is_not_the_one_that_was_looked_at(more: dict[str, Any], ledger: Ledger) -> None:
    spec = spec_of("v1/a")
    ledger.learn(spec, entry_of("v1/a"), "tag")
    ledger.commit()
    assert found(ledger, spec._replace(**more)) is None
    assert found(ledger, spec) is not None


def test_what_is_learned_again_takes_the_place_of_what_was_known(ledger: Ledger) -> None:
    old, new = spec_of("v1/a"), spec_of("v1/a", mtime_ns=2)
    for spec, digest in ((old, "d"), (new, "e")):
        ledger.learn(spec, entry_of("v1/a", digest), digest)
    ledger.commit()
    assert found(ledger, old) is None
    assert found(ledger, new) == known_of("e", "e")


def test_with_reread_nothing_is_known_but_all_is_learned(ledger: Ledger) -> None:
    ledger.learn(spec_of("v1/a"), entry_of("v1/a"), "tag")
    ledger.commit()
    ledger.reread = True
    assert found(ledger, spec_of("v1/a")) is None
    ledger.learn(spec_of("v1/a"), entry_of("v1/a", "e"), "tag")
    ledger.commit()
    ledger.reread = False
    assert found(ledger, spec_of("v1/a")) == known_of("e")


def test_targets_and_versions_of_publisher_have_ledgers_of_their_own(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.learn(spec_of("v1/a"), entry_of("v1/a"), "tag")
    ledger.commit()
    assert found(Ledger(tmp_path, "s3://bucket/other"), spec_of("v1/a")) is None
    with monkeypatch.context() as patch:
        patch.setattr(ledgers, "__version__", "0.0.0")
        assert found(Ledger(tmp_path, TARGET), spec_of("v1/a")) is None
    assert found(Ledger(tmp_path, TARGET), spec_of("v1/a")) is not None
    assert len(list(tmp_path.glob("ledger/*.sqlite"))) == 3


def test_nothing_is_made_until_something_is_asked(ledger: Ledger, tmp_path: Path) -> None:
    ledger.commit()
    assert list(tmp_path.iterdir()) == []
    ledger.get("x")
    assert file_of(tmp_path)


def test_notes_are_kept_and_forgotten_by_any_thread(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.get("0") is None
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: ledger.set(f"{n}", f"text {n}"), range(100)))
        assert list(pool.map(lambda n: Ledger(tmp_path, TARGET).get(f"{n}"), range(100))) == [
            f"text {n}" for n in range(100)
        ]
        list(pool.map(lambda n: ledger.set(f"{n}", None if n % 2 else "other"), range(100)))
    assert [ledger.get(f"{n}") for n in range(3)] == ["other", None, "other"]


def test_others_do_not_read_it(ledger: Ledger, tmp_path: Path) -> None:
    """The address of an upload session is a note, and whoever has it may write."""
    ledger.set("session", "address")
    for path in tmp_path.glob("ledger/*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


# Orders.

NAMES = [
    "a",
    "a-",
    "a.txt",
    "a/b",
    "a0",
    "aa",
    "A",
    "Z",
    "é",
    "e\u0301",
    "\u00ff",
    "Ā",
    "ﬀ",
    "\uffff",
    "𐀀",
    "😀",
    " ",
    "~",
]


def test_rows_come_in_the_order_of_keys_whatever_alphabet_they_are_in(ledger: Ledger) -> None:
    """Python's order of text is that of its characters' numbers, as is SQLite's of its bytes: also beyond 65,536."""
    keys = sorted(f"v1/{first}{second}" for first in NAMES for second in NAMES)
    for key in random.Random(0).sample(keys, len(keys)):
        ledger.learn(spec_of(key), entry_of(key, key), "tag")
    ledger.commit()
    memory = ledger.below("v1")
    for key in keys:
        spec = spec_of(key)
        known = memory.find(key, spec.path, spec.size_bytes, spec.mtime_ns, spec.inode)
        assert known, key
        assert known.content_sha256 == key


def test_a_tree_is_its_key_and_what_lies_below_it(ledger: Ledger) -> None:
    inside, outside = ["v1/a", "v1/a/b", "v1/a/😀", "v1/a/b/c"], ["v1/a!", "v1/a.txt", "v1/a0", "v1/aa", "v1/A", "v1"]
    for key in (*inside, *outside):
        ledger.learn(spec_of(key), entry_of(key), "tag")
    ledger.commit()
    assert [key for key in sorted((*inside, *outside)) if found(ledger, spec_of(key), "v1/a")] == sorted(inside)


def test_what_is_new_or_gone_between_the_rows_is_passed_over(ledger: Ledger) -> None:
    for n in range(0, 3 * BATCH, 3):
        ledger.learn(spec_of(f"v1/{n:06}"), entry_of(f"v1/{n:06}"), "tag")
    ledger.commit()
    memory, hits = ledger.below("v1"), []
    for n in range(0, 3 * BATCH, 2):
        spec = spec_of(f"v1/{n:06}")
        if memory.find(spec.key, spec.path, spec.size_bytes, spec.mtime_ns, spec.inode):
            hits.append(n)
    assert hits == list(range(0, 3 * BATCH, 6))


def test_it_is_written_to_while_it_is_read(ledger: Ledger) -> None:
    keys = [f"v1/{n:06}" for n in range(3 * BATCH)]
    for key in keys:
        ledger.learn(spec_of(key), entry_of(key), "tag")
    ledger.commit()
    memory = ledger.below("v1")
    for key in keys:
        spec = spec_of(key)
        assert memory.find(key, spec.path, spec.size_bytes, spec.mtime_ns, spec.inode)
        ledger.learn(spec, entry_of(key, "e"), "tag")  # every so often it is committed
        ledger.set("note", key)
    ledger.commit()
    assert found(ledger, spec_of(keys[-1])) == known_of("e")


def test_a_path_that_is_no_unicode_is_known_too(ledger: Ledger) -> None:
    """The manifest may lie in any folder."""
    spec = spec_of("v1/a", path=os.fsdecode(b"/sources/\xff/a"))
    ledger.learn(spec, entry_of("v1/a"), "tag")
    ledger.commit()
    assert found(ledger, spec) == known_of()


def test_what_was_learned_is_safe_from_a_kill_after_a_second(tmp_path: Path) -> None:
    code = """
import os, signal, sys, time
from pathlib import Path
from publisher import ledger
from tests.unit.test_ledger import entry_of, spec_of
made = ledger.Ledger(Path(sys.argv[1]), sys.argv[2])
for n in range(10):
    made.learn(spec_of(f"v1/{n}"), entry_of(f"v1/{n}"), "tag")
    if n == 5:
        time.sleep(ledger.COMMIT_SECONDS + 0.1)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), TARGET], check=False)
    assert done.returncode == -9
    ledger = Ledger(tmp_path, TARGET)
    assert [bool(found(ledger, spec_of(f"v1/{n}"))) for n in range(10)] == [True] * 7 + [False] * 3


# What may happen to it.

ROWS = 2_000


def filled(folder: Path) -> Path:
    ledger = Ledger(folder, TARGET)
    for n in range(ROWS):
        ledger.learn(spec_of(f"v1/{n:06}"), entry_of(f"v1/{n:06}"), "tag")
    ledger.commit()
    del ledger
    gc.collect()  # which closes it
    path = file_of(folder)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert path.stat().st_size > 100_000
    return path


def hits(folder: Path) -> int:
    """Return how many sources a run finds known, and see that it can learn and note."""
    ledger = Ledger(folder, TARGET)
    memory, specs = ledger.below("v1"), [spec_of(f"v1/{n:06}") for n in range(ROWS)]
    known = sum(1 for s in specs if memory.find(s.key, s.path, s.size_bytes, s.mtime_ns, s.inode))
    for spec in specs:
        ledger.learn(spec, entry_of(spec.key), "tag")
    ledger.commit()
    ledger.set("note", "text")
    assert ledger.get("note") in {"text", None}
    return known


def overwrite(path: Path, start: float, stop: float) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(int(size * start))
        file.write(random.Random(0).randbytes(int(size * stop) - int(size * start)))


DAMAGE: dict[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "empty": lambda path: os.truncate(path, 0),
    "no database": lambda path: overwrite(path, 0, 1),
    "its beginning": lambda path: overwrite(path, 0, 0.1),
    "its middle": lambda path: overwrite(path, 0.3, 0.6),
    "its end": lambda path: os.truncate(path, path.stat().st_size // 2),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_ledger_is_made_anew_and_costs_nothing_but_reading(damage: str, tmp_path: Path) -> None:
    path = filled(tmp_path)
    DAMAGE[damage](path)
    assert hits(tmp_path) < ROWS
    for _ in range(2):  # the run after the next knows everything again
        again = hits(tmp_path)
    assert again == ROWS


def test_an_undamaged_one_knows_everything(tmp_path: Path) -> None:
    """The control of the damage above."""
    filled(tmp_path)
    assert hits(tmp_path) == ROWS


LIMITED = """
import resource, signal, sys
from pathlib import Path
from publisher.ledger import Ledger
from tests.unit.test_ledger import TARGET, entry_of, found, hits, spec_of
folder, size = Path(sys.argv[1]), int(sys.argv[2])
if sys.argv[3] == "later":
    ledger = Ledger(folder, TARGET)
    ledger.set("note", "old")
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
if sys.argv[3] == "later":
    for n in range(20_000):
        ledger.learn(spec_of(f"v1/{n:06}"), entry_of(f"v1/{n:06}"), "tag")
    ledger.commit()
    ledger.set("note", "new")
    assert found(ledger, spec_of("v1/019999")) is None
    print(ledger.get("note"))
else:
    print(hits(folder))
"""


def limited(folder: Path, size_bytes: int, when: str) -> str:
    """Use the ledger in a process that can write no file larger than this: a disk that is full."""
    command = [sys.executable, "-c", LIMITED, str(folder), str(size_bytes), when]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_disk_that_fills_up_takes_away_only_speed(tmp_path: Path) -> None:
    assert limited(tmp_path, 100_000, "later") in {"old", "new"}


@pytest.mark.parametrize("size_bytes", [0, 5_000])
def test_a_disk_that_is_full_from_the_beginning_takes_away_only_speed(tmp_path: Path, size_bytes: int) -> None:
    assert limited(tmp_path, size_bytes, "at once") == "0"


def test_a_disk_that_is_full_is_no_reason_to_throw_away_what_is_known(tmp_path: Path) -> None:
    filled(tmp_path)
    limited(tmp_path, 0, "at once")
    assert hits(tmp_path) == ROWS


def test_a_folder_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    """Without a work folder there is no lock of this machine either, so no run comes as far as this."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(LocalTrouble, match="file"):
        Ledger(tmp_path / "file", TARGET).get("x")


def test_another_program_that_looks_into_it_does_no_harm(tmp_path: Path) -> None:
    with closing(sqlite3.connect(filled(tmp_path), timeout=0)) as other:
        rows = other.execute("SELECT * FROM sources")
        rows.fetchone()
        assert hits(tmp_path) == ROWS
        rows.fetchall()
    assert hits(tmp_path) == ROWS


# Whole runs.


@dataclass
class Release:
    """A release of few files, published to a folder."""

    folder: Path

    def write(self, name: str, data: bytes | str) -> Path:
        path = self.folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def publish(self, *, reread: bool = False) -> Published:
        run = pipeline.release(self.folder / "v1.yaml", None, until="publish", reread=reread)
        assert run.published
        return run.published

    @property
    def live(self) -> dict[str, tuple[int, int, int]]:
        """What lies at the target, without what a run leaves there of itself."""
        return state(self.folder / "target")


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = Release(tmp_path)
    for n in range(5):
        made.write(f"{n}.txt", f"text {n}")
    made.write("packed.json", gzip.compress(b"{}", mtime=0))
    made.write("neu/é 脳.csv", "a,b\n1,2\n")
    (tmp_path / "v1.yaml").write_text("""
schema: 1
version: v1
date: 2026-11-21
status: draft
dataset: {name: small, title: Small, description: Small., license: CC-BY-4.0, authors: [{name: A. Author}]}
targets: {here: {url: target}}
examples: false
files: [{name: data, title: Data, description: Data., source: data}]
""")
    return made


@pytest.fixture
def read(release: Release, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The sources that are opened, by name."""
    names: list[str] = []

    def told(real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(path: Any, *args: Any, **more: Any) -> Any:
            if str(path).startswith(f"{release.folder}/data/"):
                names.append(os.path.basename(path))  # noqa: PTH119
            return real(path, *args, **more)

        return opened

    monkeypatch.setattr(builtins, "open", told(builtins.open))
    monkeypatch.setattr(os, "open", told(os.open))
    monkeypatch.setattr("io.open", told(open))
    yield names
    monkeypatch.undo()


def test_a_second_run_reads_no_source_and_sends_nothing(release: Release, read: list[str]) -> None:
    assert release.publish().uploaded == 7
    assert len(set(read)) == 7
    before = release.live
    for _ in range(2):  # the first of them looks at what it has sent
        read.clear()
        done = release.publish()
        assert (done.uploaded, done.uploaded_bytes, done.skipped, done.committed) == (0, 0, 7, False)
    assert read == []
    assert release.live == before
    release.write("3.txt", "other")  # the control: what is read is seen
    assert release.publish().uploaded == 1
    assert set(read) == {"3.txt"}


def test_without_its_ledger_a_run_reads_every_source_and_sends_nothing(release: Release, read: list[str]) -> None:
    release.publish()
    before = release.live
    for path in release.folder.glob(".publisher/*/ledger/*"):
        path.unlink()
    read.clear()
    assert release.publish().uploaded == 0
    assert len(set(read)) == 7
    assert release.live == before


def test_times_that_are_new_cost_a_look_and_nothing_else(release: Release, read: list[str]) -> None:
    """As in CI, where a checkout gives every file the time that it is."""
    release.publish()
    release.publish()
    before = release.live
    for path in (release.folder / "data").rglob("*.*"):
        os.utime(path)
    read.clear()
    assert release.publish().uploaded == 0
    assert len(set(read)) == 7
    read.clear()
    assert release.publish().uploaded == 0
    assert read == []
    assert release.live == before


def test_a_change_that_keeps_size_and_time_is_found_when_sources_are_read_again(
    release: Release, read: list[str]
) -> None:
    release.publish()
    release.publish()
    path = release.folder / "data/3.txt"
    info = path.stat()
    with path.open("r+b") as file:
        file.write(b"TEXT 3")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino) == (6, info.st_mtime_ns, info.st_ino)
    assert release.publish().uploaded == 0
    read.clear()
    assert release.publish(reread=True).uploaded == 1
    assert len(set(read)) == 7
    assert (release.folder / "target/v1/files/data/3.txt").read_bytes() == b"TEXT 3"
    assert release.publish().uploaded == 0  # and it stays known


def test_a_file_that_is_put_in_another_s_place_is_found(release: Release) -> None:
    """As by `mv`, which keeps the time: the inode tells."""
    release.publish()
    release.publish()
    path = release.folder / "data/3.txt"
    other = release.write("../new", "TEXT 3")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.rename(path)
    assert release.publish().uploaded == 1
