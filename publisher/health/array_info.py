"""Metadata of N5 and zarr arrays against their specifications, and against what the client of neuroglancer 2.41 reads.

What the client reads is in its src/datasource/n5 and src/datasource/zarr: it refuses a layer whose metadata it does not
understand, and of blocks it shows nothing that it cannot decode.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from publisher.formats.precomputed import DATA_TYPES
from publisher.health.blocks import codecs
from publisher.health.layout import JSON, Array
from publisher.health.subject import Subject
from publisher.objects import Finding

_NUMPY = {"|u1", "|i1", *(f"{order}{kind}" for order in "<>" for kind in ("u2", "i2", "u4", "i4", "u8", "i8", "f4"))}
_CODECS = {
    "n5": {"gzip", "zlib", "blosc", "zstd"},
    "zarr2": {"gzip", "zlib", "blosc", "zstd"},
    "zarr3": {"bytes", "transpose", "gzip", "zlib", "blosc", "zstd", "crc32c", "sharding_indexed"},
}
_WORDS = {"n5": "compression", "zarr2": "compressor", "zarr3": "codec"}
_WIDE = frozenset({"<u8", ">u8", "<i8", ">i8"})
_EMPTY = "its layer stays empty, with an error"


def check(volume: Subject, array: Array) -> Iterator[Finding]:
    """Look at the metadata of one array."""
    for severity, message in _said(array):
        yield volume.finding("encoding" if "neuroglancer" in message else "info", severity, message, array.file)


def _said(array: Array) -> Iterator[tuple[Any, str]]:
    known = _NUMPY if array.format == "zarr2" else set(DATA_TYPES)
    if array.data_type not in known:
        yield (
            "warning",
            f"holds {array.data_type}, which neuroglancer cannot show: {_EMPTY} → convert it to one of {', '.join(DATA_TYPES)}",
        )
    for codec in codecs(array.meta, array.format):
        if codec.get("name") not in _CODECS[array.format]:
            yield (
                "warning",
                f"has the {_WORDS[array.format]} {codec.get('name')}, which neuroglancer cannot undo: {_EMPTY} → use gzip, blosc or zstd",
            )
    if array.format == "zarr2":
        yield from _zarr2(array)
    elif array.format == "zarr3":
        yield from _zarr3(array)


def _zarr2(array: Array) -> Iterator[tuple[Any, str]]:
    meta = array.meta
    if array.data_type in _WIDE and meta.get("fill_value") is None:
        yield (
            "warning",
            "is 64 bits wide without a fill_value, which neuroglancer cannot draw: its layer stays empty → set `fill_value` to 0",
        )
    if meta.get("filters"):
        names = ", ".join(str(one.get("id")) for one in meta["filters"] if isinstance(one, dict))
        yield (
            "warning",
            f"has filters ({names}), which neuroglancer ignores: it shows other values → write it without them",
        )
    if meta.get("order", "C") not in {"C", "F"}:
        yield "error", f"`order` is {meta.get('order')!r} → it must be C or F"
    if meta.get("dimension_separator", ".") not in {".", "/"}:
        yield "error", f"`dimension_separator` is {meta.get('dimension_separator')!r} → it must be . or /"
    compressor = meta.get("compressor")
    if isinstance(compressor, dict) and compressor.get("id") != "blosc" and "level" not in compressor:
        yield "warning", f"its compressor has no level, which neuroglancer asks for: {_EMPTY} → add one to .zarray"


def _zarr3(array: Array) -> Iterator[tuple[Any, str]]:
    meta = array.meta
    for name in ("node_type", "fill_value", "chunk_key_encoding", "codecs"):
        if name not in meta:
            yield "error", f"has no `{name}`, which zarr v3 asks for → add it to zarr.json"
    if meta.get("chunk_grid", {}).get("name") != "regular":
        yield (
            "error",
            f"`chunk_grid` is {meta.get('chunk_grid', {}).get('name')!r} → regular is the only one that readers know",
        )
    if meta.get("chunk_key_encoding", {}).get("name") not in {"default", "v2"}:
        yield "error", "`chunk_key_encoding` is neither default nor v2 → readers know no other"
    if meta.get("storage_transformers"):
        yield "error", "has storage_transformers, which no reader knows → write it without them"
    if array.sharding is not None:
        yield from _sharded(array, array.sharding)


def _sharded(array: Array, sharding: JSON) -> Iterator[tuple[Any, str]]:
    inner, outer = sharding.get("chunk_shape"), array.present.grid.chunk
    if (
        not isinstance(inner, list)
        or len(inner) != len(outer)
        or not all(isinstance(n, int) and n > 0 and m % n == 0 for n, m in zip(inner, outer, strict=True))
    ):
        shard = " x ".join(map(str, outer))
        yield "error", f"its chunks of {inner} do not fill its shards of {shard} voxels → write it with others"
    names = [codec.get("name") for codec in codecs(array.meta, "zarr3")]
    if names[-1:] != ["sharding_indexed"]:
        yield (
            "warning",
            f"has codecs around its shards ({', '.join(map(str, names))}), which neuroglancer cannot read: {_EMPTY}",
        )
    inside = [codec.get("name") for codec in sharding.get("codecs", ()) if isinstance(codec, dict)]
    for name in inside:
        if name not in _CODECS["zarr3"]:
            yield "warning", f"has the codec {name}, which neuroglancer cannot undo: {_EMPTY} → use gzip, blosc or zstd"
    if not {"bytes"} & {codec.get("name") for codec in sharding.get("index_codecs", ()) if isinstance(codec, dict)}:
        yield "error", "`index_codecs` has no bytes codec → shards cannot be read without it"


def sound(findings: list[Finding]) -> bool:
    """Whether metadata are good enough to hold chunks against them."""
    return not any(finding.severity == "error" for finding in findings)
