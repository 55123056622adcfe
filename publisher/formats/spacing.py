"""Which axis of an array is x, y and z, and how many nanometres a voxel is along each, as its metadata say.

Sources: OME-NGFF 0.1 to 0.5 (ngff.openmicroscopy.org), zarr v3's `dimension_names`, and what n5-viewer, bigdataviewer-n5
and tensorstore write into N5 attributes (neuroglancer, src/datasource/n5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from publisher.facts import Triple, Whole

_NM = {"nm": 1.0, "nanometer": 1.0, "um": 1e3, "µm": 1e3, "micrometer": 1e3, "mm": 1e6, "millimeter": 1e6, "m": 1e9}
_SPACE = ("x", "y", "z")
UNKNOWN = (0.0, 0.0, 0.0)

JSON = dict[str, Any]


def order(names: Any, axes: int) -> Whole:  # noqa: ANN401 - JSON
    """Return at which places x, y and z stand: where their names say so, else as z, y, x at the end."""
    known = [str(name).lower() for name in names] if isinstance(names, list | tuple) else []
    if len(known) == axes and set(_SPACE) <= set(known):
        return known.index("x"), known.index("y"), known.index("z")
    return axes - 1, axes - 2, axes - 3


def pick(values: Any, places: Whole) -> Triple:  # noqa: ANN401 - JSON
    """Return the lengths at three places; unknown where they are not numbers above nothing."""
    try:
        x, y, z = (float(values[place]) for place in places)
    except (TypeError, ValueError, IndexError, KeyError):
        return UNKNOWN
    return (x, y, z) if min(x, y, z) > 0 else UNKNOWN


def datasets(attributes: JSON) -> Iterator[tuple[str, tuple[str, ...], list[float]]]:
    """Yield what OME multiscales name: path of the array, names of its axes, and nm a voxel along each of them."""
    for image in _objects(attributes.get("ome", attributes), "multiscales"):
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", ())]
        names = tuple(str(axis.get("name", "")) for axis in axes)
        nm = [_NM.get(str(axis.get("unit", "nanometer")), 1.0) for axis in axes]
        above = _ome_scale(image)
        for dataset in _objects(image, "datasets"):
            own = _ome_scale(dataset)
            factors = above if len(above) == len(own) else [1.0] * len(own)
            units = nm if len(nm) == len(own) else [1.0] * len(own)
            lengths = [a * b * c for a, b, c in zip(own, factors, units, strict=True)]
            yield str(dataset.get("path", "")).strip("/"), names, lengths


def n5(array: JSON, root: JSON, name: str) -> Triple:
    """Return nm a voxel of an N5 array: its own words, else those of its group times how much it is down-sampled."""
    own = _n5_resolution(array)
    if own != UNKNOWN:
        return own
    base = pick(array.get("downsamplingFactors", _n5_factors(root, name)), (0, 1, 2))
    x, y, z = (a * b for a, b in zip(_n5_resolution(root), base, strict=True))
    return x, y, z


def _n5_resolution(meta: JSON) -> Triple:
    value: Any = meta.get("pixelResolution", meta.get("resolution"))
    units: Any = meta.get("units")
    if isinstance(value, dict):
        value, units = value.get("dimensions"), [value.get("unit", "nm")] * len(_SPACE)
    x, y, z = pick(value, (0, 1, 2))
    factors = [_NM.get(str(unit), 1.0) for unit in units[:3]] if isinstance(units, list) else []
    fx, fy, fz = factors if len(factors) == len(_SPACE) else (1.0, 1.0, 1.0)
    return x * fx, y * fy, z * fz


def _n5_factors(root: JSON, name: str) -> Any:  # noqa: ANN401 - JSON
    levels = root.get("downsamplingFactors", root.get("scales"))
    number = re.fullmatch(r"s([0-9]+)", name)
    if isinstance(levels, list) and number and int(number[1]) < len(levels):
        return levels[int(number[1])]
    return (1, 1, 1) if number is None or int(number[1]) == 0 else None


def _ome_scale(holder: JSON) -> list[float]:
    """Return the scale of a data set or an image, empty where it has none that can be read."""
    for transformation in _objects(holder, "coordinateTransformations"):
        scale = transformation.get("scale")
        if transformation.get("type") == "scale" and isinstance(scale, list):
            return [float(length) if isinstance(length, int | float) else 0.0 for length in scale]
    return []


def _objects(holder: Any, name: str) -> list[JSON]:  # noqa: ANN401 - JSON
    """Return the objects of a list in JSON that nobody has checked."""
    value = holder.get(name) if isinstance(holder, dict) else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
