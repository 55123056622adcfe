"""Annotations on a lattice, each in a colour of its own property: what of them is drawn, and where."""

from __future__ import annotations

import io
from base64 import b64decode
from typing import Any

import numpy as np
from PIL import Image

SIDE, APART = 24, 20  # so many along x and y, so many voxels apart: a voxel is a pixel
COLORS = ("#e60000", "#00c800", "#3c3cff", "#e6e600")
SHADERS = {
    "point": "setPointMarkerSize(8.0); setPointMarkerBorderWidth(0.0);",
    "line": "setLineWidth(6.0); setEndpointMarkerSize(0.0);",
    "box": "setBoundingBoxFillColor(vec4(prop_colour(), 1.0));",
    "ellipsoid": "setEllipsoidFillColor(vec4(prop_colour(), 1.0));",
}
BODIES = (7, 2**53 + 1)  # of even and of odd columns of the lattice


def lattice(geometry: str) -> dict[str, Any]:
    """Return annotations at z 10 whose middles are on a lattice; colour and kind go by the row of the lattice."""
    column, row = (each.ravel() for each in np.meshgrid(np.arange(SIDE), np.arange(SIDE)))
    middle = np.stack([column * APART + 15.5, row * APART + 15.5, np.full(SIDE**2, 10.5)], axis=1)
    reach = np.array([5, 0, 0]) if geometry == "line" else np.array([5, 5, 5])
    ends = {
        "point": (middle,),
        "ellipsoid": (middle, np.broadcast_to(reach, middle.shape)),
    }.get(geometry, (middle - reach, middle + reach))
    names = {"point": "x y z", "ellipsoid": "x y z rx ry rz"}.get(geometry, "x1 y1 z1 x2 y2 z2").split()
    columns = dict(zip(names, np.concatenate(ends, axis=1).T, strict=True))
    return {
        **columns,
        "id": np.arange(SIDE**2, dtype=np.uint64) + np.uint64(2**60),
        "body": np.array(BODIES, np.uint64)[column % 2],
        "score": row / 10,
        "colour": np.array(COLORS)[row % 4],
        "kind": np.array(["a", "b", "c", "d"])[row % 4],
    }


def colors(page: Any) -> np.ndarray[Any, Any]:
    """Return the colour at each place of the lattice, shape (rows, columns, 3); 0 where nothing is drawn."""
    data, middle = page.evaluate(
        """() => {
          viewer.display.draw();
          const canvas = viewer.display.canvas, outer = canvas.getBoundingClientRect();
          const panel = [...viewer.display.panels].find(each => each.navigationState && each.element.clientWidth);
          const inner = panel.element.getBoundingClientRect();
          return [canvas.toDataURL(),
            [inner.left + inner.width / 2 - outer.left, inner.top + inner.height / 2 - outer.top]];
        }"""
    )
    picture = np.asarray(Image.open(io.BytesIO(b64decode(data.partition(",")[2]))).convert("RGB"))
    steps = np.arange(SIDE) * APART + 15 - SIDE * APART / 2
    rows, columns = ((steps + edge).round().astype(int) for edge in (middle[1], middle[0]))
    return picture[np.ix_(rows, columns)].astype(int)


def drawn(page: Any) -> np.ndarray[Any, Any]:
    """Return which of COLORS is at each place of the lattice, -1 for none; shape (rows, columns)."""
    palette = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in COLORS])
    away = np.abs(colors(page)[:, :, None, :] - palette).max(axis=-1)
    return np.where(away.min(axis=-1) < 40, away.argmin(axis=-1), -1)


WANTED = np.repeat(np.arange(SIDE)[:, None] % 4, SIDE, axis=1)
