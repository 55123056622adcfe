"""The manifest: its contract loads, its schema is the one that editors read, and no document breaks the reader."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher import manifest, stage
from publisher.errors import InvalidInput, Problem
from publisher.manifest import Manifest
from publisher.manifest.schema import schema
from publisher.record import Space

RELEASES = Path(__file__).parent.parent.parent / "releases"

# The contract: every key that manifests were promised. What is here may be extended and never renamed.
CONTRACT = """\
# yaml-language-server: $schema=schema.json
schema: 1
version: v0.9
date: 2026-11-21
status: final            # draft | final; a published final release never changes
previous: v0.8.yaml      # optional: the release before this one

dataset:
  name: hemibrain-da1                 # slug: file names, scene title
  title: Hemibrain DA1 projection neurons
  description: Five *neurons*, with `<id>.swc` files; see <https://www.janelia.org>.
  license: CC-BY-4.0                  # SPDX
  authors: [{name: A. Author, orcid: 0000-0002-1825-0097, affiliation: HHMI Janelia}]
  citation: Author, A. A connectome (2026).
  doi: 10.7554/eLife.57443
  homepage: https://www.janelia.org
  contact: someone@example.org
  keywords: [connectomics]
  species: Drosophila melanogaster

space: {name: hemibrain EM, voxel_size: [8, 8, 8], units: nm}   # default space of every artifact
spaces:
  mirrored: {voxel_size: [8, 8, 8], units: nm}

targets:                              # the first is the default
  local: {url: ../public, public_url: "http://127.0.0.1:8000"}
  aws:   {url: "s3://bucket/prefix", public_url: "https://data.example.org", access: public, cors: {origins: ["*"]}}
  gcp:   {url: "gs://bucket/prefix", access: public}

volumes:
  - name: segmentation
    title: Proofread neuron segmentation
    description: Labels.
    source: inputs/segmentation
    key: "{version}/segmentation"
    group: Image data
    segment_properties: body-annotations
  - name: em
    external: gs://flyem-male-cns/em/em-clahe-jpeg
    stated: {size: 13 MB, dtype: uint8, voxel_size: [8, 8, 8]}
tables:
  - name: body-annotations
    source: inputs/body-annotations.csv
    key: "{version}/connectome-data/flat-connectome/body-annotations-{dataset}-{version}.feather"
    group: Annotations
    columns: {body: Segment ID of the neuron., type: {description: Cell type., unit: none}}
    references: {body: segmentation}
skeletons:
  - name: skeletons
    source: inputs/skeletons-swc
    units: 8 nm
    formats: [swc, precomputed]
    segmentation: segmentation
meshes:      [{name: meshes, source: inputs/meshes, units: 8 nm, segmentation: segmentation}]
annotations: [{name: synapses, source: inputs/synapses.feather, segmentation: segmentation, space: mirrored}]
database:
  neo4j: {source: inputs/neo4j, server: 4.4.16}
  inputs: {source: inputs/neuprint-inputs}
files:       [{name: traced-adjacencies, source: inputs/traced.tar.gz}]

scenes:
  - name: main
    title: Five neurons
    layers: [{artifact: em}, {artifact: segmentation, segments: [722817260]}, {artifact: synapses}]
  - name: close
    layers: [{artifact: skeletons}]
    position: [1, 2, 3]
    zoom: 8
    layout: 4panel

programmatic:
  neuprint: {server: "https://neuprint.janelia.org", dataset: "hemibrain:v1.2.1"}
  dvid: {server: "https://dvid.example.org", uuid: abc123}
  bossdb: {server: "https://api.bossdb.io", collection: fly, experiment: one}
