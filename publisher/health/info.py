"""A precomputed volume's `info` against the specification, beyond what must hold to read it at all.

Sources of the rules: neuroglancer, src/datasource/precomputed/volume.md, and what the client of neuroglancer 2.41 does
with each field (src/datasource/precomputed/frontend.ts).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from publisher.facts import Triple, VolumeFacts
from publisher.formats import precomputed
from publisher.formats.sharding import Broken, Sharding
from publisher.health import scales
from publisher.health.presence import Grid
from publisher.health.subject import LINKS, Subject
from publisher.objects import Finding

# What a voxel may be and how many channels there may be, for each encoding that asks for something.
_TYPES: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "jpeg": (("uint8",), (1, 3)),
    "png": (("uint8", "uint16"), (1, 2, 3, 4)),
    "jxl": (("uint8",), (1, 3, 4)),
    "compressed_segmentation": (("uint32", "uint64"), ()),
    "compresso": (("uint8", "uint16", "uint32", "uint64"), (1,)),
    "crackle": (("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32"), (1,)),
    "fpzip": (("float32",), ()),
    "zfpc": (("float32", "int32"), ()),
    "kempressed": (("float32",), ()),
}
LOSSY = frozenset({"jpeg"})
# The client of neuroglancer 2.41 decodes these and no other (its VolumeChunkEncoding).
SHOWN = frozenset({"raw", "jpeg", "png", "jxl", "compressed_segmentation", "compresso"})
_INSTEAD = {"segmentation": "compressed_segmentation", "image": "jpeg, png or raw"}
_KEY_BITS = 64


def check(volume: Subject) -> Iterator[Finding]:
    """Look at the `info` of a precomputed volume, at its scales, and at the folders that it names."""
    facts = volume.facts
    for scale in volume.info["scales"]:
        yield from _scale(volume, facts, scale)
    levels = [
        scales.Level(scale.key, scale.size_voxels, scale.voxel_size_nm, _floats(scale.offset_voxels))
        for scale in facts.scales
    ]
    yield from scales.check(volume, levels, "info")
    if facts.role == "segmentation" and facts.data_type.startswith("float"):
        message = f"is a segmentation of {facts.data_type} → labels are whole numbers: write them as uint32 or uint64"
        yield volume.finding("info", "error", message, "info")
    if facts.channels < 1:
        message = f"`num_channels` is {facts.channels} → it is 1 or more"
        yield volume.finding("info", "error", message, "info")
    if facts.role == "segmentation" and facts.channels > 1:
        message = (
            f"is a segmentation of {facts.channels} channels → labels have one: publish each as a volume of its own"
        )
        yield volume.finding("info", "error", message, "info")
    yield from _links(volume)


def _scale(volume: Subject, facts: VolumeFacts, scale: dict[str, Any]) -> Iterator[Finding]:
    key, encoding = scale["key"], scale["encoding"]
    types, channels = _TYPES.get(encoding, ((), ()))
    if types and facts.data_type not in types:
        message = f"scale {key} stores {facts.data_type} as {encoding}, which holds only {' or '.join(types)} → choose another encoding"
        yield volume.finding("info", "error", message, "info")
    if channels and facts.channels not in channels:
        wanted = " or ".join(map(str, channels))
        message = f"scale {key} stores {facts.channels} channels as {encoding}, which holds {wanted} → choose another encoding"
        yield volume.finding("info", "error", message, "info")
    if encoding in LOSSY and facts.role == "segmentation":
        message = f"scale {key} stores labels as {encoding}, which changes them → use compressed_segmentation, or `type` image"
        yield volume.finding("info", "error", message, "info")
    if encoding not in SHOWN:
        message = (
            f"scale {key} is encoded as {encoding}, which neuroglancer cannot show: its layer stays empty, with an error "
            f"→ encode it as {_INSTEAD[facts.role]}, or leave it to those who read it with cloud-volume"
        )
        yield volume.finding("encoding", "warning", message, "info")
    if encoding == "compressed_segmentation" and not _whole_triple(scale.get("compressed_segmentation_block_size")):
        message = (
            f"scale {key} has no compressed_segmentation_block_size of three whole numbers → add it, such as [8, 8, 8]"
        )
        yield volume.finding("info", "error", message, "info")
    yield from _chunk_sizes(volume, scale)
    if scale.get("sharding") is not None:
        yield from _sharding(volume, scale)


def _chunk_sizes(volume: Subject, scale: dict[str, Any]) -> Iterator[Finding]:
    sizes = scale["chunk_sizes"]
    if not all(_whole_triple(size) for size in sizes):
        message = (
            f"scale {scale['key']} has a chunk size that is not three whole numbers above 0 → correct `chunk_sizes`"
        )
        yield volume.finding("info", "error", message, "info")
    if len(sizes) > 1 and scale.get("sharding") is not None:
        message = f"scale {scale['key']} is sharded and has {len(sizes)} chunk sizes → readers take one: name one"
        yield volume.finding("info", "error", message, "info")


def _sharding(volume: Subject, scale: dict[str, Any]) -> Iterator[Finding]:
    try:
        Sharding.from_json(scale["sharding"])
    except Broken as error:
        message = f"scale {scale['key']}: {error} → correct the sharding, or write the scale anew"
        yield volume.finding("info", "error", message, "info")
        return
    cells = Grid(tuple(scale["size"]), tuple(scale["chunk_sizes"][0]), (0, 0, 0)).cells
    bits = sum((count - 1).bit_length() for count in cells)
    if bits > _KEY_BITS:
        message = f"scale {scale['key']} needs chunk keys of {bits} bits, and there are {_KEY_BITS} → use larger chunks"
        yield volume.finding("info", "error", message, "info")


def _links(volume: Subject) -> Iterator[Finding]:
    """Look whether the folders that an `info` names are there, and are what they should be."""
    for name, kind in LINKS.items():
        inside = volume.info.get(name)
        if inside is None:
            continue
        if not isinstance(inside, str) or not inside.strip("/") or ".." in inside.split("/"):
            message = f"`{name}` is {inside!r}, which is no folder below the volume → name one, or remove the field"
            yield volume.finding("link", "error", message, "info")
            continue
        place = inside.strip("/")
        folder = volume.folder / place
        if not folder.is_dir():
            what = "the viewer shows none of its segments then" if name != "mesh" else "there are no meshes then"
            message = f"`{name}` names the folder {place!r}, which is not there: {what} → add it, or remove the field"
            yield volume.finding("link", "error", message, "info")
        elif precomputed.info_path(folder) is None:
            what = "shows nothing of the whole segmentation" if name != "mesh" else "takes its meshes for legacy ones"
            message = (
                f"has no info, though the volume's `{name}` names it: the viewer {what} → write one whose @type says what "
                "is in it"
            )
            yield volume.finding("link", "error", message, place)
        elif place not in volume.others:
            message = f"`@type` is not that of {kind}, though the volume's `{name}` names it → correct one of the two"
            yield volume.finding("link", "error", message, f"{place}/info")


def _whole_triple(value: Any) -> bool:  # noqa: ANN401 - JSON
    return isinstance(value, list) and len(value) == 3 and all(isinstance(n, int) and n > 0 for n in value)  # noqa: PLR2004 - x, y, z


def _floats(value: tuple[int, int, int]) -> Triple:
    return float(value[0]), float(value[1]), float(value[2])
