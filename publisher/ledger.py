"""The local ledger: what the sources were found to be, and what the target said when they arrived. SQLite, a cache.

Without it nothing is sent again either: sources are read, and held against the inventory and what is stored. With it,
a source whose size, mtime and inode are as they were is not read.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from itertools import chain
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
  key TEXT PRIMARY KEY, path TEXT, size INTEGER, mtime_ns INTEGER, inode INTEGER, gzip INTEGER, form TEXT,
  stored_size INTEGER, stored_sha256 TEXT, content_size INTEGER, content_sha256 TEXT, tag TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID;
"""
_ROW = tuple[str, str, int, int, int, int, str, int, str, int, str, str]


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
            with suppress(sqlite3.DatabaseError):
                return self._open()
            for path in self._path.parent.glob(f"{self._path.name}*"):  # damaged: what it knew is found out again
                path.unlink()
            return self._open()
        except OSError as error:
            raise trouble(error, self._path) from error

    def _open(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)  # the address of an upload session is as good as a password, for a week
        db = sqlite3.connect(self._path, check_same_thread=False)
        # What the system has is safe from a kill; what a loss of power takes is looked at again.
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")
        db.executescript(_SCHEMA)
        return db

    def below(self, key: str) -> Memory:
        """Return what is known of the sources of one tree, to be asked for in the order of keys."""
        if self.reread:
            return Memory(self._db.execute("SELECT * FROM sources WHERE 0"))
        last = f"{key}/\U0010ffff"
        sql = "SELECT * FROM sources WHERE key = ? OR (key > ? AND key < ?) ORDER BY key"
        return Memory(self._db.execute(sql, (key, f"{key}/", last)))

    def learn(self, spec: ObjectSpec, entry: Entry, tag: str) -> None:
        """Keep what a source turned out to be, and how the target tags what it has of it."""
        source = spec.path, spec.size_bytes, spec.mtime_ns, spec.inode, int(spec.gzip_bytes), spec.form.value
        self._pending.append((entry.key, *source, *entry[2:6], tag))
        if len(self._pending) >= BATCH or monotonic() - self._committed > COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Write down what was learned. A disk that is full takes away only speed."""
        if not self._pending:
            return
        with self._lock, suppress(sqlite3.OperationalError):
            self._db.executemany("INSERT OR REPLACE INTO sources VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", self._pending)
            self._db.commit()
        self._pending.clear()
        self._committed = monotonic()

    def get(self, name: str) -> str | None:
        """Return a note."""
        with self._lock:
            row = self._db.execute("SELECT text FROM notes WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set(self, name: str, text: str | None) -> None:
        """Keep a note at once, or forget it."""
        with self._lock, suppress(sqlite3.OperationalError):
            if text is None:
                self._db.execute("DELETE FROM notes WHERE name = ?", (name,))
            else:
                self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, text))
            self._db.commit()


class Memory:
    """Rows of the ledger in the order of keys, looked up by keys that come in this order, too."""

    def __init__(self, rows: sqlite3.Cursor) -> None:
        """Take the rows."""
        self._rows = chain.from_iterable(_batches(rows))
        self._next = next(self._rows, None)

    def find(self, key: str, path: str, size_bytes: int, mtime_ns: int, inode: int) -> Known | None:
        """Return what is known of a source, if it is the very file that was looked at."""
        row = self._next
        while row is not None and row[0] < key:
            row = self._next = next(self._rows, None)
        if row is None or row[:5] != (key, path, size_bytes, mtime_ns, inode):
            return None
        return Known(bool(row[5]), Form(row[6]), *row[7:])


def _batches(rows: sqlite3.Cursor) -> Iterator[list[_ROW]]:
    while batch := rows.fetchmany(BATCH):
        yield batch