"""

HEAD = """\
schema: 1
version: v1
date: 2026-01-01
status: draft
dataset: {name: demo, title: Demo, description: A demo., license: CC0-1.0, authors: [{name: A. Author}]}
"""


def load(folder: Path, text: str) -> Manifest:
    path = folder / "release.yaml"
    path.write_text(text, encoding="utf-8")
    return manifest.load(path)


def problems(folder: Path, text: str) -> list[Problem]:
    with pytest.raises(InvalidInput) as caught:
        load(folder, text)
    return list(caught.value.problems)


# --- the contract -----------------------------------------------------------------------------------------------------


def test_the_contract_loads(tmp_path: Path) -> None:
    release = load(tmp_path, CONTRACT).release
    assert (release.version, release.date, release.final) == ("v0.9", dt.date(2026, 11, 21), True)
    assert list(release.targets) == ["local", "aws", "gcp"]
    assert release.targets["gcp"].access == "public"
    assert release.targets["gcp"].cors.origins == ("*",)
    assert [artifact.name for artifact in release.artifacts] == [
        "body-annotations",  # tables come first: volumes make segment properties of them
        "segmentation",
        "em",
        "skeletons",
        "meshes",
        "synapses",
        "traced-adjacencies",
        "neo4j",
        "inputs",
    ]


def test_keys(tmp_path: Path) -> None:
    release = load(tmp_path, CONTRACT).release
    assert {artifact.name: release.key(artifact) for artifact in release.artifacts if artifact.external is None} == {
        "body-annotations": "v0.9/connectome-data/flat-connectome/body-annotations-hemibrain-da1-v0.9.feather",
        "segmentation": "v0.9/segmentation",
        "skeletons": "v0.9/skeletons/skeletons",
        "meshes": "v0.9/meshes/meshes",
        "synapses": "v0.9/annotations/synapses",
        "traced-adjacencies": "v0.9/files/traced-adjacencies",
        "neo4j": "v0.9/database/neo4j",
        "inputs": "v0.9/database/inputs",
    }
    assert [release.scene_key(scene) for scene in release.scenes] == [
        "v0.9/hemibrain-da1-v0.9.json",
        "v0.9/hemibrain-da1-v0.9-close.json",
    ]


@pytest.mark.parametrize(
    ("section", "more", "key"),
    [
        ("tables", "", "v1/tables/x.feather"),
        ("tables", "format: parquet", "v1/tables/x.parquet"),
        ("tables", "format: source", "v1/tables/x.csv"),
        ("volumes", "", "v1/volumes/x"),
        ("skeletons", "", "v1/skeletons/x"),
        ("meshes", "", "v1/meshes/x"),
        ("annotations", "", "v1/annotations/x"),
        ("files", "", "v1/files/x"),
        ("files", 'key: "{section}/{dataset}/{version}/{name}"', "files/demo/v1/x"),
    ],
)
def test_default_keys(section: str, more: str, key: str, tmp_path: Path) -> None:
    release = load(tmp_path, f"{HEAD}{section}: [{{name: x, source: x.csv{f', {more}' if more else ''}}}]").release
    assert [release.key(artifact) for artifact in release.artifacts] == [key]


def test_skeletons_have_two_folders_below_their_key(tmp_path: Path) -> None:
    (tmp_path / "swc").mkdir()
    (tmp_path / "swc" / "12.swc").write_text("1 1 0 0 0 1 -1\n", encoding="utf-8")
    loaded = load(tmp_path, f"{HEAD}skeletons: [{{name: x, source: swc, units: nm}}]")
    trees = stage.stage(loaded, tmp_path / "work").trees
    assert [tree.key for tree in trees] == ["v1/skeletons/x/skeletons-swc", "v1/skeletons/x/skeletons-precomputed"]


def test_spaces(tmp_path: Path) -> None:
    release = load(tmp_path, CONTRACT).release
    spaces = {artifact.name: release.space_of(artifact) for artifact in release.artifacts}
    assert spaces["em"] == Space("hemibrain EM", (8.0, 8.0, 8.0), "nm", "")
    assert spaces["synapses"] == Space("mirrored", (8.0, 8.0, 8.0), "nm", "")  # its name is its key


def test_columns_in_short_and_in_long(tmp_path: Path) -> None:
    table = load(tmp_path, CONTRACT).release.tables[0]
    assert table.columns["body"].description == "Segment ID of the neuron."
    assert (table.columns["type"].description, table.columns["type"].unit) == ("Cell type.", "none")


def test_required_is_what_the_contract_says(tmp_path: Path) -> None:
    found = problems(tmp_path, "dataset: {authors: [{}]}")
    assert sorted(problem.message for problem in found) == [
        "'date' is missing",
        "'description' is missing in dataset",
        "'license' is missing in dataset",
        "'name' is missing in dataset",
        "'name' is missing in dataset.authors[0]",
        "'schema' is missing",
        "'status' is missing",
        "'title' is missing in dataset",
        "'version' is missing",
    ]


# --- YAML -------------------------------------------------------------------------------------------------------------


def test_merge_keys(tmp_path: Path) -> None:
    text = f"""{HEAD}files:
  - &first {{name: a, source: a.txt, group: Notes}}
  - {{<<: *first, name: b}}
  - {{<<: [{{title: Third}}, *first], name: c, source: c.txt}}
