"""What must hold between the parts of a manifest: names, keys, links, scenes, targets. Pure functions of a Release."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from publisher.artifacts import Artifact
from publisher.manifest.model import DRAWN, RESERVED_VERSIONS, Place, Release, spelled
from publisher.safety import MAX_KEY_BYTES, fold, hostile
from publisher.words import did_you_mean

Found = tuple[Place, str, str]

_RESERVED = ("site/", "viewer/", "releases.json/")
_HTML = re.compile(r"<(?:/?[A-Za-z][^<>]*|!--)>?")
_CODE = re.compile(r"(?<![\\`])(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)  # Markdown's own: what is in it is text
_SCHEMES = ("s3", "gs")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]")  # _ is Google's alone


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
            yield (
                (*place, "name"),
                f"two artifacts are called {artifact.name!r}; the other is {spelled(other)}",
                "rename one of them",
            )


def _keys(release: Release, places: list[tuple[Artifact, Place]]) -> Iterator[Found]:
    scenes = ((release.scene_key(scene), f"scene {scene.name!r}") for scene in release.views)
    used = {fold(key): (key, holder) for key, holder in scenes}
    for artifact, place in places:
        if artifact.external is not None:
            continue
        key, at = release.key(artifact), (*place, "key")
        if why := _bad_key(key):
            yield at, f"the key {key!r} {why}", "keys are names below the target, such as {version}/volumes/em"
            continue
        own = (key, f"{artifact.section} {artifact.name!r}")
        other, holder = used.setdefault(fold(key), own)
        if (other, holder) != own:
            how = "is taken by" if other == key else f"differs only by case or accents from {other!r} of"
            yield at, f"the key {key!r} {how} {holder}", "give each artifact its own key"
        if release.viewer == "self" and f"{key}/".startswith(f"{release.version}/viewer/"):
            yield at, f"the key {key!r} is where the release's own viewer goes", "give it another key"
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
        return f"has {match[0]} in it; only {{version}}, {{dataset}}, {{section}} and {{name}} mean something{near}"
    parts = key.split("/")
    if key.startswith("/") or ".." in parts:
        return "leaves the target"
    if "" in parts or "." in parts:
        return "has an empty part"
    if why := next((why for part in parts if (why := hostile(part))), ""):
        return why
    if len(key.encode()) > MAX_KEY_BYTES:
        return f"is {len(key.encode())} bytes long; stores take {MAX_KEY_BYTES}"
    if f"{key}/".startswith(_RESERVED):
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
        elif field in {"segment_properties", "regions"} and known[name].section != "tables":
            yield at, f"{field} must name a table, and {name!r} is one of {known[name].section}", ""
        elif field.startswith(("segmentation", "relationships.")) and known[name].section != "volumes":
            yield at, f"{field} must name a volume, and {name!r} is one of {known[name].section}", ""
    if artifact.space is not None and artifact.space not in release.spaces:
        near = did_you_mean(artifact.space, release.spaces)
        yield (
            (*place, "space"),
            f"the space {artifact.space!r} is not in `spaces`{near}",
            "add it there, or correct the name",
        )


def _scenes(release: Release, known: dict[str, Artifact], broken: frozenset[str]) -> Iterator[Found]:
    names: set[str] = set()
    for at, scene in enumerate(release.scenes):
        if scene.name in names:
            yield ("scenes", at, "name"), f"two scenes are called {scene.name!r}", "rename one of them"
        names.add(scene.name)
        shown = scene.shown or [name for name, artifact in known.items() if artifact.section in DRAWN]
        if scene.selected is not None and scene.selected not in {*shown, *broken}:
            yield (
                ("scenes", at, "selected"),
                f"{scene.selected!r} is no layer of this scene{did_you_mean(scene.selected, shown)}",
                "",
            )
        for index, layer in enumerate(scene.layers or ()):
            place = ("scenes", at, "layers", index, "artifact")
            if layer.artifact is None or layer.artifact in broken:
                continue
            if layer.artifact not in known:
                drawn = [name for name, artifact in known.items() if artifact.section in DRAWN]
                near = did_you_mean(layer.artifact, [*drawn, *broken])
                hint = f"known here: {', '.join(drawn)}" if drawn and not near else ""
                yield place, f"the layer {layer.artifact!r} is no artifact{near}", hint
            elif known[layer.artifact].section not in DRAWN:
                section = known[layer.artifact].section
                message = f"{layer.artifact!r} is one of {section}, which the viewer cannot show"
                yield place, message, f"layers show {', '.join(sorted(DRAWN))}"


def _targets(release: Release) -> Iterator[Found]:
    urls: dict[str, str] = {}
    for name, target in release.targets.items():
        if wrong := address_trouble(target.url):
            yield ("targets", name, "url"), *wrong
        other = urls.setdefault(target.url.rstrip("/"), name)
        if other != name:
            yield ("targets", name, "url"), f"is the same place as the target {other!r}", "remove one of the two"


def address_trouble(url: str) -> tuple[str, str] | None:
    """Return what is wrong with the address of a target, and what to do; None where it can be one."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        return None
    bucket, _, prefix = rest.partition("/")
    if scheme not in _SCHEMES:
        hint = "give a folder, s3://bucket/prefix or gs://bucket/prefix"
        hint += "; what readers use is `public_url`" if scheme in {"http", "https"} else ""
        return f"nothing can be uploaded to {url!r}", hint
    if "." in bucket:
        return f"the bucket {bucket!r} has a dot in its name, which breaks https", "choose a bucket without dots"
    if not _BUCKET.fullmatch(bucket):
        return f"{bucket!r} is no name of a bucket", "3 to 63 small letters, digits and dashes"
    parts = prefix.strip("/").split("/") if prefix.strip("/") else []
    if any(part in {"", ".", ".."} or not part.isprintable() for part in parts):
        return f"the prefix {prefix!r} is no place that every program can read", "leave out empty parts, . and .."
    return None


def _html(release: Release, places: list[tuple[Artifact, Place]]) -> Iterator[Found]:
    texts: list[tuple[Place, str]] = [
        (("changes",), release.changes),
        (("dataset", "description"), release.dataset.description),
    ]
    texts += [((*place, "description"), artifact.description or "") for artifact, place in places]
    services = ((name, getattr(service, "description", None)) for name, service in release.programmatic)
    texts += [(("programmatic", name, "description"), words) for name, words in services if words]
    for place, text in texts:
        for match in _HTML.finditer(_CODE.sub("", text)):
            if "://" not in match[0] and "@" not in match[0]:  # <https://…> is Markdown's own
                message = f"{place[-1]} has HTML in it: {match[0][:40]}"
                yield place, message, "Markdown is allowed, HTML is not; write &lt; for <, or `code`"
                break
