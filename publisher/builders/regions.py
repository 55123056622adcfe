"""Named regions: the labels of a volume with a name each, as the viewer's list of segments."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path

from publisher.builders.segment_properties import IDS, LABELS
from publisher.errors import InvalidInput, Problem
from publisher.formats.segment_properties import Property, write
from publisher.formats.tables import open_source

NAMES = ("name", "label", "region", "roi", *LABELS)


def build(names: Mapping[int, str], folder: Path) -> None:
    """Write `info`, which names each label; labels are sorted."""
    labels = sorted(names)
    head = {"id": "name", "type": "label"}
    named = Property(head, lambda start, stop: [names[label] for label in labels[start:stop]])
    write(folder, len(labels), lambda start, stop: [str(label) for label in labels[start:stop]], [named])


def read(table: Path) -> dict[int, str]:
    """Return the regions of a staged table: one row each, with a column of labels and one of names.

    Raises:
        InvalidInput: it has no such columns, or a label twice.

    """
    source = open_source(table, {})
    columns = source.schema.names
    ids = next((name for name in columns if name.casefold() in IDS), None)
    named = next((name for wanted in NAMES for name in columns if name.casefold() == wanted and name != ids), None)
    if ids is None or named is None:
        message = f"needs a column of labels and one of names, and {table.name} has {', '.join(columns)}"
        raise InvalidInput(Problem("", message, "call them id and name"))
    found: dict[int, str] = {}
    row = count(1)
    for batch in source.batches():
        for each in batch.select([ids, named]).to_pylist():
            at, label, name = next(row), each[ids], each[named]
            if not str(label).isdecimal() or int(label) in found or not name:
                what = f"label {label} twice" if label in found else "no label or no name"
                message = f"needs one name a region, and row {at} of {table.name} has {what}"
                raise InvalidInput(Problem("", message, "correct the table"))
            found[int(label)] = str(name)
    return found
