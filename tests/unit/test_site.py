"""Pages from records: every text is safe, every number is the record's. The built site is in tests/e2e/test_site_build.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import markdown
import pytest
from markdown.extensions.toc import TocExtension

from publisher.facts import (
    AnnotationFacts,
    Column,
    Facts,
    FileFacts,
    MeshFacts,
    Scale,
    SkeletonFacts,
    TableFacts,
    VolumeFacts,
)
from publisher.objects import Entry, Finding, Headers, Report
from publisher.page import cite, examples, places, safe
from publisher.page.pages import figures, pages, settings
from publisher.page.view import Book, book
from publisher.record import Access, Described, InventoryRef, Record, SceneRef, Space

BASE = "https://data.example.org/da1"
EM = Space("hemibrain EM", (8.0, 8.0, 8.0), "nm")
PLAIN = Headers("application/octet-stream", None, "no-cache")
GZIP = replace(PLAIN, content_encoding="gzip")


def scale(key: str = "8_8_8", edge: float = 8.0, *, sharded: bool = False) -> Scale:
    return Scale(key, (edge, edge, edge), (34432, 39552, 41408), (16, 0, 0), (64, 64, 64), "raw", sharded)


def described(name: str, section: str, group: str, facts: Facts, **more: object) -> Described:
    given = {
        "title": f"The {name}",
        "description": f"What *{name}* is.",
        "key": f"v0.9/{section}/{name}",
        "space": EM,
        "objects": 3,
        "size_bytes": 123_456_789,
        "content_size_bytes": 123_456_789,
    }
    return Described(name, section, group=group, facts=facts, **(given | more))  # type: ignore[arg-type]


VOLUME = described(
    "segmentation", "volumes", "Image data", VolumeFacts("precomputed", "segmentation", "uint64", 1, (scale(),))
)
N5 = described("em", "volumes", "Image data", VolumeFacts("n5", "image", "uint8", 1, (scale("s0"), scale("s1", 16.0))))
ZARR = described("zarred", "volumes", "Image data", VolumeFacts("zarr3", "image", "uint8", 1, (scale("", 0.0),)))
TABLE = described(
    "bodies",
    "tables",
    "Annotations",
    TableFacts(
        "feather",
        "lz4",
        14_836,
        (
            Column("body", "uint64", 0, "Segment ID of the neuron.", "", "segmentation"),
            Column("cable_length", "double", 77, "Length of the skeleton.", "nm", ""),
            Column("odd|name`", "string", 5),
        ),
    ),
    key="v0.9/tables/bodies.feather",
    objects=1,
)
SKELETONS = described(
    "skeletons",
    "skeletons",
    "Skeletons",
    SkeletonFacts(
        ("swc", "precomputed"),
        5,
        28_431,
        8.0,
        ((8.0, 16.0, 24.0), (275_000.0, 316_000.0, 331_000.0)),
        (100_000.0, 200_000.0, 300_000.0),
        ("722817260", "754534424"),
        "segmentation",
    ),
)
MESHES = described("meshes", "meshes", "Meshes", MeshFacts("legacy", sharded=False, segmentation="segmentation"))
SYNAPSES = described(
    "synapses",
    "annotations",
    "Annotations",
    AnnotationFacts(
        "POINT", {"x": (8e-9, "m"), "y": (8e-9, "m"), "z": (8e-9, "m")}, (0, 0, 0), (10, 20, 30), ("conf",), ("body",), sharded=True
    ),
)
ARCHIVE = described("adjacencies", "files", "Files", FileFacts(tree=False, media_type="application/gzip"), objects=1)
INPUTS = described("inputs", "database", "Database", FileFacts(tree=True), objects=2)
NEO4J = described("neo4j", "database", "Database", FileFacts(tree=True, server="neo4j 4.4.16"), objects=99)
ELSEWHERE = Described(
    "em-clahe",
    "volumes",
    "EM, contrast-adjusted",
    "",
    "Image data",
    "",
    EM,
    external="gs://flyem-male-cns/em/em-clahe-jpeg",
    stated={"format": "neuroglancer precomputed", "dtype": "uint8", "size": "13 TB", "extent": [94088, 78317, 134576], "max_value": 255, "voxel_size": [8, 8, 8], "units": "nm", "rows": None},
)
ELSEWHERE_TABLE = Described(
    "weights",
    "tables",
    "Connection weights",
    "",
    "Connectivity",
    "",
    None,
    external="gs://flyem-male-cns/v0.9/connectome-weights.feather",
    stated={"format": "Arrow Feather", "size": 1_100_000_000, "rows": 150_871_284, "columns": {"body_pre": "Sender.", "weight": "Synapses."}},
)
ALL = (VOLUME, N5, ZARR, TABLE, SKELETONS, MESHES, SYNAPSES, ARCHIVE, INPUTS, NEO4J, ELSEWHERE, ELSEWHERE_TABLE)
SERVICES = {
    "neuprint": {"server": "https://neuprint.janelia.org", "dataset": "hemibrain:v1.2.1", "example": "DA1_lPN"},
    "dvid": {"server": "https://dvid.example.org", "uuid": "a89e"},
    "bossdb": {"server": "https://api.bossdb.io", "collection": "c", "experiment": "e", "channel": None},
    "cave": {"server": "https://cave.example.org", "datastack": "minnie65_public"},
    "flybrains": "JRCFIB2018F",
}


def a_record(*artifacts: Described, **more: object) -> Record:
    dataset = {
        "name": "hemibrain-da1",
        "title": "Hemibrain DA1 projection neurons",
        "description": "Five neurons of the [hemibrain](https://example.org/hemibrain).\n\n- one\n- two",
        "license": "CC-BY-4.0",
        "authors": [{"name": "Ada Lovelace", "orcid": "0000-0002-1825-0097", "affiliation": "Analytical Engines"}],
        "citation": None,
        "doi": "10.7554/eLife.57443",
        "homepage": "https://example.org",
        "contact": "ada@example.org",
        "keywords": ["connectomics", "olfaction"],
        "species": "Drosophila melanogaster",
    }
    given = {
        "release": "v0.9",
        "status": "final",
        "date": "2026-11-21",
        "dataset": dataset,
        "public_url": BASE,
        "access": Access(),
        "artifacts": artifacts or ALL,
        "scenes": (SceneRef("main", "All neurons", "v0.9/hemibrain-da1-v0.9.json"),),
        "programmatic": SERVICES,
        "objects": 4_321,
        "size_bytes": 987_654_321,
        "content_size_bytes": 1_987_654_321,
        "inventory": InventoryRef("v0.9/.release/inventory-1a2b.parquet", "ab" * 32, 55_555, 4_321),
    }
    return Record(**(given | more))  # type: ignore[arg-type]


def some_entries() -> Iterator[Entry]:
    for key, artifact, headers in (
        ("v0.9/database/inputs/Neuprint_Meta.csv", "inputs", PLAIN),
        ("v0.9/database/inputs/Neuprint_Neurons/1.csv", "inputs", PLAIN),
        ("v0.9/files/adjacencies", "adjacencies", PLAIN),
        ("v0.9/meshes/meshes/722817260:0", "meshes", PLAIN),
        ("v0.9/tables/bodies.feather", "bodies", PLAIN),
        ("v0.9/volumes/segmentation/8_8_8/0-64_0-64_0-64", "segmentation", GZIP),
    ):
        yield Entry(key, artifact, 1_234, "cd" * 32, 4_321, f"{len(key):064d}", headers)
