"""N5, zarr and OME-Zarr volumes: metadata, names on the grid of chunks, and content that decodes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import prod
from typing import Any, NamedTuple

from numpy.typing import NDArray

from publisher.formats.arrays import METADATA
from publisher.health import array_info, holes, layout, ome, scales
from publisher.health.blocks import itemsize, trouble
from publisher.health.layout import Array
from publisher.health.occupied import Occupied
from publisher.health.presence import Cell
from publisher.health.readers import TELL, SecondArray
from publisher.health.sample import AGAIN, Sample
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding
from publisher.parallel import ordered_map
from publisher.tree import File

_SAMPLE = 100  # files of chunks that `--depth sample` reads, of each volume
_SAMPLE_BYTES = 64 << 20  # and no file that is larger: a shard can be gigabytes


class _Piece(NamedTuple):
    file: File
    array: Array
    cell: Cell
    second: SecondArray


def check(volume: Subject, depth: Depth) -> Iterator[Finding]:
    """Look at a volume of N5 or zarr arrays."""
    arrays = layout.found(volume)
    said = [*ome.check(volume), *(finding for array in arrays for finding in array_info.check(volume, array))]
    of_scales = list(_scales(volume, arrays))
    yield from (*said, *of_scales)
    if not array_info.sound(said):
        return  # names and lengths would be held against metadata that are wrong
    seconds = {array.key: SecondArray(volume.folder / array.key, array.format) for array in arrays}
    for array in arrays if depth != "quick" else ():
        if why := seconds[array.key].refusal:
            message = f"tensorstore cannot open it: {why} → {TELL}"
            yield volume.finding("readers", "warning", message, array.file)
    yield from _chunks(volume, arrays, seconds, depth)
    levels = [holes.Level(a.key, a.present, a.voxel, a.own_name, a.name) for a in arrays]

    def fetch(number: int, cell: Cell) -> tuple[NDArray[Any], tuple[int, int]] | None:
        return seconds[arrays[number].key].occupied(arrays[number].present.grid, cell)

    occupied = Occupied(fetch, [array.present.grid for array in arrays], smooth=volume.facts.role == "image")
    for group in [levels] if not of_scales else [[level] for level in levels]:  # what does not agree proves nothing
        yield from holes.check(volume, group, depth, occupied)


def _chunks(volume: Subject, arrays: list[Array], seconds: dict[str, SecondArray], depth: Depth) -> Iterator[Finding]:
    """Go through all files, and look into some, or all; fills the grids of the arrays."""
    todo = (item for file in volume.files() for item in _named(volume, arrays, seconds, file))
    if depth == "full":
        for result in ordered_map(partial(_content, volume, again=True), todo, at_once=_told):
            yield from result
        return
    pieces = Sample[_Piece](_SAMPLE)
    for item in todo:
        if isinstance(item, Finding):
            yield item
        elif item.file.size_bytes <= _SAMPLE_BYTES:
            pieces.offer(item.file.relative, item)
    for again, chosen in pieces.parted(AGAIN) if depth == "sample" else ():
        for result in ordered_map(partial(_content, volume, again=again), chosen):
            yield from result


def _scales(volume: Subject, arrays: list[Array]) -> Iterator[Finding]:
    """Compare the scales, where the files say how large a voxel is: else sizes are all there is."""
    facts = volume.facts.scales
    types = {array.data_type for array in arrays}
    if len(types) > 1:
        message = f"its scales are of different types ({', '.join(sorted(types))}) → readers take them for one volume: write them alike"
        yield volume.finding("scales", "error", message, arrays[0].file)
    levels = [scales.Level(s.key or "the array", s.size_voxels, s.voxel_size_nm) for s in facts]
    if min(min(level.voxel_nm) for level in levels) > 0:
        yield from scales.check(volume, levels, arrays[0].file)


def _named(
    volume: Subject, arrays: list[Array], seconds: dict[str, SecondArray], file: File
) -> Iterator[Finding | _Piece]:
    """Yield a chunk whose name and length are right, or what is wrong with them."""
    own = file.relative.rpartition("/")[2]
    array = next((a for a in arrays if not a.key or file.relative.startswith(f"{a.key}/")), None)
    if array is None or own in METADATA:
        return
    place = array.place(file.relative.removeprefix(f"{array.key}/" if array.key else ""))
    if place is None:
        return  # a README, or the metadata of another tool
    if isinstance(place, str):
        message = f"{place} → was it written with other metadata? Correct them, or write the array again"
        yield volume.finding("chunk-name", "error", message, file.relative)
        return
    array.present.add(place)
    if why := _length(array, file):
        yield volume.finding("chunk", "error", f"{why} → write the chunk again", file.relative)
    else:
        yield _Piece(file, array, place, seconds[array.key])


def _length(array: Array, file: File) -> str:
    """Return what is wrong with the length of a file: without compression it is known exactly."""
    if file.size_bytes == 0:
        return "is empty"
    plain = array.format == "zarr2" and array.meta.get("compressor") is None and not array.meta.get("filters")
    wanted = prod(array.present.grid.chunk) * itemsize(array.data_type) if plain else 0
    if wanted and file.size_bytes != wanted:
        return f"is {file.size_bytes:,} bytes long, and a chunk that is not compressed has {wanted:,}"
    return ""


def _told(item: Finding | _Piece) -> list[Finding] | None:
    """Pass on what is found already."""
    return [item] if isinstance(item, Finding) else None


def _content(volume: Subject, piece: Finding | _Piece, *, again: bool) -> list[Finding]:
    assert isinstance(piece, _Piece)
    try:
        with open(piece.file.path, "rb") as file:  # noqa: PTH123 - a million of these
            why = trouble(piece.array, piece.cell, file.read())
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    if not why and again:
        why = piece.second.trouble(piece.array.present.grid, piece.cell)
    return [volume.finding("chunk", "error", f"{why} → write the chunk again", piece.file.relative)] if why else []
