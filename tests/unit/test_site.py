"""Pages from records: every text is safe, every number is the record's. The built site is in tests/e2e/test_site_build.py."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import markdown
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown.extensions.toc import TocExtension

from publisher.facts import (
    AnnotationFacts,
    AnnotationProperty,
    Column,
    Facts,
    FileFacts,
    MeshFacts,
    Scale,
    SkeletonFacts,
    TableFacts,
    VolumeFacts,
)
from publisher.objects import Checked, Drawn, Entry, Finding, Headers, Report
from publisher.page import cite, examples, licences, places, safe, shelf
from publisher.page.pages import figures, frames, pages, settings
from publisher.page.releases import Edition
from publisher.page.view import Book, book
from publisher.record import Access, Described, InventoryRef, Record, ReleaseRef, SceneRef, Space

BASE = "https://data.example.org/da1"
EM = Space("hemibrain EM", (8.0, 8.0, 8.0), "nm")
PLAIN = Headers("application/octet-stream", None, "no-cache")
GZIP = PLAIN._replace(content_encoding="gzip")


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
MESHES = described(
    "meshes", "meshes", "Meshes", MeshFacts("legacy", sharded=False, segmentation="segmentation", ids=("722817260",))
)
SYNAPSES = described(
    "synapses",
    "annotations",
    "Annotations",
    AnnotationFacts(
        "POINT",
        {"x": (8e-9, "m"), "y": (8e-9, "m"), "z": (8e-9, "m")},
        (0, 0, 0),
        (10, 20, 30),
        ("conf", "kind"),
        ("body",),
        sharded=True,
        count=1_234_567,
        described=(
            AnnotationProperty("conf", "float32", "How sure it is."),
            AnnotationProperty("kind", "uint8", "", (0, 1), ("PostSyn", "PreSyn")),
        ),
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
    stated={
        "format": "neuroglancer precomputed",
        "dtype": "uint8",
        "size": "13 TB",
        "extent": [94088, 78317, 134576],
        "max_value": 255,
        "voxel_size": [8, 8, 8],
        "units": "nm",
        "rows": None,
    },
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
    stated={
        "format": "Arrow Feather",
        "size": 1_100_000_000,
        "rows": 150_871_284,
        "columns": {"body_pre": "Sender.", "weight": "Synapses."},
    },
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


EXTENSIONS = [
    "admonition",
    "attr_list",
    "def_list",
    "sane_lists",
    "tables",
    TocExtension(permalink=True),
    "pymdownx.highlight",
    "pymdownx.superfences",
    "pymdownx.tabbed",
]
PAYLOADS = (
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "[click](javascript:alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "words {: onclick=alert(1) }",
    "# title { onclick=alert(1) #data-segmentation }",
    "<javascript:alert(1)>",
    "--><script>alert(1)</script><!--",
    "<svg/onload=alert(1)>",
    '--8<-- "/etc/passwd"',
    "<iframe src=https://evil.example></iframe>",
    "![x](https://evil.example/pixel.png)",
    "[x]: javascript:alert(1)\n\n[x]",
    "`</code><script>alert(1)</script>`",
    "```\n</code></pre><script>alert(1)</script>\n```",
    '"><script>alert(1)</script>',
    "{{ config }} {% include 'x' %}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "a | b | c\n--- | --- | ---\n1 | 2 | 3",
    '=== "tab"\n\n    inside',
    "!!! danger\n    inside",
    "[a](https://x.example/'onmouseover=alert(1)//)",
    '[a](https://x.example/" onmouseover="alert(1))',
    "java\tscript:alert(1) \x02klzzwxh:0001\x03 \u202etxt",
    "[TOC]",
    "*[HTML]: evil\n\nHTML",
    "<details markdown=1 ontoggle=alert(1) open>",
    "ftp://x.example javascript&colon;alert(1)",
)
ALLOWED_TAGS = frozenset(
    [
        "a",
        "article",
        "aside",
        "blockquote",
        "br",
        "button",
        "code",
        "dd",
        "del",
        "div",
        "dl",
        "dt",
        "em",
        "form",
        "h1",
        "h2",
        "h3",
        "hr",
        "input",
        "label",
        "li",
        "link",
        "main",
        "meta",
        "nav",
        "ol",
        "p",
        "path",
        "pre",
        "section",
        "small",
        "span",
        "strong",
        "summary",
        "svg",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    ]
)


class Reading(HTMLParser):
    """What a browser would make of a page: tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def read(source: str) -> Reading:
    return Reading(
        markdown.markdown(
            source, extensions=EXTENSIONS, extension_configs={"pymdownx.tabbed": {"alternate_style": True}}
        )
    )


