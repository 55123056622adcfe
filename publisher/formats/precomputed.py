"""Neuroglancer's precomputed formats: volumes, meshes, skeletons, annotations and segment properties.

Source of the rules: the specification in the neuroglancer repository, src/datasource/precomputed/. Resolutions are nm.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from publisher.errors import InvalidInput, Problem
from publisher.facts import AnnotationFacts, AnnotationProperty, MeshFacts, Scale, VolumeFacts
from publisher.formats.metadata import Fields, read
from publisher.tree import Role

DATA_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "float32")
ENCODINGS = (
    "raw", "jpeg", "png", "jxl", "compressed_segmentation", "compresso", "crackle", "fpzip", "zfpc", "kempressed",
)  # fmt: skip
LEGACY_MESH, MULTIRESOLUTION_MESH = "neuroglancer_legacy_mesh", "neuroglancer_multilod_draco"
SKELETONS, PROPERTIES = "neuroglancer_skeletons", "neuroglancer_segment_properties"
VOLUME, ANNOTATIONS = "neuroglancer_multiscale_volume", "neuroglancer_annotations_v1"
# (type of the folder, pattern of the file's name, role); first match wins.
_ROLES = (
    (LEGACY_MESH, r"\d+:\d+", "mesh/manifest"),
    (LEGACY_MESH, r"(?!.*\.(json|txt|md)$).*", "mesh/fragment"),
    (MULTIRESOLUTION_MESH, r"\d+\.index", "mesh/index"),
    (MULTIRESOLUTION_MESH, r"\d+", "mesh/multiresolution"),
    (SKELETONS, r"\d+", "skeleton"),
    (ANNOTATIONS, r"[^.]+", "annotation"),
    (PROPERTIES, r".*\.json", "json"),
)
_JSON_NAMES = frozenset({"info", "provenance"})


def info_path(folder: Path) -> Path | None:
    """Return the folder's `info`, which may be stored as `info.gz`, or None."""
    return next((path for path in (folder / "info", folder / "info.gz") if path.is_file()), None)


def _info(folder: Path) -> tuple[dict[str, Any], Path]:
    path = info_path(folder)
    if path is None:
        raise InvalidInput(Problem(str(folder), "has no info", "is it a precomputed folder?"))
    return read(path), path


def require(folder: Path, kind: str, hint: str) -> None:
    """Raise InvalidInput where a folder has no `info`, so that it is no precomputed folder of any kind."""
    if info_path(folder) is None:
        raise InvalidInput(Problem(str(folder), f"is not a precomputed {kind} folder (it has no info)", hint))


def volume_facts(folder: Path) -> VolumeFacts:
    """Read a volume's `info`; raise InvalidInput where it breaks the specification."""
    value, path = _info(folder)
    info = Fields(value, path)
    if info.has("@type"):
        info.text("@type", (VOLUME,))
    scales = tuple(_scale(scale) for scale in info.objects("scales"))
    keys = [scale.key for scale in scales]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise InvalidInput(Problem(str(path), f"two scales have the key {min(twice)}", "give each its own folder"))
    return VolumeFacts(
        format="precomputed",
        role="segmentation" if info.text("type", ("image", "segmentation")) == "segmentation" else "image",
        data_type=info.text("data_type", DATA_TYPES),
        channels=info.whole("num_channels"),
        scales=scales,
    )


def _scale(scale: Fields) -> Scale:
    size = scale.triple("size")
    chunk = scale.value("chunk_sizes", list)[0] if scale.value("chunk_sizes", list) else None
    if not (isinstance(chunk, list) and len(chunk) == len(size) and all(isinstance(n, int) and n > 0 for n in chunk)):
        raise scale.fail("chunk_sizes", "a list of chunk sizes, each three whole numbers above 0")
    if not all(length > 0 for length in size):
        raise scale.fail("size", "three whole numbers above 0")
    key = scale.text("key")
    if not key or key.startswith("/") or ".." in key.split("/"):
        raise scale.fail("key", "a folder below the volume")
    return Scale(
        key=key,
        voxel_size_nm=scale.lengths("resolution"),
        size_voxels=size,
        offset_voxels=scale.triple("voxel_offset", (0, 0, 0)),
        chunk_voxels=(chunk[0], chunk[1], chunk[2]),
        encoding=scale.text("encoding", ENCODINGS),
        sharded=scale.has("sharding"),
    )


