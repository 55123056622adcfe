"""SWC: one neuron as a tree of nodes, a line each: id, type, x, y, z, radius, parent (-1 at a root).

Source of the format: Cannon et al. 1998; in connectomics coordinates are usually 8 nm voxels and the file does not say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.errors import Problem

FIELDS = 7
LIMIT = float(1 << 53)  # beyond, ids are no longer told apart
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A skeleton: `nodes` (n, 3) and `radii` (n,) in the file's units, `edges` (m, 2) as rows of `nodes`."""

    nodes: NDArray[np.float32]
    radii: NDArray[np.float32]
    edges: NDArray[np.uint32]
    roots: int


def parse(data: bytes, where: str) -> Skeleton | list[Problem]:
    """Read an SWC file; return what is wrong with it, each at its line, where it is no forest of nodes."""
    numbers, lines, problems = _rows(data, where)
    if not problems:
        problems = list(_tree_problems(numbers, lines, where))
    if problems:
        return problems
    ids, parents = numbers[:, 0].astype(np.int64), numbers[:, 6].astype(np.int64)
    order = np.argsort(ids, kind="stable")
    child = np.flatnonzero(parents >= 0)
    parent = order[np.searchsorted(ids[order], parents[child])]
    return Skeleton(
        nodes=numbers[:, 2:5].astype(np.float32),
        radii=numbers[:, 5].astype(np.float32),
        edges=np.stack([child, parent], axis=1).astype(np.uint32),
        roots=len(ids) - len(child),
    )


def _rows(data: bytes, where: str) -> tuple[NDArray[np.float64], list[int], list[Problem]]:
    """Return the numbers (n, 7), the line of each, and the lines that are none."""
    rows: list[list[float]] = []
    lines: list[int] = []
    problems: list[Problem] = []
    # Lines end as bytes say: text would also break at form feeds and the like, which comments may hold.
    for number, line in enumerate(data.removeprefix(BOM).splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        try:
            row = [float(word) for word in words[:FIELDS]]
        except ValueError:
            row = []
        if not _is_node(row):
            shown = line.strip()[:60].decode("utf-8", "replace")
            problems.append(
                Problem(
                    f"{where}:{number}",
                    f"is not an SWC node: {shown!r}",
                    "seven numbers a line: id type x y z radius parent",
                )
            )
            continue
        rows.append(row)
        lines.append(number)
    if not rows and not problems:
        problems.append(Problem(where, "holds no node", "remove the file, or write the skeleton"))
    return np.array(rows, dtype=np.float64).reshape(-1, FIELDS), lines, problems


def _is_node(row: list[float]) -> bool:
    """Whether these are seven numbers that float32 holds, the first and the last of them whole."""
    finite = all(abs(number) < LIMIT for number in row)  # which no NaN is
    return len(row) == FIELDS and finite and row[0].is_integer() and row[6].is_integer()


def _tree_problems(numbers: NDArray[np.float64], lines: list[int], where: str) -> Iterator[Problem]:
    ids, parents = numbers[:, 0].astype(np.int64), numbers[:, 6].astype(np.int64)
    _, first, counts = np.unique(ids, return_index=True, return_counts=True)
    if (counts > 1).any():
        twice = set(ids[first[counts > 1]].tolist())
        seen: set[int] = set()
        for row, node in enumerate(ids.tolist()):
            if node in twice and node in seen:
                yield Problem(f"{where}:{lines[row]}", f"node {node} is there twice", "give each node its own id")
            seen.add(node)
        return
    known = np.isin(parents, ids)
    for row in np.flatnonzero((parents >= 0) & ~known).tolist():
        yield Problem(
            f"{where}:{lines[row]}",
            f"node {ids[row]} has the parent {parents[row]}, which is not there",
            "roots have the parent -1",
        )
    if ((parents >= 0) & ~known).any():
        return
    for at in _cycles(ids, parents):
        yield Problem(f"{where}:{lines[at]}", f"node {ids[at]} is its own ancestor", "a root has the parent -1")


def _cycles(ids: NDArray[np.int64], parents: NDArray[np.int64]) -> list[int]:
    """Return one row of each cycle: what is left when nodes without children are taken away again and again."""
    order = np.argsort(ids, kind="stable")
    above = np.where(parents >= 0, order[np.searchsorted(ids[order], np.maximum(parents, ids.min())) % len(ids)], -1)
    children = np.bincount(above[above >= 0], minlength=len(ids))
    leaves = np.flatnonzero(children == 0).tolist()
    gone = np.zeros(len(ids), dtype=bool)
    while leaves:
        row = leaves.pop()
        gone[row] = True
        parent = int(above[row])
        if parent >= 0:
            children[parent] -= 1
            if children[parent] == 0:
                leaves.append(parent)
    found = []
    for start in np.flatnonzero(~gone).tolist():  # each of these is in a cycle
        if not gone[start]:
            found.append(start)
            row = start
            while not gone[row]:
                gone[row] = True
                row = int(above[row])
    return found


def encode(skeleton: Skeleton, unit_nm: float) -> bytes:
    """Return the precomputed skeleton: vertices in nm, edges, and the radius in nm as its one vertex attribute.

    Source: neuroglancer, src/datasource/precomputed/skeletons.md. Only float32 attributes are shown by the viewer.
    """
    counts = np.array([len(skeleton.nodes), len(skeleton.edges)], dtype="<u4")
    nodes = (skeleton.nodes.astype(np.float64) * unit_nm).astype("<f4")
    radii = (skeleton.radii.astype(np.float64) * unit_nm).astype("<f4")
    return b"".join(array.tobytes() for array in (counts, nodes, skeleton.edges.astype("<u4"), radii))


INFO: dict[str, Any] = {
    "@type": "neuroglancer_skeletons",
    # cloud-volume needs both of these; neuroglancer is content without. Vertices are nm already: the identity.
    "transform": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
    "vertex_attributes": [{"id": "radius", "data_type": "float32", "num_components": 1}],
}
