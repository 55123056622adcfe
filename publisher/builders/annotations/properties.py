"""Properties: which type of the viewer holds every value of a column, and a column's values in that type.

Source of the types: neuroglancer, src/datasource/precomputed/annotations.md. There is no integer of 64 bits, no truth
value and no text; what is one of few words is a number with labels. Whatever the order of the rows, the same table gives
the same types and labels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.builders.annotations.choose import Wanted
from publisher.facts import AnnotationProperty

MOST_LABELS = 1000  # a list that a person can still choose from; all of it stands in `info`
NOTHING = "(none)"  # the label of a missing value
_COLOR = re.compile(r"#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?")
_WHOLE = ("uint8", "int8", "uint16", "int16", "int32", "uint32")  # narrowest first
_EXACT = 1 << 24  # the whole numbers up to which float32 holds every one
_BYTES = {"float32": 4, "int32": 4, "uint32": 4, "int16": 2, "uint16": 2, "int8": 1, "uint8": 1, "rgb": 3, "rgba": 4}
_ALIGNED = {"rgb": 1, "rgba": 1}


@dataclass(frozen=True, slots=True)
class Typed:
    """A property of a known type, and the column that its values come from."""

    column: str
    facts: AnnotationProperty

    @property
    def field(self) -> tuple[str, str] | tuple[str, str, tuple[int, ...]]:
        """The field of a record that holds a value."""
        kind = self.facts.type
        return (self.facts.id, "u1", (_BYTES[kind],)) if kind in _ALIGNED else (self.facts.id, f"<{_code(kind)}")

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in an `info`."""
        made: dict[str, Any] = {"id": self.facts.id, "type": self.facts.type}
        if self.facts.description:
            made["description"] = self.facts.description
        if self.facts.labels:
            made |= {"enum_values": list(self.facts.values), "enum_labels": list(self.facts.labels)}
        return made


def _code(kind: str) -> str:
    return np.dtype(kind).str[1:]


def ordered(properties: list[Typed]) -> list[Typed]:
    """Return properties in the order of a record: those of four bytes, of two, of one; colours are bytes."""
    return sorted(properties, key=lambda one: -_ALIGNED.get(one.facts.type, _BYTES[one.facts.type]))


