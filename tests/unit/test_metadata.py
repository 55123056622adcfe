"""The release in the formats of catalogues, each read by something that did not write it; each check refuses what is broken."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from publisher import manifest
from publisher.facts import Column, TableFacts
from publisher.page import cite, documents, licences, places, releases
from publisher.page.metadata import card, jsonld
from publisher.page.metadata.types import inner
from publisher.page.view import Book, book
from publisher.record import RELEASES_KEY, Access, Record, ReleaseRef, dump, dump_releases, record_key
from publisher.run import Run, described, wanted
from publisher.targets import Nowhere
from tests import catalogues
from tests.unit.test_site import BASE, TABLE, a_record, some_entries

ROOT = Path(__file__).resolve().parents[2]
PAGE = "https://data.example.org/da1/site/v0.9/"
FULL: dict[str, Any] = {
    "publisher": "Institute of Analytical Engines",
    "technique": "FIB-SEM",
    "funding": [{"funder": "Royal Society", "award": "RS-1", "title": "Engines", "url": "https://rs.example/1"}],
    "related": [
        {"doi": "https://doi.org/10.1000/paper", "relation": "IsDescribedBy", "title": "The paper"},
        {"url": "https://example.org/other", "relation": "IsDerivedFrom", "title": None},
    ],
    "authors": [
        {"name": "Lovelace, Ada", "orcid": "0000-0002-1825-0097", "affiliation": "Analytical Engines"},
        {"name": "The Project Team", "affiliation": "Institute"},
        {"name": "Grace Hopper", "type": "person"},
    ],
}
NASTY = (
    "</script><script>alert(1)</script> \"quoted\" 'single' <!-- & 100 % of {braces} $x_1^2$ ~ #7 \\end{document}\n"
    "second line\r\n@misc{evil,\nER  - \nTI  - other\x00\x0b\u202e\ufffe ünïcödé 脑 \U0001f9e0 ]]> \u2028 end"
)


def shown(record: Record, *, page: str = PAGE, read: Mapping[str, bytes] | None = None) -> Book:
    made = book(record, places.target(record.public_url), some_entries(), (read or {}).get)
    return replace(made, page=page)


def rich(**more: Any) -> Record:
    record = a_record()
    return replace(record, changes="Better *labels*.\n\n- one\n- two", dataset={**record.dataset, **FULL, **more})


def nasty() -> Record:
    given = dict.fromkeys(("title", "description", "citation", "species", "technique", "publisher"), NASTY)
    authors = [{"name": NASTY, "affiliation": NASTY}, {"name": f"Fam, {NASTY.replace(',', '')}", "type": "person"}]
    column = Column(NASTY, "double", 0, NASTY, NASTY)
    table = replace(TABLE, title=NASTY, description=NASTY, facts=TableFacts("feather", "lz4", 3, (column,)))
    grant = {"funder": NASTY, "award": NASTY, "title": NASTY, "url": None}
    record = rich(**given, authors=authors, keywords=[NASTY, NASTY, ""], license="LicenseRef-Own", funding=[grant])
    return replace(record, artifacts=(table,), changes=NASTY)


@cache
def external(folder: Path) -> Record:
    shutil.copy(ROOT / "releases" / "male-cns-v0.9.yaml", folder)
    loaded = manifest.load(folder / "male-cns-v0.9.yaml")
    return wanted(described(Run(loaded, Nowhere()).manifest), "", Access())


@pytest.fixture(scope="session")
def male_cns(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return external(tmp_path_factory.mktemp("male-cns"))


@pytest.fixture(params=["rich", "external", "nasty"])
def record(request: pytest.FixtureRequest, male_cns: Record) -> Record:
    return {"rich": rich, "external": lambda: male_cns, "nasty": nasty}[request.param]()


def made(record: Record, **more: Any) -> dict[str, bytes]:
    """Return the documents by their file names, those that were left out too: they are empty."""
    seen = shown(record, **more)
    found = card.of(seen)
    papers = documents.of(found, releases.live(seen), ro_crate=True)
    papers += documents.around(found, papers, [("Home", "index.html")])
    return {paper.name.rpartition("/")[2]: paper.data for paper in papers}


def home(record: Record) -> str:
    """Return a page that carries the Dataset as the theme embeds it."""
    text = jsonld.embedded(card.of(shown(record)))
    return f'<html><head><script type="application/ld+json">{text}</script></head><body><p>x</p></body></html>'


def changed(data: bytes, **values: Any) -> str:
    """Return JSON with some keys changed, or removed by None: a broken control."""
    found = {**json.loads(data), **values}
    return json.dumps({key: value for key, value in found.items() if value is not None})


def test_the_dataset_in_the_page(record: Record) -> None:
    assert catalogues.dataset(home(record)) == []
    (data,) = catalogues.embedded(home(record))
    assert data == json.loads(json.dumps(jsonld.dataset(card.of(shown(record)))))
    assert data["name"] == f"{card.line(record.dataset['title'])}, version {record.release}"


def test_what_the_dataset_says_is_what_was_measured() -> None:
    (data,) = catalogues.embedded(home(rich()))
    (table,) = [each for each in data["distribution"] if each["contentUrl"] == f"{BASE}/v0.9/tables/bodies.feather"]
    assert table["contentSize"] == "4321 B"
    assert table["sha256"] == f"{len('v0.9/tables/bodies.feather'):064d}"
    (inventory,) = [each for each in data["distribution"] if each["contentUrl"].endswith(".parquet")]
    assert (inventory["sha256"], inventory["contentSize"]) == ("ab" * 32, "55555 B")
    assert data["creator"][0]["@id"] == "https://orcid.org/0000-0002-1825-0097"
    assert [each["@type"] for each in data["creator"]] == ["Person", "Organization", "Person"]
    assert data["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert data["identifier"] == "https://doi.org/10.7554/eLife.57443"
    assert (data["version"], data["datePublished"], data["isAccessibleForFree"]) == ("v0.9", "2026-11-21", True)
    assert {"@type": "PropertyValue", "name": "cable_length", "description": "Length of the skeleton.", "unitText": "nm"} in data["variableMeasured"]  # fmt: skip
    assert (data["subjectOf"], data["isBasedOn"]) == (["https://doi.org/10.1000/paper"], ["https://example.org/other"])
    # What others host was measured by nobody, and is given without size and digest.
    (weights,) = [each for each in data["distribution"] if each["contentUrl"].endswith("connectome-weights.feather")]
    assert not {"contentSize", "sha256"} & set(weights)
    private = replace(rich(), access=Access("private"))
    assert "isAccessibleForFree" not in catalogues.embedded(home(private))[0]


def test_the_check_of_the_dataset_refuses() -> None:
    good = home(rich())
    assert catalogues.dataset(good.replace('"license":', '"licence":'))
    assert catalogues.dataset(good.replace('"@type":"Dataset"', '"@type":"Thing"'))
    assert catalogues.dataset(good.replace('"contentUrl":', '"content":'))
    assert catalogues.dataset(good.replace("application/ld+json", "text/plain"))
    raw = json.dumps(jsonld.dataset(card.of(shown(nasty()))))  # as it would be without care for </script>
    with pytest.raises(ValueError, match=r"JSON|Expecting|Unterminated|control"):
        catalogues.embedded(f'<html><head><script type="application/ld+json">{raw}</script></head></html>')


@pytest.mark.parametrize(
    ("words", "low", "high"), [("Short.", 50, 200), ("word " * 3000, 4900, 5000), ("x" * 60, 60, 60)]
)
def test_descriptions_of_any_length(words: str, low: int, high: int) -> None:
    text = jsonld.description(card.of(shown(rich(description=words))))
    assert low <= len(text) <= high
    assert text.startswith(words[:40])
    if words == "Short.":
        assert "Hemibrain DA1 projection neurons v0.9 holds 4 volumes, 2 tables, 1 set of skeletons" in text


def test_a_description_that_says_nothing_is_not_padded() -> None:
    record = replace(rich(description="Short."), artifacts=())
    assert made(record)["dataset.jsonld"] == b""
    (told,) = [
        each for each in documents.left_out(documents.of(card.of(shown(record)), ())) if "jsonld" in each.message
    ]
    assert "dataset.description" in told.message


def test_croissant(record: Record) -> None:
    text = made(record)["croissant.json"]
    if not any(file.sha256 for file in card.of(shown(record)).files):
        assert text == b""
        return
    assert catalogues.croissant(text.decode()) == []


def test_croissant_tells_the_columns() -> None:
    data = json.loads(made(rich())["croissant.json"])
    (rows,) = data["recordSet"]
    assert [(field["name"], field["dataType"]) for field in rows["field"]] == [
        ("body", "cr:UInt64"),
        ("cable_length", "cr:Float64"),
        ("odd|name`", "sc:Text"),
    ]
    kinds = {each["@type"] for each in data["distribution"]}
    assert kinds == {"cr:FileObject", "cr:FileSet"}


@pytest.mark.parametrize("key", ["license", "name", "url", "creator"])
def test_the_check_of_croissant_refuses(key: str) -> None:
    data = made(rich())["croissant.json"]
    assert catalogues.croissant(changed(data, **{key: None}))


def test_the_check_of_croissant_refuses_a_file_without_digest_and_a_column_of_nothing() -> None:
    data = json.loads(made(rich())["croissant.json"])
    (first, *_) = data["distribution"]
    assert catalogues.croissant(json.dumps({**data, "distribution": [{**first, "sha256": ""}]}))
    broken = json.dumps(data).replace('"@id": "bodies"}, "extract"', '"@id": "nobody"}, "extract"')
    assert catalogues.croissant(broken)


@pytest.mark.parametrize(
    ("arrow", "expected"),
    [
        ("int64", ("int64", False)),
        ("dictionary<values=string, indices=int32, ordered=0>", ("string", False)),
        ("list<item: double>", ("double", True)),
        ("large_list<element: int32 not null>", ("int32", True)),
        ("fixed_size_list<item: float>[3]", ("float", True)),
        ("struct<a: int64>", ("struct<a: int64>", False)),
    ],
)
def test_types_of_columns(arrow: str, expected: tuple[str, bool]) -> None:
    assert inner(arrow) == expected


def test_citation_file_format(record: Record) -> None:
    text = made(record)["CITATION.cff"].decode()
    assert catalogues.cff(text) == []
    data = yaml.safe_load(text)
    assert data["title"] == card.line(record.dataset["title"])
    assert len(data["authors"]) == len(record.dataset["authors"])


def test_the_check_of_the_citation_file_refuses() -> None:
    text = made(rich())["CITATION.cff"].decode()
    data = yaml.safe_load(text)
    assert data["authors"][0] == {
        "family-names": "Lovelace",
        "given-names": "Ada",
        "orcid": "https://orcid.org/0000-0002-1825-0097",
        "affiliation": "Analytical Engines",
    }
    for broken in ({"license": "CC-BY"}, {"authors": []}, {"date-released": "2026"}, {"doi": "10.1/x"}, {"colour": 1}):
        assert catalogues.cff(yaml.safe_dump({**data, **broken})), broken
    assert "license" not in yaml.safe_load(made(rich(license="Own-1.0"))["CITATION.cff"])  # not of its closed list


def test_bibtex(record: Record) -> None:
    text = made(record)["citation.bib"].decode()
    faults, fields = catalogues.bibtex(text)
    assert faults == []
    assert fields["title"] == card.line(record.dataset["title"])
    assert fields["year"] == record.date[:4]
    for author in record.dataset["authors"]:
        assert card.line(author["name"]).partition(",")[0] in fields["author"]


def test_the_check_of_bibtex_refuses() -> None:
    text = made(rich())["citation.bib"].decode()
    assert catalogues.bibtex(text.rstrip().removesuffix("}"))[0]
    assert catalogues.bibtex(text.replace("year = {", "year = {{"))[0]


def test_braces_are_in_balance_for_bibtex_itself() -> None:
    text = made(rich(title=r"100% of {A} & B_c \d }"))["citation.bib"].decode()
    assert (
        r"title = {{100\% of \textbraceleft{}A\textbraceright{} \& B\_c \textbackslash{}d \textbraceright{}}}" in text
    )
    assert text.count("{") == text.count("}")
    assert "doi = {10.7554/eLife.57443}" in text


def test_ris(record: Record) -> None:
    text = made(record)["citation.ris"].decode()
    faults, fields = catalogues.ris(text)
    assert faults == []
    assert fields["title"] == card.line(record.dataset["title"])
    assert fields["authors"] == [card.line(author["name"]) for author in record.dataset["authors"]]
    assert fields["year"] == record.date[:4]
    assert text.splitlines()[0] == "TY  - DATA"
    assert [line[:6] for line in text.split("\r\n")[:-1]].count("ER  - ") == 1


def test_the_check_of_ris_refuses() -> None:
    text = made(rich())["citation.ris"].decode()
    assert catalogues.ris(text.replace("TI  - ", "XX  - "))[0]
    assert catalogues.ris(text.replace("ER  - ", ""))[0]


def test_datacite(record: Record) -> None:
    text, xml = made(record)["datacite.json"].decode(), made(record)["datacite.xml"]
    if not record.dataset["publisher"]:
        assert not text
        assert not xml
        return
    assert catalogues.datacite(text) == []
    assert catalogues.datacite_xml(xml) == []


def test_datacite_says_the_same_twice() -> None:
    data, xml = json.loads(made(rich())["datacite.json"]), made(rich())["datacite.xml"].decode()
    assert data["doi"] == "10.7554/eLife.57443"
    assert data["creators"][0]["nameIdentifiers"][0]["nameIdentifier"] == "https://orcid.org/0000-0002-1825-0097"
    assert data["relatedIdentifiers"][0]["relatedIdentifier"] == "10.1000/paper"
    assert data["url"] == PAGE
    for words in (
        "10.7554/eLife.57443",
        "Lovelace, Ada",
        "RS-1",
        "IsDescribedBy",
        "1987654321 bytes",
        "Better labels.",
    ):
        assert words in xml
        assert words in json.dumps(data)


def test_the_check_of_datacite_refuses() -> None:
    data, xml = made(rich())["datacite.json"], made(rich())["datacite.xml"]
    for key in ("publisher", "creators", "titles", "publicationYear", "types"):
        assert catalogues.datacite(changed(data, **{key: None})), key
    assert catalogues.datacite(changed(data, doi="eLife"))
    assert catalogues.datacite_xml(xml.replace(b"publicationYear", b"year"))
    assert catalogues.datacite_xml(xml.replace(b'relationType="IsDescribedBy"', b'relationType="Likes"'))


def test_data_package(record: Record) -> None:
    text = made(record)["datapackage.json"].decode()
    assert catalogues.datapackage(text) == []
    data = json.loads(text)
    names = [resource["name"] for resource in data["resources"]]
    assert len(set(names)) == len(names) == len(card.of(shown(record)).files)


def test_the_check_of_data_packages_refuses() -> None:
    data = made(rich())["datapackage.json"]
    assert catalogues.datapackage(changed(data, resources=None))
    (table, *_) = json.loads(data)["resources"]
    assert table["hash"].startswith("sha256:")
    assert catalogues.datapackage(changed(data, resources=[{**table, "schema": {"fields": [{"type": "integer"}]}}]))
    assert catalogues.datapackage(changed(data, licenses=[{"title": "neither name nor path"}]))


def test_digests_are_listed_from_the_releases_folder() -> None:
    lines = made(rich())["SHA256SUMS"].decode().splitlines()
    assert f"{len('v0.9/tables/bodies.feather'):064d}  tables/bodies.feather" in lines
    assert len(lines) == len(list(some_entries()))
    assert not [line for line in lines if "  v0.9/" in line]


def test_robots_let_everybody_in() -> None:
    text = made(rich())["robots.txt"].decode()
    read = catalogues.robots(text)
    assert read.can_fetch("*", "/index.html")
    assert read.site_maps() == [f"{PAGE}sitemap.xml"]
    assert catalogues.robots(made(rich(), page="")["robots.txt"].decode()).site_maps() is None
    assert not catalogues.robots(text.replace("Allow", "Disallow")).can_fetch("*", "/index.html")


def test_llms(record: Record) -> None:
    from markdown_it import MarkdownIt

    text = made(record)["llms.txt"].decode()
    tokens = MarkdownIt().parse(text)
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2", "h2", "h2"]
    (title,) = [tokens[at + 1] for at, token in enumerate(tokens) if token.tag == "h1" and token.nesting == 1]
    shown_title = "".join(part.content for part in title.children or ())
    assert shown_title == f"{card.line(record.dataset['title'])} {record.release}"
    links = [part.attrs["href"] for token in tokens for part in token.children or () if part.type == "link_open"]
    assert "index.html" in links
    assert all(view.place.url in text for view in shown(record).views)
    assert not [link for link in links if not re.match(r"https?://|[\w/.-]+$", str(link))]


def live(*versions: tuple[str, str, str]) -> dict[str, bytes]:
    """Return what a target has of versions that are live: (version, date, changes)."""
    found, refs = {}, {}
    for version, date, changes in versions:
        record = replace(rich(), release=version, date=date, changes=changes)
        refs[version] = ReleaseRef(version, "final", date, "A title", record_key(version))
        found[record_key(version)] = dump(record)
    return {**found, RELEASES_KEY: dump_releases(refs, versions[0][0])}


VERSIONS = (("v0.9", "2026-11-21", "Now."), ("v0.8", "2025-01-02", NASTY), ("v0.10", "2024-03-04", ""))


def test_live_versions_are_told_newest_first() -> None:
    there = live(*VERSIONS) | {"site/v0.8/index.html": b"<html>"}
    found = releases.live(shown(rich(), read=there))
    assert [edition.ref.version for edition in found] == ["v0.9", "v0.8", "v0.10"]
    assert [edition.latest for edition in found] == [True, False, False]
    assert [edition.this for edition in found] == [True, False, False]
    assert [edition.page.url if edition.page else "" for edition in found] == ["", f"{BASE}/site/v0.8/index.html", ""]
    assert found[1].record is not None
    assert found[1].record.changes == NASTY


def test_a_record_that_cannot_be_read_is_a_line_without_details() -> None:
    there = live(*VERSIONS)
    there[record_key("v0.8")] = b"{}"
    del there[record_key("v0.10")]
    assert [edition.record is None for edition in releases.live(shown(rich(), read=there))] == [False, True, True]


def test_a_record_of_an_older_publisher_says_nothing_of_changes() -> None:
    there = live(*VERSIONS)
    older = {key: value for key, value in json.loads(there[record_key("v0.8")]).items() if key != "changes"}
    there[record_key("v0.8")] = json.dumps(older).encode()
    (old,) = [edition for edition in releases.live(shown(rich(), read=there)) if edition.ref.version == "v0.8"]
    assert old.record is not None
    assert old.record.changes == ""


def test_feed_of_releases() -> None:
    import feedparser

    data = made(rich(), read=live(*VERSIONS))["feed.xml"]
    assert catalogues.feed(data) == []
    read = feedparser.parse(data)
    assert [entry.title for entry in read.entries] == ["A title v0.9", "A title v0.8", "A title v0.10"]
    assert read.entries[0].updated == "2026-11-21T00:00:00Z"
    assert "Now." not in read.entries[0].summary  # this record's own words, not those that the list was made with
    assert "Better labels." in read.entries[0].summary
    assert {link["rel"]: link["href"] for link in read.feed.links}["self"] == f"{PAGE}feed.xml"
    assert "feed.xml" not in made(rich())


def test_the_check_of_feeds_refuses() -> None:
    data = made(rich(), read=live(*VERSIONS))["feed.xml"]
    assert catalogues.feed(data.replace(b"</entry>", b"", 1))
    assert catalogues.feed(data.replace(b"<updated>", b"<changed>").replace(b"</updated>", b"</changed>"))
    assert catalogues.feed(data.replace(b"/v0.8/.release", b"/v0.9/.release"))
    assert catalogues.feed(data.replace(b"http://www.w3.org/2005/Atom", b"http://example.org/"))


def test_what_is_missing_is_named_and_never_made_up() -> None:
    record = rich(publisher=None, doi="not one", homepage=None)
    found = made(record, page="")
    assert not found["datacite.json"] + found["datacite.xml"] + found["croissant.json"]
    told = documents.left_out(documents.of(card.of(shown(record, page="")), ()))
    assert [problem.message for problem in told] == [
        "croissant.json is left out: the manifest has neither `dataset.homepage` nor `dataset.doi`",
        "datacite.json, datacite.xml are left out: the manifest has no `dataset.publisher`",
    ]
    (told,) = documents.left_out(documents.of(card.of(shown(rich(doi=None))), ()))
    assert told.message == "datacite.xml is left out: the manifest has no `dataset.doi`"
    assert documents.left_out(documents.of(card.of(shown(rich())), ())) == ()


@pytest.mark.parametrize("spdx", ["CC-BY-4.0", "CC0-1.0", "CC-BY-NC-SA-3.0", "ODbL-1.0", "BSD-3-Clause"])
def test_badges_are_pictures_with_a_name(spdx: str) -> None:
    from lxml import etree

    picture = etree.fromstring(licences.badge(spdx).encode())
    words = "".join(picture.itertext())
    assert spdx.split("-", maxsplit=1)[0] in words
    assert "Licence: " in words
    assert licences.name(spdx)
    assert not re.search(r"href|script|url\(", licences.badge(spdx))


def test_an_unknown_licence_has_no_badge() -> None:
    assert licences.badge("LicenseRef-Own") == licences.badge(NASTY) == licences.name("CC-BY-9.9") == ""
    assert "licence.svg" not in made(nasty())


def test_authors() -> None:
    first, team, hopper = card.of(shown(rich())).authors
    assert (first.family, first.given, first.person, first.orcid) == ("Lovelace", "Ada", True, "0000-0002-1825-0097")
    assert (team.name, team.person) == ("The Project Team", False)
    assert (hopper.name, hopper.family, hopper.person) == ("Grace Hopper", "", True)
    group = {"name": "Allen, Paul G. Institute", "type": "group"}
    (institute,) = card.of(shown(rich(authors=[group]))).authors
    assert (institute.name, institute.person) == ("Allen, Paul G. Institute", False)
    assert cite.of_dataset(rich()).startswith("Lovelace, Ada; The Project Team; Grace Hopper (2026). Hemibrain")


def test_the_context_of_croissant_is_the_prescribed_one(caplog: pytest.LogCaptureFixture) -> None:
    data = json.loads(made(rich())["croissant.json"])
    assert catalogues.croissant(json.dumps(data)) == []
    assert "@context" not in caplog.text
    del data["@context"]["samplingRate"]
    catalogues.croissant(json.dumps(data))
    assert "@context` is not standard" in caplog.text
