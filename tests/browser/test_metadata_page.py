"""The data block of the home page in a real browser: the policy lets it be, nothing in it runs, and it reads back whole."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from publisher import site
from publisher.page.metadata import card, jsonld
from tests.unit.test_metadata import nasty, shown
from tests.unit.test_site import some_entries

pytestmark = pytest.mark.browser


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    home = tmp_path_factory.mktemp("nasty")
    site.render(nasty(), project=home / "project", out=home / "out", entries=some_entries, report=None, source_date=0)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(home / "out"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield home / "out", f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def opened(page: Any, url: str) -> list[str]:
    """Open a page; return what it complained of."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.goto(url)
    page.wait_for_timeout(200)
    return said


READ = "[...document.querySelectorAll('script[type=\"application/ld+json\"]')].map(each => each.textContent)"


def test_the_dataset_of_hostile_texts_is_data_and_nothing_else(built: tuple[Path, str], page: Any) -> None:
    _, base = built
    assert opened(page, f"{base}/index.html") == []
    (text,) = page.evaluate(READ)
    record = nasty()
    assert json.loads(text) == json.loads(json.dumps(jsonld.dataset(card.of(shown(record, page="")))))
    assert page.evaluate("document.scripts.length") == len(page.query_selector_all("head script, body script"))


def test_what_is_not_escaped_would_end_the_block(built: tuple[Path, str], page: Any) -> None:
    """The control: the same page with the texts as they are. The policy alone still keeps them from running."""
    out, base = built
    html = (out / "index.html").read_text(encoding="utf-8")
    raw = html.replace("\\u003c/script\\u003e\\u003cscript\\u003e", "</script><script>")
    assert raw != html
    (out / "raw.html").write_text(raw, encoding="utf-8")
    said = opened(page, f"{base}/raw.html")
    assert any("Content Security Policy" in line for line in said), said
    assert not any(line.startswith("dialog") for line in said)
    with pytest.raises(ValueError, match=r"JSON|Expecting|Unterminated"):
        json.loads(page.evaluate(READ)[0])


def test_pages_of_citations_fit_a_phone(built: tuple[Path, str], page: Any) -> None:
    _, base = built
    page.set_viewport_size({"width": 390, "height": 844})
    assert opened(page, f"{base}/cite.html") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("RIS", exact=True).click()
    assert page.get_by_text("TY  - DATA").is_visible()
