"""Folders that a volume's `info` names: meshes, skeletons, segment properties. Without one of them a layer fails, or lies.

Measured with neuroglancer 2.41.2: a segmentation whose `skeletons` or `segment_properties` have no `info` is not shown at
all; meshes without `info` are taken for legacy ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from publisher.errors import InvalidInput
from publisher.formats import metadata, precomputed
from publisher.health.subject import LINKS, Depth, Subject
from publisher.objects import Finding

CHECK = "linked"
_TYPES = {
    "mesh": (precomputed.LEGACY_MESH, precomputed.MULTIRESOLUTION_MESH),
    "skeletons": (precomputed.SKELETONS,),
    "segment_properties": (precomputed.PROPERTIES,),
}
_LEGACY = re.compile(r"[0-9]+:0(\.gz)?")


def check(subjects: Sequence[Subject], depth: Depth) -> Iterator[Finding]:
    """Yield what is wrong with what volumes name; what is in those folders is looked at by their own checks."""
    del depth
    for subject in subjects:
        if subject.kind == "volume":
            for name in LINKS:
                if subject.info.get(name) is not None:
                    yield from _link(subject, name, subject.info[name])


def _link(volume: Subject, name: str, inside: object) -> Iterator[Finding]:
    if not isinstance(inside, str) or not inside.strip("/"):
        message = f"`{name}` must be the name of a folder, not {inside!r}: the layer fails"
        yield volume.finding(CHECK, "error", message, "info")
        return
    inside = inside.strip("/")
    if ".." in inside.split("/"):
        message = f"`{name}` is {inside!r}, which lies outside of the source: it was not looked at"
        yield volume.finding(CHECK, "note", message, "info")
        return
    folder = volume.folder / inside
    path = precomputed.info_path(folder)
    if path is None:
        yield _missing(volume, name, inside)
        return
    try:
        kind = metadata.read(path).get("@type")
    except InvalidInput as error:
        message = f"{error.problems[0].message}: the whole segmentation fails"
        yield volume.finding(CHECK, "error", message, f"{inside}/info")
        return
    if kind not in _TYPES[name]:
        message = f"`@type` must be {' or '.join(_TYPES[name])}, not {kind!r}: the whole segmentation fails"
        yield volume.finding(CHECK, "error", message, f"{inside}/info")


def _missing(volume: Subject, name: str, inside: str) -> Finding:
    folder = volume.folder / inside
    place = f"{inside}/info" if folder.is_dir() else inside
    said = f"is missing, and `{name}` of the volume's info names it"
    if not folder.is_dir():
        hint = f"copy {inside!r} too, or take `{name}` out of info"
    elif name == "mesh":
        legacy = any(_LEGACY.fullmatch(path.name) for path in folder.iterdir())
        hint = (
            f'write {{"@type": "{precomputed.LEGACY_MESH}"}} there' if legacy else "copy it from where they were made"
        )
    else:
        hint = "copy it from where the folder was made"
    if name == "mesh":
        message = f"{said}: the viewer takes the meshes for legacy ones, and other readers fail"
    else:
        message = f"{said}: the viewer shows nothing of the whole segmentation"
    return volume.finding(CHECK, "error", f"{message} → {hint}", place)
