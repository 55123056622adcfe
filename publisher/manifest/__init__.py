"""The release manifest: models (`model`), YAML with places (`document`), cross-checks (`checks`), and `load`."""

from __future__ import annotations

from publisher.manifest.load import Manifest, load
from publisher.manifest.model import Release, Target, drawable, unit_nm
from publisher.manifest.scenes import Layer, Scene

__all__ = ["Layer", "Manifest", "Release", "Scene", "Target", "drawable", "load", "unit_nm"]
