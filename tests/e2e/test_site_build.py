"""The site of a real release, built by MkDocs and read back; its examples are run against the release over HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pyarrow import feather, parquet

from publisher import inventory, pipeline, site
from publisher.errors import InvalidInput
from publisher.objects import Report
from publisher.page import examples, places
from publisher.page.view import Book, book
from publisher.record import Described, Record
from publisher.resources import folder
from publisher.serve import running
from publisher.site import Built

DATE = 1_795_219_200  # 2026-11-21
SIZE = (96, 80, 70)
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "version": "v1",
    "date": "2026-11-21",
    "status": "final",
    "dataset": {
        "name": "tiny",
        "title": 'A tiny <b>dataset</b> & "more" \\ {{ x }}',
        "description": "Made for tests, with *Markdown* and 1 < 2.",
        "license": "CC-BY-4.0",
        "authors": [{"name": "Ada Lovelace", "orcid": "0000-0002-1825-0097"}],
    },
    "space": {"name": "test space", "voxel_size": [8, 8, 8], "units": "nm"},
    "volumes": [
        {"name": "segmentation", "title": "Labels", "source": "labels", "segment_properties": "bodies"},
        {"name": "em-n5", "title": "Image, N5", "source": "n5"},
        {"name": "em-zarr", "title": "Image, zarr", "source": "zarr3"},
        {
            "name": "elsewhere",
            "title": "Hosted by others",
            "external": "gs://flyem-male-cns/em/em-clahe-jpeg",
            "stated": {"dtype": "uint8", "size": "13 TB"},
        },
    ],
    "tables": [
        {
            "name": "bodies",
            "title": "Bodies",
            "source": "bodies.csv",
            "columns": {"body": "Segment | id.", "type": "`PN` or other."},
            "references": {"body": "segmentation"},
        },
        {"name": "points", "source": "points.parquet", "format": "parquet", "group": "Connectivity"},
        {"name": "raw", "source": "bodies.csv", "format": "source"},
    ],
    "skeletons": [{"name": "skeletons", "source": "swc", "units": "8 nm", "segmentation": "segmentation"}],
    "meshes": [{"name": "meshes", "source": "meshes", "segmentation": "segmentation"}],
    "annotations": [{"name": "synapses", "source": "synapses"}],
    "database": {"inputs": {"source": "neuprint"}},
    "files": [{"name": "notes", "source": "notes.txt", "key": "{version}/files/notes.txt"}],
    "scenes": [{"name": "main", "title": "Everything", "layers": [{"artifact": "segmentation"}]}],
    "programmatic": {"neuprint": {"server": "https://neuprint.janelia.org", "dataset": "tiny:v1", "example": "PN"}},
}


def make_inputs(at: Path) -> None:
    """Write one small input of each kind."""
    import neuroglancer
    import tensorstore as ts
    from neuroglancer import write_annotations

    labels = np.zeros(SIZE, dtype=np.uint64)
    labels[40:60, 30:50, 20:40] = 7
    info = {"type": "segmentation", "data_type": "uint64", "num_channels": 1}
    scale = {"size": list(SIZE), "encoding": "raw", "chunk_size": [64, 64, 64], "resolution": [8, 8, 8], "key": "8_8_8"}
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{at}/labels/", "multiscale_metadata": info}
    ts.open(spec | {"scale_metadata": scale}, create=True).result()[..., 0].write(labels).result()
    image = (np.arange(labels.size).reshape(SIZE) % 251).astype(np.uint8)
    n5 = {"driver": "n5", "kvstore": f"file://{at}/n5/s0/"}
    n5 |= {
        "metadata": {
            "dimensions": list(SIZE),
            "blockSize": [64, 64, 64],
            "dataType": "uint8",
            "compression": {"type": "gzip"},
        }
    }
    ts.open(n5, create=True).result().write(image).result()
    (at / "n5" / "attributes.json").write_text('{"n5": "2.0.0"}')
    zarr = {
        "driver": "zarr3",
        "kvstore": f"file://{at}/zarr3/",
        "metadata": {"shape": list(SIZE[::-1]), "data_type": "uint8"},
    }
    ts.open(zarr, create=True).result().write(image.T).result()

    (at / "bodies.csv").write_text("body,type\n7,PN\n12,\n")
    parquet.write_table(pa.table({"x": [1, 2, 3], "odd|name": ["a", None, "c"]}), at / "points.parquet")
    (at / "swc").mkdir()
    (at / "swc" / "7.swc").write_text("# two nodes\n1 1 45 35 25 2 -1\n2 0 55 45 35 1 1\n")
    meshes = at / "meshes"
    meshes.mkdir()
    (meshes / "info").write_text('{"@type": "neuroglancer_legacy_mesh"}')
    (meshes / "7:0").write_text('{"fragments": ["seven"]}')
    corners = np.array([[0, 0, 0], [8, 0, 0], [0, 8, 0]], dtype="<f4")
    (meshes / "seven").write_bytes(b"\x03\0\0\0" + corners.tobytes() + np.arange(3, dtype="<u4").tobytes())
    space = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=[8, 8, 8])
    points = write_annotations.AnnotationWriter(space, annotation_type="point")
    for place in ((45, 35, 25), (55, 45, 35)):
        points.add_point(place)
    points.write(at / "synapses")
    info_path = at / "synapses" / "info"
    info_path.write_text(info_path.read_text().replace('"point"', '"POINT"'))  # as the specification writes it
    (at / "neuprint").mkdir()
    (at / "neuprint" / "Neuprint_Meta.csv").write_text("dataset,tag\ntiny,v1\n")
    (at / "notes.txt").write_text("Read me.\n")


@dataclass(frozen=True)
class Live:
    """A release that is served, and its site."""

    root: Path
    record: Record
    report: Report
    project: Path
    out: Path
    built: Built
    book: Book

    def entries(self) -> Iterator[Any]:
        assert self.record.inventory is not None
        return inventory.read(self.root / self.record.inventory.key)

    def render(self, **more: Any) -> Built:
        given = {"project": self.project, "out": self.out, "entries": self.entries, "report": self.report}
        return site.render(more.pop("record", self.record), **(given | {"source_date": DATE} | more))

    def page(self, name: str) -> Page:
        return Page((self.out / name).read_text(encoding="utf-8"))


class Page(HTMLParser):
    """A built page: its tags, ids, tabs, headings, and blocks of code."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: set[str] = set()
        self.code: list[str] = []
        self.tabs: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.ids.update(filter(None, [attributes.get("id")]))
        if tag in {"code", "label", "script", "pre", "title"}:
            self._open.append((tag, attributes.get("for") or attributes.get("src") or attributes.get("type") or ""))
            if tag == "code" and ("pre", "") in self._open:
                self.code.append("")
            if (
                tag == "label"
                and (attributes.get("for") or "").startswith("__tabbed") is False
                and not attributes.get("class")
            ):
                self.tabs.append("")
            if tag == "script":
                self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        names = [tag for tag, _ in self._open]
        if "pre" in names and "code" in names:
            self.code[-1] += data
        elif "label" in names and self.tabs:
            self.tabs[-1] += data.strip()
        elif "script" in names:
            self.scripts[-1] += data
            return
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    home = tmp_path_factory.mktemp("site")
    make_inputs(home)
    root = home / "public"
    (home / "v1.yaml").write_text(yaml.safe_dump(MANIFEST))
    run = pipeline.release(home / "v1.yaml", str(root), until="verify", depth="full")
    assert run.published is not None
    assert run.report is not None
    assert run.report.ok, run.report.findings
    with running(root) as base:
        record = replace(run.published.record, public_url=base)
        assert record.inventory is not None
        shown = book(record, places.target(base), inventory.read(root / record.inventory.key))
        project, out = home / "project", home / "out"
        start = Live(root, record, run.report, project, out, Built(out, 0, 0), shown)
        yield replace(start, built=start.render())