def harmless(page: Reading) -> None:
    for tag, attributes in page.tags:
        source = attributes.pop("src", None)
        ours = tag == "details" and attributes.get("class") in {"pub-tool", "pub-verified"}
        picture = tag == "img" and re.fullmatch(r"renders/[\w.%~-]+|metadata/licence\.svg", source or "")
        assert ((tag in ALLOWED_TAGS or ours) and source is None) or picture, (tag, source, attributes)
        assert not [name for name in attributes if name.startswith("on") or name == "srcdoc"], attributes
        assert re.fullmatch(r"text-align: right;|--share:[0-9.e-]+%", attributes.get("style") or "--share:1%")
        href = attributes.get("href") or "#"
        assert href.startswith(("#", "https://", "http://", "mailto:")) or re.fullmatch(
            r"[\w.-]+\.(html|md)(#.*)?|metadata/[A-Za-z0-9.-]+|feed\.xml", href
        ), href


def words(value: str) -> str:
    return " ".join("".join(char for char in value if char in "\n\t" or char.isprintable()).split())


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_is_shown_as_it_is_wherever_it_stands(payload: str) -> None:
    shown = words(payload)
    for around in (
        "{}",
        "# {} {{ #own }}",
        "- {}",
        "| a | b |\n| --- | --- |\n| {} | two |",
        "Term\n:   {}",
        "**{}**",
        '!!! note "{}"',
        '=== "{}"\n\n    body',
    ):
        page = read(around.format(safe.text(payload)))
        harmless(page)
        assert shown in page.text, around
    assert ("h1", {"id": "own"}) in read(f"# {safe.text(payload)} {{ #own }}").tags
    table = read(f"| a | b |\n| --- | --- |\n| {safe.text(payload)} | {safe.code(payload)} |")
    assert [tag for tag, _ in table.tags].count("td") == 2


@pytest.mark.parametrize("payload", PAYLOADS)
def test_descriptions_may_use_markdown_but_never_html(payload: str) -> None:
    for source in (safe.prose(payload), safe.phrase(payload), safe.prose(f"- {payload}"), safe.prose(f"> {payload}")):
        harmless(read(source))
        nested = '=== "Tab"\n\n' + "\n".join(f"    {line}" for line in source.splitlines())
        harmless(read(nested))
    harmless(read(safe.block(payload, "python", "Title")))
    assert "evil" not in "".join(attributes.get("src") or "" for _, attributes in read(safe.prose(payload)).tags)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_code_blocks_show_what_they_are_given(payload: str) -> None:
    page = read("- item\n\n    " + safe.block(payload).replace("\n", "\n    "))
    assert words(payload) in page.text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_titles_and_attributes_survive_being_copied_and_unescaped(payload: str) -> None:
    from html import unescape

    plain = safe.plain(payload)
    for shown in (plain, unescape(plain), unescape(unescape(plain))):
        assert not set("<>\"'") & set(shown), shown


@given(st.text(max_size=60))
def test_any_text_is_shown_as_it_is(value: str) -> None:
    page = read(
        f"# {safe.text(value)} end {{ #own }}\n\n{safe.code(value)}\n\n{safe.link(safe.text(value), 'https://x.example/' + value)}"
    )
    harmless(page)
    expected = " ".join(safe.printable(value).split())
    assert page.text == " ".join(f"{expected} end¶ {expected} {expected}".split())


@given(st.text(max_size=80))
def test_any_description_is_harmless(value: str) -> None:
    harmless(read(safe.prose(value)))
    harmless(read(f"| a |\n| --- |\n| {safe.phrase(value)} |"))


def test_markdown_in_descriptions() -> None:
    page = read(
        safe.prose(
            "# Head\n\nA *b* **c** `d|e` [f](https://x.example/(1)_2_).\n\n- one\n    - two\n\n1. three\n\n```python\nx = '<b>'\n```\n\n![pic](https://x.example/p.png)"
        )
    )
    tags = [tag for tag, _ in page.tags]
    assert tags.count("li") == 3
    assert tags.count("ul") == 2
    assert {"em", "strong", "code", "ol", "pre"} <= set(tags)
    assert "h1" not in tags
    assert "img" not in tags
    assert {"href": "https://x.example/%281%29_2_"} in [attributes for tag, attributes in page.tags if tag == "a"]
    assert "x = '<b>'" in page.text
    assert safe.prose(None) == safe.prose("") == safe.phrase(None) == ""


