"""Where links of a site lead: each sort of broken one is found, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from publisher import links, serve
from publisher.links import Links, Release, check

SAID = "https://data.example.org/da1"  # where pages say that the release is
GOOD = """<!doctype html><title>Home</title><link rel="stylesheet" href="assets/site.css"><h1 id="top">Home</h1>
<a name="old"></a><a href="#old">old</a><a href="tables/bodies.html#row%201">Bodies</a><a href="">here</a>
<a href="{base}/v1/files/a%20b.txt">a b</a><a href="{base}/v1/files/a%20b.txt?download#x">again</a>
<a href="https://viewer.example/#!{base}/v1/scene.json">scene</a><a href="mailto:a@example.org">mail</a>
<button data-scene="../../viewer/index.html?scene=../v1/scene.json&amp;from=x">show</button>
<a href="https://others.example/one#a">one</a><a href="https://others.example/one#b">the same</a>
<img src="data:image/png;base64,AA==">"""
BODIES = '<!doctype html><title>Bodies</title><p id="row 1">1</p><a href="../index.html#top">up</a>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site in a target, with everything that it links to."""
    root = tmp_path / "public"
    texts = {
        "site/v1/index.html": GOOD.format(base=SAID),
        "site/v1/tables/bodies.html": BODIES,
        "site/v1/assets/site.css": "p {}",
        "site/v1/search/search_index.json": json.dumps({"docs": [{"location": "tables/bodies.html#row 1"}]}),
        "v1/files/a b.txt": "a",
        "v1/scene.json": "{}",
        "viewer/index.html": "viewer",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root / "site/v1"


def looked(site: Path, *, others: bool = False, beside: bool = True) -> Links:
    with serve.running(site.parents[1]) as served:
        return check(site, Release(SAID, served, f"{SAID}/site/v1" if beside else ""), others=others)


def messages(found: Links) -> list[str]:
    return [f"{finding.key}: {finding.message}" for finding in found.findings]


def test_good_links_are_counted(site: Path) -> None:
    found = looked(site)
    assert messages(found) == []
    assert found.ok
    assert (found.inside, found.objects) == (6, 3)  # the viewer, its scene, and one object that two links lead to
    assert found.others == ("https://viewer.example/", "https://others.example/one")
    assert found.asked == 0


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("tables/bodies.html#row2", "leads to #row2, which tables/bodies.html does not have"),
        ("#nowhere", "leads to #nowhere, which index.html does not have"),
        ("tables/none.html", "leads to tables/none.html, which is not there"),
        ("tables/", "is a folder; buckets have no index pages"),
        ("/tables/bodies.html", "works on no other host or folder"),
        ("//others.example/x", "works on no other host or folder"),
        ("javascript:alert(1)", "works on no other host or folder"),
        ("http://[bad", "is no address"),
        (f"{SAID}/v1/files/gone.txt", f"leads to {SAID}/v1/files/gone.txt, where there is no object"),
        (f"https://viewer.example/#!{SAID}/v1/gone.json", f"leads to {SAID}/v1/gone.json, where there is no object"),
        ("../../viewer/index.html?scene=../v1/gone.json", f"leads to {SAID}/v1/gone.json, where there is no object"),
        ("../../viewer/none.html", f"leads to {SAID}/viewer/none.html, where there is no object"),
    ],
)
def test_a_broken_link_is_found(link: str, said: str, site: Path) -> None:
    page = site / "index.html"
    page.write_text(page.read_text() + f'<a href="{link}">broken</a>')
    found = looked(site)
    assert not found.ok
    (message,) = messages(found)
    assert message == f"index.html: {link!r} {said}" or message.startswith(f"index.html: {link!r} {said}")


def test_a_missing_picture_script_and_place_of_the_search_are_found(site: Path) -> None:
    page = site / "tables/bodies.html"
    page.write_text(page.read_text() + '<img src="../renders/a.png"><script src="x.js"></script>')
    (site / "search/search_index.json").write_text(json.dumps({"docs": [{"location": "gone.html"}]}))
    assert messages(looked(site)) == [
        "tables/bodies.html: '../renders/a.png' leads to renders/a.png, which is not there",
        "tables/bodies.html: 'x.js' leads to tables/x.js, which is not there",
        ": 'gone.html' leads to gone.html, which is not there",
    ]


def test_a_site_by_itself_leads_nowhere_beside_it(site: Path) -> None:
    (message,) = messages(looked(site, beside=False))
    assert "leads out of the site" in message


def test_many_broken_links_are_counted(site: Path) -> None:
    page = site / "index.html"
    page.write_text(page.read_text() + "".join(f'<a href="#gone{number}">x</a>' for number in range(60)))
    found = looked(site).findings
    assert len(found) == links.MOST_NAMED + 1
    assert found[-1].message == "and 10 more links that lead nowhere"


# What others host


class Host(BaseHTTPRequestHandler):
    """Answers each path as its name says; it knows HEAD for some only."""

    asked: list[str] = []  # noqa: RUF012 - one server, one test

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        name = self.path.strip("/")
        status = int(name) if name.isdecimal() else 405 if self.command == "HEAD" else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status == 302:
            self.send_header("Location", "/404")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def others() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    Host.asked.clear()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def links_to(site: Path, *urls: str) -> None:
    (site / "tables/bodies.html").unlink()
    (site / "search/search_index.json").unlink()
    (site / "index.html").write_text("".join(f'<a href="{url}">x</a>' for url in urls))


def test_others_are_asked_once_each_and_the_dead_are_found(others: str, site: Path) -> None:
    urls = [f"{others}/{name}" for name in ("200", "200#a", "404", "302", "403", "500")]
    links_to(site, *urls, "http://127.0.0.1:1/")
    found = looked(site, others=True)
    assert found.asked == 5
    assert [(finding.severity, finding.message) for finding in found.findings] == [
        ("error", f"'{others}/404' is answered 404 by its host"),
        ("error", f"'{others}/302' is answered 404 by its host"),
        ("warning", f"'{others}/403' is answered 403 by its host"),
        ("warning", f"'{others}/500' is answered 500 by its host"),
        ("warning", "'http://127.0.0.1:1/' is not answered (NewConnectionError)"),
    ]
    assert Host.asked.count("HEAD /200") == 1
    assert "GET /200" not in Host.asked
    assert looked(site).findings == ()


def test_who_knows_no_head_is_asked_with_get(others: str, site: Path) -> None:
    links_to(site, f"{others}/only-get")
    assert looked(site, others=True).findings == ()
    assert Host.asked == ["HEAD /only-get", "GET /only-get"]


def test_without_a_network_nobody_is_called_dead(site: Path) -> None:
    links_to(site, "http://127.0.0.1:1/a", "http://127.0.0.1:1/b", "http://no-such-host.invalid/")
    found = looked(site, others=True)
    assert found.ok
    (finding,) = found.findings
    assert (finding.severity, finding.message) == ("note", "3 links to others were not checked: no network")
