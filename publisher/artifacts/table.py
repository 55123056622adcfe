"""Tables: CSV, Parquet or Feather in → Feather out, types kept, as a stream of batches. Never a whole table in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from publisher.artifacts.base import Artifact, Bench, Made, Model
from publisher.errors import InvalidInput, Problem
from publisher.facts import Column, TableFacts
from publisher.formats import tables
from publisher.words import did_you_mean


class ColumnWords(Model):
    """What the manifest says of a column."""

    description: str = ""
    """What it means."""
    unit: str = ""
    """Unit of its values, such as nm or 8 nm voxels."""
    type: Literal["string", "int64", "uint64", "int32", "float64", "float32", "bool"] | None = None
    """Type to read a CSV column as; what CSV files do not say is otherwise found by looking at every row."""


def _described(value: object) -> object:
    return {"description": value} if isinstance(value, str) else value


# `column: words` is the short form of `column: {description: words}`.
Words = Annotated[ColumnWords, BeforeValidator(_described, json_schema_input_type=str | ColumnWords)]


class Table(Artifact):
    """A table of anything: bodies, synapses, connections."""

    section: ClassVar[str] = "tables"
    default_group: ClassVar[str] = "Annotations"

    columns: dict[str, Words] = Field(default_factory=dict)
    """Description of each column, as words or as {description, unit, type}."""
    references: dict[str, str] = Field(default_factory=dict)
    """Column: name of the segmentation (or table) whose ids it holds."""
    format: Literal["feather", "parquet", "source"] = "feather"
    """What is published; `source` publishes the file as it lies."""
    compression: Literal["lz4", "zstd"] = "lz4"
    """Inside the Feather or Parquet file."""

    @property
    def key_suffix(self) -> str:
        """The format's own extension."""
        if self.format == "source":
            return Path(self.source or "").suffix
        return f".{self.format}"

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """What the columns refer to."""
        return tuple((f"references.{column}", name) for column, name in self.references.items())

    def stage(self, bench: Bench) -> Made:
        """Convert the source unless it is what is asked for already; count rows and nulls in one pass."""
        source = tables.open_source(
            bench.source, {name: words.type for name, words in self.columns.items() if words.type}
        )
        names = source.schema.names
        problems = tuple(
            Problem("", f"has no column {name!r}{did_you_mean(name, names)}", f"{bench.source} has {', '.join(names)}")
            for name in dict.fromkeys((*self.columns, *self.references))
            if name not in names
        )
        if problems:
            raise InvalidInput(problems)
        if self.format == "source" or source.is_already(self.format):
            path, measured = bench.source, tables.measure(source)
        else:
            path = bench.work / "tables" / f"{self.name}.{self.format}"
            measured = tables.convert(source, path, self.format, self.compression)
        undescribed = [name for name in names if not self.columns.get(name, ColumnWords()).description]
        warnings: tuple[Problem, ...] = ()
        if undescribed:
            message = f"nobody will know what these columns mean: {', '.join(undescribed)}"
            warnings = (Problem("", message, "describe them under `columns`"),)
        tree = self.tree(bench, path=path, role=lambda _: f"table/{measured.format}")
        return Made((tree,), self._facts(measured), warnings=warnings)

    def _facts(self, measured: tables.Measured) -> TableFacts:
        columns = []
        for name, kind, nulls in measured.columns:
            words = self.columns.get(name, ColumnWords())
            references = self.references.get(name, "")
            columns.append(Column(name, kind, nulls, words.description, words.unit, references))
        return TableFacts(measured.format, measured.compression, measured.rows, tuple(columns))
