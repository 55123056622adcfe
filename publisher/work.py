"""The work folder `.publisher/` beside a manifest: what is staged, and the lock of this machine."""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import filecmp
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from publisher.errors import LocalTrouble, Locked, Problem

NAME = ".publisher"


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; leave it alone where it holds these bytes already."""
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise trouble(error, path) from error


def write_stream(path: Path, blocks: Iterable[bytes]) -> None:
    """Write a file of any length whole or not at all; leave it alone where it holds these bytes already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as file:
            file.writelines(blocks)
        if path.is_file() and filecmp.cmp(path, part, shallow=False):
            part.unlink()
        else:
            part.replace(path)
    except OSError as error:
        raise trouble(error, path) from error


def trouble(error: OSError, path: Path | str) -> LocalTrouble:
    """Say in words what the system said of a path."""
    hints = {
        errno.ENOSPC: "free some space and run the same command again",
        errno.EDQUOT: "free some of your quota and run the same command again",
        errno.EACCES: "make it writable for this user",
        errno.EROFS: "the file system is read-only; choose another place",
        errno.EFBIG: "this file system or limit does not take files of this size",
    }
    text = error.strerror or str(error)
    return LocalTrouble(Problem(str(error.filename or path), text, hints.get(error.errno or 0, "")))


def _myself() -> str:
    now = dt.datetime.now().astimezone().isoformat(timespec="seconds")
    return f"process {os.getpid()} of {socket.gethostname()}, since {now}"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; raise Locked, naming the holder, where another process of this machine has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise trouble(error, folder) from error
    _held.add(descriptor)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 4096).decode(errors="replace").strip() or "another process"
            raise Locked(Problem(str(folder), f"is in use by {holder}", "wait for it, or stop it")) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _myself().encode(), 0)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


_held: set[int] = set()  # descriptors of locks


def _let_go() -> None:
    """Hold nothing in a copy of this process, which may end a moment later than this one."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
