"""What was measured of an artifact: the page, the scene and the checks know nothing else. Frozen, free of I/O.

Lengths are nanometres where the name ends in `_nm`, voxels where it ends in `_voxels`; axes are x, y, z.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Discriminator

Triple = tuple[float, float, float]
Whole = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Scale:
    """One resolution of a volume: voxel size in nm; size, offset and chunks in voxels of this scale."""

    key: str
    voxel_size_nm: Triple
    size_voxels: Whole
    offset_voxels: Whole
    chunk_voxels: Whole
    encoding: str
    sharded: bool


@dataclass(frozen=True, slots=True)
class Values:
    """The least and the greatest value of the voxels of one scale, all of which were read."""

    low: int | float
    high: int | float
    scale: str  # its key
    absent: bool = False  # whether chunks are not stored, which count as zeros


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """An array: its format, what a voxel is, and its scales, finest first."""

    format: Literal["precomputed", "n5", "zarr2", "zarr3"]
    role: Literal["image", "segmentation"]
    data_type: str
    channels: int
    scales: tuple[Scale, ...]
    segment_properties: str | None = None  # the key of a folder beside the volume, made from a table
    # Where the files do not say how large a voxel is, a scene puts the array into its space by these: the places of x, y
    # and z among the array's axes, and what the viewer calls the axes.
    axes: Whole | None = None
    axis_names: tuple[str, ...] = ()
    regions: tuple[tuple[str, str], ...] = ()  # label and name of each, where the labels are named regions
    contrast: tuple[float, float] | None = None  # values of an image that are best shown black and white
    kind: Literal["volume"] = "volume"
    # Measured where tensorstore is installed: a machine without it stages the same release all the same.
    values: Values | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its name and type are the file's own, the words are the manifest's."""

    name: str
    type: str
    nulls: int
    description: str = ""
    unit: str = ""
    references: str = ""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table as it is published."""

    format: Literal["feather", "parquet", "csv"]
    compression: str
    rows: int
    columns: tuple[Column, ...]
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class SkeletonFacts:
    """A set of skeletons: how many, in which forms, their bounding box, and one node to look at."""

    formats: tuple[str, ...]
    count: int
    nodes: int
    swc_unit_nm: float
    bounds_nm: tuple[Triple, Triple] | None
    node_nm: Triple | None
    ids: tuple[str, ...] = ()  # at most ten, for scenes and examples
    segmentation: str = ""
    nodes_nm: tuple[Triple, ...] = ()  # one node of each of `ids`
    kind: Literal["skeletons"] = "skeletons"


@dataclass(frozen=True, slots=True)
class MeshFacts:
    """A precomputed mesh folder: its `info`, how many meshes, their bounding box, and one vertex to look at."""

    form: Literal["legacy", "multiresolution"]
    sharded: bool
    segmentation: str = ""
    count: int = 0  # 0 where nobody counted
    ids: tuple[str, ...] = ()  # at most ten, for scenes and examples
    bounds_nm: tuple[Triple, Triple] | None = None
    vertex_nm: Triple | None = None
    kind: Literal["meshes"] = "meshes"


@dataclass(frozen=True, slots=True)
class AnnotationProperty:
    """A property of annotations: its id and type in the viewer's words.

    `labels` say what each of `values` means where it is one of few; `low` and `high` bound the values of a number.
    """

    id: str
    type: str
    description: str = ""
    values: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class AnnotationFacts:
    """A precomputed annotation folder, as its `info` says; bounds are in the units of `dimensions`, metres per unit.

    What stands below `kind` older records do not have, and an `info` only in part: how many there are, the properties with
    types and labels, the segmentation of each relationship (of the others, it is `segmentation`), and where one lies.
    """

    annotation_type: str
    dimensions: dict[str, tuple[float, str]]
    lower_bound: tuple[float, ...]
    upper_bound: tuple[float, ...]
    properties: tuple[str, ...]
    relationships: tuple[str, ...]
    sharded: bool
    segmentation: str = ""
    kind: Literal["annotations"] = "annotations"
    count: int | None = None
    described: tuple[AnnotationProperty, ...] = ()
    related: dict[str, str] = field(default_factory=dict)
    example: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file, or a folder of files, that is published as it is; a database says how it is loaded."""

    tree: bool
    media_type: str = ""
    server: str = ""  # the database server that a dump belongs to
    kind: Literal["file"] = "file"
    form: Literal["", "store", "dump"] = ""  # of a database: neo4j's data folder, or archives of databases
    databases: tuple[str, ...] = ()  # their names
    import_arguments: str = ""  # the key of the file that tells neo4j-admin how to import the CSV files
    imports: tuple[int, int] = (0, 0)  # how many of those hold nodes, and how many relationships


Facts = Annotated[
    VolumeFacts | TableFacts | SkeletonFacts | MeshFacts | AnnotationFacts | FileFacts,
    Discriminator("kind"),
]
