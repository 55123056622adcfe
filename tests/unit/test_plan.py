"""Plan: publish, plan again → nothing. Change three things → these three, each with its reason. Over a real folder."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from publisher import record
from publisher.errors import Conflict, InvalidInput, LocalTrouble
from publisher.objects import Op
from publisher.pairs import MAX_PROBLEMS
from publisher.tree import Tree
from tests.rig import Rig, ops, reasons, state

CHUNK = bytes(range(256)) * 64


@pytest.fixture
def small(rig: Rig) -> Rig:
    """A release of a volume, a table, a folder and a file."""
    rig.write("seg/info", "{}")
    for n in range(3):
        rig.write(f"seg/8_8_8/{n}-64", CHUNK + bytes([n]))
    rig.write("seg/8_8_8/9-64.gz", gzip.compress(CHUNK))
    rig.write("edges.csv", "a,b\n1,2\n")
    rig.write("notes/readme.md", "# Notes\n")
    rig.write("notes/deep/er.txt", "words\n")
    return rig


def test_nothing_is_live_and_everything_is_new(small: Rig) -> None:
    made = small.plan()
    assert set(ops(made.changes).values()) == {"+"}
    assert set(reasons(made, Op.ADD).values()) == {"new"}
    keys = [change.key for change in made.changes]
    assert keys == sorted(keys)
    assert "v1/files/seg/8_8_8/9-64" in keys
    assert "v1/files/seg/8_8_8/9-64.gz" not in keys
    assert made.totals[Op.ADD].objects == len(keys) == 8
    assert {name: tallies[Op.ADD].objects for name, tallies in made.artifacts.items()} == {
        "seg": 5,
        "edges.csv": 1,
        "notes": 2,
    }
    assert not made.empty
    assert list(made.changes) == list(made.changes)  # it can be read more than once
    assert not small.root.exists()  # and planning writes nothing


def test_published_and_planned_again_nothing_is_to_be_done(small: Rig) -> None:
    small.publish()
    made = small.plan()
    assert set(ops(made.changes).values()) == {"="}
    assert made.empty
    assert made.news == 0
    for path in small.sources.rglob("*"):  # times are not what an object is
        os.utime(path, ns=(1, 1))
    assert small.plan().empty


def test_three_changes_are_these_three_with_their_reasons(small: Rig) -> None:
    small.publish()
    small.write("seg/8_8_8/1-64", CHUNK + b"\xff")  # the same size
    small.write("edges.csv", "a,b\n1,2\n3,4\n")
    small.write("notes/new.txt", "new")
    made = small.plan()
    assert reasons(made, Op.ADD, Op.REPLACE, Op.ORPHAN) == {
        "v1/files/seg/8_8_8/1-64": "content differs, size does not",
        "v1/files/edges.csv": "size 8 → 12 bytes",
        "v1/files/notes/new.txt": "new",
    }
    assert made.totals[Op.KEEP].objects == 6
    assert (made.totals[Op.ADD].objects, made.totals[Op.REPLACE].objects, made.news) == (1, 2, 3)
    small.publish()
    assert small.plan().empty


def test_what_is_gone_from_the_sources_is_shown_once_and_left_alone(small: Rig) -> None:
    small.publish()
    (small.sources / "notes/deep/er.txt").unlink()
    made = small.plan()
    gone = {"v1/files/notes/deep/er.txt": "live, but no longer in the manifest's sources"}
    assert reasons(made, Op.ADD, Op.REPLACE, Op.ORPHAN) == gone
    assert not made.empty
    small.publish()
    assert (small.root / "v1/files/notes/deep/er.txt").read_text() == "words\n"
    assert "v1/files/notes/deep/er.txt" not in {entry.key for entry in small.entries}
    assert small.plan().empty


def test_a_header_alone_is_a_change(small: Rig) -> None:
    small.publish()
    small.extra = (small.tree("edges.csv", role=lambda _: "opaque"),)
    assert reasons(small.plan(), Op.REPLACE) == {
        "v1/files/edges.csv": "Content-Type text/csv; charset=utf-8 → application/octet-stream"
    }
    small.extra = (small.tree("edges.csv", role=lambda _: "chunk/raw"),)
    assert "Content-Type" in reasons(small.plan(), Op.REPLACE)["v1/files/edges.csv"]
    small.extra = ()
    small.status = "final"
    assert set(reasons(small.plan(), Op.REPLACE).values()) == {
        "Cache-Control no-cache → public, max-age=31536000, immutable",
        "Cache-Control no-cache, no-transform → public, max-age=31536000, immutable, no-transform",
    }


def test_gzip_made_here_or_elsewhere_is_the_same_content(small: Rig) -> None:
    """The identity is the content: packing it otherwise changes the stored bytes, and nothing that a reader sees."""
    small.publish()
    path = small.sources / "seg/8_8_8/0-64"
    path.with_name("0-64.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    path.unlink()
    assert small.plan().empty


def test_an_unfinished_run_s_objects_are_kept_where_they_are_right(small: Rig) -> None:
    small.publish()
    (small.root / record.record_key("v1")).unlink()  # killed just before the record
    made = small.plan()
    assert set(reasons(made, *Op).values()) == {"arrived in an earlier run"}
    assert made.totals[Op.KEEP].objects == 8
    assert made.news == 8
    small.write("notes/readme.md", "# Other notes\n")
    (small.root / "v1/files/seg/8_8_8/0-64.gz").write_bytes(b"half of i")
    assert reasons(small.plan(), Op.REPLACE, Op.ADD) == {
        "v1/files/notes/readme.md": "an unfinished run left other bytes here",
        "v1/files/seg/8_8_8/0-64": "an unfinished run left other bytes here",
    }


def test_both_forms_of_one_object_are_mended(small: Rig) -> None:
    """A run that was killed between the new form and taking away the old one leaves both."""
    small.publish()
    (small.root / record.record_key("v1")).unlink()
    (small.root / "v1/files/seg/8_8_8/0-64").write_bytes(b"old form")
    assert reasons(small.plan(), Op.REPLACE) == {"v1/files/seg/8_8_8/0-64": "an unfinished run left other bytes here"}
    small.publish()
    assert not (small.root / "v1/files/seg/8_8_8/0-64").exists()
    assert small.plan().empty


@pytest.mark.parametrize("status", ["draft", "final"])
def test_what_the_record_has_and_the_target_lost_is_brought_back(small: Rig, status: str) -> None:
    small.status = status
    small.publish()
    before = state(small.root)
    (small.root / "v1/files/edges.csv").unlink()
    (small.root / "v1/files/seg/8_8_8/1-64.gz").write_bytes(b"x")
    made = small.plan()
    assert reasons(made, Op.ADD, Op.REPLACE) == {
        "v1/files/edges.csv": "recorded, but gone from the target",
        "v1/files/seg/8_8_8/1-64": "recorded, but changed at the target",
    }
    assert made.news == 0
    small.publish()
    assert small.plan().empty
    after = state(small.root)
    assert {key for key in after if after[key] != before.get(key)} == {
        "v1/files/edges.csv",
        "v1/files/seg/8_8_8/1-64.gz",
    }


def conflict(rig: Rig) -> dict[str, str]:
    before = state(rig.root)
    with pytest.raises(Conflict) as caught:
        rig.plan()
    assert caught.value.exit_code == 5
    assert state(rig.root) == before
    return {problem.where: problem.message for problem in caught.value.problems}


def test_a_final_release_takes_no_change_and_each_is_named(small: Rig) -> None:
    small.status = "final"
    small.publish()
    assert small.plan().empty
    small.write("edges.csv", "a,b\n1,3\n")
    small.write("notes/new.txt", "new")
    (small.sources / "seg/8_8_8/2-64").unlink()
    assert conflict(small) == {
        "v1/files/edges.csv": "~ content differs, size does not",
        "v1/files/notes/new.txt": "+ new",
        "v1/files/seg/8_8_8/2-64": "? live, but no longer in the manifest's sources",
    }


def test_a_final_release_is_not_taken_back_to_a_draft(small: Rig) -> None:
    small.status = "final"
    small.publish()
    small.status = "draft"
    assert set(conflict(small).values()) == {
        "~ Cache-Control public, max-age=31536000, immutable → no-cache",
        "~ Cache-Control public, max-age=31536000, immutable, no-transform → no-cache, no-transform",
    }


def test_many_changes_of_a_final_release_are_named_and_counted(rig: Rig) -> None:
    for n in range(30):
        rig.write(f"a/{n:02d}.txt", f"{n}")
    rig.status = "final"
    rig.publish()
    for n in range(30):
        rig.write(f"a/{n:02d}.txt", f"-{n}")
    named = conflict(rig)
    assert len(named) == 21
    assert named[""] == "and 10 more objects"


def test_somebody_else_s_object_is_never_replaced(small: Rig) -> None:
    foreign = small.root / "shared/edges.csv"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine\n")
    small.extra = (small.tree("edges.csv", key="shared/edges.csv"),)
    assert conflict(small) == {"shared/edges.csv": "there already, and not this release's"}
    foreign.write_bytes((small.sources / "edges.csv").read_bytes())  # but who has the same has no quarrel
    assert reasons(small.plan(), Op.KEEP) == {"shared/edges.csv": "arrived in an earlier run"}


def test_somebody_else_s_list_of_releases_is_never_replaced(small: Rig) -> None:
    small.root.mkdir()
    for words in ('{"mine": true}', "mine", "[]", '{"releases": [1]}'):
        (small.root / "releases.json").write_text(words)
        assert list(conflict(small)) == [f"{small.root}/releases.json"]


@pytest.mark.parametrize("status", ["draft", "final"])
def test_an_object_of_two_releases_is_neither_s_to_change(small: Rig, status: str) -> None:
    """Both have `shared/edges.csv`; what the first one published must not change under it."""
    small.extra = (small.tree("edges.csv", key="shared/edges.csv"),)
    small.status = status
    small.publish()
    other = Rig(small.folder / "other", version="v2", place=small.root)
    other.write("edges.csv", (small.sources / "edges.csv").read_bytes())
    other.extra = (other.tree("edges.csv", key="shared/edges.csv"),)
    other.publish()
    other.write("edges.csv", "a,b\n1,3\n")
    with pytest.raises(Conflict, match=r"shared/edges\.csv: would change an object of release v1"):
        other.plan()
    other.write("edges.csv", (small.sources / "edges.csv").read_bytes())
    other.status = "final"  # other headers, same content: nobody loses anything
    assert other.plan().totals[Op.REPLACE].objects == 1


def test_another_release_s_folder_is_not_free_for_all(small: Rig) -> None:
    small.extra = (small.tree("edges.csv", key="v2/edges.csv"),)
    small.status = "final"
    small.publish()
    other = Rig(small.folder / "other", version="v2", place=small.root)
    other.write("edges.csv", "a,b\n")
    other.extra = (other.tree("edges.csv", key="v2/edges.csv"),)
    with pytest.raises(Conflict, match="would change an object of release v1"):
        other.plan()


def problems(rig: Rig) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        rig.plan()
    assert not (rig.root / "v1/.release/release.json").exists() or rig.live is not None
    return [str(problem) for problem in caught.value.problems]


def test_two_artifacts_with_one_key_are_named(small: Rig) -> None:
    small.write("other/edges.csv", "x")
    small.extra = (small.tree("other", key="v1/files"),)
    (named,) = problems(small)
    assert "becomes the key v1/files/edges.csv, which" in named
    assert str(small.sources / "edges.csv") in named
    assert str(small.sources / "other/edges.csv") in named


def test_an_object_beside_one_that_is_itself_named_gz_is_named(rig: Rig) -> None:
    rig.write("a/edges.csv", "x")
    path = rig.write("a/edges.csv.gz", gzip.compress(b"y"))
    rig.write("a/edges.csv-1", "sorts between the two")
    (named,) = problems(rig)
    assert named.startswith(str(path))
    assert "beside v1/files/a/edges.csv" in named


def test_a_chunk_beside_its_own_gz_is_named(small: Rig) -> None:
    small.write("seg/8_8_8/9-64", CHUNK)
    (named,) = problems(small)
    assert named.startswith(str(small.sources / "seg/8_8_8/9-64"))
    assert "the same object" in named


def test_an_object_below_an_object_is_named(small: Rig) -> None:
    small.write("more/x", "x")
    small.extra = (small.tree("more", key="v1/files/edges.csv"),)
    (named,) = problems(small)
    assert "would be the object v1/files/edges.csv/x below v1/files/edges.csv, which is an object itself" in named


def test_what_a_draft_left_behind_is_in_the_way_too(small: Rig) -> None:
    small.publish()
    (small.sources / "edges.csv").unlink()
    small.write("edges.csv/part", "x")
    (named,) = problems(small)
    assert "below v1/files/edges.csv, which is an object itself, which is live already" in named
    (small.sources / "edges.csv/part").unlink()
    (small.sources / "edges.csv").rmdir()
    small.write("edges.csv.gz", gzip.compress(b"x"))
    (named,) = problems(small)
    assert "would be the object v1/files/edges.csv.gz beside v1/files/edges.csv" in named


def test_all_problems_come_at_once_but_not_without_end(rig: Rig) -> None:
    rig.write("seg/info", "{}")
    for n in range(MAX_PROBLEMS + 50):
        rig.write(f"seg/8/{n}-64", b"x")
        rig.write(f"seg/8/{n}-64.gz", gzip.compress(b"x"))
    rig.write("seg-2/1-64.gz", b"not gzip")
    found = problems(rig)
    assert len(found) == MAX_PROBLEMS + 1
    assert f"only the first {MAX_PROBLEMS} are named" in found[-1]


def test_an_empty_folder_is_no_artifact(small: Rig) -> None:
    (small.sources / "empty").mkdir()
    (named,) = problems(small)
    assert "holds nothing that can be published" in named


def test_a_damaged_inventory_is_told_in_words(small: Rig) -> None:
    small.publish()
    (path,) = (small.root / "v1/.release").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    other = Rig(small.folder / "other", version="v2", place=small.root)
    other.write("a.txt", "x")
    (small.root / "v2/files").mkdir(parents=True)
    (small.root / "v2/files/a.txt").write_text("y")
    with pytest.raises(LocalTrouble, match="the inventory of release v1 is damaged"):
        other.plan()


def test_a_source_inside_a_link_keeps_its_order(rig: Rig) -> None:
    for name in ("a", "a-b", "a.b", "a/", "aa", "b/c", "b-c", "b.c", "b/c.d/e"):
        rig.write(f"t/{name}" if not name.endswith("/") else "t/x", name)
    keys = [change.key for change in rig.plan().changes]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys)) == 9


def test_a_folder_s_files_and_where_they_lie(small: Rig) -> None:
    by_key = {change.key: change.spec for change in small.plan().changes}
    spec = by_key["v1/files/seg/8_8_8/9-64"]
    assert spec is not None
    assert Path(spec.path) == small.sources / "seg/8_8_8/9-64.gz"
    assert spec.artifact == "seg"


def test_what_lies_in_the_folder_of_a_release_that_never_began_is_not_ours(small: Rig) -> None:
    place = small.root / "v1/files/edges.csv"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"precious")
    with pytest.raises(Conflict, match=r"v1/files/edges\.csv: there already, and not this release's"):
        small.plan()
    place.unlink()
    small.publish()  # the control


def test_nobody_adds_to_the_folder_of_another_release(small: Rig) -> None:
    small.publish()
    other = Rig(small.folder / "other", version="v2", place=small.root)
    other.write("notes/a.md", "a")
    other.extra = (Tree("plant", "v1/files/seg/8_8_8", other.sources / "notes"),)
    with pytest.raises(Conflict, match="would add an object to the folder of release v1"):
        other.plan()
