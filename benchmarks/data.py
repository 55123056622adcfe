"""What is uploaded: sources as labs have them, each with the manifest that publishes it."""

from __future__ import annotations

import io
import itertools
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

SIDE = 64  # voxels of a chunk, each way
CHUNK_BYTES = 16_384
SMALL_BYTES = 4_096
COMMENT = b"\xff\xfe"  # begins a segment of a JPEG that no reader minds
SCALE = "8_8_8"
MODIFIED = 1_767_225_600  # long ago: what changed a moment ago could change again, and some tools mind
LINKED = 200  # files that stand for very many
# Cells and the roughness of their borders: 100 KB a chunk, which gzip makes 2.7 times smaller.
CELLS, ROUGH, DIFFERENT = 110, 2.0, 250

_MANIFEST = """\
schema: 1
version: v1
date: 2026-01-01
status: final
dataset: {{name: bench, title: Benchmark, description: Chunks., license: CC0-1.0, authors: [{{name: nobody}}]}}
space: {{name: em, voxel_size: [8, 8, 8]}}
{section}: [{{name: {name}, source: source}}]
scenes: []
examples: false
"""


@dataclass(frozen=True)
class Data:
    """A source below `folder`, beside its manifest."""

    folder: Path
    key: str  # where publisher puts it, below the target
    objects: int
    size_bytes: int
    files: int  # the objects, and what describes them

    @property
    def source(self) -> Path:
        """Return the folder of the files."""
        return self.folder / "source"

    @property
    def manifest(self) -> Path:
        """Return the manifest."""
        return self.folder / "release.yaml"


def chunks(folder: Path, count: int) -> Data:
    """Make a volume of jpeg chunks, which are published as they are: 16 KB each, most of them random bytes."""
    places = _volume(folder, count, {"type": "image", "data_type": "uint8", "encoding": "jpeg"})
    picture = _picture()
    for path in places:
        _write(path, _padded(picture, CHUNK_BYTES))
    return _data(folder, "volumes", "em", count, count * CHUNK_BYTES)


