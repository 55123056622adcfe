"""A tree: one file or folder on disk that becomes objects. Walked in the order of keys, looked at before it is public.

Memory does not grow with the number of files: a folder of millions of chunks is sorted through temporary runs on disk.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from publisher import safety
from publisher.errors import Problem
from publisher.headers import GZIP_MAGIC, Contradiction, Gzip, Rule, headers, keeps_gz, rule, rule_for_name, stored_form
from publisher.objects import Known, ObjectSpec
from publisher.runs import in_order

Role = Callable[[str], str]

ROWS = 512  # of files, that a mark takes at once

WHOLE = "."  # the source itself, where `allow` names paths below it
_UNKNOWN = frozenset({"", "opaque"})  # roles of files that could hold anything: looked at as text, should they be text
_REPACK = "compress it again, or take .gz off its name"


def by_name(relative: str) -> str:
    """Say that no format claims this file: its name alone decides (the default of a tree)."""
    del relative
    return ""


@dataclass(frozen=True, slots=True)
class Tree:
    """Where objects come from.

    `role` tells a file's role from its path below the tree, "" for one that only its name describes. In a tree with
    `encoded_names`, a file `X.gz` stands for object `X`. `allow` holds what somebody has looked at and found harmless,
    by its exact path below the tree.
    """

    artifact: str
    key: str
    path: Path
    role: Role = by_name
    encoded_names: bool = False
    only: str = ""  # a suffix; other files are left out
    allow: Mapping[str, str] = field(default_factory=dict)


class File(NamedTuple):
    """One file of a tree: its path below the tree as it will be published, and where it lies."""

    relative: str
    path: str
    size_bytes: int
    mtime_ns: int
    inode: int
    gz_name: bool
    changed_ns: int  # when anything of it last did, its name too


class Mark:
    """A digest of the names, roles, sizes and times of a tree's files: while it is the same, so are they."""

    def __init__(self) -> None:
        """Begin with no file."""
        self._digest = hashlib.sha256()
        self._rows: list[tuple[object, ...]] = []
        self.changed_ns = 0  # when the last of them changed

    def add(self, file: File | Problem, role: str) -> None:
        """Take the next file of a walk, or what speaks against it."""
        if isinstance(file, Problem):
            self._rows.append((f"{file}",))
        else:
            self._rows.append((role, file[0], file[2:6]))
            self.changed_ns = max(self.changed_ns, file[6])
        if len(self._rows) == ROWS:
            self._flush()

    def _flush(self) -> None:
        self._digest.update(marshal.dumps(self._rows, 0))  # in the first version what is the same is written the same
        self._rows.clear()

    @property
    def text(self) -> str:
        """The digest of what was taken."""
        self._flush()
        return self._digest.hexdigest()


def mark(tree: Tree) -> Mark:
    """Return the mark of a tree's files as they are now."""
    found = Mark()
    for file in walk(tree):
        found.add(file, _role(tree, file))
    return found


def _role(tree: Tree, file: File | Problem) -> str:
    return "" if isinstance(file, Problem) else tree.role(_name(tree, file))


def _name(tree: Tree, file: File) -> str:
    """Return a file's path below its tree, or the name of a single one."""
    return file.relative or os.path.basename(tree.key)  # noqa: PTH119 - a key is no path of this system


class Memory(Protocol):
    """Remembers the sources of one tree, and is asked in the order of keys."""

    def find(self, key: str, path: str, size_bytes: int, mtime_ns: int, inode: int) -> Known | None:
        """Return what is known of a file that is as it was."""


def specs(
    tree: Tree, *, final: bool, memory: Memory | None = None, seen: Mark | None = None
) -> Iterator[ObjectSpec | Problem]:
    """Yield the objects of a tree sorted by key, and what speaks against publishing them.

    What a memory knows was looked at before, and is not opened again. `seen` takes each file.
    """
    for file in walk(tree):
        role = _role(tree, file)
        if seen is not None:
            seen.add(file, role)
        if isinstance(file, Problem):
            yield file
            continue
        relative, path, size, mtime, inode, gz_name, _ = file
        key = f"{tree.key}/{relative}" if relative else tree.key
        # cloud-volume stores `X` as `X.gz` whatever it is: also what no `info` speaks of, such as a scale left behind.
        row = rule(role or "chunk/raw") if role or gz_name else rule_for_name(_name(tree, file))
        known = memory.find(key, path, size, mtime, inode) if memory else None
        if known is None:
            yield from _problems(tree, file, key, row)
        try:
            gzip_bytes = known.gzip_bytes if known else row.gzip is not Gzip.INSIDE and is_gzip(path)
            form, encoded = stored_form(row, gz_name=gz_name, gzip_bytes=gzip_bytes)
        except Contradiction as error:
            yield Problem(path, f"{error}", _REPACK if gz_name and not gzip_bytes else "decompress it: gunzip")
        except OSError as error:
            yield Problem(path, f"cannot be read: {error.strerror}", "make it readable for this user")
        else:
            head = headers(row, encoded=encoded, final=final)
            known = known if known and known.form is form else None
            yield ObjectSpec(key, tree.artifact, path, size, mtime, form, head, inode, gzip_bytes, known)


def walk(tree: Tree) -> Iterator[File | Problem]:
    """Yield the files of a tree in the order of their keys."""
    root, folder = tree.path.resolve(), tree.path.is_dir()
    why = safety.secret_name(root.name, folder=folder)
    if why and WHOLE not in tree.allow:
        yield Problem(str(tree.path), f"is {why}", _allow(WHOLE))
    elif folder:
        yield from _walk(tree, root, str(tree.path), "")
    else:
        yield _file(str(tree.path), "")


