"""The release manifest: models (`model`), YAML with places (`document`), cross-checks (`checks`), and `load`."""

from __future__ import annotations

from publisher.manifest.load import Manifest, load
from publisher.manifest.model import Layer, Release, Scene, Target, unit_nm

__all__ = ["Layer", "Manifest", "Release", "Scene", "Target", "load", "unit_nm"]
