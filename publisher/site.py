"""Build the download site: from a release's record, its inventory and what `verify` saw, to static HTML."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from publisher import work
from publisher.brand import PICTURES, PLAIN, Brand, dressed
from publisher.errors import InvalidInput, LocalTrouble, Problem
from publisher.objects import Entry, Report
from publisher.page import documents, places, releases, safe, templates
from publisher.page.documents import Document
from publisher.page.metadata import card as cards
from publisher.page.metadata import jsonld
from publisher.page.pages import MARK, frames, pages, settings
from publisher.page.view import Read, book, nothing
from publisher.record import Record
from publisher.resources import folder

CONFIG = "mkdocs.yml"
GENERATED = "mkdocs.generated.yml"  # what mkdocs.yml inherits: the title, the navigation
LAID = ".skeleton.json"  # digests of the skeleton's files as they were laid down
PAPERS = ".documents.json"  # digests of the documents as they were written beside the pages
RENDERS = "renders"  # below docs: the pictures of the scenes
LISTING = ".publisher-site"  # in the built site: the files that are ours, hence ours to remove


@dataclass(frozen=True, slots=True)
class Hosting:
    """What pages cannot know from the record: where the release is stored, and where pages and pictures lie.

    `storage` is the target's URL, for releases whose public address does not tell their bucket. `root` is the target as
    seen from the pages, such as `../..`, where it hosts the viewer. `endpoint` is where a bucket's store answers, "" for
    Amazon's and Google's own; None where that is not known. `pictures` is the folder of those that the report names.
    `read` gives the stored bytes of the release's own small objects by their keys, or None. `page` is the public address
    of the site, "" where it has none that is known; `ro_crate` says whether the site has an RO-Crate, too. `versions` is
    where `versions.json` lies as seen from the site's first page, "" where there is none.
    """

    storage: str = ""
    root: str | None = None
    endpoint: str | None = None
    pictures: Path | None = None
    read: Read = nothing
    page: str = ""
    ro_crate: bool = False
    versions: str = ""


@dataclass(frozen=True, slots=True)
class Built:
    """A site as it was built: where, how many pages were generated, how many files there are, and what it lacks."""

    out: Path
    pages: int
    files: int
    lacks: tuple[Problem, ...] = ()


def render(  # noqa: PLR0913 - what is shown, where, and how
    record: Record,
    *,
    project: Path,
    out: Path,
    entries: Callable[[], Iterable[Entry]] | None,
    report: Report | None,
    source_date: int,
    hosting: Hosting = Hosting(),
    brand: Brand = PLAIN,
) -> Built:
    """Build the site of a release: lay the project down, write its pages, run MkDocs, and put the result in place.

    The same input gives the same bytes, and files that are what they should be are not touched.

    Raises:
        InvalidInput: MkDocs found a fault in a page, or `out` holds what publisher did not make.
        LocalTrouble: a file cannot be read or written.

    """
    base = places.target(record.public_url, hosting.storage, hosting.endpoint)
    shown = replace(book(record, base, entries() if entries else (), hosting.read), page=hosting.page)
    card, editions = cards.of(shown), releases.live(shown)
    papers = documents.of(card, editions, ro_crate=hosting.ro_crate)
    try:
        lay_down(project)
        shots = _place_pictures(project / "docs" / RENDERS, hosting.pictures, report)
        dress = dressed(project / "docs", brand)
        with templates.using(brand.templates):
            texts = pages(shown, report, hosting.root, shots, papers, editions)
        _write_pages(project / "docs", {name: text for name, (text, _) in texts.items()})
        titles = {name: title for name, (_, title) in texts.items()}
        links = [(title, name.replace(".md", ".html")) for name, title in titles.items()]
        write_documents(project, (*papers, *documents.around(card, papers, links)))
        extra = {
            "frames": frames(shown),
            "style": brand.style,
            "release": safe.plain(record.release),
            "versions": hosting.versions,
            "feed": documents.FEED if editions else "",
            "dataset": "" if jsonld.lacking(card) else jsonld.embedded(card),
        }
        values = settings(shown, titles | _hand_written(project / "docs", titles)) | dress
        _write_settings(project, values, extra)
        files = _build(project, out, source_date)
    except OSError as error:
        raise work.trouble(error, project) from error
    return Built(out, len(texts), files, documents.left_out(papers))


def lay_down(project: Path) -> None:
    """Copy the skeleton of the site to a project, except over files that somebody has changed there."""
    top = folder("site")
    if project.resolve() == top.resolve():
        return
    known: dict[str, str] = json.loads((project / LAID).read_text()) if (project / LAID).is_file() else {}
    laid = {}
    for source in skeleton():
        name = source.relative_to(top).as_posix()
        target, data = project / name, source.read_bytes()
        laid[name] = _digest(data)
        if not target.is_file() or _digest(target.read_bytes()) == known.get(name):
            work.write_file(target, data)
    work.write_file(project / LAID, json.dumps(laid, indent=1).encode())


def skeleton() -> list[Path]:
    """Return the files of the skeleton, which brings settings, looks and scripts, and no page."""
    top = folder("site")
    found = (top / CONFIG, *sorted(top.glob("theme/**/*")), *sorted(top.glob("docs/assets/**/*")))
    return [path for path in found if path.is_file() and PICTURES not in path.as_posix()]


def hand_made(project: Path) -> list[Path]:
    """Return the files of a project that publisher does not write itself whenever it builds the site."""
    made = (project / "docs" / RENDERS, project / "docs" / PICTURES)
    found = (path for path in project.rglob("*") if path.is_file() and path.name not in {GENERATED, LAID})
    kept = (path for path in found if not any(path.is_relative_to(each) for each in made))
    return [path for path in kept if path.suffix != ".md" or not _is_generated(path)]


def _place_pictures(place: Path, folder: Path | None, report: Report | None) -> frozenset[str]:
    """Copy the scenes' pictures beside the pages, and remove those of a former run; return the names of those there are."""
    wanted = {name for scene in (report.scenes if report else ()) for name in scene.pictures}
    there = frozenset(name for name in wanted if folder is not None and (folder / name).is_file())
    for old in place.iterdir() if place.is_dir() else ():
        if old.name not in there:
            old.unlink()
    for name in sorted(there):
        assert folder is not None
        work.write_file(place / name, (folder / name).read_bytes())
    return there


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_generated(page: Path) -> bool:
    with page.open(encoding="utf-8", errors="replace") as file:
        return file.readline().strip() == "---" and file.readline().startswith(MARK)


