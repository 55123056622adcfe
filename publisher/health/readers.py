"""A second reader: tensorstore decodes what our own checks found good, and says whether it agrees.

It comes with the extra `inputs`; without it chunks are held against their encoding's own headers only, and what a coarser
scale has where a chunk is missing is not known. cloud-volume, too heavy for this, reads what the tests publish.
"""

from __future__ import annotations

import json
import re
import threading
from functools import cache, cached_property
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.health.presence import Cell, Grid
from publisher.health.subject import Subject

DECODES = frozenset({"raw", "jpeg", "png", "compressed_segmentation"})
MOST_VOXELS = 1 << 24  # of a chunk or shard that are read at once
FAINT, STRONG = 2, 16  # what jpeg makes of 0 beside other voxels, and what it does not make of it at any quality
TELL = "those who read it in Python cannot either: write it so that it can be opened"
_LINE = 200  # characters of what tensorstore says
_PREFIX = re.compile(r"^[A-Z_]+: ")


@cache
def available() -> bool:
    """Whether there is a second reader."""
    return find_spec("tensorstore") is not None


class Second:
    """Chunks of one scale of a precomputed volume as tensorstore decodes them, from bytes that somebody else has found."""

    def __init__(self, volume: Subject, key: str) -> None:
        """Take the volume and the key of its scale; nothing is read yet."""
        self._volume, self.key = volume, key
        self._scale = next(scale for scale in volume.info["scales"] if scale["key"].strip("/") == key)
        self._lock = threading.Lock()

    @property
    def able(self) -> bool:
        """Whether tensorstore is there, and knows the encoding."""
        return available() and self._scale["encoding"] in DECODES

    @cached_property
    def refusal(self) -> str:
        """What tensorstore says against opening the scale, which then is not read again; "" if nothing."""
        with self._lock:  # one set-up for all threads
            try:
                _ = self._memory
                _ = self._in_shards
            except ValueError as error:
                return _line(error)
        return ""

    @cached_property
    def _memory(self) -> tuple[Any, Any]:
        """Return a store in memory that looks like the volume, without shards, and the array that is read from it."""
        import tensorstore as ts  # noqa: PLC0415 - 40 MB of it, in an extra

        context = ts.Context()
        store = ts.KvStore.open({"driver": "memory"}, context=context).result()
        scale = {name: value for name, value in self._scale.items() if name != "sharding"} | {"key": self.key}
        store.write("info", json.dumps({**self._volume.info, "scales": [scale]}).encode()).result()
        spec = {"driver": "neuroglancer_precomputed", "kvstore": {"driver": "memory"}}
        return store, ts.open(spec, context=context, read=True).result()

    @cached_property
    def _in_shards(self) -> Any:  # noqa: ANN401 - tensorstore has no types
        if self._scale.get("sharding") is None or not (self._volume.folder / "info").is_file():
            return None  # of a disk it does not read info.gz, as it does of the web
        import tensorstore as ts  # noqa: PLC0415 - as above

        index = self._volume.info["scales"].index(self._scale)
        kvstore = {"driver": "file", "path": f"{self._volume.folder.resolve()}/"}
        spec = {"driver": "neuroglancer_precomputed", "kvstore": kvstore, "scale_index": index}
        return ts.open(spec, read=True).result()

    def trouble(self, name: str, data: bytes, grid: Grid, cell: Cell) -> str:
        """Return what tensorstore says against the content of a chunk, or where it is not what we read; "" if nothing."""
        if self.refusal:
            return ""
        try:
            seen = self.decoded(name, data, grid, cell)
            if self._in_shards is not None and not np.array_equal(self._found(grid, cell), seen):
                return "is another chunk for tensorstore than by the shard's index as it is specified"
        except ValueError as error:
            return f"tensorstore cannot decode it: {_line(error)}"
        if self._scale["encoding"] == "raw" and seen.tobytes(order="F") != data:
            return "has other voxels for tensorstore than by the specification"
        return ""

    def decoded(self, name: str, data: bytes, grid: Grid, cell: Cell) -> NDArray[Any]:
        """Return the voxels of a chunk (x, y, z, channel) from its content; raise ValueError where tensorstore cannot."""
        if self.refusal:
            raise ValueError(self.refusal)
        store, array = self._memory
        path = f"{self.key}/{name}"
        store.write(path, data).result()
        try:
            return np.asarray(array[_box(grid, cell)].read().result())
        finally:
            store.write(path, None).result()

    def _found(self, grid: Grid, cell: Cell) -> NDArray[Any]:
        if self.refusal or self._in_shards is None:
            raise ValueError(self.refusal)
        return np.asarray(self._in_shards[_box(grid, cell)].read().result())

    def voxels(self, grid: Grid, cell: Cell, content: bytes | None = None, name: str = "") -> NDArray[Any]:
        """Return the voxels (x, y, z, channel) of a chunk: of its content, or as it lies in its shard.

        Raises:
            ValueError: tensorstore cannot decode it.

        """
        return self._found(grid, cell) if content is None else self.decoded(name, content, grid, cell)

    @property
    def faint(self) -> tuple[int, int]:
        """Up to which value a voxel is nothing, and from which on it is something: a lossy encoding makes noise of 0."""
        return (FAINT, STRONG) if self._scale["encoding"] == "jpeg" else (0, 1)