def mesh_facts(folder: Path, segmentation: str) -> MeshFacts:
    """Read a mesh folder's `info`."""
    value, path = _info(folder)
    info = Fields(value, path)
    legacy = info.text("@type", (LEGACY_MESH, MULTIRESOLUTION_MESH)) == LEGACY_MESH
    return MeshFacts("legacy" if legacy else "multiresolution", info.has("sharding"), segmentation)


def annotation_facts(folder: Path, segmentation: str) -> AnnotationFacts:
    """Read an annotation folder's `info`."""
    value, path = _info(folder)
    if isinstance(
        value.get("annotation_type"), str
    ):  # the viewer takes either case; its own Python writer writes lower
        value = {**value, "annotation_type": value["annotation_type"].upper()}
    info = Fields(value, path)
    info.text("@type", (ANNOTATIONS,))
    dimensions = info.value("dimensions", dict)
    for name, value in dimensions.items():
        if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], int | float)):  # noqa: PLR2004
            raise info.fail("dimensions", f"like {{{name!r}: [8e-9, 'm'], …}}")
    return AnnotationFacts(
        annotation_type=info.text(
            "annotation_type", ("POINT", "LINE", "AXIS_ALIGNED_BOUNDING_BOX", "ELLIPSOID", "POLYLINE")
        ),
        dimensions={name: (float(scale), str(unit)) for name, (scale, unit) in dimensions.items()},
        lower_bound=info.numbers("lower_bound", len(dimensions)),
        upper_bound=info.numbers("upper_bound", len(dimensions)),
        properties=tuple(item.text("id") for item in info.objects("properties", empty=True)),
        relationships=tuple(item.text("id") for item in info.objects("relationships", empty=True)),
        sharded=any(level.has("sharding") for level in info.objects("spatial", empty=True)),
        segmentation=segmentation,
        described=tuple(_property(item) for item in info.objects("properties", empty=True)),
    )


def _property(item: Fields) -> AnnotationProperty:
    values, labels = (item.value(name, list) if item.has(name) else [] for name in ("enum_values", "enum_labels"))
    if len(values) != len(labels) or not all(isinstance(value, int | float) for value in values):
        raise item.fail("enum_labels", "as many words as enum_values has numbers")
    description = item.text("description") if item.has("description") else ""
    return AnnotationProperty(
        item.text("id"), item.text("type"), description, tuple(values), tuple(str(label) for label in labels)
    )


def roles(root: Path) -> Role:
    """Return what tells the role of each file below a precomputed folder, whatever sub-folders it holds.

    A file belongs to the nearest folder above it that has an `info`.
    """

    @lru_cache(maxsize=4096)
    def home(folder: str) -> tuple[str, dict[str, Any]]:
        """Return the nearest folder with an `info`, and that `info`; a mesh folder without one is legacy."""
        path = root / folder if folder else root
        if info_path(path) is not None:
            return folder, _info(path)[0]
        if not folder:
            return "", {}
        above, info = home(folder.rpartition("/")[0])
        if folder == f"{above}/{info.get('mesh')}".lstrip("/"):
            return folder, {"@type": LEGACY_MESH}
        return above, info

    @lru_cache(maxsize=4096)
    def chunks(folder: str) -> str:
        """Return the role of the chunks in a folder of a volume's scale, or "" where it is none."""
        above, info = home(folder)
        is_volume = info.get("@type", VOLUME if "scales" in info else "") == VOLUME
        return _role(info, f"{folder}/"[len(above) :].lstrip("/"), "") if is_volume else ""

    def role(relative: str) -> str:
        folder, _, name = relative.rpartition("/")
        if name in _JSON_NAMES:
            return "json"
        if name.endswith(".shard"):
            return "shard"
        if of := chunks(folder):
            return of
        above, info = home(folder)
        return _role(info, relative[len(above) :].lstrip("/"), name)

    return role


def _role(info: dict[str, Any], relative: str, name: str) -> str:
    """Return the role of a file by the `info` of the folder that it belongs to, "" for one that does not belong."""
    if name.endswith(".shard"):
        return "shard"
    kind = info.get("@type", VOLUME if "scales" in info else "")
    if kind == VOLUME:
        inside = (scale for scale in info.get("scales", ()) if relative.startswith(f"{scale.get('key')}/"))
        return next((f"chunk/{scale.get('encoding')}" for scale in inside), "")
    return next((role for of, pattern, role in _ROLES if of == kind and re.fullmatch(pattern, name)), "")
