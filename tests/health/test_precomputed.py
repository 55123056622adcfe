"""Health of precomputed volumes: a good one has no finding; each that is broken in one thing is told in these words."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.health.makers import SHARDING, Break, chunks, copy_of, edit, precomputed, told, write_json

GOOD = [
    ("raw", "uint8", "image"),
    ("raw", "float32", "image"),
    ("raw", "uint64", "segmentation"),
    ("jpeg", "uint8", "image"),
    ("png", "uint8", "image"),
    ("png", "uint16", "image"),
    ("compressed_segmentation", "uint32", "segmentation"),
    ("compressed_segmentation", "uint64", "segmentation"),
]
LABELS = ("compressed_segmentation", "uint64", "segmentation")
IMAGE = ("raw", "uint8", "image")
JPEG = ("jpeg", "uint8", "image")
MANY = 3  # findings that are all written out here


@pytest.mark.parametrize("layout", ["plain", "gz", "gzip", "sharded"])
@pytest.mark.parametrize(("encoding", "dtype", "kind"), GOOD)
def test_what_is_good_has_no_finding(encoding: str, dtype: str, kind: str, layout: str, tmp_path: Path) -> None:
    if layout in {"gz", "gzip"} and encoding in {"jpeg", "png"}:
        layout = "plain"  # images must not be gzip, which planning refuses
    volume = precomputed(tmp_path / "v", encoding, dtype, kind, layout, offset=(64, 32, 0))
    assert told(volume, "full") == []
    assert told(volume, "quick") == []


@pytest.mark.parametrize("hashed", ["identity", "murmurhash3_x86_128"])
@pytest.mark.parametrize("packed", ["raw", "gzip"])
def test_shards_of_every_kind(hashed: str, packed: str, tmp_path: Path) -> None:
    spec = {**SHARDING, "hash": hashed, "minishard_index_encoding": packed, "data_encoding": packed}
    volume = precomputed(tmp_path / "v", *LABELS, "sharded", sharding=spec)
    assert told(volume, "full") == []


def test_empty_chunks_that_are_not_stored_are_no_more_than_a_note(tmp_path: Path) -> None:
    volume = precomputed(tmp_path / "v", *LABELS, empty=True)
    hint = "the other scales are empty there, too → nothing to do; readers that use cloud-volume need fill_missing=True"
    assert told(volume) == [
        f"note missing v/16_16_16: 4 of its 8 chunks are not stored, and read as empty: {hint}",
        f"note missing v/8_8_8: 18 of its 36 chunks are not stored, and read as empty: {hint}",
    ]


def test_holes_that_nothing_explains_are_a_warning(tmp_path: Path) -> None:
    volume = precomputed(tmp_path / "v", *IMAGE, scales=1)
    chunk(7, None)(volume)
    assert told(volume) == [
        (
            "warning missing v/8_8_8: 1 of its 36 chunks is not stored, and reads as empty, first 0-32_64-90_32-64 → "
            "write them; or, if they are empty, write zeros so that nobody need wonder"
        )
    ]


def chunk(number: int, data: bytes | None) -> Break:
    """Return what writes other bytes into a chunk, or takes it away."""

    def breaks(folder: Path) -> None:
        path = chunks(folder)[number]
        path.unlink() if data is None else path.write_bytes(data)

    return breaks


def cut(folder: Path) -> None:
    path = chunks(folder)[0]
    path.write_bytes(path.read_bytes()[:-1000])


def rename(old: str, new: str) -> Break:
    def breaks(folder: Path) -> None:
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        (folder / old).rename(folder / new)

    return breaks


def lose_scale(folder: Path) -> None:
    for path in (folder / "16_16_16").iterdir():
        path.unlink()


def scale(number: int, **fields: Any) -> Break:
    return edit("info", lambda info: info["scales"][number].update(fields))


def info(**fields: Any) -> Break:
    return edit("info", lambda info: info.update(fields))


def put(name: str, data: bytes) -> Break:
    def breaks(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return breaks


def linked(name: str, about: dict[str, Any]) -> Break:
    """Return what names a folder in `info`, and makes it: with an `info` of its own where there is something to say."""

    def breaks(folder: Path) -> None:
        info(**{name: name})(folder)
        (folder / name).mkdir()
        if about:
            write_json(folder / name / "info", about)

    return breaks


def swapped(one: str, other: str) -> Break:
    def breaks(folder: Path) -> None:
        first, second = (folder / one).read_bytes(), (folder / other).read_bytes()
        (folder / one).write_bytes(second)
        (folder / other).write_bytes(first)

    return breaks


def removed(name: str) -> Break:
    return lambda folder: (folder / name).unlink()


def shortened(name: str, length: int) -> Break:
    def breaks(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:length])

    return breaks


def patched(name: str, at: int, data: bytes) -> Break:
    def breaks(folder: Path) -> None:
        old = (folder / name).read_bytes()
        (folder / name).write_bytes(old[:at] + data + old[at + len(data) :])

    return breaks


def damaged_index(folder: Path) -> None:
    path = folder / "8_8_8/0.shard"
    start, end = struct.unpack_from("<QQ", path.read_bytes())
    patched("8_8_8/0.shard", 64 + start, bytes(end - start))(folder)


def sharding(**fields: Any) -> Break:
    return edit("info", lambda value: value["scales"][0]["sharding"].update(fields))


class Case(NamedTuple):
    """A volume that is good but for one thing, and the words that tell of it; of many lines, the first and their number."""

    how: tuple[str, str, str]
    layout: str
    breaks: Break
    words: list[str]


def make(folder: Path, case: Case) -> Path:
    if case.layout == "wide":  # more shards than a single digit can count
        spec = {**SHARDING, "preshift_bits": 0, "minishard_bits": 0, "shard_bits": 6}
        return copy_of(folder, precomputed, *case.how, "sharded", sharding=spec)
    return copy_of(folder, precomputed, *case.how, case.layout)


CASES = {
    "chunk cut off": Case(
        how=IMAGE,
        layout="plain",
        breaks=cut,
        words=[
            "error chunk v/16_16_16/0-32_0-32_0-32: holds 31,768 bytes, but 32 x 32 x 32 voxels of uint8 are 32,768 → write the chunk again",
        ],
    ),
    "chunk cut off inside gzip": Case(
        how=IMAGE,
        layout="gz",
        breaks=cut,
        words=[
            "error chunk v/16_16_16/0-32_0-32_0-32: is gzip that is not whole: it ends too early → write the chunk again",
        ],
    ),
    "labels cut off": Case(
        how=LABELS,
        layout="plain",
        breaks=cut,
        words=[
            "error chunk v/16_16_16/0-32_0-32_0-32: is cut off: a block's values lie beyond its end → write the chunk again",
        ],
    ),
    "jpeg cut off": Case(
        how=JPEG,
        layout="plain",
        breaks=cut,
        words=[
            "error chunk v/16_16_16/0-32_0-32_0-32: is cut off (JPEG) → write the chunk again",
        ],
    ),
    "png cut off": Case(
        how=("png", "uint8", "image"),
        layout="plain",
        breaks=cut,
        words=[
            "error chunk v/16_16_16/0-32_0-32_0-32: is cut off (PNG) → write the chunk again",
        ],
    ),
    "not jpeg": Case(
        how=JPEG,
        layout="plain",
        breaks=chunk(3, b"GIF89a" * 9),
        words=[
            "error chunk v/16_16_16/0-32_32-45_32-35: is not JPEG → write the chunk again",
        ],
    ),
    "empty chunk": Case(
        how=IMAGE,
        layout="plain",
        breaks=chunk(0, b""),
        words=[
            "error chunk v/16_16_16/0-32_0-32_0-32: is empty → write the chunk again",
        ],
    ),
    "chunk lost": Case(
        how=IMAGE,
        layout="plain",
        breaks=chunk(20, None),
        words=[
            "error missing v/8_8_8/32-64_32-64_0-32: is not stored, but scale 16_16_16 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
    "chunk lost among labels": Case(
        how=LABELS,
        layout="plain",
        breaks=chunk(20, None),
        words=[
            "error missing v/8_8_8/32-64_32-64_0-32: is not stored, but scale 16_16_16 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
    "chunk lost with gz": Case(
        how=LABELS,
        layout="gz",
        breaks=chunk(20, None),
        words=[
            "error missing v/8_8_8/32-64_32-64_0-32: is not stored, but scale 16_16_16 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
    "chunk lost with gzip": Case(
        how=LABELS,
        layout="gzip",
        breaks=chunk(20, None),
        words=[
            "error missing v/8_8_8/32-64_32-64_0-32: is not stored, but scale 16_16_16 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
    "chunk lost of jpeg": Case(
        how=JPEG,
        layout="plain",
        breaks=chunk(20, None),
        words=[
            "error missing v/8_8_8/32-64_32-64_0-32: is not stored, but scale 16_16_16 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
    "coarsest chunk lost": Case(
        how=LABELS,
        layout="plain",
        breaks=chunk(0, None),
        words=[
            "error missing v/16_16_16/0-32_0-32_0-32: is not stored, but scale 8_8_8 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
    "scale lost": Case(
        how=IMAGE,
        layout="plain",
        breaks=lose_scale,
        words=[
            "error missing v/16_16_16: none of its 8 chunks is stored → write the scale, or take it out of the metadata",
        ],
    ),
    "chunk off the grid": Case(
        how=IMAGE,
        layout="plain",
        breaks=rename("8_8_8/0-32_0-32_0-32", "8_8_8/1-33_0-32_0-32"),
        words=[
            "error chunk-name v/8_8_8/1-33_0-32_0-32: is not on the grid of chunks of 32 x 32 x 32 voxels from (0, 0, 0) → readers never ask for it: is `info` right, or was it written for another grid?",
            "error missing v/8_8_8/0-32_0-32_0-32: is not stored, but scale 16_16_16 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
    "chunk outside": Case(
        how=IMAGE,
        layout="plain",
        breaks=rename("8_8_8/0-32_0-32_0-32", "8_8_8/0-32_0-32_96-128"),
        words=[
            "error chunk-name v/8_8_8/0-32_0-32_96-128: lies outside of the scale, which is 0-100_0-90_0-70 → readers never ask for it: is `info` right, or was it written for another grid?",
            "error missing v/8_8_8/0-32_0-32_0-32: is not stored, but scale 16_16_16 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
        ],
    ),
    "last chunk not clipped": Case(
        how=IMAGE,
        layout="plain",
        breaks=rename("8_8_8/96-100_0-32_0-32", "8_8_8/96-128_0-32_0-32"),
        words=[
            "error chunk-name v/8_8_8/96-128_0-32_0-32: is on the grid only as 96-100_0-32_0-32 → readers never ask for it: is `info` right, or was it written for another grid?",
            "warning missing v/8_8_8: 1 of its 36 chunks is not stored, and reads as empty, first 96-100_0-32_0-32 → write them; or, if they are empty, write zeros so that nobody need wonder",
        ],
    ),
    "stray in a scale": Case(
        how=IMAGE,
        layout="plain",
        breaks=put("8_8_8/notes.txt", b"x"),
        words=[
            "warning stray v/8_8_8/notes.txt: is no chunk: those of scale 8_8_8 are named x0-x1_y0-y1_z0-z1 → move it elsewhere",
        ],
    ),
    "chunk too deep": Case(
        how=IMAGE,
        layout="plain",
        breaks=rename("8_8_8/0-32_0-32_0-32", "8_8_8/0/0-32_0-32_0-32"),
        words=[
            "error missing v/8_8_8/0-32_0-32_0-32: is not stored, but scale 16_16_16 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
            "warning stray v/8_8_8/0/0-32_0-32_0-32: lies deeper than the chunks of scale 8_8_8, where no reader looks → move it to 8_8_8/0-32_0-32_0-32",
        ],
    ),
    "scale that info does not name": Case(
        how=IMAGE,
        layout="plain",
        breaks=edit("info", lambda value: value["scales"].pop()),
        words=[
            "warning stray v/16_16_16/0-32_0-32_0-32: belongs to no scale that `info` names → add the scale to `info`, or take 16_16_16 away",
            "(8 lines)",
        ],
    ),
    "coarse first": Case(
        how=IMAGE,
        layout="plain",
        breaks=edit("info", lambda value: value["scales"].reverse()),
        words=[
            "error scales v/info: lists scale 8_8_8 (8 x 8 x 8 nm) after 16_16_16 (16 x 16 x 16 nm), which is coarser: readers take the first for the finest → list the scales from fine to coarse",
        ],
    ),
    "resolution slip": Case(
        how=IMAGE,
        layout="plain",
        breaks=scale(1, resolution=[128, 128, 128]),
        words=[
            "error scales v/info: scale 16_16_16 spans 0 to 6,400 nm along x, but 8_8_8 spans 0 to 800 nm → correct its `size`, `resolution` or offset: they show the same data",
        ],
    ),
    "factor not whole": Case(
        how=IMAGE,
        layout="plain",
        breaks=scale(1, resolution=[19, 16, 16]),
        words=[
            "error scales v/info: scale 16_16_16 spans 0 to 950 nm along x, but 8_8_8 spans 0 to 800 nm → correct its `size`, `resolution` or offset: they show the same data",
            "warning scales v/info: scale 16_16_16 has voxels of 19 x 16 x 16 nm, which are 2.375 of those of 8_8_8 (8 x 8 x 8 nm) → factors are whole numbers: is the `resolution` right?",
        ],
    ),
    "offset slip": Case(
        how=IMAGE,
        layout="plain",
        breaks=scale(1, voxel_offset=[32, 0, 0]),
        words=[
            "error chunk-name v/16_16_16/0-32_0-32_0-32: lies outside of the scale, which is 32-82_0-45_0-35 → readers never ask for it: is `info` right, or was it written for another grid?",
            "(10 lines)",
        ],
    ),
    "same resolution twice": Case(
        how=IMAGE,
        layout="plain",
        breaks=scale(1, resolution=[8, 8, 8]),
        words=[
            "error scales v/info: scale 16_16_16 spans 0 to 400 nm along x, but 8_8_8 spans 0 to 800 nm → correct its `size`, `resolution` or offset: they show the same data",
            "warning scales v/info: has two scales of 8 x 8 x 8 nm, 8_8_8 and 16_16_16 → keep one of them, or mend `resolution`",
        ],
    ),
    "wrong type": Case(
        how=IMAGE,
        layout="plain",
        breaks=info(data_type="uint16"),
        words=[
            "error chunk v/16_16_16/0-32_0-32_0-32: holds 32,768 bytes, but 32 x 32 x 32 voxels of uint16 are 65,536 → write the chunk again",
            "(21 lines)",
        ],
    ),
    "jpeg labels": Case(
        how=JPEG,
        layout="plain",
        breaks=info(type="segmentation"),
        words=[
            "error info v/info: scale 16_16_16 stores labels as jpeg, which changes them → use compressed_segmentation, or `type` image",
            "error info v/info: scale 8_8_8 stores labels as jpeg, which changes them → use compressed_segmentation, or `type` image",
        ],
    ),
    "jpeg of two channels": Case(
        how=JPEG,
        layout="plain",
        breaks=info(num_channels=2),
        words=[
            "error info v/info: scale 16_16_16 stores 2 channels as jpeg, which holds 1 or 3 → choose another encoding",
            "error info v/info: scale 8_8_8 stores 2 channels as jpeg, which holds 1 or 3 → choose another encoding",
        ],
    ),
    "labels of two channels": Case(
        how=LABELS,
        layout="plain",
        breaks=info(num_channels=2),
        words=[
            "error info v/info: is a segmentation of 2 channels → labels have one: publish each as a volume of its own",
        ],
    ),
    "labels of floats": Case(
        how=("raw", "float32", "image"),
        layout="plain",
        breaks=info(type="segmentation"),
        words=[
            "error info v/info: is a segmentation of float32 → labels are whole numbers: write them as uint32 or uint64",
        ],
    ),
    "jpeg of 16 bits": Case(
        how=JPEG,
        layout="plain",
        breaks=info(data_type="uint16"),
        words=[
            "error info v/info: scale 16_16_16 stores uint16 as jpeg, which holds only uint8 → choose another encoding",
            "error info v/info: scale 8_8_8 stores uint16 as jpeg, which holds only uint8 → choose another encoding",
        ],
    ),
    "labels of 16 bits, compressed": Case(
        how=LABELS,
        layout="plain",
        breaks=info(data_type="uint16"),
        words=[
            "error info v/info: scale 16_16_16 stores uint16 as compressed_segmentation, which holds only uint32 or uint64 → choose another encoding",
            "error info v/info: scale 8_8_8 stores uint16 as compressed_segmentation, which holds only uint32 or uint64 → choose another encoding",
        ],
    ),
    "no block size": Case(
        how=LABELS,
        layout="plain",
        breaks=edit("info", lambda value: value["scales"][0].pop("compressed_segmentation_block_size")),
        words=[
            "error info v/info: scale 8_8_8 has no compressed_segmentation_block_size of three whole numbers → add it, such as [8, 8, 8]",
        ],
    ),
    "another block size": Case(
        how=LABELS,
        layout="plain",
        breaks=scale(0, compressed_segmentation_block_size=[4, 4, 4]),
        words=[
            "error chunk v/8_8_8/0-32_0-32_0-32: has a block that is encoded in a number of bits that there is not → write the chunk again",
            "(21 lines)",
        ],
    ),
    "another encoding": Case(
        how=IMAGE,
        layout="plain",
        breaks=scale(0, encoding="png"),
        words=[
            "error chunk v/8_8_8/0-32_0-32_0-32: is not PNG → write the chunk again",
            "(21 lines)",
        ],
    ),
    "encoding that is not shown": Case(
        how=("raw", "float32", "image"),
        layout="plain",
        breaks=scale(0, encoding="fpzip"),
        words=[
            "warning encoding v/info: scale 8_8_8 is encoded as fpzip, which neuroglancer cannot show: its layer stays empty, with an error → encode it as jpeg, png or raw, or leave it to those who read it with cloud-volume",
        ],
    ),
    "encoding of another kind": Case(
        how=IMAGE,
        layout="plain",
        breaks=scale(0, encoding="kempressed"),
        words=[
            "error info v/info: scale 8_8_8 stores uint8 as kempressed, which holds only float32 → choose another encoding",
            "warning encoding v/info: scale 8_8_8 is encoded as kempressed, which neuroglancer cannot show: its layer stays empty, with an error → encode it as jpeg, png or raw, or leave it to those who read it with cloud-volume",
        ],
    ),
    "linked folder missing": Case(
        how=LABELS,
        layout="plain",
        breaks=info(mesh="mesh"),
        words=[
            "error link v/info: `mesh` names the folder 'mesh', which is not there: there are no meshes then → add it, or remove the field",
        ],
    ),
    "linked properties missing": Case(
        how=LABELS,
        layout="plain",
        breaks=info(segment_properties="properties"),
        words=[
            "error link v/info: `segment_properties` names the folder 'properties', which is not there: the viewer shows none of its segments then → add it, or remove the field",
        ],
    ),
    "linked folder without info": Case(
        how=LABELS,
        layout="plain",
        breaks=linked("skeletons", {}),
        words=[
            "error link v/skeletons: has no info, though the volume's `skeletons` names it: the viewer shows nothing of the whole segmentation → write one whose @type says what is in it",
        ],
    ),
    "linked folder of another kind": Case(
        how=LABELS,
        layout="plain",
        breaks=linked("skeletons", {"@type": "neuroglancer_legacy_mesh"}),
        words=[
            "error link v/skeletons/info: `@type` is not that of skeletons, though the volume's `skeletons` names it → correct one of the two",
        ],
    ),
    "link out of the volume": Case(
        how=LABELS,
        layout="plain",
        breaks=info(mesh="../mesh"),
        words=[
            "error link v/info: `mesh` is '../mesh', which is no folder below the volume → name one, or remove the field",
        ],
    ),
    "shard named like another": Case(
        how=LABELS,
        layout="sharded",
        breaks=rename("8_8_8/0.shard", "8_8_8/00.shard"),
        words=[
            "error shard-name v/8_8_8/00.shard: is not where readers look for it, which is 0.shard → rename it",
        ],
    ),
    "shard in capitals": Case(
        how=LABELS,
        layout="wide",
        breaks=rename("8_8_8/0a.shard", "8_8_8/0A.shard"),
        words=[
            "error shard-name v/8_8_8/0A.shard: is not where readers look for it, which is 0a.shard → rename it",
        ],
    ),
    "shard name too short": Case(
        how=LABELS,
        layout="wide",
        breaks=rename("8_8_8/0a.shard", "8_8_8/a.shard"),
        words=[
            "error shard-name v/8_8_8/a.shard: is not where readers look for it, which is 0a.shard → rename it",
        ],
    ),
    "shard beyond shard_bits": Case(
        how=LABELS,
        layout="sharded",
        breaks=rename("8_8_8/0.shard", "8_8_8/8.shard"),
        words=[
            "error shard-name v/8_8_8/8.shard: is shard 8, but with 3 shard_bits the last is 7 → correct `shard_bits`, or write the scale again",
        ],
    ),
    "shard under another name": Case(
        how=LABELS,
        layout="sharded",
        breaks=swapped("8_8_8/0.shard", "8_8_8/1.shard"),
        words=[
            "error shard v/8_8_8/0.shard: key 8 is in minishard 0, but by its hash (identity) belongs into minishard 0 of 1.shard → write the shard again",
            "error shard v/8_8_8/1.shard: key 0 is in minishard 0, but by its hash (identity) belongs into minishard 0 of 0.shard → write the shard again",
        ],
    ),
    "shard lost": Case(
        how=LABELS,
        layout="sharded",
        breaks=removed("8_8_8/1.shard"),
        words=[
            "error missing v/8_8_8/1.shard: chunk 64-96_0-32_0-32 is not stored, but scale 16_16_16 has data there → write the chunk again; if it is empty on purpose, write the other scale again",
            "(8 lines)",
        ],
    ),
    "all shards lost": Case(
        how=LABELS,
        layout="sharded",
        breaks=lose_scale,
        words=[
            "error missing v/16_16_16: has no shard → write the scale, or take it out of `info`",
        ],
    ),
    "shard shorter than its index": Case(
        how=LABELS,
        layout="sharded",
        breaks=shortened("8_8_8/0.shard", 40),
        words=[
            "error shard-name v/8_8_8/0.shard: is 40 bytes long, and its index alone has 64 → it is cut off, or `minishard_bits` is wrong: write it again",
        ],
    ),
    "shard cut off": Case(
        how=LABELS,
        layout="sharded",
        breaks=shortened("8_8_8/0.shard", -10),
        words=[
            "error shard v/8_8_8/0.shard: minishard 3: its index is said to be at 11495 to 11533, outside of the file → write the shard again",
        ],
    ),
    "shard with a wrong index": Case(
        how=LABELS,
        layout="sharded",
        breaks=patched("8_8_8/0.shard", 0, struct.pack("<QQ", 1 << 40, (1 << 40) + 9)),
        words=[
            "error shard v/8_8_8/0.shard: minishard 0: its index is said to be at 1099511627840 to 1099511627849, outside of the file → write the shard again",
        ],
    ),
    "shard with a damaged minishard index": Case(
        how=LABELS,
        layout="sharded",
        breaks=damaged_index,
        words=[
            "error shard v/8_8_8/0.shard: minishard 0: its index is not gzip: Error -3 while decompressing data: incorrect header check → write the shard again",
        ],
    ),
    "shard with damaged chunks": Case(
        how=LABELS,
        layout="sharded",
        breaks=patched("8_8_8/0.shard", 64, b"\0" * 200),
        words=[
            "error chunk v/8_8_8/0.shard: chunk 0 is not gzip: Error -3 while decompressing data: incorrect header check → write the shard again",
        ],
    ),
    "shards with a file of another": Case(
        how=LABELS,
        layout="sharded",
        breaks=put("8_8_8/readme.txt", b"x"),
        words=[
            "warning shard-name v/8_8_8/readme.txt: is no shard: those of scale 8_8_8 are named like 0.shard → move it elsewhere",
        ],
    ),
    "another hash": Case(
        how=LABELS,
        layout="sharded",
        breaks=sharding(hash="murmurhash3_x86_128"),
        words=[
            "error shard v/8_8_8/0.shard: key 0 is in minishard 0, but by its hash (murmurhash3_x86_128) belongs into minishard 1 of 0.shard → write the shard again",
            "(8 lines)",
        ],
    ),
    "another preshift": Case(
        how=LABELS,
        layout="sharded",
        breaks=sharding(preshift_bits=0),
        words=[
            "error shard v/8_8_8/0.shard: key 1 is in minishard 0, but by its hash (identity) belongs into minishard 1 of 0.shard → write the shard again",
            "(8 lines)",
        ],
    ),
    "other minishard bits": Case(
        how=LABELS,
        layout="sharded",
        breaks=sharding(minishard_bits=1, shard_bits=4),
        words=[
            "error shard v/8_8_8/0.shard: minishard 0: its index is not gzip: Error -3 while decompressing data: incorrect header check → write the shard again",
            "(8 lines)",
        ],
    ),
    "data that is not gzip": Case(
        how=LABELS,
        layout="sharded",
        breaks=sharding(data_encoding="raw"),
        words=[
            "error chunk v/8_8_8/0.shard: chunk 0 (0-32_0-32_0-32) holds 1,697 bytes, which are no whole number of 32-bit words → write the shard again",
            "(21 lines)",
        ],
    ),
    "sharding of no type": Case(
        how=LABELS,
        layout="sharded",
        breaks=sharding(**{"@type": "sharded"}),
        words=[
            "error info v/info: scale 8_8_8: sharding must be an object whose @type is neuroglancer_uint64_sharded_v1 → correct the sharding, or write the scale anew",
        ],
    ),
    "sharding of an unknown hash": Case(
        how=LABELS,
        layout="sharded",
        breaks=sharding(hash="md5"),
        words=[
            "error info v/info: scale 8_8_8: sharding: hash must be identity or murmurhash3_x86_128, not 'md5' → correct the sharding, or write the scale anew",
        ],
    ),
    "two chunk sizes with shards": Case(
        how=LABELS,
        layout="sharded",
        breaks=scale(0, chunk_sizes=[[32, 32, 32], [64, 64, 8]]),
        words=[
            "error info v/info: scale 8_8_8 is sharded and has 2 chunk sizes → readers take one: name one",
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