"""
    files = load(tmp_path, text).release.files
    assert [(f.name, f.source, f.group, f.title) for f in files] == [
        ("a", "a.txt", "Notes", None),
        ("b", "a.txt", "Notes", None),
        ("c", "c.txt", "Notes", "Third"),
    ]


def test_a_problem_in_what_was_merged_points_to_where_it_is_written(tmp_path: Path) -> None:
    found = problems(
        tmp_path, f"{HEAD}files:\n  - &first {{name: a, source: a, gruop: Notes}}\n  - {{<<: *first, name: b}}\n"
    )
    assert [problem.where.removeprefix(str(tmp_path)) for problem in found] == ["/release.yaml:7:33"] * len(found)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"1.10"', "1.10"),
        ("2026-01-01", "2026-01-01"),  # a date to YAML, and a version to us
        ("1e3", "1e3"),  # no number without a dot, in YAML 1.1
        ("v1", "v1"),
    ],
)
def test_versions_stay_what_they_are(written: str, read: str, tmp_path: Path) -> None:
    assert load(tmp_path, HEAD.replace("version: v1", f"version: {written}")).release.version == read


@pytest.mark.parametrize("written", ["1.10", "1", "0x10", "12:30", "true", "null", "[v1]", "{a: b}", ".nan"])
def test_a_version_that_is_no_text_is_refused(written: str, tmp_path: Path) -> None:
    found = problems(tmp_path, HEAD.replace("version: v1", f"version: {written}"))
    assert found[0].where.startswith(f"{tmp_path}/release.yaml:2:")


def test_viewer_state_is_json(tmp_path: Path) -> None:
    text = f"""{HEAD}volumes: [{{name: em, external: "gs://bucket/em"}}]
scenes:
  - name: main
    layers: [{{artifact: em}}]
    state: {{since: 2026-01-01, at: 2026-01-01 10:00:00, icon: !!binary aGVsbG8=, on: true, none: null, 1: one}}
