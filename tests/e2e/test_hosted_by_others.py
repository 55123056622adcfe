"""Releases that others host, described here: everything that the pages of their owners tell is on ours.

The lists are the facts of the owners' pages, written out, so that nothing is lost unnoticed: the hemibrain as FlyEM announced
it at dvid.io, and a dataset of NeuroData's BOSS with what NeuroData's page says of every one. The male CNS has a module of
its own. What is compared, and what ours adds, is told in docs/field-comparison.md.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import operator
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from publisher import manifest
from tests.described import ROOT, Made, build, leads_to, missing, section

EXAMPLES = ROOT / "releases" / "examples"
HEMIBRAIN = "gs://neuroglancer-janelia-flyem-hemibrain"


@dataclass(frozen=True)
class Told:
    """What an owner's page tells: where it leads, the words and numbers in it, and what it says of each artifact."""

    manifest: Path
    addresses: tuple[str, ...]
    words: tuple[str, ...]
    facts: Mapping[str, tuple[str, ...]]
    faults: tuple[str, ...]  # what is wrong there, and must not be repeated


TOLD = {
    "hemibrain": Told(
        EXAMPLES / "hemibrain" / "v1.0.yaml",
        addresses=(
            "https://www.janelia.org/project-team/flyem/hemibrain",
            "https://www.janelia.org/project-team/flyem/blog/data-management-in-connectomics",
            "https://www.biorxiv.org/content/10.1101/2020.01.21.911859v1",
            "https://www.biorxiv.org/content/10.1101/2020.01.16.909465v1",
            "https://janelia-flyem.gitbook.io/neutu",
            "https://janelia-flyem.gitbook.io/neutu/get-started/eager-to-try-something-cool",
            "https://github.com/google/neuroglancer",
            "https://neuprint.janelia.org",
            "https://storage.googleapis.com/hemibrain/v1.0/conn_summary.tgz",
            "https://storage.googleapis.com/hemibrain-release/neuprint/hemibrain_v1.0_neo4j_inputs.zip",
            "https://storage.googleapis.com/hemibrain-release/skeletons.tar.gz",
            f"https://hemibrain-dot-neuroglancer-demo.appspot.com/#!{HEMIBRAIN}/v1.0/neuroglancer_demo_states/base.json",
            "https://github.com/google/neuroglancer/tree/master/src/datasource/precomputed",
            "https://github.com/seung-lab/cloud-volume",
            "https://cloud.google.com/storage/docs/gsutil",
            "https://google.github.io/tensorstore/python/tutorial.html#reading-the-janelia-flyem-hemibrain-dataset",
            "https://dvid.io/docs/hemibrain",
            "https://www.janelia.org/people/william-katz",
            f"{HEMIBRAIN}/emdata/raw/jpeg",
            f"{HEMIBRAIN}/emdata/clahe_yz/jpeg",
            f"{HEMIBRAIN}/v1.0/segmentation",
            f"{HEMIBRAIN}/v1.0/rois",
            f"{HEMIBRAIN}/mask_normalized_round6",
            f"{HEMIBRAIN}/mito_20190717.27250582",
            f"{HEMIBRAIN}/v1.0/synapses",
        ),
        words=(
            *("34,431 x 39,743 x 41,407", "two terabytes", "26 TB", "25 MB", "21,663", "50 people"),
            *("supervoxels", "mushroom body", "meshes", "skeletons", "counts for each body", "cells and labels"),
            *("who proofread what", "bookmarks", "mitochondria", "files under version"),
            *("neuPrint", "NeuTu", "Neuroglancer", "TensorStore", "cloud-volume", "DVID", "gsutil", "gsutil -m cp -r"),
            *("split, merge and annotate", "with a copy of one", "go on"),
            *("JPEG", "CLAHE", "precomputed", "CSV"),
        ),
        facts={
            "em-raw": ("8 x 8 x 8 nm", "jpeg", "coarser", "34,431 x 39,743 x 41,407 voxels"),
            "em-clahe": ("8 x 8 x 8 nm", "jpeg", "CLAHE", "y-z"),
            "segmentation": ("8 x 8 x 8 nm", "compressed_segmentation", "coarser"),
            "rois": ("16 x 16 x 16 nm", "compressed_segmentation", "coarser"),
            "tissue": ("16 x 16 x 16 nm", "compressed_segmentation", "coarser"),
            "mitochondria": ("16 x 16 x 16 nm", "compressed_segmentation", "coarser"),
            "synapses": ("neuroglancer precomputed annotations", "presynaptic", "postsynaptic", "in space"),
            "adjacency-summary": ("25 MB", "brain region of each connection"),
            "skeletons": ("21,663", "traced-neurons.csv", "instance", "type", "body ID"),
            "neuprint-inputs": ("CSV", "not the volumes, and not the skeletons"),
            "dvid-grayscale": ("JPEG", "small", "type by type", "synapses, regions, segmentation"),
            "dvid-segmentation": ("replica", "databases"),
        },
        faults=("storage.cloud.google.com", "drop us a note", "src/neuroglancer/datasource"),
    ),
    "neurodata": Told(
        EXAMPLES / "neurodata" / "kharris15-apical.yaml",
        addresses=(
            "https://neurodata.io/data",
            "https://api.boss.neurodata.io",
            "https://github.com/jhuapl-boss/",
            "https://docs.theboss.io/v1/docs",
            "https://ndwebtools.neurodata.io",
            "https://viz.neurodata.io",
            "https://github.com/neurodata/ndex",
            "https://github.com/jhuapl-boss/intern",
            "https://neurodata.io/help/visualization/",
            "https://neurodata.io/help/download/",
            "s3://open-neurodata/kharris15/apical/em",
            "s3://open-neurodata/kharris15/apical/anno",
        ),
        words=(
            *(
                "collection",
                "experiment",
                "channel",
                "laboratory",
                "who recorded the data",
                "one extent and one voxel size",
            ),
            *("8 or 16 bits", "labels of 64", "free account", "token", "every way in asks for it"),
            *(
                "TIFF",
                "1 GB",
                "use a program",
                "ndwebtools",
                "intern",
                "ndex",
                "command line or Python",
                "look before downloading",
            ),
            *("public", "JHU-APL", "S3", "precomputed", "kharris15", "apical"),
        ),
        facts={
            "em": ("uint8", "2 x 2 x 50 nm", "8,192 x 8,192 x 194 voxels", "neuroglancer precomputed"),
            "annotations": ("2 x 2 x 50 nm", "Axons, dendrites, glia and synapses"),
        },
        faults=("url(", "coming soon", "hidden_sidebar"),
    ),
}


