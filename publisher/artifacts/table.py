"""Tables: CSV, Parquet or Feather in → Feather out, types kept, as a stream of batches. Never a whole table in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from publisher import summary
from publisher.artifacts.base import Artifact, Bench, Made, Model
from publisher.builders import kept
from publisher.errors import InvalidInput, Problem
from publisher.facts import Column, TableFacts
from publisher.formats import tables
from publisher.summary import TableSummary
from publisher.words import did_you_mean
from publisher.work import write_file

SUMMARY = "statistics.json"
MEASURED = 1  # which way of measuring: another number, and what is kept of former runs is measured again


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
        """Convert the source unless it is what is asked for already, and measure every row of it in the same pass.

        What was made of the same bytes with the same options is not made again.
        """
        types = {name: words.type for name, words in self.columns.items() if words.type}
        source = tables.open_source(bench.source, types)
        names = source.schema.names
        problems = tuple(
            Problem("", f"has no column {name!r}{did_you_mean(name, names)}", f"{bench.source} has {', '.join(names)}")
            for name in dict.fromkeys((*self.columns, *self.references))
            if name not in names
        )
        if problems:
            raise InvalidInput(problems)
        folder = bench.work / "tables" / self.name
        # Published as it lies, or else what it becomes.
        to = None if self.format == "source" or source.is_already(self.format) else self.format
        path = folder / f"{self.name}.{to}" if to else bench.source

        def make(whole: Path, scratch: Path) -> kept.Said:
            del scratch
            measured = tables.convert(source, whole / path.name, to, self.compression) if to else tables.measure(source)
            write_file(whole / SUMMARY, summary.dump(measured.summary))
            return {"format": measured.format, "compression": measured.compression}

        wanted = {"types": types, "format": self.format, "compression": self.compression, "measured": MEASURED}
        said = kept.once(folder, kept.digest(bench.source, wanted), make)
        measured = summary.parse((folder / SUMMARY).read_bytes(), str(folder / SUMMARY))
        undescribed = [name for name in names if not self.columns.get(name, ColumnWords()).description]
        warnings: tuple[Problem, ...] = ()
        if undescribed:
            message = f"nobody will know what these columns mean: {', '.join(undescribed)}"
            warnings = (Problem("", message, "describe them under `columns`"),)
        tree = self.tree(bench, path=path, role=lambda _: f"table/{said['format']}")
        return Made((tree,), self._facts(said, measured), warnings=warnings, summary=folder / SUMMARY)

    def _facts(self, said: kept.Said, measured: TableSummary) -> TableFacts:
        columns = []
        for column in measured.columns:
            words = self.columns.get(column.name, ColumnWords())
            references = self.references.get(column.name, "")
            columns.append(Column(column.name, column.type, column.nulls, words.description, words.unit, references))
        return TableFacts(said["format"], said["compression"], measured.rows, tuple(columns))
