"""Releases that others host: their site built from the manifest alone, with no target and no network, and read as text."""

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

ROOT = Path(__file__).parents[1]

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


def environment(folder: Path) -> dict[str, str]:
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


def publisher(folder: Path, environment: dict[str, str], *words: str) -> dict[str, Any]:
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


def build(manifest: Path, folder: Path) -> Made:
    """Build the site of a manifest in a folder of its own: its work folder lies beside it, and a checkout stays clean."""
    work = folder / "work"
    work.mkdir()
    shutil.copy(manifest, work)
    out = work / "out"
    answer = publisher(work, environment(folder), "site", manifest.name, "--out", str(out), "--json")
    pages = tuple(Page(path) for path in sorted(out.rglob("*.html")))
    return Made(work, out, folder / "tried", answer, pages)


def missing(wanted: tuple[str, ...], words: str) -> list[str]:
    """Return what is not there as a word of its own."""
    return [each for each in wanted if not re.search(rf"(?<![\w.]){re.escape(each)}(?!\w)", words)]


def leads_to(address: str, links: set[str], words: str) -> bool:
    """Whether the page shows this very address, or leads there; a slash at its end makes no difference."""
    bare = address.rstrip("/")
    shown = re.search(rf"(?<![\w:/.-]){re.escape(bare)}/?(?![\w/#-])", words)
    return bool(shown) or bool({bare, f"{bare}/"} & links)


def section(made: Made, name: str) -> str:
    """Return the words of an artifact's section."""
    found = [page.sections[f"data-{name}"] for page in made.pages if f"data-{name}" in page.sections]
    assert len(found) == 1, f"{len(found)} sections are about {name}"
    return " ".join(found[0].split())
