"""Publishing: what is written in which order, and what is left when it ends too soon. Each kill is tried at each put."""

from __future__ import annotations

import errno
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from publisher import inventory, record, spool
from publisher.errors import Conflict, Incomplete, LocalTrouble, Problem, PublisherError
from publisher.objects import Entry, Op
from publisher.publish import publish
from tests.rig import Rig, Watched, complete, parts, reasons, state

RECORD = record.record_key("v1")
POINTER = record.RELEASES_KEY
OBJECTS = 12
PUTS = OBJECTS + 4  # and the marker before them; inventory, record and pointer after them


def fill(rig: Rig) -> Rig:
    """Write the sources of a release of twelve objects."""
    rig.write("seg/info", "{}")
    for n in range(6):
        rig.write(f"seg/8_8_8/{n}-64", bytes(range(256)) * 32 + bytes([n]))
    rig.write("seg/8_8_8/9-64.gz", gzip.compress(b"voxels" * 100, mtime=0))
    rig.write("edges.csv", "a,b\n1,2\n")
    rig.write("notes/a.md", "# A\n")
    rig.write("notes/b.md", "# B\n")
    rig.write("notes/deep/c.txt", "words\n" * 1000)
    return rig


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of runs need not wait until everybody's data are on the disk; no power is lost here."""
    monkeypatch.setattr(os, "sync", lambda: None)


@pytest.fixture
def small(rig: Rig) -> Rig:
    return fill(rig)


def reference(folder: Path, change: Callable[[Rig], None] = lambda _: None, status: str = "draft") -> bytes:
    """Return the inventory's bytes of the same release, published without trouble somewhere else."""
    rig = fill(Rig(folder / "reference", status=status))
    change(rig)
    rig.publish()
    return inventory_of(rig)


def inventory_of(rig: Rig) -> bytes:
    assert rig.live is not None
    assert rig.live.inventory is not None
    return (rig.root / rig.live.inventory.key).read_bytes()


def is_inventory(key: str) -> bool:
    return key.startswith("v1/.release/inventory-")


def test_data_come_first_then_the_inventory_the_record_and_the_pointer(small: Rig) -> None:
    target = Watched(small.target, lambda *_: complete(small) or None)  # at every moment, all of it or nothing
    done = small.publish(target)
    assert (done.uploaded, done.skipped, done.committed) == (OBJECTS, 0, True)
    assert len(target.sent) == PUTS
    assert target.sent[0] == record.begun_key("v1")
    inventory, record_, pointer = target.sent[-3:]
    assert is_inventory(inventory)
    assert (record_, pointer) == (RECORD, POINTER)
    begun = [key for moment, key in target.events if moment == "before"]
    assert begun[-3:] == [inventory, record_, pointer]
    data_done = max(at for at, (moment, key) in enumerate(target.events) if moment == "after" and "/files/" in key)
    assert target.events.index(("before", inventory)) > data_done  # nothing of it begins before all data are there
    assert complete(small)
    listed = json.loads((small.root / POINTER).read_text())
    assert (listed["latest"], [row["record"] for row in listed["releases"]]) == ("v1", [RECORD])


def test_the_record_counts_what_is_there(small: Rig) -> None:
    done = small.publish().record
    assert done.objects == OBJECTS == len(small.entries)
    stored = [path for path in small.root.rglob("*") if path.is_file() and "/files/" in str(path)]
    assert done.size_bytes == sum(path.stat().st_size for path in stored)
    assert {a.name: a.objects for a in done.artifacts} == {"seg": 8, "edges.csv": 1, "notes": 3}
    assert sum(a.content_size_bytes for a in done.artifacts) == done.content_size_bytes > done.size_bytes


@pytest.mark.parametrize("status", ["draft", "final"])
def test_a_second_run_writes_nothing_at_all(small: Rig, status: str) -> None:
    small.status = status
    small.publish()
    before = state(small.root)
    target = Watched(small.target)
    done = small.publish(target)
    assert target.events == []
    assert (done.uploaded, done.skipped, done.committed) == (0, OBJECTS, False)
    assert state(small.root) == before
    small.write("notes/new.txt", "new")  # the control: there is something to be seen
    if status == "draft":
        small.publish()
        assert state(small.root) != before


def touched(before: dict[str, tuple[int, int, int]], rig: Rig) -> set[str]:
    after = state(rig.root)
    assert before.keys() <= after.keys()
    return {key for key in after if after[key] != before.get(key)}