def is_gzip(path: str) -> bool:
    """Whether a file is gzip: its magic *and* an inflate that works; a raw chunk has the magic once in 2^24."""
    descriptor = os.open(path, os.O_RDONLY)  # a million of these: a file object costs more than the read
    try:
        if os.read(descriptor, len(GZIP_MAGIC)) != GZIP_MAGIC:
            return False
    finally:
        os.close(descriptor)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
        data = file.read(len(GZIP_MAGIC))
        inflate = zlib.decompressobj(wbits=31)
        try:
            while data and not inflate.eof:
                inflate.decompress(data, 1 << 20)
                data = inflate.unconsumed_tail or file.read(1 << 18)
        except zlib.error:
            return False
        return inflate.eof


# One name in a folder, sorting as its key does (folders as `name/`, `X.gz` as `X` where names are encoded); the name; and
# whether it is a link, and whether it is plain, which needs no further look.
_Name = tuple[str, str, bool, bool]


def _walk(tree: Tree, root: Path, folder: str, prefix: str) -> Iterator[File | Problem]:
    previous, odd = "", False
    try:
        for published, name, link, plain in in_order(_names(folder, encoded_names=tree.encoded_names)):
            path, is_folder = f"{folder}/{name}", published[-1] == "/"
            if published == previous:
                other = published.rstrip("/")
                yield Problem(path, f"stands for the same object as {other} beside it", "keep one of the two")
                continue
            previous = published
            odd = odd or not plain
            if not plain and (why := _refusal(tree, root, path, f"{prefix}{name}", folder=is_folder, link=link)):
                yield why
            elif is_folder:
                yield from _walk(tree, root, path, prefix + published)
            elif not tree.only or published.endswith(tree.only):
                yield _file(path, prefix + published, published != name)
        if odd:
            yield from _collisions(folder)
    except OSError as error:
        yield Problem(error.filename or folder, f"cannot be read: {error.strerror}", "make it readable for this user")


def _file(path: str, relative: str, gz_name: bool = False) -> File | Problem:  # noqa: FBT001, FBT002 - a million calls
    try:
        info = os.stat(path)  # noqa: PTH116 - as above
    except OSError as error:
        return Problem(path, f"cannot be read: {error.strerror}", "a broken link, or not ours to read?")
    if not stat.S_ISREG(info.st_mode):
        return Problem(path, "is neither a file nor a folder", "remove it from the source")
    return File(relative, path, info.st_size, info.st_mtime_ns, info.st_ino, gz_name, info.st_ctime_ns)


def _refusal(tree: Tree, root: Path, path: str, relative: str, *, folder: bool, link: bool) -> Problem | None:
    """Return why a file or folder must not be published, unless somebody has allowed this very path with a reason."""
    name = relative.rpartition("/")[2]
    if why := safety.hostile(name):
        return Problem(ascii(path), why, "rename it")
    if relative in tree.allow:
        return None
    if why := safety.secret_name(name, folder=folder):
        return Problem(path, f"is {why}", _allow(relative))
    return _link(root, Path(path), relative) if link else None


def _allow(relative: str) -> str:
    return f"remove it, or allow it: `allow: [{{path: {relative}, reason: …}}]`"


def _link(root: Path, path: Path, relative: str) -> Problem | None:
    real = path.resolve()
    if not real.is_relative_to(root):
        return Problem(str(path), f"is a link that leaves the source, to {real}", _allow(relative))
    if any(folder.resolve().is_relative_to(real) for folder in path.parents[: relative.count("/") + 1]):
        return Problem(str(path), "is a link to a folder that holds it", "remove it")
    return None


def _problems(tree: Tree, file: File, key: str, row: Rule) -> Iterator[Problem]:
    if len(key.encode()) > safety.MAX_KEY_BYTES:
        yield Problem(file.path, f"becomes a key of {len(key.encode())} bytes; stores take 1024", "shorten the path")
    text = row.content_type.startswith("text/") or row.content_type.endswith(("json", "yaml")) or row.roles in _UNKNOWN
    allowed = file.relative or WHOLE
    if text and allowed not in tree.allow:
        with open(file.path, "rb") as source:  # noqa: PTH123 - as above
            found, line = safety.secret_text(source.read(safety.SCANNED_BYTES))
        if found:
            yield Problem(f"{file.path}:{line}", f"holds {found}", _allow(allowed))


def _names(folder: str, *, encoded_names: bool) -> Iterator[_Name]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name, link = entry.name, entry.is_symlink()
            plain = safety.plain(name)
            if not plain and safety.junk(name):
                continue
            if entry.is_dir():
                published = name + "/"
            elif encoded_names and name.endswith(".gz") and not keeps_gz(name):
                published = name[:-3]
            else:
                published = name
            yield published, name, link, plain and not link


def _collisions(folder: str) -> Iterator[Problem]:
    """Name the files of a folder that a disk which ignores case would take for one."""
    with os.scandir(folder) as entries:
        if all(safety.plain(entry.name) or safety.fold(entry.name) == entry.name for entry in entries):
            return
    with os.scandir(folder) as entries:
        previous, first = "", ""
        for folded, name in in_order((safety.fold(entry.name), entry.name) for entry in entries):
            if folded == previous:
                same = unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", first)  # also to the eye
                other = ascii(first) if same else first
                message = f"differs from {other} only by case or accents, which many disks ignore"
                yield Problem(f"{folder}/{name}", message, "rename one of them")
            previous, first = folded, name
