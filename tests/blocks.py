"""Every block of code of a page of the documentation: what language it is in, and what is said of it in a comment before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
SHELL = ("sh", "bash", "console")
_SAID = re.compile(r"<!-- (file|not run): ?(.*?) -->")
# What begins a line that somebody is to type.
_COMMAND = re.compile(
    r"^\s*(\$ |(\.venv/bin/)?(publisher|python3?|pip|make|git|gh|gcloud|aws|apt|apt-get|curl|nginx) )"
)


@dataclass(frozen=True)
class Block:
    """One block: where it is, its language ("" for what is indented), its text, and the comment before it."""

    page: Path
    line: int
    language: str
    text: str
    said: str = ""
    about: str = ""

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    return list(parsed(page.read_text(encoding="utf-8"), page))


def parsed(text: str, page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, also those in lists and those that are only indented."""
    before = None
    for token in MarkdownIt().parse(text):
        if token.type in {"fence", "code_block"}:
            said = _SAID.search(before.content) if before is not None else None
            kind, about = (said[1], said[2]) if said else ("", "")
            line = token.map[0] + 1 if token.map else 0
            yield Block(page, line, token.info.split()[0] if token.info.split() else "", token.content, kind, about)
        before = token if token.type == "html_block" else None


def hidden_commands(block: Block) -> list[str]:
    """Return lines of a block that is in no language, that look as if somebody were to type them."""
    return [line for line in block.text.splitlines() if _COMMAND.match(line)]