@pytest.mark.parametrize(
    ("given_address", "expected"),
    [
        ("https://x.example/a b(1)'[2]?q=1&r=<3>#f", "https://x.example/a%20b%281%29%27%5B2%5D?q=1&amp;r=%3C3%3E#f"),
        ("https://x.example/100%/%20", "https://x.example/100%25/%20"),
        ("mailto:ada@example.org", "mailto:ada@example.org"),
        ("JavaScript:alert(1)", ""),
        ("java\nscript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//evil.example", ""),
        ("page.html", ""),
        ("https://[bad", ""),
    ],
)
def test_addresses(given_address: str, expected: str) -> None:
    assert safe.address(given_address) == expected


@pytest.mark.parametrize(
    ("public_url", "storage", "store", "endpoint"),
    [
        ("https://storage.googleapis.com/bucket/a/", "", "gs://bucket/a", ""),
        ("https://bucket.s3.amazonaws.com/a", "", "s3://bucket/a", ""),
        ("https://my.bucket.s3.eu-west-1.amazonaws.com/a", "", "s3://my.bucket/a", ""),
        ("https://s3.us-east-2.amazonaws.com/bucket/a", "", "s3://bucket/a", ""),
        ("http://127.0.0.1:9000/bucket/a", "s3://bucket/a", "s3://bucket/a", "http://127.0.0.1:9000"),
        ("https://data.example.org", "gs://bucket/a/", "gs://bucket/a", ""),
        ("https://data.example.org/x", "/srv/public", "", ""),
        ("https://s3.example.org/x", "", "", ""),
    ],
)
def test_where_a_release_lies(public_url: str, storage: str, store: str, endpoint: str) -> None:
    place = places.target(public_url, storage)
    assert (place.store, place.endpoint) == (store, endpoint)
    assert place.at("v1/a b(1)").url == f"{public_url.rstrip('/')}/v1/a%20b%281%29"


@pytest.mark.parametrize(
    ("address", "url", "store"),
    [
        ("gs://b/k", "https://storage.googleapis.com/b/k", "gs://b/k"),
        ("precomputed://gs://b/k/", "https://storage.googleapis.com/b/k", "gs://b/k"),
        ("gs://b/k/|neuroglancer-precomputed:", "https://storage.googleapis.com/b/k", "gs://b/k"),
        ("s3://b/k", "https://b.s3.amazonaws.com/k", "s3://b/k"),
        ("https://storage.googleapis.com/b/k", "https://storage.googleapis.com/b/k", "gs://b/k"),
        ("n5://https://x.example/k", "https://x.example/k", ""),
    ],
)
def test_where_others_host(address: str, url: str, store: str) -> None:
    place = places.external(address)
    assert (place.url, place.store) == (url, store)


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("https://data.example.org/da1/site/v1/", True),
        ("http://10.1.2.3:9000/site/", True),
        ("http://127.0.0.1:8000/site/v1/", False),
        ("http://localhost/site/", False),
        ("http://[::1]:8000/", False),
        ('https://x.example/"onload=alert(1)', False),
        ("/site/v1/", False),
    ],
)
def test_what_others_can_reach(address: str, reached: bool) -> None:  # noqa: FBT001
    assert places.public(address) == (address if reached else "")


def test_scenes_open_by_their_short_address_where_there_is_one() -> None:
    viewer = "https://neuroglancer-demo.appspot.com/#!"
    assert places.viewer(places.target("https://x.example").at("v1/s.json")) == f"{viewer}https://x.example/v1/s.json"
    assert (
        places.viewer(places.target("https://storage.googleapis.com/b").at("s (1).json"))
        == f"{viewer}gs://b/s%20%281%29.json"
    )


@given(
    st.tuples(*[st.integers(1, 500)] * 3),
    st.tuples(*[st.integers(-300, 300)] * 3),
    st.none() | st.tuples(*[st.floats(-1e5, 1e5)] * 3),
)
def test_example_blocks_lie_within_the_volume(
    size: tuple[int, ...], offset: tuple[int, ...], node: tuple[float, ...] | None
) -> None:
    box = examples.cutout(Scale("s", (8, 8, 8), size, offset, (64, 64, 64), "raw", sharded=False), node)  # type: ignore[arg-type]
    for (low, high), start, length in zip(box, offset, size, strict=True):
        assert start <= low < high <= start + length
        assert high - low == min(length, examples.EDGE)


def a_book(record: Record | None = None, storage: str = "") -> Book:
    shown = record or a_record()
    return book(shown, places.target(shown.public_url, storage), some_entries())


def all_examples(shown: Book) -> list[examples.Example]:
    return [example for view in shown.views for example in examples.of(view, shown)] + list(examples.services(shown))