def test_a_change_of_a_draft_touches_that_object_and_what_tells_of_it(small: Rig) -> None:
    small.publish()
    before, rows = state(small.root), {entry.key: entry for entry in small.entries}
    small.write("notes/b.md", "# C\n")
    done = small.publish()
    assert (done.uploaded, done.skipped, done.committed) == (1, OBJECTS - 1, True)
    assert small.live is not None
    assert small.live.inventory is not None
    assert touched(before, small) == {"v1/files/notes/b.md", small.live.inventory.key, RECORD}
    assert [entry.key for entry in small.entries if rows[entry.key] != entry] == ["v1/files/notes/b.md"]


def test_words_alone_touch_the_record_and_the_pointer(small: Rig) -> None:
    small.publish()
    before = state(small.root)
    small.title = "Other words"
    assert small.publish().committed
    assert touched(before, small) == {RECORD, POINTER}


def test_a_final_release_takes_no_change(small: Rig) -> None:
    small.status = "final"
    small.publish()
    before = state(small.root)
    small.write("notes/b.md", "# C\n")
    with pytest.raises(Conflict) as caught:
        small.publish()
    assert caught.value.exit_code == 5
    assert [problem.where for problem in caught.value.problems] == ["v1/files/notes/b.md"]
    assert state(small.root) == before
    assert json.loads((small.root / RECORD).read_text())["status"] == "final"


def test_a_draft_becomes_final_and_the_latest_is_the_newest_final(small: Rig) -> None:
    small.publish()
    assert json.loads((small.root / POINTER).read_text())["latest"] == "v1"  # nothing better is there
    small.status = "final"
    small.publish()
    later = Rig(small.folder / "later", version="v2", place=small.root)
    later.write("a.txt", "a")
    later.publish()
    listed = json.loads((small.root / POINTER).read_text())
    assert (listed["latest"], {row["version"]: row["status"] for row in listed["releases"]}) == (
        "v1",
        {"v1": "final", "v2": "draft"},
    )
    later.status = "final"
    later.publish()
    assert json.loads((small.root / POINTER).read_text())["latest"] == "v2"
    assert complete(small)
    assert complete(later)


def fail(error: type[PublisherError], number: int, moment: str) -> Callable[[int, str, str], None]:
    def at(now: int, key: str, when: str) -> None:
        if (now, when) == (number, moment):
            raise error(Problem(key, "planted"))

    return at


def there(rig: Rig) -> set[str]:
    """Keys that lie at the target, whole: whatever is on the disk under its own name."""
    found = set()
    for name in state(rig.root):
        found |= {name, name.removesuffix(".gz")}
    return found


def finish(rig: Rig, arrived: set[str]) -> Watched:
    """Run again as the command line does, and see that nothing is sent that has arrived."""
    target = Watched(rig.target)
    with rig.target.lock("v1"):
        rig.publish(target)
    assert [key for key in target.sent if key in arrived] == []
    assert complete(rig)
    assert parts(rig.root) == []
    assert (rig.root / POINTER).is_file()
    before = state(rig.root)
    rig.publish()
    assert state(rig.root) == before
    return target


@pytest.mark.parametrize("moment", ["before", "half"])
@pytest.mark.parametrize("error", [LocalTrouble, Incomplete])
def test_a_target_that_fails_at_any_put_leaves_the_release_unseen_and_resumable(
    error: type[PublisherError], moment: str, tmp_path: Path
) -> None:
    wanted = reference(tmp_path)
    for number in range(PUTS):
        rig = fill(Rig(tmp_path / str(number)))
        target = Watched(rig.target, fail(error, number, moment))
        with pytest.raises(PublisherError) as caught:
            rig.publish(target)
        assert "planted" in str(caught.value)
        assert complete(rig) is (number == PUTS - 1)  # the pointer alone is missing
        assert parts(rig.root) == []
        arrived = there(rig)
        assert set(target.sent) <= arrived
        if error is Incomplete and 1 <= number <= OBJECTS:  # all others are sent, and the one that failed is named
            assert (caught.value.exit_code, len(caught.value.problems)) == (3, 1)
            assert caught.value.problems[0].where not in arrived
            assert len(target.sent) == 1 + OBJECTS - 1
            again = finish(rig, arrived)
            assert len(again.sent) == 1 + 3
        else:
            finish(rig, arrived)
        assert inventory_of(rig) == wanted


