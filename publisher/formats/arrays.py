"""N5 and zarr (v2, v3): which arrays a folder holds, and the role of each file. OME multiscales name the scales.

Axes in files are x, y, z for N5, and z, y, x for zarr unless they are named: facts are always x, y, z. Sources of the
rules: the N5 specification (github.com/saalfeldlab/n5), the zarr v2 and v3 specifications (zarr-specs.readthedocs.io).
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from publisher.errors import InvalidInput, Problem
from publisher.facts import Scale, Triple, VolumeFacts, Whole
from publisher.formats import spacing
from publisher.formats.metadata import read
from publisher.tree import Role

METADATA = frozenset({"attributes.json", "zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"})
_ZARR2_TYPES = {"u": "uint", "i": "int", "f": "float"}
_AXES = 3

Format = Literal["n5", "zarr2", "zarr3"]
METADATA_OF: dict[Format, str] = {"n5": "attributes.json", "zarr2": ".zarray", "zarr3": "zarr.json"}


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
    # The finest first; where no file says how large a voxel is, the largest array.
    finest = sorted(found, key=lambda item: (item[0].voxel_size_nm, -math.prod(item[0].size_voxels)))
    data_type = finest[0][1]
    # Labels are 32 or 64 bits wide wherever they are meant to be bodies; narrower whole numbers are images.
    role: Literal["image", "segmentation"] = "segmentation" if data_type in {"uint64", "uint32", "int64"} else "image"
    unknown = finest[0][0].voxel_size_nm == spacing.UNKNOWN
    return VolumeFacts(
        kind,
        role,
        data_type,
        1,
        tuple(scale for scale, _, _ in finest),
        axes=finest[0][2] if unknown else None,
        axis_names=_viewer_names(folder / finest[0][0].key, kind) if unknown else (),
    )


def _viewer_names(folder: Path, kind: Format) -> tuple[str, ...]:
    """Return what neuroglancer calls the axes of an array whose files give them no unit."""
    if kind == "n5":
        return ("x", "y", "z")
    meta = read(folder / METADATA_OF[kind])
    default = [f"dim_{at}" if kind == "zarr3" else f"d{at}" for at in range(len(meta["shape"]))]
    given = meta.get("dimension_names") or default
    return tuple(str(name or other) for name, other in zip(given, default, strict=False))


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
    name = METADATA_OF[kind]
    if kind == "zarr2" and (folder / name).is_file():
        return [folder]
    if kind != "zarr2" and {"shape", "dimensions"} & read(folder / name).keys():
        return [folder]
    named = dict.fromkeys(path for path, _, _ in spacing.datasets(_attributes(folder, kind)) if path)
    inside = [folder / path for path in named if ".." not in path.split("/") and (folder / path / name).is_file()]
    return inside or sorted(path.parent for path in folder.glob(f"*/{name}"))


def _scale(root: Path, folder: Path, kind: Format) -> tuple[Scale, str, Whole] | None:
    """Return the scale that an array is, its data type, and where x, y, z stand; None for arrays that are no volume."""
    meta = read(folder / METADATA_OF[kind])
    shape = _counts(meta.get("dimensions" if kind == "n5" else "shape"))
    chunk = _counts(_chunk(meta, kind))
    if not _AXES <= len(shape) == len(chunk):
        return None
    relative = "" if folder == root else folder.relative_to(root).as_posix()
    places, voxel = axes(root, relative, meta, kind)
    scale = Scale(
        key=relative,
        voxel_size_nm=voxel,
        size_voxels=_at(shape, places),
        offset_voxels=(0, 0, 0),
        chunk_voxels=_at(chunk, places),
        encoding=_codec(meta, kind),
        sharded=kind == "zarr3" and any(codec.get("name") == "sharding_indexed" for codec in meta.get("codecs", ())),
    )
    return scale, _data_type(meta, kind), places


def axes(root: Path, relative: str, meta: dict[str, Any], kind: Format) -> tuple[Whole, Triple]:
    """Return at which places of the array's shape x, y and z stand, and nm a voxel; 0 where the files do not say."""
    if kind == "n5":
        return (0, 1, 2), spacing.n5(meta, read(root / METADATA_OF["n5"]), relative.rpartition("/")[2])
    for path, names, lengths in spacing.datasets(_attributes(root, kind)):
        if path == relative:
            places = spacing.order(names, len(meta["shape"]))
            return places, spacing.pick(lengths, places)
    return spacing.order(meta.get("dimension_names"), len(meta["shape"])), spacing.UNKNOWN


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


def _attributes(root: Path, kind: Format) -> dict[str, Any]:
    path = root / (".zattrs" if kind == "zarr2" else METADATA_OF[kind])
    if not path.is_file():
        return {}
    value = read(path)
    attributes = value.get("attributes", {}) if kind == "zarr3" else value
    return attributes if isinstance(attributes, dict) else {}


def _counts(value: Any) -> list[int]:  # noqa: ANN401 - JSON
    """Return whole numbers above nothing, or none of them."""
    good = isinstance(value, list) and all(isinstance(number, int) and number > 0 for number in value)
    return list(value) if good else []


def _at(values: list[int], places: Whole) -> Whole:
    x, y, z = (values[place] for place in places)
    return x, y, z
