"""What neo4j-admin is told of CSV files: held against the files' own headers, read here with nothing of publisher's."""

from __future__ import annotations

import csv
import gzip
import re
import shlex
from pathlib import Path

import pytest

from publisher.artifacts import DATABASE, Bench
from publisher.artifacts.database import ARGUMENTS
from publisher.facts import FileFacts
from publisher.formats import neo4j

# As flyem-snapshot writes them: every file of synapses has columns of its own, some labels are in small letters.
FILES = {
    "Neuprint_Meta.csv": "dataset:string,primaryRois:string[],:Label",
    "Neuprint_Neurons/000000.csv": ":ID(Body-ID),bodyId:long,roiInfo:string,:LABEL,AL(R):boolean",
    "Neuprint_Synapses/000000.csv": ":ID(Element-ID),type:string,location:point{srid:9157},:Label",
    "Neuprint_Synapses/000001.csv": ":ID(Element-ID),type:string,location:point{srid:9157},:Label,LH(R):boolean",
    "Neuprint_SynapseSet.csv": ":ID(SynSet-ID),type:string,:Label",
    "Neuprint_Neuron_Connections.csv": ":START_ID(Body-ID),:END_ID(Body-ID),weight:int",
    "Neuprint_Synapse_Connections.csv": ":START_ID(Element-ID),:END_ID(Element-ID)",
    "Neuprint_Neuron_to_SynapseSet.csv": ":START_ID(Body-ID),:END_ID(SynSet-ID)",
    "Neuprint_SynapseSet_to_SynapseSet.csv": ":START_ID(SynSet-ID),:END_ID(SynSet-ID)",
    "Neuprint_SynapseSet_to_Synapses.csv": ":START_ID(SynSet-ID),:END_ID(Element-ID)",
    "Neuprint_Elements_CloseTo_one.csv": ":START_ID(Element-ID),:END_ID(Element-ID)",
    "typed.csv": ":START_ID(Body-ID),:END_ID(Body-ID),:TYPE",
    "two words/cells.csv": ":ID(Cell-ID),name",
}
TYPES = {
    "Neuprint_Neuron_Connections.csv": "ConnectsTo",
    "Neuprint_SynapseSet_to_SynapseSet.csv": "ConnectsTo",
    "Neuprint_Synapse_Connections.csv": "SynapsesTo",
    "Neuprint_Neuron_to_SynapseSet.csv": "Contains",
    "Neuprint_SynapseSet_to_Synapses.csv": "Contains",
    "Neuprint_Elements_CloseTo_one.csv": "CloseTo",
}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    for name, header in FILES.items():
        path = tmp_path / "inputs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{header}\n")
    return tmp_path / "inputs"


def staged(folder: Path) -> tuple[FileFacts, str, tuple[str, ...]]:
    """Return the facts, the file of arguments, and the warnings."""
    artifact = DATABASE["inputs"](name="neuprint-inputs", source=str(folder))
    made = artifact.stage(Bench(folder, "v1/database/inputs", None, folder.parent / "work", lambda _: folder))
    assert isinstance(made.facts, FileFacts)
    extra = [tree for tree in made.trees if tree.key.endswith(ARGUMENTS)]
    warnings = tuple(f"{warning.where} {warning.message}" for warning in made.warnings)
    return made.facts, extra[0].path.read_text() if extra else "", warnings


def test_every_file_is_an_argument_of_its_own_and_its_header_agrees(inputs: Path) -> None:
    facts, text, warnings = staged(inputs)
    assert facts.import_arguments == "v1/database/inputs-import.txt"
    assert facts.imports == (6, 7)
    assert warnings == ()
    given = [word for line in text.splitlines() for word in shlex.split(line)]
    spaces: dict[str, set[str]] = {"ID": set(), "START_ID": set(), "END_ID": set()}
    seen = {}
    for argument in given:
        if not (match := re.fullmatch(r"--(nodes|relationships)=(?:([A-Za-z]+)=)?(.+)", argument)):
            continue
        what, kind, name = match.groups()
        header = next(csv.reader([(inputs / name).read_text().splitlines()[0]]))
        roles = {field.rpartition(":")[2].partition("(")[0].upper() for field in header}
        assert ("START_ID" in roles) == (what == "relationships")
        assert bool(kind) != bool(roles & {"LABEL", "TYPE"})  # said once: in the file, or here
        for field in header:
            if found := re.fullmatch(r".*:(ID|START_ID|END_ID)\((.+)\)", field):
                spaces[found[1]].add(found[2])
        seen[name] = kind
    assert set(seen) == set(FILES)
    assert {name: kind for name, kind in seen.items() if kind} == {**TYPES, "two words/cells.csv": "twowords"}
    assert spaces["START_ID"] | spaces["END_ID"] <= spaces["ID"]


def test_arguments_are_read_back_as_neo4j_reads_them(inputs: Path) -> None:
    _, text, _ = staged(inputs)
    assert list(neo4j.parse(text)) == [word for line in text.splitlines() for word in shlex.split(line)]
    assert '"--nodes=twowords=two words/cells.csv"' in text
    assert list(neo4j.parse('# none\n--a="b"\n"--c=d \\"e\\" \\\\"')) == ["--a=", "b", '--c=d "e" \\']


def test_what_the_import_cannot_take_is_left_out_and_named(inputs: Path) -> None:
    (inputs / "notes.csv").write_text("who,what\n")
    (inputs / "picture.csv").write_bytes(b"\x89PNG\xff\xfe\n")
    (inputs / "links.csv").write_text(":START_ID,:END_ID\n")
    (inputs / "more.csv.gz").write_bytes(gzip.compress(b":ID,:LABEL\n"))
    facts, text, warnings = staged(inputs)
    assert facts.imports == (7, 7)
    assert "--nodes=more.csv.gz" in text.splitlines()
    assert not [name for name in ("notes.csv", "picture.csv", "links.csv") if name in text]
    assert sorted(Path(warning.split()[0]).name for warning in warnings) == ["links.csv", "notes.csv", "picture.csv"]


def test_a_folder_that_is_no_import_gets_no_arguments(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "a.csv").write_text("dataset,tag\n")
    facts, text, warnings = staged(tmp_path / "inputs")
    assert (facts.import_arguments, facts.imports, text) == ("", (0, 0), "")
    assert len(warnings) == 1


def test_ten_thousand_files_of_no_use_are_not_all_named(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    for at in range(50):
        (tmp_path / "inputs" / f"{at}.csv").write_text("a,b\n")
    assert len(staged(tmp_path / "inputs")[2]) == 5


@pytest.mark.parametrize(
    ("files", "form", "databases"),
    [
        (("databases/neo4j/neostore", "databases/system/neostore", "transactions/neo4j/x"), "store", ("neo4j",)),
        (("neo4j.dump", "system.dump"), "dump", ("neo4j",)),
        (("notes.txt",), "", ()),
    ],
)
def test_the_form_of_a_database_is_seen(tmp_path: Path, files: tuple[str, ...], form: str, databases: object) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert neo4j.store(tmp_path) == neo4j.Store(form, databases)  # type: ignore[arg-type]


def test_one_dump_is_a_database_too(tmp_path: Path) -> None:
    (tmp_path / "hemibrain.dump").write_bytes(b"x")
    assert neo4j.store(tmp_path / "hemibrain.dump") == neo4j.Store("dump", ("hemibrain",))
