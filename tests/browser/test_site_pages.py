"""The example's site as people use it: in Chromium, by mouse, by keyboard, on a phone, from a disk, and without scripts."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from PIL import Image
from pyarrow import parquet

from publisher import record, serve, site
from publisher.inventory import read
from publisher.objects import Drawn, Report
from tests.e2e.conftest import ROOT, Release

pytestmark = pytest.mark.browser

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = {"width": 390, "height": 844}


@dataclass
class Tab:
    """A page in a context of its own, what it asked for, and what went wrong in it."""

    page: Any
    base: str
    asked: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def open(self, name: str) -> Any:
        self.page.goto(f"{self.base}/{name}")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def clipboard(self) -> str:
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    @property
    def elsewhere(self) -> list[str]:
        return [url for url in self.asked if not url.startswith((self.base.rpartition("/site/")[0], "data:", "blob:"))]


Opens = Callable[..., Tab]


@pytest.fixture(scope="session")
def target(published: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published example with its site as it is after a browser drew its scene."""
    root, pictures = tmp_path_factory.mktemp("shown") / "public", tmp_path_factory.mktemp("renders")
    shutil.copytree(published.target, root)
    names = ("main-dark.webp", "main-light.webp")
    for name in names:
        Image.open(ROOT / "docs" / "images" / "scene.png").save(pictures / name, quality=90)
    live = record.parse((root / "v0.9/.release/release.json").read_bytes(), "release.json")
    assert live.inventory is not None
    listed = root / live.inventory.key
    scenes = (Drawn("main", "2.41.2", "2026-11-21T10:00:00+00:00", 5, (), names),)
    site.render(
        live,
        project=tmp_path_factory.mktemp("project"),
        out=root / "site" / "v0.9",
        entries=lambda: read(listed),
        report=Report(live.public_url, "v0.9", "full", "2026-11-21T10:00:00+00:00", 502, 0, 502, 0, scenes=scenes),
        source_date=1_795_219_200,
        hosting=site.Hosting(root="../..", pictures=pictures, versions="../versions.json"),
    )
    return root


@pytest.fixture
def served(target: Path) -> Iterator[str]:
    with serve.running(target) as base:
        yield base


@pytest.fixture
def opens(chromium: Any, served: str) -> Iterator[Opens]:
    """Open the served site in a new context."""
    contexts = []

    def tab(base: str = f"{served}/site/v0.9", **options: Any) -> Tab:
        context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
        contexts.append(context)
        opened = Tab(context.new_page(), base)
        opened.page.on("request", lambda request: opened.asked.append(request.url))
        opened.page.on("pageerror", lambda error: opened.troubles.append(str(error)))
        opened.page.on(
            "console",
            lambda message: opened.troubles.append(message.text) if message.type in {"error", "warning"} else None,
        )
        return opened

    yield tab
    for context in contexts:
        context.close()


@pytest.fixture
def built(target: Path) -> Path:
    return target / "site" / "v0.9"


def pages(site: Path) -> list[str]:
    """Every page, relative to the site. The page for what is not found knows only the root of a host."""
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def inventory(published: Release) -> dict[str, tuple[int, int]]:
    """Objects and stored bytes of each artifact, from the inventory itself."""
    (path,) = (published.target / "v0.9" / ".release").glob("inventory-*.parquet")
    rows = parquet.read_table(path).to_pylist()
    objects, sizes = Counter(row["artifact"] for row in rows), Counter[str]()
    for row in rows:
        sizes[row["artifact"]] += row["size"]
    return {name: (objects[name], sizes[name]) for name in objects}


