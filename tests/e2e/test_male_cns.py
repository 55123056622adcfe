"""The male CNS, v0.9: a whole release that others host already becomes a page and a scene, with no target and no network.

The lists are what the project's own download page names; they are written out, so that nothing is lost unnoticed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "releases" / "male-cns-v0.9.yaml"

TABLES = "https://storage.googleapis.com/flyem-male-cns/v0.9/connectome-data/flat-connectome"
SKELETONS = "gs://flyem-male-cns/v0.9/segmentation"

ADDRESSES = (
    "gs://flyem-male-cns/v0.9/connectome-data/flat-connectome",
    "gs://flyem_cns_z0720_07m_dvidcoords_n5",
    "gs://flyem-male-cns/em/em-clahe-jpeg",
    "gs://flyem-male-cns/v0.9/segmentation",
    "gs://flyem-male-cns/v0.9/malecns-v0.9-nuclei-seg-16nm",
    "gs://flyem-male-cns/rois/fullbrain-roi-v4",
    "gs://flyem-male-cns/rois/malecns-vnc-neuropil-roi-v0",
    f"{TABLES}/body-annotations-male-cns-v0.9-minconf-0.5.feather",
    f"{TABLES}/body-neurotransmitters-male-cns-v0.9.feather",
    f"{TABLES}/body-stats-male-cns-v0.9-minconf-0.5.feather",
    f"{TABLES}/connectome-weights-male-cns-v0.9-minconf-0.5.feather",
    f"{TABLES}/syn-points-male-cns-v0.9-minconf-0.5.feather",
    f"{TABLES}/syn-partners-male-cns-v0.9-minconf-0.5.feather",
    f"{TABLES}/tbar-neurotransmitters-male-cns-v0.9.feather",
    f"{SKELETONS}/skeletons-malecns/skeletons-swc",
    f"{SKELETONS}/skeletons-malecns/skeletons-precomputed",
    f"{SKELETONS}/skeletons-malecns-mirrored/skeletons-swc",
    f"{SKELETONS}/skeletons-malecns-mirrored/skeletons-precomputed",
    f"{SKELETONS}/skeletons-unisex-template",
    "gs://flyem-male-cns/v0.9/database/neo4j",
    "gs://flyem-male-cns/v0.9/database/neuprint-inputs",
    "https://neuprint.janelia.org",
    "https://neuroglancer-demo.appspot.com/#!gs://flyem-male-cns/v0.9/male-cns-v0.9.json",
    "https://neuroglancer-demo.appspot.com/#!gs://flyem-user-links/short/male-cns-aligned-em-uncompressed-n5.json",
)
GUIDES = (
    "https://github.com/connectome-neuprint/neuprint-python",
    "https://connectome-neuprint.github.io/neuprint-python/docs/quickstart.html#client-and-authorization-token",
    "https://github.com/navis-org/navis",
    "https://navis-org.github.io/navis/generated/gallery/4_remote/tutorial_remote_00_neuprint/",
    "https://github.com/navis-org/navis-flybrains",
    "https://navis-org.github.io/navis/generated/gallery/6_misc/tutorial_misc_01_transforms/",
    "https://github.com/natverse/neuprintr",
    "https://natverse.org/neuprintr/",
    "https://github.com/google/neuroglancer/tree/master/src/datasource/precomputed",
    "https://google.github.io/tensorstore/index.html",
    "https://github.com/seung-lab/cloud-volume",
    "https://github.com/saalfeldlab/n5",
    "https://arrow.apache.org/docs/python/feather.html",
    "https://arrow.apache.org/docs/python/index.html",
    "https://pandas.pydata.org",
    "https://arrow.apache.org/docs/r/",
    "https://pmc.ncbi.nlm.nih.gov/articles/PMC10654402",
    "https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/skeletons.md",
    "https://github.com/janelia-flyem/flyem-snapshot/",
    "https://creativecommons.org/licenses/by/4.0/",
)
TOOLS = (
    "neuPrint",
    "neuprint-python",
    "neuprintr",
    "navis",
    "flybrains",
    "neuroglancer",
    "TensorStore",
    "cloud-volume",
    "pyarrow",
    "pandas",
    "arrow",
    "flyem-snapshot",
    "neo4j",
)
SIZES = ("13 MB", "42 MB", "780 MB", "1.1 GB", "12.7 GB", "6.8 GB", "2.7 GB")
COLUMNS = (
    "x_pre",
    "y_pre",
    "z_pre",
    "body_pre",
    "conf_pre",
    "x_post",
    "y_post",
    "z_post",
    "body_post",
    "conf_post",
    "primary_post",
    "kind",
    "x",
    "y",
    "z",
)
WORDS = (
    "Image data",
    "Annotations",
    "Connectivity",
    "Skeletons",
    "Database",
    "male-cns:v0.9",
    "DNge104",
    "CLAHE",
    "JPEG",
    "proofread",
    "N5",
    "precomputed",
    "Feather",
    "SWC",
    "CSV",
    "4.4.16",
    "12781.swc",
    "not sharded",
    "Mirrored",
    "JRC2018M",
    "JRC2018 unisex",
    "VNC",
    "glia",
    "manuscript",
    "PreSyn",
    "PostSyn",
    "32 bits",
    "CC-BY-4.0",
)
# What the page says of each artifact beside its name, title and address.
FACTS = {
    "em-raw": ("N5", "uint8", "8 x 8 x 8 nm"),
    "em-clahe": ("precomputed", "uint8", "8 x 8 x 8 nm", "Encoding jpeg"),
    "segmentation": ("precomputed", "uint64", "8 x 8 x 8 nm", "32 bits"),
    "nuclei": ("precomputed", "uint64", "16 x 16 x 16 nm"),
    "brain-rois": ("precomputed", "uint64", "256 x 256 x 256 nm", "Greatest value 96"),
    "vnc-rois": ("precomputed", "uint64", "256 x 256 x 256 nm", "Greatest value 27"),
    "body-annotations": ("Feather", "13 MB", "bodyId"),
    "body-neurotransmitters": ("Feather", "42 MB", "consensus_nt"),
    "body-stats": ("Feather", "780 MB", "downstream"),
    "connectome-weights": ("Feather", "1.1 GB", "weight"),
    "syn-points": ("Feather", "12.7 GB", "Units 8 nm", *COLUMNS[-4:]),
    "syn-partners": ("Feather", "6.8 GB", "Units 8 nm", *COLUMNS[:-4]),
    "tbar-neurotransmitters": ("Feather", "2.7 GB", "nt_acetylcholine_prob"),
    "skeletons-swc": ("SWC", "Units 8 nm", "Space male CNS EM:"),
    "skeletons-precomputed": ("precomputed", "Units 1 nm", "Space male CNS EM:"),
    "skeletons-mirrored-swc": ("SWC", "Units 8 nm", "Space male CNS EM, mirrored:"),
    "skeletons-mirrored-precomputed": ("precomputed", "Units 1 nm", "Space male CNS EM, mirrored:"),
    "skeletons-unisex-template": ("SWC", "Units 1 um", "Space JRC2018 unisex template:"),
    "neo4j": ("Server neo4j 4.4.16",),
    "neuprint-inputs": ("CSV",),
}
FAULTS = ("api_token", "gs//", "storage.cloud.google.com", "](", "{ width")

NO_NETWORK = '''
"""Refuse every connection and name look-up that would leave this machine, and remember that it was tried."""
import os
import socket

LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "", None}


def refuse(what):
    with open(os.environ["TRIED"], "a", encoding="utf-8") as file:
        file.write(f"{what}\\n")
    raise OSError(f"no network here: {what}")


def guarded(method):
    def connect(self, address):
        if self.family != socket.AF_UNIX and address[0] not in LOCAL:
            refuse(address)
        return method(self, address)
    return connect


def look_up(host, *rest, **more):
    if (host.decode() if isinstance(host, bytes) else host) not in LOCAL:
        refuse(host)
    return getaddrinfo(host, *rest, **more)


getaddrinfo, socket.getaddrinfo = socket.getaddrinfo, look_up
socket.socket.connect = guarded(socket.socket.connect)
socket.socket.connect_ex = guarded(socket.socket.connect_ex)
'''


@dataclass
class Page(HTMLParser):
    """What a reader gets from a page: its words, where it leads, its code, and the words of each section that has an id."""

    path: Path
    words: str = ""
    links: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self._unseen = 0
        self._heading = ""
        self._in_code = 0
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [value for name in ("href", "src") if (value := given.get(name))]
        if tag in {"script", "style", "title"}:
            self._unseen += 1
        elif re.fullmatch(r"h[1-6]", tag) and given.get("id"):
            self._heading = given["id"] or ""
        elif tag == "pre":
            self._in_code += 1
            self.code.append("")
        elif tag not in {"a", "b", "code", "em", "i", "span", "strong", "wbr"}:
            self._add(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style", "title"}:
            self._unseen -= 1
        elif tag == "pre":
            self._in_code -= 1

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._add(data.replace("\N{MULTIPLICATION SIGN}", "x"))

    def _add(self, data: str) -> None:
        self.words += data
        if self._in_code:
            self.code[-1] += data
        self.sections[self._heading] = self.sections.get(self._heading, "") + data


@dataclass(frozen=True)
class Made:
    """The built site, and how it came to be."""

    folder: Path
    out: Path
    tried: Path
    answer: dict[str, Any]
    pages: tuple[Page, ...]

    @property
    def words(self) -> str:
        return " ".join(" ".join(page.words for page in self.pages).split())

    @property
    def links(self) -> set[str]:
        return {link for page in self.pages for link in page.links}


def _environment(folder: Path) -> dict[str, str]:
    """No credentials, no proxies, no home, no network."""
    block = folder / "no-network"
    block.mkdir()
    (block / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
    hidden = re.compile(r"(?i)AWS_.*|.*_PROXY|GOOGLE_.*|GCLOUD_.*|CLOUDSDK_.*|STORAGE_EMULATOR_HOST|BOTO.*|S3_.*")
    kept = {name: value for name, value in os.environ.items() if not hidden.fullmatch(name)}
    return kept | {
        "PYTHONPATH": f"{block}{os.pathsep}{ROOT}",
        "TRIED": str(folder / "tried"),
        "HOME": str(folder / "home"),
        "COLUMNS": "200",
    }


def _publisher(folder: Path, environment: dict[str, str], *words: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "publisher.cli", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    answer = json.loads(run.stdout)
    assert isinstance(answer, dict)
    return answer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("male-cns")
    work = folder / "work"
    work.mkdir()
    shutil.copy(MANIFEST, work)  # its work folder lies beside it, and a checkout stays clean
    out = work / "out"
    answer = _publisher(work, _environment(folder), "site", MANIFEST.name, "--out", str(out), "--json")
    pages = tuple(Page(path) for path in sorted(out.rglob("*.html")))
    return Made(work, out, folder / "tried", answer, pages)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("male-cns-scenes")
    shutil.copy(MANIFEST, folder)
    found = _publisher(folder, _environment(folder), "scene", MANIFEST.name, "--json")["scenes"]
    assert not (folder / "tried").exists()
    assert isinstance(found, list)
    return found


def _missing(wanted: tuple[str, ...], words: str) -> list[str]:
    """Return what is not there as a word of its own."""
    return [each for each in wanted if not re.search(rf"(?<![\w.]){re.escape(each)}(?!\w)", words)]


def _leads_to(address: str, links: set[str], words: str) -> bool:
    """Whether the page shows this very address, or leads there; a slash at its end makes no difference."""
    bare = address.rstrip("/")
    shown = re.search(rf"(?<![\w:/.-]){re.escape(bare)}/?(?![\w/#-])", words)
    return bool(shown) or bool({bare, f"{bare}/"} & links)


def _section(made: Made, name: str) -> str:
    """Return the words of an artifact's section."""
    found = [page.sections[f"data-{name}"] for page in made.pages if f"data-{name}" in page.sections]
    assert len(found) == 1, f"{len(found)} sections are about {name}"
    return " ".join(found[0].split())


