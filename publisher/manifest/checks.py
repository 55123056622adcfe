"""What must hold between the parts of a manifest: names, keys, links, scenes, targets. Pure functions of a Release."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from publisher.artifacts import Artifact
from publisher.manifest.model import RESERVED_VERSIONS, Place, Release
from publisher.safety import MAX_KEY_BYTES, fold, hostile
from publisher.words import did_you_mean

Found = tuple[Place, str, str]

DRAWN = frozenset({"volumes", "skeletons", "meshes", "annotations"})  # what a scene can show
_RESERVED = ("site/", "viewer/", "releases.json/", ".publisher")
_HTML = re.compile(r"<(?:/?[A-Za-z][^<>]*|!--)>?")
_SCHEMES = ("s3", "gs")


def problems(release: Release, broken: frozenset[str] = frozenset()) -> Iterator[Found]:
    """Yield (place, message, hint) of everything that does not fit together.

    `broken` names artifacts that are there but did not validate: links to them are no second problem.
    """
    places = list(release.placed)
    known = {artifact.name: artifact for artifact, _ in places}
    yield from _version(release)
    yield from _names(places)
    yield from _keys(release, places)
    yield from chain.from_iterable(_links(release, artifact, place, known, broken) for artifact, place in places)
    yield from _scenes(release, known, broken)
    yield from _targets(release)
    yield from _html(release, places)


def _version(release: Release) -> Iterator[Found]:
    if release.version in RESERVED_VERSIONS:
        yield (
            ("version",),
            f"{release.version!r} names a folder that publisher uses itself",
            "choose another, such as v0.9",
        )
    if " " in release.dataset.license:
        joined = release.dataset.license.replace(" ", "-")
        yield ("dataset", "license"), f"{release.dataset.license!r} is no SPDX identifier; did you mean {joined!r}?", ""


def _names(places: list[tuple[Artifact, Place]]) -> Iterator[Found]:
    first: dict[str, Place] = {}
    for artifact, place in places:
        other = first.setdefault(artifact.name, place)
        if other != place:
            at = ".".join(str(part) for part in other)
            yield (
                (*place, "name"),
                f"two artifacts are called {artifact.name!r}; the other is {at}",
                "rename one of them",
            )


def _keys(release: Release, places: list[tuple[Artifact, Place]]) -> Iterator[Found]:
    used = {fold(release.scene_key(scene)): f"scene {scene.name!r}" for scene in release.scenes}
    for artifact, place in places:
        if artifact.external is not None:
            continue
        key, at = release.key(artifact), (*place, "key")
        if why := _bad_key(key):
            yield at, f"the key {key!r} {why}", "keys are names below the target, such as {version}/volumes/em"
            continue
        holder = used.setdefault(fold(key), f"{artifact.section} {artifact.name!r}")
        if holder != f"{artifact.section} {artifact.name!r}":
            yield at, f"the key {key!r} is taken by {holder}", "give each artifact its own key"
    folders = {release.key(artifact): artifact for artifact, _ in places if artifact.external is None}
    for artifact, place in places:
        key = release.key(artifact)
        above = next((other for other in _parents(key) if other in folders and folders[other].key_suffix), None)
        if above is not None and artifact.external is None:
            yield (*place, "key"), f"the key {key!r} lies below {above!r}, which is one object", "give it another key"


def _parents(key: str) -> Iterator[str]:
    parts = key.split("/")
    yield from ("/".join(parts[:end]) for end in range(1, len(parts)))


def _bad_key(key: str) -> str:
    if match := re.search(r"\{[^{}]*\}", key):
        near = did_you_mean(match[0].strip("{}"), ("version", "dataset", "section", "name"))
        return f"has {match[0]} in it, which stands for nothing{near}"
    parts = key.split("/")
    if key.startswith("/") or ".." in parts:
        return "leaves the target"
    if "" in parts or "." in parts:
        return "has an empty part"
    if why := next((why for part in parts if (why := hostile(part))), ""):
        return why
    if len(key.encode()) > MAX_KEY_BYTES:
        return f"is {len(key.encode())} bytes long; stores take {MAX_KEY_BYTES}"
    if f"{key}/".startswith(_RESERVED) or ".release" in parts:
        return "is where publisher keeps its own objects"
    return ""


def _links(
    release: Release, artifact: Artifact, place: Place, known: dict[str, Artifact], broken: frozenset[str]
) -> Iterator[Found]:
    for field, name in artifact.links:
        at = (*place, *field.split(".", 1))
        if name in broken:
            continue
        if name not in known:
            yield at, f"{field} names {name!r}, which is no artifact{did_you_mean(name, known)}", ""
        elif field == "segment_properties" and known[name].section != "tables":
            yield at, f"{field} must name a table, and {name!r} is one of {known[name].section}", ""
        elif field == "segmentation" and known[name].section != "volumes":
            yield at, f"{field} must name a volume, and {name!r} is one of {known[name].section}", ""
    if artifact.space is not None and artifact.space not in release.spaces:
        near = did_you_mean(artifact.space, release.spaces)
        yield (*place, "space"), f"the space {artifact.space!r} is not in `spaces`{near}", "add it there"


def _scenes(release: Release, known: dict[str, Artifact], broken: frozenset[str]) -> Iterator[Found]:
    names: set[str] = set()
    for at, scene in enumerate(release.scenes):
        if scene.name in names:
            yield ("scenes", at, "name"), f"two scenes are called {scene.name!r}", "rename one of them"
        names.add(scene.name)
        shown = [layer.artifact for layer in scene.layers]
        if scene.selected is not None and scene.selected not in shown:
            yield (
                ("scenes", at, "selected"),
                f"{scene.selected!r} is no layer of this scene{did_you_mean(scene.selected, shown)}",
                "",
            )
        for index, layer in enumerate(scene.layers):
            place = ("scenes", at, "layers", index, "artifact")
            if layer.artifact in broken:
                continue
            if layer.artifact not in known:
                drawn = [name for name, artifact in known.items() if artifact.section in DRAWN]
                near = did_you_mean(layer.artifact, drawn)
                yield (
                    place,
                    f"the layer {layer.artifact!r} is no artifact{near}",
                    f"there are {', '.join(drawn)}" if drawn else "",
                )
            elif known[layer.artifact].section not in DRAWN:
                section = known[layer.artifact].section
                yield place, f"{layer.artifact!r} is one of {section}, which the viewer cannot show", ""


def _targets(release: Release) -> Iterator[Found]:
    urls: dict[str, str] = {}
    for name, target in release.targets.items():
        scheme, separator, rest = target.url.partition("://")
        if separator and scheme not in _SCHEMES:
            yield ("targets", name, "url"), f"nothing can be uploaded to {target.url!r}", "a folder, s3://… or gs://…"
        elif separator and "." in rest.partition("/")[0]:
            yield (
                ("targets", name, "url"),
                "a bucket with a dot in its name breaks https",
                "choose a bucket without dots",
            )
        other = urls.setdefault(target.url.rstrip("/"), name)
        if other != name:
            yield ("targets", name, "url"), f"is the same place as the target {other!r}", "remove one of the two"


def _html(release: Release, places: list[tuple[Artifact, Place]]) -> Iterator[Found]:
    texts: list[tuple[Place, str]] = [(("dataset", "description"), release.dataset.description)]
    texts += [((*place, "description"), artifact.description or "") for artifact, place in places]
    for place, text in texts:
        for match in _HTML.finditer(text):
            if "://" not in match[0] and "@" not in match[0]:  # <https://…> is Markdown's own
                yield place, f"has HTML in it: {match[0][:40]}", "Markdown is allowed, HTML is not; write &lt; for <"
                break