def test_tabs_open_by_their_address(opens: Opens) -> None:
    tab = opens()
    page = tab.open("download.html#data-body-annotations")
    assert page.locator("#data-body-annotations").is_visible()
    assert not page.locator("#data-skeletons").is_visible()
    page = tab.open("download.html#skeletons")
    assert page.locator("#data-skeletons").is_visible()
    assert page.locator("#skeletons").is_checked()
    page = tab.open("download.html#programmatic-access")
    assert page.get_by_text("Neurons, their connections and synapses").first.is_visible()
    page = tab.open("index.html")
    page.get_by_role("link", name="Brain regions").click()
    page.locator("#data-regions").wait_for()
    assert page.locator("#data-regions").bounding_box()["y"] < 400  # and it is what is seen of the page
    assert not tab.troubles


def test_back_and_forward_open_the_tabs_that_were_open(opens: Opens) -> None:
    page = opens().open("download.html")
    links = page.locator(".pub-picker a")
    links.get_by_text("Skeletons", exact=True).click()
    page.locator("#data-skeletons").wait_for()
    links.get_by_text("neo4j database").click()
    page.locator("#data-neo4j").wait_for()
    page.go_back()
    page.locator("#data-skeletons").wait_for()
    page.go_forward()
    page.locator("#data-neo4j").wait_for()


def test_languages_go_together_everywhere(opens: Opens) -> None:
    page = opens().open("download.html#data-body-annotations")
    page.locator("label:visible", has_text=re.compile("^R$")).first.click()
    page.reload()
    tabs = page.locator(".tabbed-labels > label").filter(has_text=re.compile("^R$"))
    chosen = tabs.evaluate_all("labels => labels.map(label => document.getElementById(label.htmlFor).checked)")
    assert len(chosen) > 3
    assert all(chosen)


def test_what_has_a_copy_button_is_copied_and_people_are_told(opens: Opens, published: Release) -> None:
    tab = opens()
    page = tab.open("files.html")
    row = page.locator("tr", has_text="body-stats-hemibrain-da1-v0.9.feather")
    row.get_by_role("button", name="Copy http").click()
    url = "http://127.0.0.1:8000/v0.9/connectome-data/flat-connectome/body-stats-hemibrain-da1-v0.9.feather"
    assert tab.clipboard() == url
    page.get_by_role("status").filter(has_text=f"Copied {url}").wait_for(state="attached")
    digest = row.locator("code").last.inner_text()
    row.get_by_role("button", name=f"Copy {digest}").click()
    (path,) = (published.target / "v0.9" / ".release").glob("inventory-*.parquet")
    digests = {each["key"]: each["sha256"] for each in parquet.read_table(path).to_pylist()}
    assert tab.clipboard() == digest == digests[url.removeprefix("http://127.0.0.1:8000/")]
    page = tab.open("download.html#data-body-stats")
    block = page.locator(".highlight:visible", has_text="import pandas").first
    block.get_by_role("button", name="Copy pandas").click()
    assert tab.clipboard() == block.locator("code").inner_text().rstrip("\n")


def search(page: Any, words: str, title: str) -> None:
    """Type words once the index is there, and follow the result of this title."""
    page.get_by_role("textbox", name="Search").click()
    page.locator(".md-search-result__meta", has_text="Type to start searching").wait_for()
    page.keyboard.type(words)
    page.locator(".md-search-result__link", has_text=title).first.click()


def test_search_finds_a_columns_name_and_opens_its_tab(opens: Opens) -> None:
    tab = opens()
    page = tab.open("index.html")
    search(page, "confidence_pre_mean", "Body statistics")
    page.wait_for_url("**/download.html*")
    page.locator("#data-body-stats").wait_for()
    page.locator("mark:visible", has_text="confidence_pre_mean").first.wait_for()
    assert not tab.troubles


