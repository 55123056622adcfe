"""What lies beside the pages of a site that was built: read back from disk as catalogues, crawlers and people do."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml

from publisher import pipeline, site, website
from publisher.serve import running
from publisher.site import PAPERS, Built
from tests import catalogues

PUBLIC = "https://data.example.org/tiny"
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "status": "final",
    "dataset": {
        "name": "tiny",
        "title": 'A </script> & "tiny" dataset',
        "description": "Made for tests, with <https://example.org>, and of no use to anybody else at all.",
        "license": "CC-BY-4.0",
        "authors": [{"name": "Lovelace, Ada", "orcid": "0000-0002-1825-0097"}],
        "doi": "10.1000/tiny",
        "publisher": "Analytical Engines",
        "contact": "ada@example.org",
        "funding": [{"funder": "Royal Society", "award": "RS-1"}],
    },
    "space": {"name": "test space", "voxel_size": [8, 8, 8], "units": "nm"},
    "targets": {"local": {"url": "public", "public_url": PUBLIC}},
    "site": {"ro_crate": True},
    "tables": [
        {"name": "bodies", "source": "bodies.csv", "columns": {"body": "Segment id.", "type": "Cell type."}},
        {"name": "cells", "source": "bodies.csv", "format": "parquet"},
        {"name": "raw", "source": "bodies.csv", "format": "source"},
    ],
    "skeletons": [{"name": "skeletons", "source": "swc", "units": "8 nm"}],
    "files": [
        {"name": "notes", "source": "notes.txt", "key": "{version}/files/notes.txt"},
        {"name": "odd", "source": "odd", "key": "shared-{version}/odd"},
    ],
    "scenes": [],
}


@dataclass(frozen=True)
class Sites:
    """Two versions at one target, both with their sites; that of v2 was built last."""

    folder: Path
    built: Built

    @property
    def root(self) -> Path:
        return self.folder / "public"

    @property
    def out(self) -> Path:
        return self.root / "site" / "v2"

    def read(self, name: str) -> str:
        return (self.out / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Sites:
    home = tmp_path_factory.mktemp("metadata")
    (home / "swc").mkdir()
    (home / "swc" / "7.swc").write_text("1 1 45 35 25 2 -1\n2 0 55 45 35 1 1\n")
    (home / "bodies.csv").write_text("body,type\n7,PN\n12,\n")
    (home / "notes.txt").write_text("Read me.\n")
    (home / "odd").mkdir()
    (home / "odd" / "a name with spaces, 'quotes' & more.txt").write_text("odd\n")
    built = Built(home, 0, 0)
    for version, date, changes in (("v1", "2025-01-02", "The *first* one."), ("v2", "2026-11-21", "More <of> it.")):
        words = changes.replace("<", "&lt;").replace(">", "&gt;")
        text = yaml.safe_dump(MANIFEST | {"version": version, "date": date, "changes": words})
        (home / f"{version}.yaml").write_text(text)
        pipeline.release(home / f"{version}.yaml", None, until="publish")
        run = website.build(home / f"{version}.yaml", None, None)
        assert run.built is not None
        built = run.built
    return Sites(home, built)


def test_everything_was_made(sites: Sites) -> None:
    assert sites.built.lacks == ()
    found = {path.relative_to(sites.out).as_posix() for path in sites.out.rglob("*") if path.is_file()}
    beside = {"feed.xml", "llms.txt", "robots.txt", "sitemap.xml"}
    names = ("CITATION.cff", "SHA256SUMS", "citation.bib", "citation.ris", "citation.txt", "croissant.json", "datacite.json", "datacite.xml", "datapackage.json", "dataset.jsonld", "licence.svg", "ro-crate-metadata.json")  # fmt: skip
    assert {name for name in found if name.startswith("metadata/")} == {f"metadata/{name}" for name in names}
    assert beside <= found


def test_each_document_is_what_its_readers_want(sites: Sites) -> None:
    assert catalogues.dataset(sites.read("index.html")) == []
    assert catalogues.embedded(sites.read("cite.html")) == []  # the dataset is described once
    assert catalogues.embedded(sites.read("index.html")) == [json.loads(sites.read("metadata/dataset.jsonld"))]
    assert catalogues.croissant(sites.read("metadata/croissant.json")) == []
    assert catalogues.cff(sites.read("metadata/CITATION.cff")) == []
    assert catalogues.bibtex(sites.read("metadata/citation.bib"))[0] == []
    assert catalogues.ris(sites.read("metadata/citation.ris"))[0] == []
    assert catalogues.datacite(sites.read("metadata/datacite.json")) == []
    assert catalogues.datacite_xml((sites.out / "metadata/datacite.xml").read_bytes()) == []
    assert catalogues.datapackage(sites.read("metadata/datapackage.json")) == []
    assert catalogues.feed((sites.out / "feed.xml").read_bytes()) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("table", ["cells", "raw"])
def test_rows_are_loaded_by_croissant(sites: Sites, table: str) -> None:
    import mlcroissant
    import pandas as pd

    data = json.loads(sites.read("metadata/croissant.json"))
    (file,) = [each for each in data["distribution"] if each["@id"] == table]
    path = sites.root / file["contentUrl"].removeprefix(f"{PUBLIC}/")
    dataset = mlcroissant.Dataset(jsonld=data, mapping={table: path})
    rows = [{key.rpartition("/")[2]: value for key, value in row.items()} for row in dataset.records(f"{table}-rows")]
    assert [row["body"] for row in rows] == [7, 12]
    assert rows[0]["type"] == b"PN"
    assert pd.isna(rows[1]["type"])


def test_rows_bytes_and_digest_are_checked_by_frictionless(sites: Sites) -> None:
    import frictionless

    data = json.loads(sites.read("metadata/datapackage.json"))
    (table,) = [each for each in data["resources"] if each["name"] == "raw"]
    table["path"] = table["path"].removeprefix(f"{PUBLIC}/")

    def faults(**changed: Any) -> list[list[str]]:
        resource = frictionless.Resource.from_descriptor(table | changed, basepath=str(sites.root))
        return resource.validate().flatten(["type"])  # type: ignore[no-any-return]

    assert faults() == []
    assert faults(hash=f"sha256:{0:064d}") == [["hash-count"]]
    assert faults(bytes=table["bytes"] + 1) == [["byte-count"]]
    assert faults(schema={"fields": [{"name": "body", "type": "boolean"}, {"name": "type", "type": "string"}]})


def test_the_site_map_names_every_page(sites: Sites) -> None:
    page = f"{PUBLIC}/site/v2/"
    found = catalogues.sitemap((sites.out / "sitemap.xml").read_bytes())
    pages = {path.name for path in sites.out.glob("*.html")}
    assert {address.removeprefix(page) or "index.html" for address in found} == pages
    assert catalogues.robots(sites.read("robots.txt")).site_maps() == [f"{page}sitemap.xml"]
    assert f'<link rel="canonical" href="{page}cite.html">' in sites.read("cite.html")
    assert "Content-Security-Policy" in sites.read("index.html")


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False)


def test_sha256sum_checks_what_was_downloaded(sites: Sites, tmp_path: Path) -> None:
    """What readers get over HTTP, with Content-Encoding undone, is what the sums are of."""
    encoded = 0
    folder = tmp_path / "v2"
    folder.mkdir()
    shutil.copy(sites.out / "metadata" / "SHA256SUMS", folder)
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    with running(sites.root) as base:
        for line in lines:
            path = line.partition("  ")[2]
            place = (folder / path).resolve()
            place.parent.mkdir(parents=True, exist_ok=True)
            key = place.relative_to(tmp_path.resolve()).as_posix()
            request = urllib.request.Request(f"{base}/{urllib.request.quote(key)}", headers={"Accept-Encoding": "gzip"})
            with urllib.request.urlopen(request) as answer:
                data = answer.read()
                if answer.headers["Content-Encoding"] == "gzip":
                    import gzip

                    encoded += 1
                    data = gzip.decompress(data)
            place.write_bytes(data)
    assert encoded, "some object must be stored as gzip for this to show anything"
    assert len(lines) >= 5
    assert (done := check(folder)).returncode == 0, done.stdout + done.stderr
    (folder / "files" / "notes.txt").write_text("Read me!\n")
    assert "files/notes.txt: FAILED" in check(folder).stdout


def test_releases_are_shown_newest_first(sites: Sites) -> None:
    article = sites.read("releases.html").split("<article")[1]
    text = " ".join(unescape(re.sub("<[^>]*>", " ", article)).split())
    newest, _, oldest = text.partition("v1 ¶ 2025-01-02 final A </script>")
    assert "v2 ¶ 2026-11-21 final latest this page" in newest
    assert "More <of> it." in newest
    assert "The first one." in oldest
    assert "<em>first</em>" in article
    assert "latest" not in oldest
    assert f'href="{PUBLIC}/site/v1/index.html"' in article
    assert f'href="{PUBLIC}/v1/.release/release.json"' in article


def test_documents_of_a_former_run_go_and_those_of_people_stay(sites: Sites, tmp_path: Path) -> None:
    """Without MkDocs: what lies in the project is what it copies."""
    project = tmp_path / "project"
    shutil.copytree(sites.folder / ".publisher" / "v2" / "site", project)
    docs, known = project / "docs", json.loads((project / PAPERS).read_text())
    (docs / "robots.txt").write_text("User-agent: *\nDisallow: /drafts/\n")
    (docs / "metadata" / "own.json").write_text("{}")
    made = [site.Document(name, "", b"new") for name in known if name != "metadata/datacite.xml"]
    site.write_documents(project, made)
    assert not (docs / "metadata" / "datacite.xml").exists()
    assert (docs / "metadata" / "croissant.json").read_bytes() == b"new"
    assert "drafts" in (docs / "robots.txt").read_text()
    assert (docs / "metadata" / "own.json").is_file()


def test_a_killed_run_takes_nothing_for_somebody_elses(sites: Sites, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(sites.folder / ".publisher" / "v2" / "site", project)
    old = json.loads((project / PAPERS).read_text())
    data = b"half way"
    # What a run leaves that was killed after its list and one of its files were written.
    both = old | {"feed.xml": [*old["feed.xml"], hashlib.sha256(data).hexdigest()]}
    (project / PAPERS).write_text(json.dumps(both))
    (project / "docs" / "feed.xml").write_bytes(data)
    site.write_documents(project, [replace(site.Document("feed.xml", ""), data=b"whole")])
    assert (project / "docs" / "feed.xml").read_bytes() == b"whole"


CRATES = """
import io, json, pathlib, sys
import requests, rocrate
from rocrate_validator import services
from rocrate_validator.utils.http import HttpRequester
from urllib3 import HTTPResponse

