"""Write what is generated of the documentation, and build it: python -m docs.book [--check] [--out DIR]."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from docs.book import reference, web
from publisher.site import theme_scripts

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
PAGES = {"manifest.md": reference.manifest, "commands.md": reference.commands}


def generated() -> dict[Path, str]:
    """Return every page that is generated, or has a part that is, with its text as it should be."""
    made = {DOCS / name: write() for name, write in PAGES.items()}
    parts = {
        name: f"```{'text' if name == 'Caddyfile' else name.partition('.')[0]}\n{web.configuration(name)}```"
        for name in web.FILES
    }
    parts["templates"] = reference.own_templates()
    for path in (DOCS / "web-server.md", DOCS / "look.md"):
        text = path.read_text(encoding="utf-8")
        for name, part in parts.items():
            marks = re.escape(f"<!-- generated: {name} -->"), re.escape("<!-- end -->")
            text = re.sub(
                rf"({marks[0]}\n).*?({marks[1]})",
                lambda found, part=part: f"{found[1]}{part}\n{found[2]}",
                text,
                flags=re.DOTALL,
            )  # type: ignore[misc]
        made[path] = text
    return made


def build(out: Path) -> str:
    """Build the documentation with the download site's own theme, strictly; return what MkDocs said, "" where it is good."""
    with tempfile.TemporaryDirectory(prefix="publisher-docs-") as name:
        project = Path(name)
        shutil.copytree(DOCS, project / "docs", ignore=shutil.ignore_patterns("book", "__pycache__"))
        shutil.copytree(ROOT / "site" / "docs" / "assets", project / "docs" / "assets")
        shutil.copytree(ROOT / "site" / "theme", project / "theme")
        shutil.copy(ROOT / "site" / "mkdocs.yml", project / "theme.yml")
        shutil.copy(DOCS / "book" / "mkdocs.yml", project / "mkdocs.yml")
        settings = {"site_name": "publisher", "extra": {"script_hashes": " ".join(theme_scripts())}}
        (project / "mkdocs.generated.yml").write_text(yaml.safe_dump(settings))
        done = subprocess.run(
            [sys.executable, "-P", "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(out.resolve())],
            cwd=project, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    (out / "404.html").unlink(missing_ok=True)
    return (done.stdout + done.stderr).strip() if done.returncode else ""


def main() -> int:
    """Do it; return an exit code."""
    words = argparse.ArgumentParser(prog="python -m docs.book", description=__doc__)
    words.add_argument("--check", action="store_true", help="write nothing; fail where a page is out of date")
    words.add_argument("--out", type=Path, help="build the documentation here")
    given = words.parse_args()
    stale = [
        path for path, text in generated().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        print(f"{path.relative_to(ROOT)} {'is out of date' if given.check else 'written'}")
        if not given.check:
            path.write_text(generated()[path], encoding="utf-8")
    if given.check and stale:
        return 1
    if given.out and (said := build(given.out)):
        print(said)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
