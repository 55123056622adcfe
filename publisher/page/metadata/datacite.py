"""DataCite 4.5, as JSON and as XML: what a DOI is registered with. Nothing is registered here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from publisher.page import cite
from publisher.page.metadata.card import Card, Person, line, unmarked
from publisher.page.metadata.jsonld import given
from publisher.page.metadata.xml import dump, element

_KERNEL = "http://datacite.org/schema/kernel-4"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"

Json = dict[str, Any]


def datacite(card: Card) -> Json:
    """Return the release as DataCite's JSON."""
    changes = unmarked(card.book.record.changes)
    described = [(card.description, "Abstract"), (changes, "Other")]
    rights = {
        "rights": card.licence,
        "rightsUri": card.licence_url,
        "rightsIdentifier": card.licence if card.licence_url else "",
        "rightsIdentifierScheme": "SPDX" if card.licence_url else "",
        "schemeUri": "https://spdx.org/licenses/" if card.licence_url else "",
    }
    return given(
        {
            "schemaVersion": _KERNEL,
            "doi": card.doi,
            "url": card.page,
            "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Dataset"},
            "creators": [_creator(person) for person in card.authors],
            "titles": [{"title": card.title}],
            "publisher": {"name": card.publisher},
            "publicationYear": card.year,
            "subjects": [{"subject": word} for word in dict.fromkeys((*card.keywords, *filter(None, [card.species])))],
            "dates": [{"date": card.date, "dateType": "Issued"}],
            "relatedIdentifiers": [_related(each) for each in card.related],
            "sizes": [f"{card.book.record.content_size_bytes} bytes"] if card.book.inventory else [],
            "formats": list(dict.fromkeys(file.media_type for file in card.files)),
            "version": card.version,
            "rightsList": [given(rights)],
            "descriptions": [{"description": text, "descriptionType": kind} for text, kind in described if text],
            "fundingReferences": [_grant(each) for each in card.funding],
        }
    )


def lacking(card: Card) -> str:
    """Say what is missing for DataCite's JSON; "" where nothing is."""
    return "" if card.publisher else "the manifest has no `dataset.publisher`"


def lacking_xml(card: Card) -> str:
    """Say what is missing for DataCite's XML, which wants the DOI as well."""
    return lacking(card) or ("" if card.doi else "the manifest has no `dataset.doi`")


def datacite_xml(card: Card) -> bytes:
    """Return the same as DataCite's XML."""
    data = datacite(card)
    root = element(
        "resource",
        attributes={
            "xmlns": _KERNEL,
            "xmlns:xsi": _INSTANCE,
            "xsi:schemaLocation": f"{_KERNEL} http://schema.datacite.org/meta/kernel-4.5/metadata.xsd",
        },
        of=[
            element("identifier", data["doi"], {"identifierType": "DOI"}),
            element("creators", of=map(_creator_xml, data["creators"])),
            element("titles", of=[element("title", each["title"]) for each in data["titles"]]),
            element("publisher", data["publisher"]["name"]),
            element("publicationYear", data["publicationYear"]),
            element("resourceType", data["types"]["resourceType"], {"resourceTypeGeneral": "Dataset"}),
        ],
    )
    lists = (
        ("subjects", "subject", "subject", ()),
        ("dates", "date", "date", ("dateType",)),
        ("relatedIdentifiers", "relatedIdentifier", "relatedIdentifier", ("relatedIdentifierType", "relationType")),
        ("sizes", "size", "", ()),
        ("formats", "format", "", ()),
        ("version", "", "", ()),
        ("rightsList", "rights", "rights", ("rightsUri", "rightsIdentifier", "rightsIdentifierScheme", "schemeUri")),
        ("descriptions", "description", "description", ("descriptionType",)),
    )
    for name, child, text, attributes in lists:
        if name == "version":
            root.append(element("version", data["version"]))
        elif name in data:
            root.append(element(name, of=[_entry(child, text, attributes, each) for each in data[name]]))
    if "fundingReferences" in data:
        root.append(element("fundingReferences", of=map(_grant_xml, data["fundingReferences"])))
    return dump(root)


def _entry(tag: str, text: str, attributes: tuple[str, ...], each: Any) -> ET.Element:  # noqa: ANN401 - of JSON
    if not text:
        return element(tag, each)
    return element(tag, each[text], {_attribute(name): each.get(name, "") for name in attributes})


def _attribute(name: str) -> str:
    """Return the XML name of what JSON calls …Uri."""
    return name.replace("Uri", "URI")


def _creator(person: Person) -> Json:
    orcid = {
        "nameIdentifier": f"https://orcid.org/{person.orcid}",
        "nameIdentifierScheme": "ORCID",
        "schemeUri": "https://orcid.org",
    }
    return given(
        {
            "name": person.name,
            "nameType": "Personal" if person.person else "Organizational",
            "givenName": person.given,
            "familyName": person.family,
            "nameIdentifiers": [orcid] if person.orcid else [],
            "affiliation": [{"name": person.affiliation}] if person.affiliation else [],
        }
    )


def _creator_xml(creator: Json) -> ET.Element:
    made = element("creator", of=[element("creatorName", creator["name"], {"nameType": creator["nameType"]})])
    made.extend(element(name, creator[name]) for name in ("givenName", "familyName") if name in creator)
    for each in creator.get("nameIdentifiers", ()):
        names = {"nameIdentifierScheme": each["nameIdentifierScheme"], "schemeURI": each["schemeUri"]}
        made.append(element("nameIdentifier", each["nameIdentifier"], names))
    made.extend(element("affiliation", each["name"]) for each in creator.get("affiliation", ()))
    return made


def _related(each: Mapping[str, Any]) -> Json:
    doi = cite.doi(each)
    kind, address = ("DOI", doi) if doi else ("URL", str(each.get("url") or ""))
    return {"relatedIdentifier": address, "relatedIdentifierType": kind, "relationType": each["relation"]}


def _grant(each: Mapping[str, Any]) -> Json:
    return given(
        {
            "funderName": line(each["funder"]),
            "awardNumber": line(each.get("award") or ""),
            "awardUri": each.get("url") or "",
            "awardTitle": line(each.get("title") or ""),
        }
    )


def _grant_xml(grant: Json) -> ET.Element:
    made = element("fundingReference", of=[element("funderName", grant["funderName"])])
    if "awardNumber" in grant:
        made.append(element("awardNumber", grant["awardNumber"], {"awardURI": grant.get("awardUri", "")}))
    if "awardTitle" in grant:
        made.append(element("awardTitle", grant["awardTitle"]))
    return made
