"""Health of N5, zarr and OME-Zarr: a good one has no finding; each that is broken in one thing is told in these words."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import pytest

from tests.health.makers import CHUNK, Break, array, copy_of, edit, ome, told, write_json

MANY = 3  # findings that are all written out here
BLOSC = {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 3, "shuffle": "shuffle"}}
ZSTD = {"name": "zstd", "configuration": {"level": 3}}
GZIP = {"name": "gzip", "configuration": {"level": 3}}
REGULAR = {"name": "regular", "configuration": {"chunk_shape": list(CHUNK)}}
TURNED = {"name": "transpose", "configuration": {"order": [2, 1, 0]}}


def sharded(*codecs: Any, **more: Any) -> dict[str, Any]:
    configuration = {"chunk_shape": [16, 16, 16], "codecs": ["bytes", *codecs], **more}
    return {"chunk_grid": REGULAR, "codecs": [{"name": "sharding_indexed", "configuration": configuration}]}


How = tuple[str, str, dict[str, Any]]
GOOD: dict[str, How] = {
    "N5": ("n5", "uint16", {"compression": {"type": "gzip"}}),
    "N5, zlib": ("n5", "uint16", {"compression": {"type": "gzip", "useZlib": True}}),
    "N5, raw": ("n5", "uint64", {"compression": {"type": "raw"}}),
    "N5, blosc": ("n5", "float32", {"compression": {"type": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}}),
    "N5, zstd": ("n5", "uint8", {"compression": {"type": "zstd"}}),
    "zarr v2": ("zarr", "uint16", {"compressor": {"id": "blosc"}}),
    "zarr v2 in folders": ("zarr", "uint64", {"compressor": {"id": "zlib", "level": 3}, "dimension_separator": "/"}),
    "zarr v2, zstd": ("zarr", "float32", {"compressor": {"id": "zstd", "level": 3}}),
    "zarr v2, raw": ("zarr", "uint8", {"compressor": None}),
    "zarr v2 in Fortran order": ("zarr", "uint8", {"compressor": {"id": "gzip", "level": 3}, "order": "F"}),
    "zarr v3": ("zarr3", "uint16", {"codecs": ["bytes", GZIP]}),
    "zarr v3, turned, with checksums": ("zarr3", "uint64", {"codecs": [TURNED, "bytes", ZSTD, "crc32c"]}),
    "zarr v3 in files": (
        "zarr3",
        "uint64",
        {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}}, "codecs": ["bytes", BLOSC]},
    ),
    "zarr v3 named like v2": ("zarr3", "uint8", {"chunk_key_encoding": {"name": "v2"}}),
    "zarr v3 in shards": ("zarr3", "uint16", sharded(GZIP)),
    "zarr v3 in shards, index first": ("zarr3", "uint64", sharded(BLOSC, index_location="start")),
    "zarr v3 in raw shards": ("zarr3", "uint64", sharded()),
}


@pytest.mark.parametrize("title", GOOD)
def test_what_is_good_has_no_finding(title: str, tmp_path: Path) -> None:
    driver, dtype, metadata = GOOD[title]
    volume = array(tmp_path / "v", driver, dtype, metadata)
    assert told(volume, "full") == []
    assert told(volume, "quick") == []


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_good_multiscale_has_no_finding(version: str, tmp_path: Path) -> None:
    volume = ome(tmp_path / "v", version)
    assert told(volume, "full") == []
    assert told(volume, "quick") == []


def rename(old: str, new: str) -> Break:
    def breaks(folder: Path) -> None:
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        (folder / old).rename(folder / new)

    return breaks


def bytes_of(name: str, change: Callable[[bytes], bytes]) -> Break:
    def breaks(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return breaks


def cut(name: str) -> Break:
    return bytes_of(name, lambda data: data[:-30])


def meta(name: str, **fields: Any) -> Break:
    return edit(name, lambda value: value.update(fields))


def sharding(**fields: Any) -> Break:
    return edit("zarr.json", lambda value: value["codecs"][0]["configuration"].update(fields))


def image(version: str, change: Callable[[dict[str, Any]], object]) -> Break:
    if version == "0.4":
        return edit(".zattrs", lambda value: change(value["multiscales"][0]))
    return edit("zarr.json", lambda value: change(value["attributes"]["ome"]["multiscales"][0]))


def removed(name: str) -> Break:
    return lambda folder: (folder / name).unlink()


def index_leaves(folder: Path) -> None:
    """Place the first chunk of a shard behind its end, with the checksum that belongs to such an index."""
    path = folder / "c/0/0/0"
    data = path.read_bytes()
    index = struct.pack("<Q", 1 << 40) + data[8 : 16 * 8]
    path.write_bytes(index + struct.pack("<I", google_crc32c.value(index)) + data[16 * 8 + 4 :])


class Case(NamedTuple):
    """A volume that is good but for one thing, and the words that tell of it; of many lines, the first and their number."""

    how: str
    breaks: Break
    words: list[str]


def make(folder: Path, case: Case) -> Path:
    if case.how.startswith("OME"):
        return copy_of(folder, ome, case.how.split()[1])
    return copy_of(folder, array, *GOOD[case.how])


CASES = {
    "block cut off": Case(
        how="N5",
        breaks=cut("0/0/0"),
        words=[
            "error chunk v/0/0/0: is cut off → write the chunk again",
        ],
    ),
    "block of another shape": Case(
        how="N5",
        breaks=bytes_of("0/0/0", lambda data: data[:4] + struct.pack(">I", 16) + data[8:]),
        words=[
            "error chunk v/0/0/0: says that it has 16 x 32 x 32 voxels, but 32 x 32 x 32 are there → write the chunk again",
        ],
    ),
    "block of another mode": Case(
        how="N5",
        breaks=bytes_of("0/0/0", lambda data: b"\0\1" + data[2:]),
        words=[
            "error chunk v/0/0/0: is a block of mode 1 (varlength), and arrays have mode 0 → write the chunk again",
        ],
    ),
    "block of two axes": Case(
        how="N5",
        breaks=bytes_of("0/0/0", lambda data: b"\0\0\0\2" + data[4:]),
        words=[
            "error chunk v/0/0/0: is a block of 2 axes, and the array has 3 → write the chunk again",
        ],
    ),
    "block of another type": Case(
        how="N5, raw",
        breaks=meta("attributes.json", dataType="uint32"),
        words=[
            "error chunk v/0/0/0: holds 262,144 bytes, but 32 x 32 x 32 voxels of uint32 are 131,072 → write the chunk again",
            "(21 lines)",
        ],
    ),
    "block outside": Case(
        how="N5",
        breaks=rename("3/2/2", "4/2/2"),
        words=[
            "error chunk-name v/4/2/2: lies outside of the array, whose chunks are 4 x 3 x 3 → was it written with other metadata? Correct them, or write the array again",
            "warning missing v: 1 of its 36 chunks is not stored, and reads as empty, first 3/2/2 → write them; or, if they are empty, write zeros so that nobody need wonder",
        ],
    ),
    "block named as in zarr": Case(
        how="N5",
        breaks=rename("0/0/0", "0.0.0"),
        words=[
            "error chunk-name v/0.0.0: is where no reader looks: by the metadata it is named 0/0/0 → was it written with other metadata? Correct them, or write the array again",
            "warning missing v: 1 of its 36 chunks is not stored, and reads as empty, first 0/0/0 → write them; or, if they are empty, write zeros so that nobody need wonder",
        ],
    ),
    "block of four numbers": Case(
        how="N5",
        breaks=rename("0/0/0", "0/0/1.0/1"),
        words=[
            "error chunk-name v/0/0/1.0/1: has 5 numbers in its name, and the array has 3 axes → was it written with other metadata? Correct them, or write the array again",
            "warning missing v: 1 of its 36 chunks is not stored, and reads as empty, first 0/0/0 → write them; or, if they are empty, write zeros so that nobody need wonder",
        ],
    ),
    "block that is empty": Case(
        how="N5",
        breaks=bytes_of("0/0/0", lambda _: b""),
        words=[
            "error chunk v/0/0/0: is empty → write the chunk again",
        ],
    ),
    "block lost": Case(
        how="N5",
        breaks=removed("1/1/1"),
        words=[
            "warning missing v: 1 of its 36 chunks is not stored, and reads as empty, first 1/1/1 → write them; or, if they are empty, write zeros so that nobody need wonder",
        ],
    ),
    "type that is not shown": Case(
        how="N5, raw",
        breaks=meta("attributes.json", dataType="float64"),
        words=[
            "warning encoding v/attributes.json: holds float64, which neuroglancer cannot show: its layer stays empty, with an error → convert it to one of uint8, int8, uint16, int16, uint32, int32, uint64, float32",
        ],
    ),
    "chunk cut off": Case(
        how="zarr v2",
        breaks=cut("0.0.0"),
        words=[
            "error chunk v/0.0.0: holds 1,773 bytes, but blosc's header says 1,803 → write the chunk again",
        ],
    ),
    "chunk cut off, raw": Case(
        how="zarr v2, raw",
        breaks=cut("0.0.0"),
        words=[
            "error chunk v/0.0.0: is 32,738 bytes long, and a chunk that is not compressed has 32,768 → write the chunk again",
        ],
    ),
    "chunk cut off, zstd": Case(
        how="zarr v2, zstd",
        breaks=cut("0.0.0"),
        words=[
            "error chunk v/0.0.0: tensorstore cannot read it: Truncated Zstd-compressed stream; at byte 631; at uncompressed byte 0 → write the chunk again",
        ],
    ),
    "chunk of noise": Case(
        how="zarr v2, zstd",
        breaks=bytes_of("0.0.0", lambda _: b"noise" * 9),
        words=[
            "error chunk v/0.0.0: is not zstd → write the chunk again",
        ],
    ),
    "another separator": Case(
        how="zarr v2",
        breaks=meta(".zarray", dimension_separator="/"),
        words=[
            "error chunk-name v/0.0.0: is where no reader looks: by the metadata it is named 0/0/0 → was it written with other metadata? Correct them, or write the array again",
            "(22 lines)",
        ],
    ),
    "separator that there is not": Case(
        how="zarr v2",
        breaks=meta(".zarray", dimension_separator="-"),
        words=[
            "error info v/.zarray: `dimension_separator` is '-' → it must be . or /",
        ],
    ),
    "other chunks": Case(
        how="zarr v2, raw",
        breaks=meta(".zarray", chunks=[32, 32, 16]),
        words=[
            "error chunk v/0.0.0: is 32,768 bytes long, and a chunk that is not compressed has 16,384 → write the chunk again",
            "(22 lines)",
        ],
    ),
    "order that there is not": Case(
        how="zarr v2",
        breaks=meta(".zarray", order="K"),
        words=[
            "error info v/.zarray: `order` is 'K' → it must be C or F",
        ],
    ),
    "filters": Case(
        how="zarr v2",
        breaks=meta(".zarray", filters=[{"id": "delta", "dtype": "<u2"}]),
        words=[
            "warning encoding v/.zarray: has filters (delta), which neuroglancer ignores: it shows other values → write it without them",
            'warning readers v/.zarray: tensorstore cannot open it: Error parsing object member "filters": filters are not supported → those who read it in Python cannot either: write it so that it can be opened',
        ],
    ),
    "compressor that is not shown": Case(
        how="zarr v2",
        breaks=meta(".zarray", compressor={"id": "lz4", "level": 1}),
        words=[
            "warning encoding v/.zarray: has the compressor lz4, which neuroglancer cannot undo: its layer stays empty, with an error → use gzip, blosc or zstd",
            'warning readers v/.zarray: tensorstore cannot open it: Error parsing object member "compressor": Error parsing object member "id": "lz4" is not registered → those who read it in Python cannot either: write it so that it can be opened',
        ],
    ),
    "compressor without a level": Case(
        how="zarr v2 in folders",
        breaks=meta(".zarray", compressor={"id": "zlib"}),
        words=[
            "warning encoding v/.zarray: its compressor has no level, which neuroglancer asks for: its layer stays empty, with an error → add one to .zarray",
        ],
    ),
    "v3 chunk cut off": Case(
        how="zarr v3",
        breaks=cut("c/0/0/0"),
        words=[
            "error chunk v/c/0/0/0: is cut off → write the chunk again",
        ],
    ),
    "v3 chunk with another checksum": Case(
        how="zarr v3, turned, with checksums",
        breaks=bytes_of("c/0/0/0", lambda data: data[:-1] + b"?"),
        words=[
            "error chunk v/c/0/0/0: its checksum (crc32c) is that of other bytes → write the chunk again",
        ],
    ),
    "v3 without its c": Case(
        how="zarr v3",
        breaks=rename("c/0/0/0", "0/0/0"),
        words=[
            "error chunk-name v/0/0/0: is where no reader looks: by the metadata it is named c/0/0/0 → was it written with other metadata? Correct them, or write the array again",
            "warning missing v: 1 of its 36 chunks is not stored, and reads as empty, first c/0/0/0 → write them; or, if they are empty, write zeros so that nobody need wonder",
        ],
    ),
    "v3 outside": Case(
        how="zarr v3",
        breaks=rename("c/2/2/3", "c/2/2/4"),
        words=[
            "error chunk-name v/c/2/2/4: lies outside of the array, whose chunks are 3 x 3 x 4 → was it written with other metadata? Correct them, or write the array again",
            "warning missing v: 1 of its 36 chunks is not stored, and reads as empty, first c/2/2/3 → write them; or, if they are empty, write zeros so that nobody need wonder",
        ],
    ),
    "v3 codec that is not shown": Case(
        how="zarr v3",
        breaks=meta("zarr.json", codecs=[{"name": "bytes"}, {"name": "lz4"}]),
        words=[
            "warning encoding v/zarr.json: has the codec lz4, which neuroglancer cannot undo: its layer stays empty, with an error → use gzip, blosc or zstd",
            'warning readers v/zarr.json: tensorstore cannot open it: Error parsing object member "codecs": Error parsing value at position 1: Error parsing object member "name": "lz4" is not registered → those who read it in Python cannot either: write it so that it can be opened',
        ],
    ),
    "v3 without a fill value": Case(
        how="zarr v3",
        breaks=edit("zarr.json", lambda value: value.pop("fill_value")),
        words=[
            "error info v/zarr.json: has no `fill_value`, which zarr v3 asks for → add it to zarr.json",
        ],
    ),
    "v3 of another type": Case(
        how="zarr v3",
        breaks=meta("zarr.json", data_type="uint32"),
        words=[
            "error chunk v/c/0/0/0: holds 65,536 bytes, but 32 x 32 x 32 voxels of uint32 are 131,072 → write the chunk again",
            "(21 lines)",
        ],
    ),
    "v3 with transformers": Case(
        how="zarr v3",
        breaks=meta("zarr.json", storage_transformers=[{"name": "x"}]),
        words=[
            "error info v/zarr.json: has storage_transformers, which no reader knows → write it without them",
        ],
    ),
    "v3 shard cut off": Case(
        how="zarr v3 in shards",
        breaks=bytes_of("c/0/0/0", lambda data: data[:-30]),
        words=[
            "error chunk v/c/0/0/0: its checksum (crc32c) is that of other bytes → write the chunk again",
        ],
    ),
    "v3 shard shorter than its index": Case(
        how="zarr v3 in shards",
        breaks=bytes_of("c/0/0/0", lambda data: data[:30]),
        words=[
            "error chunk v/c/0/0/0: is 30 bytes long, and its index alone has 132 → write the chunk again",
        ],
    ),
    "v3 shard with another checksum": Case(
        how="zarr v3 in shards",
        breaks=bytes_of("c/0/0/0", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        words=[
            "error chunk v/c/0/0/0: its checksum (crc32c) is that of other bytes → write the chunk again",
        ],
    ),
    "v3 shard with a damaged chunk": Case(
        how="zarr v3 in shards",
        breaks=bytes_of("c/0/0/0", lambda data: bytes(20) + data[20:]),
        words=[
            "error chunk v/c/0/0/0: its chunk at byte 0: Error -3 while decompressing data: incorrect header check → write the chunk again",
        ],
    ),
    "v3 shard whose index leaves it": Case(
        how="zarr v3 in shards, index first",
        breaks=index_leaves,
        words=[
            "error chunk v/c/0/0/0: its index places 343 bytes at 1,099,511,627,776, outside of the file → write the chunk again",
        ],
    ),
    "v3 shards that chunks do not fill": Case(
        how="zarr v3 in shards",
        breaks=sharding(chunk_shape=[16, 16, 12]),
        words=[
            "error info v/zarr.json: its chunks of [16, 16, 12] do not fill its shards of 32 x 32 x 32 voxels → write it with others",
        ],
    ),
    "v3 shards of other codecs": Case(
        how="zarr v3 in shards",
        breaks=sharding(codecs=[{"name": "bytes", "configuration": {"endian": "little"}}]),
        words=[
            "error chunk v/c/0/0/0: its chunk at byte 0: holds 185 bytes, but 16 x 16 x 16 voxels of uint16 are 8,192 → write the chunk again",
            "(21 lines)",
        ],
    ),
    "v3 shards within gzip": Case(
        how="zarr v3 in shards",
        breaks=edit("zarr.json", lambda value: value["codecs"].append(GZIP)),
        words=[
            "warning encoding v/zarr.json: has codecs around its shards (sharding_indexed, gzip), which neuroglancer cannot read: its layer stays empty, with an error",
            "warning readers v/zarr.json: tensorstore cannot open it: Sharding codec → those who read it in Python cannot either: write it so that it can be opened",
        ],
    ),
    "data set missing": Case(
        how="OME 0.4",
        breaks=image("0.4", lambda value: value["datasets"].append({**value["datasets"][1], "path": "2"})),
        words=[
            "error ome v/.zattrs: names the data set '2', but 2/.zarray is not there or no JSON → write it, or take it out",
        ],
    ),
    "data set without a scale": Case(
        how="OME 0.5",
        breaks=image("0.5", lambda value: value["datasets"][0].pop("coordinateTransformations")),
        words=[
            "error ome v/zarr.json: datasets[0] (0) must have one scale, and at most a translation after it → correct its coordinateTransformations",
        ],
    ),
    "scale of two numbers": Case(
        how="OME 0.4",
        breaks=image("0.4", lambda value: value["datasets"][0]["coordinateTransformations"][0].update(scale=[8, 8])),
        words=[
            "error ome v/.zattrs: datasets[0] (0): its scale must have 3 numbers, one for each axis → correct it",
        ],
    ),
    "scale of nothing": Case(
        how="OME 0.4",
        breaks=image("0.4", lambda value: value["datasets"][0]["coordinateTransformations"][0].update(scale=[8, 8, 0])),
        words=[
            "error ome v/.zattrs: datasets[0] (0): its scale is [8.0, 8.0, 0.0] → lengths are above 0",
        ],
    ),
    "coarse first": Case(
        how="OME 0.5",
        breaks=image("0.5", lambda value: value["datasets"].reverse()),
        words=[
            "error ome v/zarr.json: datasets[1] (0) is finer than the one before it → list the data sets from fine to coarse",
        ],
    ),
    "data sets of one size": Case(
        how="OME 0.4",
        breaks=image("0.4", lambda value: value["datasets"][1]["coordinateTransformations"][0].update(scale=[8, 8, 8])),
        words=[
            "error scales v/0/.zarray: scale 1 spans 0 to 400 nm along x, but 0 spans 0 to 800 nm → correct its `size`, `resolution` or offset: they show the same data",
            "warning scales v/0/.zarray: has two scales of 8 x 8 x 8 nm, 0 and 1 → keep one of them, or mend `resolution`",
        ],
    ),
    "slip by 8": Case(
        how="OME 0.4",
        breaks=image(
            "0.4", lambda value: value["datasets"][1]["coordinateTransformations"][0].update(scale=[128, 128, 128])
        ),
        words=[
            "error scales v/0/.zarray: scale 1 spans 0 to 6,400 nm along x, but 0 spans 0 to 800 nm → correct its `size`, `resolution` or offset: they show the same data",
        ],
    ),
    "unit that there is not": Case(
        how="OME 0.4",
        breaks=image("0.4", lambda value: value["axes"][0].update(unit="nm")),
        words=[
            "warning ome v/.zattrs: axis z has the unit 'nm', which neuroglancer refuses → write it out, such as nanometer",
        ],
    ),
    "axis without a unit": Case(
        how="OME 0.5",
        breaks=image("0.5", lambda value: value["axes"][0].pop("unit")),
        words=[
            "warning ome v/zarr.json: axis z has no unit: viewers take it for a number without one → add one, such as nanometer",
        ],
    ),
    "axes of one name": Case(
        how="OME 0.4",
        breaks=image("0.4", lambda value: value["axes"][0].update(name="y")),
        words=[
            "error ome v/.zattrs: two axes have one name (y, y, x) → give each its own",
        ],
    ),
    "one axis too many": Case(
        how="OME 0.5",
        breaks=image("0.5", lambda value: value["axes"].insert(0, {"name": "c", "type": "channel"})),
        words=[
            "error ome v/zarr.json: datasets[0] (0): its scale must have 4 numbers, one for each axis → correct it",
            "(4 lines)",
        ],
    ),
    "another version": Case(
        how="OME 0.4",
        breaks=image("0.4", lambda value: value.update(version="0.6")),
        words=[
            "warning ome v/.zattrs: is OME-Zarr 0.6, and neuroglancer reads only 0.4 in zarr v2: its layer stays empty, with an error → convert it",
        ],
    ),
    "v0.5 in zarr v2": Case(
        how="OME 0.4",
        breaks=image("0.4", lambda value: value.update(version="0.5")),
        words=[
            "warning ome v/.zattrs: is OME-Zarr 0.5, and neuroglancer reads only 0.4 in zarr v2: its layer stays empty, with an error → convert it",
        ],
    ),
    "multiscale without data sets": Case(
        how="OME 0.4",
        breaks=image("0.4", lambda value: value.update(datasets=[])),
        words=[
            "error ome v/.zattrs: `datasets` is empty → name the arrays, finest first",
        ],
    ),
    "multiscale chunk lost": Case(
        how="OME 0.4",
        breaks=removed("0/1.1.1"),
        words=[
            "error missing v/0/1.1.1: is not stored, but scale 1 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
    "multiscale chunk lost in v3": Case(
        how="OME 0.5",
        breaks=removed("0/c/1/1/1"),
        words=[
            "error missing v/0/c/1/1/1: is not stored, but scale 1 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
    "coarse chunk lost": Case(
        how="OME 0.5",
        breaks=removed("1/c/0/0/0"),
        words=[
            "error missing v/1/c/0/0/0: is not stored, but scale 0 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
}


@pytest.mark.parametrize("title", CASES)
def test_what_is_broken_is_told(title: str, tmp_path: Path) -> None:
    case = CASES[title]
    volume = make(tmp_path / "v", case)  # good, as it was made
    case.breaks(volume)
    lines = told(volume)
    assert (lines if len(lines) <= MANY else [lines[0], f"({len(lines)} lines)"]) == case.words


def test_labels_of_64_bits_without_a_fill_value(tmp_path: Path) -> None:
    volume = array(tmp_path / "v", "zarr", "uint64", {"fill_value": None})
    assert told(volume) == [
        (
            "warning encoding v/.zarray: is 64 bits wide without a fill_value, which neuroglancer cannot draw: its layer "
            "stays empty → set `fill_value` to 0"
        )
    ]


@pytest.mark.parametrize("name", ["bzip2", "xz"])
def test_a_compression_that_the_viewer_does_not_know(name: str, tmp_path: Path) -> None:
    volume = array(tmp_path / "v", "n5", "uint8", {"compression": {"type": name}})
    assert told(volume, "full") == [
        (
            f"warning encoding v/attributes.json: has the compression {name}, which neuroglancer cannot undo: its layer "
            "stays empty, with an error → use gzip, blosc or zstd"
        )
    ]


def test_other_files_beside_an_array_harm_nobody(tmp_path: Path) -> None:
    volume = array(tmp_path / "v", *GOOD["zarr v2"])
    (volume / "README.md").write_text("What this is.")
    write_json(volume / ".zmetadata", {"zarr_consolidated_format": 1})
    assert told(volume, "full") == []