def plain(column: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return a column without its dictionary."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def numbers(column: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:  # noqa: ANN401
    """Return a column's numbers with no digit lost, 0 where there is none, and where there is none."""
    import pyarrow.compute as pc  # noqa: PLC0415

    values = plain(column)
    filled = pc.fill_null(values, 0) if values.null_count else values
    return filled.to_numpy(zero_copy_only=False), pc.is_null(values).to_numpy(zero_copy_only=False)


class Look:
    """What is seen of one column while a table passes."""

    def __init__(self, wanted: Wanted, kind: Any) -> None:  # noqa: ANN401
        """Begin with a column of an Arrow type."""
        import pyarrow as pa  # noqa: PLC0415

        self._wanted = wanted
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        is_words = any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))
        tests = (("whole", pa.types.is_integer), ("float", pa.types.is_floating), ("truth", pa.types.is_boolean))
        self._kind = "words" if is_words else next((name for name, test in tests if test(kind)), str(kind))
        self._nulls = 0
        self._low: float | None = None
        self._high: float | None = None
        self._words: set[str] = set()
        self._colors, self._alpha, self._any = self._kind == "words", False, False

    def add(self, column: Any) -> None:  # noqa: ANN401
        """Look at some more rows."""
        self._nulls += column.null_count
        if self._kind == "words":
            self._add_words(column)
        elif self._kind in {"whole", "float"}:
            values, missing = numbers(column)
            known = values[~missing]
            known = known[np.isfinite(known)] if self._kind == "float" else known
            if len(known):
                low, high = known.min().item(), known.max().item()
                self._low = low if self._low is None else min(self._low, low)
                self._high = high if self._high is None else max(self._high, high)

    def _add_words(self, column: Any) -> None:  # noqa: ANN401
        import pyarrow.compute as pc  # noqa: PLC0415

        if not self._colors and len(self._words) > MOST_LABELS:
            return
        words = {word for word in pc.unique(plain(column)).to_pylist() if word is not None}
        self._any = self._any or bool(words)
        if self._colors and words:
            self._colors = all(_COLOR.fullmatch(word) for word in words)
            self._alpha = self._alpha or any(len(word) == len("#rrggbbaa") for word in words)
        if len(self._words) <= MOST_LABELS:
            self._words |= words

    def settled(self) -> Typed | tuple[str, str]:
        """Return the property; or why it cannot be one, and what to do."""
        if self._kind == "words":
            return self._settled_words()
        if self._kind == "truth":
            labels = ("false", "true", *((NOTHING,) if self._nulls else ()))
            return self._made("uint8", labels)
        if self._kind == "float":
            return self._made("float32")
        if self._kind != "whole":
            return f"is {self._kind}, which no property of the viewer can hold", "write it as a number or as a word"
        low, high = int(self._low or 0), int(self._high or 0)
        if self._nulls:
            if max(-low, high) <= _EXACT:
                return self._made("float32")  # NaN stands for what is missing
            return "has missing values, and numbers too large for float32 beside them", "fill the gaps with 0"
        kind = next((k for k in _WHOLE if np.iinfo(k).min <= low and high <= np.iinfo(k).max), "")
        if kind:
            return self._made(kind)
        message = f"has numbers such as {high if high > 0 else low}, and properties have 32 bits at most"
        return message, "name ids of segments under `relationships`, or leave the column out"

    def _settled_words(self) -> Typed | tuple[str, str]:
        if self._any and self._colors:
            return self._made("rgba" if self._alpha else "rgb")
        if len(self._words) > MOST_LABELS:
            message = f"has more than {MOST_LABELS:,} different words, and the viewer lists them all"
            return message, "publish it in a table, or say fewer things with it (a class instead of a name)"
        words = self._words - {NOTHING}  # a word that says the same as no word
        labels = (*sorted(words), *((NOTHING,) if self._nulls or words != self._words or not words else ()))
        return self._made("uint8" if len(labels) <= 1 << 8 else "uint16", labels)

    def _made(self, kind: str, labels: tuple[str, ...] = ()) -> Typed:
        wanted = self._wanted
        words = wanted.description or (wanted.column if wanted.column != wanted.name else "")
        bounds = {} if labels or self._low is None else {"low": self._low, "high": self._high}
        values = tuple(range(len(labels)))
        return Typed(wanted.column, AnnotationProperty(wanted.name, kind, words, values, labels, **bounds))


def encode(column: Any, facts: AnnotationProperty) -> NDArray[Any]:  # noqa: ANN401
    """Return a column's values in the type of its property: shape (rows), or (rows, 3 or 4) for colours."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if facts.type in _ALIGNED:
        return _colors(plain(column), _BYTES[facts.type])
    if facts.labels:
        known = pa.array([label for label in facts.labels if label != NOTHING], pa.string())
        values = plain(column)
        words = values.cast(pa.string()) if not pa.types.is_string(values.type) else values
        codes = pc.fill_null(pc.index_in(words, value_set=known), len(facts.labels) - 1)
        return np.asarray(codes.to_numpy(zero_copy_only=False), facts.type)
    values, missing = numbers(column)
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite there
        made: NDArray[Any] = values.astype(facts.type)
    if facts.type == "float32":
        made[missing] = np.nan
    return made


def _colors(words: Any, channels: int) -> NDArray[np.uint8]:  # noqa: ANN401
    """Return #rrggbb or #rrggbbaa as bytes; without alpha it is opaque, and what is missing is 0 throughout."""
    encoded = words.dictionary_encode()
    every = [bytes.fromhex(word[1:].ljust(8, "f"))[:channels] for word in encoded.dictionary.to_pylist()]
    table = np.frombuffer(b"".join((*every, bytes(channels))), np.uint8).reshape(-1, channels)
    codes = encoded.indices.fill_null(len(every)) if encoded.indices.null_count else encoded.indices
    chosen: NDArray[np.uint8] = table[codes.to_numpy(zero_copy_only=False)]
    return chosen
