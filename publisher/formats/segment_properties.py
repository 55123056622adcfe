"""Segment properties: the viewer's searchable list of segments, made from a table.

Source: neuroglancer, src/datasource/precomputed/segment_properties.md. Ids are decimal strings; every property has one
value an id, in the order of the ids. The file is one JSON object, so this is as large in memory as the list itself.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from publisher.errors import InvalidInput, Problem
from publisher.formats.tables import open_source
from publisher.work import write_file

IDS = ("body", "bodyid", "body_id", "id", "segment", "segment_id", "root_id", "pt_root_id", "neuron_id")
LABELS = ("instance", "name", "label", "type", "cell_type")
_NUMBERS = {"int8", "uint8", "int16", "uint16", "int32", "uint32", "float"}


def write(table: Path, folder: Path, *, ids: str = "") -> int:
    """Write `info` from a staged table; return how many segments it lists.

    The first column of `LABELS` becomes the label, other words become strings (which the viewer searches), whole
    numbers and floats become numbers. Rows without an id are left out.

    Raises:
        InvalidInput: the table has no column of ids, or an id twice.

    """
    source = open_source(table, {})
    names = source.schema.names
    column = ids or next((name for name in names if name.casefold() in IDS), "")
    if column not in names:
        message = f"needs a column of segment ids, and {table.name} has {', '.join(names)}"
        raise InvalidInput(Problem("", message, f"name it one of {', '.join(IDS)}"))
    rows = [row for batch in source.batches() for row in batch.to_pylist() if row[column] is not None]
    if (wrong := next((row[column] for row in rows if not str(row[column]).isdecimal()), None)) is not None:
        message = f"needs segment ids, and the column {column!r} of {table.name} holds {wrong!r}"
        raise InvalidInput(Problem("", message, "ids are whole numbers from 0 up"))
    rows.sort(key=lambda row: int(row[column]))
    keys = [str(row[column]) for row in rows]
    if len(set(keys)) != len(keys):
        twice = next(a for a, b in pairwise(keys) if a == b)
        message = f"needs one row a segment, and {table.name} has segment {twice} twice"
        raise InvalidInput(Problem("", message, "name another table in `segment_properties`, or correct it"))
    label = next((name for wanted in LABELS for name in names if name.casefold() == wanted), "")
    fields = [source.schema.field(name) for name in names if name != column]
    properties = [made for field in fields if (made := _property(field, rows, label=field.name == label))]
    inline = {"ids": keys, "properties": properties}
    info = {"@type": "neuroglancer_segment_properties", "inline": inline}
    write_file(folder / "info", json.dumps(info, ensure_ascii=False).encode())
    return len(keys)


def _property(field: Any, rows: list[dict[str, Any]], *, label: bool) -> dict[str, Any] | None:  # noqa: ANN401
    """Return one property, or None for a column that the viewer has no type for."""
    values = [row[field.name] for row in rows]
    kind = str(field.type)
    if "string" in kind or "bool" in kind:
        words = ["" if value is None else str(value) for value in values]
        return {"id": field.name, "type": "label" if label else "string", "values": words}
    if kind in _NUMBERS or kind in {"double", "int64", "uint64"}:
        return _number(field.name, kind, values)
    return None


def _number(name: str, kind: str, values: list[Any]) -> dict[str, Any] | None:
    """Return a numerical property in the viewer's types: 32 bits at the most, and no missing value but NaN."""
    known = [value for value in values if value is not None]
    whole = kind not in {"float", "double"}
    if whole and len(known) == len(values) and known and min(known) >= -(2**31) and max(known) < 2**31:
        return {"id": name, "type": "number", "data_type": "int32", "values": values}
    if not known or any(value is None or value != value for value in values):  # noqa: PLR0124 - NaN is not itself
        return None  # JSON has no NaN: a column with gaps cannot be a number here
    return {"id": name, "type": "number", "data_type": "float32", "values": [float(value) for value in values]}
