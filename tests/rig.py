"""A small release to plan and publish without the command line: sources in a folder, a target beside it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

from publisher import inventory, record
from publisher.objects import Change, Entry, Headers, Op, Plan
from publisher.plan import plan
from publisher.publish import Published, publish
from publisher.record import Access, Described, Record
from publisher.targets import LocalTarget, Target
from publisher.tree import Role, Tree

CREATED = "2026-11-21T00:00:00+00:00"


@dataclass
class Rig:
    """Sources, and where they go; every step is one call."""

    folder: Path
    version: str = "v1"
    status: str = "draft"
    title: str = "Small"
    extra: tuple[Tree, ...] = ()
    place: Path | None = None  # of the target, where it is another rig's
    target: Target = field(init=False)

    def __post_init__(self) -> None:
        self.target = LocalTarget(self.root)
        self.sources.mkdir(parents=True, exist_ok=True)

    @property
    def sources(self) -> Path:
        return self.folder / "sources"

    @property
    def root(self) -> Path:
        return self.place or self.folder / "target"

    def write(self, relative: str, data: bytes | str) -> Path:
        path = self.sources / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def tree(self, name: str, *, key: str = "", role: Role | None = None) -> Tree:
        """Return one source as an artifact; a folder `seg` has the names and the roles of a precomputed volume."""
        place = key or f"{self.version}/files/{name}"
        if role is None and name.startswith("seg"):
            return Tree(name, place, self.sources / name, role=_volume, encoded_names=True)
        return Tree(name, place, self.sources / name, **({"role": role} if role else {}))

    @property
    def trees(self) -> tuple[Tree, ...]:
        keyed = {tree.path for tree in self.extra}
        names = sorted(path.name for path in self.sources.iterdir() if path not in keyed)
        return (*map(self.tree, names), *self.extra)

    @property
    def live(self) -> Record | None:
        data = self.target.read(record.record_key(self.version))
        return None if data is None else record.parse(data, "test")

    @property
    def entries(self) -> list[Entry]:
        """What the live inventory says, read as a stranger would: by the record's own words."""
        live = self.live
        assert live is not None
        assert live.inventory is not None
        path = self.root / live.inventory.key
        assert hashlib.sha256(path.read_bytes()).hexdigest() == live.inventory.sha256
        return list(inventory.read(path))

    def wanted(self) -> Record:
        described = tuple(
            Described(tree.artifact, "files", tree.artifact, "", "Files", tree.key, None) for tree in self.trees
        )
        dataset = {"name": "small", "title": self.title}
        return Record(
            self.version, self.status, "2026-11-21", dataset, "http://x", Access(), described, (), {}, created=CREATED
        )

    def plan(self) -> Plan:
        live = self.live
        known = (live, self.entries) if live else None
        return plan(self.trees, self.target, known, version=self.version, final=self.status == "final")

    def publish(self, target: Target | None = None) -> Published:
        return publish(self.plan(), target or self.target, self.wanted(), self.live)


def _volume(relative: str) -> str:
    return "json" if relative.endswith("info") else "chunk/raw"


def reasons(made: Plan, *ops: Op) -> dict[str, str]:
    """Return the reason of each change of some kinds, by key."""
    return {change.key: change.reason for change in made.changes if change.op in ops}


def ops(changes: Iterable[Change]) -> dict[str, str]:
    return {change.key: change.op.value for change in changes}


def state(root: Path) -> dict[str, tuple[int, int, int]]:
    """Return what a file system knows of every file but the target's own scratch: rewritten bytes show, too."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".publisher-tmp"]
        for name in names:
            info = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118
            found[os.path.relpath(os.path.join(folder, name), root)] = (info.st_ino, info.st_mtime_ns, info.st_size)  # noqa: PTH118
    return found


def parts(root: Path) -> list[str]:
    """Return what half-written objects a target holds."""
    return sorted(path.name for path in (root / ".publisher-tmp").glob("*") if path.name != "lock")


@contextmanager
def mortal(process: subprocess.Popen[Any]) -> Iterator[None]:
    """End a process with this block, also where a test fails in it: `Popen` itself would wait, maybe for ever."""
    try:
        yield
    finally:
        process.kill()


_PEAK = """
import re, sys
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


def peak_bytes(code: str, *arguments: object) -> int:
    """Run code in a process of its own; return the most memory that it held.

    Not `ru_maxrss`: Linux lets a child begin with that of the process that started it, which hides what is smaller.
    """
    command = [sys.executable, "-c", code + _PEAK, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]) * 1024


@dataclass
class Watched:
    """A target that tells of every put: `at(number, key, moment)` may raise, or end the process."""

    inner: Target
    at: Callable[[int, str, str], None] = lambda *_: None
    events: list[tuple[str, str]] = field(default_factory=list)
    lock_: Lock = field(default_factory=Lock)
    numbers: Iterator[int] = field(default_factory=count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @property
    def sent(self) -> list[str]:
        """Keys that were stored, in the order in which they were done."""
        return [key for moment, key in self.events if moment == "after"]

    def put(self, key: str, body: Iterable[bytes], headers: Headers, **more: Any) -> str:
        with self.lock_:
            number = next(self.numbers)
        self._tell(number, key, "before")
        tag = self.inner.put(key, self._through(number, key, body), headers, **more)
        self._tell(number, key, "after")
        return tag

    def swap(
        self, key: str, change: Callable[[bytes | None], bytes | None], headers: Headers, *, sure: bool = False
    ) -> None:
        del sure
        new = change(self.inner.read(key))
        if new is not None:
            self.put(key, [new], headers)

    def _through(self, number: int, key: str, body: Iterable[bytes]) -> Iterator[bytes]:
        for block in body:
            yield block[: len(block) // 2]
            self._tell(number, key, "half")
            yield block[len(block) // 2 :]

    def _tell(self, number: int, key: str, moment: str) -> None:
        with self.lock_:
            self.events.append((moment, key))
        self.at(number, key, moment)


def complete(rig: Rig) -> bool:
    """Whether a reader sees the whole release; fail where there is a part of one."""
    if rig.live is None:
        return False
    broken = [entry.key for entry in rig.entries if not rig.target.holds(entry, tuple)]
    assert broken == []
    return True
