"""A subject: one folder of one format in a release, and how a check reads it and speaks of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from publisher.errors import InvalidInput
from publisher.facts import VolumeFacts
from publisher.formats import metadata, precomputed
from publisher.formats.content import stored
from publisher.objects import Finding, Severity
from publisher.record import Described
from publisher.tree import File, Tree, walk

Kind = Literal["volume", "meshes", "skeletons", "annotations", "properties"]
Depth = Literal["quick", "sample", "full"]  # names and metadata; some hundred pieces of content; everything

_KINDS: dict[str, Kind] = {
    precomputed.VOLUME: "volume",
    precomputed.LEGACY_MESH: "meshes",
    precomputed.MULTIRESOLUTION_MESH: "meshes",
    precomputed.SKELETONS: "skeletons",
    precomputed.ANNOTATIONS: "annotations",
    precomputed.PROPERTIES: "properties",
}
# What a volume's `info` may name a folder of its own for, and what that folder must hold then.
LINKS: dict[str, Kind] = {"mesh": "meshes", "skeletons": "skeletons", "segment_properties": "properties"}
_SECTIONS = frozenset({"volumes", "meshes", "skeletons", "annotations"})


@dataclass(frozen=True)
class Subject:
    """One folder of one format, at rest on this disk, with the key that it will have.

    `inside` is its place below the tree, "" for the tree itself; `others` are the folders below it that are subjects of
    their own, whose files are not among `files()`.
    """

    kind: Kind
    artifact: Described
    tree: Tree
    inside: str = ""
    others: tuple[str, ...] = field(default=())

    @property
    def folder(self) -> Path:
        """Where it lies on this disk."""
        return self.tree.path / self.inside if self.inside else self.tree.path

    @property
    def key(self) -> str:
        """The key of the folder as it will be published."""
        return f"{self.tree.key}/{self.inside}" if self.inside else self.tree.key

    @cached_property
    def info(self) -> dict[str, Any]:
        """The folder's `info`, {} where there is none that can be read: the check of the volume that links to it says so."""
        path = precomputed.info_path(self.folder)
        try:
            return metadata.read(path) if path else {}
        except InvalidInput:
            return {}

    @property
    def facts(self) -> VolumeFacts:
        """What was measured of a volume; asked of volumes only."""
        assert isinstance(self.artifact.facts, VolumeFacts)
        return self.artifact.facts

    def files(self) -> Iterator[File]:
        """Yield the subject's files in the order of keys; `relative` is below the subject, without a `.gz` that stands for gzip.

        What cannot be read or must not be public is no concern of these checks: planning names it.
        """
        skipped = tuple(f"{other}/" for other in self.others)
        for file in walk(Tree(self.artifact.name, "", self.folder, encoded_names=self.tree.encoded_names)):
            if isinstance(file, File) and not file.relative.startswith(skipped):
                yield file

    def read(self, relative: str) -> bytes | None:
        """Return the content of a file as a reader gets it: gzip undone where it is that of the transport; None if there is none.

        Raises:
            zlib.error: it is gzip that is not whole.
            OSError: it cannot be read.

        """
        return stored(self.folder, relative, encoded_names=self.tree.encoded_names)

    def finding(self, check: str, severity: Severity, message: str, relative: str = "") -> Finding:
        """Return a finding about a file below the subject, or about the subject itself."""
        return Finding(check, severity, f"{self.key}/{relative}" if relative else self.key, message, self.artifact.name)


def subjects(trees: Iterable[Tree], artifacts: Iterable[Described]) -> Iterator[Subject]:
    """Yield what of a release has checks: each tree that is of a known format, and the folders that volumes link to."""
    described = {artifact.name: artifact for artifact in artifacts}
    for tree in trees:
        artifact = described.get(tree.artifact)
        if artifact is None or artifact.section not in _SECTIONS or not tree.path.is_dir():
            continue
        root = _subject(artifact, tree)
        if root is None:
            continue
        linked = tuple(_linked(root)) if root.kind == "volume" else ()
        yield Subject(root.kind, artifact, tree, others=tuple(other.inside for other in linked))
        yield from linked


def _subject(artifact: Described, tree: Tree) -> Subject | None:
    """Return what a tree is by its `info`, or as an array of another format; None where it is neither."""
    subject = Subject("volume", artifact, tree)
    info = subject.info
    kind = _KINDS.get(str(info.get("@type", precomputed.VOLUME if "scales" in info else "")))
    if kind is None and not info and isinstance(artifact.facts, VolumeFacts) and tree.key == artifact.key:
        kind = "volume"
    return Subject(kind, artifact, tree) if kind else None


def _linked(volume: Subject) -> Iterator[Subject]:
    """Yield the folders that a volume's `info` names, where they are there and are what they should be."""
    for name, kind in LINKS.items():
        inside = volume.info.get(name)
        if not isinstance(inside, str) or not inside.strip("/") or ".." in inside.split("/"):
            continue
        linked = Subject(kind, volume.artifact, volume.tree, inside.strip("/"))
        if _KINDS.get(str(linked.info.get("@type"))) == kind:
            yield linked