def test_every_address_is_on_the_page(made: Made) -> None:
    assert len(set(ADDRESSES)) == 24
    assert [each for each in ADDRESSES if not _leads_to(each, made.links, made.words)] == []


def test_every_guide_is_linked(made: Made) -> None:
    assert len(set(GUIDES)) == 20
    assert [each for each in GUIDES if not {each.rstrip("/"), each.rstrip("/") + "/"} & made.links] == []


@pytest.mark.parametrize(
    ("wanted", "count"),
    [(TOOLS, 13), (SIZES, 7), (COLUMNS, 15), (WORDS, 28)],
    ids=["tools", "sizes", "columns", "words"],
)
def test_every_name_and_number_is_on_the_page(made: Made, wanted: tuple[str, ...], count: int) -> None:
    assert len(set(wanted)) == count
    assert _missing(wanted, made.words) == []


def test_every_artifact_has_its_own_facts(made: Made) -> None:
    release = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    artifacts = [artifact for kind in ("volumes", "tables", "skeletons") for artifact in release[kind]]
    artifacts += [{"name": role} | artifact for role, artifact in release["database"].items()]
    assert {artifact["name"] for artifact in artifacts} == set(FACTS)
    assert len(FACTS) == 20
    assert sum(len(facts) for facts in FACTS.values()) == 75
    missing = {
        artifact["name"]: _missing(
            (artifact["title"], artifact["external"].rstrip("/"), *FACTS[artifact["name"]]),
            _section(made, artifact["name"]),
        )
        for artifact in artifacts
    }
    assert {name: facts for name, facts in missing.items() if facts} == {}


