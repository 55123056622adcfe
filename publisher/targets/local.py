"""A folder as a target: objects lie as a web server wants them.

Object `X` with Content-Encoding: gzip is file `X.gz` (what nginx's gzip_static, Caddy's precompressed files and
cloud-volume's file:// read), any other object `X` is file `X`. Headers are kept in the release's inventory.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import IO

from publisher.errors import Conflict, LocalTrouble, Problem
from publisher.headers import keeps_gz
from publisher.objects import Ability, AccessChange, Entry, Headers, Stored
from publisher.parallel import Pace, Steady, workers
from publisher.record import Access
from publisher.runs import in_order
from publisher.targets.access import Reach
from publisher.targets.base import Body, Held, Labels, Signed
from publisher.targets.lookup import Lookup
from publisher.work import only_one, trouble

SCRATCH = ".publisher-tmp"  # on the target's own file system, so that a rename is atomic; never served
DEFAULT_PUBLIC_URL = "http://127.0.0.1:8000"  # where `publisher serve` serves it
# What a system says of a path that is no file of ours: `X.gz` may be too long a name where `X` is none.
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG})


_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_PARTS = itertools.count()  # of this process, whatever number of targets it has


class Sure:
    """A lock that the system itself takes away from the dead, and from nobody else."""

    until = inf

    def check(self) -> None:
        """It is held."""


class LocalTarget:
    """A local folder."""

    def __init__(self, root: Path, public_url: str | None = None) -> None:
        """Take the folder; it is made when something is put."""
        self.root = root
        self.url = str(root)
        self.public_url = (public_url or DEFAULT_PUBLIC_URL).rstrip("/")
        self.pace: Pace = Steady(workers())
        self._folder = lru_cache(maxsize=4096)(self._make_folder)
        self._lock = threading.Lock()

    def read(self, key: str) -> bytes | None:
        """Return the stored bytes of a small object, or None."""
        file = self.open(key)
        if file is None:
            return None
        with file:
            return file.read()

    def open(self, key: str) -> IO[bytes] | None:
        """Return the stored bytes as a file, or None."""
        for path in (f"{self.root}/{key}.gz", f"{self.root}/{key}"):
            try:
                return open(path, "rb")  # noqa: PTH123 - the caller closes it
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise trouble(error, path) from error
        return None

    def lookup(self, keys: Iterable[str], *, likely: str = "") -> Lookup:
        """Tell what is stored under each key."""
        del likely  # a disk is asked one by one
        return Lookup(self._stored(key) for key in keys)

    def _stored(self, key: str) -> Stored | None:
        for path, encoding in ((f"{self.root}/{key}.gz", "gzip"), (f"{self.root}/{key}", None)):
            try:
                info = os.stat(path)  # noqa: PTH116 - a million of these
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise trouble(error, path) from error
                continue
            if stat.S_ISREG(info.st_mode):
                return Stored(key, info.st_size, encoding)
        return None

    def seal(self, version: str) -> None:
        """Return None: what lies in a folder is looked at one by one."""
        del version

    def below(self, prefix: str) -> Iterator[Stored]:
        """List the files below a prefix: `X.gz` that stands for `X` as `X`."""
        with suppress(FileNotFoundError), os.scandir(f"{self.root}/{prefix}") as entries:
            for name, path in in_order(_names(entries)):
                if name.endswith("/"):
                    yield from self.below(prefix + name)
                else:
                    encoding = "gzip" if path.endswith(".gz") and not name.endswith(".gz") else None
                    yield Stored(prefix + name, os.stat(path).st_size, encoding)  # noqa: PTH116 - as below

    def holds(self, entry: Entry, body: Callable[[], Body]) -> bool:
        """Whether the stored bytes are the entry's, and no other file stands for it."""
        del body
        stored = self._stored(entry.key)
        if stored is None or stored[1:3] != (entry.size_bytes, entry.headers.content_encoding):
            return False
        if stored.content_encoding and os.path.lexists(f"{self.root}/{entry.key}"):
            return False  # a run was killed between the new form and taking away the old one
        with open(self._path(entry.key, entry.headers), "rb") as file:  # noqa: PTH123 - as above
            return hashlib.file_digest(file, "sha256").hexdigest() == entry.stored_sha256

    def put(
        self,
        key: str,
        body: Body,
        headers: Headers,
        *,
        create: bool = False,
        over: str = "",
        labels: Labels = dict,
        about: int = 0,
    ) -> str:
        """Store an object atomically: written beside, then renamed."""
        del over, labels, about
        path = self._path(key, headers)
        part = ""
        self._refuse_twin(key, headers)
        try:
            self._folder(os.path.dirname(path))  # noqa: PTH120 - as above
            part = f"{self._folder(f'{self.root}/{SCRATCH}')}/{os.getpid()}-{next(_PARTS)}"
            # Buffered: a disk that fills up takes a part of a raw write, and says so only by its count.
            with open(part, "wb") as file:  # noqa: PTH123 - as above
                file.writelines(body)
            self._place(part, path, key, create=create)
            self._forget_other_form(key, headers)
        except (IsADirectoryError, NotADirectoryError):
            message = "a folder lies where this object belongs, or a file where its folder does"
            raise LocalTrouble(Problem(path, message, "move it away, or choose another key")) from None
        except OSError as error:
            raise trouble(error, path) from error
        finally:
            _remove(part)
        return ""

    def hire(self) -> AbstractContextManager[object]:
        """Return what helps nothing: the disk is what one waits for."""
        return nullcontext()

    def lane(self) -> None:
        """Return None: a disk has no latency to hide."""

    def swap(
        self, key: str, change: Callable[[bytes | None], bytes | None], headers: Headers, *, sure: bool = False
    ) -> None:
        """Replace a small object: who swaps holds the folder's lock, so nobody is quicker."""
        del sure  # a read costs nothing
        old = self.read(key)
        new = change(old)
        if new is not None and new != old:
            self.put(key, [new], headers)

    def lock(self, version: str) -> AbstractContextManager[Held]:
        """Hold the folder's lock: it has one `releases.json`, so whatever the version, one publisher at a time."""
        del version
        return self._held()

    @contextmanager
    def _held(self) -> Iterator[Held]:
        scratch = self.root / SCRATCH
        with only_one(scratch):
            for part in scratch.glob("*-*"):  # what killed runs left half written
                _remove(str(part))
            yield Sure()

    def settle(self) -> None:
        """Flush the file systems once: an fsync for each of a million chunks would take hours."""
        os.sync()

    def tidy(self, version: str, *, fresh: bool = False) -> int:
        """Return 0: taking the lock has tidied already."""
        del version, fresh
        return 0

    def abilities(self, version: str) -> tuple[Ability, ...]:
        """Return nothing that anybody need know."""
        del version
        return ()

    def access_changes(self, access: Access, reach: Reach) -> tuple[AccessChange, ...]:
        """Return nothing: who serves the folder reads the access from the record."""
        del access, reach
        return ()

    def set_access(self, access: Access, reach: Reach) -> None:
        """Do nothing: as above."""
        del access, reach

    def sign(self, method: str, url: str) -> Signed:
        """Return the address as it is: a folder is read by its owner."""
        del method
        return url, {}

    def _path(self, key: str, headers: Headers) -> str:
        return f"{self.root}/{key}.gz" if headers.content_encoding == "gzip" else f"{self.root}/{key}"

    def _place(self, part: str, path: str, key: str, *, create: bool) -> None:
        there = Conflict(Problem(key, "is there already, and is never replaced", "choose a new version"))
        if create and self._stored(key) is not None:  # in whichever form
            raise there
        try:
            if create:
                os.link(part, path)
                return
        except FileExistsError:
            raise there from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A disk without hard links: what is held is the target's lock, and nothing was there a moment ago.
        os.replace(part, path)  # noqa: PTH105 - as above

    def _refuse_twin(self, key: str, headers: Headers) -> None:
        """Raise where an object that is itself named `X.gz` lies beside `X`: web servers take the two for one."""
        twin = f"{key}.gz"
        if headers.content_encoding is None and keeps_gz(twin) and os.path.lexists(f"{self.root}/{twin}"):
            message = f"lies beside the object {key}, and web servers take the two for one"
            raise LocalTrouble(Problem(f"{self.root}/{twin}", message, "move it away, or choose another key"))

    def _forget_other_form(self, key: str, headers: Headers) -> None:
        """Remove the file of the other form of this very object: `X` and `X.gz` would both stand for it."""
        if headers.content_encoding == "gzip":
            _remove(f"{self.root}/{key}")
        elif not keeps_gz(f"{key}.gz"):
            _remove(f"{self.root}/{key}.gz")

    def _make_folder(self, path: str) -> str:
        with self._lock:
            os.makedirs(path, exist_ok=True)  # noqa: PTH103 - as above
        return path


def _remove(path: str) -> None:
    """Remove a file that may not be there."""
    if path:
        try:
            os.unlink(path)  # noqa: PTH108 - as above
        except PermissionError:
            return
        except OSError as error:
            if error.errno not in _ABSENT:
                raise


def _names(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        if entry.is_dir():
            yield f"{entry.name}/", entry.path
        elif entry.name.endswith(".gz") and not keeps_gz(entry.name):
            yield entry.name[:-3], entry.path
        else:
            yield entry.name, entry.path
