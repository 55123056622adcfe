"""Texts of a release neither run nor include anything: by escaping alone, and by the pages' policy alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from publisher import record, serve, site
from publisher.inventory import read
from publisher.objects import Finding, Report
from tests.browser.test_site_pages import pages
from tests.e2e.conftest import Release

pytestmark = pytest.mark.browser

RUN = "void(top.ran=(top.ran||0)+1)"
ELSEWHERE = "http://evil.invalid"
# What manifests could say, in every text: each would run, ask somebody else or include a file if a page believed it.
TEXTS = (
    f"<script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f"[click](javascript:{RUN})",
    f'words {{: onclick="{RUN}" onmouseover="{RUN}" }}',
    "{{ config }} {% include 'main.html' %} {{ 7 * 191 }}",
    f"<!-- --><script>{RUN}</script><!-- -->",
    '--8<-- "/etc/passwd"',
    f'<svg onload="{RUN}"><script>{RUN}</script></svg>',
    f"<javascript:{RUN}> ![pixel]({ELSEWHERE}/pixel.png) </script></code></pre><script>{RUN}</script>",
)
# What a page could hold if escaping failed.
MARKUP = (
    f"<script>{RUN}</script>",
    f'<img src="nowhere.png" onerror="{RUN}">',
    f'<a id="planted" href="javascript:{RUN}">click</a>',
    f'<p id="planted-too" onclick="{RUN}">click</p>',
    f'<svg onload="{RUN}"></svg>',
    f'<details open ontoggle="{RUN}">x</details>',
    f'<iframe srcdoc="<script>{RUN}</script>"></iframe>',
    f'<iframe src="javascript:{RUN}"></iframe>',
    f'<script src="{ELSEWHERE}/x.js"></script><img src="{ELSEWHERE}/x.png"><link rel="stylesheet" href="{ELSEWHERE}/x.css">',
)
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def hostile(value: Any) -> Any:
    """Return a value of a record in which every text for people is every payload at once."""
    if is_dataclass(value) and not isinstance(value, type):
        told = {"title", "description", "group", "units", "unit", "encoding", "server", "note"}
        change = {
            each.name: text(getattr(value, each.name)) if each.name in told else hostile(getattr(value, each.name))
            for each in fields(value)
        }
        return replace(value, **change)
    return tuple(map(hostile, value)) if isinstance(value, tuple) else value


def text(old: Any) -> Any:
    return f"{old}\n\n" + "\n\n".join(TEXTS) if isinstance(old, str) else old


@pytest.fixture(scope="session")
def hostile_site(published: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the example, all of whose texts are hostile."""
    home = tmp_path_factory.mktemp("hostile")
    live = record.parse((published.target / "v0.9/.release/release.json").read_bytes(), "release.json")
    assert live.inventory is not None
    listed = published.target / live.inventory.key
    names = ("title", "description", "license", "citation", "doi", "homepage", "contact", "species")
    dataset = {**live.dataset, **{name: text("x") for name in names}, "keywords": [text("x")]}
    dataset["authors"] = [{"name": text("A"), "affiliation": text("B"), "orcid": text("C")}]
    worse = replace(hostile(live), dataset=dataset)
    found = (Finding("digest", "error", text("k"), text("m")),)
    site.render(
        worse,
        project=home / "project",
        out=home / "public" / "site" / "v0.9",
        entries=lambda: read(listed),
        report=Report(live.public_url, "v0.9", "full", "2026-11-21T10:00:00+00:00", 1, 1, 1, 1, findings=found),
        source_date=1_795_219_200,
    )
    return home / "public" / "site" / "v0.9"


@pytest.fixture
def copy(hostile_site: Path, tmp_path: Path) -> Path:
    out = tmp_path / "public" / "site" / "v0.9"
    shutil.copytree(hostile_site, out)
    return out


Visits = Callable[[Path, list[str]], "tuple[int, list[str], list[str]]"]


@pytest.fixture
def visit(page: Any) -> Visits:
    """Open pages, click all that could be hostile; return how often something ran, dialogs, and requests to others."""
    dialogs: list[str] = []
    asked: list[str] = []

    def dismiss(dialog: Any) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("request", lambda request: asked.append(request.url))

    def opened(site: Path, names: list[str]) -> tuple[int, list[str], list[str]]:
        ran = 0
        with serve.running(site.parents[1]) as base:
            for name in names:
                page.goto(f"{base}/site/v0.9/{name}")
                page.wait_for_load_state("networkidle")
                page.evaluate(
                    """() => {
                        const odd = 'a[href^="javascript" i], [onclick], [onmouseover], #planted, #planted-too';
                        for (const each of document.querySelectorAll(odd)) { each.click(); }
                    }"""
                )
                page.wait_for_timeout(100)
                ran += page.evaluate("top.ran || 0")
            others = [url for url in asked if not url.startswith((base, "data:", "blob:", "about:"))]
        return ran, dialogs, others

    return opened


def test_the_payloads_are_on_the_pages(hostile_site: Path) -> None:
    """As words: what follows would show nothing if the texts were not there."""
    for name in ("index.html", "download.html", "files.html"):
        shown = (hostile_site / name).read_text()
        assert "top&#46;ran" in shown or "top.ran" in shown
        assert "evil" in shown
        assert POLICY.search(shown)


def test_escaping_alone_is_enough(copy: Path, visit: Visits) -> None:
    for path in copy.rglob("*.html"):
        path.write_text(POLICY.sub("", path.read_text()))
    assert visit(copy, pages(copy)) == (0, [], [])


def test_no_file_is_included_and_no_template_is_filled_in(hostile_site: Path) -> None:
    first = Path("/etc/passwd").read_text().splitlines()[0]
    for path in hostile_site.rglob("*"):
        if path.is_file():
            data = path.read_text(errors="replace")
            assert first not in data, path
            assert "1337" not in data or path.suffix in {".map", ".svg"} or "assets/" in path.as_posix(), path


def planted(site: Path) -> Path:
    path = site / "cite.html"
    old = path.read_text()
    new = re.sub(r"(<article[^>]*>)", lambda match: match[1] + "".join(MARKUP), old, count=1)
    assert new != old
    path.write_text(new)
    return path


def test_the_policy_alone_is_enough(copy: Path, visit: Visits) -> None:
    planted(copy)
    assert visit(copy, ["cite.html"])[:2] == (0, [])


def test_the_policy_asks_nobody_else(copy: Path, page: Any) -> None:
    """A request that the policy stops never leaves the browser: it is a failed one, for this reason."""
    planted(copy)
    answered: list[str] = []
    page.on("response", lambda answer: answered.append(answer.url))
    failed: dict[str, str] = {}
    page.on("requestfailed", lambda request: failed.update({request.url: request.failure or ""}))
    with serve.running(copy.parents[1]) as base:
        page.goto(f"{base}/site/v0.9/cite.html")
        page.wait_for_load_state("networkidle")
    assert not [url for url in answered if url.startswith(ELSEWHERE)]
    assert {why for url, why in failed.items() if url.startswith(ELSEWHERE)} <= {"csp"}


def test_negative_control_without_either(copy: Path, visit: Visits) -> None:
    path = planted(copy)
    path.write_text(POLICY.sub("", path.read_text()))
    ran, _, others = visit(copy, ["cite.html"])
    assert ran >= 7
    assert {f"{ELSEWHERE}/x.js", f"{ELSEWHERE}/x.png", f"{ELSEWHERE}/x.css"} <= set(others)
