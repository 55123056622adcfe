"""Elements of XML, and their bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(
    tag: str, text: str = "", attributes: dict[str, str] | None = None, of: Iterable[ET.Element] = ()
) -> ET.Element:
    """Return an element; characters that XML cannot have are left out of its text, attributes that are empty, too."""
    clean = {name: _NO_CHARACTER.sub("", value) for name, value in (attributes or {}).items() if value}
    made = ET.Element(tag, clean)
    made.text = _NO_CHARACTER.sub("", text) or None
    made.extend(of)
    return made


def dump(root: ET.Element) -> bytes:
    """Return a document, indented."""
    ET.indent(root)
    made: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return made + b"\n"
