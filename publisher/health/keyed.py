"""Values that are kept by a uint64 id: one file each, or in shards. What every check of such folders has in common."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import IO, Any

from publisher.formats import sharded
from publisher.health.subject import Subject
from publisher.objects import Finding

_JSON = frozenset({"info", "provenance"})


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its id, the file that it is in, and where (`entry`) if that is a shard."""

    id: int
    place: Subject
    file: str
    sharding: sharded.Sharding | None = None
    entry: sharded.Entry | None = None
    opened: IO[bytes] | None = field(default=None, compare=False, repr=False)  # its shard, while that is gone through

    def read(self) -> bytes | str:
        """Return its content, or what is wrong with it."""
        try:
            if self.sharding is None or self.entry is None:
                return self.place.read(self.file) or b""
            data = self._range(self.entry.offset, self.entry.size)
            return sharded.unpacked(data, self.sharding.data_encoding, "it")
        except (OSError, zlib.error, sharded.Broken) as error:
            return f"cannot be read: {error}"

    def before(self, size_bytes: int) -> bytes | None:
        """Return what stands right before it in its shard, None where there is not so much."""
        assert self.sharding is not None
        assert self.entry is not None
        start = self.entry.offset - size_bytes
        return self._range(start, size_bytes) if start >= self.sharding.index_bytes else None

    def finding(self, check: str, severity: Any, message: str) -> Finding:  # noqa: ANN401 - a Severity
        """Return a finding about this value: of its file, or of its id in a shard."""
        words = f"id {self.id}: {message}" if self.entry else message
        return self.place.finding(check, severity, words, self.file)

    def _range(self, start: int, size_bytes: int) -> bytes:
        if self.opened is not None and not self.opened.closed:
            return sharded.reader(self.opened)(start, size_bytes)
        with (self.place.folder / self.file).open("rb") as file:
            return sharded.reader(file)(start, size_bytes)


def below(subject: Subject, key: str) -> Subject:
    """Return an index of a subject as a place of its own."""
    return replace(subject, inside=f"{subject.inside}/{key}".strip("/"), others=())


def sharding_of(holder: dict[str, Any], subject: Subject, check: str) -> sharded.Sharding | Finding | None:
    """Return the `sharding` of an `info`, or of a part of one; the finding that it breaks the specification."""
    if holder.get("sharding") is None:
        return None
    try:
        return sharded.Sharding.from_json(holder["sharding"])
    except sharded.Broken as error:
        return subject.finding(check, "error", f"{error}: the layer fails → correct the sharding", "info")


def values(place: Subject, sharding: sharded.Sharding | None, check: str, what: str) -> Iterator[Value | Finding]:
    """Yield the values right in a folder, in the order of its files, and what is wrong with names and shards.

    Args:
        place: the folder.
        sharding: how ids are spread, None where each has a file.
        check: the name of the check that asks.
        what: a value's noun, such as skeleton.

    """
    for file in place.files():
        name = file.relative
        if name in _JSON or "/" in name:
            continue
        if sharding is not None:
            yield from _shard(place, sharding, name, check)
        elif is_id(name):
            yield Value(int(name), place, name)
        else:
            yield place.finding(check, "note", f"is no {what}: those are named after their id", name)


def value(place: Subject, sharding: sharded.Sharding | None, key: int) -> Value | None:
    """Return the value of one id, None where there is none."""
    if sharding is None:
        names = (str(key), f"{key}.gz") if place.tree.encoded_names else (str(key),)
        return Value(key, place, str(key)) if any((place.folder / name).is_file() for name in names) else None
    name = sharding.shard_name(sharding.place(key)[0])
    path = place.folder / name
    if not path.is_file():
        return None
    with path.open("rb") as file:
        try:
            entry = sharded.find(sharded.reader(file), path.stat().st_size, sharding, key)
        except sharded.Broken:
            return None  # which is a finding of the folder's own check
    return Value(key, place, name, sharding, entry) if entry else None


def is_id(name: str) -> bool:
    """Whether a name is an id as readers write it: decimal, without leading zeros, below 2^64."""
    return name.isascii() and name.isdecimal() and str(int(name)) == name and int(name) < 1 << 64


def _shard(place: Subject, sharding: sharded.Sharding, name: str, check: str) -> Iterator[Value | Finding]:
    stem = name.removesuffix(".shard")
    number = int(stem, 16) if name != stem and all(digit in "0123456789abcdef" for digit in stem) and stem else -1
    if number < 0:
        yield place.finding(check, "note", "is in no index: this folder is kept in shards", name)
        return
    if number >> sharding.shard_bits or name != sharding.shard_name(number):
        example = sharding.shard_name(0)
        message = (
            f"is a shard that no reader asks for: with {sharding.shard_bits} shard bits they are named like {example}"
        )
        yield place.finding(check, "error", message, name)
        return
    path = place.folder / name
    with path.open("rb") as file:
        known = set[int]()
        minishard = -1
        try:
            for entry in sharded.entries(sharded.reader(file), path.stat().st_size, sharding):
                if entry.minishard != minishard:
                    minishard, known = entry.minishard, set()
                one = Value(entry.key, place, name, sharding, entry, file)
                if entry.key in known:
                    yield one.finding(check, "error", "is in the index twice → write the shard again")
                known.add(entry.key)
                home = sharding.place(entry.key)
                if home != (number, entry.minishard):
                    message = f"is in minishard {entry.minishard}, and readers look for it in minishard {home[1]} of "
                    message += sharding.shard_name(home[0])
                    yield one.finding(check, "error", f"{message} → is `sharding` that of these files?")
                    continue
                yield one
        except sharded.Broken as error:
            yield place.finding(check, "error", f"{error} → write the shard again, or copy it again", name)
