"""Text from a release → Markdown in which it can mean nothing but itself.

Whatever is neither letter, digit, space nor harmless becomes a numeric character reference, which no Markdown extension
and no browser takes for markup. So there is no list of dangerous constructs that could have a gap. Descriptions may use
Markdown: it is parsed here (HTML is text to that parser) and written anew from its tree, with our own few inline tags.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from urllib.parse import quote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

_HARMLESS = " ,;()/%"
_HARMLESS_IN_HTML = frozenset(f"{_HARMLESS}-.:+")  # where no line of Markdown begins
_INDENT = "    "
# In an address: everything that RFC 3986 reserves, but for what Markdown or HTML could read: ( ) ' [ ] ; and spaces.
_ADDRESS = "/:?#@!$&*+,=%-._~"
_LOOKALIKES = str.maketrans(
    "<>\"'`",
    "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
    "\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}",
)
_SCHEMES = frozenset({"http", "https", "mailto"})
_LANGUAGE = re.compile(r"[A-Za-z0-9+-]{1,20}")


def text(value: object) -> str:
    """Return words for any place in Markdown or HTML: one line, nothing in it is markup."""
    return "".join(_character(char) for char in " ".join(printable(str(value)).split()))


def cell(value: object) -> str:
    """Return words for a place inside raw HTML, such as a cell of a large table: the same with fewer bytes."""
    words = " ".join(printable(str(value)).split())
    return "".join(char if char.isalnum() or char in _HARMLESS_IN_HTML else f"&#{ord(char)};" for char in words)


def verbatim(value: str) -> str:
    """Return lines for a `<pre>` in a block of HTML: every space and line stays, nothing in them is markup."""
    return "".join(char if char == "\n" else _character(char) for char in printable(value).expandtabs(4))


def _character(char: str) -> str:
    return char if char.isalnum() or char in _HARMLESS else f"&#{ord(char)};"


def printable(value: str) -> str:
    """Drop what is invisible and could disturb: control characters, and marks that reverse the direction of reading."""
    return "".join(char for char in value if char in "\n\t" or not _disturbs(char))


def _disturbs(char: str) -> bool:
    bidirectional = "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"
    return bidirectional or unicodedata.category(char) in {"Cc", "Cs"}


def code(value: object) -> str:
    """Return words as inline code."""
    return f"<code>{text(value)}</code>"


def plain(value: object) -> str:
    """Return words for places that the theme copies into HTML unescaped, or unescapes once: titles and attributes."""
    words = " ".join(printable(str(value)).split())
    return re.sub(r"&(?=[#\w])", "& ", words.translate(_LOOKALIKES))


def address(value: str) -> str:
    """Return a web address as an HTML attribute, or "" for one that no page should lead to (`javascript:`, `data:`)."""
    bare = printable(value).strip()
    try:
        scheme = urlsplit(bare).scheme
    except ValueError:
        return ""
    if scheme not in _SCHEMES:
        return ""
    encoded = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", quote(bare, safe=_ADDRESS))
    return html.escape(encoded)


def link(label: str, to: str) -> str:
    """Return a link with a label that is safe already; only the label where the address is none to follow."""
    href = address(to)
    return f'<a href="{href}">{label}</a>' if href else label


def block(value: str, language: str = "text", title: str = "") -> str:
    """Return a fenced code block; its fence is longer than any in the code."""
    body = "".join(char for char in value.expandtabs(4) if char == "\n" or not _disturbs(char)).rstrip("\n")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
    name = f' title="{title}"' if title else ""
    return f"{fence} {{ .{language}{name} }}\n{body}\n{fence}"


def literal(value: object) -> str:
    """Return a value as a literal of Python and R: a number, or a string in double quotes."""
    return json.dumps(value, ensure_ascii=False)


def prose(value: str | None) -> str:
    """Return a description, which may use Markdown, as Markdown that is safe. HTML in it is shown, not obeyed."""
    return _blocks(SyntaxTreeNode(_parser().parse(printable(value or ""))).children)


def phrase(value: str | None) -> str:
    """Return a description of one line, for a cell or a list: emphasis, code and links, but no blocks."""
    (line,) = SyntaxTreeNode(_parser().parseInline(" ".join(printable(value or "").split()))).children
    return _inline(line)


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False})


def _blocks(nodes: list[SyntaxTreeNode]) -> str:
    return "\n\n".join(_block(node) for node in nodes)


def _block(node: SyntaxTreeNode) -> str:
    if node.type in {"bullet_list", "ordered_list"}:
        mark = "-" if node.type == "bullet_list" else "1."
        return "\n\n".join(_item(mark, _blocks(item.children)) for item in node.children)
    if node.type == "blockquote":
        return "\n".join(f"> {line}".rstrip() for line in _blocks(node.children).splitlines())
    if node.type in {"fence", "code_block"}:
        language = node.info.split()[0] if node.info.split() else "text"
        return block(node.content, language if _LANGUAGE.fullmatch(language) else "text")
    if node.type == "heading":  # the page's own headings make its structure
        return f"<strong>{_inline(node)}</strong>"
    return "* * *" if node.type == "hr" else _inline(node)


def _item(mark: str, body: str) -> str:
    lines = body.splitlines() or [""]
    rest = [f"{_INDENT}{line}".rstrip() for line in lines[1:]]
    return "\n".join([f"{mark:<4}{lines[0]}", *rest])


def _inline(node: SyntaxTreeNode) -> str:
    return "".join(_SPANS.get(child.type, _words)(child) for child in node.children)


def _words(node: SyntaxTreeNode) -> str:
    # Not text(): its spaces at the ends belong to the sentence.
    return _inline(node) if node.children else "".join(_character(char) for char in node.content.replace("\n", " "))


def _tagged(tag: str) -> Callable[[SyntaxTreeNode], str]:
    return lambda node: f"<{tag}>{_inline(node)}</{tag}>"


def _picture(node: SyntaxTreeNode) -> str:
    """Link to a picture: showing it would ask somebody else's server on every visit."""
    source = str(node.attrs.get("src", ""))
    return link(_inline(node) or text(source), source)


_SPANS: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "strong": _tagged("strong"),
    "em": _tagged("em"),
    "code_inline": lambda node: code(node.content),
    "softbreak": lambda _: " ",
    "hardbreak": lambda _: "<br>",
    "link": lambda node: link(_inline(node), str(node.attrs.get("href", ""))),
    "image": _picture,
}
