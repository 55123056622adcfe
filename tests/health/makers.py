"""Good volumes of every format, written by tensorstore, for tests that then break one thing in them."""

from __future__ import annotations

import atexit
import gzip
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from publisher import health
from publisher.artifacts.volume import look
from publisher.errors import InvalidInput
from publisher.health.subject import Depth
from publisher.objects import Finding
from publisher.record import Described
from publisher.tree import Tree

SIZE, CHUNK = (100, 90, 70), (32, 32, 32)
SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "hash": "identity",
    "preshift_bits": 1,
    "minishard_bits": 2,
    "shard_bits": 3,
    "minishard_index_encoding": "gzip",
    "data_encoding": "gzip",
}
Break = Callable[[Path], None]


def labels(dtype: str, *, empty: bool = False) -> Any:
    """Blocks of labels; with `empty` nothing in the upper half of x."""
    rng = np.random.default_rng(4)
    made = rng.integers(1, 200, tuple(-(-n // 10) for n in SIZE))
    made = made.repeat(10, 0).repeat(10, 1).repeat(10, 2)[: SIZE[0], : SIZE[1], : SIZE[2]].astype(dtype)
    if empty:
        made[SIZE[0] // 2 :] = 0
    return made


def precomputed(  # noqa: PLR0913 - what a volume is made from
    folder: Path,
    encoding: str = "raw",
    dtype: str = "uint8",
    kind: str = "image",
    layout: str = "plain",
    *,
    offset: tuple[int, int, int] = (0, 0, 0),
    empty: bool = False,
    scales: int = 2,
    sharding: dict[str, Any] | None = None,
) -> Path:
    """Write a volume of 8 nm and 16 nm; `layout` is plain, gz (names), gzip (bytes) or sharded."""
    import tensorstore as ts

    data = labels(dtype, empty=empty)[..., np.newaxis]
    for level in range(scales):
        scale: dict[str, Any] = {
            "resolution": [8 << level] * 3,
            "encoding": encoding,
            "size": list(data.shape[:3]),
            "voxel_offset": [n >> level for n in offset],
            "chunk_size": CHUNK,
        }
        if encoding == "compressed_segmentation":
            scale["compressed_segmentation_block_size"] = [8, 8, 8]
        if layout == "sharded":
            scale["sharding"] = sharding or SHARDING
        store = ts.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": f"{folder}/"},
                "multiscale_metadata": {"type": kind, "data_type": dtype, "num_channels": 1},
                "scale_metadata": scale,
            },
            create=True,
        ).result()
        store.write(data).result()
        method = "mode" if kind == "segmentation" else "mean"
        data = ts.downsample(ts.array(data), [2, 2, 2, 1], method).read().result()
    for path in chunks(folder) if layout in {"gz", "gzip"} else ():
        packed = gzip.compress(path.read_bytes(), mtime=0)
        path.unlink()
        path.with_name(f"{path.name}.gz" if layout == "gz" else path.name).write_bytes(packed)
    return folder


def chunks(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "-" in path.name)


def array(folder: Path, driver: str, dtype: str = "uint16", metadata: dict[str, Any] | None = None) -> Path:
    """Write one N5 or zarr array, x, y, z in N5 and z, y, x in zarr."""
    import tensorstore as ts

    data = labels(dtype)
    data = data if driver == "n5" else data.T
    more = {
        "zarr": {"dtype": np.dtype(dtype).str, "fill_value": 0, "chunks": list(CHUNK)},
        "n5": {"blockSize": list(CHUNK)},
    }.get(driver, {})
    if driver == "zarr3":
        more = {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(CHUNK)}}}
    spec = {
        "driver": driver,
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "metadata": {**more, **(metadata or {})},
    }
    ts.open(spec, create=True, dtype=dtype, shape=data.shape).result().write(data).result()
    return folder


def ome(folder: Path, version: str = "0.4") -> Path:
    """Write an OME-Zarr of two scales: 0.4 in zarr v2, 0.5 in zarr v3."""
    driver = "zarr" if version == "0.4" else "zarr3"
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    datasets = []
    for level in range(2):
        array(folder / str(level), driver)
        if level:
            _halved(folder / "1", driver)
        scale = {"type": "scale", "scale": [8.0 * 2**level] * 3}
        datasets.append({"path": str(level), "coordinateTransformations": [scale]})
    image = {"axes": axes, "datasets": datasets}
    if version == "0.4":
        write_json(folder / ".zgroup", {"zarr_format": 2})
        write_json(folder / ".zattrs", {"multiscales": [{**image, "version": "0.4"}]})
    else:
        attributes = {"ome": {"version": version, "multiscales": [image]}}
        write_json(folder / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})
    return folder


def _halved(folder: Path, driver: str) -> None:
    import tensorstore as ts

    kvstore = {"driver": "file", "path": f"{folder}/"}
    data = ts.open({"driver": driver, "kvstore": kvstore}).result().read().result()[::2, ::2, ::2]
    meta = folder / ("zarr.json" if driver == "zarr3" else ".zarray")
    value = json.loads(meta.read_bytes())
    chunks_of = [path for path in folder.rglob("*") if path.is_file() and path != meta]
    for path in chunks_of:
        path.unlink()
    write_json(meta, {**value, "shape": list(data.shape)})
    ts.open({"driver": driver, "kvstore": kvstore}).result().write(data).result()


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def edit(path: str, change: Callable[[dict[str, Any]], object]) -> Break:
    """Return what changes a JSON file of a volume."""

    def breaks(folder: Path) -> None:
        value = json.loads((folder / path).read_bytes())
        change(value)
        write_json(folder / path, value)

    return breaks


_MADE: dict[str, Path] = {}


def copy_of(folder: Path, make: Callable[..., Path], *words: Any, **more: Any) -> Path:
    """Make a volume once for all tests that ask for it, see that it is good, and give each a copy of its own."""
    name = f"{make.__name__} {words} {more}"
    if name not in _MADE:
        place = Path(tempfile.mkdtemp(prefix="publisher-health-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        _MADE[name] = make(place / "v", *words, **more)
        assert told(_MADE[name]) == []
    return Path(shutil.copytree(_MADE[name], folder))


def find(source: Path, depth: Depth = "sample") -> tuple[Finding, ...]:
    """Look at one volume, named and keyed `v`."""
    facts, role, encoded_names = look(source)
    artifact = Described("v", "volumes", "v", "", "", "v", None, facts=facts)
    return health.check([Tree("v", "v", source, role=role, encoded_names=encoded_names)], [artifact], depth=depth)


def told(source: Path, depth: Depth = "sample") -> list[str]:
    """Return what is found, as one line each."""
    try:
        found = find(source, depth)
    except InvalidInput as error:  # so wrong that nothing else can be looked at
        return [f"problem {p.where.removeprefix(str(source))}: {p.message} → {p.hint}" for p in error.problems]
    return [f"{f.severity} {f.check} {f.key}: {f.message}" for f in found]
