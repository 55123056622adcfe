"""What a table holds, measured over all its rows in one pass, batch by batch: columns, and the first rows."""

from __future__ import annotations

from typing import Any

from publisher.formats.statistics.columns import Meter, meter
from publisher.formats.statistics.limits import Limits
from publisher.formats.statistics.values import First, plain
from publisher.summary import ColumnSummary, TableSummary

ROWS = 65_536  # looked at together: few enough for the processor's cache, many enough for numpy
_BYTES = 32 << 20  # of small batches that wait for one another

Batch = Any  # pyarrow has no types


class Statistics:
    """Looks at the batches of a table as they pass. The result is the same however the rows are cut into batches."""

    def __init__(self, schema: Any) -> None:  # noqa: ANN401
        """Take the Arrow schema of the batches."""
        import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant

        limits = Limits.of(len(schema))
        kinds = (plain(pa.nulls(0, field.type)).type for field in schema)
        self._meters: list[Meter] = [meter(kind, limits) for kind in kinds]
        self._schema, self._rows, self._nulls = schema, 0, [0] * len(schema)
        self._first = First(len(schema))
        self._waiting: list[Batch] = []

    def add(self, batch: Batch) -> None:
        """Look at a batch, or let it wait for others where it is small."""
        self._first.add(batch)
        self._rows += batch.num_rows
        self._waiting.append(batch)
        rows, size = sum(each.num_rows for each in self._waiting), sum(each.nbytes for each in self._waiting)
        if rows >= ROWS or size >= _BYTES:
            self._look()

    def _look(self) -> None:
        import pyarrow as pa  # noqa: PLC0415

        together = pa.Table.from_batches(self._waiting, self._schema)
        self._waiting = []
        for start in range(0, together.num_rows, ROWS):
            part = together.slice(start, ROWS)
            for number, measured in enumerate(self._meters):
                chunks = [plain(chunk) for chunk in part.column(number).chunks]
                array = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
                self._nulls[number] += array.null_count
                measured.add(array.drop_null() if array.null_count else array)

    def summary(self) -> TableSummary:
        """Return what was measured."""
        self._look()
        columns = tuple(
            ColumnSummary(field.name, str(field.type), nulls, **measured.found())
            for field, nulls, measured in zip(self._schema, self._nulls, self._meters, strict=True)
        )
        return TableSummary(self._rows, columns, self._first.result())
