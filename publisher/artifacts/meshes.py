"""Meshes: precomputed folders pass through; from OBJ, PLY, STL and neuroglancer fragments they are built."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from publisher.artifacts.base import Bench, Made, OfSegments
from publisher.errors import InvalidInput, Problem
from publisher.formats import precomputed
from publisher.tree import Tree
from publisher.units import nanometres

Units = Annotated[str, StringConstraints(pattern=r"^(\d+(\.\d+)?\s*)?(nm|um|µm|mm)$")]
Segment = Annotated[int, Field(gt=0, lt=1 << 64)]


class Meshes(OfSegments):
    """Meshes of segments: a neuroglancer precomputed folder, or one OBJ, PLY, STL or ngmesh file each to build one of."""

    section: ClassVar[str] = "meshes"
    default_group: ClassVar[str] = "Meshes"

    units: Units | None = None
    """Units of the vertices, such as "8 nm"; OBJ, PLY and STL do not say."""
    format: Literal["multiresolution", "legacy"] = "multiresolution"
    """What is built: several levels of detail (draco), or neuroglancer's first format, which more programs read."""
    sharded: Literal["auto"] | bool = "auto"
    """Whether the meshes are packed into a few shards; `auto` does so from 1,000 meshes up."""
    ids: Literal["numbered"] | dict[str, Segment] = Field(default_factory=dict)
    """Segment ids of files whose names are none, by name without its ending; `numbered` counts them from 1."""
    vertex_quantization_bits: Literal[16, 10] = 16
    """Bits of a coordinate within a fragment."""
    lod_scale_multiplier: Annotated[float, Field(gt=0)] = 1
    """Above 1, the viewer shows finer levels from further away."""
    transform: Annotated[tuple[float, ...], Field(min_length=12, max_length=12)] | None = None
    """Applied to the vertices in nm: three rows of four numbers, the last of each a shift."""

    @model_validator(mode="after")
    def _legacy_is_whole(self) -> Meshes:
        if self.format == "legacy" and self.sharded is True:
            raise PydanticCustomError("sharded", "legacy meshes cannot be sharded: leave out one of the two")
        return self

    def stage(self, bench: Bench) -> Made:
        """Read the folder's `info`; or build the folder of what its files hold."""
        if precomputed.info_path(bench.source) is not None:
            return self._as_it_is(bench)
        # numpy, which `--help` and most releases need not wait for
        from publisher.builders import mesh_sources, meshes  # noqa: PLC0415

        if self.units is None:
            hint = 'say `units: "8 nm"` (or nm, um): a wrong guess would be off by a factor'
            raise InvalidInput(Problem("", "has no units, and files of meshes do not say theirs", hint))
        options = meshes.Options(
            unit_nm=nanometres(self.units),
            form=self.format,
            sharded=None if self.sharded == "auto" else self.sharded,
            bits=self.vertex_quantization_bits,
            lod_scale_multiplier=self.lod_scale_multiplier,
            transform=self.transform or (),
        )
        sources = mesh_sources.find(bench.source, self.ids)
        built = meshes.build(sources, bench.work / "meshes" / self.name, options, segmentation=self.segmentation or "")
        tree = Tree(self.name, bench.key, built.folder, role=precomputed.roles(built.folder))
        return Made((tree,), built.facts, warnings=built.notes)

    def _as_it_is(self, bench: Bench) -> Made:
        built = {"format", "sharded", "ids", "vertex_quantization_bits", "lod_scale_multiplier", "transform"}
        if given := sorted(built & self.model_fields_set):
            message = f"has {', '.join(given)}, which are for meshes that are built; {bench.source.name} is precomputed"
            raise InvalidInput(Problem("", message, "leave them out: it is published as it is"))
        facts = precomputed.mesh_facts(bench.source, self.segmentation or "")
        return Made((self.tree(bench, role=precomputed.roles(bench.source), encoded_names=True),), facts)