"""
    state = load(tmp_path, text).release.scenes[0].state
    assert json.loads(json.dumps(state, allow_nan=False)) == {
        "since": "2026-01-01",
        "at": "2026-01-01 10:00:00",
        "icon": "aGVsbG8=",
        "on": True,
        "none": None,
        "1": "one",
    }


@pytest.mark.parametrize("text", ["p < 0.05", "a <- b", "`<id>.swc`", "```\n<b>\n```", "<https://example.org>", "x<3"])
def test_what_is_no_html(text: str, tmp_path: Path) -> None:
    assert load(tmp_path, HEAD.replace("A demo.", json.dumps(text))).release.dataset.description == text


@pytest.mark.parametrize(
    "text",
    ["<b>x</b>", "<script src=x>", "<!-- x", "<img", "</p>", "`a` <b> `c`", "``a` <b>", r"\`<b>\`", "<a href=x>"],
)
def test_what_is_html(text: str, tmp_path: Path) -> None:
    found = problems(tmp_path, HEAD.replace("A demo.", json.dumps(text)))
    assert [problem.message.split(":")[0] for problem in found] == ["description has HTML in it"]


MADE_BY = """\
changes: Two *more* neurons.
dataset:
  name: demo
  title: Demo
  description: A demo.
  license: CC0-1.0
  authors: [{name: "Lovelace, Ada", type: person}]
  doi: https://doi.org/10.5281/zenodo.1
  publisher: Engines
  technique: FIB-SEM
  funding: [{funder: Royal Society, award: "1", url: "https://example.org/1"}]
  related: [{doi: 10.1000/paper, relation: IsDescribedBy}, {url: "https://example.org", relation: IsDerivedFrom}]
