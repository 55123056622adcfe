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
from publisher.formats import csv, feather
from publisher.formats.feather import CODECS
from publisher.summary import TableSummary
from publisher.work import trouble

Format = Literal["feather", "parquet", "csv"]
ROWS = 65_536  # a batch


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
        import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant

        readers = {"feather": _read_feather, "parquet": _read_parquet, "csv": _read_csv}
        try:
            yield from readers[self.format](self)
        except (OSError, ValueError, pa.ArrowException) as error:
            hint = "correct the cell, or the column's `type`" if self.format == "csv" else "is it damaged?"
            raise InvalidInput(Problem(str(self.path), f"cannot be read: {_first_line(error)}", hint)) from None


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured while a table passed."""

    format: Format
    compression: str
    summary: TableSummary


def open_source(path: Path, types: Mapping[str, str]) -> Source:
    """Open a table; `types` overrides what the columns of a CSV are read as. Raise InvalidInput where it is none."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant
    import pyarrow.parquet as pq  # noqa: PLC0415

    magic = b""
    try:
        magic = _magic(path)
        if magic.startswith(b"ARROW1"):
            with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
                inside = feather.codec(path)  # no row, nothing to compress
                return Source(path, "feather", reader.schema, CODECS[0] if inside is None else inside, types)
        if magic.startswith(b"PAR1"):
            with pq.ParquetFile(path) as parquet:
                return Source(path, "parquet", parquet.schema_arrow, _parquet_codec(parquet), types)
        if magic.startswith(b"FEA1"):
            raise InvalidInput(
                Problem(str(path), "is Feather version 1", "write it again with a current pyarrow or arrow")
            )
        return Source(path, "csv", csv.schema(path, types), "", types)
    except (OSError, ValueError, pa.ArrowException) as error:
        binary = magic.startswith((b"ARROW1", b"PAR1"))
        hint = "is it damaged or cut off?" if binary else "tables are CSV (UTF-8, commas in quotes), Parquet or Feather"
        raise InvalidInput(Problem(str(path), f"is no table: {_first_line(error)}", hint)) from None


def measure(source: Source) -> Measured:
    """Look at every row in one pass."""
    from publisher.formats.statistics import Statistics  # noqa: PLC0415 - numpy, which a rerun need not wait for

    statistics = Statistics(source.schema)
    for batch in source.batches():
        statistics.add(batch)
    return Measured(source.format, source.compression or "none", statistics.summary())


def convert(source: Source, path: Path, to: Literal["feather", "parquet"], compression: str) -> Measured:
    """Write the table as Feather or Parquet, whole or not at all, in one pass (two where it has dictionaries)."""
    import pyarrow as pa  # noqa: PLC0415

    from publisher.formats.statistics import Statistics  # noqa: PLC0415

    dictionaries = _dictionaries(source)
    schema = _with_room(source.schema, dictionaries)
    statistics = Statistics(schema)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _writer(part, schema, to, compression) as write:
            for batch in source.batches():
                unified = _unified(batch, schema, dictionaries)
                statistics.add(unified)
                write(unified)
        part.replace(path)
    except OSError as error:
        raise trouble(error, path) from error
    except pa.ArrowException as error:
        message = f"cannot be written as {to}: {_first_line(error)}"
        raise InvalidInput(Problem(str(source.path), message, "publish it as it is: `format: source`")) from None
    finally:
        part.unlink(missing_ok=True)
    return Measured(to, compression, statistics.summary())


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


def _with_room(schema: Any, dictionaries: Mapping[int, Any]) -> Any:  # noqa: ANN401
    """Return the schema with codes wide enough for the one dictionary of each column: row groups may add up."""
    import pyarrow as pa  # noqa: PLC0415

    for index, values in dictionaries.items():
        field = schema.field(index)
        if len(values) > 1 << (field.type.index_type.bit_width - 1):
            wide = pa.dictionary(pa.int32(), field.type.value_type, ordered=field.type.ordered)
            schema = schema.set(index, field.with_type(wide))
    return schema


def _unified(batch: Any, schema: Any, dictionaries: Mapping[int, Any]) -> Any:  # noqa: ANN401
    """Return the batch with every dictionary column on the one dictionary of its column."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    for index, values in dictionaries.items():
        field = schema.field(index)
        codes = pc.index_in(batch.column(index).dictionary_decode(), value_set=values).cast(field.type.index_type)
        encoded = pa.DictionaryArray.from_arrays(codes, values, ordered=field.type.ordered)
        batch = batch.set_column(index, field, encoded)
    return batch


def _read_feather(source: Source) -> Iterator[Any]:
    import pyarrow as pa  # noqa: PLC0415

    # What is not compressed is mapped into memory: a batch may be all of the file. Else a batch is made in memory anyway, and
    # the pages of a mapped file that were read would count as the process's own.
    opened = pa.OSFile if source.compression else pa.memory_map
    with opened(str(source.path)) as file, pa.ipc.open_file(file) as reader:
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def _read_parquet(source: Source) -> Iterator[Any]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    # Buffering ahead, which is pyarrow's default, holds every row group until the last is read: the whole file.
    with pq.ParquetFile(source.path, pre_buffer=False) as file:
        yield from file.iter_batches(batch_size=ROWS)


def _read_csv(source: Source) -> Iterator[Any]:
    yield from csv.batches(source.path, source.schema)


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return os.read(file.fileno(), 8)


def _parquet_codec(parquet: Any) -> str:  # noqa: ANN401
    metadata = parquet.metadata
    if metadata.num_row_groups == 0 or metadata.num_columns == 0:
        return CODECS[1]
    codec = str(metadata.row_group(0).column(0).compression).lower()
    return "" if codec == "uncompressed" else codec


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
