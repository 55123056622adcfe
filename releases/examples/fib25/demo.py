"""Publish the FIB-25 sample onto a folder: python demo.py DATA [--out FOLDER] [--bodies 12].

DATA holds `em/*.png` (slices along z, rows along y) and `groundtruth.h5.gz` (supervoxels `stack`, z, y, x; `transforms`
maps each to its body), as in janelia-flyem/neuroproof_examples, training_sample2 (CC BY). All voxels are 10 nm.
Needs the extra `examples`. Look at the result with `publisher serve FOLDER/public`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorstore as ts
import zmesh
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).resolve().parent
VOXEL_NM = 10
CHUNK = 64  # voxels along each edge
SCALES = 3  # each half as fine as the one before


def read_image(data: Path) -> NDArray[np.uint8]:
    """Return the grey values, x, y, z."""
    slices = sorted((data / "em").glob("*.png"))
    if not slices:
        raise SystemExit(f"{data}/em holds no slices: give the folder of the sample")
    return np.stack([np.asarray(Image.open(path)).T for path in slices], axis=-1)


def read_bodies(data: Path) -> NDArray[np.uint64]:
    """Return the body of each voxel, x, y, z."""
    with h5py.File(io.BytesIO(gzip.decompress((data / "groundtruth.h5.gz").read_bytes()))) as file:
        supervoxels, joined = file["stack"][:], file["transforms"][:].astype(np.uint64)
    body_of = np.zeros(int(joined[:, 0].max()) + 1, np.uint64)
    body_of[joined[:, 0]] = joined[:, 1]
    return np.ascontiguousarray(body_of[supervoxels].T)


def write_volume(voxels: NDArray[Any], folder: Path, kind: str) -> None:
    """Write a precomputed volume and its pyramid: means of an image, the commonest label of a segmentation."""
    labels = kind == "segmentation"
    encoding: dict[str, Any] = {"encoding": "compressed_segmentation" if labels else "raw"}
    if labels:
        encoding["compressed_segmentation_block_size"] = [8, 8, 8]
    scale = ts.array(voxels[..., None])
    for level in range(SCALES):
        store = ts.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": f"{folder}/"},
                "multiscale_metadata": {"type": kind, "data_type": voxels.dtype.name, "num_channels": 1},
                "scale_metadata": {
                    "size": list(scale.shape[:3]),
                    "resolution": [VOXEL_NM << level] * 3,
                    "chunk_size": [CHUNK] * 3,
                    **encoding,
                },
                "store_data_equal_to_fill_value": True,
            },
            create=True,
        ).result()
        store.write(scale).result()
        halved = ts.downsample(scale, [2, 2, 2, 1], "mode" if labels else "mean").read().result()
        scale = ts.array(np.ascontiguousarray(halved))


def write_mesh(bodies: NDArray[np.uint64], body: int, path: Path) -> None:
    """Write the surface of a body as PLY, in nm. One voxel of nothing around the cube keeps it closed."""
    mesher = zmesh.Mesher((VOXEL_NM,) * 3)
    mesher.mesh(np.pad(bodies == body, 1).astype(np.uint8), close=False)
    mesh = mesher.get(1, reduction_factor=0, voxel_centered=True)
    vertices = (mesh.vertices - VOXEL_NM).astype("<f4")
    faces = np.zeros(len(mesh.faces), [("corners", "u1"), ("vertices", "<i4", 3)])
    faces["corners"], faces["vertices"] = 3, mesh.faces
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    path.write_bytes("\n".join([*lines, ""]).encode() + vertices.tobytes() + faces.tobytes())


def prepare(data: Path, inputs: Path, count: int) -> None:
    """Write everything that the manifest names."""
    bodies = read_bodies(data)
    write_volume(read_image(data), inputs / "em", "image")
    write_volume(bodies, inputs / "segmentation", "segmentation")
    ids, voxels = np.unique(bodies[bodies > 0], return_counts=True)
    order = np.argsort(-voxels, kind="stable")
    with (inputs / "bodies.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["body", "name", "voxels"])
        writer.writerows((ids[at], f"Body {ids[at]}", voxels[at]) for at in order)
    (inputs / "meshes").mkdir()
    for at in order[:count]:
        write_mesh(bodies, int(ids[at]), inputs / "meshes" / f"{ids[at]}.ply")
        print(f"mesh of body {ids[at]}, {voxels[at]:,} voxels", file=sys.stderr)


def main() -> None:
    """Prepare the inputs, and publish them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("fib25-demo"))
    parser.add_argument("--bodies", type=int, default=12, help="How many get a mesh, the largest first.")
    asked = parser.parse_args()
    inputs = asked.out / "inputs"
    shutil.rmtree(inputs, ignore_errors=True)
    inputs.mkdir(parents=True)
    prepare(asked.data, inputs, asked.bodies)
    manifest = asked.out / "v1.yaml"
    shutil.copyfile(HERE / "v1.yaml", manifest)
    command = [sys.executable, "-m", "publisher.cli", "release", str(manifest)]
    raise SystemExit(subprocess.run(command, check=False).returncode)  # noqa: S603 - only our own words


if __name__ == "__main__":
    main()
