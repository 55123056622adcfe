"""How to copy an artifact from the command line: all of it and a part, an example for each tool, so that each is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from publisher.facts import AnnotationFacts, MeshFacts, SkeletonFacts, VolumeFacts
from publisher.page.places import is_file
from publisher.page.view import Book, View
from publisher.record import record_key


class Shown(NamedTuple):
    """An example to be made: what its tool is called, the end of its file's name, and what its template names."""

    title: str
    name: str
    values: Mapping[str, Any]
    of: str = ""  # the template, where it is not the file's name

    @property
    def template(self) -> str:
        """The file in `templates/examples/`."""
        return self.of or self.name


_TOOLS = {
    "gs": (("gcloud", "gcloud storage"), ("gsutil", "gsutil"), ("rclone", "rclone")),
    "s3": (("aws", "aws"), ("s5cmd", "s5cmd"), ("rclone", "rclone")),
}
WITH_CREDENTIALS = frozenset(
    f"{amount}-{tool}.sh" for amount in ("copy", "part") for tools in _TOOLS.values() for tool, _ in tools
)


def shown(view: View, book: Book, *, anonymous: bool) -> Iterator[Shown]:
    """Yield the examples that copy an artifact, or a part of one that is a folder."""
    item, place = view.described, view.place
    single = view.single or (bool(item.external) and is_file(item.section, place.name))
    # Whether objects may be stored with Content-Encoding: gzip, which only some tools undo.
    coded = isinstance(item.facts, SkeletonFacts | MeshFacts | AnnotationFacts)
    coded = coded or (isinstance(item.facts, VolumeFacts) and item.facts.format == "precomputed")
    values: dict[str, Any] = {"anonymous": anonymous, "coded": coded}
    whole = values | {"place": place, "single": single}
    if single:
        yield Shown("curl", "copy-curl.sh", whole)
    for tool, title in _TOOLS.get(place.scheme, ()):
        yield Shown(title, f"copy-{tool}.sh", whole)
    if not single and not item.external and book.base.url:
        given = {"base": book.base.url, "record": record_key(book.record.release), "artifact": item.name}
        yield Shown("Any store, with digests checked", "copy-tree.py", given)
    inner, alone = ("", False) if single else _part(view)
    if inner:
        part = values | {"place": place.at(inner), "single": alone}
        if alone:
            yield Shown("curl, a part", "part-curl.sh", part, "copy-curl.sh")
        for tool, title in _TOOLS.get(place.scheme, ()):
            yield Shown(f"{title}, a part", f"part-{tool}.sh", part, f"copy-{tool}.sh")


def _part(view: View) -> tuple[str, bool]:
    """Return something small in a folder that people may want alone, and whether it is one object: its coarsest scale."""
    facts = view.described.facts
    if isinstance(facts, VolumeFacts):
        return facts.scales[-1].key, False
    if isinstance(facts, SkeletonFacts) and facts.ids:
        name = f"{facts.ids[0]}.swc" if "swc" in facts.formats else facts.ids[0]
        return f"skeletons-{'swc' if name.endswith('.swc') else 'precomputed'}/{name}", True
    return ("info", True) if isinstance(facts, MeshFacts | AnnotationFacts) else ("", False)
