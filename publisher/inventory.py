"""The inventory: every object of a published release, as Parquet sorted by key, written and read as a stream."""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from itertools import chain, pairwise
from pathlib import Path
from threading import Thread
from typing import IO, Any, Literal, cast

from publisher.objects import Entry, Headers

# Column names are the contract: other programs read this file. Sizes are bytes; `size` and `stored_sha256` are of the
# bytes as they are stored, `content_size` and `sha256` of the content once Content-Encoding is undone.
COLUMNS = (
    ("key", "string"),
    ("artifact", "string"),
    ("size", "int64"),
    ("stored_sha256", "string"),
    ("content_size", "int64"),
    ("sha256", "string"),
    ("content_type", "string"),
    ("content_encoding", "string"),
    ("cache_control", "string"),
)
BATCH_ROWS = 8_192


def prepare() -> None:
    """Import what `write` needs, beside other work: it takes as long as sending a thousand objects does."""
    Thread(target=import_module, args=("pyarrow.parquet",), daemon=True).start()


def write(entries: Iterable[Entry], sink: IO[bytes]) -> int:
    """Write entries, which must come sorted by key, and return how many there were. Memory: one batch."""
    batches = _batches(entries)
    first = next(batches, None)  # sent, most of it, while pyarrow is imported
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema([pa.field(name, pa.type_for_alias(kind)) for name, kind in COLUMNS])
    rows = 0
    last = ""
    # Dictionary pages pay for the columns that repeat; keys and digests never do.
    repeated = ["artifact", "content_type", "content_encoding", "cache_control"]
    with pq.ParquetWriter(sink, schema, compression="zstd", use_dictionary=repeated) as writer:
        for batch in chain([first] if first else [], batches):
            if batch[0].key <= last or any(a.key >= b.key for a, b in pairwise(batch)):
                raise ValueError(f"inventory entries are not sorted near {batch[0].key}")
            last = batch[-1].key
            columns = zip(*((*entry[:6], *entry.headers) for entry in batch), strict=True)
            arrays = [_array(column, text=kind == "string") for column, (_, kind) in zip(columns, COLUMNS, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema), row_group_size=BATCH_ROWS)
            rows += len(batch)
    return rows


def read(source: str | Path | IO[bytes]) -> Iterator[Entry]:
    """Read an inventory as a stream sorted by key. Memory: one batch."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(source) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            yield from _entries(batch)


class Index:
    """Look-up of single keys in an inventory on disk, by the key ranges of its row groups. Memory: a few row groups."""

    def __init__(self, source: str | Path | IO[bytes]) -> None:
        """Read the file's footer; raise OSError when it is not there."""
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._file = pq.ParquetFile(source)
        groups = range(self._file.metadata.num_row_groups)
        self._first = [self._file.metadata.row_group(group).column(0).statistics.min for group in groups]
        self._group = lru_cache(maxsize=16)(self._load)

    def _load(self, group: int) -> dict[str, Entry]:
        return {entry.key: entry for entry in _entries(self._file.read_row_group(group))}

    def get(self, key: str) -> Entry | None:
        """Return the entry of a key, or None."""
        group = bisect.bisect_right(self._first, key) - 1
        return self._group(group).get(key) if group >= 0 else None


def _array(column: Iterable[Any], *, text: bool) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return a column as Arrow has it. `pa.array` would import pandas to ask whether this is a Series: half a second."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    if not text:
        numbers = array("q", column)
        return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])
    builder = pa.lib.StringBuilder()
    builder.append_values(column)
    return builder.finish()


@lru_cache(maxsize=256)
def _headers(content_type: str, content_encoding: str | None, cache_control: str) -> Headers:
    return Headers(content_type, cast("Literal['gzip'] | None", content_encoding), cache_control)


def _entries(table: Any) -> Iterator[Entry]:  # noqa: ANN401 - a pyarrow Table or RecordBatch; pyarrow has no types
    columns = [table.column(name).to_pylist() for name, _ in COLUMNS]
    for key, artifact, size, stored, content_size, content, kind, encoding, cache in zip(*columns, strict=True):
        yield Entry(key, artifact, size, stored, content_size, content, _headers(kind, encoding, cache))


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch
