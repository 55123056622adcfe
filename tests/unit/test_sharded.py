"""The sharded format, held against tensorstore in both directions."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore as ts

from publisher.formats import sharded
from publisher.formats.sharded import Broken, Item, Sharding
from publisher.formats.sharding import MAX_MINISHARD_BITS, MINISHARD_KEYS, SHARD_BYTES

KEYS = [0, 1, 2, 7, 8, 511, 512, 722817260, 1734350788, 2**32 - 1, 2**32, 2**53 + 1, 720575940621039145, 2**64 - 1]
SHARDINGS = [
    Sharding(bits, mini, preshift, hash=name, minishard_index_encoding=index, data_encoding=data)
    for name in ("identity", "murmurhash3_x86_128")
    for (bits, mini, preshift), (index, data) in itertools.product(
        [(0, 0, 0), (1, 2, 0), (5, 3, 9), (9, 0, 1)], [("raw", "raw"), ("gzip", "gzip"), ("raw", "gzip")]
    )
]


def value(key: int) -> bytes:
    return f"value of {key} ".encode() * (key % 5)


def opened(folder: Path, sharding: Sharding) -> Any:
    base = {"driver": "file", "path": f"{folder}/"}
    return ts.KvStore.open(
        {"driver": "neuroglancer_uint64_sharded", "base": base, "metadata": sharding.to_json()}
    ).result()


def in_order(keys: list[int], sharding: Sharding) -> list[int]:
    return [keys[at] for at in sharding.order(keys)]


def listed(folder: Path, sharding: Sharding) -> dict[str, list[sharded.Entry]]:
    found = {}
    for path in sorted(folder.glob("*.shard")):
        with path.open("rb") as file:
            found[path.name] = list(sharded.entries(sharded.reader(file), path.stat().st_size, sharding))
    return found


@pytest.mark.parametrize("sharding", SHARDINGS)
def test_tensorstore_reads_what_we_write(sharding: Sharding, tmp_path: Path) -> None:
    names = sharded.write(tmp_path, sharding, (Item(key, value(key)) for key in in_order(KEYS, sharding)))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    store = opened(tmp_path, sharding)
    for key in KEYS:
        assert store.read(key.to_bytes(8)).result().value == value(key), key
    assert store.read((3).to_bytes(8)).result().state == "missing"


@pytest.mark.parametrize("sharding", SHARDINGS)
def test_we_read_what_tensorstore_writes(sharding: Sharding, tmp_path: Path) -> None:
    store = opened(tmp_path, sharding)
    for key in KEYS:
        store.write(key.to_bytes(8), value(key)).result()
    shards = listed(tmp_path, sharding)
    found = {}
    for name, entries in shards.items():
        data = (tmp_path / name).read_bytes()
        for entry in entries:
            number, minishard = sharding.place(entry.key)
            assert (sharding.shard_name(number), minishard) == (name, entry.minishard)
            stored = data[entry.offset : entry.offset + entry.size]
            found[entry.key] = sharded.unpacked(stored, sharding.data_encoding, "value")
    assert found == {key: value(key) for key in KEYS}


def test_many_keys_lie_where_tensorstore_looks(tmp_path: Path) -> None:
    keys = np.random.default_rng(1).integers(0, 2**63, 3000, dtype=np.uint64).tolist()
    sharding = Sharding(3, 4)
    sharded.write(tmp_path, sharding, (Item(key, str(key).encode()) for key in in_order(keys, sharding)))
    assert len(listed(tmp_path, sharding)) == 8
    store = opened(tmp_path, sharding)
    assert all(store.read(key.to_bytes(8)).result().value == str(key).encode() for key in keys[::17])
    assert len(store.list().result()) == len(keys)


def test_what_stands_before_a_value_is_in_no_index(tmp_path: Path) -> None:
    sharding = Sharding(0, 1, data_encoding="gzip")
    keys = in_order(KEYS, sharding)
    sharded.write(tmp_path, sharding, (Item(key, value(key), [b"<", f"{key}>".encode()]) for key in keys))
    data = (tmp_path / "0.shard").read_bytes()
    (entries,) = listed(tmp_path, sharding).values()
    assert [entry.key for entry in entries] == keys
    for entry in entries:
        assert data[: entry.offset].endswith(f"<{entry.key}>".encode())
    store = opened(tmp_path, sharding)
    assert all(store.read(key.to_bytes(8)).result().value == value(key) for key in keys)


def test_the_same_values_give_the_same_bytes(tmp_path: Path) -> None:
    sharding = Sharding(2, 2, data_encoding="gzip")
    for folder in ("a", "b"):
        keys = in_order(KEYS if folder == "a" else KEYS[::-1], sharding)
        sharded.write(tmp_path / folder, sharding, (Item(key, value(key)) for key in keys))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("keys", [[8, 7], [7, 7]])
def test_a_stream_out_of_order_is_refused_and_leaves_nothing(keys: list[int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="comes after"):
        sharded.write(tmp_path, Sharding(0, 0, hash="identity"), (Item(key, b"x") for key in keys))
    assert list(tmp_path.iterdir()) == []


def test_a_shard_that_is_over_does_not_begin_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="written already"):
        sharded.write(tmp_path, Sharding(1, 0, hash="identity"), (Item(key, b"x") for key in [1, 0]))


def test_find(tmp_path: Path) -> None:
    sharding = Sharding(0, 3)
    sharded.write(tmp_path, sharding, (Item(key, value(key)) for key in in_order(KEYS, sharding)))
    path = tmp_path / "0.shard"
    with path.open("rb") as file:
        read, size = sharded.reader(file), path.stat().st_size
        for key in KEYS:
            entry = sharded.find(read, size, sharding, key)
            assert entry is not None
            assert read(entry.offset, entry.size) == value(key)
        assert sharded.find(read, size, sharding, 3) is None


def broken(data: bytes, sharding: Sharding) -> str:
    with pytest.raises(Broken) as error:
        list(sharded.entries(lambda offset, size: data[offset : offset + size], len(data), sharding))
    return str(error.value)


def test_a_damaged_shard_says_where(tmp_path: Path) -> None:
    sharding = Sharding(0, 1)
    sharded.write(tmp_path, sharding, (Item(key, value(key) + b"!") for key in in_order(KEYS, sharding)))
    data = (tmp_path / "0.shard").read_bytes()
    assert "shard index alone has 32" in broken(data[:20], sharding)
    assert "outside of the file" in broken(data[:-1], sharding)
    assert "multiple of 24" in broken(data, Sharding(0, 1, minishard_index_encoding="raw"))
    start = int.from_bytes(data[:8], "little") + 32
    assert "is not gzip" in broken(data[:start] + b"?" + data[start + 1 :], sharding)
    raw = Sharding(0, 0, minishard_index_encoding="raw")
    index = np.array([[5], [0], [1000]], "<u8").tobytes()
    assert "key 5: its value is said to be 1000 bytes" in broken(np.array([0, 24], "<u8").tobytes() + index, raw)


@pytest.mark.parametrize("sharding", SHARDINGS[:3])
def test_json_there_and_back(sharding: Sharding) -> None:
    assert Sharding.from_json(sharding.to_json()) == sharding


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"@type": "x"}, "@type"),
        ({"hash": "sha"}, "hash must be identity or murmurhash3_x86_128"),
        ({"shard_bits": 65}, "shard_bits must be"),
        ({"shard_bits": 60, "minishard_bits": 5}, "more than 64"),
        ({"preshift_bits": True}, "preshift_bits must be"),
        ({"data_encoding": "zip"}, "data_encoding must be raw or gzip"),
    ],
)
def test_json_that_breaks_the_specification(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Broken, match=reason):
        Sharding.from_json(Sharding(1, 1).to_json() | change)


@pytest.mark.parametrize("sharding", SHARDINGS)
def test_one_key_lies_where_many_do(sharding: Sharding) -> None:
    shards, minishards = sharding.places(KEYS)
    assert list(zip(shards.tolist(), minishards.tolist(), strict=True)) == [sharding.place(key) for key in KEYS]


def test_names_have_a_digit_for_every_four_bits() -> None:
    names = [Sharding(bits, 0).shard_name((1 << bits) - 1) for bits in (0, 1, 4, 5, 11)]
    assert names == ["0.shard", "1.shard", "f.shard", "1f.shard", "7ff.shard"]


@pytest.mark.parametrize("count", [1, 100, 10**5, 10**8])
@pytest.mark.parametrize("size", [1, 10**3, 10**5])
def test_bits_are_chosen_by_count_and_size(count: int, size: int) -> None:
    chosen = sharded.choose(count, count * size)
    assert chosen.minishard_bits <= MAX_MINISHARD_BITS
    assert count / 2 ** (chosen.shard_bits + chosen.minishard_bits) <= MINISHARD_KEYS
    assert count * size / 2**chosen.shard_bits <= SHARD_BYTES
    assert chosen.shard_bits == 0 or (
        count * size / 2 ** (chosen.shard_bits - 1) > SHARD_BYTES or chosen.minishard_bits > 8
    )


def test_a_volume_through_tensorstore_lies_where_the_morton_code_says(tmp_path: Path) -> None:
    """Tensorstore writes a sharded volume; its chunks are found under our codes, in our shards."""
    size, chunk = (100, 40, 210), (16, 16, 16)
    grid = [-(-a // b) for a, b in zip(size, chunk, strict=True)]
    sharding = sharded.choose_for_volume(grid, 16**3, data_encoding="raw")
    volume = ts.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{tmp_path}/"},
            "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
            "scale_metadata": {
                "key": "s",
                "size": size,
                "resolution": [8, 8, 8],
                "chunk_size": chunk,
                "encoding": "raw",
                "sharding": sharding.to_json(),
            },
        },
        create=True,
    ).result()
    cells = np.array(list(np.ndindex(*grid)))
    codes = sharded.morton(cells, grid)
    with ts.Transaction() as transaction:
        for number, (x, y, z) in enumerate(cells * 16):
            x1, y1, z1 = (min(at + 16, end) for at, end in zip((x, y, z), size, strict=True))
            volume.with_transaction(transaction)[x:x1, y:y1, z:z1, 0] = number % 250 + 1
    found = {}
    for name, entries in listed(tmp_path / "s", sharding).items():
        data = (tmp_path / "s" / name).read_bytes()
        found |= {entry.key: data[entry.offset] for entry in entries}
    assert found == {int(code): number % 250 + 1 for number, code in enumerate(codes)}


def test_a_shard_of_a_volume_fits_in_memory() -> None:
    large = sharded.choose_for_volume([500, 500, 500], 8 * 64**3)
    assert large.preshift_bits + large.minishard_bits == 9
    assert large.preshift_bits + large.minishard_bits + large.shard_bits == 27
    small = sharded.choose_for_volume([500, 500, 500], 64**3)
    assert small.preshift_bits + small.minishard_bits == 12
    assert sharded.choose_for_volume([1, 1, 1], 64**3) == Sharding(0, 0, 0, "identity", data_encoding="gzip")