"""


def made_by(old: str = "", new: str = "") -> str:
    assert old in MADE_BY
    return "schema: 1\nversion: v1\ndate: 2026-01-01\nstatus: draft\n" + MADE_BY.replace(old, new)


def test_who_made_it_and_who_paid(tmp_path: Path) -> None:
    release = load(tmp_path, made_by()).release
    assert release.changes == "Two *more* neurons."
    assert [each.relation for each in release.dataset.related] == ["IsDescribedBy", "IsDerivedFrom"]
    assert release.dataset.funding[0].funder == "Royal Society"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("https://doi.org/10.5281/zenodo.1", "zenodo 1", "doi 'zenodo 1' must be a DOI such as 10.5281/zenodo.1234"),
        ("IsDescribedBy", "IsDescribedIn", "did you mean 'IsDescribedBy'?"),
        ("doi: 10.1000/paper, ", "", "give one of doi and url"),
        (
            "https://example.org/1",
            "example.org",
            "url 'example.org' must be an address such as https://example.org/page",
        ),
        ("type: person", "type: robot", "type is 'robot', but must be 'person' or 'group'"),
        ("Two *more*", "Two <b>more</b>", "changes has HTML in it"),
    ],
)
def test_mistakes_in_who_made_it(old: str, new: str, message: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, made_by(old, new))
    assert message in found.message


# --- the schema -------------------------------------------------------------------------------------------------------


def test_the_schema_on_disk_is_ours() -> None:
    """Write it anew with `publisher schema --out releases/schema.json`."""
    assert json.loads((RELEASES / "schema.json").read_text(encoding="utf-8")) == schema()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", sorted(RELEASES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_schema_takes_our_releases(path: Path) -> None:
    assert list(_editor(path.read_text(encoding="utf-8"))) == []
    assert manifest.load(path).release.version


def test_the_schema_takes_the_contract() -> None:
    assert list(_editor(CONTRACT)) == []


def test_the_schema_knows_mistakes() -> None:
    assert list(_editor(CONTRACT.replace("status: final", "status: finale")))
    assert list(_editor(CONTRACT.replace("license:", "licence:")))


def test_the_schema_describes_what_editors_show() -> None:
    described = schema()["$defs"]["Table"]["properties"]
    assert [name for name, field in described.items() if "description" not in field] == []


def _editor(text: str) -> Any:
    """Yield what an editor would underline; it reads dates as text."""
    value = json.loads(json.dumps(yaml.safe_load(text), default=str))
    return jsonschema.Draft202012Validator(schema()).iter_errors(value)


# --- no document breaks the reader ------------------------------------------------------------------------------------

_GOOD = yaml.safe_load(CONTRACT)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=5),
    st.text(max_size=12),
    st.sampled_from(
        ["", "../x", "{version}", "{x}", "<b>", "s3://a.b/c", "http://x", "a" * 2000, "v1", "em", "tables"]
    ),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return all places of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place] * bool(place) + [found for key, inner in items for found in _places(inner, (*place, key))]


_PLACES = _places(_GOOD)


def _mutated(draw: st.DataObject) -> Any:
    """Return the contract with some of its values replaced, taken away, doubled, renamed or moved."""
    value = copy.deepcopy(_GOOD)
    for _ in range(draw.draw(st.integers(1, 4))):
        place = draw.draw(st.sampled_from(_PLACES))
        holder = value
        try:
            for part in place[:-1]:
                holder = holder[part]
            inner = holder[place[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # gone with an earlier change
        change = draw.draw(st.sampled_from(["replace", "remove", "copy", "rename", "double"]))
        if change == "replace":
            holder[place[-1]] = draw.draw(_VALUES)
        elif change == "remove":
            del holder[place[-1]]
        elif change == "copy" and isinstance(holder, dict):
            holder[draw.draw(st.sampled_from(_PLACES))[-1]] = inner
        elif change == "rename" and isinstance(holder, dict):
            holder[draw.draw(st.text(max_size=8))] = holder.pop(place[-1])
        elif change == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(inner))
    return value


def _survives(path: Path) -> None:
    """Load; where it is refused, each problem is one line that points into the file."""
    try:
        loaded = manifest.load(path)
    except InvalidInput as error:
        found = error.problems
    else:
        for artifact in loaded.release.artifacts:
            if artifact.external is None:
                assert ".." not in loaded.release.key(artifact).split("/")
        json.dumps([scene.state for scene in loaded.release.scenes], allow_nan=False)
        return
    assert found
    for problem in found:
        assert problem.where.startswith(f"{path}:")
        assert problem.message
        assert len(str(problem)) < 4000


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_mutated_manifest_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "release.yaml"
    path.write_text(yaml.safe_dump(_mutated(data), allow_unicode=True, sort_keys=False), encoding="utf-8")
    _survives(path)


_PIECES = [
    "\n",
    "  ",
    "\t",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "*a",
    "&a ",
    "<<: ",
    "!!set ",
    "!!python/none ",
    "? ",
]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, len(CONTRACT)), st.integers(0, 30), st.sampled_from(_PIECES) | st.text(max_size=4))
    )
)
def test_a_damaged_text_is_read_or_refused(tmp_path: Path, edits: list[tuple[int, int, str]]) -> None:
    text = CONTRACT
    for at, length, piece in edits[:6]:
        text = text[:at] + piece + text[at + length :]
    path = tmp_path / "release.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    _survives(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "release.yaml"
    path.write_bytes(data)
    _survives(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.yaml"):
        with pytest.raises(InvalidInput, match="cannot be read"):
            manifest.load(path)


# --- services ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("dvid: {server: 'https://d.example'}", "server and uuid go together"),
        ("dvid: {}", "neither a server with a uuid nor links"),
        ("dvid: {links: [{title: T, url: 'javascript:alert(1)'}]}", "url"),
        ("bossdb: {collection: c, experiment: e, channels: [{name: em, dtype: float32}]}", "uint8"),
        ("neuprint: {server: s, dataset: d, description: '<b>bold</b>'}", "has HTML in it"),
    ],
)
def test_services_that_do_not_fit_are_refused(tmp_path: Path, given: str, told: str) -> None:
    found = problems(tmp_path, f"{HEAD}programmatic:\n  {given}\n")
    assert [problem for problem in found if told in f"{problem.where} {problem.message} {problem.hint}"], found


def test_services_as_the_documentation_has_them_load(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "services.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    release = load(tmp_path, HEAD + "".join(blocks)).release
    assert release.programmatic.dvid is not None
    assert list(release.programmatic.dvid.instances) == ["grayscale", "segmentation"]
    assert release.programmatic.bossdb is not None
    assert release.programmatic.bossdb.channels[0].dtype == "uint8"
