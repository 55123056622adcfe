"""What is no layer itself and still says something of segments: columns of tables, and SWC files that are published alone."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from publisher.facts import SkeletonFacts, TableFacts
from publisher.formats import swc
from publisher.health import across, occurrence
from publisher.health.keyed import is_id
from publisher.health.places import SEGMENTS
from publisher.health.sampling import chosen
from publisher.health.slips import MOST_PLACES, Place
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding
from publisher.record import Described
from publisher.tree import File, Tree, walk


class Referring(NamedTuple):
    """An artifact, and the tree of it that refers to segments."""

    artifact: Described
    tree: Tree


def referring(trees: Iterable[Tree], artifacts: Iterable[Described]) -> tuple[Referring, ...]:
    """Return what refers to segments and is no layer."""
    described = {artifact.name: artifact for artifact in artifacts}
    found = (Referring(described[tree.artifact], tree) for tree in trees if tree.artifact in described)
    return tuple(each for each in found if _is_table(each) or _is_swc(each))


def _is_table(each: Referring) -> bool:
    facts = each.artifact.facts
    return isinstance(facts, TableFacts) and any(column.references for column in facts.columns)


def _is_swc(each: Referring) -> bool:
    facts = each.artifact.facts
    return isinstance(facts, SkeletonFacts) and "precomputed" not in facts.formats and bool(facts.segmentation)


def fingerprint(each: Referring) -> str:
    """Return a digest of what is said of it, and of names, sizes and times of its files."""
    digest = hashlib.sha256(f"{each.tree.key}\n{each.artifact.facts}\n".encode())
    for file in walk(each.tree):
        if isinstance(file, File):
            row = f"{file.relative}\0{file.size_bytes}\0{file.mtime_ns}\0{file.inode}\n"
            digest.update(row.encode(errors="surrogateescape"))
    return digest.hexdigest()


def check(all_of_them: Sequence[Referring], subjects: Sequence[Subject], depth: Depth) -> Iterator[Finding]:
    """Yield ids that do not occur in the segmentation that they are of, and nodes that do not lie in it."""
    if depth == "quick":
        return
    for each in all_of_them:
        if _is_table(each):
            yield from occurrence.of_table(each.artifact, each.tree.path, each.tree.key, subjects, depth)
        else:
            layer = Subject("skeletons", each.artifact, each.tree)
            yield from across.lookup(layer, subjects, partial(_nodes, each.tree, each.artifact.facts))


def _nodes(tree: Tree, facts: object) -> list[Place]:
    """Return nodes of some SWC files in nm; what does not parse was told when it was staged."""
    assert isinstance(facts, SkeletonFacts)
    names = (file for file in walk(tree) if isinstance(file, File) and is_id(Path(file.relative).stem))
    files = [each for each in chosen(names, SEGMENTS, tree.key) if isinstance(each, File)]
    numbers = random.Random(tree.key)  # noqa: S311 - a sample
    places: list[Place] = []
    for file in files:
        made = swc.parse(Path(file.path).read_bytes(), file.relative)
        if isinstance(made, swc.Skeleton):
            nm = made.nodes.astype(np.float64) * facts.swc_unit_nm
            rows = numbers.sample(range(len(nm)), min(MOST_PLACES // len(files), len(nm)))
            places += [Place((int(Path(file.relative).stem),), (x, y, z)) for x, y, z in nm[rows].tolist()]
    return places
