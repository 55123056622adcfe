"""Examples: each is one template, rendered once, when a release is staged; the page shows that very text, and it runs."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from publisher.facts import AnnotationFacts, MeshFacts, Scale, SkeletonFacts, TableFacts, Triple, VolumeFacts
from publisher.page import copying, databases
from publisher.page.copying import Shown
from publisher.page.places import Place
from publisher.page.services import examples as service_examples
from publisher.page.templates import render
from publisher.page.view import Book, View
from publisher.units import is_length, nanometres

Tab = Literal["Python", "R", "Command line"]
EDGE = 64  # voxels of a block that examples read
LANGUAGES: dict[str, tuple[str, Tab]] = {"py": ("python", "Python"), "R": ("r", "R"), "sh": ("bash", "Command line")}
# These read all of an artifact, however large it is; the others a part of it.
_WHOLE = ("table", "annotations", "copy")


@dataclass(frozen=True, slots=True)
class Example:
    """One example: its file name, the tab it belongs in, what it shows, and the text itself.

    It is of an `artifact`, of which it reads a part or the `whole`, or of a `service`.
    """

    name: str
    tab: Tab
    language: str
    title: str
    text: str
    artifact: str = ""
    service: str = ""
    whole: bool = False


def numbered(book: Book) -> tuple[Example, ...]:
    """Return every example of a release in the order of its page, each named after its number: 07-bodies-table.R."""
    views = (view for _, views in book.groups for view in views)
    made = [*services(book), *(example for view in views for example in of(view, book))]
    digits = max(2, len(str(len(made))))
    return tuple(replace(each, name=f"{number:0{digits}}-{each.name}") for number, each in enumerate(made, start=1))


def of(view: View, book: Book) -> tuple[Example, ...]:
    """Return the examples of one artifact: how to read it, and how to copy it.

    Where strangers are refused by the bucket, only those that readers with credentials can run.
    """
    read = _external(view) if view.described.external else _read(view, book)
    anonymous = bool(view.described.external) or not _private(book)
    shown = [*read, *copying.shown(view, book, anonymous=anonymous), *databases.examples(view, book)]
    if view.place.scheme and not anonymous:
        shown = [each for each in shown if each.name in _WITH_CREDENTIALS | copying.WITH_CREDENTIALS]
    return tuple(_made(view.described.name, each, artifact=view.described.name) for each in shown)


def services(book: Book) -> tuple[Example, ...]:
    """Return the examples of the services that serve the same data."""
    return tuple(_made(name, shown, service=name) for name, shown in service_examples(book.record.programmatic))


def _made(stem: str, shown: Shown, *, artifact: str = "", service: str = "") -> Example:
    language, tab = LANGUAGES[shown.name.rpartition(".")[2]]
    text = render(f"examples/{shown.template}.jinja", **shown.values)
    whole = bool(artifact) and shown.name.startswith(_WHOLE)
    return Example(f"{stem}-{shown.name}", tab, language, shown.title, text, artifact, service, whole)


_WITH_CREDENTIALS = frozenset({"volume-tensorstore-bucket.py", "table-bucket.py", "neo4j-serve.sh", "neo4j-load.sh"})


def _private(book: Book) -> bool:
    return book.record.access.mode == "private"


def _read(view: View, book: Book) -> Iterator[Shown]:
    facts = view.described.facts
    if isinstance(facts, VolumeFacts):
        yield from _volume(view, facts, book)
    elif isinstance(facts, TableFacts):
        columns = tuple(column.name for column in facts.columns)
        yield from _table(view.place, facts.format, columns)
        yield from _table_in_bucket(view.place, facts.format, columns, anonymous=not _private(book))
    elif isinstance(facts, SkeletonFacts):
        yield from _skeletons(view, facts)
    elif isinstance(facts, MeshFacts) and facts.ids:
        yield from _meshes(view, facts, book)
    elif isinstance(facts, AnnotationFacts) and facts.annotation_type == "POINT":  # cloud-volume 12 reads no others
        yield Shown("cloud-volume", "annotations-cloudvolume.py", {"url": view.place.url})


def _volume(view: View, facts: VolumeFacts, book: Book) -> Iterator[Shown]:
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
    yield Shown("TensorStore", "volume-tensorstore.py", values)
    if folder.scheme:
        in_bucket = _kvstore(folder, anonymous=not _private(book))
        yield Shown("TensorStore, from the bucket", "volume-tensorstore-bucket.py", values | {"kvstore": in_bucket})
    if facts.format == "precomputed":
        yield Shown("cloud-volume", "volume-cloudvolume.py", values)


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


def _table(place: Place, form: str, columns: tuple[str, ...]) -> Iterator[Shown]:
    values = {"url": place.url, "format": form, "name": place.name, "columns": columns[:3]}
    yield Shown("pandas", "table-pandas.py", values)
    if form != "csv":
        yield Shown("pyarrow", "table-pyarrow.py", values)
    yield Shown("arrow" if form != "csv" else "base R", "table.R", values)


def _table_in_bucket(place: Place, form: str, columns: tuple[str, ...], *, anonymous: bool) -> Iterator[Shown]:
    if place.scheme and form != "csv":
        values = {"place": place, "format": form, "columns": columns[:3], "anonymous": anonymous}
        yield Shown("pyarrow, from the bucket", "table-bucket.py", values)


def _skeletons(view: View, facts: SkeletonFacts) -> Iterator[Shown]:
    if not facts.ids:
        return
    folder = view.place.at("skeletons-precomputed").url
    values = {"url": view.place.url, "segment": facts.ids[0], "unit_nm": facts.swc_unit_nm}
    if "swc" in facts.formats:
        yield Shown("SWC with pandas", "skeletons-swc.py", values)
    if "precomputed" in facts.formats:
        yield Shown("Precomputed with cloud-volume", "skeletons-cloudvolume.py", values | {"url": folder})
    if "swc" in facts.formats:
        swc = values | {"url": f"{view.place.url}/skeletons-swc", "segments": facts.ids[:3]}
        yield Shown("SWC with navis", "skeletons-navis.py", swc)
        yield Shown("SWC with base R", "skeletons-swc.R", values)
        yield Shown("SWC with nat", "skeletons-nat.R", swc)


def _meshes(view: View, facts: MeshFacts, book: Book) -> Iterator[Shown]:
    values = {"url": view.place.url, "segment": facts.ids[0], "volume": "", "folder": ""}
    volume = book.named(facts.segmentation)
    if volume and isinstance(volume.described.facts, VolumeFacts) and volume.described.facts.format == "precomputed":
        folder = posixpath.relpath(view.described.key, volume.described.key)
        inside = values | {"volume": volume.place.url, "folder": folder}
        yield Shown("cloud-volume", "meshes-cloudvolume.py", inside)
        yield Shown("navis", "meshes-navis.py", inside)
    elif view.place.url.count(view.place.name) == 1:  # else cloud-volume 12 takes the wrong part for the folder
        yield Shown("cloud-volume", "meshes-cloudvolume.py", values)
        yield Shown("navis", "meshes-navis.py", values)


def _external(view: View) -> Iterator[Shown]:
    words = str(view.stated["format"] or "").casefold()
    if view.described.section == "volumes":
        form = next((kind for kind in ("n5", "zarr3", "zarr") if kind in f"{words} {view.described.external[:8]}"), "")
        values = {"url": view.place.url, "format": form or "precomputed"}
        yield Shown("TensorStore", "external-volume.py", values)
        if not form:
            yield Shown("cloud-volume", "external-cloudvolume.py", values)
    elif view.described.section == "skeletons":
        yield from _external_skeletons(view, words)
    elif view.described.section == "tables":
        form = next((kind for kind in ("parquet", "csv") if view.place.name.endswith(f".{kind}")), "feather")
        yield from _table(view.place, form, tuple(view.stated["columns"] or ()))


def _external_skeletons(view: View, words: str) -> Iterator[Shown]:
    segment, unit = view.stated["example"], view.stated["units"]
    values = {"url": view.place.url, "segment": segment, "segments": (str(segment),)}
    if not segment:
        return
    if "swc" in words and unit and is_length(unit):
        values["unit_nm"] = nanometres(unit)
        yield Shown("SWC with navis", "skeletons-navis.py", values)
        yield Shown("SWC with nat", "skeletons-nat.R", values)
    elif "precomputed" in words:
        yield Shown("Precomputed with cloud-volume", "skeletons-cloudvolume.py", values)