def _write_pages(docs: Path, texts: Mapping[str, str]) -> None:
    """Write the generated pages, and remove those of a former run. A page without the mark is somebody's own: it stays."""
    for page in docs.rglob("*.md") if docs.is_dir() else ():
        if page.relative_to(docs).as_posix() not in texts and _is_generated(page):
            page.unlink()
    for name, text in texts.items():
        page = docs / name
        if not page.is_file() or _is_generated(page):
            work.write_file(page, text.encode())


def _hand_written(docs: Path, titles: Mapping[str, str]) -> dict[str, str]:
    """Return the pages that people added, so that they too are found."""
    names = sorted(page.relative_to(docs).as_posix() for page in docs.rglob("*.md"))
    return {name: Path(name).stem.replace("-", " ").capitalize() for name in names if name not in titles}


def write_documents(project: Path, made: Iterable[Document]) -> None:
    """Write the documents, and remove those of a former run. One that somebody has changed or added is theirs: it stays."""
    path = project / PAPERS
    known: dict[str, list[str]] = json.loads(path.read_text()) if path.is_file() else {}
    wanted = {document.name: document.data for document in made if document.data}
    digests = {name: [_digest(data)] for name, data in wanted.items()}
    # Until all is done, both are ours: a run that is killed leaves nothing that the next would take for somebody's own.
    both = {name: list(dict.fromkeys(known.get(name, []) + digests.get(name, []))) for name in {*known, *wanted}}
    work.write_file(path, json.dumps(both, indent=1, sort_keys=True).encode())
    for name, ours in both.items():
        place = project / "docs" / name
        if place.is_file() and _digest(place.read_bytes()) not in ours:
            continue
        if name in wanted:
            work.write_file(place, wanted[name])
        else:
            place.unlink(missing_ok=True)
    work.write_file(path, json.dumps(digests, indent=1, sort_keys=True).encode())


def _write_settings(project: Path, values: dict[str, Any], extra: Mapping[str, str]) -> None:
    import yaml  # noqa: PLC0415 - only where a site is built

    values["extra"] = {"script_hashes": " ".join(theme_scripts()), **extra}
    text = yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=120)
    work.write_file(project / GENERATED, f"{MARK}: edits are lost.\n{text}".encode())


