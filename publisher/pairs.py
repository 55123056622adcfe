"""Pairs: what a release wants under each key, beside what the live record says of it; and what speaks against it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter

from publisher.errors import Problem
from publisher.ledger import Ledger
from publisher.objects import Entry, ObjectSpec
from publisher.tree import Mark, Tree, specs

MAX_PROBLEMS = 1000  # that are named; more of them say nothing new

Pair = tuple[str, ObjectSpec | None, Entry | None]  # a key, what is wanted there, and what the live record says
_KEY = itemgetter(0)  # of a spec


def pairs(
    trees: Iterable[Tree],
    live: Iterable[Entry],
    problems: list[Problem],
    *,
    final: bool,
    ledger: Ledger | None,
    seen: Mapping[str, Mark],
) -> Iterator[Pair]:
    """Join what the trees hold and what is recorded, in the order of keys; `problems` takes what must not be published.

    Args:
        trees: where the objects come from.
        live: the inventory.
        problems: filled as the pairs come.
        final: whether the release will be final.
        ledger: what is known of sources.
        seen: by the key of a tree: takes its files.

    """
    wanted = (_wanted(tree, ledger, seen[tree.key], problems, final=final) for tree in trees)
    return _apart(_joined(heapq.merge(*wanted, key=_KEY), live), problems)


def _wanted(
    tree: Tree, ledger: Ledger | None, seen: Mark, problems: list[Problem], *, final: bool
) -> Iterator[ObjectSpec]:
    """Yield the objects of a tree, and name what speaks against them."""
    memory = ledger.below(tree.key) if ledger else None
    item: ObjectSpec | Problem | None = None
    for item in specs(tree, final=final, memory=memory, seen=seen):
        if isinstance(item, ObjectSpec):
            yield item
        else:
            _name(item, problems)
    if item is None:
        _name(Problem(str(tree.path), "holds nothing that can be published", "is it the right folder?"), problems)


def _name(problem: Problem, problems: list[Problem]) -> None:
    if len(problems) < MAX_PROBLEMS:
        problems.append(problem)
    elif len(problems) == MAX_PROBLEMS:
        problems.append(Problem("", f"and more; only the first {MAX_PROBLEMS} are named", "mend these and look again"))


def _joined(wanted: Iterable[ObjectSpec], live: Iterable[Entry]) -> Iterator[Pair]:
    """Join two streams that are sorted by key."""
    specs_, entries = iter(wanted), iter(live)
    spec, entry = next(specs_, None), next(entries, None)
    while spec is not None or entry is not None:
        if entry is None or (spec is not None and spec.key < entry.key):
            assert spec is not None
            yield spec.key, spec, None
            spec = next(specs_, None)
        elif spec is None or entry.key < spec.key:
            yield entry.key, None, entry
            entry = next(entries, None)
        else:
            yield spec.key, spec, entry
            spec, entry = next(specs_, None), next(entries, None)


def _apart(pairs: Iterable[Pair], problems: list[Problem]) -> Iterator[Pair]:
    """Name keys that a store or a disk cannot tell apart: twice the same, `X` beside `X.gz`, `X` beside `X/…`."""
    open_pairs: list[Pair] = []  # keys that are each a prefix of the next: what sorts between X and X.gz starts with X
    for pair in pairs:
        while open_pairs and not pair[0].startswith(open_pairs[-1][0]):
            open_pairs.pop()
        if open_pairs:
            clashes = (_clash(other, pair) for other in open_pairs if len(problems) < MAX_PROBLEMS)
            problems += [problem for problem in clashes if problem is not None]
        open_pairs.append(pair)
        yield pair


def _clash(short: Pair, long: Pair) -> Problem | None:
    """Return why two keys, of which the first is a prefix of the second, cannot both be objects."""
    (key, spec, _), (other, other_spec, _) = short, long
    new = other_spec or spec
    if new is None:
        return None  # both are live already
    live = "" if spec and other_spec else ", which is live already and is never taken away"
    rest = other[len(key) :]
    if rest == "" and spec is not None:
        return Problem(new.path, f"becomes the key {key}, which {spec.path} becomes too", "give one another key")
    if rest == ".gz":
        message = f"would be the object {other} beside {key}, which web servers take for one{live}"
        return Problem(new.path, message, "give one of them another name")
    if rest.startswith("/"):
        message = f"would be the object {other} below {key}, which is an object itself{live}"
        return Problem(new.path, message, "give one of them another key")
    return None
