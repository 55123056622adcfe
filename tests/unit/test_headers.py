"""The storage rules, row by row of docs/storage-rules.md, and how bytes, names and rules come together."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import pytest

from publisher.headers import (
    IMMUTABLE,
    MOVING,
    RULES,
    Contradiction,
    Gzip,
    Rule,
    headers,
    keeps_gz,
    rule,
    rule_for_name,
    stored_form,
)
from publisher.objects import Form, Headers, ObjectSpec
from publisher.payload import Payload
from publisher.tree import Tree, specs

BINARY = "application/octet-stream"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
CSV = "text/csv; charset=utf-8"
ARROW = "application/vnd.apache.arrow.file"
PARQUET = "application/vnd.apache.parquet"

# (role, policy, Content-Type, whether readers need ranges): one line a row of the table, written from the table.
BY_ROLE = [
    ("json", "may", JSON, False),
    ("chunk/raw", "should", BINARY, False),
    ("chunk/compressed_segmentation", "should", BINARY, False),
    ("chunk/compresso", "should", BINARY, False),
    ("chunk/jpeg", "never", "image/jpeg", False),
    ("chunk/png", "never", "image/png", False),
    ("chunk/jxl", "never", "image/jxl", False),
    ("chunk/crackle", "may", BINARY, False),
    ("chunk/fpzip", "never", BINARY, False),
    ("chunk/zfpc", "never", BINARY, False),
    ("chunk/kempressed", "never", BINARY, False),
    ("shard", "never", BINARY, True),
    ("mesh/fragment", "should", BINARY, False),
    ("mesh/manifest", "may", JSON, False),
    ("mesh/index", "may", BINARY, False),
    ("mesh/multiresolution", "never", BINARY, True),
    ("skeleton", "should", BINARY, False),
    ("annotation", "should", BINARY, False),
    ("array/chunk", "inside", BINARY, False),
    ("array/shard", "inside", BINARY, True),
    ("table/feather", "never", ARROW, True),
    ("table/parquet", "never", PARQUET, True),
    ("table/csv", "may", CSV, False),
    ("swc", "may", TEXT, False),
    ("licence", "may", TEXT, False),
    ("example", "never", TEXT, False),
    ("opaque", "inside", BINARY, True),
    ("scene", "never", JSON, False),
]
BY_NAME = [
    ("edges.csv.gz", "inside", "application/gzip", True),
    ("meshes.tar.gz", "inside", "application/gzip", True),
    ("meshes.tgz", "inside", "application/gzip", True),
    ("template.nii.gz", "inside", "application/gzip", True),
    ("EDGES.CSV.GZ", "inside", "application/gzip", True),
    ("a.zip", "inside", "application/zip", True),
    ("a.tar", "inside", "application/x-tar", True),
    ("neo4j.dump", "inside", BINARY, True),
    ("neostore.nodestore.db", "inside", BINARY, True),
    ("body.feather", "never", ARROW, True),
    ("body.arrow", "never", ARROW, True),
    ("body.parquet", "never", PARQUET, True),
    ("body.csv", "may", CSV, False),
    ("body.tsv", "may", "text/tab-separated-values; charset=utf-8", False),
    ("722817260.swc", "may", TEXT, False),
    ("scene.json", "may", JSON, False),
    ("README.md", "may", "text/markdown; charset=utf-8", False),
    ("page.html", "never", "text/html; charset=utf-8", False),
    ("client.wasm", "never", "application/wasm", False),
    ("picture.PNG", "never", "image/png", False),
    ("no-extension", "inside", BINARY, True),
]


@pytest.mark.parametrize(("role", "policy", "content_type", "ranged"), BY_ROLE)
def test_each_role_has_the_row_of_the_table(role: str, policy: str, content_type: str, ranged: bool) -> None:  # noqa: FBT001
    found = rule(role)
    assert (found.gzip, found.content_type, found.ranged) == (policy, content_type, ranged)


@pytest.mark.parametrize(("name", "policy", "content_type", "ranged"), BY_NAME)
def test_a_file_that_no_format_claims_is_known_by_its_name(
    name: str,
    policy: str,
    content_type: str,
    ranged: bool,  # noqa: FBT001
) -> None:
    found = rule_for_name(name)
    assert (found.gzip, found.content_type, found.ranged) == (policy, content_type, ranged)


def test_every_rule_is_tried_and_an_unknown_role_is_refused() -> None:
    tried = {rule(role).roles for role, *_ in BY_ROLE}
    assert tried == {row.roles for row in RULES}
    with pytest.raises(LookupError, match="mesh/unheard-of"):
        rule("mesh/unheard-of")


def test_only_final_releases_may_be_cached() -> None:
    row = rule("chunk/raw")
    assert headers(row, encoded=True, final=True) == Headers(BINARY, "gzip", f"{IMMUTABLE}, no-transform")
    assert headers(row, encoded=True, final=False) == Headers(BINARY, "gzip", f"{MOVING}, no-transform")
    assert headers(row, encoded=False, final=False) == Headers(BINARY, None, MOVING)
    assert "immutable" in IMMUTABLE
    assert "immutable" not in MOVING


KEPT = ["edges.csv.gz", "a.tar.gz", "brain.nii.gz", "x.SWC.gz", "a.b.json.gz", "v1.2.txt.gz", "x.feather.gz"]
ENCODED = [
    "0-64_0-64_0-64.gz",
    "info.gz",
    "provenance.gz",
    "722817260.gz",
    "722817260:0.gz",
    "722817260:0:0-512_0-512_0-512.gz",
    "722817260.index.gz",  # cloud-files writes the manifest of a multi-resolution mesh so
    "by_id.7.gz",
    ".gz",
]


@pytest.mark.parametrize("name", KEPT)
def test_gz_after_another_extension_is_part_of_the_name(name: str) -> None:
    assert keeps_gz(name)
    assert not keeps_gz(name[:-3])


@pytest.mark.parametrize("name", ENCODED)
def test_gz_alone_says_how_an_object_is_stored(name: str) -> None:
    assert not keeps_gz(name)


# What becomes of (policy, file named .gz, bytes are gzip): a form and an encoding, or the words of a refusal.
TRUTH: dict[tuple[str, bool, bool], tuple[Form, bool] | str] = {
    ("should", False, False): (Form.GZIP, True),
    ("should", False, True): (Form.AS_IS, True),
    ("should", True, False): "its bytes are not gzip",
    ("should", True, True): (Form.AS_IS, True),
    ("may", False, False): (Form.AS_IS, False),
    ("may", False, True): (Form.AS_IS, True),
    ("may", True, False): "its bytes are not gzip",
    ("may", True, True): (Form.AS_IS, True),
    ("never", False, False): (Form.AS_IS, False),
    ("never", False, True): "must not be",
    ("never", True, False): "its bytes are not gzip",
    ("never", True, True): "must not be",
    ("inside", False, False): (Form.AS_IS, False),
    ("inside", False, True): (Form.AS_IS, False),
    ("inside", True, False): "its bytes are not gzip",
    ("inside", True, True): "must not carry Content-Encoding",
}


def test_the_truth_table_is_whole() -> None:
    assert set(TRUTH) == set(itertools.product([policy.value for policy in Gzip], (False, True), (False, True)))


@pytest.mark.parametrize(("given", "wanted"), TRUTH.items(), ids=str)
def test_bytes_names_and_rules_come_together(given: tuple[str, bool, bool], wanted: tuple[Form, bool] | str) -> None:
    policy, gz_name, gzip_bytes = given
    row = Rule("some/role", Gzip(policy), BINARY)
    if isinstance(wanted, str):
        with pytest.raises(Contradiction, match=wanted):
            stored_form(row, gz_name=gz_name, gzip_bytes=gzip_bytes)
    else:
        assert stored_form(row, gz_name=gz_name, gzip_bytes=gzip_bytes) == wanted


def only(folder: Path, role: str, data: bytes, name: str = "0-64") -> ObjectSpec:
    (folder / name).write_bytes(data)
    (found,) = specs(Tree("a", "v1/a", folder, role=lambda _: role, encoded_names=True), final=True)
    assert isinstance(found, ObjectSpec), found
    return found


IMPOSTOR = b"\x1f\x8b\x08" + bytes(range(256)) * 8  # a raw chunk whose first voxels happen to look like gzip


@pytest.mark.parametrize("data", [IMPOSTOR, IMPOSTOR[:3], gzip.compress(b"x" * 999)[:-1]], ids=["raw", "3", "cut"])
def test_a_chunk_that_only_begins_like_gzip_is_compressed(tmp_path: Path, data: bytes) -> None:
    spec = only(tmp_path, "chunk/raw", data)
    assert (spec.form, spec.headers.content_encoding) == (Form.GZIP, "gzip")
    assert gzip.decompress(b"".join(Payload(spec))) == data


def test_a_chunk_that_is_gzip_passes_as_it_is(tmp_path: Path) -> None:
    data = gzip.compress(IMPOSTOR)
    spec = only(tmp_path, "chunk/raw", data)
    assert (spec.form, spec.headers.content_encoding) == (Form.AS_IS, "gzip")
    assert b"".join(Payload(spec)) == data


def test_the_manifest_of_a_compressed_mesh_keeps_its_own_name(tmp_path: Path) -> None:
    spec = only(tmp_path, "mesh/index", gzip.compress(b"manifest"), "722817260.index.gz")
    assert (spec.key, spec.headers.content_encoding) == ("v1/a/722817260.index", "gzip")
