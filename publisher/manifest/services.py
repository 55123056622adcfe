"""Services that serve the same data, as a manifest names them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from publisher.artifacts import Model
from publisher.artifacts.base import Text


class Link(Model):
    """A page that people are led to."""

    title: Text
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
    description: str = ""
    """What is there; Markdown, one line."""


class Service(Model):
    """A service that serves the same data."""

    description: str | None = None
    """What it is good for; Markdown, no HTML."""
    links: tuple[Link, ...] = ()
    """Its own web tools and guides, such as a page that makes cut-outs."""


class NeuPrint(Service):
    """A neuPrint server that holds the dataset."""

    server: Text
    dataset: Text
    example: str | None = None
    """A cell type that the examples ask for."""


class Dvid(Service):
    """A DVID server that holds the dataset, or where a replica of its repository is to be had (`links`)."""

    server: Text | None = None
    uuid: Text | None = None
    """Version of the repository."""
    instances: dict[Text, str] = Field(default_factory=dict)
    """Name of a data instance: what it holds."""

    @model_validator(mode="after")
    def _reached(self) -> Dvid:
        if (self.server is None) != (self.uuid is None):
            raise PydanticCustomError("dvid", "server and uuid go together: a node is asked for by both")
        if self.server is None and not self.links:
            raise PydanticCustomError("dvid", "has neither a server with a uuid nor links that lead to the data")
        return self


class Channel(Model):
    """A channel of a BossDB experiment: one array."""

    name: Text
    type: Literal["image", "annotation"] = "image"
    """Images are what was recorded; annotations are labels."""
    dtype: Literal["uint8", "uint16", "uint64"] | None = None
    description: str = ""


class BossDB(Service):
    """Where BossDB, or another BOSS, holds the dataset."""

    server: str = "https://api.bossdb.io"
    collection: Text
    """Usually a laboratory, or who recorded the data."""
    experiment: Text
    """Data of one extent and one voxel size."""
    channel: str | None = None
    """The channel that the examples read; default the first of `channels`."""
    channels: tuple[Channel, ...] = ()
    """The arrays of the experiment."""
    extent: tuple[int, int, int] | None = None
    """Voxels along x, y, z."""
    account: bool = False
    """Whether reading takes an account and its token; BossDB itself needs none."""
    ndex: bool = False
    """Whether NeuroData's `ndpull` is shown as well, which cuts out TIFF stacks on the command line."""


class Cave(Service):
    """A CAVE datastack."""

    server: Text
    datastack: Text


class Programmatic(Model):
    """Services that serve the same data."""

    neuprint: NeuPrint | None = None
    dvid: Dvid | None = None
    bossdb: BossDB | None = None
    cave: Cave | None = None
    flybrains: Text | None = None
    """Name of the dataset's space in navis-flybrains, for transforms to template brains."""