def theme_scripts() -> list[str]:
    """Return the hashes of the theme's own inline scripts, the only ones that a page may run.

    They come from the theme's files and not from built pages: whatever a text of the release smuggled into a page would
    be allowed with the rest.
    """
    from jinja2 import Environment  # noqa: PLC0415 - only where a site is built

    spec = find_spec("material")
    if spec is None or not spec.submodule_search_locations:
        raise LocalTrouble(Problem("mkdocs-material", "is not installed", "pip install mkdocs-material"))
    scripts = Path(spec.submodule_search_locations[0], "templates", "partials", "javascripts")
    given = {"config": {"extra": {"scope": "."}}, "base_url": ".", "features": ["content.tabs.link"]}
    made = Environment(autoescape=False)  # noqa: S701 - the theme's own scripts, as it renders them itself
    hashes = set()
    for path in scripts.glob("*.html"):
        text = made.from_string(path.read_text(encoding="utf-8")).render(given)
        for script in re.findall(r"<script>(.*?)</script>", text, re.DOTALL):
            hashes.add(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())
    return sorted(f"'sha256-{value}'" for value in hashes)


def _build(project: Path, out: Path, source_date: int) -> int:
    """Build into a folder beside `out`, then put it in place; return how many files there are."""
    _ours(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    made = out.with_name(f".{out.name}.building")
    shutil.rmtree(made, ignore_errors=True)
    try:
        _mkdocs(project, made, source_date)
        # The theme's: its links begin at the top of a host, where nothing is ours.
        (made / "404.html").unlink(missing_ok=True)
        for page in made.glob("*.html"):
            work.write_file(page, _lighter(page.read_text(encoding="utf-8")).encode())
        names = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
        _place(made, out, names)
        return len(names)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _lighter(html: str) -> str:
    """Return a page whose code has no colours for names, signs and spaces: half of all its elements, to browsers' relief."""
    return re.sub(r'<span class="(?:n|p|o|w)">([^<]*)</span>', r"\1", html)


def _mkdocs(project: Path, made: Path, source_date: int) -> None:
    command = [sys.executable, "-P", "-m", "mkdocs", "build", "--strict", "-f", CONFIG, "-d", str(made.resolve())]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "SOURCE_DATE_EPOCH": str(source_date)}
    done = subprocess.run(  # noqa: S603 - our own interpreter, and names that we made
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InvalidInput(tuple(_faults(done.stdout + done.stderr, project)))


def _faults(output: str, project: Path) -> Iterator[Problem]:
    """Yield what MkDocs complained of; where it said nothing that is meant for people, its last line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", output).replace(f"{project.resolve()}{os.sep}", "")
    lines = [line for line in text.splitlines() if line.strip()]
    faults = [match[1] for line in lines if (match := re.match(r"(?:WARNING|ERROR)\s*-\s*(.*)", line))]
    for fault in faults or lines[-1:] or ["it gave no reason"]:
        yield Problem(str(project / CONFIG), f"MkDocs could not build the site: {fault}", "correct the page it names")


def _listed(out: Path) -> set[str]:
    path = out / LISTING
    return set(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else set()


def _ours(out: Path) -> None:
    """Refuse a folder that holds what publisher did not make."""
    if out.is_dir() and any(out.iterdir()) and not (out / LISTING).is_file():
        raise InvalidInput(Problem(str(out), "is not empty, and was not made by publisher", "choose another --out"))


def _place(made: Path, out: Path, names: list[str]) -> None:
    """Put a built site in place. A new one appears at once; in an old one pages change last, when all they need is there."""
    (made / LISTING).write_text("\n".join(names) + "\n", encoding="utf-8")
    if not out.is_dir() or not any(out.iterdir()):
        if out.is_dir():
            out.rmdir()
        made.rename(out)
        return
    old = _listed(out)
    # Until all is done, both lists are ours: a run that is killed leaves nothing that the next would not know.
    work.write_file(out / LISTING, ("\n".join(sorted(old.union(names))) + "\n").encode())
    for name in sorted(names, key=lambda name: (name.endswith(".html"), name)):
        work.write_file(out / name, (made / name).read_bytes())
    for name in sorted(old.difference(names)):
        (out / name).unlink(missing_ok=True)
    for empty in sorted((path for path in out.rglob("*") if path.is_dir()), reverse=True):
        if not any(empty.iterdir()):
            empty.rmdir()
    work.write_file(out / LISTING, (made / LISTING).read_bytes())