def test_the_picker_counts_what_the_inventory_counts(opens: Opens, published: Release) -> None:
    tab = opens()
    page = tab.open("download.html")
    known = inventory(published)
    boxes = page.locator(".pub-picker__box")
    told = boxes.evaluate_all("all => all.map(({dataset: d}) => [d.artifact, Number(d.objects), Number(d.bytes)])")
    assert {name: (objects, size) for name, objects, size in told} == {name: known[name] for name, *_ in told}
    assert len(told) == 14
    shown = page.locator(".pub-picker__sum")
    objects, size = (sum(known[name][at] for name, *_ in told) for at in (0, 1))
    assert f"14 of 14 artifacts: {objects:,} objects, {size:,} bytes" in shown.inner_text()
    everything = page.get_by_role("checkbox", name="Everything")
    everything.uncheck()
    assert "0 of 14 artifacts: 0 objects, 0 bytes" in shown.inner_text()
    assert page.get_by_role("button", name="Copy the commands of Python").is_disabled()
    page.get_by_role("checkbox", name="All of Meshes").check()
    page.get_by_role("checkbox", name="Region meshes (OBJ)").uncheck()
    page.get_by_role("checkbox", name="Synapse points").check()
    ticked = ["syn-points", "meshes", "region-meshes", "meshes-obj"]
    objects, size = (sum(known[name][at] for name in ticked) for at in (0, 1))
    assert f"4 of 14 artifacts: {objects:,} objects, {size:,} bytes" in shown.inner_text()
    assert everything.evaluate("box => box.indeterminate")
    page.get_by_role("button", name="Copy the commands of Python").click()
    script = tab.clipboard()
    compile(script, "picked.py", "exec")
    listed = re.search(r"ARTIFACTS = (\[.*?\])", script, re.DOTALL)
    assert listed
    assert json.loads(listed[1].replace(",\n]", "]")) == ticked
    page.locator("summary", has_text="curl").click()
    page.get_by_role("button", name="Copy the commands of curl").click()
    assert tab.clipboard().count("curl --fail") == 1


def test_the_list_of_files_is_filtered(opens: Opens) -> None:
    page = opens().open("files.html")
    rows = page.locator(".pub-files tbody tr")
    total = rows.count()
    page.get_by_role("searchbox", name="Filter").fill("obj LH")
    assert rows.locator("visible=true").count() == 1
    assert page.locator(".pub-filter__told").inner_text() == f"1 of {total} rows"
    page.get_by_role("searchbox", name="Filter").fill("")
    assert rows.locator("visible=true").count() == total


def test_files_are_all_there(opens: Opens, published: Release) -> None:
    page = opens().open("files.html")
    shown = page.locator(".pub-files tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td.pub-number')].map(cell => cell.textContent))"
    )
    known = inventory(published)
    assert {tuple(f"{number:,}" for number in counts) for name, counts in known.items() if name} >= {
        tuple(row) for row in shown if row[0] != "1"
    }


@pytest.mark.parametrize(
    "sort", [pytest.param("first", id="each sort of page"), pytest.param("all", marks=pytest.mark.slow)]
)
def test_every_page_is_accessible_in_both_schemes(opens: Opens, built: Path, sort: str) -> None:
    tab = opens(color_scheme="light")
    names = [*pages(built), "download.html#data-body-annotations", "download.html#programmatic-access"]
    alike = [name for name in names if name.startswith("tables-")][1:] + names[-1:] if sort == "first" else []
    for name in [name for name in names if name not in alike]:
        page = tab.open(name)
        assert violations(page, RULES) == [], name
        # Only colours differ: the theme's two schemes are an attribute.
        page.add_style_tag(content="*, ::before, ::after { transition: none !important }")
        page.evaluate("document.body.setAttribute('data-md-color-scheme', 'slate')")
        assert violations(page, ["color-contrast"]) == [], name
    assert not tab.troubles
    assert not tab.elsewhere  # 0 requests to other hosts, either
    assert len(tab.asked) > 50


def violations(page: Any, rules: list[str]) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate("only => axe.run(document, {runOnly: only, resultTypes: ['violations']})", rules)[
        "violations"
    ]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


