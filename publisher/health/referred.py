"""Whether what refers to segments refers to some: ids of columns occur in the segmentation, nodes of SWC files lie in it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from publisher.facts import SkeletonFacts
from publisher.formats import swc
from publisher.health import across, occurrence
from publisher.health.keyed import is_id
from publisher.health.places import SEGMENTS
from publisher.health.referring import Referring, is_table
from publisher.health.sample import chosen
from publisher.health.slips import MOST_PLACES, Place
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding
from publisher.tree import File, Tree, walk


def check(looked_at: tuple[Sequence[Referring], Sequence[Subject]], depth: Depth) -> Iterator[Finding]:
    """Yield ids that do not occur in the segmentation that they are of, and nodes that do not lie in it."""
    all_of_them, subjects = looked_at
    if depth == "quick":
        return
    for each in all_of_them:
        if is_table(each):
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