@pytest.mark.parametrize("storage", ["", "gs://bucket/da1", "s3://bucket/da1"])
def test_examples_are_complete(storage: str, tmp_path: Path) -> None:
    made = all_examples(a_book(storage=storage))
    assert len({example.name for example in made}) == len(made)
    for example in made:
        assert "None" not in example.text.replace(", None)", "").replace("(None,", ""), example.name
        if example.language == "python":
            tree = ast.parse(example.text)
            assert any(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body), example.name
        elif example.language == "bash":
            (tmp_path / "x.sh").write_text(example.text)
            subprocess.run(["bash", "-n", tmp_path / "x.sh"], check=True)
        assert not example.text.startswith("\n")
        assert "storage.cloud.google.com" not in example.text


def test_examples_name_what_is_there() -> None:
    text = {example.name: example.text for example in all_examples(a_book())}
    assert f'"{BASE}/v0.9/volumes/segmentation/"' in text["segmentation-volume-tensorstore.py"]
    # 100,000 nm, 200,000 nm and 300,000 nm at 8 nm: the node of the skeletons, which lies in a segment.
    assert "volume[12468:12532, 24968:25032, 37468:37532]" in text["segmentation-volume-tensorstore.py"]
    assert "fill_missing=True" in text["segmentation-volume-cloudvolume.py"]
    assert f'"{BASE}/v0.9/volumes/em/s0/"' in text["em-volume-tensorstore.py"]
    assert "# z, y, x" in text["zarred-volume-tensorstore.py"]
    assert "em-volume-cloudvolume.py" not in text
    assert 'columns=["body", "cable_length", "odd|name`"]' in text["bodies-table-pyarrow.py"]
    assert "segment = 722817260" in text["meshes-meshes-cloudvolume.py"]
    assert 'mesh_dir="../../meshes/meshes"' in text["meshes-meshes-cloudvolume.py"]
    assert 'dataset="hemibrain:v1.2.1", token="<your token>"' in text["neuprint-neuprint.py"]
    assert "api_token" not in "".join(text.values())
    assert f"--compressed --output bodies.feather {BASE}/v0.9/tables/bodies.feather" in text["bodies-copy-curl.sh"]
    assert 'RECORD = "v0.9/.release/release.json"' in text["segmentation-copy-tree.py"]
    assert text["skeletons-part-curl.sh"].endswith(f"{BASE}/v0.9/skeletons/skeletons/skeletons-swc/722817260.swc\n")
    assert '"https://storage.googleapis.com/flyem-male-cns/em/em-clahe-jpeg/"' in text["em-clahe-external-volume.py"]
    assert "gcloud storage cp --recursive gs://flyem-male-cns/em/em-clahe-jpeg ." in text["em-clahe-copy-gcloud.sh"]
    assert "read_feather" in text["weights-table-pandas.py"]
    assert [name for name in text if name.startswith("neo4j") and "copy" not in name] == ["neo4j-neo4j-serve.sh"]
    assert "    neo4j:4.4.16\n" in text["neo4j-neo4j-serve.sh"]


def test_meshes_without_their_volume() -> None:
    alone = {example.name: example.text for example in all_examples(a_book(a_record(MESHES)))}
    assert "meshes-meshes-cloudvolume.py" not in alone  # .../meshes/meshes, which cloud-volume misreads
    elsewhere = described("m", "meshes", "Meshes", MESHES.facts or FileFacts(tree=True), key="v0.9/surfaces")
    shown = book(a_record(elsewhere), places.target(BASE), ())
    (text,) = [example.text for example in all_examples(shown) if example.name == "m-meshes-cloudvolume.py"]
    assert f'from_cloudpath("precomputed://{BASE}/v0.9/surfaces")' in text
    assert "segment = 722817260" in text


def test_examples_of_a_bucket() -> None:
    google = {example.name: example.text for example in all_examples(a_book(storage="gs://bucket/da1"))}
    assert "gsutil -m cp -r gs://bucket/da1/v0.9/volumes/segmentation ." in google["segmentation-copy-gsutil.sh"]
    assert "gcloud storage cp gs://bucket/da1/v0.9/tables/bodies.feather ." in google["bodies-copy-gcloud.sh"]
    amazon = {example.name: example.text for example in all_examples(a_book(storage="s3://bucket/da1"))}
    assert (
        "--no-sign-request --recursive s3://bucket/da1/v0.9/volumes/segmentation segmentation"
        in amazon["segmentation-copy-aws.sh"]
    )
    assert "gunzip" in amazon["segmentation-copy-s5cmd.sh"]
    assert "gunzip" not in amazon["inputs-copy-s5cmd.sh"]
    assert "gunzip" not in amazon["segmentation-copy-rclone.sh"]
    assert "cp 's3://bucket/da1/v0.9/volumes/segmentation/8_8_8/*' 8_8_8/" in amazon["segmentation-part-s5cmd.sh"]
    shown = a_record(public_url="http://127.0.0.1:9000/bucket/da1")
    other = {example.name: example.text for example in all_examples(a_book(shown, "s3://bucket/da1"))}
    assert "--endpoint-url http://127.0.0.1:9000" in other["segmentation-copy-aws.sh"]


