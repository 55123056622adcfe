"""Formats of artifacts as catalogues name them: media types, or else the address of the specification."""

from __future__ import annotations

from publisher.facts import AnnotationFacts, Facts, MeshFacts, SkeletonFacts, VolumeFacts

_PRECOMPUTED = "https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed"
_VOLUMES = {
    "precomputed": f"{_PRECOMPUTED}/volume.md",
    "n5": "https://github.com/saalfeldlab/n5",
    "zarr2": "https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html",
    "zarr3": "https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html",
}
_SWC = "https://swc-specification.readthedocs.io/en/latest/swc.html"
BINARY = "application/octet-stream"
_MEDIA = {
    "feather": "application/vnd.apache.arrow.file",
    "arrow": "application/vnd.apache.arrow.file",
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "json": "application/json",
    "gz": "application/gzip",
    "zip": "application/zip",
    "tar": "application/x-tar",
    "txt": "text/plain",
}


def specification(facts: Facts | None) -> str:
    """Return the address of what specifies a tree's format; "" for folders of anything, and for what others host."""
    if isinstance(facts, VolumeFacts):
        return _VOLUMES[facts.format]
    if isinstance(facts, SkeletonFacts):
        return f"{_PRECOMPUTED}/skeletons.md" if "precomputed" in facts.formats else _SWC
    if isinstance(facts, MeshFacts):
        return f"{_PRECOMPUTED}/meshes.md"
    return f"{_PRECOMPUTED}/annotations.md" if isinstance(facts, AnnotationFacts) else ""


def media_type(name: str) -> str:
    """Return the media type that a file's name promises."""
    return _MEDIA.get(name.rpartition(".")[2].casefold(), BINARY)