def test_the_wrapper_would_notice_what_is_sent_twice(small: Rig) -> None:
    """The control of the tests around: a rerun that sends everything again is seen."""
    small.publish()
    (small.root / RECORD).unlink()
    for path in small.root.rglob("*-64.gz"):
        path.write_bytes(b"other bytes")
    with pytest.raises(AssertionError):
        finish(small, there(small))


NURSERY = """
import os, sys
from pathlib import Path
from tests.rig import Rig, Watched
import pyarrow.parquet
folders, moment, status = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
for folder in sorted(folders.iterdir()):
    number = int(folder.name)
    child = os.fork()
    if child == 0:
        def at(now, key, when):
            if (now, when) == (number, moment):
                os._exit(9)
        rig = Rig(folder, status=status)
        with rig.target.lock("v1"):
            rig.publish(Watched(rig.target, at))
        os._exit(0)
    _, ended = os.waitpid(child, 0)
    print(number, os.waitstatus_to_exitcode(ended))
"""


def kill_each(folders: Path, moment: str, status: str) -> dict[int, int]:
    """Publish in each folder, and end the process at the put that the folder is named after; return the exit codes."""
    command = [sys.executable, "-c", NURSERY, str(folders), moment, status]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {int(number): int(code) for number, code in (line.split() for line in done.stdout.splitlines())}


@pytest.mark.parametrize("status", ["draft", "final"])
@pytest.mark.parametrize("moment", ["before", "half", "after"])
def test_a_run_that_is_killed_at_any_put_is_finished_by_running_it_again(
    moment: str, status: str, tmp_path: Path
) -> None:
    wanted = reference(tmp_path, status=status)
    for number in range(PUTS + 1):  # one more than there are: that run is not killed
        fill(Rig(tmp_path / "runs" / str(number)))
    codes = kill_each(tmp_path / "runs", moment, status)
    assert codes == {number: 9 if number < PUTS else 0 for number in range(PUTS + 1)}
    for number in range(PUTS):
        rig = Rig(tmp_path / "runs" / str(number), status=status)
        committed = PUTS - 2 if moment == "after" else PUTS - 1  # after its own put, the record is there
        assert complete(rig) is (number >= committed)
        if moment == "half":
            assert len(parts(rig.root)) >= 1  # what was being written; finish() sees that it goes
        finish(rig, there(rig))
        assert inventory_of(rig) == wanted


def change(rig: Rig) -> None:
    """Change three objects, of which one changes its form, and add one."""
    rig.write("edges.csv", "a,b\n1,3\n")
    rig.write("seg/8_8_8/0-64", b"\xff" * 4000)
    rig.write("notes/a.md", gzip.compress(b"# A, longer\n" * 50, mtime=0))
    rig.write("notes/new.md", "new")


CHANGED = 4


@pytest.mark.parametrize("moment", ["before", "half", "after"])
def test_a_draft_s_update_that_is_killed_at_any_put_is_the_old_release_or_the_new_one(
    moment: str, tmp_path: Path
) -> None:
    wanted = reference(tmp_path, change)
    puts = CHANGED + 2  # and inventory and record; the pointer says already what it must
    old = {}
    for number in range(puts):
        rig = fill(Rig(tmp_path / "runs" / str(number)))
        rig.publish()
        old[number] = (rig.root / RECORD).read_bytes(), inventory_of(rig)
        change(rig)
    assert set(kill_each(tmp_path / "runs", moment, "draft").values()) == {9}
    for number in range(puts):
        rig = Rig(tmp_path / "runs" / str(number))
        committed = moment == "after" and number == puts - 1
        assert ((rig.root / RECORD).read_bytes() == old[number][0]) is not committed
        assert inventory_of(rig) == (wanted if committed else old[number][1])
        arrived = {change.key for change in rig.plan().changes if change.op is Op.KEEP}
        finish(rig, arrived)
        assert inventory_of(rig) == wanted


