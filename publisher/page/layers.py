"""Where the viewer shows an artifact: the scenes that have it as a layer, and a view of that layer alone."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from publisher.facts import AnnotationFacts, MeshFacts, SkeletonFacts, VolumeFacts
from publisher.headers import GZIP_MAGIC
from publisher.page import places
from publisher.page.view import Book, View
from publisher.record import SceneRef

_LONGEST = 8_000  # characters of a link, which browsers, mails and chats still carry
_LINKS = ("linkedSegmentationLayer", "linkedSegmentationGroup", "linkedSegmentationColorGroup")

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Looked:
    """An artifact in the viewer: a link to it alone ("" where there is none), and the scenes that show it, by layer."""

    alone: str
    scenes: tuple[tuple[SceneRef, str], ...]


def look(book: Book) -> dict[str, Looked]:
    """Return where each artifact is seen, by its name; those that no viewer shows are left out."""
    shown: dict[str, list[tuple[SceneRef, str]]] = {}
    alone: dict[str, str] = {}
    for ref, state in _states(book):
        for layer in state.get("layers", ()):
            for name in dict.fromkeys(_owners(layer, book)):
                shown.setdefault(name, []).append((ref, str(layer.get("name", ""))))
                alone.setdefault(name, _link(_only(state, layer), book))
    found = {}
    for view in book.views:
        name, link = view.described.name, ""
        if view.described.external or book.base.url.startswith(
            "https://"
        ):  # the public viewer reads what is on the web
            link = alone[name] if name in alone else _link(_bare(view), book)
        if link or name in shown:
            found[name] = Looked(link, tuple(shown.get(name, ())))
    return found


def _states(book: Book) -> Iterator[tuple[SceneRef, dict[str, Any]]]:
    """Yield the states of the release's scenes, as far as they can be read."""
    for ref in book.record.scenes:
        try:
            state = json.loads(_plain(ref.link.partition("#!")[2] if ref.link else book.read(ref.key)))
        except (ValueError, OSError, EOFError):  # `verify` says what is wrong with it
            continue
        if isinstance(state, dict) and isinstance(state.get("layers"), list):
            yield ref, state


def _plain(stored: str | bytes | None) -> str:
    if isinstance(stored, bytes):
        return (gzip.decompress(stored) if stored.startswith(GZIP_MAGIC) else stored).decode()
    return unquote(stored or "")


def _sources(layer: Mapping[str, Any]) -> Iterator[str]:
    given = layer.get("source")
    for each in given if isinstance(given, list) else [given]:
        url = each.get("url") if isinstance(each, dict) else each
        if isinstance(url, str):
            yield url


def _owners(layer: Mapping[str, Any], book: Book) -> Iterator[str]:
    """Yield the artifacts that a layer reads: the deepest whose place holds an address."""
    for source in _sources(layer):
        bare = places.external(source)
        inside = [
            (len(place), view.described.name)
            for view in book.views
            for place, address in ((view.place.store, bare.store), (view.place.url, bare.url))
            if place and f"{address.rstrip('/')}/".startswith(f"{place.rstrip('/')}/")
        ]
        if inside:
            yield max(inside)[1]


def _only(state: State, layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state with one layer, and those that it is linked to."""
    linked = set(_names(layer.get(field) for field in _LINKS))
    layers = [{**layer, "visible": True}]
    layers += [
        {**other, "visible": False} for other in state["layers"] if other is not layer and other.get("name") in linked
    ]
    selected = {"layer": layer.get("name", ""), "visible": True}
    return {**state, "layers": layers, "selectedLayer": selected, "layout": "xy-3d"}


def _names(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from (name for name in value.values() if isinstance(name, str))


def _bare(view: View) -> State:
    """Return a state that shows an artifact which is in no scene, an empty one where no viewer reads it."""
    facts, item = view.described.facts, view.described
    form, kind, segments, place = "precomputed", "segmentation", tuple[str, ...](), view.place
    if isinstance(facts, VolumeFacts) and facts.axes is None:
        form, kind = facts.format, facts.role
    elif isinstance(facts, SkeletonFacts) and "precomputed" in facts.formats:
        segments, place = facts.ids, view.place.at("skeletons-precomputed")
    elif isinstance(facts, MeshFacts):
        segments = facts.ids
    elif isinstance(facts, AnnotationFacts):
        kind = "annotation"
    elif item.external and (stated := _stated(view)):
        form, kind = stated
        segments = (str(view.stated["example"]),) if view.stated["example"] else ()
    else:
        return {}
    source = f"{form}://{place.store if place.scheme == 'gs' and not place.endpoint else place.url}"
    layer = {"type": kind, "name": item.name, "source": source}
    state: dict[str, Any] = {"layers": [layer | ({"segments": list(segments)} if segments else {})]}
    if isinstance(facts, SkeletonFacts | MeshFacts) and facts.bounds_nm:  # the viewer finds the middle of volumes only
        low, high = facts.bounds_nm
        state["dimensions"] = {axis: [1e-9, "m"] for axis in "xyz"}
        state["position"] = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        state["projectionScale"] = 1.5 * max(b - a for a, b in zip(low, high, strict=True))
        state["layout"] = "3d"
    return state


def _stated(view: View) -> tuple[str, str] | None:
    """Return the format and the kind of layer of what others host, as its owner states them."""
    words, section = str(view.stated["format"] or "").casefold(), view.described.section
    form = next((name for name in ("precomputed", "n5", "zarr") if name in words), "")
    kinds = {"volumes": "auto", "annotations": "annotation", "skeletons": "segmentation", "meshes": "segmentation"}
    return (form, kinds[section]) if form and section in kinds else None


def _link(state: State, book: Book) -> str:
    """Return the link that carries a state whole, in the release's own viewer where it has one.

    It is "" for a state without layers, and for one that makes it too long.
    """
    if not state:
        return ""
    viewer = f"{book.base.at(book.record.viewer).url}/index.html#!" if book.record.viewer else places.VIEWER
    link = viewer + quote(json.dumps(state, separators=(",", ":")), safe="")
    return link if len(link) <= _LONGEST else ""
