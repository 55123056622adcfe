"""The formats that are tried: volumes with the same content, written by tensorstore in every form that the field uses.

The content is a ball of 24 voxels' radius in the middle of 64 x 64 x 64: label 7 in 9, or grey 200 in 40.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SIZE, RADIUS = 64, 24
VOXEL_NM = 8
GROUPS = {"n5": "s0/", "ome04": "0/", "ome05": "0/"}  # the array lies in a group, which says what its voxels are
SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "hash": "identity",
    "preshift_bits": 1,
    "minishard_bits": 1,
    "shard_bits": 1,
    "minishard_index_encoding": "gzip",
    "data_encoding": "gzip",
}
BLOCKS = {"compressed_segmentation_block_size": [8, 8, 8]}


@dataclass(frozen=True)
class Form:
    """One form of a volume: what it is called in the table, and how it is written."""

    name: str  # of the artifact
    title: str
    stored: str  # unsharded, gzip, sharded; or which codec is inside
    driver: str
    dtype: str
    options: dict[str, Any]
    published: bool = True  # else it is read where it lies, as plain files
    exact: bool = True
    quick: bool = False  # in `make test`

    @property
    def section(self) -> str:
        """Where the manifest lists it."""
        return "volumes"

    @property
    def labels(self) -> bool:
        return self.dtype in {"uint64", "uint32"}


def _precomputed(encoding: str, dtype: str, *, quick: bool = False) -> list[Form]:
    title = f"precomputed, {encoding}, {dtype}"
    name = f"{encoding.replace('_', '-')}-{dtype}"
    options = {"encoding": encoding, **(BLOCKS if encoding == "compressed_segmentation" else {})}
    if encoding == "jpeg":
        options["jpeg_quality"] = 95
    exact = encoding != "jpeg"
    found = []
    if encoding in {"raw", "compressed_segmentation"}:  # what gzip makes smaller
        found.append(Form(f"{name}-plain", title, "unsharded", "precomputed", dtype, options, published=False))
        found.append(Form(f"{name}-gzip", title, "gzip", "precomputed", dtype, options, quick=quick))
    else:
        found.append(Form(name, title, "unsharded", "precomputed", dtype, options, exact=exact, quick=quick))
    sharded = {**options, "sharding": SHARDING}
    if encoding in {"jpeg", "png"}:
        sharded["sharding"] = {**SHARDING, "data_encoding": "raw"}
    found.append(Form(f"{name}-sharded", title, "sharded", "precomputed", dtype, sharded, exact=exact, quick=quick))
    return found


def _arrays() -> list[Form]:
    # What most writers say; without a fill value, the viewer draws no 64-bit numbers.
    usual = {"fill_value": 0, "dimension_separator": "/"}
    gzip2, gzip3 = {"id": "gzip", "level": 5}, {"name": "gzip", "configuration": {"level": 5}}
    blosc2 = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}
    blosc3 = {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 1}}
    zstd3 = {"name": "zstd", "configuration": {"level": 3}}
    inner = {"name": "sharding_indexed", "configuration": {"chunk_shape": [16, 16, 16], "codecs": [gzip3]}}
    made = []
    for dtype in ("uint8", "uint64"):
        made += [
            Form(f"n5-raw-{dtype}", f"N5, {dtype}", "raw", "n5", dtype, {"compression": {"type": "raw"}}),
            Form(
                f"n5-gzip-{dtype}",
                f"N5, {dtype}",
                "gzip inside",
                "n5",
                dtype,
                {"compression": {"type": "gzip"}},
                quick=dtype == "uint8",
            ),
            Form(f"zarr2-raw-{dtype}", f"zarr v2, {dtype}", "raw", "zarr", dtype, {**usual, "compressor": None}),
            Form(
                f"zarr2-gzip-{dtype}", f"zarr v2, {dtype}", "gzip inside", "zarr", dtype, {**usual, "compressor": gzip2}
            ),
            Form(
                f"zarr2-blosc-{dtype}",
                f"zarr v2, {dtype}",
                "blosc inside",
                "zarr",
                dtype,
                {**usual, "compressor": blosc2},
            ),
            Form(f"zarr3-raw-{dtype}", f"zarr v3, {dtype}", "raw", "zarr3", dtype, {"codecs": []}),
            Form(f"zarr3-gzip-{dtype}", f"zarr v3, {dtype}", "gzip inside", "zarr3", dtype, {"codecs": [gzip3]}),
            Form(f"zarr3-blosc-{dtype}", f"zarr v3, {dtype}", "blosc inside", "zarr3", dtype, {"codecs": [blosc3]}),
            Form(f"zarr3-zstd-{dtype}", f"zarr v3, {dtype}", "zstd inside", "zarr3", dtype, {"codecs": [zstd3]}),
            Form(
                f"zarr3-sharded-{dtype}",
                f"zarr v3, {dtype}",
                "sharded",
                "zarr3",
                dtype,
                {"codecs": [inner]},
                quick=dtype == "uint64",
            ),
        ]
    bare = {"compressor": gzip2, "fill_value": None}
    made.append(Form("zarr2-unfilled", "zarr v2, uint64, no fill value", "gzip inside", "zarr", "uint64", bare))
    made.append(Form("ome04", "OME-Zarr 0.4, uint8", "gzip inside", "ome04", "uint8", {**usual, "compressor": gzip2}))
    made.append(Form("ome05", "OME-Zarr 0.5, uint8", "sharded", "ome05", "uint8", {"codecs": [inner]}))
    return made


FORMS: tuple[Form, ...] = (
    *_precomputed("raw", "uint8", quick=True),
    *_precomputed("raw", "uint16"),
    *_precomputed("raw", "float32"),
    *_precomputed("jpeg", "uint8", quick=True),
    *_precomputed("png", "uint8"),
    *_precomputed("raw", "uint64"),
    *_precomputed("compressed_segmentation", "uint64", quick=True),
    *_precomputed("compressed_segmentation", "uint32"),
    *_arrays(),
)


def content(form: Form) -> np.ndarray[Any, Any]:
    """Return the voxels, x, y, z."""
    at = np.indices((SIZE,) * 3) - (SIZE - 1) / 2
    ball = (at**2).sum(axis=0) < RADIUS**2
    inside, outside = (7, 9) if form.labels else (200, 40)
    return np.where(ball, inside, outside).astype(form.dtype)


def write(form: Form, folder: Path) -> None:
    """Write a form with tensorstore."""
    import tensorstore as ts

    voxels = content(form)
    if form.driver == "precomputed":
        kind = "segmentation" if form.labels else "image"
        spec: dict[str, Any] = {
            "driver": "neuroglancer_precomputed",
            "multiscale_metadata": {"type": kind, "data_type": form.dtype, "num_channels": 1},
            "scale_metadata": {
                "size": [SIZE] * 3,
                "resolution": [VOXEL_NM] * 3,
                "chunk_size": [32] * 3,
                **form.options,
            },
        }
        voxels = voxels[..., None]
    elif form.driver == "n5":
        size = {"dimensions": [SIZE] * 3, "blockSize": [32] * 3, "dataType": form.dtype}
        spec = {"driver": "n5", "metadata": {**size, **form.options}}
    else:
        spec = _zarr(form)
        voxels = voxels.T  # z, y, x
    inside = GROUPS.get(form.driver, "")
    spec["kvstore"] = {"driver": "file", "path": f"{folder}/{inside}"}
    spec["store_data_equal_to_fill_value"] = True
    ts.open(spec, create=True).result().write(voxels).result()
    if inside:
        _write_group(form, folder)


def _zarr(form: Form) -> dict[str, Any]:
    if form.driver in {"zarr", "ome04"}:
        dtype = f"{'<' if form.dtype != 'uint8' else '|'}u{np.dtype(form.dtype).itemsize}"
        return {
            "driver": "zarr",
            "metadata": {
                "shape": [SIZE] * 3,
                "chunks": [32] * 3,
                "dtype": dtype,
                "fill_value": 0,
                "dimension_separator": "/",
                **form.options,
            },
        }
    bytes_codec = {"name": "bytes", "configuration": {"endian": "little"}}
    codecs = [dict(codec) for codec in form.options["codecs"]]
    for codec in codecs:
        if codec["name"] == "sharding_indexed":
            codec["configuration"] = {
                **codec["configuration"],
                "codecs": [bytes_codec, *codec["configuration"]["codecs"]],
            }
        if codec["name"] == "blosc":
            codec["configuration"] = {**codec["configuration"], "typesize": np.dtype(form.dtype).itemsize}
    own = [] if any(codec["name"] == "sharding_indexed" for codec in codecs) else [bytes_codec]
    grid = {"name": "regular", "configuration": {"chunk_shape": [32] * 3}}
    metadata = {"shape": [SIZE] * 3, "chunk_grid": grid, "data_type": form.dtype, "codecs": [*own, *codecs]}
    return {"driver": "zarr3", "metadata": {**metadata, "dimension_names": ["z", "y", "x"]}}


def _write_group(form: Form, folder: Path) -> None:
    if form.driver == "n5":
        scales = {"downsamplingFactors": [[1, 1, 1]], "resolution": [VOXEL_NM] * 3, "units": ["nm"] * 3}
        (folder / "attributes.json").write_text(json.dumps({"n5": "2.0.0", "axes": ["x", "y", "z"], **scales}))
        return
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    dataset = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [float(VOXEL_NM)] * 3}]}
    multiscales = [{"version": "0.4" if form.driver == "ome04" else "0.5", "axes": axes, "datasets": [dataset]}]
    if form.driver == "ome04":
        (folder / ".zgroup").write_text('{"zarr_format": 2}')
        (folder / ".zattrs").write_text(json.dumps({"multiscales": multiscales}))
    else:
        attributes = {"ome": {"version": "0.5", "multiscales": multiscales}}
        group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        (folder / "zarr.json").write_text(json.dumps(group))
