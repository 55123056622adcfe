"""Texts, bytes and lists as they pass: which are frequent while few differ, and how long they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from publisher.formats.statistics.bins import Bins, histogram
from publisher.formats.statistics.limits import Limits
from publisher.formats.statistics.sketch import Sketch, hashed
from publisher.formats.statistics.sums import Sum
from publisher.formats.statistics.values import whole
from publisher.summary import Distinct, Lengths, Value

Array = Any  # pyarrow has no types
Found = dict[str, Any]  # fields of ColumnSummary

TOP = 20  # most frequent values that are named


class Texts:
    """Texts or bytes: which are frequent while few differ, their lengths, the first and the last in the order of bytes."""

    def __init__(self, limits: Limits, tell: Callable[[bytes], Value], length: str) -> None:
        """Take how a value is told, and the name of the function of Arrow that measures its length."""
        self._limits, self._tell, self._length = limits, tell, length
        self._known: Array = None
        self._counts: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._sketch: Sketch | None = None
        self._bins, self._characters, self._count = Bins(), 0, 0
        self._low: bytes | None = None
        self._high: bytes | None = None

    def add(self, array: Array) -> None:
        """Look at some values: each that differs once, however often it is there."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        if not len(array):
            return
        values, counts = _counted(array, None)
        lengths = pc.call_function(self._length, [values]).to_numpy().astype(np.int64)
        values = values.cast(pa.large_binary())
        self._bins.add(lengths, counts)
        self._characters += int(np.dot(lengths, counts))
        self._count += len(array)
        low, high = pc.min_max(values).as_py().values()
        self._low = low if self._low is None else min(low, self._low)
        self._high = high if self._high is None else max(high, self._high)
        if self._sketch is not None:
            self._sketch.add(hashed(values))
            return
        if self._known is not None:
            values, counts = _counted(pa.concat_arrays([self._known, values]), np.concatenate([self._counts, counts]))
        self._known, self._counts = values, counts
        if len(values) > self._limits.known or values.nbytes > self._limits.text_bytes:
            self._sketch = Sketch(self._limits.bits)
            self._sketch.add(hashed(values))
            self._known, self._counts = None, np.zeros(0, np.int64)

    def found(self) -> Found:
        """Return all that can be said; a histogram of lengths where no frequent ones can be named."""
        if self._low is None or self._high is None:
            return {"distinct": Distinct(0)}
        lengths = Lengths(self._bins.low, self._bins.high, self._characters / self._count)
        found: Found = {"min": self._tell(self._low), "max": self._tell(self._high), "lengths": lengths}
        if self._sketch is None and len(self._known) > TOP and self._counts.max() == 1:  # none is more frequent
            return found | {
                "distinct": Distinct(len(self._known)),
                "histogram": histogram(self._bins, whole, "lengths"),
            }
        if self._sketch is None:
            values = self._known.to_pylist()
            order = sorted(range(len(values)), key=lambda place: (-self._counts[place], values[place]))[:TOP]
            top = tuple((self._tell(values[place]), int(self._counts[place])) for place in order)
            return found | {"distinct": Distinct(len(values)), "top": top}
        distinct = Distinct(min(self._sketch.estimate(), self._count), self._sketch.error)
        return found | {"distinct": distinct, "histogram": histogram(self._bins, whole, "lengths")}


def _counted(values: Array, times: npt.NDArray[np.int64] | None) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return the values that differ, and how many there are of each, where each stands for one or for so many."""
    encoded = values.dictionary_encode()
    counts = np.bincount(encoded.indices.to_numpy(), weights=times, minlength=len(encoded.dictionary))
    return encoded.dictionary, counts.astype(np.int64)  # below 2^53, as rows are


class Lists:
    """Lists: how many elements they have."""

    def __init__(self) -> None:
        """Begin with none."""
        self._bins, self._sum = Bins(), Sum()

    def add(self, array: Array) -> None:
        """Measure some lists."""
        import pyarrow.compute as pc  # noqa: PLC0415

        lengths = pc.list_value_length(array).to_numpy().astype(np.int64)
        self._bins.add(lengths)
        self._sum.add(lengths)

    def found(self) -> Found:
        """Return their lengths."""
        mean = self._sum.mean()
        if mean is None:
            return {}
        return {
            "lengths": Lengths(self._bins.low, self._bins.high, mean),
            "histogram": histogram(self._bins, whole, "lengths"),
        }
