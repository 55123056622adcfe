"""One column as its values pass: a meter for each kind of type. Memory does not grow with the number of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from publisher.formats.statistics.bins import Bins
from publisher.formats.statistics.sketch import DistinctNumbers, Sketch, hashed
from publisher.formats.statistics.sums import Sum
from publisher.formats.statistics.values import DAY_MS, cut, hexadecimal, moment, real, whole
from publisher.summary import Distinct, Histogram, Lengths, Value

Array = Any  # pyarrow has no types
Found = dict[str, Any]  # fields of ColumnSummary

TOP = 20  # most frequent values that are named


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a column may hold: values known one by one, bytes of them, and the size of the sketch (a power of two)."""

    known: int = 32_768
    text_bytes: int = 1 << 20
    bits: int = 16

    @classmethod
    def of(cls, columns: int) -> Limits:
        """Return the limits for a table of so many columns: together they hold about as much, however many there are."""
        share = max(columns, 1)
        known = max(256, min(32_768, (1 << 21) // share))
        return cls(known, 32 * known, max(10, min(16, ((1 << 24) // share).bit_length() - 1)))


class Meter(Protocol):
    """Looks at the values of one column; `add` takes arrays without nulls, dictionaries and other wrappings."""

    def add(self, array: Array) -> None:
        """Look at some values."""

    def found(self) -> Found:
        """Return what was measured."""


def meter(kind: Any, limits: Limits) -> Meter:  # noqa: ANN401 - an Arrow type, of plain values
    """Return the meter for a type."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant

    is_ = pa.types
    if is_.is_boolean(kind):
        return Truths()
    if is_.is_integer(kind):
        return Wholes(pa.int64() if is_.is_signed_integer(kind) else pa.uint64(), limits)
    if is_.is_floating(kind):
        return Reals(kind.bit_width, limits)
    if is_.is_decimal(kind):
        return Decimals(limits)
    if is_.is_date(kind) or is_.is_time(kind) or is_.is_timestamp(kind) or is_.is_duration(kind):
        return Moments(kind, limits)
    if is_.is_string(kind) or is_.is_large_string(kind):
        return Texts(limits, lambda value: cut(value.decode(errors="replace"))[0], "utf8_length")
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind):
        return Texts(limits, lambda value: hexadecimal(value)[0], "binary_length")
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return Lists()
    return Others()


def _histogram(bins: Bins, edge: Callable[[Any], Value]) -> Histogram | None:
    """Return the bins; None where all values are the same, and where there is none."""
    if bins.low == bins.high:
        return None
    return Histogram("values", tuple(map(edge, bins.edges())), tuple(bins.counts()))


class Others:
    """Values of which only nulls are counted: structs, maps, unions."""

    def add(self, array: Array) -> None:
        """Look at nothing."""

    def found(self) -> Found:
        """Return nothing."""
        return {}


class Truths:
    """Truth values."""

    def __init__(self) -> None:
        """Begin with none."""
        self._true = self._false = 0

    def add(self, array: Array) -> None:
        """Count both."""
        true = array.true_count
        self._true += true
        self._false += len(array) - true

    def found(self) -> Found:
        """Return both counts, the larger first."""
        counts = sorted(((True, self._true), (False, self._false)), key=lambda pair: -pair[1])
        top = tuple(pair for pair in counts if pair[1])
        return {"distinct": Distinct(len(top)), "top": top}


class Wholes:
    """Whole numbers of up to 64 bits, exactly."""

    def __init__(self, kind: Any, limits: Limits) -> None:  # noqa: ANN401
        """Take the wide type that they are looked at as: int64 or uint64."""
        self._kind = kind
        self._bins, self._sum, self._distinct = Bins(), Sum(), DistinctNumbers(limits.known, limits.bits)

    def add(self, array: Array) -> None:
        """Look at some values."""
        values = array.cast(self._kind).to_numpy()
        self._bins.add(values)
        self._sum.add(values)
        self._distinct.add(values)

    def found(self) -> Found:
        """Return all that can be said."""
        if self._bins.low is None:
            return {"distinct": Distinct(0)}
        return {
            "min": whole(self._bins.low),
            "max": whole(self._bins.high),
            "mean": self._sum.mean(),
            "distinct": self._distinct.result(),
            "histogram": _histogram(self._bins, whole),
        }


class Moments:
    """Dates, times and durations: whole numbers of their unit, told as people read them."""

    def __init__(self, kind: Any, limits: Limits) -> None:  # noqa: ANN401
        """Take their Arrow type."""
        import pyarrow as pa  # noqa: PLC0415

        self._days = pa.types.is_date64(kind)  # in milliseconds, and whole days all the same
        self._type = pa.date32() if self._days else kind
        self._bins, self._distinct = Bins(), DistinctNumbers(limits.known, limits.bits)

    def add(self, array: Array) -> None:
        """Look at some values."""
        values = array.view(f"int{array.type.bit_width}").to_numpy().astype(np.int64)
        if self._days:
            values //= DAY_MS
        self._bins.add(values)
        self._distinct.add(values)

    def found(self) -> Found:
        """Return all but a mean."""
        if self._bins.low is None:
            return {"distinct": Distinct(0)}

        def told(value: int) -> Value:
            return moment(value, self._type)

        return {
            "min": told(self._bins.low),
            "max": told(self._bins.high),
            "distinct": self._distinct.result(),
            "histogram": _histogram(self._bins, told),
        }


class Reals:
    """Floating-point numbers; NaN and infinities are counted apart."""

    def __init__(self, bits: int, limits: Limits) -> None:
        """Take their width in bits."""
        self._bits = bits
        self._nan, self._signs = 0, {1: 0, -1: 0}  # infinities by their sign
        self._bins, self._sum, self._distinct = Bins(), Sum(), DistinctNumbers(limits.known, limits.bits)

    def add(self, array: Array) -> None:
        """Look at some values."""
        self.add_numbers(array.to_numpy(zero_copy_only=False).astype(np.float64))

    def add_numbers(self, values: npt.NDArray[np.float64]) -> None:
        """Look at some values of float64."""
        finite = np.isfinite(values)
        if not finite.all():
            self._nan += int(np.isnan(values).sum())
            for sign in self._signs:
                self._signs[sign] += int((values == sign * np.inf).sum())
            values = values[finite]
        self._bins.add(values)
        self._sum.add(values)
        self._distinct.add(values)

    def found(self) -> Found:
        """Return all that can be said of the finite ones, and how many others there are."""
        infinite = [count for count in self._signs.values() if count]
        distinct = self._distinct.result()
        found = {
            "nan": self._nan,
            "infinite": sum(infinite),
            "distinct": Distinct(distinct.count + len(infinite), distinct.error),
        }
        if self._bins.low is None:
            return found
        return found | {
            "min": real(self._bins.low, self._bits),
            "max": real(self._bins.high, self._bits),
            "mean": self._sum.mean(),
            "histogram": _histogram(self._bins, real),
        }


class Decimals:
    """Decimal numbers: the smallest, the largest and how many differ exactly, mean and histogram as float64."""

    def __init__(self, limits: Limits) -> None:
        """Take how much may be held."""
        self._real, self._text = Reals(64, limits), Texts(limits, bytes.decode, "binary_length")
        self._low: Any = None
        self._high: Any = None

    def add(self, array: Array) -> None:
        """Look at some values."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        if not len(array):
            return
        if array.type.bit_width < 128:  # noqa: PLR2004 - narrower ones have no kernel for it
            array = array.cast(pa.decimal128(38, array.type.scale))
        low, high = pc.min_max(array).as_py().values()
        self._low = low if self._low is None else min(low, self._low)
        self._high = high if self._high is None else max(high, self._high)
        self._real.add_numbers(array.cast(pa.float64()).to_numpy())
        self._text.add(array.cast(pa.string()))

    def found(self) -> Found:
        """Return all that can be said."""
        distinct = self._text.found()["distinct"]
        if self._low is None:
            return {"distinct": distinct}
        return self._real.found() | {"min": str(self._low), "max": str(self._high), "distinct": distinct}


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
            return found | {"distinct": Distinct(len(self._known)), "histogram": _of_lengths(self._bins)}
        if self._sketch is None:
            values = self._known.to_pylist()
            order = sorted(range(len(values)), key=lambda place: (-self._counts[place], values[place]))[:TOP]
            top = tuple((self._tell(values[place]), int(self._counts[place])) for place in order)
            return found | {"distinct": Distinct(len(values)), "top": top}
        distinct = Distinct(min(self._sketch.estimate(), self._count), self._sketch.error)
        return found | {"distinct": distinct, "histogram": _of_lengths(self._bins)}


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
        return {"lengths": Lengths(self._bins.low, self._bins.high, mean), "histogram": _of_lengths(self._bins)}


def _of_lengths(bins: Bins) -> Histogram | None:
    made = _histogram(bins, whole)
    return made and Histogram("lengths", made.edges, made.counts)
