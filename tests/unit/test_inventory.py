"""The inventory: what is written comes back, also to others; order is enforced; single keys are found."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from publisher import inventory
from publisher.inventory import BATCH_ROWS, Index
from publisher.objects import Entry, Headers

GZIP = Headers("application/octet-stream", "gzip", "no-cache")
PLAIN = Headers("application/json", None, "public, max-age=31536000, immutable")
ROWS = 3 * BATCH_ROWS + 17


def entry(number: int) -> Entry:
    sizes = number, f"{number:064x}", 2**40 + number, f"{number + 1:064x}"
    return Entry(f"v1/{2 * number:07d}", f"a{number % 3}", *sizes, (GZIP, PLAIN)[number % 2])


def entries(count: int = ROWS) -> Iterator[Entry]:
    return map(entry, range(count))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("inventory") / "inventory.parquet"
    with made.open("wb") as sink:
        assert inventory.write(entries(), sink) == ROWS
    return made


def test_everything_comes_back_in_order(path: Path) -> None:
    assert list(inventory.read(path)) == list(entries())
    with path.open("rb") as file:
        assert sum(1 for _ in inventory.read(file)) == ROWS


def test_others_read_it_by_its_column_names(path: Path) -> None:
    frame = pd.read_parquet(path)
    assert list(frame.columns) == [name for name, _ in inventory.COLUMNS]
    third = frame.iloc[3]
    assert (third["key"], third["size"], third["content_size"]) == ("v1/0000006", 3, 2**40 + 3)
    assert (third["stored_sha256"], third["sha256"]) == (f"{3:064x}", f"{4:064x}")
    assert list(frame["content_encoding"].isna()[:4]) == [False, True, False, True]


def test_the_same_entries_give_the_same_bytes(path: Path) -> None:
    sink = io.BytesIO()
    inventory.write(entries(), sink)
    assert sink.getvalue() == path.read_bytes()
    other = io.BytesIO()
    inventory.write(entries(ROWS - 1), other)
    assert other.getvalue() != sink.getvalue()


def test_an_empty_inventory_is_one(tmp_path: Path) -> None:
    with (tmp_path / "none").open("wb") as sink:
        assert inventory.write([], sink) == 0
    assert list(inventory.read(tmp_path / "none")) == []
    assert Index(tmp_path / "none").get("v1/a") is None


@pytest.mark.parametrize("at", [0, BATCH_ROWS - 1, BATCH_ROWS, 2 * BATCH_ROWS - 1])
@pytest.mark.parametrize("what", ["twice", "swapped"])
def test_what_is_not_in_order_is_refused(at: int, what: str) -> None:
    rows = list(entries(2 * BATCH_ROWS + 1))
    if what == "twice":
        rows[at + 1] = rows[at]
    else:
        rows[at], rows[at + 1] = rows[at + 1], rows[at]
    with pytest.raises(ValueError, match="not sorted"):
        inventory.write(rows, io.BytesIO())


def test_single_keys_are_found_over_many_row_groups(path: Path) -> None:
    index = Index(path)
    for number in (0, 1, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1, 2 * BATCH_ROWS, ROWS - 1):
        assert index.get(entry(number).key) == entry(number)
    absent = ["", "v0", "v1/0000001", f"v1/{2 * BATCH_ROWS - 1:07d}", f"v1/{2 * ROWS:07d}", "v2", "v1/00000", "ü"]
    assert [key for key in absent if index.get(key) is not None] == []
    with path.open("rb") as file:
        assert Index(file).get(entry(5).key) == entry(5)


def test_keys_sort_as_text_whatever_their_letters(tmp_path: Path) -> None:
    keys = sorted(["v1/a-b", "v1/a/b", "v1/a.b", "v1/é", "v1/脳", "v1/\U0001d538", "v1/~", "v1/Z"])
    rows = [entry(1)._replace(key=key) for key in keys]
    with (tmp_path / "i").open("wb") as sink:
        inventory.write(rows, sink)
    index = Index(tmp_path / "i")
    assert [index.get(key) for key in keys] == rows
    assert index.get("v1/\U0001d539") is None
