"""What a manifest says of the dataset in words: who made it, who paid, what to cite."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from publisher.artifacts.base import Model, Slug, Text

Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"]+$")]
Doi = Annotated[str, StringConstraints(pattern=r"^(https?://(dx\.)?doi\.org/|doi:\s*)?10\.\d{4,9}/\S+$")]


class Author(Model):
    """Somebody who made the dataset."""

    name: Text
    """As it is cited; `Family, Given` tells the two apart."""
    type: Literal["person", "group"] | None = None
    """Default: a person where there is an ORCID iD or a name written `Family, Given`, else a group."""
    orcid: Annotated[str, StringConstraints(pattern=r"^(https://orcid\.org/)?\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")] | None = (
        None
    )
    affiliation: str | None = None


class Funding(Model):
    """Who paid."""

    funder: Text
    """Name of the funder."""
    award: Text | None = None
    """Number of the grant."""
    title: Text | None = None
    """Title of the grant."""
    url: Address | None = None
    """Address of the grant."""


class Related(Model):
    """A publication or another dataset, and what this dataset is to it."""

    doi: Doi | None = None
    url: Address | None = None
    relation: Literal[
        "IsDescribedBy", "IsSupplementTo", "IsSupplementedBy", "IsCitedBy", "Cites", "References", "IsReferencedBy",
        "IsDocumentedBy", "IsDerivedFrom", "IsSourceOf", "IsPartOf", "HasPart", "IsNewVersionOf", "IsPreviousVersionOf",
        "IsVersionOf", "HasVersion", "IsVariantFormOf", "IsIdenticalTo",
    ]  # fmt: skip
    """Read it as: this dataset … that one. The words are DataCite's."""
    title: Text | None = None
    """What it is called."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Related:
        if (self.doi is None) == (self.url is None):
            raise PydanticCustomError("related", "give one of doi and url")
        return self


class Dataset(Model):
    """What the dataset is, in words for people and programs."""

    name: Slug
    """Slug: file names, scene titles."""
    title: Text
    description: Text
    """Markdown; no HTML."""
    license: Text
    """SPDX identifier, such as CC-BY-4.0."""
    authors: Annotated[tuple[Author, ...], Field(min_length=1)]
    citation: str | None = None
    """How to cite it, where that is not authors, year, title and version: a paper, most often."""
    doi: Doi | None = None
    """DOI of this very dataset; that of a paper belongs to `related`."""
    homepage: str | None = None
    contact: str | None = None
    keywords: tuple[str, ...] = ()
    species: str | None = None
    technique: Text | None = None
    """How it was measured, such as FIB-SEM."""
    publisher: Text | None = None
    """Who publishes it: the institution that stands for it. DataCite wants one."""
    funding: tuple[Funding, ...] = ()
    """Who paid for it."""
    related: tuple[Related, ...] = ()
    """Papers and other datasets."""