def pages(live: Live) -> list[Path]:
    return sorted(live.out.glob("*.html"))


def test_the_pages_are_there(live: Live) -> None:
    assert [path.name for path in pages(live)] == [
        "cite.html",
        "download.html",
        "explore.html",
        "files.html",
        "index.html",
        "tables-bodies.html",
        "tables-points.html",
        "tables-raw.html",
        "tables.html",
    ]
    files = len([path for path in live.out.rglob("*") if path.is_file()]) - 1
    assert replace(live.built, lacks=()) == Built(live.out, 9, files)
    assert not list(live.out.parent.glob(".out*"))
    assert str(live.out.parent) not in "".join(path.read_text(errors="replace") for path in live.out.rglob("*.*ml"))


def test_the_second_run_changes_nothing(live: Live) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in live.out.rglob("*") if path.is_file()}
    sources = {path: path.stat().st_mtime_ns for path in live.project.rglob("*") if path.is_file()}
    assert live.render() == live.built
    assert before == {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in live.out.rglob("*") if path.is_file()
    }
    assert sources == {path: path.stat().st_mtime_ns for path in live.project.rglob("*") if path.is_file()}


def test_two_builds_are_the_same_bytes(live: Live, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere" / "site"
    live.render(project=tmp_path / "other", out=again)
    ours, others = (
        {path.relative_to(at).as_posix(): path.read_bytes() for path in at.rglob("*") if path.is_file()}
        for at in (live.out, again)
    )
    assert ours == others


def test_no_page_asks_anybody_else(live: Live) -> None:
    for path in pages(live):
        for tag, attributes in Page(path.read_text(encoding="utf-8")).tags:
            fetched = [attributes.get("src"), attributes.get("srcset"), attributes.get("data")]
            if tag == "link":
                fetched.append(attributes.get("href"))
            for address in filter(None, fetched):
                assert not urlsplit(address).netloc, (path.name, tag, address)
    for path in live.out.rglob("*.css"):
        assert not re.search(r"@import|url\((?!\s*[\"']?data:)[\"']?(?:https?:)?//", path.read_text(encoding="utf-8"))


def test_only_the_themes_own_scripts_may_run(live: Live) -> None:
    for path in pages(live):
        shown = Page(path.read_text(encoding="utf-8"))
        (policy,) = [
            attributes["content"]
            for tag, attributes in shown.tags
            if attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy is not None
        assert policy.startswith("default-src 'none'; script-src 'self' 'sha256-")
        assert "unsafe-inline" not in policy.split("style-src")[0]
        inline = re.findall(r"<script>(.*?)</script>", shown.html, re.DOTALL)
        assert inline
        for script in inline:
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy, (path.name, script[:80])


def test_every_link_inside_the_site_leads_somewhere(live: Live) -> None:
    read = {path.name: Page(path.read_text(encoding="utf-8")) for path in pages(live)}
    followed = 0
    for name, shown in read.items():
        for tag, attributes in shown.tags:
            address = attributes.get("href") or attributes.get("src")
            if address is None or urlsplit(address).scheme or address.startswith("mailto:"):
                continue
            parts = urlsplit(address)
            target = unquote(parts.path).lstrip("/") or name
            target = "index.html" if target == "." else target
            assert (live.out / target).is_file(), (name, tag, address)
            if parts.fragment and target in read:
                assert unquote(parts.fragment) in read[target].ids, (name, address)
            followed += 1
    assert followed > 100


def test_tabs_are_those_of_the_release(live: Live) -> None:
    shown = live.page("download.html")
    tabs = re.findall(r'<label for="[^"]*">(.*?)</label>', shown.html)
    ids = [
        "programmatic-access",
        "download-raw-data",
        "image-data",
        "annotations",
        "connectivity",
        "skeletons",
        "meshes",
        "database",
        "files",
    ]
    assert [tab for tab in tabs if tab in {"Programmatic access", "Download raw data"}] == [
        "Programmatic access",
        "Download raw data",
    ]
    groups = ["Image data", "Annotations", "Connectivity", "Skeletons", "Meshes", "Database", "Files"]
    assert [tab for tab in tabs if tab in groups] == groups
    assert set(ids) <= shown.ids
    for item in live.record.artifacts:
        assert f"data-{item.name}" in shown.ids


def test_numbers_are_the_records(live: Live) -> None:
    text = live.page("download.html").text
    for item in live.record.artifacts:
        if not item.external:
            count = f"{item.objects:,} object{'s' if item.objects != 1 else ''}"
            assert f"{count}, {item.size_bytes:,} bytes" in text, item.name
    files = live.page("files.html").text
    assert f"{live.record.objects:,} objects, {live.record.size_bytes:,} bytes" in files
    for entry in live.entries():
        if entry.key in {item.key for item in live.record.artifacts}:
            assert entry.content_sha256 in text
            assert entry.content_sha256 in files
    home = live.page("index.html").text
    assert f"{live.report.objects:,} objects" in home
    assert "Verified on" in home
    assert "Stated by its owner, not measured." in text
    assert "13 TB" in text


def test_titles_are_texts(live: Live) -> None:
    for path in pages(live):
        shown = Page(path.read_text(encoding="utf-8"))
        assert "<b>" not in shown.html
        assert not [attributes for _, attributes in shown.tags if any(name.startswith("on") for name in attributes)]
    home = live.page("index.html").text
    assert 'A tiny <b>dataset</b> & "more" \\ {{ x }}' in home
    index = json.loads((live.out / "search" / "search_index.json").read_text())
    assert not [entry for entry in index["docs"] if "<b>" in entry["text"] + entry["title"]]


def described_examples(live: Live) -> list[tuple[Described, examples.Example]]:
    return [(view.described, example) for view in live.book.views for example in examples.of(view, live.book)]


def test_what_is_shown_is_what_is_run(live: Live) -> None:
    shown = [code.strip("\n") for code in live.page("download.html").code]
    made = [example.text.strip("\n") for _, example in described_examples(live)]
    made += [example.text.strip("\n") for example in examples.services(live.book)]
    for text in made:
        assert text in shown
    assert len(made) == 43


RUN = [
    "bodies-copy-curl.sh",
    "bodies-table-pandas.py",
    "bodies-table-pyarrow.py",
    "em-n5-copy-tree.py",
    "em-n5-volume-tensorstore.py",
    "em-zarr-copy-tree.py",
    "em-zarr-volume-tensorstore.py",
    "inputs-copy-tree.py",
    "meshes-copy-tree.py",
    "meshes-meshes-cloudvolume.py",
    "meshes-meshes-navis.py",
    "meshes-part-curl.sh",
    "notes-copy-curl.sh",
    "points-copy-curl.sh",
    "points-table-pandas.py",
    "points-table-pyarrow.py",
    "raw-copy-curl.sh",
    "raw-table-pandas.py",
    "segmentation-copy-tree.py",
    "segmentation-volume-cloudvolume.py",
    "segmentation-volume-tensorstore.py",
    "skeletons-copy-tree.py",
    "skeletons-part-curl.sh",
    "skeletons-skeletons-cloudvolume.py",
    "skeletons-skeletons-navis.py",
    "skeletons-skeletons-swc.py",
    "synapses-annotations-cloudvolume.py",
    "synapses-copy-tree.py",
    "synapses-part-curl.sh",
]
SAYS = {
    "bodies-table-pandas.py": "(2, 2)",
    "em-n5-volume-tensorstore.py": "(64, 64, 64) uint8 0 250",
    "em-zarr-volume-tensorstore.py": "(64, 64, 64) uint8 0 250",
    "meshes-meshes-cloudvolume.py": "(3, 3) (1, 3)",
    "meshes-meshes-navis.py": "navis.MeshNeuron",
    "points-table-pyarrow.py": "3 rows",
    "segmentation-volume-cloudvolume.py": "(64, 64, 64, 1) uint64 0 7",
    "segmentation-volume-tensorstore.py": "uint64 0 7",
    "segmentation-copy-tree.py": "digests as published",
    "skeletons-skeletons-cloudvolume.py": "(2, 3) (1, 2)",
    "skeletons-skeletons-navis.py": "1.0 nanometer",
    "skeletons-skeletons-swc.py": "440.0",
}


def test_every_example_that_needs_no_account_is_run(live: Live) -> None:
    here = {example.name for item, example in described_examples(live) if not item.external and example.language != "r"}
    assert sorted(here) == RUN


@pytest.mark.parametrize("name", RUN)
def test_examples_run(live: Live, name: str, tmp_path: Path) -> None:
    (example,) = [example for _, example in described_examples(live) if example.name == name]
    (tmp_path / name).write_text(example.text)
    command = [sys.executable, name] if name.endswith(".py") else ["bash", "-e", name]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert SAYS.get(name, "") in done.stdout


def test_downloaded_trees_are_what_was_published(live: Live, tmp_path: Path) -> None:
    (example,) = [example for _, example in described_examples(live) if example.name == "segmentation-copy-tree.py"]
    (tmp_path / "x.py").write_text(example.text)
    subprocess.run([sys.executable, "x.py"], cwd=tmp_path, check=True, capture_output=True)
    wanted = {entry.key: entry.content_sha256 for entry in live.entries() if entry.artifact == "segmentation"}
    assert any(entry.headers.content_encoding for entry in live.entries() if entry.artifact == "segmentation")
    got = {key: hashlib.sha256((tmp_path / key).read_bytes()).hexdigest() for key in wanted}
    assert got == wanted


def test_mkdocs_builds_the_project_by_itself(live: Live, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        live.project / "mkdocs.yml",
        "-d",
        tmp_path / "x",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x" / "download.html").is_file()


@pytest.fixture
def project(live: Live, tmp_path: Path) -> Path:
    live.render(project=tmp_path / "project", out=tmp_path / "out")
    return tmp_path / "project"


def test_the_repositorys_own_project_stays_as_it_is(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "site"
    shutil.copytree(folder("site"), own, ignore=shutil.ignore_patterns("*.md", "*.generated.yml"))
    monkeypatch.setattr(site, "folder", lambda _: own)
    live.render(project=own, out=tmp_path / "out")
    assert not (own / site.LAID).exists()
    assert (own / "docs" / "download.md").is_file()


def test_a_page_that_is_no_longer_generated_goes(live: Live, project: Path) -> None:
    out = project.parent / "out"
    assert (out / "explore.html").is_file()
    live.render(project=project, out=out, record=replace(live.record, scenes=()))
    assert not (project / "docs" / "explore.md").exists()
    assert not (out / "explore.html").exists()


def test_pages_and_theme_that_people_wrote_stay(live: Live, project: Path) -> None:
    out, docs = project.parent / "out", project / "docs"
    (docs / "methods.md").write_text("# Methods\n\nBy hand. See [Download](download.md).\n")
    (docs / "cite.md").write_text("# Cite us so\n")
    (project / "theme" / "main.html").write_text('{% extends "base.html" %}')
    live.render(project=project, out=out)
    assert "By hand" in (out / "methods.html").read_text()
    assert "methods.html" in (out / "index.html").read_text()
    assert "Cite us so" in (out / "cite.html").read_text()
    assert "Content-Security-Policy" not in (out / "index.html").read_text()


def test_a_new_skeleton_replaces_what_nobody_changed(project: Path) -> None:
    style = project / "docs" / "assets" / "site.css"
    laid = json.loads((project / site.LAID).read_text())
    style.write_text("/* of an older publisher */")
    laid["docs/assets/site.css"] = hashlib.sha256(style.read_bytes()).hexdigest()
    (project / site.LAID).write_text(json.dumps(laid))
    site.lay_down(project)
    assert style.read_bytes() == (folder("site") / "docs" / "assets" / "site.css").read_bytes()


def test_a_fault_in_a_page_is_a_sentence_and_the_old_site_stays(live: Live, project: Path) -> None:
    out = project.parent / "out"
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (project / "docs" / "methods.md").write_text("[nowhere](nowhere.md)\n")
    with pytest.raises(InvalidInput, match=r"methods\.md.*nowhere\.md") as caught:
        live.render(project=project, out=out)
    assert "Traceback" not in str(caught.value)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert not list(out.parent.glob(".out*"))


def test_a_folder_of_somebody_else_is_refused(live: Live, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="was not made by publisher"):
        live.render(out=tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_what_others_put_into_the_site_stays(live: Live, project: Path) -> None:
    out = project.parent / "out"
    (out / "CNAME").write_text("data.example.org")
    (out / "stale.html").write_text("from an interrupted run")
    with (out / site.LISTING).open("a") as file:
        file.write("stale.html\n")
    live.render(project=project, out=out)
    assert (out / "CNAME").is_file()
    assert not (out / "stale.html").exists()
    assert "stale.html" not in (out / site.LISTING).read_text()


def test_tables_of_the_release_read_the_same(live: Live) -> None:
    assert feather.read_table(live.root / "v1" / "tables" / "bodies.feather").to_pydict() == {
        "body": [7, 12],
        "type": ["PN", None],
    }
