"""Croissant 1.1: files with their digests, and tables as record sets, for those who load data by program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from publisher.facts import Column, TableFacts
from publisher.page.metadata.bibtex import bibtex
from publisher.page.metadata.card import Card, File, Folder
from publisher.page.metadata.jsonld import agent, amount, description, given, licence
from publisher.page.metadata.types import inner

# The context that the specification prescribes, word for word: programs compare it.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileProperty",
            "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
            "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
            "separator", "source", "subField", "transform",
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
}  # fmt: skip
# Besides its registered type, what those who load by Croissant know Parquet by; Arrow files they do not load.
_LOADED_AS = {"application/vnd.apache.parquet": ["application/vnd.apache.parquet", "application/x-parquet"]}
_TYPES = {
    "bool": "sc:Boolean",
    "string": "sc:Text",
    "large_string": "sc:Text",
    "halffloat": "cr:Float16",
    "float": "cr:Float32",
    "double": "cr:Float64",
    **{f"{sign}int{bits}": f"cr:{sign.upper()}Int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def croissant(card: Card) -> dict[str, Any]:
    """Return the release as Croissant describes datasets. Of what others host there is no digest, so it is not in it."""
    files = [file for file in card.files if file.sha256]
    return given(
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.1",
            "name": f"{card.title}, version {card.version}",
            "description": description(card),
            "url": _address(card),
            "version": card.version,
            "datePublished": card.date,
            "license": licence(card),
            "creator": [agent(person) for person in card.authors],
            "publisher": {"@type": "Organization", "name": card.publisher} if card.publisher else None,
            "keywords": list(card.keywords),
            "citeAs": bibtex(card),
            "sameAs": f"https://doi.org/{card.doi}" if card.doi and card.home else "",
            "distribution": [*map(_file_object, files), *_file_sets(card)],
            "recordSet": list(_record_sets(files)),
        }
    )


def lacking(card: Card) -> str:
    """Say what is missing for Croissant; "" where nothing is."""
    if not any(file.sha256 for file in card.files):
        return "it wants files with their digests, and the release has none of its own"
    return "" if _address(card) else "the manifest has neither `dataset.homepage` nor `dataset.doi`"


def _address(card: Card) -> str:
    return card.home or (f"https://doi.org/{card.doi}" if card.doi else "")


def _file_object(file: File) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.id,
        "name": file.key.rpartition("/")[2],
        "description": file.title,
        "contentUrl": file.url,
        "contentSize": amount(file.size_bytes),
        "encodingFormat": _LOADED_AS.get(file.media_type, file.media_type),
        "sha256": file.sha256,
    }


def _file_sets(card: Card) -> Iterator[dict[str, Any]]:
    for folder in card.folders:
        if not folder.described.external:
            yield _file_set(folder)


def _file_set(folder: Folder) -> dict[str, Any]:
    item = folder.described
    return {
        "@type": "cr:FileSet",
        "@id": folder.id,
        "name": folder.title,
        "description": f"{item.objects} objects of {item.content_size_bytes} bytes together, below {folder.url}",
        "encodingFormat": folder.format_url or "application/octet-stream",
        "includes": f"{item.key}/**",
    }


def _record_sets(files: list[File]) -> Iterator[dict[str, Any]]:
    for file in files:
        facts = file.described.facts
        if isinstance(facts, TableFacts) and facts.columns:
            name = f"{file.id}-rows"
            yield {
                "@type": "cr:RecordSet",
                "@id": name,
                "name": file.title,
                "description": f"{facts.rows} rows",
                "field": [_field(name, file.id, column) for column in facts.columns],
            }


def _field(rows: str, file: str, column: Column) -> dict[str, Any]:
    kind, repeated = inner(column.type)
    words = f"{column.description} Unit: {column.unit}." if column.unit else column.description
    return given(
        {
            "@type": "cr:Field",
            "@id": f"{rows}/{quote(column.name, safe='')}",
            "name": column.name,
            "description": words.strip(),
            "dataType": _data_type(kind),
            "repeated": True if repeated else None,
            "source": {"fileObject": {"@id": file}, "extract": {"column": column.name}},
        }
    )


def _data_type(kind: str) -> str:
    if kind.startswith(("timestamp", "date64")):
        return "sc:DateTime"
    if kind.startswith("date32"):
        return "sc:Date"
    return _TYPES.get(kind, "sc:Text" if not kind.startswith("decimal") else "sc:Number")
