"""Statistics of tables: the same as pandas and Python count, however the rows are cut into batches."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from publisher import summary
from publisher.errors import Damaged
from publisher.formats.statistics import Statistics
from publisher.formats.statistics.bins import BINS, Bins
from publisher.formats.statistics.limits import Limits
from publisher.formats.statistics.sketch import DistinctNumbers, Sketch, hashed, mixed
from publisher.formats.statistics.sums import Sum
from publisher.summary import ColumnSummary, Distinct, Histogram, Lengths, TableSummary

INF, NAN = float("inf"), float("nan")


def measured(table: pa.Table, batch: int = 65_536) -> TableSummary:
    statistics = Statistics(table.schema)
    for each in table.to_batches(max_chunksize=batch):
        statistics.add(each)
    found = statistics.summary()
    data = summary.dump(found)
    json.loads(data, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert summary.parse(data, "test") == found  # every value is one that JSON has
    return found


def column(values: Any, batch: int = 65_536) -> ColumnSummary:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    (found,) = measured(pa.table({"a": array}), batch).columns
    return found


def exact(value: Any) -> Any:
    """What the document means by a number."""
    return int(value) if isinstance(value, str) else value


def holds(found: Histogram | None, values: Sequence[Any]) -> None:
    """Count each bin of a histogram again, one value after the other."""
    assert found is not None
    edges = [exact(edge) for edge in found.edges]
    assert len(edges) == len(found.counts) + 1 <= BINS + 1
    assert edges == sorted(edges)
    if edges[-1] == sys.float_info.max:
        edges[-1] = INF  # beyond it no float lies: it is in the last bin itself
    assert edges[0] <= min(values) < edges[1]
    assert edges[-2] <= max(values) < edges[-1]
    inside = [sum(1 for value in values if low <= value < high) for low, high in pairwise(edges)]
    assert inside == [*found.counts]


def histogram(bins: Bins) -> Histogram:
    return Histogram("values", tuple(bins.edges()), tuple(bins.counts()))


RANDOM = np.random.default_rng(0)
ROWS = 20_000
FRAME = pd.DataFrame(
    {
        "x": RANDOM.integers(-500, 30_000, ROWS),
        "small": RANDOM.integers(-3, 4, ROWS).astype("int8"),
        "id": RANDOM.integers(2**63, 2**64, ROWS, dtype="uint64"),
        "normal": RANDOM.normal(size=ROWS),
        "single": RANDOM.random(ROWS).astype("float32"),
        "skewed": RANDOM.lognormal(3, 4, ROWS),
        "kind": pd.Series(["pre", "post", None, "déjà vu"]).sample(ROWS, replace=True, random_state=1).tolist(),
        "flag": RANDOM.random(ROWS) > 0.3,
    }
)


@pytest.mark.parametrize("batch", [65_536, 777])
def test_a_table_is_measured_as_pandas_measures_it(batch: int) -> None:
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    found = measured(table, batch)
    assert found.rows == ROWS
    for each in found.columns:
        series = FRAME[each.name]
        assert each.nulls == series.isna().sum()
        assert each.distinct == Distinct(series.nunique())
        if series.dtype.kind in "iuf":
            assert (exact(each.min), exact(each.max)) == pytest.approx((series.min(), series.max()), rel=1e-7)
            mean = float(sum(map(Fraction, series.tolist())) / ROWS)
            assert each.mean == mean
            holds(each.histogram, series.tolist())
        else:
            assert dict(each.top) == Counter(series.dropna())
            assert [count for _, count in each.top] == sorted((count for _, count in each.top), reverse=True)
    rows = [list(row) for row in found.preview.rows]
    assert len(rows) == 100
    assert [row[0] for row in rows] == FRAME["x"][:100].tolist()
    assert [int(row[2]) for row in rows] == FRAME["id"][:100].tolist()
    assert [np.float32(row[4]) for row in rows] == FRAME["single"][:100].tolist()
    assert [row[6] for row in rows] == [None if pd.isna(word) else word for word in FRAME["kind"][:100]]


def pieces(values: list[Any], cuts: list[int]) -> list[list[Any]]:
    places = sorted({0, len(values), *(cut % (len(values) + 1) for cut in cuts)})
    return [values[start:end] for start, end in pairwise(places)]


WHOLE = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=60),
    st.lists(st.integers(-20, 20), min_size=1, max_size=60),
    st.lists(st.integers(2**53 - 5, 2**53 + 60), min_size=1, max_size=60),
)
REAL = st.one_of(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
    st.lists(st.floats(-1, 1), min_size=1, max_size=60),
    st.lists(st.floats(1e16, 1.0001e16), min_size=1, max_size=60),
    st.lists(st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.7e308, -1.7e308, 1.0]), min_size=1, max_size=20),
)
CUTS = st.lists(st.integers(0, 1000), max_size=6)


@settings(max_examples=150)
@given(st.one_of(WHOLE, REAL), CUTS)
@example([0.0, 3.8e-184], [1])
@example([-5e-324, 1.7e308], [1])
def test_numbers_are_measured_the_same_in_any_pieces(values: list[Any], cuts: list[int]) -> None:
    bins, total, few, sketched = Bins(), Sum(), DistinctNumbers(1000, 10), DistinctNumbers(5, 16)
    kind = np.int64 if isinstance(values[0], int) else np.float64
    for piece in pieces(values, cuts):
        array = np.array(piece, kind)
        bins.add(array)
        total.add(array)
        few.add(array)
        sketched.add(array)
    whole = Bins()
    whole.add(np.array(values, kind))
    assert (bins.edges(), bins.counts()) == (whole.edges(), whole.counts())
    assert (bins.low, bins.high) == (min(values), max(values))
    assert sum(bins.counts()) == len(values)
    if min(values) < max(values):
        holds(histogram(bins), values)
    assert total.mean() == float(sum(map(Fraction, values)) / len(values))
    assert few.result() == Distinct(len(set(values)))
    known = sketched.result()
    if len(set(values)) <= 5:
        assert known == Distinct(len(set(values)))
    else:
        assert abs(known.count - len(set(values))) <= 2  # so few hashes hardly ever meet in 65,536 registers


@settings(max_examples=100)
@given(st.lists(st.one_of(st.none(), st.text(max_size=30), st.sampled_from(["a", "b", ""])), max_size=60), CUTS)
def test_texts_are_measured_the_same_in_any_pieces(values: list[str | None], cuts: list[int]) -> None:
    values = [v if v is None else v.encode("utf-8", "replace").decode() for v in values]
    schema = pa.schema([("a", pa.string())])
    statistics = Statistics(schema)
    for piece in pieces(values, cuts):
        statistics.add(pa.record_batch([pa.array(piece, pa.string())], schema=schema))
        statistics._look()  # as if it had been a large one  # noqa: SLF001
    (found,) = statistics.summary().columns
    there = [value for value in values if value is not None]
    assert found.nulls == len(values) - len(there)
    assert found.distinct == Distinct(len(set(there)))
    by_bytes = sorted(there, key=str.encode)
    assert (found.min, found.max) == ((by_bytes[0], by_bytes[-1]) if there else (None, None))
    counts = Counter(there)
    frequent = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0].encode()))[:20]
    assert found.top == (() if len(counts) > 20 and max(counts.values()) == 1 else tuple(frequent))
    if there:
        lengths = [len(value) for value in there]
        assert found.lengths == Lengths(min(lengths), max(lengths), sum(lengths) / len(lengths))


def test_a_histogram_grows_with_its_range_and_loses_nothing() -> None:
    values = [3**n % 2**40 for n in range(3000)]
    bins = Bins()
    for value in values:
        bins.add(np.array([value]))
    holds(histogram(bins), values)
    assert 16 <= len(bins.counts()) <= 32


@pytest.mark.parametrize("many", [1_000, 30_000, 300_000, 2_000_000])
def test_an_estimate_keeps_to_its_error(many: int) -> None:
    sketch = Sketch(16)
    sketch.add(mixed(np.arange(many, dtype=np.uint64)))
    before = sketch.estimate()
    sketch.add(mixed(np.arange(many, dtype=np.uint64)))  # nothing new
    assert sketch.estimate() == before
    assert abs(before - many) < 4 * sketch.error * many
    assert sketch.error == pytest.approx(0.0041, abs=1e-4)
    with_less = Sketch(10)
    with_less.add(mixed(np.arange(many, dtype=np.uint64)))
    assert abs(with_less.estimate() - many) < 4 * with_less.error * many


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(0, 5))
def test_hashes_are_of_the_bytes_alone(values: list[bytes], start: int) -> None:
    array = pa.array(values, pa.binary())
    hashes = hashed(array.slice(start)).tolist()
    assert hashes == [hashed(pa.array([value], pa.large_binary()))[0] for value in values[start:]]
    assert len(set(hashes)) == len(set(values[start:]))


def test_hashes_of_long_texts_and_of_texts_that_differ_in_one_byte() -> None:
    texts = [b"\0" * n for n in range(600)] + [b"a" * 255 + bytes([n]) for n in range(256)]
    texts += [b"a" * 300 + bytes([n]) for n in range(256)]
    assert len(set(hashed(pa.array(texts)).tolist())) == len(set(texts)) == len(texts)


def test_what_is_too_much_to_know_one_by_one_is_estimated_and_says_so() -> None:
    limit = Limits().known
    exactly = column([f"n{n}" for n in range(limit)] * 2)
    assert exactly.distinct == Distinct(limit)
    assert (len(exactly.top), exactly.histogram) == (20, None)
    once = column([f"n{n}" for n in range(limit)])
    assert (once.distinct, once.top) == (Distinct(limit), ())  # none is more frequent than another
    assert once.histogram is not None
    assert sum(once.histogram.counts) == limit
    over = column([f"n{n}" for n in range(limit + 1)] * 2)
    assert over.distinct is not None
    assert over.distinct.error == pytest.approx(0.0041, abs=1e-4)
    assert over.distinct.count == pytest.approx(limit + 1, rel=0.02)
    assert over.top == ()
    assert over.histogram is not None
    assert over.histogram.of == "lengths"
    lengths = Counter(len(f"n{n}") for n in range(limit + 1))
    assert dict(zip(over.histogram.edges[:-1], over.histogram.counts, strict=True)) == {
        length: 2 * count for length, count in lengths.items()
    }
    numbers = list(range(limit + 1))
    assert column(numbers).distinct == Distinct(limit + 1)  # each is greater than the one before: exact all the same
    random.Random(0).shuffle(numbers)
    found = column(numbers).distinct
    assert found is not None
    assert found.error
    assert found.count == pytest.approx(limit + 1, rel=0.02)
    wide = column([f"{n:040}" for n in range(limit - 1)]).distinct  # fewer, and too many bytes
    assert wide is not None
    assert wide.error


def test_many_columns_share_what_one_may_hold() -> None:
    assert Limits.of(1) == Limits.of(50) == Limits()
    for columns in (100, 1_000, 10_000):
        limits = Limits.of(columns)
        assert columns * (8 * limits.known + (1 << limits.bits)) < 64 << 20
    assert Limits.of(100_000).bits == 10


TYPES: dict[str, tuple[pa.Array, dict[str, Any]]] = {
    "all null": (pa.array([None, None], pa.int64()), {"nulls": 2, "distinct": Distinct(0)}),
    "no type": (pa.nulls(2), {"nulls": 2}),
    "no rows": (pa.array([], pa.float32()), {"distinct": Distinct(0)}),
    "no rows of text": (pa.array([], pa.string()), {"distinct": Distinct(0)}),
    "truth": (
        pa.array([True, None, False, True]),
        {"nulls": 1, "distinct": Distinct(2), "top": ((True, 2), (False, 1))},
    ),
    "only false": (pa.array([False]), {"distinct": Distinct(1), "top": ((False, 1),)}),
    "ids": (
        pa.array([2**63 + 1, 2**64 - 1], pa.uint64()),
        {"min": str(2**63 + 1), "max": str(2**64 - 1), "distinct": Distinct(2)},
    ),
    "2^53": (pa.array([-(2**53), 2**53 - 1]), {"min": str(-(2**53)), "max": 2**53 - 1, "distinct": Distinct(2)}),
    "not finite": (
        pa.array([1.5, NAN, INF, -INF, -INF, None, 2.5]),
        {"nulls": 1, "nan": 1, "infinite": 3, "min": 1.5, "max": 2.5, "mean": 2.0, "distinct": Distinct(4)},
    ),
    "nothing finite": (pa.array([NAN, INF]), {"nan": 1, "infinite": 1, "distinct": Distinct(1)}),
    "negative zero": (pa.array([0.0, -0.0]), {"min": 0.0, "max": 0.0, "mean": 0.0, "distinct": Distinct(1)}),
    "half": (pa.array(np.array([0.1, 2], np.float16)), {"min": 0.1, "max": 2.0, "distinct": Distinct(2)}),
    "single": (pa.array([0.1], pa.float32()), {"min": 0.1, "max": 0.1, "distinct": Distinct(1)}),
    "huge": (
        pa.array([1.7e308, 1.7e308, -1.7e308]),
        {"mean": float((Fraction(1.7e308) * 2 - Fraction(1.7e308)) / 3), "distinct": Distinct(2)},
    ),
    "dates": (
        pa.array([dt.date(2026, 11, 21), dt.date(1815, 12, 10)]),
        {"min": "1815-12-10", "max": "2026-11-21", "mean": None, "distinct": Distinct(2)},
    ),
    "dates in milliseconds": (
        pa.array([dt.date(2026, 11, 21), dt.date(1815, 12, 10)], pa.date64()),
        {"min": "1815-12-10", "max": "2026-11-21", "distinct": Distinct(2)},
    ),
    "instants": (
        pa.array([dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)], pa.timestamp("s", "Europe/Paris")),
        {"min": "2026-11-21T12:00:00Z", "max": "2026-11-21T12:00:00Z", "distinct": Distinct(1)},
    ),
    "times of nowhere": (
        pa.array([1, 0], pa.timestamp("ns")),
        {"min": "1970-01-01T00:00:00.000000000", "max": "1970-01-01T00:00:00.000000001", "distinct": Distinct(2)},
    ),
    "the ends of time": (
        pa.array([-(2**63), 2**63 - 1], pa.timestamp("ns")),
        {"min": str(-(2**63)), "max": "2262-04-11T23:47:16.854775807", "distinct": Distinct(2)},
    ),
    "far years": (pa.array([2**62], pa.timestamp("s")), {"distinct": Distinct(1)}),
    "clock": (
        pa.array([0, 86_399_999], pa.time32("ms")),
        {"min": "00:00:00.000", "max": "23:59:59.999", "distinct": Distinct(2)},
    ),
    "durations": (pa.array([5, 2**60], pa.duration("ns")), {"min": 5, "max": str(2**60), "distinct": Distinct(2)}),
    "decimals": (
        pa.array([decimal.Decimal("99999999999999999999.25"), decimal.Decimal("99999999999999999999.50")]),
        {"min": "99999999999999999999.25", "max": "99999999999999999999.50", "mean": 1e20, "distinct": Distinct(2)},
    ),
    "narrow decimals": (
        pa.array([decimal.Decimal("1.10"), None], pa.decimal128(5, 2)),
        {"nulls": 1, "min": "1.10", "max": "1.10", "mean": 1.1, "distinct": Distinct(1)},
    ),
    "categories": (
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None, 0], pa.int8()), pa.array(["a", None, "a"])),
        {"nulls": 2, "distinct": Distinct(1), "top": (("a", 3),), "lengths": Lengths(1, 1, 1.0)},
    ),
    "categories of numbers": (
        pa.array([7, 9, 7]).dictionary_encode(),
        {"min": 7, "max": 9, "distinct": Distinct(2), "mean": 23 / 3},
    ),
    "large text": (
        pa.array(["é" * 300, "b"], pa.large_string()),
        {"min": "b", "max": "é" * 200, "distinct": Distinct(2), "lengths": Lengths(1, 300, 150.5)},
    ),
    "views": (pa.array(["b", None], pa.string_view()), {"nulls": 1, "min": "b", "distinct": Distinct(1)}),
    "bytes": (
        pa.array([b"\x00\xff", b""]),
        {"min": "0x", "max": "0x00ff", "distinct": Distinct(2), "lengths": Lengths(0, 2, 1.0)},
    ),
    "bytes of one length": (pa.array([b"ab"], pa.binary(2)), {"min": "0x6162", "distinct": Distinct(1)}),
    "text that is none": (pa.array([b"\xff"]).view(pa.string()), {"min": "\N{REPLACEMENT CHARACTER}"}),
    "lists": (
        pa.array([[1, 2], None, [], [3]]),
        {"nulls": 1, "lengths": Lengths(0, 2, 1.0), "distinct": None, "min": None},
    ),
    "lists of one length": (
        pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
        {"nulls": 1, "lengths": Lengths(2, 2, 2.0)},
    ),
    "structs": (pa.array([{"a": 1}, None]), {"nulls": 1, "distinct": None}),
    "maps": (pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())), {"nulls": 1, "distinct": None}),
    "unions": (
        pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["x", "y"])]),
        {"nulls": 0, "distinct": None},
    ),
    "runs": (
        pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["q", None])),
        {"nulls": 1, "distinct": Distinct(1), "top": (("q", 2),)},
    ),
    "an extension type": (
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(range(16))], pa.binary(16))),
        {"min": f"0x{bytes(range(16)).hex()}", "distinct": Distinct(1)},
    ),
}


@pytest.mark.parametrize("case", TYPES)
def test_every_type_is_measured_as_far_as_it_makes_sense(case: str) -> None:
    array, expected = TYPES[case]
    found = column(array)
    assert (found.type, found.name) == (str(array.type), "a")
    assert {"nulls": found.nulls} | {name: getattr(found, name) for name in expected} == {"nulls": 0} | expected


@pytest.mark.parametrize(
    "array",
    [
        pa.array([dt.date(2026, 1, 1) + dt.timedelta(days=n) for n in range(100)]),
        pa.array(range(0, 10**9, 10**7), pa.timestamp("us", "UTC")),
    ],
    ids=["dates", "instants"],
)
def test_histograms_of_times_have_times_as_edges(array: pa.Array) -> None:
    found = column(array).histogram
    assert found is not None
    assert sum(found.counts) == len(array)
    edges = [dt.datetime.fromisoformat(edge) for edge in found.edges]
    times = [dt.datetime.fromisoformat(str(value)) for value in array.to_pylist()]
    inside = [sum(1 for at in times if low <= at < high) for low, high in pairwise(edges)]
    assert inside == [*found.counts]


def test_what_is_the_same_everywhere_has_no_histogram() -> None:
    assert column([5] * 10).histogram is None
    assert column([5] * 9 + [6]).histogram is not None


def test_dictionaries_that_differ_from_batch_to_batch_are_one_column() -> None:
    chunks = [pa.array(words).dictionary_encode() for words in (["a", "b"], ["b", "c", "b"], ["a"])]
    found = column(pa.chunked_array(chunks))
    assert found.top == (("b", 3), ("a", 2), ("c", 1))


def test_the_first_rows_are_cut_and_say_so() -> None:
    long = "x" * 1000
    table = pa.table(
        {
            "text": ["short", long],
            "bytes": [b"ab", b"\xff" * 1000],
            "list": [[1, None], list(range(30))],
            "struct": [{"a": long, "b": [1]}, {"a": None, "b": list(range(30))}],
            "nested": [[["y" * 200] * 20] * 20, []],
            "number": [NAN, -INF],
        }
    )
    preview = measured(table).preview
    dots = "\N{HORIZONTAL ELLIPSIS}"
    first, second = preview.rows
    assert first[:4] == ("short", "0x6162", [1, None], {"a": "x" * 200 + dots, "b": [1]})
    assert second[:4] == ("x" * 200, "0x" + "ff" * 100, [*range(20)], {"a": None, "b": [*range(20), dots]})
    assert (first[4][:4], len(first[4]), second[4]) == ('[["y', 200, [])
    assert (first[5], second[5]) == ("NaN", "-Infinity")
    cut = {(row, place): length for row, place, length in preview.cut}
    assert cut == {(0, 4): len(json.dumps([["y" * 200] * 20] * 20)), (1, 0): 1000, (1, 1): 1000, (1, 2): 30}


def test_wide_tables_show_fewer_rows() -> None:
    def rows(columns: int) -> int:
        return len(measured(pa.table({f"c{n}": range(150) for n in range(columns)})).preview.rows)

    assert (rows(1), rows(200), rows(400)) == (100, 100, 50)


def test_tables_without_columns_and_with_two_of_one_name() -> None:
    assert measured(pa.table({})).columns == ()
    both = measured(pa.table([[1], ["x"]], names=["a", "a"])).columns
    assert [(each.name, each.type, each.min) for each in both] == [("a", "int64", 1), ("a", "string", "x")]


def test_a_document_that_is_none_is_named() -> None:
    for data in (b"", b"[]", b"{}", b'{"rows": 1}', b'{"rows": 1, "columns": [{"name": "a"}]}'):
        with pytest.raises(Damaged, match=r"v1/x\.json: this is no table's statistics"):
            summary.parse(data, "v1/x.json")
    more = b'{"rows": 0, "columns": [], "later": {"publishers": "may add"}}'
    assert summary.parse(more, "x") == TableSummary(0, ())


def test_sums_are_exact_where_floats_are_not() -> None:
    values = np.array([1e16, 1.0, -1e16] * 1000)
    total = Sum()
    total.add(values)
    assert total.mean() == math.fsum(values) / len(values) == 1000 / 3000
    assert values.cumsum()[-1] != 1000  # the control: adding up one after the other loses it
