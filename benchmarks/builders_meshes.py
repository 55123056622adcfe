"""How long meshes take to build, and how much memory: `python -m benchmarks.builders_meshes`.

One bumpy torus of 10^5, 10^6 and 10^7 faces (16 nm to 160 nm an edge) as a binary PLY file, and 10, 100 and 1,000 tori of
10^4 faces, each built in a process of its own, from reading the file to the objects on disk. Peak memory includes Python
and its libraries, which are some 90 MB. On a machine with other work, CPU seconds are what compares.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

CASES = ((10**5, 1), (10**6, 1), (10**7, 1), (10**4, 10), (10**4, 100), (10**4, 1000))  # faces of a mesh, meshes
_FACE = np.dtype([("n", "u1"), ("i", "<i4", 3)])


def torus(faces: int) -> tuple[Any, Any]:
    """Return a closed surface with bumps of several sizes: vertices in nm, 120 µm wide, and faces."""
    side = int((faces / 2) ** 0.5)
    u, v = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    a, b = u * 2 * np.pi / side, v * 2 * np.pi / side
    thick = 15_000 * (1 + 0.2 * np.sin(9 * a) * np.sin(7 * b) + 0.02 * np.sin(101 * a + 60 * b))
    ring = 45_000 + thick * np.cos(b)
    vertices = np.stack([ring * np.cos(a), ring * np.sin(a), thick * np.sin(b)], axis=-1).reshape(-1, 3)

    p, q = (u + 1) % side, (v + 1) % side
    here, along, across, beyond = (np.ravel(i * side + j) for i, j in ((u, v), (p, v), (u, q), (p, q)))
    faces_one, faces_other = np.stack([here, along, beyond], axis=1), np.stack([here, beyond, across], axis=1)
    return vertices, np.concatenate([faces_one, faces_other])


def write(path: Path, faces: int) -> None:
    """Write a torus as PLY."""
    vertices, corners = torus(faces)
    rows = np.zeros(len(corners), _FACE)
    rows["n"], rows["i"] = 3, corners
    head = "ply\nformat binary_little_endian 1.0\n"
    head += f"element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
    head += f"element face {len(rows)}\nproperty list uchar int vertex_indices\nend_header\n"
    path.write_bytes(head.encode() + vertices.astype("<f4").tobytes() + rows.tobytes())


def measure(source: Path, work: Path) -> None:
    """Build a folder, and print what it took."""
    from publisher.builders import mesh_sources, meshes  # noqa: PLC0415 - counted

    start, cpu = time.perf_counter(), time.process_time()
    built = meshes.build(mesh_sources.find(source, {}), work, meshes.Options(1.0))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    size = sum(path.stat().st_size for path in built.folder.iterdir())
    # What getrusage calls the peak is also that of the process that started this one.
    peak = int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": peak, "size": size}))


def main() -> None:
    """Measure every case, a line each."""
    print(
        f"{'meshes':>7} {'faces each':>11} {'seconds':>9} {'of CPU':>9} {'CPU / 10^5':>10} {'peak MB':>8} {'bytes / face':>13}"
    )
    for faces, count in CASES:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "source")
            source.mkdir()
            write(source / "1.ply", faces)
            for segment in range(2, count + 1):
                (source / f"{segment}.ply").hardlink_to(source / "1.ply")
            command = [sys.executable, "-m", "benchmarks.builders_meshes", str(source), f"{folder}/work"]
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        per = done["cpu"] / (faces * count / 1e5)
        each = done["size"] / faces / count
        print(
            f"{count:7,} {faces:11,} {done['seconds']:9.2f} {done['cpu']:9.2f} {per:10.2f} {done['megabytes']:8,.0f} {each:13.2f}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:]:
        measure(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
