"""Licences by their SPDX identifiers: names, addresses, and a badge that is drawn here."""

from __future__ import annotations

import re
from html import escape

_CC = re.compile(r"CC-(BY(?:-(?:NC|ND|SA|NC-SA|NC-ND))?)-(\d\.\d)")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_TERMS = {"BY": "Attribution", "NC": "NonCommercial", "ND": "NoDerivatives", "SA": "ShareAlike"}
_NAMES = {
    "CC0-1.0": "Creative Commons Zero 1.0 Universal",
    "PDDL-1.0": "Open Data Commons Public Domain Dedication and License 1.0",
    "ODC-By-1.0": "Open Data Commons Attribution License 1.0",
    "ODbL-1.0": "Open Data Commons Open Database License 1.0",
    "MIT": "MIT License",
    "Apache-2.0": "Apache License 2.0",
    "BSD-2-Clause": 'BSD 2-Clause "Simplified" License',
    "BSD-3-Clause": 'BSD 3-Clause "New" or "Revised" License',
}
_CC_VERSIONS = {"1.0": "Generic", "2.0": "Generic", "2.5": "Generic", "3.0": "Unported", "4.0": "International"}


def url(spdx: str) -> str:
    """Return the address of a licence's text by its SPDX identifier, "" for what is none."""
    if match := _CC.fullmatch(spdx):
        return f"https://creativecommons.org/licenses/{match[1].lower()}/{match[2]}/"
    if spdx == "CC0-1.0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    known = _PLAIN.fullmatch(spdx) and not spdx.startswith("LicenseRef")
    return f"https://spdx.org/licenses/{spdx}.html" if known else ""


def name(spdx: str) -> str:
    """Return the full name of a licence that datasets often have, "" for any other."""
    match = _CC.fullmatch(spdx)
    if match and match[2] in _CC_VERSIONS:
        terms = "-".join(_TERMS[term] for term in match[1].split("-"))
        return f"Creative Commons {terms} {match[2]} {_CC_VERSIONS[match[2]]}"
    return _NAMES.get(spdx, "")


def badge(spdx: str) -> str:
    """Return a badge of a licence that has a name, as SVG; "" for any other."""
    if not name(spdx):
        return ""
    label = re.sub(r"-(?=\d)", " ", spdx).replace("CC-BY", "CC BY")
    left, right = 58, 16 + round(7.2 * len(label))  # pixels; textLength makes every font keep to them
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="24" role="img">'
        f"<title>{escape(f'Licence: {label}')}</title>"
        f'<rect width="{left + right}" height="24" rx="4" fill="#17324d"/>'
        f'<path d="M{left} 0h{right - 4}a4 4 0 0 1 4 4v16a4 4 0 0 1-4 4h-{right - 4}z" fill="#0f6a35"/>'
        '<g fill="#fff" font-family="system-ui, Arial, sans-serif" font-size="12" text-anchor="middle">'
        f'<text x="{left / 2:g}" y="16" textLength="{left - 16}">licence</text>'
        f'<text x="{left + right / 2:g}" y="16" font-weight="600" textLength="{right - 16}">{escape(label)}</text>'
        "</g></svg>\n"
    )
