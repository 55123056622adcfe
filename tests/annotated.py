"""Annotations read back by those who did not write them: neuroglancer's own reader over tensorstore, and cloud-volume.

What they find is compared with a table by its owner's words: by id, by relationship, and in the spatial index.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from publisher.artifacts import Bench, Made
from publisher.artifacts.annotations import Annotations
from publisher.facts import AnnotationFacts
from publisher.formats import tables
from publisher.record import Space

SPACE = Space("EM", (8, 8, 40), "nm", "")


def stage(source: Path, work: Path, space: Space | None = SPACE, **said: Any) -> Made:
    """Stage annotations as a release does."""
    artifact = Annotations.model_validate({"name": "notes", "source": source.name, **said})
    return artifact.stage(Bench(source, "v1/annotations/notes", space, work, lambda _: source))


def facts_of(made: Made) -> AnnotationFacts:
    assert isinstance(made.facts, AnnotationFacts)
    return made.facts


def written(path: Path, columns: Mapping[str, Any]) -> Path:
    """Write a table as Parquet, in row groups that are smaller than it."""
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path, row_group_size=1000)
    return path


def synapses(count: int, seed: int = 1) -> dict[str, Any]:
    """Return points in clumps with ids of 64 bits, two bodies that may be missing, and a property of each type."""
    chance = np.random.default_rng(seed)
    clumps = chance.uniform(0, 4000, (20, 3))
    places = (clumps[chance.integers(0, 20, count)] + chance.normal(0, 150, (count, 3))).astype(np.float32)
    large = np.array([0, 1, 2**53 + 1, 2**63 + 5, 2**64 - 1], np.uint64)
    bodies = np.concatenate([large, chance.integers(1, 2**63, 35, dtype=np.uint64)])
    gaps = chance.random((3, count)) < 0.1
    words = np.array(["ACh", "GABA", "Glu"])[chance.integers(0, 3, count)]
    return {
        "id": chance.permutation(np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)),
        "x": places[:, 0],
        "y": places[:, 1],
        "z": places[:, 2],
        "Pre Body": pa.array(chance.choice(bodies, count), mask=gaps[0]),
        "post": chance.choice(bodies, count),
        "tiny": chance.integers(-100, 100, count),
        "short": chance.integers(0, 40_000, count),
        "wide": chance.integers(0, 2**32, count, dtype=np.uint32),
        "signed": chance.integers(-(2**31), 2**31, count),
        "score": pa.array(chance.random(count), mask=gaps[1]),
        "Transmitter": pa.array(words, mask=gaps[2]),
        "sure": chance.random(count) < 0.5,
        "colour": [f"#{value:06x}" for value in chance.integers(0, 1 << 24, count).tolist()],
        "glow": [f"#{value:08x}" for value in chance.integers(0, 1 << 32, count).tolist()],
    }


@dataclass(frozen=True)
class Read:
    """One annotation as a reader gives it: coordinates, properties with labels for codes, related ids by relationship."""

    place: tuple[float, ...]
    properties: dict[str, Any]
    related: dict[str, tuple[int, ...]] | None = None


class Reader:
    """The reader that comes with neuroglancer: tensorstore's stores under the format's own authors' words."""

    def __init__(self, place: Path | str) -> None:
        """Open a folder, or an address."""
        import neuroglancer.read_precomputed_annotations as ours

        base = f"file://{place}/" if isinstance(place, Path) else f"{place}/"
        self.reader = ours.AnnotationReader(base)
        self.info: dict[str, Any] = self.reader.metadata

    def decoded(self, annotation: Any) -> Read:
        kind = self.reader.annotation_type
        fields = {
            "point": ("point",),
            "ellipsoid": ("center", "radii"),
        }.get(kind, ("point_a", "point_b"))
        place = tuple(float(v) for field in fields for v in getattr(annotation, field))
        properties = {}
        for spec, value in zip(self.info["properties"], annotation.props, strict=True):
            properties[spec["id"]] = _labelled(spec, value)
        related = annotation.segments
        names = [each["id"] for each in self.info["relationships"]]
        by_name = None if related is None else {n: tuple(map(int, s)) for n, s in zip(names, related, strict=True)}
        return Read(place, properties, by_name)

    def by_id(self, key: int) -> Read:
        return self.decoded(self.reader.by_id[key])

    def related(self, name: str, key: int) -> dict[int, Read]:
        found = self.reader.relationships[name].get(key).result() or []
        assert len({each.id for each in found}) == len(found)
        return {int(each.id): self.decoded(each) for each in found}

    def cells(self, level: int) -> Iterator[tuple[tuple[int, ...], list[tuple[int, Read]]]]:
        """Yield each cell of a level that is there, with its annotations."""
        for cell in itertools.product(*map(range, self.info["spatial"][level]["grid_shape"])):
            found = self.reader.spatial[level].get(cell).result()
            if found is not None:
                yield cell, [(int(each.id), self.decoded(each)) for each in found]


