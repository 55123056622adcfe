"""The local ledger: what the sources were found to be, and what the target said when they arrived. SQLite, a cache.

Without it nothing is sent again either: sources are read, and held against the inventory and what is stored. With it,
a source whose size, mtime and inode are as they were is not read.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import RLock
from time import monotonic

from publisher import __version__
from publisher.objects import Entry, Form, Known, ObjectSpec
from publisher.work import trouble

COMMIT_SECONDS = 1.0
BATCH = 1_000  # rows
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (
  key TEXT PRIMARY KEY, path BLOB, size INTEGER, mtime_ns INTEGER, inode INTEGER, gzip INTEGER, form TEXT,
  stored_size INTEGER, stored_sha256 TEXT, content_size INTEGER, content_sha256 TEXT, tag TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID;
"""
_ROW = tuple[str, str | bytes, int, int, int, int, str, int, str, int, str, str]
_FORMS = {form.value: form for form in Form}


class Ledger:
    """What is known of one manifest's sources at one target. Opened when it is first asked; notes by any thread."""

    def __init__(self, folder: Path, target: str) -> None:
        """Take the work folder and the target. Another version of publisher looks at sources with its own eyes."""
        name = hashlib.sha256(f"{target} {__version__}".encode()).hexdigest()
        self.reread = False  # whether sources are read whatever is known of them
        self._path = folder / "ledger" / f"{name[:16]}.sqlite"
        self._pending: list[_ROW] = []
        self._committed = monotonic()
        self._lock = RLock()

    @cached_property
    def _db(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)  # the address of an upload session is as good as a password, for a week
        except OSError as error:
            raise trouble(error, self._path) from error
        try:
            return self._open()
        except sqlite3.OperationalError:  # a disk that is full, or fails: what is learned now is forgotten
            return _made(sqlite3.connect(":memory:", check_same_thread=False))
        except sqlite3.DatabaseError:
            self._discard()
            return self._open()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, check_same_thread=False)
        # What the system has is safe from a kill; what a loss of power takes is looked at again.
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")
        return _made(db)

    def _discard(self) -> None:
        """Forget a damaged ledger: what it knew is found out again."""
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink(missing_ok=True)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Go on without what cannot be written or read; where it is damaged, begin anew with the next look."""
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError:
                return
            except sqlite3.DatabaseError:
                self._discard()
                self.__dict__.pop("_db", None)

    def below(self, key: str) -> Memory:
        """Return what is known of the sources of one tree, to be asked for in the order of keys."""
        if self.reread:
            return Memory(iter(()))
        last = f"{key}/\U0010ffff"
        sql = "SELECT * FROM sources WHERE key = ? OR (key > ? AND key < ?) ORDER BY key"
        return Memory(self._rows(sql, key, f"{key}/", last))

    def _rows(self, sql: str, *words: str) -> Iterator[_ROW]:
        rows: list[_ROW] = []
        cursor: sqlite3.Cursor | None = None
        while cursor is None or rows:
            rows = []
            with self._forgiving():
                cursor = cursor or self._db.execute(sql, words)
                rows = cursor.fetchmany(BATCH)
            if cursor is None:
                return
            yield from rows

    def learn(self, spec: ObjectSpec, entry: Entry, tag: str) -> None:
        """Keep what a source turned out to be, and how the target tags what it has of it."""
        source = (
            _plain(spec.path),
            spec.size_bytes,
            spec.mtime_ns,
            spec.inode,
            int(spec.gzip_bytes),
            spec.form.value,
        )
        self._pending.append((entry.key, *source, *entry[2:6], tag))
        if len(self._pending) >= BATCH or monotonic() - self._committed > COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Write down what was learned. A disk that is full takes away only speed."""
        if not self._pending:
            return
        with self._forgiving():
            self._db.executemany("INSERT OR REPLACE INTO sources VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", self._pending)
            self._db.commit()
        self._pending.clear()
        self._committed = monotonic()

    def get(self, name: str) -> str | None:
        """Return a note."""
        row = None
        with self._forgiving():
            row = self._db.execute("SELECT text FROM notes WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set(self, name: str, text: str | None) -> None:
        """Keep a note at once, or forget it."""
        with self._forgiving():
            if text is None:
                self._db.execute("DELETE FROM notes WHERE name = ?", (name,))
            else:
                self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, text))
            self._db.commit()


class Memory:
    """Rows of the ledger in the order of keys, looked up by keys that come in this order, too."""

    def __init__(self, rows: Iterator[_ROW]) -> None:
        """Take the rows."""
        self._rows = rows
        self._next = next(self._rows, None)

    def find(self, key: str, path: str, size_bytes: int, mtime_ns: int, inode: int) -> Known | None:
        """Return what is known of a source, if it is the very file that was looked at."""
        row = self._next
        while row is not None and row[0] < key:
            row = self._next = next(self._rows, None)
        if row is None or row[0] != key:
            return None
        if row[2:5] != (size_bytes, mtime_ns, inode) or (row[1] != path and row[1] != os.fsencode(path)):
            return None
        return Known(row[5] != 0, _FORMS[row[6]], *row[7:])


def _plain(path: str) -> str | bytes:
    """Return a path as SQLite takes it: as text, unless it is none."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def _made(db: sqlite3.Connection) -> sqlite3.Connection:
    db.executescript(_SCHEMA)
    return db
