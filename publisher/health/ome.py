"""OME-Zarr multiscales: axes, data sets, and their transformations.

Sources of the rules: OME-NGFF 0.4 and 0.5 (ngff.openmicroscopy.org), and what neuroglancer 2.41 reads of them
(src/datasource/zarr/ome.ts).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from publisher.errors import InvalidInput
from publisher.formats import metadata
from publisher.health.subject import Subject
from publisher.objects import Finding, Severity

_VERSIONS = {"zarr2": ("0.4",), "zarr3": ("0.5", "0.4")}
_KINDS = ("time", "channel", "space")
_LENGTHS = frozenset(
    {"angstrom", "foot", "inch", "mile", "yard", "parsec", "meter"}
    | {
        f"{prefix}meter"
        for prefix in (
            "yotta", "zetta", "exa", "peta", "tera", "giga", "mega", "kilo", "hecto", "deca", "deci", "centi", "milli",
            "micro", "nano", "pico", "femto", "atto", "zepto", "yocto",
        )
    }
)  # fmt: skip

_Said = tuple[Severity, str]


def check(volume: Subject) -> Iterator[Finding]:
    """Look at the multiscales of a zarr group, if it has any."""
    kind = volume.facts.format
    file = "zarr.json" if kind == "zarr3" else ".zattrs"
    path = volume.folder / file
    if kind not in _VERSIONS or not path.is_file():
        return
    meta = metadata.read(path)
    attributes = meta.get("attributes") if kind == "zarr3" else meta
    attributes = attributes if isinstance(attributes, dict) else {}
    ome = attributes.get("ome")
    group = ome if isinstance(ome, dict) else attributes
    images = group.get("multiscales")
    if images is None:
        return
    if not isinstance(images, list) or not images or not isinstance(images[0], dict):
        message = "`multiscales` must be a list of objects that is not empty → write the OME metadata again"
        yield volume.finding("ome", "error", message, file)
        return
    version = str(group.get("version") if "ome" in attributes else images[0].get("version"))
    for severity, message in (*_version(version, kind), *_image(volume, images[0], kind)):
        yield volume.finding("ome", severity, message, file)


def _version(version: str, kind: str) -> Iterator[_Said]:
    if version not in _VERSIONS[kind]:
        wanted = f"{' or '.join(_VERSIONS[kind])} in zarr v{kind[-1]}"
        yield (
            "warning",
            f"is OME-Zarr {version}, and neuroglancer reads only {wanted}: its layer stays empty, with an error → convert it",
        )


def _image(volume: Subject, image: dict[str, Any], kind: str) -> Iterator[_Said]:
    axes = image.get("axes")
    if not isinstance(axes, list) or not all(isinstance(a, dict) and isinstance(a.get("name"), str) for a in axes):
        yield "error", "`axes` must be a list of objects with a name → write the OME metadata again"
        return
    yield from _axes(axes)
    datasets = image.get("datasets")
    if not isinstance(datasets, list) or not datasets:
        yield "error", "`datasets` is empty → name the arrays, finest first"
        return
    previous: list[float] = []
    for number, dataset in enumerate(datasets):
        place = f"datasets[{number}]"
        path = dataset.get("path") if isinstance(dataset, dict) else None
        if not isinstance(path, str) or not path or ".." in path.split("/"):
            yield "error", f"{place} has no path → name the folder of its array"
            continue
        scale, said = _transformations(dataset, len(axes), f"{place} ({path})")
        yield from said
        yield from _array(volume, path, len(axes), kind)
        if scale and previous and any(a < b * (1 - 1e-9) for a, b in zip(scale, previous, strict=True)):
            yield "error", f"{place} ({path}) is finer than the one before it → list the data sets from fine to coarse"
        previous = scale or previous


def _axes(axes: list[dict[str, Any]]) -> Iterator[_Said]:
    names = [axis["name"] for axis in axes]
    if len(set(names)) != len(names):
        yield "error", f"two axes have one name ({', '.join(names)}) → give each its own"
    kinds = [axis.get("type") for axis in axes]
    space = kinds.count("space")
    if not 2 <= space <= 3:  # noqa: PLR2004 - the specification's numbers
        yield "error", f"has {space} axes of type space → there must be two or three"
    order = [_KINDS.index(kind) for kind in kinds if kind in _KINDS]
    if order != sorted(order):
        yield (
            "warning",
            f"its axes ({', '.join(names)}) are not in the order time, channel, space → other readers refuse that",
        )
    for axis in axes:
        unit = axis.get("unit")
        if axis.get("type") == "space" and unit is None:
            yield (
                "warning",
                f"axis {axis['name']} has no unit: viewers take it for a number without one → add one, such as nanometer",
            )
        elif axis.get("type") == "space" and unit not in _LENGTHS:
            yield (
                "warning",
                f"axis {axis['name']} has the unit {unit!r}, which neuroglancer refuses → write it out, such as nanometer",
            )


def _transformations(dataset: dict[str, Any], axes: int, place: str) -> tuple[list[float], list[_Said]]:
    """Return the scale of a data set, and what is wrong with its transformations."""
    given = dataset.get("coordinateTransformations")
    rows = [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []
    if [row.get("type") for row in rows] not in (["scale"], ["scale", "translation"]):
        return [], [
            (
                "error",
                f"{place} must have one scale, and at most a translation after it → correct its coordinateTransformations",
            )
        ]
    for row in rows:
        values = row.get(str(row["type"]))
        if not isinstance(values, list) or len(values) != axes or not all(isinstance(n, int | float) for n in values):
            return [], [
                ("error", f"{place}: its {row['type']} must have {axes} numbers, one for each axis → correct it")
            ]
    scale = [float(n) for n in rows[0]["scale"]]
    if min(scale) <= 0:
        return [], [("error", f"{place}: its scale is {scale} → lengths are above 0")]
    return scale, []


def _array(volume: Subject, path: str, axes: int, kind: str) -> Iterator[_Said]:
    name = ".zarray" if kind == "zarr2" else "zarr.json"
    try:
        meta = metadata.read(volume.folder / path.strip("/") / name)
    except InvalidInput:
        yield (
            "error",
            f"names the data set {path!r}, but {path}/{name} is not there or no JSON → write it, or take it out",
        )
        return
    shape = meta.get("shape")
    if not isinstance(shape, list) or len(shape) != axes:
        yield "error", f"has {axes} axes, but the array {path} has the shape {shape} → they must be as many"