def test_services_have_examples_only_where_they_are_named() -> None:
    assert examples.services(a_book(a_record(programmatic={}))) == ()
    assert examples.services(a_book(a_record(programmatic={"neuprint": None, "dvid": None}))) == ()
    names = [example.name for example in examples.services(a_book(a_record(programmatic={"dvid": SERVICES["dvid"]})))]
    assert names == ["dvid-dvid.py", "dvid-dvid.sh"]
    bare = a_book(a_record(programmatic={"neuprint": {"server": "https://x.example", "dataset": "d"}}))
    assert "fetch_custom" in examples.services(bare)[0].text
    page("download.md", bare.record)


def test_figures_are_the_records() -> None:
    found = {name: (number, more) for number, name, more in figures(a_book())}
    assert found["skeletons"] == ("5", "")
    assert found["table rows"] == ("14,836", "in 1 table")
    assert found["volumes"][0] == "3"
    assert found["to download"] == ("988 MB", "4,321 objects")
    assert found["linked"][0] == "2"
    assert figures(a_book(a_record(ARCHIVE, objects=0))) == ()


@pytest.mark.parametrize(
    ("spdx", "url"),
    [
        ("CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/"),
        ("CC-BY-NC-SA-4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/"),
        ("CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("ODbL-1.0", "https://spdx.org/licenses/ODbL-1.0.html"),
        ("LicenseRef-Ours", ""),
        ("our own terms", ""),
    ],
)
def test_licences(spdx: str, url: str) -> None:
    assert licences.url(spdx) == url


def test_citation() -> None:
    shown = a_record()
    assert (
        cite.citation(shown)
        == "Ada Lovelace (2026). Hemibrain DA1 projection neurons, version v0.9. https://doi.org/10.7554/eLife.57443"
    )
    assert cite.citation(replace(shown, dataset={**shown.dataset, "citation": "As we say."})) == "As we say."


REPORT = Report(BASE, "v0.9", "sample", "2026-11-21T10:11:12+00:00", 4_321, 987_654_321, 120, 7_654_321)


def page(name: str, record: Record | None = None, report: Report | None = REPORT, root: str | None = None) -> Reading:
    text, _ = pages(a_book(record), report, root)[name]
    body = text.split("---\n", 2)[2]
    assert "None" not in body.replace(", None)", "").replace("(None,", "")
    assert "coming soon" not in body.casefold()
    shown = read(body)
    harmless(shown)
    return shown


def test_the_page_shows_the_examples_that_the_release_carries_and_how_each_was_checked() -> None:
    made = examples.numbered(a_book())
    assert [each.name[:3] for each in made] == [f"{number:02}-" for number in range(1, len(made) + 1)]
    files = {f"v0.9/examples/{name}": data for name, data in shelf.files(made).items()}
    assert shelf.published("v0.9", files.get) == made
    neuprint, python, r, gone = (made[at].name for at in (0, 6, 2, 7))
    files[f"v0.9/examples/{python}"] = b"print('as it was published')"
    del files[f"v0.9/examples/{gone}"]
    shown = book(a_record(), places.target(BASE), some_entries(), files.get)
    checked = (
        Checked(neuprint, "doubled", ok=True, seconds=2.5, by="neuprint-python 0.6.4"),
        Checked(python, "run", ok=True, seconds=1.24),
        Checked(r, "parsed", ok=True, seconds=0.1, why="R has no package <b>arrow</b> here"),
        Checked(made[3].name, "run", ok=False, seconds=0.1, why="<script>alert(1)</script>"),
    )
    text, _ = pages(shown, replace(REPORT, examples=checked), None)["download.md"]
    here = read(text.split("---\n", 2)[2])
    harmless(here)
    assert "print('as it was published')" in here.text
    assert made[7].text.strip() not in here.text
    assert "Run on 2026-11-21 against a stand-in of the service, with neuprint-python 0.6.4." in here.text
    assert "Run against this release on 2026-11-21, in 1.2 s." in here.text
    assert "Parsed on 2026-11-21, not run: R has no package <b>arrow</b> here." in here.text
    assert "Failed when it was checked on 2026-11-21: <script>alert(1)</script>" in here.text


@pytest.mark.parametrize("listed", [b"", b"[]", b'{"examples": [{"file": "../../etc/passwd"}]}', b'{"examples": [7]}'])
def test_a_list_of_examples_that_cannot_be_read_shows_none(listed: bytes) -> None:
    def there(key: str) -> bytes | None:
        assert ".." not in key
        return listed if key.endswith("index.json") else None

    assert shelf.published("v0.9", there) == ()
    assert shelf.published("v0.9", lambda _: None) is None


def test_home_says_what_was_verified() -> None:
    text = page("index.md").text
    assert "Verified on 2026-11-21" in text
    assert "4,321 objects (988 MB) were looked at" in text
    assert "The SHA-256 of 120 objects (7.65 MB) was computed" in text
    assert "Nothing was found to be wrong." in text
    wrong = replace(REPORT, findings=(Finding("digest", "error", "v0.9/a|b", "is <b>not</b> what was published"),))
    text = page("index.md", report=wrong).text
    assert "Verification found problems on 2026-11-21" in text
    assert "error digest v0.9/a|b: is <b>not</b> what was published" in text
    many = replace(REPORT, findings=tuple(Finding("x", "warning", f"k{n}", "m") for n in range(23)))
    assert "3 further findings" in page("index.md", report=many).text


def test_home_never_hopes() -> None:
    for report in (None, replace(REPORT, release="v0.8")):
        text = page("index.md", report=report).text
        assert "Not verified" in text
        assert "Verified on" not in text


def test_home_of_a_draft_and_of_a_final_release() -> None:
    assert "This is a draft" in page("index.md", a_record(status="draft")).text
    assert "draft" not in page("index.md").text


def test_home_shows_only_what_the_manifest_has() -> None:
    bare = {"name": "x", "title": "X", "description": "Y", "license": "our own", "authors": [{"name": "A"}]}
    text = page("index.md", a_record(dataset=bare)).text
    assert "doi" not in text
    assert "Contact" not in text
    assert "ORCID" not in text
    assert "ORCID 0000-0002-1825-0097" in page("index.md").text


def test_explore_is_there_where_there_are_scenes() -> None:
    assert "explore.md" not in pages(a_book(a_record(scenes=())), None, None)
    links = [attributes.get("href") for tag, attributes in page("explore.md").tags if tag == "a"]
    assert f"https://neuroglancer-demo.appspot.com/#!{BASE}/v0.9/hemibrain-da1-v0.9.json" in links
    text, _ = pages(a_book(), None, "../..")["explore.md"]
    assert re.search(
        r'href="\.\./\.\./viewer/v/[\d.]+/index\.html\?scene=(\.\./)+v0\.9/hemibrain-da1-v0\.9\.json&from=https://',
        text,
    )


def test_private_releases_say_so() -> None:
    for name in ("download.md", "explore.md"):
        assert "Access is private" in page(name, a_record(access=Access("private", ()))).text
        assert "Access is" not in page(name).text


def test_download_has_the_groups_in_their_order() -> None:
    text, _ = pages(a_book(), None, None)["download.md"]
    tabs = re.findall(r'^    === "(.*)"$', text, re.MULTILINE)
    assert tabs == [
        "Python",
        "R",
        "Command line",
        "Image data",
        "Annotations",
        "Connectivity",
        "Skeletons",
        "Meshes",
        "Database",
        "Files",
    ]
    text, _ = pages(a_book(a_record(TABLE, programmatic={})), None, None)["download.md"]
    assert re.findall(r'^    === "(.*)"$', text, re.MULTILINE) == ["Python", "R", "Annotations"]
    assert "Services" not in text


def test_download_shows_every_number_of_every_artifact() -> None:
    text = page("download.md").text.replace("\N{MULTIPLICATION SIGN}", "x")
    for shown in (
        "34,432 x 39,552 x 41,408",
        "x 128 to 275,584 nm, y 0 to 316,416 nm, z 0 to 331,264 nm",
        "3 objects, 123,456,789 bytes (123 MB)",
        "its metadata does not say",
        "14,836",
        "cable_length double 77 nm",
        "odd|name`",
        "5, with 28,431 nodes together",
        "units of 8 nm",
        "x 8 to 275,000 nm, y 16 to 316,000 nm, z 24 to 331,000 nm",
        "x: 8 nm, y: 8 nm, z: 8 nm a unit of the coordinates",
        "1,234,567",
        "conf (float32): How sure it is.; kind (PostSyn, PreSyn)",
        "Made with neo4j 4.4.16",
        "94,088 x 78,317 x 134,576 voxels",
        "Greatest value 255",
        "150,871,284",
        "1,100,000,000 bytes (1.1 GB)",
        "13 TB",
        "Neuprint_Neurons/1.csv",
        f"{len('v0.9/files/adjacencies'):064d}",
    ):
        assert shown in text, shown
    assert text.count("Stated by its owner, not measured.") == 2


def test_absent_chunks_are_counted() -> None:
    few = described(
        "few", "volumes", "Image data", VolumeFacts("precomputed", "image", "uint8", 1, (scale(),)), objects=7
    )
    assert "and 7 objects of this volume are stored: chunks are absent" in page("download.md", a_record(few)).text
    sharded = replace(few, facts=VolumeFacts("precomputed", "image", "uint8", 1, (scale(sharded=True),)))
    assert "chunks are absent" not in page("download.md", a_record(sharded)).text


def test_files_lists_everything() -> None:
    text = page("files.md").text
    assert "4,321 objects, 987,654,321 bytes (988 MB) as stored; 1,987,654,321 bytes (1.99 GB)" in text
    assert "4,321 rows, 55,555 bytes (55.6 kB)" in text
    for item in ALL:
        assert item.title in text
    links = [attributes.get("href") for tag, attributes in page("files.md").tags if tag == "a"]
    assert f"{BASE}/v0.9/.release/inventory-1a2b.parquet" in links
    assert f"{BASE}/v0.9/.release/release.json" in links
    assert f"{BASE}/v0.9/tables/bodies.feather" in links


def test_a_release_of_others_data_alone() -> None:
    shown = a_record(
        ELSEWHERE,
        ELSEWHERE_TABLE,
        inventory=None,
        objects=0,
        size_bytes=0,
        public_url="http://nowhere.invalid",
        scenes=(),
    )
    for name in pages(a_book(shown), None, None):
        text = page(name, shown).text
        assert "nowhere.invalid" not in text
        assert "erified" not in text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_pages_of_a_hostile_record_are_harmless(payload: str) -> None:
    dataset = dict.fromkeys(
        ("title", "description", "license", "citation", "doi", "homepage", "contact", "species"), payload
    ) | {
        "publisher": payload,
        "technique": payload,
        "funding": [dict.fromkeys(("funder", "award", "title", "url"), payload)],
        "related": [dict.fromkeys(("doi", "url", "relation", "title"), payload)],
    }
    dataset |= {
        "name": "x",
        "authors": [{"name": payload, "orcid": payload, "affiliation": payload}],
        "keywords": [payload],
    }
    column = Column(payload, payload, 0, payload, payload, payload)
    properties = (
        AnnotationProperty(payload, payload, payload),
        AnnotationProperty("kind", "uint8", "", (0,), (payload,)),
    )
    notes = replace(SYNAPSES.facts, properties=(payload,), relationships=(payload,), described=properties)
    artifacts = (
        replace(SYNAPSES, name="notes", title=payload, facts=notes, key=f"v0.9/notes-{payload}"),
        *(
            replace(
                item,
                title=payload,
                description=payload,
                group=payload,
                space=Space(payload, (8, 8, 8), payload, payload),
            )
            for item in ALL
        ),
        replace(
            TABLE, name="more", title=payload, facts=TableFacts("csv", payload, 1, (column,)), key=f"v0.9/{payload}"
        ),
        replace(
            NEO4J,
            name="dump",
            title=payload,
            facts=FileFacts(tree=True, server=f"{payload} 4.4.16", form="dump", databases=(payload,)),
            key=f"v0.9/dumps/{payload}",
        ),
        replace(
            NEO4J,
            name="csv",
            title=payload,
            facts=FileFacts(tree=True, import_arguments=f"v0.9/{payload}-import.txt", imports=(1, 2)),
            key=f"v0.9/{payload}",
        ),
        replace(
            ELSEWHERE,
            name="else",
            external=f"https://x.example/{payload}",
            stated=dict.fromkeys(("format", "dtype", "units", "encoding", "server", "note", "size"), payload)
            | {"columns": {payload: payload}},
        ),
    )
    services = {
        "neuprint": {"server": payload, "dataset": payload, "example": payload},
        "flybrains": payload,
        "cave": {"server": payload, "datastack": payload},
        "dvid": {
            "server": payload,
            "uuid": payload,
            "instances": {payload: payload},
            "description": payload,
            "links": [{"title": payload, "url": payload, "description": payload}],
        },
        "bossdb": {
            "server": payload,
            "collection": payload,
            "experiment": payload,
            "channels": [{"name": payload, "type": payload, "dtype": payload, "description": payload}],
            "extent": [8192, 10, 1],
            "account": True,
            "ndex": True,
        },
    }
    shown = a_record(
        *artifacts,
        dataset=dataset,
        programmatic=services,
        scenes=(SceneRef("main", payload, f"v0.9/{payload}.json"),),
        viewer=payload,
    )
    drawn = Drawn("main", payload, payload, 1, (payload,), (payload, f"{payload}.png"))
    found = (Finding(payload, "error", payload, payload),)
    report = replace(REPORT, checked_at=payload, depth=payload, findings=found, scenes=(drawn,))
    ref = ReleaseRef(payload, payload, payload, payload, f"{payload}/record.json")
    old = replace(shown, changes=payload)
    other = Edition(ref, places.target(BASE).at(ref.record), latest=True, this=False, record=old, page=None)
    made = pages(a_book(shown), report, None, frozenset(drawn.pictures), (), (other,))
    assert "releases.md" in made
    for text, _ in made.values():
        harmless(read(text.split("---\n", 2)[2]))
    for example in all_examples(a_book(shown)):
        if example.language == "python":
            ast.parse(example.text)
        elif example.language == "bash":
            done = subprocess.run(["bash", "-n"], input=example.text, text=True, capture_output=True, check=False)
            assert done.stderr == "", example.text
    for value in yaml.safe_load(yaml.safe_dump(settings(a_book(shown), {"index.md": "Home"}))).values():
        assert not set("<>\"'") & set(
            str(value).replace("[{'index.md': 'Home'}]", "").replace("[{'Home': 'index.md'}]", "")
        )


def test_meshes_in_shards_are_read_by_a_segment_that_the_facts_name() -> None:
    facts = MeshFacts(
        "multiresolution", sharded=True, segmentation="segmentation", count=2, ids=("12", "13"),
        bounds_nm=((1.0, 2.0, 3.0), (40.0, 50.0, 60.0)), vertex_nm=(1.0, 2.0, 3.0),
    )  # fmt: skip
    alone = described("m", "meshes", "Meshes", facts, key="v0.9/surfaces")
    shown = book(a_record(alone), places.target(BASE), [Entry("v0.9/surfaces/0.shard", "m", 1, "", 1, "", PLAIN)])
    (text,) = [example.text for example in all_examples(shown) if example.name == "m-meshes-cloudvolume.py"]
    assert "segment = 12" in text


DRAWN = Drawn("main", "2.41.2", "2026-11-21T10:11:12+00:00", 3, ("EM", "Neurons"), ("main-dark.png", "main-light.png"))
SHOWN = {"scenes": (SceneRef("main", "Neurons", "v0.9/da1-v0.9.json"),)}


def test_a_scene_that_was_opened_is_shown() -> None:
    made = pages(a_book(a_record(VOLUME, **SHOWN)), replace(REPORT, scenes=(DRAWN,)), None, frozenset(DRAWN.pictures))
    for name in ("index.md", "explore.md"):
        assert 'src="renders/main-light.png"' in made[name][0]
        assert 'src="renders/main-dark.png"' in made[name][0]
    words = markdown.markdown(made["explore.md"][0])
    assert "2 of 3 layers drawn" in words
    assert "2026" in words


@pytest.mark.parametrize("there", [frozenset(), frozenset({"main-dark.png"})])
def test_a_picture_that_is_not_there_is_not_shown(there: frozenset[str]) -> None:
    made = pages(a_book(a_record(VOLUME, **SHOWN)), replace(REPORT, scenes=(DRAWN,)), None, there)
    assert not [name for name, (text, _) in made.items() if "renders/" in text]


def test_frames_are_of_the_releases_own_viewer_alone() -> None:
    own = a_record(VOLUME, viewer="v0.9/viewer/v/2")
    assert frames(a_book(own)) == "https://data.example.org"
    assert frames(a_book(a_record(VOLUME))) == ""
    hostile = book(own, places.target("https://x.example;script-src *"), ())
    assert frames(hostile) == ""


def test_the_releases_own_viewer_opens_its_scenes() -> None:
    made = pages(a_book(a_record(VOLUME, viewer="v0.9/viewer/v/2", **SHOWN)), None, None)
    link = f"{BASE}/v0.9/viewer/v/2/index.html?scene=../../../../v0.9/da1-v0.9.json"
    assert link in made["explore.md"][0]
    assert "pub-embed" in made["explore.md"][0]
    hosted = pages(a_book(a_record(VOLUME, **SHOWN)), None, None)["explore.md"][0]
    assert "pub-embed" not in hosted