def _labelled(spec: Mapping[str, Any], value: Any) -> Any:
    if "enum_labels" in spec:
        return dict(zip(spec["enum_values"], spec["enum_labels"], strict=True))[int(value)]
    if spec["type"] in {"rgb", "rgba"}:
        return "#" + bytes(np.asarray(value, np.uint8)).hex()
    return float(value)


def expected(
    source: Path, wanted: AnnotationFacts, said: Mapping[str, Any], places: tuple[str, ...]
) -> dict[int, Read]:
    """Return what a table says, by id, without a line of the builder."""
    rows = pa.Table.from_batches(tables.open_source(source, {}).batches()).to_pylist()
    columns = {one.id: one.description or one.id for one in wanted.described}
    made = {}
    for number, row in enumerate(rows):
        properties = {name: _stored(row[column]) for name, column in columns.items()}
        related = {
            name: () if row[column] is None else (int(row[column]),)
            for name, column in said.get("relationships", {}).items()
        }
        place = tuple(float(np.float32(row[column])) for column in places)
        made[int(row[said["id"]]) if "id" in said else number] = Read(place, properties, related)
    return made


def _stored(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return float("nan") if value is None else float(np.float32(value)) if isinstance(value, float) else float(value)


def same(found: Read, wanted: Read) -> bool:
    """Whether two are the same; a missing word reads as (none), a missing number as NaN."""
    for name, value in wanted.properties.items():
        other = found.properties[name]
        missing = isinstance(value, float) and np.isnan(value)
        if missing and not (other == "(none)" or (isinstance(other, float) and np.isnan(other))):
            return False
        if not missing and other != value:
            return False
    related = found.related is None or found.related == wanted.related
    return found.place == wanted.place and related and found.properties.keys() == wanted.properties.keys()


def differences(place: Path | str, wanted: Mapping[int, Read]) -> list[str]:
    """Return all that is wrong with annotations, read by neuroglancer's reader; nothing, where all is right."""
    reader = Reader(place)
    wrong = [f"id {key} is not there" for key in wanted if key not in reader.reader.by_id]
    there = [key for key in wanted if key in reader.reader.by_id]
    wrong += [f"id {key} differs" for key in there if not same(reader.by_id(key), wanted[key])]
    for name in [each["id"] for each in reader.info["relationships"]]:
        lists: dict[int, set[int]] = {}
        for key, one in wanted.items():
            for segment in (one.related or {})[name]:
                lists.setdefault(segment, set()).add(key)
        for segment, keys in lists.items():
            found = reader.related(name, segment)
            wrong += [f"{name} {segment} has other annotations"] if found.keys() != keys else []
            wrong += [
                f"{name} {segment}: {key} differs" for key in found.keys() & keys if not same(found[key], wanted[key])
            ]
    return wrong + _spatial(reader, wanted)


def _spatial(reader: Reader, wanted: Mapping[int, Read]) -> list[str]:
    levels: dict[int, set[int]] = {}
    wrong = []
    lower = np.array(reader.info["lower_bound"])
    extent = np.array(reader.info["upper_bound"]) - lower
    before = extent
    for level, spec in enumerate(reader.info["spatial"]):
        size = np.array(spec["chunk_size"])
        if not np.array_equal(size * spec["grid_shape"], extent):
            wrong.append(f"level {level} does not fill the bounds")
        if not np.isin(before / size, (1, 2)).all():
            wrong.append(f"level {level} does not halve the cells of the level before")
        before = size
        fullest = 0
        for cell, found in reader.cells(level):
            fullest = max(fullest, len(found))
            times = Counter(key for key, _ in found)
            wrong += [f"{key} is {n} times in {cell} of level {level}" for key, n in times.items() if n > 1]
            low = lower + np.array(cell) * size
            for key, one in found:
                levels.setdefault(key, set()).add(level)
                wrong += [] if key in wanted and same(one, wanted[key]) else [f"{key} of level {level} differs"]
                if len(one.place) == 3 and not (low <= one.place).all() & (one.place <= low + size).all():
                    wrong.append(f"{key} of level {level} lies outside of {cell}")
        if fullest != spec["limit"]:
            wrong.append(f"level {level} has {fullest} in a cell, and says {spec['limit']}")
    wrong += [f"{key} is in no cell" for key in wanted.keys() - levels.keys()]
    wrong += [f"{key} is at levels {sorted(at)}" for key, at in levels.items() if len(at) > 1]
    return wrong