def linked_chunks(folder: Path, count: int, size_bytes: int = CHUNK_BYTES) -> Data:
    """Make a volume of very many jpeg chunks: names of a few files."""
    originals = [str(folder / "originals" / str(number)) for number in range(max(LINKED, count // 50_000))]
    (folder / "originals").mkdir(parents=True)
    picture = _picture()
    for path in originals:
        _write(path, _padded(picture, size_bytes))
    places = _volume(folder, count, {"type": "image", "data_type": "uint8", "encoding": "jpeg"})
    for path, original in zip(places, itertools.cycle(originals), strict=False):
        os.link(original, path)
    return _data(folder, "volumes", "em", count, count * size_bytes)


def labels(folder: Path, count: int) -> Data:
    """Make a volume of chunks in compressed_segmentation, about 100 KB each, which are stored as gzip."""
    made = list(itertools.islice(_label_chunks(), min(count, DIFFERENT)))
    how = {"type": "segmentation", "data_type": "uint64", "encoding": "compressed_segmentation"}
    places = _volume(folder, count, how)
    size = 0
    for path, chunk in zip(places, itertools.cycle(made), strict=False):
        _write(path, chunk)
        size += len(chunk)
    return _data(folder, "volumes", "em", count, size)


def one_file(folder: Path, size_bytes: int) -> Data:
    """Make one large file of random bytes."""
    source = folder / "source"
    source.mkdir(parents=True)
    with (source / "em.bin").open("wb") as file:
        for start in range(0, size_bytes, 1 << 24):
            file.write(os.urandom(min(1 << 24, size_bytes - start)))
    os.utime(source / "em.bin", (MODIFIED, MODIFIED))
    return _data(folder, "files", "large", 1, size_bytes)


def files(folder: Path, count: int) -> Data:
    """Make small files of random bytes, a thousand in a folder."""
    for number in range(count):
        path = folder / "source" / f"{number // 1000}" / f"{number}"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        _write(path, os.urandom(SMALL_BYTES))
    return _data(folder, "files", "chunks", count, count * SMALL_BYTES)


def _data(folder: Path, section: str, name: str, objects: int, size_bytes: int) -> Data:
    (folder / "release.yaml").write_text(_MANIFEST.format(section=section, name=name), encoding="utf-8")
    infos = 1 if section == "volumes" else 0
    return Data(folder, f"v1/{section}/{name}", objects, size_bytes, objects + infos)


def _volume(folder: Path, count: int, how: dict[str, str]) -> Iterator[str]:
    """Make a precomputed volume without chunks; return where its chunks go."""
    wide = math.ceil(count ** (1 / 3))
    deep = math.ceil(count / wide**2)
    scale: dict[str, Any] = {
        "key": SCALE,
        "size": [wide * SIDE, wide * SIDE, deep * SIDE],
        "resolution": [8, 8, 8],
        "voxel_offset": [0, 0, 0],
        "chunk_sizes": [[SIDE] * 3],
        "encoding": how["encoding"],
    }
    if how["encoding"] == "compressed_segmentation":
        scale["compressed_segmentation_block_size"] = [8, 8, 8]
    info = {
        "@type": "neuroglancer_multiscale_volume",
        "type": how["type"],
        "data_type": how["data_type"],
        "num_channels": 1,
        "scales": [scale],
    }
    source = folder / "source"
    (source / SCALE).mkdir(parents=True)
    _write(source / "info", json.dumps(info).encode())
    spans = [f"{number * SIDE}-{(number + 1) * SIDE}" for number in range(max(wide, deep))]
    every = itertools.product(spans[:deep], spans[:wide], spans[:wide])
    return (f"{source}/{SCALE}/{x}_{y}_{z}" for z, y, x in itertools.islice(every, count))


def _picture() -> bytes:
    """Return a chunk of nothing as JPEG: as wide as a chunk, and as high as its other sides together."""
    from PIL import Image  # noqa: PLC0415 - only these need it

    file = io.BytesIO()
    Image.new("L", (SIDE, SIDE * SIDE)).save(file, "JPEG", quality=1, optimize=True)
    return file.getvalue()


def _padded(picture: bytes, size_bytes: int) -> bytes:
    """Return the picture with a comment of random bytes in it, so long that it has this size."""
    more = size_bytes - len(picture) - len(COMMENT)
    return picture[:2] + COMMENT + more.to_bytes(2, "big") + os.urandom(more - 2) + picture[2:]


def _label_chunks() -> Iterator[bytes]:
    """Yield encoded chunks of labels: cells around random points, with rough borders and large numbers."""
    import compressed_segmentation  # type: ignore[import-not-found]  # noqa: PLC0415 - only these need it
    import numpy as np  # noqa: PLC0415 - likewise

    random = np.random.default_rng(0)
    while True:
        numbers = random.integers(1, 1 << 40, CELLS, dtype=np.uint64)
        chunk = np.asfortranarray(numbers[_cells(random)])
        yield compressed_segmentation.compress(chunk[..., np.newaxis], order="F")


def _cells(random: np.random.Generator) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return for each voxel of a chunk which of the points is its nearest."""
    import numpy as np  # noqa: PLC0415 - as above

    shape = (SIDE, SIDE, SIDE)
    moved = (random.random((3, *shape), dtype=np.float32) - 0.5) * ROUGH
    voxels = np.indices(shape, dtype=np.float32) + moved
    near, own = np.full(shape, np.inf, np.float32), np.zeros(shape, np.uint8)
    for number, (x, y, z) in enumerate(random.random((CELLS, 3), dtype=np.float32) * SIDE):
        distance = (voxels[0] - x) ** 2 + (voxels[1] - y) ** 2 + (voxels[2] - z) ** 2
        closer = distance < near
        near[closer], own[closer] = distance[closer], number
    return own


def _write(path: str | Path, data: bytes) -> None:
    with open(path, "wb") as file:  # noqa: PTH123 - quick
        file.write(data)
    os.utime(path, (MODIFIED, MODIFIED))
