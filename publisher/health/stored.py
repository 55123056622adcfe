"""Stored coordinates of meshes and skeletons, and what brings them to nm: the `transform` of an `info`.

Source: neuroglancer, src/datasource/precomputed/meshes.md and skeletons.md.
"""

from __future__ import annotations

from typing import Any

from publisher.objects import Severity

Trouble = tuple[Severity, str]
IDENTITY = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_NUMBERS = 12


def transform_trouble(info: dict[str, Any]) -> Trouble | None:
    """Return how bad it is and what is wrong with the `transform`: three rows of four numbers, stored coordinates to nm."""
    value = info.get("transform")
    if value is None:
        message = "`transform` is missing: the viewer takes the identity, and cloud-volume cannot read the folder"
        return "warning", f"{message} → write {list(map(int, IDENTITY))} where coordinates are nm"
    numbers = isinstance(value, list) and all(isinstance(n, int | float) and abs(n) < float("inf") for n in value)
    if not numbers or len(value) != _NUMBERS:
        return (
            "error",
            "`transform` must be 12 numbers: the layer fails → three rows of four, from stored coordinates to nm",
        )
    rows = [value[at : at + 3] for at in (0, 4, 8)]
    if abs(_determinant(rows)) == 0:
        return "error", "`transform` makes everything flat: its determinant is 0 → correct its scales"
    return None


def matrix(info: dict[str, Any]) -> tuple[float, ...]:
    """Return the 12 numbers of `transform`, the identity where it has none that hold."""
    given = info.get("transform")
    return tuple(map(float, given)) if given is not None and transform_trouble(info) is None else IDENTITY


def _determinant(rows: list[list[float]]) -> float:
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
