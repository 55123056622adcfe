"""N5 and zarr (v2, v3): which arrays a folder holds, and the role of each file. OME multiscales name the scales.

Axes in files are x, y, z for N5, and usually z, y, x for zarr: facts are always x, y, z. Sources of the rules: the N5
specification (github.com/saalfeldlab/n5), the zarr v2 and v3 specifications (zarr-specs.readthedocs.io), OME-NGFF 0.4
and 0.5 (ngff.openmicroscopy.org).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from publisher.errors import InvalidInput, Problem
from publisher.facts import Scale, Triple, VolumeFacts, Whole
from publisher.formats.metadata import read
from publisher.tree import Role

METADATA = frozenset({"attributes.json", "zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"})
_NM = {"nm": 1.0, "nanometer": 1.0, "um": 1e3, "µm": 1e3, "micrometer": 1e3, "mm": 1e6, "millimeter": 1e6, "m": 1e9}
_ZARR2_TYPES = {"u": "uint", "i": "int", "f": "float"}
_AXES = 3

Format = Literal["n5", "zarr2", "zarr3"]


def facts(folder: Path) -> VolumeFacts | None:
    """Read a volume's metadata, or None where the folder is none of these formats."""
    kind = _format(folder)
    if kind is None:
        return None
    found = [scale for path in _arrays(folder, kind) if (scale := _scale(folder, path, kind)) is not None]
    if not found:
        raise InvalidInput(
            Problem(
                str(folder),
                f"has no {kind} array of three or more axes in it",
                "give the folder of the array or its group",
            )
        )
    finest = sorted(found, key=lambda item: item[0].voxel_size_nm)
    data_type = finest[0][1]
    # Labels are 32 or 64 bits wide wherever they are meant to be bodies; narrower whole numbers are images.
    role: Literal["image", "segmentation"] = "segmentation" if data_type in {"uint64", "uint32", "int64"} else "image"
    return VolumeFacts(kind, role, data_type, 1, tuple(scale for scale, _ in finest))


def roles(root: Path) -> Role:
    """Return what tells metadata from chunks, and chunks from shards."""

    @lru_cache(maxsize=4096)
    def sharded(folder: str) -> bool:
        path = root / folder / "zarr.json"
        if path.is_file():
            return any(codec.get("name") == "sharding_indexed" for codec in read(path).get("codecs", ()))
        return sharded(folder.rpartition("/")[0]) if folder else False

    def role(relative: str) -> str:
        folder, _, name = relative.rpartition("/")
        if name in METADATA:
            return "json"
        return "array/shard" if sharded(folder) else "array/chunk"

    return role


def _format(folder: Path) -> Format | None:
    if (folder / "zarr.json").is_file():
        return "zarr3"
    if (folder / ".zarray").is_file() or (folder / ".zgroup").is_file():
        return "zarr2"
    return "n5" if (folder / "attributes.json").is_file() else None


def _arrays(folder: Path, kind: Format) -> list[Path]:
    """Return the arrays of a group: those that its OME multiscales name, or its direct sub-folders that are arrays."""
    name = {"n5": "attributes.json", "zarr2": ".zarray", "zarr3": "zarr.json"}[kind]
    if kind == "zarr2" and (folder / name).is_file():
        return [folder]
    if kind != "zarr2" and {"shape", "dimensions"} & read(folder / name).keys():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{name}"))


def _scale(root: Path, folder: Path, kind: Format) -> tuple[Scale, str] | None:
    """Return the scale that an array is, and its data type; None for arrays that are no volume."""
    meta = read(folder / {"n5": "attributes.json", "zarr2": ".zarray", "zarr3": "zarr.json"}[kind])
    shape = meta.get("dimensions" if kind == "n5" else "shape")
    chunk = _chunk(meta, kind)
    if not isinstance(shape, list) or not isinstance(chunk, list) or not _AXES <= len(shape) == len(chunk):
        return None
    # N5 stores x first; zarr's last three axes are z, y, x unless somebody says otherwise.
    size = shape[:3] if kind == "n5" else shape[-3:][::-1]
    chunks = chunk[:3] if kind == "n5" else chunk[-3:][::-1]
    relative = "" if folder == root else folder.name
    scale = Scale(
        key=relative,
        voxel_size_nm=_voxel_size(root, relative, meta, kind),
        size_voxels=_whole(size),
        offset_voxels=(0, 0, 0),
        chunk_voxels=_whole(chunks),
        encoding=_codec(meta, kind),
        sharded=kind == "zarr3" and any(codec.get("name") == "sharding_indexed" for codec in meta.get("codecs", ())),
    )
    return scale, _data_type(meta, kind)


def _chunk(meta: dict[str, Any], kind: Format) -> Any:  # noqa: ANN401 - JSON, checked by the caller
    if kind == "n5":
        return meta.get("blockSize")
    if kind == "zarr2":
        return meta.get("chunks")
    return meta.get("chunk_grid", {}).get("configuration", {}).get("chunk_shape")


def _codec(meta: dict[str, Any], kind: Format) -> str:
    if kind == "n5":
        compression = meta.get("compression", {})
        return str(compression.get("type", "raw")) if isinstance(compression, dict) else str(compression)
    if kind == "zarr2":
        return str((meta.get("compressor") or {}).get("id", "raw"))
    return "+".join(str(codec.get("name")) for codec in meta.get("codecs", ()))


def _data_type(meta: dict[str, Any], kind: Format) -> str:
    if kind == "n5":
        return str(meta.get("dataType"))
    if kind == "zarr3":
        return str(meta.get("data_type"))
    dtype = str(meta.get("dtype"))  # such as <u8: byte order, kind, bytes
    return f"{_ZARR2_TYPES[dtype[1]]}{8 * int(dtype[2:])}" if dtype[1:2] in _ZARR2_TYPES else dtype


def _voxel_size(root: Path, relative: str, meta: dict[str, Any], kind: Format) -> Triple:
    """Return nm a voxel: from OME multiscales or N5's pixelResolution; 0 where the files do not say."""
    if kind == "n5":
        resolution = meta.get("pixelResolution", meta.get("resolution"))
        if isinstance(resolution, dict):
            factor = _NM.get(str(resolution.get("unit", "nm")), 1.0)
            return _lengths([factor * length for length in resolution.get("dimensions", ())])
        return _lengths(resolution)
    attributes = _attributes(root, kind)
    for image in attributes.get("multiscales", ()):
        axes = image.get("axes", [])[-3:]
        for dataset in image.get("datasets", ()):
            if dataset.get("path", "").strip("/") == relative:
                scales = [t["scale"] for t in dataset.get("coordinateTransformations", ()) if t.get("type") == "scale"]
                units = [_NM.get(str(axis.get("unit", "nanometer")), 1.0) for axis in axes]
                if scales and len(units) == _AXES:
                    return _lengths([unit * s for unit, s in zip(units, scales[0][-3:], strict=True)][::-1])
    return _lengths(None)


def _attributes(root: Path, kind: Format) -> dict[str, Any]:
    path = root / (".zattrs" if kind == "zarr2" else "zarr.json")
    if not path.is_file():
        return {}
    value = read(path)
    attributes = value if kind == "zarr2" else value.get("attributes", {})
    nested = attributes.get("ome", attributes)
    return nested if isinstance(nested, dict) else {}


def _lengths(value: Any) -> Triple:  # noqa: ANN401 - JSON
    if isinstance(value, list) and len(value) >= _AXES:
        return float(value[0]), float(value[1]), float(value[2])
    return 0.0, 0.0, 0.0


def _whole(value: list[Any]) -> Whole:
    return int(value[0]), int(value[1]), int(value[2])
