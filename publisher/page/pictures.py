"""Pictures that people put on their site: what they are is told by their bytes, and an SVG may draw, but not act.

A logo lies on the address of the data. Shown on a page it can do nothing; opened by its own address, a script in it
would run there.
"""

from __future__ import annotations

import re
import xml.parsers.expat
from pathlib import Path

MOST_BYTES = 512 * 1024
_PNG, _ICO = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x01\x00"
_SVG = "http://www.w3.org/2000/svg"
_ACTIVE = frozenset(
    {"script", "foreignobject", "iframe", "object", "embed", "audio", "video", "handler", "set", "animate"}
)
_ELSEWHERE = re.compile(r"^\s*(?!#|data:image/(png|jpeg|gif|webp)[;,])\S")
_STYLED = re.compile(r"@import|url\(\s*['\"]?\s*(?!#)|expression\(|javascript:", re.IGNORECASE)

LOGOS, FAVICONS = ("svg", "png"), ("svg", "png", "ico")


def trouble(path: Path, kinds: tuple[str, ...]) -> str:
    """Return what keeps a file from being a picture of one of these kinds, with its line where it is an SVG; or ""."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if len(data) > MOST_BYTES:
        return f"is {len(data):,} bytes long; at most {MOST_BYTES:,} make a quick page"
    kind = path.suffix.lower().removeprefix(".")
    if kind not in kinds:
        return f"is no {' or '.join(map(str.upper, kinds))} by its name"
    if kind == "svg":
        return _svg_trouble(data)
    return (
        "" if data.startswith(_PNG if kind == "png" else _ICO) else f"is no {kind.upper()}: its first bytes are others"
    )


class _Refused(Exception):
    pass


def _svg_trouble(data: bytes) -> str:
    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    looking = _Looking()
    parser.StartElementHandler, parser.EndElementHandler = looking.begin, looking.end
    parser.CharacterDataHandler = looking.words
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = looking.declared
    parser.buffer_text = True
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat takes no name
    except _Refused as refused:
        return f"{refused} (line {parser.CurrentLineNumber})"
    except xml.parsers.expat.ExpatError as error:
        return f"is no SVG: {xml.parsers.expat.ErrorString(error.code)} (line {error.lineno})"
    return ""


class _Looking:
    """Looks at each element of an SVG, and raises _Refused at the first that does more than draw."""

    def __init__(self) -> None:
        self._inside: list[str] = []

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        space, _, bare = name.lower().rpartition(" ")
        if not self._inside and (bare, space) != ("svg", _SVG):
            raise _Refused(f"is no SVG: it begins with <{bare}>, or without xmlns={_SVG!r}")
        if bare in _ACTIVE:
            raise _Refused(f"has <{bare}> in it, which can act on the page")
        for key, value in attributes.items():
            _look(key.rpartition(" ")[2].lower(), value)
        self._inside.append(bare)

    def end(self, _: str) -> None:
        self._inside.pop()

    def words(self, text: str) -> None:
        if self._inside[-1:] == ["style"] and _STYLED.search(text):
            raise _Refused("has a style that leads elsewhere")

    def declared(self, *_: object) -> None:
        raise _Refused("has a DOCTYPE or a processing instruction, which a picture needs not")


def _look(attribute: str, value: str) -> None:
    if attribute.startswith("on"):
        raise _Refused(f"has {attribute}= in it, which is a script")
    if attribute in {"href", "src"} and _ELSEWHERE.match(value):
        raise _Refused(f"leads elsewhere: {attribute}={value[:60]!r}")
    if _STYLED.search(value):
        raise _Refused(f"has a style that leads elsewhere: {value[:60]!r}")
