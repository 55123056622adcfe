"""Links into the viewer: read back as the states that they carry."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from publisher.facts import FileFacts, MeshFacts, Scale, SkeletonFacts, TableFacts, VolumeFacts
from publisher.formats import neo4j
from publisher.page import layers, places
from publisher.page.databases import examples, version
from publisher.page.services import examples as service_examples
from publisher.page.services import services
from publisher.page.templates import render
from publisher.page.view import Book, book
from publisher.record import Access, Described, Record, SceneRef

BASE = "https://data.example.org/r"
SCALE = Scale("8_8_8", (8.0, 8.0, 8.0), (100, 100, 100), (0, 0, 0), (64, 64, 64), "raw", sharded=False)
BOX = ((0.0, 0.0, 0.0), (80.0, 40.0, 20.0))


def described(name: str, section: str, facts: Any, key: str, **more: Any) -> Described:
    return Described(name, section, name.title(), "", "G", key, None, facts=facts, **more)


SEGMENTATION = described("seg", "volumes", VolumeFacts("precomputed", "segmentation", "uint64", 1, (SCALE,)), "v1/seg")
SKELETONS = described(
    "skel", "skeletons", SkeletonFacts(("swc", "precomputed"), 1, 9, 8.0, BOX, None, ("7",)), "v1/seg/skel"
)
MESHES = described("mesh", "meshes", MeshFacts("legacy", sharded=False, ids=("7",), bounds_nm=BOX), "v1/seg/mesh")
TABLE = described("table", "tables", TableFacts("feather", "", 1, ()), "v1/table.feather")
EM = described("em", "volumes", None, "", external="gs://bucket/em/jpeg", stated={"format": "neuroglancer precomputed"})
SWC = described("swc", "skeletons", None, "", external="gs://bucket/swc", stated={"format": "SWC"})
STATE = {
    "dimensions": {"x": [8e-9, "m"]},
    "layout": {"type": "row", "children": []},
    "layers": [
        {"type": "image", "name": "EM", "source": "precomputed://gs://bucket/em/jpeg", "visible": False},
        {
            "type": "segmentation",
            "name": "Neurons",
            "source": [{"url": f"{BASE}/v1/seg/|neuroglancer-precomputed:"}, f"precomputed://{BASE}/v1/seg/mesh"],
        },
        {
            "type": "annotation",
            "name": "Notes",
            "source": "precomputed://https://x.example/n",
            "linkedSegmentationLayer": "EM",
        },
    ],
}


def a_book(*artifacts: Described, read: Any = None, link: str = "", base: str = BASE, viewer: str = "") -> Book:
    scenes = (SceneRef("main", "All", "v1/main.json", link),)
    record = Record("v1", "final", "2026-01-01", {}, base, Access(), artifacts, scenes, {}, viewer=viewer)
    return book(record, places.target(base), (), read or (lambda _: json.dumps(STATE).encode()))


def state(link: str) -> dict[str, Any]:
    found = json.loads(unquote(link.partition("#!")[2]))
    assert isinstance(found, dict)
    return found


def test_a_layer_alone_is_the_scenes_own_layer() -> None:
    found = layers.look(a_book(SEGMENTATION, MESHES, EM, TABLE, SWC))
    assert {name: [layer for _, layer in looked.scenes] for name, looked in found.items()} == {
        "seg": ["Neurons"],
        "mesh": ["Neurons"],
        "em": ["EM"],
    }
    alone = state(found["em"].alone)
    assert [(layer["name"], layer["visible"]) for layer in alone["layers"]] == [("EM", True)]
    assert alone["dimensions"] == STATE["dimensions"]
    assert found["seg"].alone.startswith("https://neuroglancer-demo.appspot.com/#!")


def test_what_a_layer_is_linked_to_comes_with_it() -> None:
    notes = described("notes", "annotations", None, "", external="https://x.example/n")
    alone = state(layers.look(a_book(notes, EM))["notes"].alone)
    assert [(layer["name"], layer["visible"]) for layer in alone["layers"]] == [("Notes", True), ("EM", False)]


def test_scenes_are_read_from_links_and_from_gzip() -> None:
    link = f"https://v.example/#!{quote(json.dumps(STATE))}"
    for given in (
        a_book(EM, link=link, read=lambda _: None),
        a_book(EM, read=lambda _: gzip.compress(json.dumps(STATE).encode())),
    ):
        assert layers.look(given)["em"].scenes


@pytest.mark.parametrize("data", [None, b"", b"[]", b"{", b"\x1f\x8b", b'{"layers": 3}'])
def test_a_scene_that_cannot_be_read_is_none(data: bytes | None) -> None:
    found = layers.look(a_book(SEGMENTATION, read=lambda _: data))
    assert found["seg"].scenes == ()
    assert state(found["seg"].alone)["layers"] == [
        {"type": "segmentation", "name": "seg", "source": f"precomputed://{BASE}/v1/seg"}
    ]


def test_what_is_in_no_scene_is_shown_where_it_is() -> None:
    found = layers.look(a_book(SKELETONS, MESHES, TABLE, SWC, read=lambda _: None))
    assert set(found) == {"skel", "mesh"}
    alone = state(found["skel"].alone)
    assert alone["position"] == [40, 20, 10]
    assert alone["layers"][0]["source"] == f"precomputed://{BASE}/v1/seg/skel/skeletons-precomputed"
    assert alone["layers"][0]["segments"] == ["7"]


def test_the_public_viewer_is_not_sent_to_a_machine_of_ones_own() -> None:
    found = layers.look(a_book(SEGMENTATION, EM, base="http://127.0.0.1:8000"))
    assert found["em"].alone
    assert "seg" not in found or not found["seg"].alone


def test_the_releases_own_viewer_is_taken() -> None:
    assert layers.look(a_book(EM, viewer="v1/viewer"))["em"].alone.startswith(f"{BASE}/v1/viewer/index.html#!")


def test_a_link_that_is_too_long_is_none() -> None:
    long = {**STATE, "layers": [{**STATE["layers"][0], "shader": "x" * 9_000}]}  # type: ignore[dict-item, index]
    found = layers.look(a_book(EM, read=lambda _: json.dumps(long).encode()))
    assert (found["em"].alone, len(found["em"].scenes)) == ("", 1)


# --- databases and services -------------------------------------------------------------------------------------------

NEO4J = described(
    "neo4j", "database", FileFacts(tree=True, server="neo4j 4.4.16", form="dump", databases=("hb",)), "v1/db"
)


def test_commands_are_those_of_the_servers_version() -> None:
    for server, load, cache in (
        ("neo4j 4.4.16", "neo4j-admin load --from=/dumps/hb.dump --database=hb", "NEO4J_dbms_memory_pagecache_size"),
        ("neo4j 5.26.1", "neo4j-admin database load hb --from-path=/dumps", "NEO4J_server_memory_pagecache_size"),
    ):
        item = replace(NEO4J, facts=replace(NEO4J.facts, server=server))  # type: ignore[type-var]
        given = a_book(item)
        ((_, name, values, _),) = examples(given.views[0], given)
        assert name == "neo4j-load.sh"
        text = render(f"examples/{name}.jinja", **values)
        assert load in text
        assert cache in text
        assert f"neo4j:{server.split()[1]}" in text
        assert version(given.views[0]) == server.split()[1]


def test_an_import_takes_the_version_of_the_database_beside_it() -> None:
    inputs = described(
        "inputs", "database", FileFacts(tree=True, import_arguments="v1/in-import.txt", imports=(1, 1)), "v1/in"
    )
    for beside, wanted in (((NEO4J,), "4.4.16"), ((), "5")):
        given = a_book(inputs, *beside)
        ((_, name, values, _),) = examples(given.views[0], given)
        assert (name, values["version"], values["arguments"].url) == (
            "neo4j-import.sh",
            wanted,
            f"{BASE}/v1/in-import.txt",
        )


def test_nobody_is_told_to_load_what_no_server_is_named_for() -> None:
    given = a_book(replace(NEO4J, facts=FileFacts(tree=True)))
    assert list(examples(given.views[0], given)) == []


def test_a_boss_that_is_not_bossdb_is_asked_itself() -> None:
    boss = {
        "server": "https://api.boss.neurodata.io",
        "collection": "c",
        "experiment": "e",
        "channels": [{"name": "em"}],
    }
    ((_, one),) = service_examples({"bossdb": boss})
    assert (one.values["host"], one.values["simple"], one.values["channel"]) == ("api.boss.neurodata.io", False, "em")
    ((_, one),) = service_examples({"bossdb": {**boss, "server": "https://api.bossdb.io"}})
    assert one.values["simple"] is True
    assert [service.title for service in services({"bossdb": boss, "neuprint": {"server": "s"}})] == [
        "neuPrint",
        "BOSS",
    ]


def test_a_replica_alone_has_words_and_no_examples() -> None:
    given = {"dvid": {"links": [{"title": "T", "url": "https://t.example", "description": ""}]}}
    assert [service.key for service in services(given)] == ["dvid"]
    assert list(service_examples(given)) == []


def test_a_folder_of_others_gets_the_arguments_that_publisher_would_write(tmp_path: Path) -> None:
    inputs = described("in", "database", None, "", external="gs://bucket/neuprint-inputs", stated={"format": "CSV"})
    given = a_book(inputs)
    (_, name, values, _), (_, other, _, _) = examples(given.views[0], given)
    assert (name, other) == ("neo4j-arguments.py", "neo4j-import.sh")
    headers = {
        "Neuprint_Meta.csv": "dataset:string,:Label",
        "Neuprint_Neurons/0.csv": ":ID(Body-ID),:LABEL",
        "Neuprint_Neuron_Connections.csv": ":START_ID(Body-ID),:END_ID(Body-ID)",
        "Neuprint_SynapseSet_to_SynapseSet.csv": ":START_ID(S),:END_ID(S)",
        "Neuprint_Synapse_Connections.csv": ":START_ID(E),:END_ID(E)",
        "Neuprint_Neuron_to_SynapseSet.csv": ":START_ID(Body-ID),:END_ID(S)",
        "notes.csv": "who,what",
    }
    for path, header in headers.items():
        at = tmp_path / "neuprint-inputs" / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(f"{header}\n")
    (tmp_path / "x.py").write_text(render(f"examples/{name}.jinja", **values))
    subprocess.run([sys.executable, "x.py"], cwd=tmp_path, check=True, capture_output=True)
    wanted = {group.argument for group in neo4j.groups(tmp_path / "neuprint-inputs", headers) if group.argument}
    written = (tmp_path / "import.txt").read_text().split()
    assert set(written) - set(neo4j.OPTIONS) == wanted
    assert len(wanted) == 6


def test_an_archive_of_others_is_only_copied() -> None:
    archive = described(
        "in", "database", None, "", external="gs://bucket/inputs.zip", stated={"format": "zip of CSV files"}
    )
    given = a_book(archive)
    assert list(examples(given.views[0], given)) == []