class SecondArray:
    """Chunks of one N5 or zarr array as tensorstore reads them."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Take the array's folder and its format; nothing is read yet."""
        self._folder, self._driver = folder, {"n5": "n5", "zarr2": "zarr", "zarr3": "zarr3"}[kind]
        self._lock = threading.Lock()

    @cached_property
    def _array(self) -> Any:  # noqa: ANN401 - tensorstore has no types
        import tensorstore as ts  # noqa: PLC0415 - as above

        kvstore = {"driver": "file", "path": f"{self._folder.resolve()}/"}
        return ts.open({"driver": self._driver, "kvstore": kvstore}, read=True).result()

    @cached_property
    def refusal(self) -> str:
        """What tensorstore says against opening the array, which then is not read again; "" if nothing."""
        with self._lock:  # one set-up for all threads
            try:
                _ = self._array if available() else None
            except ValueError as error:
                return _line(error)
        return ""

    def read(self, grid: Grid, cell: Cell) -> NDArray[Any]:
        """Return the voxels of a chunk, at most its first 2^24; raise ValueError where tensorstore cannot."""
        if self.refusal:
            raise ValueError(self.refusal)
        box = _box(grid, cell)
        most = MOST_VOXELS ** (1 / len(box))
        few = tuple(slice(side.start, min(side.stop, side.start + int(most))) for side in box)
        whole = prod(side.stop - side.start for side in box) <= MOST_VOXELS
        return np.asarray(self._array[box if whole else few].read().result())

    def trouble(self, grid: Grid, cell: Cell) -> str:
        """Return what tensorstore says against a chunk, "" if nothing, or if it is not there."""
        if self.refusal or not available():
            return ""
        try:
            self.read(grid, cell)
        except ValueError as error:
            return f"tensorstore cannot read it: {_line(error)}"
        return ""

    def occupied(self, grid: Grid, cell: Cell) -> tuple[NDArray[Any], tuple[int, int]] | None:
        """Return the voxels of a chunk, and that everything but 0 is something; None where nobody knows."""
        try:
            seen = self.read(grid, cell) if available() else None
        except ValueError:
            return None
        return (seen[..., np.newaxis], (0, 1)) if seen is not None and seen.shape == grid.shape(cell) else None


def _box(grid: Grid, cell: Cell) -> tuple[slice, ...]:
    rows = zip(grid.begin(cell), grid.shape(cell), strict=True)
    return tuple(slice(begin, begin + size) for begin, size in rows)


def _line(error: ValueError) -> str:
    """Return what tensorstore says in one line, without what our own finding says already."""
    words = " ".join(str(error).split())
    words = _PREFIX.sub("", re.sub(r"Error (?:reading|opening) (?:local file )?\"[^\"]*\"(?: driver)?: ", "", words))
    return words[:_LINE].rsplit(" ", 1)[0] if len(words) > _LINE else words
