"""Examples: each is one template, rendered once; the page shows that very text, and it runs as it stands."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from publisher.facts import AnnotationFacts, MeshFacts, Scale, SkeletonFacts, TableFacts, Triple, VolumeFacts
from publisher.page import databases
from publisher.page.places import Place, is_file
from publisher.page.services import examples as service_examples
from publisher.page.templates import render
from publisher.page.view import Book, View
from publisher.units import is_length, nanometres

Tab = Literal["Python", "R", "Command line"]
EDGE = 64  # voxels of a block that examples read
_LANGUAGES: dict[str, tuple[str, Tab]] = {"py": ("python", "Python"), "R": ("r", "R"), "sh": ("bash", "Command line")}


@dataclass(frozen=True, slots=True)
class Example:
    """One example: its file name, the tab it belongs in, what it shows, and the text itself."""

    name: str
    tab: Tab
    language: str
    title: str
    text: str


def of(view: View, book: Book) -> tuple[Example, ...]:
    """Return the examples of one artifact: how to read it, and how to copy it.

    Where strangers are refused by the bucket, only those that readers with credentials can run.
    """
    read = _external(view) if view.described.external else _read(view, book)
    shown = (*read, *_copy(view, book), *databases.examples(view, book))
    if view.place.scheme and _private(book) and not view.described.external:
        shown = tuple(each for each in shown if each[1] in _WITH_CREDENTIALS)
    return tuple(_made(view.described.name, *each) for each in shown)


def services(book: Book) -> tuple[Example, ...]:
    """Return the examples of the services that serve the same data."""
    return tuple(_made(*each) for each in service_examples(book.record.programmatic))


def _made(stem: str, title: str, template: str, values: Mapping[str, Any]) -> Example:
    end = template.rpartition(".")[2]
    language, tab = _LANGUAGES[end]
    text = render(f"examples/{template}.jinja", **values)
    return Example(f"{stem}-{template}", tab, language, title, text)


_Shown = tuple[str, str, Mapping[str, Any]]  # title, template, what the template names
_WITH_CREDENTIALS = frozenset(
    {"volume-tensorstore-bucket.py", "table-bucket.py", "copy-s3.sh", "copy-gs.sh", "neo4j-serve.sh", "neo4j-load.sh"}
)


def _private(book: Book) -> bool:
    return book.record.access.mode == "private"


def _read(view: View, book: Book) -> Iterator[_Shown]:
    facts = view.described.facts
    if isinstance(facts, VolumeFacts):
        yield from _volume(view, facts, book)
    elif isinstance(facts, TableFacts):
        columns = tuple(column.name for column in facts.columns)
        yield from _table(view.place, facts.format, columns)
        yield from _table_in_bucket(view.place, facts.format, columns, anonymous=not _private(book))
    elif isinstance(facts, SkeletonFacts):
        yield from _skeletons(view, facts)
    elif isinstance(facts, MeshFacts) and (view.mesh or facts.ids):
        yield from _meshes(view, facts, book)
    elif isinstance(facts, AnnotationFacts) and facts.annotation_type == "POINT":  # cloud-volume 12 reads no others
        yield "cloud-volume", "annotations-cloudvolume.py", {"url": view.place.url}


def _volume(view: View, facts: VolumeFacts, book: Book) -> Iterator[_Shown]:
    scale = facts.scales[0]
    node = None if _space_differs(view, book) else _node(view.described.name, book)
    block = cutout(scale, node)
    folder = view.place if facts.format == "precomputed" or not scale.key else view.place.at(scale.key)
    values = {
        "url": view.place.url,
        "kvstore": f"{folder.url}/",
        "format": facts.format,
        "block": block,
        "on_node": node is not None,
    }
    yield "TensorStore", "volume-tensorstore.py", values
    if folder.scheme:
        in_bucket = _kvstore(folder, anonymous=not _private(book))
        yield "TensorStore, from the bucket", "volume-tensorstore-bucket.py", values | {"kvstore": in_bucket}
    if facts.format == "precomputed":
        yield "cloud-volume", "volume-cloudvolume.py", values


def _kvstore(folder: Place, *, anonymous: bool) -> dict[str, Any]:
    """Return a folder in a bucket as TensorStore's drivers of stores name it."""
    if folder.scheme == "gs":  # its driver asks as who is logged in, or else as nobody
        return {"driver": "gcs", "bucket": folder.bucket, "path": f"{folder.key}/"}
    endpoint = {"endpoint": folder.endpoint} if folder.endpoint else {}
    nobody = {"aws_credentials": {"type": "anonymous"}} if anonymous else {}
    return {"driver": "s3", "bucket": folder.bucket, "path": f"{folder.key}/"} | endpoint | nobody


def _skeletons_of(volume: str, book: Book) -> Iterator[View]:
    for view in book.views:
        if isinstance(view.described.facts, SkeletonFacts) and view.described.facts.segmentation == volume:
            yield view


def _space_differs(view: View, book: Book) -> bool:
    return any(other.described.space != view.described.space for other in _skeletons_of(view.described.name, book))


def _node(volume: str, book: Book) -> Triple | None:
    """Return a place, in nm, that lies inside a segment: a node of one of its skeletons."""
    facts = (view.described.facts for view in _skeletons_of(volume, book))
    return next((fact.node_nm for fact in facts if isinstance(fact, SkeletonFacts) and fact.node_nm), None)


