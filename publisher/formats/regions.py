"""Named regions: the labels of a volume with a name each, as the viewer's list of segments.

Source: neuroglancer, src/datasource/precomputed/segment_properties.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from publisher.errors import InvalidInput, Problem
from publisher.formats.segment_properties import IDS, LABELS
from publisher.formats.tables import open_source
from publisher.work import write_file

NAMES = ("name", "label", "region", "roi", *LABELS)


def write(names: Mapping[int, str], folder: Path) -> None:
    """Write `info`, which names each label; labels are sorted."""
    labels = sorted(names)
    values = [names[label] for label in labels]
    inline = {
        "ids": [str(label) for label in labels],
        "properties": [{"id": "name", "type": "label", "values": values}],
    }
    info = {"@type": "neuroglancer_segment_properties", "inline": inline}
    write_file(folder / "info", json.dumps(info, ensure_ascii=False).encode())


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
                what = "a label twice" if str(label).isdecimal() and int(label) in found else "no label or no name"
                message = f"needs one name a region, and row {at} of {table.name} has {what}"
                raise InvalidInput(Problem("", message, "correct the table"))
            found[int(label)] = str(name)
    return found
