"""Scenes: for each, the state of a real Neuroglancer viewer, built through the neuroglancer package's own classes.

`build` puts a state together from what `frame` (where to look), `layers` (one of each kind), `sources` (their addresses)
and `shaders` (how they are drawn) say, and `known` looks at it as the viewer will. Positions are in voxels of the scene's
dimensions (+0.5 is a voxel's centre), `crossSectionScale` in voxels a screen pixel, `projectionScale` in voxels that the
view's height spans.
"""

from __future__ import annotations

from publisher.scene.build import VIEWER, View, build, link, short_link
from publisher.scene.colors import COLORS
from publisher.scene.frame import bounds_nm

__all__ = ["COLORS", "VIEWER", "View", "bounds_nm", "build", "link", "short_link"]
