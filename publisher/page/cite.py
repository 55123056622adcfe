"""How a release is cited and licensed: from what its manifest says, nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from publisher.record import Record

_CC = re.compile(r"CC-(BY(?:-(?:NC|ND|SA|NC-SA|NC-ND))?)-(\d\.\d)")
_BIBTEX = str.maketrans(
    {char: f"\\{char}" for char in "{}%&#_$"} | {"\\": r"\textbackslash{}", "~": r"\~{}", "^": r"\^{}"}
)


def licence_url(spdx: str) -> str:
    """Return the address of a licence's text by its SPDX identifier, "" for what is none."""
    if match := _CC.fullmatch(spdx):
        return f"https://creativecommons.org/licenses/{match[1].lower()}/{match[2]}/"
    if spdx == "CC0-1.0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    known = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", spdx) and not spdx.startswith("LicenseRef")
    return f"https://spdx.org/licenses/{spdx}.html" if known else ""


def doi(dataset: Mapping[str, Any]) -> str:
    """Return the bare DOI, however it was written."""
    return re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", str(dataset.get("doi") or ""))


def citation(record: Record) -> str:
    """Return the manifest's citation, or else one put together from authors, year, title, version and DOI."""
    dataset = record.dataset
    if dataset.get("citation"):
        return str(dataset["citation"])
    authors = ", ".join(author["name"] for author in dataset["authors"])
    place = f" https://doi.org/{doi(dataset)}" if doi(dataset) else ""
    return f"{authors} ({record.date[:4]}). {dataset['title']}, version {record.release}.{place}"


def bibtex(record: Record) -> str:
    """Return a BibTeX entry."""
    dataset = record.dataset
    fields = {
        "title": f"{{{_escaped(dataset['title'])}}}",
        "author": " and ".join(f"{{{_escaped(author['name'])}}}" for author in dataset["authors"]),
        "year": record.date[:4],
        "version": _escaped(record.release),
        "doi": doi(dataset),
        "url": "" if doi(dataset) else str(dataset.get("homepage") or ""),
        "note": f"Licence: {_escaped(dataset['license'])}",
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    key = re.sub(r"[^A-Za-z0-9._-]", "-", f"{dataset['name']}-{record.release}")
    return f"@misc{{{key},\n{body}\n}}"


def _escaped(words: object) -> str:
    return " ".join(str(words).split()).translate(_BIBTEX)
