"""Voxels of one scale of a volume that lies on this disk, a box at a time, or chunk by chunk. Axes are x, y, z.

Read with tensorstore where it is installed. Chunks that lie as `.gz`, or as gzip, on the disk are unpacked on their way:
tensorstore alone would take them for empty.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.facts import Scale, VolumeFacts, Whole
from publisher.formats import spacing
from publisher.formats.content import stored

_KEPT_BYTES = 64 << 20  # chunks in memory at once
_DRIVERS = {"n5": "n5", "zarr2": "zarr", "zarr3": "zarr3"}

Box = tuple[tuple[int, ...], tuple[int, ...]]  # from, up to: voxels of the scale, its offset included


class Unreadable(Exception):
    """Voxels cannot be read: why, in words that go on from "because"."""


@dataclass
class Voxels:
    """One scale of a volume, open for reading."""

    folder: Path
    scale: Scale
    _store: Any
    _memory: Any = None
    _held: int = 0
    _known: set[str] = field(default_factory=set)

    @property
    def box(self) -> Box:
        """The voxels that there are."""
        low = self.scale.offset_voxels
        return low, tuple(at + size for at, size in zip(low, self.scale.size_voxels, strict=True))

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels (x, y, z) of a box, of the first channel; raise Unreadable where they cannot be."""
        try:
            if self._memory is not None:
                for name in self._chunks(box):
                    self._take(name)
            where = tuple(slice(a, b) for a, b in zip(*box, strict=True))
            read = self._store[where].read(order="F").result()  # as chunks have them: no transposing
        except (ValueError, OSError, zlib.error, RuntimeError) as error:
            raise Unreadable(f"it cannot be read: {str(error).splitlines()[0][:200]}") from None
        return np.asarray(read)

    def chunks(self) -> Iterator[Box]:
        """Yield the box of each chunk of the grid; of those that have a file each, only what is there."""
        low, high = self.box
        steps = (range(a, b, c) for a, b, c in zip(low, high, self.scale.chunk_voxels, strict=True))
        for start in product(*steps):
            stop = tuple(min(a + c, b) for a, c, b in zip(start, self.scale.chunk_voxels, high, strict=True))
            box = (start, stop)
            if self._memory is None or self._there(self._name(box)):
                yield box

    def _there(self, name: str) -> bool:
        path = self.folder / name
        return path.is_file() or path.with_name(f"{path.name}.gz").is_file()

    def _name(self, box: Box) -> str:
        return f"{self.scale.key}/" + "_".join(f"{a}-{b}" for a, b in zip(*box, strict=True))

    def _chunks(self, box: Box) -> Iterator[str]:
        low, high = self.box
        sides = self.scale.chunk_voxels
        firsts = [a + (at - a) // side * side for at, a, side in zip(box[0], low, sides, strict=True)]
        for start in product(*(range(a, b, c) for a, b, c in zip(firsts, box[1], sides, strict=True))):
            stop = tuple(min(a + c, b) for a, c, b in zip(start, sides, high, strict=True))
            yield self._name((start, stop))

    def _take(self, name: str) -> None:
        """Put the content of a chunk where tensorstore reads it."""
        if name in self._known:
            return
        if self._held > _KEPT_BYTES:
            for known in self._known:
                self._memory.write(known, None).result()
            self._known, self._held = set(), 0
        data = stored(self.folder, name, encoded_names=True)
        if data is not None:
            self._memory.write(name, data).result()
            self._held += len(data)
        self._known.add(name)


def open_voxels(folder: Path, facts: VolumeFacts, scale: Scale) -> Voxels:
    """Open one scale of a volume.

    Raises:
        Unreadable: tensorstore is not installed, or cannot read it.

    """
    try:
        import tensorstore as ts  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        raise Unreadable("tensorstore is not installed: install publisher with its extra 'inputs'") from None
    context = ts.Context({"cache_pool": {"total_bytes_limit": _KEPT_BYTES}})
    files = {"driver": "file", "path": f"{folder.resolve()}/"}
    try:
        if facts.format != "precomputed":
            return Voxels(folder, scale, _array(ts, facts, scale, files, context))
        info = stored(folder, "info", encoded_names=True) or b""
        keys = [each.get("key") for each in json.loads(info)["scales"]]
        spec: dict[str, Any] = {"driver": "neuroglancer_precomputed", "kvstore": files}
        spec["scale_index"] = keys.index(scale.key)
        memory = None
        if not scale.sharded:
            spec["kvstore"] = {"driver": "memory"}
            memory = ts.KvStore.open(spec["kvstore"], context=context).result()
            memory.write("info", info).result()
        store = ts.open(spec, read=True, open=True, context=context).result()
        return Voxels(folder, scale, store[ts.d["channel"][0]], memory)
    except (ValueError, KeyError, OSError, RuntimeError, zlib.error) as error:
        raise Unreadable(f"it cannot be opened: {str(error).splitlines()[0][:200]}") from None


def _array(ts: Any, facts: VolumeFacts, scale: Scale, files: dict[str, str], context: Any) -> Any:  # noqa: ANN401
    """Return an array of another format with its axes as x, y, z, further axes at their first place."""
    path = {**files, "path": f"{files['path']}{scale.key}/" if scale.key else files["path"]}
    store = ts.open({"driver": _DRIVERS[facts.format], "kvstore": path}, read=True, open=True, context=context).result()
    places = (0, 1, 2) if facts.format == "n5" else spacing.order(store.domain.labels, store.rank)
    further = [axis for axis in range(store.rank) if axis not in places]
    store = store[ts.d[places][...].transpose[0, 1, 2]] if not further else _first(ts, store, places, further)
    if tuple(store.shape) != scale.size_voxels:
        told = "x".join(map(str, store.shape))
        raise ValueError(f"the order of its axes is not clear ({told})")
    return store[ts.d[:].translate_to[scale.offset_voxels]]


def _first(ts: Any, store: Any, places: Whole, further: list[int]) -> Any:  # noqa: ANN401
    store = store[ts.d[further][0]]
    left = [place - sum(axis < place for axis in further) for place in places]
    return store[ts.d[left].transpose[0, 1, 2]]
