"""One column as its values pass: a meter for each kind of type. Memory does not grow with the number of rows."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from publisher.formats.statistics.bins import Bins, histogram
from publisher.formats.statistics.limits import Limits
from publisher.formats.statistics.sketch import DistinctNumbers
from publisher.formats.statistics.sums import Sum
from publisher.formats.statistics.texts import Lists, Texts
from publisher.formats.statistics.values import DAY_MS, cut, hexadecimal, moment, real, whole
from publisher.summary import Distinct, Value

Array = Any  # pyarrow has no types
Found = dict[str, Any]  # fields of ColumnSummary


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
            "histogram": histogram(self._bins, whole),
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
            "histogram": histogram(self._bins, told),
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
            "histogram": histogram(self._bins, real),
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
