"""What a scene shows: its layers, each with the artifact that it is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from publisher.facts import AnnotationFacts, MeshFacts, SkeletonFacts, VolumeFacts
from publisher.manifest import Layer, Release, Scene, drawable
from publisher.record import Described

Kind = Literal["image", "segmentation", "annotation"]
Parts = Mapping[str, tuple[Described, ...]]  # by the name of a segmentation: its skeletons, meshes and annotations

_ORDER = ("image", "segmentation", "regions", "skeletons", "meshes", "annotation")  # from the bottom to the top
_LABELS = frozenset({"uint64", "uint32"})


@dataclass(frozen=True, slots=True)
class Shown:
    """One layer of a scene: what the manifest says of it, what it is of, and what belongs to its segments."""

    layer: Layer
    artifact: Described
    kind: Kind
    of: str = ""  # the segmentation whose segments these are
    parts: tuple[Described, ...] = ()  # skeletons and meshes of its segments that are no layer themselves
    apart: tuple[Described, ...] = ()  # those that are

    @property
    def name(self) -> str:
        """What the viewer calls it."""
        return self.layer.name or self.artifact.title


def choose(scene: Scene, release: Release, described: Mapping[str, Described]) -> tuple[Shown, ...]:
    """Return the layers of a scene in their order: those that it names, else one for everything that can be shown."""
    parts = _parts(release, described)
    layers = scene.layers or tuple(_everything(release, described, parts))
    named = {layer.artifact for layer in layers}
    of = {part.name: whole for whole, each in parts.items() for part in each}
    shown = []
    for layer in layers:
        artifact = described[layer.artifact] if layer.artifact is not None else _elsewhere(layer)
        joined = [part for part in parts.get(artifact.name, ()) if _joins(part)]
        inside = tuple(part for part in joined if part.name not in named)
        apart = tuple(part for part in joined if part.name in named)
        shown.append(Shown(layer, artifact, kind_of(artifact), of.get(artifact.name, ""), inside, apart))
    return tuple(shown)


def kind_of(artifact: Described) -> Kind:
    """Return which kind of layer shows an artifact."""
    facts = artifact.facts
    if isinstance(facts, AnnotationFacts) or artifact.section == "annotations":
        return "annotation"
    if isinstance(facts, VolumeFacts):
        return facts.role
    labels = str((artifact.stated or {}).get("dtype", "")) in _LABELS
    return "segmentation" if labels or artifact.section in {"skeletons", "meshes"} else "image"


def is_regions(artifact: Described) -> bool:
    """Whether it is a volume of named regions."""
    return isinstance(artifact.facts, VolumeFacts) and bool(artifact.facts.regions)


def _parts(release: Release, described: Mapping[str, Described]) -> Parts:
    """Return what belongs to each segmentation, as far as it lies in the same space."""
    said = {artifact.name: getattr(artifact, "segmentation", None) for artifact in release.artifacts}
    can = {artifact.name for artifact in release.artifacts if drawable(artifact)}
    found: dict[str, tuple[Described, ...]] = {}
    for artifact in described.values():
        whole = getattr(artifact.facts, "segmentation", "") or said.get(artifact.name) or ""
        other = described.get(whole)
        known = artifact.name in can or artifact.name not in said
        if other is not None and known and artifact.space in {other.space, None}:
            found[whole] = (*found.get(whole, ()), artifact)
    return found


def _joins(part: Described) -> bool:
    """Whether something is shown in the layer of its segmentation where it has none of its own."""
    if isinstance(part.facts, SkeletonFacts):
        return "precomputed" in part.facts.formats
    return isinstance(part.facts, MeshFacts) or (bool(part.external) and part.section in {"skeletons", "meshes"})


def _everything(release: Release, described: Mapping[str, Described], parts: Parts) -> Iterator[Layer]:
    """Yield a layer for everything of the release's own space that can be shown and is in no other layer.

    Skeletons beside meshes have a layer of their own, which is linked and hidden: they lie inside the meshes.
    """
    shown = [described[artifact.name] for artifact in release.artifacts if drawable(artifact)]
    space = next((artifact.space for artifact in shown), None)
    shown = [artifact for artifact in shown if artifact.space == space]
    inside: set[str] = set()
    hidden: set[str] = set()
    for whole in shown:
        joined = [part for part in parts.get(whole.name, ()) if _joins(part)]
        meshes = any(isinstance(part.facts, MeshFacts) for part in joined)
        apart = {part.name for part in joined if meshes and isinstance(part.facts, SkeletonFacts)}
        hidden |= apart
        inside |= {part.name for part in joined} - apart
    for artifact in sorted(shown, key=_rank):
        if artifact.name not in inside:
            yield Layer(artifact=artifact.name, visible=artifact.name not in hidden)


def _rank(artifact: Described) -> int:
    kind: str = kind_of(artifact)
    if artifact.section in {"skeletons", "meshes"}:
        kind = artifact.section
    return _ORDER.index("regions" if is_regions(artifact) else kind)


def _elsewhere(layer: Layer) -> Described:
    """Return a layer's own source as if it were an external artifact."""
    assert layer.source is not None
    section = "annotations" if layer.type == "annotation" else "volumes"
    title = layer.name or layer.source.rstrip("/|:").rpartition("/")[2]
    stated = {"dtype": "uint64"} if layer.type == "segmentation" else None
    return Described("", section, title, "", "", "", None, external=layer.source, stated=stated)