LIMITED = """
import resource, sys
from pathlib import Path
from publisher import spool
from publisher.errors import PublisherError
from tests.rig import Rig
spool.HELD = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    Rig(Path(sys.argv[1])).publish()
except PublisherError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def limited(rig: Rig, size_bytes: int, held: int = spool.HELD) -> subprocess.CompletedProcess[str]:
    """Publish in a process that can write no file larger than this: a disk that is full.

    `held` is how many lines of the plan need no disk.
    """
    command = [sys.executable, "-c", LIMITED, str(rig.folder), str(size_bytes), str(held)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("size_bytes", [3 << 20, 20 << 20], ids=["in one go", "streamed"])
def test_a_full_disk_is_told_in_a_sentence_and_a_later_run_finishes(
    small: Rig, tmp_path: Path, size_bytes: int
) -> None:
    small.write("large.bin", os.urandom(size_bytes))
    done = limited(small, 1 << 20)
    assert done.returncode == LocalTrouble.exit_code, done.stderr
    assert f"{small.root}" in done.stdout
    assert "too large" in done.stdout.lower()
    assert parts(small.root) == []
    assert small.live is None
    assert "v1/files/large.bin" not in there(small)
    finish(small, there(small))
    assert limited(Rig(tmp_path), 1 << 30).returncode == 0  # the control: with space, nothing is wrong


def test_a_full_disk_for_the_plan_itself_is_told_in_a_sentence(rig: Rig) -> None:
    for n in range(300):
        rig.write(f"a/{n}", b"x")
    done = limited(rig, 3000, held=10)
    assert done.returncode == LocalTrouble.exit_code, done.stderr
    assert rig.live is None


@pytest.mark.parametrize("name", ["notes/a.md", "seg/8_8_8/3-64"])
def test_a_source_that_changes_while_it_is_read_commits_nothing(small: Rig, name: str) -> None:
    key = f"v1/files/{name}"

    def at(_: int, now: str, moment: str) -> None:
        if (now, moment) == (key, "half"):
            small.write(name, b"meanwhile, somebody wrote this")

    with pytest.raises(LocalTrouble, match="changed while it was read") as caught:
        small.publish(Watched(small.target, at))
    assert caught.value.exit_code == 4
    assert caught.value.problems[0].where == str(small.sources / name)
    assert small.live is None
    assert key not in there(small)
    assert parts(small.root) == []
    finish(small, there(small))
    data = small.target.read(key) or b""
    assert (gzip.decompress(data) if name.startswith("seg") else data) == b"meanwhile, somebody wrote this"


def test_a_source_that_is_gone_when_it_is_read_commits_nothing(small: Rig) -> None:
    def at(_: int, key: str, moment: str) -> None:
        if (key, moment) == ("v1/files/notes/b.md", "before"):
            (small.sources / "notes/b.md").unlink()

    with pytest.raises(LocalTrouble, match="cannot be read"):
        small.publish(Watched(small.target, at))
    assert small.live is None


def test_many_failures_are_named_and_counted(rig: Rig) -> None:
    for n in range(130):
        rig.write(f"a/{n:03d}.txt", f"{n}")

    def at(_: int, key: str, moment: str) -> None:
        if moment == "before" and not key.endswith(("7.txt", "begun.json")):
            raise Incomplete(Problem(key, "planted"))

    with pytest.raises(Incomplete) as caught:
        rig.publish(Watched(rig.target, at))
    assert len(caught.value.problems) == 101
    assert caught.value.problems[-1].message == "and 17 more objects"
    assert len(there(rig) - {record.begun_key("v1")}) == 13
    assert reasons(rig.plan(), Op.KEEP).keys() == there(rig) - {record.begun_key("v1")}


def test_a_final_record_is_created_and_never_replaced(small: Rig) -> None:
    """Even where two publishers both saw nothing live: the second finds the record there, and stops."""
    small.status = "final"
    made, wanted = small.plan(), small.wanted()
    other = Rig(small.folder / "other", status="final", place=small.root)
    other.write("z.txt", "other")
    other_made, other_wanted = other.plan(), other.wanted()
    publish(made, small.target, wanted, None)
    before = (small.root / RECORD).read_bytes()
    with pytest.raises(Conflict) as caught:
        publish(other_made, other.target, other_wanted, None)
    assert caught.value.problems[0].where == RECORD
    assert (small.root / RECORD).read_bytes() == before
    assert complete(small)


def test_what_ends_a_run_ends_its_puts(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the disk of the inventory is full. Who gets the lock next must be alone."""
    for number in range(200):
        rig.write(f"files/{number:03}.txt", f"{number}")

    def write(entries: Iterator[Entry], _: object) -> int:
        next(entries)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(inventory, "write", write)
    watched = Watched(rig.target, lambda *_: time.sleep(0.02))
    with pytest.raises(LocalTrouble) as caught:
        rig.publish(watched)
    sent = len(watched.events)
    time.sleep(0.3)
    assert 0 < sent == len(watched.events)
    assert "No space left" in str(caught.value)  # which has held all that was going on
