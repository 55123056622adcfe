"""Running again: nothing, or exactly what changed; a final release never."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from tests.e2e.conftest import Release, publisher, snapshot

CONFLICT = 5
CHANGES = 10


def inventory(release: Release) -> dict[str, dict[str, object]]:
    record = json.loads((release.target / "v0.9/.release/release.json").read_text())
    rows = pq.read_table(release.target / record["inventory"]["key"]).to_pylist()
    return {str(row["key"]): row for row in rows}


def test_a_second_run_changes_nothing_and_says_so(published: Release) -> None:
    before = snapshot(published.target)
    again = publisher("release", published.manifest, "--target", published.target)
    assert again.code == 0
    assert "0 objects written" in again.out
    assert snapshot(published.target) == before
    plan = publisher("plan", published.manifest, "--target", published.target, "--json")
    assert plan.code == 0
    assert plan.json["changes"] == []


def test_a_final_release_refuses_one_changed_byte(make_release: Callable[..., Release]) -> None:
    release = make_release()
    path = release.inputs / "skeletons-swc/722817260.swc"
    data = bytearray(path.read_bytes())
    at = data.index(b"1 0 3484.0") + 4
    data[at : at + 1] = b"9"
    path.write_bytes(data)
    before = snapshot(release.target)
    again = release.again()
    assert again.code == CONFLICT
    assert "v0.9/segmentation/skeletons/skeletons-swc/722817260.swc" in again.err
    assert again.json["exit"] == CONFLICT
    assert snapshot(release.target) == before
    plan = publisher("plan", release.manifest, "--target", release.target)
    assert plan.code == CONFLICT


def test_a_final_release_refuses_removal_and_addition(make_release: Callable[..., Release]) -> None:
    release = make_release()
    moved = release.inputs / "meshes/722817260.obj"
    moved.rename(release.inputs / "meshes/1.obj")
    again = release.again()
    assert again.code == CONFLICT
    assert "v0.9/meshes/obj/722817260.obj" in again.err
    assert "v0.9/meshes/obj/1.obj" in again.err


CSV = "v0.9/database/neuprint-inputs/Neuprint_Meta.csv"  # nothing else is made of its rows
README = "v0.9/database/neo4j/README.txt"  # nothing else is made of it


def test_a_draft_replaces_exactly_what_changed(make_release: Callable[..., Release]) -> None:
    release = make_release(draft=True)
    path = release.inputs / "neuprint-inputs/Neuprint_Meta.csv"
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    before, rows = snapshot(release.target), inventory(release)
    plan = publisher("plan", release.manifest, "--target", release.target, "--json")
    assert plan.code == CHANGES
    assert [(line["change"], line["key"]) for line in plan.json["changes"]] == [("~", CSV)]
    again = release.again("--until", "publish")
    assert again.code == 0
    assert again.json["uploaded"] == 1
    after = snapshot(release.target)
    changed = {name for name in after if after[name] != before.get(name)}
    inventories = {name for name in changed if "inventory-" in name}
    assert changed - inventories == {CSV, "v0.9/.release/release.json"}
    assert len(inventories) == 1
    new_rows = inventory(release)
    assert {key for key in rows if rows[key] != new_rows[key]} == {CSV}


def test_what_a_draft_no_longer_has_is_shown_and_left_alone(make_release: Callable[..., Release]) -> None:
    release = make_release(draft=True)
    (release.inputs / "neo4j/README.txt").unlink()
    plan = publisher("plan", release.manifest, "--target", release.target, "--json")
    assert [(line["change"], line["key"]) for line in plan.json["changes"]] == [("?", README)]
    assert release.again("--until", "publish").json["uploaded"] == 0
    assert (release.target / README).is_file()
    assert README not in inventory(release)


def test_an_unfinished_run_is_finished_without_sending_again(make_release: Callable[..., Release]) -> None:
    release = make_release()
    before = inventory(release)
    for path in (release.target / "v0.9/.release").iterdir():
        if path.is_file():  # the tables' statistics beside them are objects like others
            path.unlink()
    (release.target / "releases.json").unlink()
    (release.target / "v0.9/rois/obj/lh.obj").unlink()
    again = release.again("--until", "publish")
    assert again.code == 0
    assert again.json["uploaded"] == 1
    assert inventory(release) == before


def test_plan_writes_nothing(make_release: Callable[..., Release], tmp_path: Path) -> None:
    release = make_release()
    elsewhere = tmp_path / "nothing-here"
    plan = publisher("plan", release.manifest, "--target", elsewhere, "--json")
    assert plan.code == CHANGES
    assert plan.json["totals"]["+"]["objects"] == release.result.json["objects"]
    assert not elsewhere.exists()


def test_new_words_for_a_final_release_are_told_not_published(make_release: Callable[..., Release]) -> None:
    release = make_release()
    before = snapshot(release.target)
    release.change("description: One row a neuron", "description: A row for each neuron")
    again = release.again("--until", "publish")
    assert (again.code, again.json["uploaded"]) == (0, 0)
    assert "the manifest now says otherwise of: artifacts" in again.err
    assert snapshot(release.target) == before


def test_new_words_for_a_draft_are_planned_and_published(make_release: Callable[..., Release]) -> None:
    release = make_release(draft=True)
    release.change("description: One row a neuron", "description: A row for each neuron")
    plan = publisher("plan", release.manifest, "--target", release.target, "--json")
    assert (plan.code, plan.json["changes"], plan.json["record"]) == (CHANGES, [], ["artifacts"])
    assert release.again("--until", "publish").json["uploaded"] == 0
    assert publisher("plan", release.manifest, "--target", release.target).code == 0


def test_the_import_is_told_anew_where_a_file_of_it_is_gone(make_release: Callable[..., Release]) -> None:
    release = make_release(draft=True)
    (release.inputs / "neuprint-inputs/Neuprint_Meta.csv").unlink()
    plan = publisher("plan", release.manifest, "--target", release.target, "--json")
    found = {line["key"]: line["change"] for line in plan.json["changes"]}
    assert found == {CSV: "?", "v0.9/database/neuprint-inputs-import.txt": "~"}
