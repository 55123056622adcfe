"""What is no layer itself and still says something of segments: columns of tables, and SWC files that are published alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from publisher.facts import SkeletonFacts, TableFacts
from publisher.record import Described
from publisher.tree import Tree


class Referring(NamedTuple):
    """An artifact, and the tree of it that refers to segments."""

    artifact: Described
    tree: Tree


def referring(trees: Iterable[Tree], artifacts: Iterable[Described]) -> tuple[Referring, ...]:
    """Return what refers to segments and is no layer."""
    described = {artifact.name: artifact for artifact in artifacts}
    found = (Referring(described[tree.artifact], tree) for tree in trees if tree.artifact in described)
    return tuple(each for each in found if is_table(each) or _is_swc(each))


def is_table(each: Referring) -> bool:
    """Whether it is a table with a column that refers to something."""
    facts = each.artifact.facts
    return isinstance(facts, TableFacts) and any(column.references for column in facts.columns)


def _is_swc(each: Referring) -> bool:
    facts = each.artifact.facts
    return isinstance(facts, SkeletonFacts) and "precomputed" not in facts.formats and bool(facts.segmentation)