def test_negative_control_of_accessibility(opens: Opens) -> None:
    page = opens().open("download.html")
    page.evaluate("document.querySelector('.pub-picker__box').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('.pub-picker__sum').style.color = '#ccc'")
    assert [line.partition(":")[0] for line in violations(page, RULES)] == ["color-contrast", "label"]


def test_dark_and_light_are_told_apart_and_can_be_switched(opens: Opens) -> None:
    for scheme, name in (("light", "default"), ("dark", "slate")):
        page = opens(color_scheme=scheme).open("index.html")
        assert page.locator("body").get_attribute("data-md-color-scheme") == name
        assert page.locator(".pub-picture__light").is_visible() is (scheme == "light")
        assert page.locator(".pub-picture__dark").is_visible() is (scheme == "dark")
    page.get_by_title("Switch to light mode").click()
    assert page.locator("body").get_attribute("data-md-color-scheme") == "default"
    page.reload()
    assert page.locator("body").get_attribute("data-md-color-scheme") == "default"


def test_no_page_is_wider_than_a_phone(opens: Opens, built: Path) -> None:
    tab = opens(viewport=PHONE)
    for name in [*pages(built), "download.html#data-body-stats", "download.html#data-segmentation"]:
        page = tab.open(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
    page.get_by_role("checkbox", name="Neuron segmentation").uncheck()
    assert "13 of 14" in page.locator(".pub-picker__sum").inner_text()


def test_all_can_be_done_by_keyboard(opens: Opens) -> None:
    tab = opens()
    page = tab.open("download.html")
    focus = lambda text: page.evaluate(f"() => {text}")  # noqa: E731

    def reach(what: str) -> None:
        for _ in range(80):
            if focus(f"document.activeElement.matches({json.dumps(what)})"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{what} is not reached")

    reach(".pub-versions summary")
    page.keyboard.press("Enter")
    reach(".pub-versions a")
    page.keyboard.press("Escape")
    assert focus("document.activeElement.matches('.pub-versions summary')")
    reach(".pub-picker__all")
    page.keyboard.press("Space")
    reach('.pub-picker__box[data-artifact="regions"]')
    page.keyboard.press("Space")
    assert "1 of 14" in page.locator(".pub-picker__sum").inner_text()
    reach(".pub-tool__code .pub-copy")
    page.keyboard.press("Enter")
    page.locator(".pub-copy--done").wait_for()
    assert '"regions",' in tab.clipboard()
    assert focus("document.activeElement.matches('.pub-copy')")  # who copied goes on from there
    reach(".tabbed-set > input")
    page.keyboard.press("ArrowLeft")
    assert page.get_by_text("Neurons, their connections and synapses").first.is_visible()


def test_the_viewer_is_loaded_when_its_picture_is_clicked(opens: Opens) -> None:
    tab = opens()
    page = tab.open("explore.html")
    assert not [url for url in tab.asked if "/viewer/" in url]
    page.locator(".pub-picture").click(position={"x": 40, "y": 40})
    frame = page.wait_for_selector("iframe.pub-frame")
    assert frame.get_attribute("title") == "Five DA1 projection neurons"
    frame.content_frame().wait_for_function("() => window.viewer?.layerManager.managedLayers.length === 5")
    assert page.locator(".pub-picture").count() == 0


@pytest.fixture
def two_versions(built: Path, tmp_path: Path) -> Iterator[str]:
    """The site as it is, beside one of a later version that knows of no other."""
    shutil.copytree(built, tmp_path / "site" / "v0.9")
    later = tmp_path / "site" / "v1.0"
    shutil.copytree(built, later)
    for path in later.glob("*.html"):
        path.write_text(path.read_text().replace('release" content="v0.9"', 'release" content="v1.0"'))
    (later / "cite.html").unlink()
    rows = [
        {"version": "v1.0", "title": "v1.0", "aliases": ["latest"], "date": "2027-03-01", "status": "final"},
        {"version": "v0.9", "title": "v0.9", "aliases": [], "date": "2026-11-21", "status": "final"},
    ]
    (tmp_path / "site" / "versions.json").write_text(json.dumps(rows))
    with serve.running(tmp_path) as base:
        yield f"{base}/site"


def test_old_sites_know_of_newer_versions(opens: Opens, two_versions: str) -> None:
    tab = opens(f"{two_versions}/v0.9")
    page = tab.open("download.html#skeletons")
    banner = page.get_by_role("complementary", name="Newer version")
    assert "This is v0.9. A newer version is available: v1.0" in banner.inner_text()
    page.locator(".pub-versions summary").click()
    entries = page.locator(".pub-versions a").all_inner_texts()
    assert [" ".join(entry.split()) for entry in entries] == ["v1.0 2027-03-01, latest", "v0.9 2026-11-21"]
    page.locator(".pub-versions a", has_text="v1.0").click()
    page.wait_for_url("**/site/v1.0/download.html#skeletons")
    page.locator(".pub-versions summary", has_text="v1.0").wait_for()
    assert page.locator(".pub-newer").count() == 0
    assert not tab.troubles
    page = tab.open("cite.html")  # which the other version does not have
    page.locator(".pub-versions summary").click()
    page.locator(".pub-versions a", has_text="v1.0").click()
    page.wait_for_url("**/site/v1.0/index.html")


def test_one_version_is_no_news(opens: Opens, published: Release) -> None:
    assert [row["version"] for row in json.loads((published.target / "site" / "versions.json").read_text())] == ["v0.9"]
    tab = opens()
    page = tab.open("index.html")
    page.locator(".pub-versions summary", has_text="v0.9").wait_for()
    assert page.locator(".pub-newer").count() == 0


def test_it_works_from_a_zip(opens: Opens, built: Path, tmp_path: Path) -> None:
    """Everything that works over http works from a disk, and nothing is complained of."""
    shutil.make_archive(str(tmp_path / "site"), "zip", built)
    with zipfile.ZipFile(tmp_path / "site.zip") as archive:
        archive.extractall(tmp_path / "my disk")
    tab = opens((tmp_path / "my disk").as_uri())
    page = tab.open("index.html")
    assert page.locator(".pub-versions, .pub-newer").count() == 0
    assert page.locator(".pub-picture__light").evaluate("image => image.naturalWidth") > 0
    page.get_by_role("link", name="Brain regions").click()
    page.locator("#data-regions").wait_for()
    page.get_by_role("checkbox", name="Everything").uncheck()
    page.get_by_role("checkbox", name="Brain regions").check()
    assert "1 of 14" in page.locator(".pub-picker__sum").inner_text()
    page.get_by_role("button", name="Copy the commands of Python").click()
    page.locator(".pub-copy--done").wait_for()
    assert '"regions",' in tab.clipboard()
    search(page, "confidence_pre_mean", "Body statistics")
    page.locator("#data-body-stats").wait_for()
    assert {url.partition(":")[0] for url in tab.asked} <= {"file", "data", "blob", "about"}
    assert not tab.troubles


def test_it_says_the_same_without_scripts(opens: Opens, published: Release) -> None:
    page = opens(java_script_enabled=False).open("download.html")
    known = inventory(published)
    text = page.locator(".pub-picker").inner_text()
    assert f"{known['segmentation'][0]:,}\t{known['segmentation'][1]:,}" in text
    assert '"segmentation",' in text
    assert (
        not page.locator(".pub-picker__told, .pub-picker input:visible, .pub-copy:visible")
        .locator("visible=true")
        .count()
    )


def test_on_paper_nothing_is_folded_away(opens: Opens) -> None:
    page = opens().open("download.html")
    page.emulate_media(media="print")
    for name in ("segmentation", "body-stats", "skeletons", "neo4j"):
        assert page.locator(f"#data-{name}").is_visible()
    assert not page.locator(".md-header").is_visible()
    assert not page.locator(".pub-copy").first.is_visible()