def test_every_table_has_all_its_columns_with_their_words(made: Made) -> None:
    release = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    columns = {
        (table["name"], name): words
        for table in release["tables"]
        for name, words in table["stated"]["columns"].items()
    }
    assert len(release["tables"]) == 7
    missing = [
        (table, name)
        for (table, name), words in columns.items()
        if not re.search(rf"(?<!\w){re.escape(f'{name} {words}')}", _section(made, table))
    ]
    assert missing == []


def test_what_the_owner_says_is_called_stated(made: Made) -> None:
    assert all("stated" in _section(made, name).lower() for name in FACTS)


def test_none_of_the_faults_is_on_the_page(made: Made) -> None:
    texts = [page.words for page in made.pages] + sorted(made.links)
    assert [(fault, text[:80]) for fault in FAULTS for text in texts if _missing((fault,), text) == []] == []
    assert [text for text in texts if re.search(r"\bgs:(?!//)|\bgs/|https?:/[^/]", text)] == []
    clients = re.findall(r"\bClient\(([^)]*)\)", " ".join(block for page in made.pages for block in page.code))
    assert clients
    assert [given for given in clients if "token=" not in given or "dataset=" not in given] == []


def test_nothing_is_uploaded_and_nobody_is_asked(made: Made) -> None:
    assert not made.tried.exists(), made.tried.read_text(encoding="utf-8")
    assert made.answer["out"] == str(made.out)
    assert made.answer["pages"] >= 1
    beside = {path.name for path in made.folder.iterdir()}
    assert beside <= {MANIFEST.name, "out", ".publisher"}
    every = [path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*")]
    assert [
        path for path in every if ".release" in path.split("/") or path.endswith(("release.json", "inventory"))
    ] == []


def test_the_rig_would_notice_a_connection(tmp_path: Path) -> None:
    environment = _environment(tmp_path)
    for attempt in (
        "socket.create_connection(('192.0.2.1', 80), 1)",
        "socket.create_connection(('example.org', 80), 1)",
    ):
        code = f"import socket\n{attempt}"
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
        assert "no network here" in run.stderr
    assert len((tmp_path / "tried").read_text(encoding="utf-8").splitlines()) == 2


def _sources(layer: dict[str, Any]) -> list[str]:
    source = layer["source"]
    each = source if isinstance(source, list) else [source]
    return [one["url"] if isinstance(one, dict) else one for one in each]


def _plain(source: str) -> str:
    """Return the format and the address, whichever way the viewer is told: format://address or address|format:."""
    address, pipe, format_ = source.partition("|")
    if pipe:
        return f"{format_.rstrip(':').removeprefix('neuroglancer-')}://{address.rstrip('/')}"
    return source.rstrip("/")


def test_the_scene_reads_every_layer_where_it_lies(scenes: list[dict[str, Any]]) -> None:
    assert [scene["name"] for scene in scenes] == ["main", "raw-em"]
    state = scenes[0]["state"]
    layers = {
        layer["name"]: (layer["type"], [_plain(source) for source in _sources(layer)]) for layer in state["layers"]
    }
    assert layers == {
        "em-clahe": ("image", ["precomputed://gs://flyem-male-cns/em/em-clahe-jpeg"]),
        "segmentation": ("segmentation", ["precomputed://gs://flyem-male-cns/v0.9/segmentation"]),
        "skeletons": ("segmentation", [f"precomputed://{SKELETONS}/skeletons-malecns/skeletons-precomputed"]),
        "nuclei": ("segmentation", ["precomputed://gs://flyem-male-cns/v0.9/malecns-v0.9-nuclei-seg-16nm"]),
        "brain-rois": ("segmentation", ["precomputed://gs://flyem-male-cns/rois/fullbrain-roi-v4"]),
        "vnc-rois": ("segmentation", ["precomputed://gs://flyem-male-cns/rois/malecns-vnc-neuropil-roi-v0"]),
    }
    assert state["dimensions"] == {axis: [8e-9, "m"] for axis in "xyz"}
    neurons = next(layer for layer in state["layers"] if layer["name"] == "segmentation")
    assert neurons["segments"] == ["12781", "556329"]


def test_the_raw_em_is_read_as_n5(scenes: list[dict[str, Any]]) -> None:
    (layer,) = scenes[1]["state"]["layers"]
    assert layer["type"] == "image"
    assert [_plain(source) for source in _sources(layer)] == ["n5://gs://flyem_cns_z0720_07m_dvidcoords_n5"]


def test_a_scene_has_a_link_that_carries_it_whole(scenes: list[dict[str, Any]]) -> None:
    for scene in scenes:
        assert scene["link"].startswith("https://neuroglancer-demo.appspot.com/#!")
        assert re.fullmatch(r"[\w.:/#!%~-]+", scene["link"])
        assert not scene["url"]  # nothing was published, so there is no short form
