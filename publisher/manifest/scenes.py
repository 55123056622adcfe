"""Scenes in a manifest: views of the release in neuroglancer. Every field has a good default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from publisher.artifacts import Model
from publisher.artifacts.base import Slug, Text, Triple

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Quaternion = tuple[float, float, float, float]
Segment = Annotated[int, Field(ge=0, lt=2**64)]
Color = Annotated[str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$")]

MAIN = "main"  # the scene of a release that names none


class Layer(Model):
    """One layer of a scene. Every field of the viewer's own layer state can be set under `state`."""

    artifact: Slug | None = None
    """Name of the artifact that it shows."""
    source: Text | None = None
    """Address of something that is no artifact of this release, such as precomputed://gs://bucket/em."""
    type: Literal["image", "segmentation", "annotation"] = "image"
    """What lies at `source`."""
    name: Text | None = None
    """What the viewer calls it."""
    visible: bool = True
    """Whether it is shown at first."""
    segments: tuple[Segment, ...] | None = None
    """Segments that are selected at first."""
    segment_query: str | None = None
    """What the list of segments is searched for at first."""
    colors: dict[Segment, Color] = Field(default_factory=dict)
    """Colours of single segments: {722817260: "#ff8800"}."""
    color: str | None = None
    """Colour of everything that has none of its own, such as #ff8800."""
    opacity: Share | None = None
    """Of an image, or of selected segments in the cross-sections."""
    mesh_opacity: Share | None = None
    """Of meshes in the 3-d view."""
    silhouette: Annotated[float, Field(ge=0, le=10)] | None = None
    """How much more the outline of meshes shows than their faces; 0 is none, 2 suits regions."""
    blend: Literal["default", "additive"] | None = None
    """How an image lies over what is below it."""
    contrast: tuple[float, float] | None = None
    """Values of an image that are black and white at first."""
    volume_rendering: Literal["on", "max", "min", "off"] | None = None
    """Whether an image is drawn in the 3-d view, too."""
    shader: str | None = None
    """Program that draws it, instead of the default."""
    shader_controls: dict[str, Any] = Field(default_factory=dict)
    """What the shader's controls are set to at first."""
    state: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the viewer's layer state, as neuroglancer names them."""

    @model_validator(mode="after")
    def _artifact_or_source(self) -> Layer:
        if (self.artifact is None) == (self.source is None):
            raise PydanticCustomError("artifact_or_source", "has to show one of artifact and source")
        if self.source is not None and "://" not in self.source:
            raise PydanticCustomError("layer_source", "has a source that is no address such as precomputed://gs://…")
        if self.contrast is not None and self.contrast[0] >= self.contrast[1]:
            raise PydanticCustomError("contrast", "has a contrast that does not go from a smaller to a greater value")
        return self


class Scene(Model):
    """A view of the release in neuroglancer."""

    name: Slug
    title: Text | None = None
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)] | None = None
    """What it shows; everything that can be shown where it is left out."""
    position: Triple | None = None
    """Centre of the view in voxels of the scene's space."""
    focus: Segment | None = None
    """Neuron that the cross-section shows at first; one of the first ten skeletons."""
    zoom: Positive | None = None
    """Nanometres a screen pixel in the cross-sections."""
    projection_zoom: Positive | None = None
    """Nanometres that the height of the 3-d view spans."""
    orientation: Quaternion | None = None
    """Of the cross-sections, as a quaternion x, y, z, w."""
    projection_orientation: Quaternion | None = None
    """Of the 3-d view, as a quaternion x, y, z, w."""
    layout: Literal["xy | 3d", "xy", "yz", "xz", "xy-3d", "yz-3d", "xz-3d", "4panel", "3d", "4panel-alt"] | None = None
    """Default: `xy | 3d`, in which the 3-d view stays at the data's centre."""
    segment_query: str | None = None
    """What the list of segments of the first segmentation is searched for at first."""
    selected: Slug | None = None
    """Artifact whose layer's panel is open at first."""
    background: Color | None = None
    """Behind the cross-sections."""
    projection_background: Color | None = None
    """Behind the 3-d view."""
    slices: bool = False
    """Whether the cross-sections show in the 3-d view, which then is part of the layout `xy-3d`, unless another is given."""
    axis_lines: bool | None = None
    """Whether the axes are drawn."""
    scale_bar: bool | None = None
    """Whether there is a scale bar."""
    bounding_box: bool = False
    """Whether a frame is drawn around each volume."""
    sources: Literal["scheme", "pipe"] = "scheme"
    """How the viewer is told of formats: precomputed://address, or address|neuroglancer-precomputed:."""
    addresses: Literal["https", "native"] = "https"
    """How it reads buckets: by their public address, or as gs:// and s3://."""
    state: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the viewer's state, as neuroglancer names them."""

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the artifacts of its layers, where it says them."""
        return tuple(layer.artifact for layer in self.layers or () if layer.artifact is not None)