@pytest.fixture(scope="module", params=TOLD)
def told(request: pytest.FixtureRequest) -> Told:
    return TOLD[request.param]


@pytest.fixture(scope="module")
def made(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return build(told.manifest, tmp_path_factory.mktemp("hosted"))


def test_every_address_of_theirs_is_on_ours(told: Told, made: Made) -> None:
    assert [each for each in told.addresses if not leads_to(each, made.links, made.words)] == []


def test_every_word_and_number_of_theirs_is_on_ours(told: Told, made: Made) -> None:
    assert missing(told.words, made.words) == []


def test_every_artifact_has_its_facts(told: Told, made: Made) -> None:
    release = manifest.load(told.manifest).release
    assert {artifact.name for artifact in release.artifacts} == set(told.facts)
    lacking = {name: missing(facts, section(made, name)) for name, facts in told.facts.items()}
    assert {name: facts for name, facts in lacking.items() if facts} == {}


def test_their_faults_are_not_on_ours(told: Told, made: Made) -> None:
    texts = [made.words, *made.links]
    assert [fault for fault in told.faults for text in texts if fault in text] == []
    assert "coming soon" not in made.words.lower()


def test_nothing_was_uploaded_and_nobody_asked(made: Made) -> None:
    assert not made.tried.exists(), made.tried.read_text(encoding="utf-8")
    assert made.answer["pages"] >= 1


def test_what_their_owners_say_is_called_stated(told: Told, made: Made) -> None:
    assert all("stated" in section(made, name).lower() for name in told.facts)


def test_the_lists_would_notice_what_is_lost(told: Told, made: Made) -> None:
    assert missing(("nowhere to be found",), made.words) == ["nowhere to be found"]
    assert not leads_to("https://example.org/not-there", made.links, made.words)
    name, facts = next(iter(told.facts.items()))
    assert missing(facts, "") == list(facts), name


def test_examples_are_what_they_say(made: Made) -> None:
    """Python is Python; a shell reads the commands; and what is called has the arguments that it is called with."""
    python = [code for page in made.pages for code in page.code if re.search(r"^(import|from) ", code, re.MULTILINE)]
    shell = [
        code
        for page in made.pages
        for code in page.code
        if re.search(r"^(curl|aws|gcloud|ndpull|pip) ", code, re.MULTILINE)
    ]
    assert python
    assert shell
    for code in python:
        ast.parse(code)
    for code in shell:
        assert subprocess.run(["bash", "-n"], input=code, text=True, capture_output=True, check=False).stderr == ""


@pytest.mark.parametrize(
    ("call", "given"),
    [
        ("intern.remote.boss:BossRemote.get_channel", ("self", "chan_name", "coll_name", "exp_name")),
        (
            "intern.remote.boss:BossRemote.get_cutout",
            ("self", "resource", "resolution", "x_range", "y_range", "z_range"),
        ),
        ("neuprint:Client.__init__", ("self", "server", "dataset", "token")),
        ("neuprint:fetch_custom", ("cypher",)),
    ],
)
def test_clients_take_what_the_examples_give(call: str, given: tuple[str, ...]) -> None:
    module, _, name = call.partition(":")
    found = operator.attrgetter(name)(importlib.import_module(module))
    assert tuple(inspect.signature(found).parameters)[: len(given)] == given