# The context comes from a package instead of the network; without it the validator would find nothing wrong.
context = "https://w3id.org/ro/crate/1.3/context"
text = (pathlib.Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()
found = {}
for crate in sys.argv[2:]:
    settings = services.ValidationSettings(
        rocrate_uri=crate, profile_identifier="ro-crate-1.3", offline=True,
        cache_path=pathlib.Path(sys.argv[1]), metadata_only=True,
    )
    session = HttpRequester().session
    accept = {"Accept": "application/ld+json, application/json, */*;q=0.1"}
    answer = requests.Response()
    answer.request = session.prepare_request(requests.Request("GET", context, headers=accept))
    answer.status_code, answer._content, answer.url = 200, text, context
    answer.headers["Content-Type"] = "application/ld+json"
    answer.raw = HTTPResponse(io.BytesIO(text), answer.headers, 200, preload_content=False, request_url=context)
    session.cache.save_response(answer)
    found[crate] = [issue.message for issue in services.validate(settings).get_issues()]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_the_research_object(sites: Sites, tmp_path: Path) -> None:
    """Its validator wants older packages than publisher has, so it gets an environment of its own."""
    tools = tmp_path / "tools"
    venv.create(tools, with_pip=True)
    python = tools / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "roc-validator==0.13.0", "rocrate>=0.15"]
    subprocess.run(install, check=True, timeout=600)
    good = json.loads(sites.read("metadata/ro-crate-metadata.json"))
    crates = {"good": good["@graph"]}
    (root,) = [each for each in good["@graph"] if each["@id"] == good["@graph"][0]["about"]["@id"]]
    for key in ("license", "datePublished", "name", "description"):
        broken = {name: value for name, value in root.items() if name != key}
        crates[key] = [broken if each is root else each for each in good["@graph"]]
    folders = []
    for name, graph in crates.items():
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        (folders[-1] / "ro-crate-metadata.json").write_text(json.dumps({**good, "@graph": graph}))
    command = [python, "-c", CRATES, tmp_path / "cache", *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop(str(tmp_path / "good")) == []
    assert len(found) == 4
    assert all(found.values()), found


def test_the_validator_of_crates_is_not_needed_to_write_them(sites: Sites) -> None:
    data = json.loads(sites.read("metadata/ro-crate-metadata.json"))
    ids = [each["@id"] for each in data["@graph"]]
    assert len(set(ids)) == len(ids)
    (root,) = [each for each in data["@graph"] if each["@id"] == data["@graph"][0]["about"]["@id"]]
    assert {each["@id"] for each in (*root["hasPart"], *root["author"], root["license"])} <= set(ids)
    assert sys.modules.get("rocrate_validator") is None
