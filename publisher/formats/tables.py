"""Tables on disk: CSV, Parquet and Feather (Arrow IPC file) read and written as streams of batches.

CSV says nothing of types: every row is looked at before a type is chosen, so that no id loses a digit and no leading
zero is eaten. Arrow types pass from Parquet and Feather unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from publisher.errors import InvalidInput, Problem
from publisher.formats import csv
from publisher.work import trouble

Format = Literal["feather", "parquet", "csv"]
ROWS = 65_536  # a batch
CODECS = ("lz4", "zstd")
_FRAMES = {b"\x04\x22\x4d\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd"}
_LOOK = 1 << 20  # bytes of a batch in which the first frame must begin


@dataclass(frozen=True, slots=True)
class Source:
    """An open table: its path, format, Arrow schema, and how its column data are compressed."""

    path: Path
    format: Format
    schema: Any
    compression: str
    types: Mapping[str, str]

    def is_already(self, wanted: str) -> bool:
        """Whether the file can be published as it lies: the wanted format, compressed inside."""
        return self.format == wanted and self.compression in {*CODECS, "snappy"}

    def batches(self) -> Iterator[Any]:
        """Yield record batches of the schema."""
        readers = {"feather": _read_feather, "parquet": _read_parquet, "csv": _read_csv}
        try:
            yield from readers[self.format](self)
        except (OSError, ValueError) as error:  # pyarrow's errors are these
            raise InvalidInput(
                Problem(str(self.path), f"cannot be read: {_first_line(error)}", "is it damaged?")
            ) from None


@dataclass(frozen=True, slots=True)
class Measured:
    """What was counted while a table passed: columns are (name, type, nulls)."""

    format: Format
    compression: str
    rows: int
    columns: tuple[tuple[str, str, int], ...]


def open_source(path: Path, types: Mapping[str, str]) -> Source:
    """Open a table; `types` overrides what the columns of a CSV are read as. Raise InvalidInput where it is none."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        magic = _magic(path)
        if magic.startswith(b"ARROW1"):
            with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
                return Source(path, "feather", reader.schema, _feather_codec(path), types)
        if magic.startswith(b"PAR1"):
            with pq.ParquetFile(path) as parquet:
                return Source(path, "parquet", parquet.schema_arrow, _parquet_codec(parquet), types)
        if magic.startswith(b"FEA1"):
            raise InvalidInput(
                Problem(str(path), "is Feather version 1", "write it again with a current pyarrow or arrow")
            )
        return Source(path, "csv", csv.schema(path, types), "", types)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise InvalidInput(
            Problem(str(path), f"is no table: {_first_line(error)}", "CSV, Parquet or Feather")
        ) from None


def measure(source: Source) -> Measured:
    """Count rows and nulls in one pass."""
    counts = _Counts(source.schema)
    for batch in source.batches():
        counts.add(batch)
    return counts.measured(source.format, source.compression or "none")


def convert(source: Source, path: Path, to: Literal["feather", "parquet"], compression: str) -> Measured:
    """Write the table as Feather or Parquet, whole or not at all, in one pass (two where it has dictionaries)."""
    counts = _Counts(source.schema)
    dictionaries = _dictionaries(source)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        with _writer(part, source.schema, to, compression) as write:
            for batch in source.batches():
                counts.add(batch)
                write(_unified(batch, dictionaries))
        part.replace(path)
    except OSError as error:
        raise trouble(error, path) from error
    return counts.measured(to, compression)


class _Counts:
    """Rows, and nulls by column."""

    def __init__(self, schema: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        self._schema, self._rows, self._nulls = schema, 0, [0] * len(schema)

    def add(self, batch: Any) -> None:  # noqa: ANN401
        self._rows += batch.num_rows
        self._nulls = [nulls + column.null_count for nulls, column in zip(self._nulls, batch.columns, strict=True)]

    def measured(self, to: Format, compression: str) -> Measured:
        columns = tuple(
            (field.name, str(field.type), nulls) for field, nulls in zip(self._schema, self._nulls, strict=True)
        )
        return Measured(to, compression, self._rows, columns)


@contextmanager
def _writer(path: Path, schema: Any, to: str, compression: str) -> Iterator[Any]:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    if to == "parquet":
        with pq.ParquetWriter(path, schema, compression=compression) as parquet:
            yield parquet.write_batch
        return
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
        yield writer.write_batch


def _dictionaries(source: Source) -> dict[int, Any]:
    """Return one dictionary for each dictionary column: an Arrow file holds one, sources one a row group."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    columns = [index for index, field in enumerate(source.schema) if pa.types.is_dictionary(field.type)]
    found: dict[int, Any] = {}
    for batch in source.batches() if columns else ():
        for index in columns:
            values = batch.column(index).dictionary
            known = found.get(index)
            found[index] = values if known is None else pc.unique(pa.concat_arrays([known, values]))
    return found


def _unified(batch: Any, dictionaries: Mapping[int, Any]) -> Any:  # noqa: ANN401
    """Return the batch with every dictionary column on the one dictionary of its column."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    for index, values in dictionaries.items():
        kind = batch.schema.field(index).type
        plain = batch.column(index).dictionary_decode()
        codes = pc.index_in(plain, value_set=values).cast(kind.index_type)
        encoded = pa.DictionaryArray.from_arrays(codes, values, ordered=kind.ordered)
        batch = batch.set_column(index, batch.schema.field(index), encoded)
    return batch


def _read_feather(source: Source) -> Iterator[Any]:
    import pyarrow as pa  # noqa: PLC0415

    with pa.memory_map(str(source.path)) as file, pa.ipc.open_file(file) as reader:
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def _read_parquet(source: Source) -> Iterator[Any]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(source.path) as file:
        yield from file.iter_batches(batch_size=ROWS)


def _read_csv(source: Source) -> Iterator[Any]:
    yield from csv.batches(source.path, source.schema)


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return os.read(file.fileno(), 8)


def _feather_codec(path: Path) -> str:
    """Return the codec inside an Arrow file, "" for none: pyarrow does not tell, but the first frame has its magic.

    A compressed buffer is its length as int64 and then an LZ4 or zstd frame, aligned to 8 bytes (Arrow columnar format,
    Message.fbs, BodyCompression). Messages stand behind the 8 bytes of the file's own magic.
    """
    import pyarrow as pa  # noqa: PLC0415

    with pa.memory_map(str(path)) as file:
        file.seek(8)
        for message in pa.ipc.MessageReader.open_stream(file):
            if message.type == "record batch" and message.body is not None and message.body.size:
                body = message.body[:_LOOK].to_pybytes()
                starts = (body[at : at + 4] for at in range(8, len(body), 8))
                return next((_FRAMES[start] for start in starts if start in _FRAMES), "")
    return CODECS[0]  # no row, nothing to compress


def _parquet_codec(parquet: Any) -> str:  # noqa: ANN401
    metadata = parquet.metadata
    if metadata.num_row_groups == 0 or metadata.num_columns == 0:
        return CODECS[1]
    codec = str(metadata.row_group(0).column(0).compression).lower()
    return "" if codec == "uncompressed" else codec


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
