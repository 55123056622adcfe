"""How a release is cited: from what its manifest says, nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from publisher.record import Record


def doi(dataset: Mapping[str, Any]) -> str:
    """Return the bare DOI of a dataset, "" where it has none."""
    return bare(str(dataset.get("doi") or ""))


def bare(doi: str) -> str:
    """Return a DOI without the address or the word before it."""
    return re.sub(r"^(https?://(dx\.)?doi\.org/|doi:\s*)", "", doi)


def citation(record: Record) -> str:
    """Return the manifest's citation, or else one put together from authors, year, title, version and DOI."""
    return str(record.dataset["citation"]) if record.dataset.get("citation") else of_dataset(record)


def of_dataset(record: Record) -> str:
    """Return a citation of this very version: authors, year, title, version, publisher and DOI."""
    dataset = record.dataset
    authors = "; ".join(author["name"] for author in dataset["authors"])
    if not any("," in author["name"] for author in dataset["authors"]):
        authors = authors.replace("; ", ", ")
    publisher = f" {dataset['publisher']}." if dataset.get("publisher") else ""
    place = f" https://doi.org/{doi(dataset)}" if doi(dataset) else ""
    return f"{authors} ({record.date[:4]}). {dataset['title']}, version {record.release}.{publisher}{place}"
