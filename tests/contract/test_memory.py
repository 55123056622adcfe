"""Memory does not grow with the number of objects: a million are planned and published in that of ten thousand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import peak_bytes

FILES = 100  # hard links to a few files: a million files in seconds, and no file has too many links
PUBLISH = """
import sys
from pathlib import Path
from time import perf_counter
from publisher.plan import plan
from publisher.publish import publish
from publisher.record import Access, Record
from publisher.targets import Nowhere
from publisher.tree import Tree

def role(relative):
    return "chunk/raw"

start = perf_counter()
tree = Tree("a", "v1/a", Path(sys.argv[1]), role=role, encoded_names=True)
made = plan((tree,), Nowhere(), None, version="v1", final=True)
planned = perf_counter()
wanted = Record("v1", "final", "2026-11-21", {}, "", Access(), (), (), {})
done = publish(made, Nowhere(), wanted, None)
assert done.uploaded == int(sys.argv[2]), done.uploaded
seconds = planned - start, perf_counter() - planned
print(f"{done.uploaded:,} objects: plan {done.uploaded / seconds[0]:,.0f}/s, publish {done.uploaded / seconds[1]:,.0f}/s",
      file=open(sys.argv[3], "w"))
"""


def tree(folder: Path, count: int) -> Path:
    """Make a folder of tiny files: a fifth of them flat in one folder, the others nested a hundred at a time."""
    sources = []
    for number in range(max(FILES, -(-count // 50_000))):
        path = folder / "originals" / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"chunk {number}".encode() * 4)
        sources.append(str(path))
    root = folder / "tree"
    flat = count // 5
    for number, name in enumerate(_names(str(root), flat, count - flat)):
        os.link(sources[number % len(sources)], name)
    return root


def _names(root: str, flat: int, nested: int) -> Iterator[str]:
    os.makedirs(f"{root}/flat")  # noqa: PTH103 - quick
    yield from (f"{root}/flat/{number}-64" for number in range(flat))
    for number in range(nested):
        folder = f"{root}/{number // 10_000}/{number // 100}"
        if number % 100 == 0:
            os.makedirs(folder)  # noqa: PTH103
        yield f"{folder}/{number}-64"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is gone after the test: pytest keeps those of the last runs, and a million names are many."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def measured(folder: Path, count: int) -> int:
    root = tree(folder / str(count), count)
    told = folder / f"{count}.txt"
    peak = peak_bytes(PUBLISH, root, count, told)
    print(f"{told.read_text().strip()}, peak memory {peak >> 20} MB")
    return peak


def test_memory_does_not_grow_with_the_number_of_objects(folder: Path) -> None:
    few, many = measured(folder, 6_000), measured(folder, 60_000)
    # What a list of them all would hold: more than half a kilobyte an object.
    assert many - few < 54_000 * 512


@pytest.mark.slow
def test_a_million_objects_take_the_memory_of_ten_thousand(folder: Path) -> None:
    few, many = measured(folder, 10_000), measured(folder, 1_000_000)
    assert many - few < 100 << 20
