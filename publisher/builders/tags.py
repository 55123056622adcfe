"""Tags of segments: words that are searched for as `#word`, made of columns with few distinct values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher.formats.segment_properties import Property

FEW = 1_000  # values of a column that the viewer lists as tags without drowning in them
_MOST = 0xFFFF  # tags in all: the viewer keeps each as one UTF-16 code
_WORD = 64  # characters

Order = NDArray[np.int64]


def few(values: Any) -> bool:  # noqa: ANN401 - Arrow
    """Whether the values of a column are few enough to be tags: short, and most of them there more than once."""
    import pyarrow.compute as pc  # noqa: PLC0415 - heavy, and `--help` must be instant

    distinct = [each for each in pc.unique(values).to_pylist() if each]
    there = len(values) - values.null_count
    return 0 < len(distinct) <= min(FEW, max(1, there // 2)) and max(map(len, distinct)) <= _WORD


def word(value: str) -> str:
    """Return a value as a tag: without spaces, and without # before it."""
    return "_".join(value.split()).lstrip("#")


def build(columns: Mapping[str, Any], order: Order) -> Property:
    """Return the tags of some columns; a column of truths gives one tag, its own name.

    Two columns with the same value have `column:value` each: the viewer has one list of tags, and ignores case.
    """
    places, names, told = _vocabulary(columns)
    codes = [(_codes(values, places[name]), name) for name, values in columns.items()]

    def rows(start: int, stop: int) -> Iterator[list[int]]:
        part = order[start:stop]
        for found in zip(*(each[part].tolist() for each, _ in codes), strict=True):
            yield sorted({code for code in found if code >= 0})

    return Property({"id": "tags", "type": "tags", "tags": names, "tag_descriptions": told}, rows)


def _vocabulary(columns: Mapping[str, Any]) -> tuple[dict[str, dict[Any, int]], list[str], list[str]]:
    """Return the number of each value's tag by column, the tags, and what each means."""
    values = {name: _distinct(column, name) for name, column in columns.items()}
    used: dict[str, set[str]] = {}
    for name, known in values.items():
        for text in known.values():
            used.setdefault(text.casefold(), set()).add(name)
    names: list[str] = []
    told: list[str] = []
    places: dict[str, dict[Any, int]] = {}
    numbers: dict[str, int] = {}
    for name, known in values.items():
        places[name] = {}
        for value, text in known.items():
            tag = text if len(used[text.casefold()]) == 1 else f"{word(name)}:{text}"
            if tag.casefold() not in numbers and len(names) < _MOST:
                numbers[tag.casefold()] = len(names)
                names.append(tag)
                told.append(name if isinstance(value, bool) or value == text else f"{name}: {value}")
            places[name][value] = numbers.get(tag.casefold(), -1)
    return places, names, told


def _distinct(values: Any, name: str) -> dict[Any, str]:  # noqa: ANN401 - Arrow
    """Return what is in a column, sorted, with its tag."""
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    found = [each for each in pc.unique(values).to_pylist() if each is not None]
    if all(isinstance(each, bool) for each in found):
        return {True: word(name)}
    return {each: word(str(each)) for each in sorted(found, key=str) if word(str(each))}


def _codes(values: Any, places: Mapping[Any, int]) -> NDArray[np.int32]:  # noqa: ANN401 - Arrow
    """Return the tag of each row (n,), -1 for none. Memory: 4 bytes a row."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    if pa.types.is_dictionary(values.type):
        values = pc.cast(values, values.type.value_type)
    known = pa.array(list(places), values.type)
    at = pc.fill_null(pc.index_in(values, value_set=known), len(places)).to_numpy()
    codes: NDArray[np.int32] = np.array([*places.values(), -1], np.int32)[at]
    return codes