def cutout(scale: Scale, node_nm: Triple | None) -> tuple[tuple[int, int], ...]:
    """Return a block that lies within a scale, around a place in nm or else its middle: from and to along x, y, z."""
    middle = [offset + size // 2 for offset, size in zip(scale.offset_voxels, scale.size_voxels, strict=True)]
    if node_nm is not None and all(scale.voxel_size_nm):
        middle = [int(place / length) for place, length in zip(node_nm, scale.voxel_size_nm, strict=True)]
    found = []
    for centre, offset, size in zip(middle, scale.offset_voxels, scale.size_voxels, strict=True):
        low = max(offset, min(centre - EDGE // 2, offset + size - EDGE))
        found.append((low, min(low + EDGE, offset + size)))
    return tuple(found)


def _table(place: Place, form: str, columns: tuple[str, ...]) -> Iterator[_Shown]:
    values = {"url": place.url, "format": form, "name": place.name, "columns": columns[:3]}
    yield "pandas", "table-pandas.py", values
    if form != "csv":
        yield "pyarrow", "table-pyarrow.py", values
    yield ("arrow" if form != "csv" else "base R"), "table.R", values


def _table_in_bucket(place: Place, form: str, columns: tuple[str, ...], *, anonymous: bool) -> Iterator[_Shown]:
    if place.scheme and form != "csv":
        values = {"place": place, "format": form, "columns": columns[:3], "anonymous": anonymous}
        yield "pyarrow, from the bucket", "table-bucket.py", values


def _skeletons(view: View, facts: SkeletonFacts) -> Iterator[_Shown]:
    if not facts.ids:
        return
    folder = view.place.at("skeletons-precomputed").url
    values = {"url": view.place.url, "segment": facts.ids[0], "unit_nm": facts.swc_unit_nm}
    if "swc" in facts.formats:
        yield "SWC with pandas", "skeletons-swc.py", values
    if "precomputed" in facts.formats:
        yield "Precomputed with cloud-volume", "skeletons-cloudvolume.py", values | {"url": folder}
    if "swc" in facts.formats:
        swc = values | {"url": f"{view.place.url}/skeletons-swc", "segments": facts.ids[:3]}
        yield "SWC with navis", "skeletons-navis.py", swc
        yield "SWC with base R", "skeletons-swc.R", values
        yield "SWC with nat", "skeletons-nat.R", swc


def _meshes(view: View, facts: MeshFacts, book: Book) -> Iterator[_Shown]:
    values = {"url": view.place.url, "segment": view.mesh or facts.ids[0], "volume": "", "folder": ""}
    volume = book.named(facts.segmentation)
    if volume and isinstance(volume.described.facts, VolumeFacts) and volume.described.facts.format == "precomputed":
        folder = posixpath.relpath(view.described.key, volume.described.key)
        inside = values | {"volume": volume.place.url, "folder": folder}
        yield "cloud-volume", "meshes-cloudvolume.py", inside
        yield "navis", "meshes-navis.py", inside
    elif view.place.url.count(view.place.name) == 1:  # else cloud-volume 12 takes the wrong part for the folder
        yield "cloud-volume", "meshes-cloudvolume.py", values
        yield "navis", "meshes-navis.py", values


def _external(view: View) -> Iterator[_Shown]:
    words = str(view.stated["format"] or "").casefold()
    if view.described.section == "volumes":
        form = next((kind for kind in ("n5", "zarr3", "zarr") if kind in f"{words} {view.described.external[:8]}"), "")
        values = {"url": view.place.url, "format": form or "precomputed"}
        yield "TensorStore", "external-volume.py", values
        if not form:
            yield "cloud-volume", "external-cloudvolume.py", values
    elif view.described.section == "skeletons":
        yield from _external_skeletons(view, words)
    elif view.described.section == "tables":
        form = next((kind for kind in ("parquet", "csv") if view.place.name.endswith(f".{kind}")), "feather")
        yield from _table(view.place, form, tuple(view.stated["columns"] or ()))


def _external_skeletons(view: View, words: str) -> Iterator[_Shown]:
    segment, unit = view.stated["example"], view.stated["units"]
    values = {"url": view.place.url, "segment": segment, "segments": (str(segment),)}
    if not segment:
        return
    if "swc" in words and unit and is_length(unit):
        values["unit_nm"] = nanometres(unit)
        yield "SWC with navis", "skeletons-navis.py", values
        yield "SWC with nat", "skeletons-nat.R", values
    elif "precomputed" in words:
        yield "Precomputed with cloud-volume", "skeletons-cloudvolume.py", values


def _copy(view: View, book: Book) -> Iterator[_Shown]:
    item, place = view.described, view.place
    single = view.single or (bool(item.external) and is_file(item.section, place.name))
    values: dict[str, Any] = {"place": place, "single": single, "gzipped": view.gzipped, "name": item.name}
    values["anonymous"] = bool(item.external) or not _private(book)
    if single:
        yield "curl", "copy-object.sh", values | {"sha256": view.entry.content_sha256 if view.entry else ""}
    if place.scheme:
        yield _TOOLS[place.scheme], f"copy-{place.scheme}.sh", values
    if not single and not item.external and book.inventory:
        yield (
            "Any store, with digests checked",
            "copy-tree.py",
            {
                "base": book.base.url,
                "inventory": book.inventory.url,
                "artifact": item.name,
                "file": posixpath.basename(item.key),
            },
        )


_TOOLS = {"gs": "gcloud, gsutil or rclone", "s3": "aws, s5cmd or rclone"}
