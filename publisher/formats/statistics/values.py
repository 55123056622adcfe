"""Values of Arrow as JSON's own, without a digit lost (`publisher.summary` says how), and the first rows of a table."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from publisher.summary import Preview, Value

ROWS = 100
CELLS = 20_000  # of the first rows; tables of more than 200 columns show fewer rows
CHARACTERS = 200  # of a text, or half as many bytes of a binary value
ITEMS = 20  # of a list
_LONGEST = 2_000  # characters of JSON, for values that hold others
_SAFE = 2**53 - 1  # whole numbers up to here are the same to all readers of JSON
_TOLD = 2**63 - 1
DAY_MS = 86_400_000
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

Array = Any  # pyarrow has no types
Type = Any


def whole(value: int) -> Value:
    """Return a whole number, as text where a float64 could not hold it."""
    return value if abs(value) <= _SAFE else str(value)


def real(value: float, bits: int = 64) -> Value:
    """Return a number with the digits that its width of 16, 32 or 64 bits has; text where it is not finite."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
    return value if bits == 64 else float(str(np.dtype(f"f{bits // 8}").type(value)))  # noqa: PLR2004


def moment(value: int, kind: Type) -> Value:
    """Return the ISO 8601 form of what a date or time of an Arrow type stores."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant

    if pa.types.is_duration(kind):
        return whole(value)
    if pa.types.is_time(kind):
        seconds, rest = divmod(value, _UNITS[kind.unit])
        digits = len(str(_UNITS[kind.unit])) - 1
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{clock}.{rest:0{digits}}" if digits else clock
    if pa.types.is_date(kind):
        days = value if pa.types.is_date32(kind) else value // DAY_MS
        return str(np.int64(days).astype("datetime64[D]"))
    if abs(value) > _TOLD:  # no clock reaches there, and numpy keeps the last number for "no time"
        return str(value)
    return f"{np.int64(value).astype(f'datetime64[{kind.unit}]')}{'Z' if kind.tz else ''}"


def cut(text: str) -> tuple[str, int]:
    """Return a text that is not too long, and its whole length where it was cut, else 0."""
    return (text, 0) if len(text) <= CHARACTERS else (text[:CHARACTERS], len(text))


def hexadecimal(data: bytes) -> tuple[str, int]:
    """Return bytes as 0x and digits, and how many there are where they were cut, else 0."""
    most = CHARACTERS // 2
    return f"0x{data[:most].hex()}", len(data) if len(data) > most else 0


def plain(array: Array) -> Array:
    """Return an array of the values themselves: no dictionaries, runs, views or extension types around them."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return plain(array.storage)
    if pa.types.is_dictionary(kind):
        return plain(array.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(array))
    if pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    return array.cast(pa.large_binary()) if pa.types.is_binary_view(kind) else array


def cells(array: Array) -> list[tuple[Value, int]]:
    """Return each value of a short array, with its whole length where it was cut, else 0."""
    return [_guarded(*_cell(scalar)) for scalar in plain(array)]


def _guarded(value: Value, length: int) -> tuple[Value, int]:
    if isinstance(value, list | dict):
        text = json.dumps(value, ensure_ascii=False)
        if len(text) > _LONGEST:
            return text[:CHARACTERS], len(text)
    return value, length


def _cell(scalar: Any) -> tuple[Value, int]:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415

    kind, is_ = scalar.type, pa.types
    if not scalar.is_valid or is_.is_null(kind):
        return None, 0
    if is_.is_boolean(kind):
        return scalar.as_py(), 0
    if is_.is_integer(kind):
        return whole(scalar.as_py()), 0
    if is_.is_floating(kind):
        return real(float(scalar.as_py()), kind.bit_width), 0
    if is_.is_date(kind) or is_.is_time(kind) or is_.is_timestamp(kind) or is_.is_duration(kind):
        return moment(int(scalar.value), kind), 0
    if is_.is_string(kind) or is_.is_large_string(kind):
        return cut(scalar.as_buffer().to_pybytes().decode(errors="replace"))
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind):
        return hexadecimal(scalar.as_buffer().to_pybytes())
    if is_.is_struct(kind):
        return {name: _marked(*_cell(value)) for name, value in _fields(scalar)}, 0
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind) or is_.is_map(kind):
        items = scalar.values
        length = len(items) if len(items) > ITEMS else 0
        return [_marked(*_cell(item)) for item in plain(items[:ITEMS])], length
    return cut(str(scalar.as_py()))


def _marked(value: Value, length: int) -> Value:
    """Return a value inside another with an ellipsis where it was cut."""
    if not length:
        return value
    return [*value, "\N{HORIZONTAL ELLIPSIS}"] if isinstance(value, list) else f"{value}\N{HORIZONTAL ELLIPSIS}"


def _fields(scalar: Any) -> list[tuple[str, Any]]:  # noqa: ANN401
    names = [field.name for field in scalar.type]
    return [(name, _unwrapped(scalar[place])) for place, name in enumerate(names)]


def _unwrapped(scalar: Any) -> Any:  # noqa: ANN401
    """Return a scalar without the dictionary or the extension type around it."""
    import pyarrow as pa  # noqa: PLC0415

    return plain(pa.array([scalar], scalar.type))[0]


class First:
    """The first rows of a table."""

    def __init__(self, columns: int) -> None:
        """Take how many columns there are."""
        self._wanted = min(ROWS, max(1, CELLS // max(columns, 1)))
        self._rows: list[list[Value]] = []
        self._cut: list[tuple[int, int, int]] = []

    def add(self, batch: Any) -> None:  # noqa: ANN401
        """Take what is still missing from the rows that come next."""
        missing = self._wanted - len(self._rows)
        if missing <= 0:
            return
        start = len(self._rows)
        self._rows += [[] for _ in range(min(missing, batch.num_rows))]
        for number, column in enumerate(batch.columns):
            for row, (value, length) in enumerate(cells(column.slice(0, missing)), start):
                self._rows[row].append(value)
                if length:
                    self._cut.append((row, number, length))

    def result(self) -> Preview:
        """Return the rows."""
        return Preview(tuple(map(tuple, self._rows)), tuple(sorted(self._cut)))
