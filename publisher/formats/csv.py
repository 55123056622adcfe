"""CSV as a stream: types found by looking at every row, then read as these types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What stands for "nothing" in a column of numbers or truth values; in a column of words only the empty cell does.
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
_INTEGER = r"^-?(0|[1-9][0-9]{0,19})$"  # a leading zero is a part of a name, not of a number
_FLOAT = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?(inf|Infinity)$"
_NOT_FLOAT = r"^[+-]?0[0-9]|^[+-]?[0-9]{16,}$"  # a name with a leading zero; an id that float64 would round
_TRUTH = r"^(?i:true|false)$"
_KINDS = ("int64", "uint64", "float64", "bool", "string")
BLOCK = 2 << 20  # bytes, at least a row; pyarrow reads 32 of them ahead


def schema(path: Path, types: Mapping[str, str]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return the Arrow schema of a CSV file: the narrowest type that holds every cell of a column exactly.

    int64, or uint64 where ids need it, else float64, else bool, else string.
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant

    names: list[str] = []
    guesses: dict[str, _Guess] = {}
    with _open(path) as reader:
        names = reader.schema.names
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"two columns are called {twice!r}")
        if any(not name.strip() for name in names):
            raise ValueError(f"column {[not name.strip() for name in names].index(True) + 1} has no name")
        guesses = {name: _Guess() for name in names if name not in types}
        for batch in reader:
            for name, guess in guesses.items():
                guess.look(batch.column(batch.schema.get_field_index(name)))
    kinds = {name: guess.kind() for name, guess in guesses.items()} | dict(types)
    return pa.schema([pa.field(name, pa.type_for_alias(kinds[name])) for name in names])


def batches(path: Path, wanted: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield record batches of the wanted schema."""
    import pyarrow as pa  # noqa: PLC0415

    with _open(path) as reader:
        row = 0
        for batch in reader:
            columns = []
            for field, column in zip(wanted, batch.columns, strict=True):
                try:
                    columns.append(_cast(column, field.type))
                except pa.ArrowInvalid as error:
                    raise ValueError(f"column {field.name!r}, row {row + 1} or later: {error}") from None
            row += batch.num_rows
            yield pa.record_batch(columns, schema=wanted)


def _open(path: Path) -> Any:  # noqa: ANN401
    """Open the file with every column as words: pyarrow's own guess reads the first block only, and eats digits."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    with path.open("rb") as file:
        header = file.readline(1 << 20).removeprefix(b"\xef\xbb\xbf")
    if not header.strip():
        raise ValueError("the file is empty")
    delimiter = "\t" if b"\t" in header and b"," not in header else ","
    reading = csv.ReadOptions(block_size=BLOCK)
    parsing = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    one_thread = csv.ReadOptions(block_size=BLOCK, use_threads=False)  # only so do errors name the row
    with csv.open_csv(path, one_thread, parsing) as head:
        names = head.schema.names
    words = dict.fromkeys(names, pa.string())
    convert = csv.ConvertOptions(column_types=words, strings_can_be_null=False, null_values=[])
    return csv.open_csv(path, reading, parsing, convert)


class _Guess:
    """What one column can still be, after the cells seen so far."""

    def __init__(self) -> None:
        self._integer = self._unsigned = self._float = self._truth = True
        self._any = False

    def look(self, column: Any) -> None:  # noqa: ANN401
        """Rule out the types that do not hold these cells."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        words = column.filter(pc.invert(pc.is_in(column, value_set=pa.array(MISSING))))
        if len(words) == 0:
            return
        self._any = True
        if self._integer or self._unsigned:
            whole = _all(pc.match_substring_regex(words, _INTEGER))
            self._integer = self._integer and whole and _casts(words, pa.int64())
            self._unsigned = self._unsigned and whole and _casts(words, pa.uint64())
        if self._float:
            numbers, names = pc.match_substring_regex(words, _FLOAT), pc.match_substring_regex(words, _NOT_FLOAT)
            self._float = _all(numbers) and not _any(names)
        if self._truth:
            self._truth = _all(pc.match_substring_regex(words, _TRUTH))

    def kind(self) -> str:
        """Return the narrowest type left."""
        if not self._any:
            return "string"
        left = zip((self._integer, self._unsigned, self._float, self._truth), _KINDS, strict=False)
        return next((kind for possible, kind in left if possible), _KINDS[-1])


def _cast(column: Any, kind: Any) -> Any:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    missing = pa.array(("",) if pa.types.is_string(kind) else MISSING)
    words = pc.if_else(pc.is_in(column, value_set=missing), pa.scalar(None, pa.string()), column)
    return pc.utf8_lower(words).cast(kind) if pa.types.is_boolean(kind) else words.cast(kind)


def _casts(words: Any, kind: Any) -> bool:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415

    try:
        words.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _all(truths: Any) -> bool:  # noqa: ANN401
    import pyarrow.compute as pc  # noqa: PLC0415

    return bool(pc.all(truths).as_py())


def _any(truths: Any) -> bool:  # noqa: ANN401
    import pyarrow.compute as pc  # noqa: PLC0415

    return bool(pc.any(truths).as_py())
