"""Whether precomputed meshes hold: legacy fragments, and multi-resolution manifests with their data.

Source of the rules: neuroglancer, src/datasource/precomputed/meshes.md. Sizes are bytes.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

from publisher.formats.precomputed import LEGACY_MESH
from publisher.health import manifests
from publisher.health.keyed import Value, is_id, sharding_of, values
from publisher.health.sample import MOST, chosen
from publisher.health.stored import transform_trouble
from publisher.health.subject import Depth, Subject
from publisher.objects import Finding

CHECK = "meshes"
_MANIFEST = re.compile(r"([0-9]+):([0-9]+)")


def check(subject: Subject, depth: Depth) -> Iterator[Finding]:
    """Yield what is wrong with a folder of meshes. Memory: one mesh, and the names of a sample."""
    if subject.info.get("@type") == LEGACY_MESH:
        yield from _legacy(subject, depth)
    else:
        yield from _multiresolution(subject, subject.info, depth)


def _legacy(subject: Subject, depth: Depth) -> Iterator[Finding]:
    names = (file.relative for file in subject.files() if _MANIFEST.fullmatch(file.relative))
    some = False
    for name in chosen(names, MOST[depth], subject.key):
        some = True
        if isinstance(name, Finding):
            yield name
            continue
        segment, _, level = name.partition(":")
        if not is_id(segment) or level != "0":
            yield subject.finding(CHECK, "warning", "is never asked for: manifests are named <segment id>:0", name)
        fragments = legacy_fragments(subject, name)
        if isinstance(fragments, Finding):
            yield fragments
            continue
        if not fragments:
            yield subject.finding(CHECK, "warning", "names no fragment: this segment shows nothing", name)
        for fragment in fragments:
            yield from _fragment(subject, name, fragment)
    if not some and MOST[depth] != 0:
        message = "holds no mesh → legacy meshes have manifests named <segment id>:0"
        yield subject.finding(CHECK, "warning", message)


def legacy_fragments(subject: Subject, name: str) -> list[str] | Finding:
    """Return the names of the fragments of a manifest, or what is wrong with it."""
    try:
        value = json.loads(subject.read(name) or b"")
    except (OSError, ValueError, zlib.error) as error:
        return subject.finding(CHECK, "error", f"is not JSON: {error}", name)
    fragments = value.get("fragments") if isinstance(value, dict) else None
    if not isinstance(fragments, list) or not all(isinstance(each, str) and each for each in fragments):
        message = 'must be an object with a list of names, such as {"fragments": ["1:0:1"]}'
        return subject.finding(CHECK, "error", message, name)
    return fragments


def _fragment(subject: Subject, manifest: str, name: str) -> Iterator[Finding]:
    """Yield what is wrong with a fragment: a count, vertices as three float32 each, triangles as three uint32 each."""
    import numpy as np  # noqa: PLC0415 - heavy, and `--help` must be instant

    try:
        data = subject.read(name)
    except (OSError, zlib.error) as error:
        yield subject.finding(CHECK, "error", f"cannot be read: {error}", name)
        return
    if data is None:
        message = f"is missing, and {manifest} names it: the viewer shows nothing of this segment"
        yield subject.finding(CHECK, "error", message, name)
        return
    if len(data) < 4:  # noqa: PLR2004 - the count
        yield subject.finding(CHECK, "error", f"is {len(data)} bytes long, too short for a mesh", name)
        return
    vertices = int(np.frombuffer(data, "<u4", 1)[0])
    rest = len(data) - 4 - vertices * 12
    if rest < 0 or rest % 12:
        message = f"is {len(data)} bytes long; {vertices} vertices take {4 + vertices * 12}, and each triangle 12 more"
        yield subject.finding(CHECK, "error", f"{message} → is it cut off, or no mesh?", name)
        return
    if not np.isfinite(np.frombuffer(data, "<f4", vertices * 3, 4)).all():
        yield subject.finding(CHECK, "error", "has a vertex that is no number (NaN or infinite)", name)
    corners = np.frombuffer(data, "<u4", rest // 4, 4 + vertices * 12)
    if len(corners) and (last := int(corners.max())) >= vertices:
        message = f"has a triangle with vertex {last}, and {vertices} vertices (they count from 0)"
        yield subject.finding(CHECK, "error", message, name)
    if not vertices or not len(corners):
        message = f"has {vertices} vertices and {len(corners) // 3} triangles: there is nothing to see"
        yield subject.finding(CHECK, "warning", message, name)


def _multiresolution(subject: Subject, info: dict[str, Any], depth: Depth) -> Iterator[Finding]:
    bits = info.get("vertex_quantization_bits")
    if bits not in (10, 16):
        message = f"`vertex_quantization_bits` must be 10 or 16, not {bits!r}: the layer fails"
        yield subject.finding(CHECK, "error", message, "info")
    multiplier = info.get("lod_scale_multiplier")
    if not isinstance(multiplier, int | float) or not 0 < multiplier < float("inf"):
        message = f"`lod_scale_multiplier` must be a number above 0, not {multiplier!r}: the layer fails"
        yield subject.finding(CHECK, "error", message, "info")
    if (wrong := transform_trouble(info)) is not None:
        yield subject.finding(CHECK, *wrong, "info")
    sharding = sharding_of(info, subject, CHECK)
    if isinstance(sharding, Finding):
        yield sharding
        return
    found = unsharded(subject) if sharding is None else values(subject, sharding, CHECK, "mesh")
    some = False
    for value in chosen(found, MOST[depth], subject.key):
        some = True
        yield from [value] if isinstance(value, Finding) else _mesh(value)
    if not some and MOST[depth] != 0:
        yield subject.finding(CHECK, "warning", "holds no mesh → those are <segment id> and <segment id>.index")


def unsharded(subject: Subject) -> Iterator[Value | Finding]:
    """Yield each manifest as a value, and files that no reader finds."""
    for file in subject.files():
        name = file.relative
        segment = name.removesuffix(".index")
        if name == "info":
            continue
        if not is_id(segment):
            message = "is no mesh: those are named <segment id> and <segment id>.index"
            yield subject.finding(CHECK, "note", message, name)
        elif name != segment:
            yield Value(int(segment), subject, name)
        elif not _there(subject, f"{segment}.index"):
            message = f"has no {name}.index beside it: no reader finds this mesh"
            yield subject.finding(CHECK, "error", f"{message} → copy it too, or remove both", name)


def _there(subject: Subject, name: str) -> bool:
    return (subject.folder / name).is_file() or (
        subject.tree.encoded_names and (subject.folder / f"{name}.gz").is_file()
    )


def _mesh(value: Value) -> Iterator[Finding]:
    data = value.read()
    manifest = data if isinstance(data, str) else manifests.parse(data)
    if isinstance(manifest, str):
        yield value.finding(CHECK, "error", manifest)
        return
    for severity, message in manifests.troubles(manifest):
        yield value.finding(CHECK, severity, message)
    total = sum(map(sum, manifest.sizes))
    if value.entry is not None:
        fragments = value.before(total)
        if fragments is None:
            message = f"its fragments of {total} bytes do not fit between the index of the shard and the manifest"
            yield value.finding(CHECK, "error", f"{message} → in a shard, a mesh stands right before its manifest")
            return
    else:
        name = str(value.id)
        try:
            fragments = value.place.read(name)
        except (OSError, zlib.error) as error:
            yield value.place.finding(CHECK, "error", f"cannot be read: {error}", name)
            return
        if fragments is None:
            message = f"is missing, and {value.file} describes it: the viewer shows nothing of this segment"
            yield value.place.finding(CHECK, "error", message, name)
            return
        if len(fragments) != total:
            message = f"is {len(fragments)} bytes long, and the fragments in {value.file} add up to {total}"
            yield value.place.finding(CHECK, "error", f"{message} → is it cut off, or of another mesh?", name)
            return
    if wrong := manifests.draco_trouble(manifest, fragments):
        yield value.finding(CHECK, "error", wrong)
