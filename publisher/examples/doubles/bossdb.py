"""A stand-in of BossDB: one collection, experiment and channel, whose voxels all are 7."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

from publisher.examples.doubles import Answer, Answers

_SIZE = {"x": 1024, "y": 1024, "z": 16}
_CUTOUT = re.compile(r"/cutout/[^/]+/[^/]+/[^/]+/\d+/(\d+):(\d+)/(\d+):(\d+)/(\d+):(\d+)/?")


def answers(given: Mapping[str, Any]) -> Answers:
    """Answer as a server that has the manifest's channel."""
    collection, experiment, channel = given["collection"], given["experiment"], given.get("channel") or "em"
    frame: dict[str, Any] = {"name": "frame", "description": "", "voxel_unit": "nanometers"}
    frame |= {f"{axis}_start": 0 for axis in _SIZE} | {f"{axis}_stop": stop for axis, stop in _SIZE.items()}
    frame |= {f"{axis}_voxel_size": 8 for axis in _SIZE}
    scales = {"num_hierarchy_levels": 1, "hierarchy_method": "isotropic", "num_time_samples": 1}
    tried = {"name": experiment, "description": "", "creator": "nobody", "coord_frame": "frame", **scales}
    tried |= {"collection": collection, "channels": [channel], "time_step": None, "time_step_unit": ""}
    shown = {"name": channel, "description": "", "creator": "nobody", "type": "image", "datatype": "uint8"}
    shown |= {
        "default_time_sample": 0,
        "base_resolution": 0,
        "sources": [],
        "related": [],
        "downsample_status": "DOWNSAMPLED",
        "storage_type": "spdb",
    }
    place = f"/collection/{collection}/experiment/{experiment}"
    known: dict[str, Any] = {
        f"/collection/{collection}": {"name": collection, "description": "", "experiments": [experiment]},
        f"/collection/{collection}/experiment": {"experiments": [experiment]},
        place: tried,
        f"{place}/channel": {"channels": [channel]},
        f"{place}/channel/{channel}": shown,
        "/coord/frame": frame,
        "/coord": {"coords": ["frame"]},
    }

    def answer(method: str, path: str, body: bytes) -> Answer | None:
        del body
        bare = re.sub(r"^/v\d+", "", path.partition("?")[0]).rstrip("/")
        if method != "GET":
            return None
        if found := _CUTOUT.fullmatch(f"{bare}/"):
            low_x, high_x, low_y, high_y, low_z, high_z = map(int, found.groups())
            return "application/blosc", _blosc(b"\7" * math.prod((high_x - low_x, high_y - low_y, high_z - low_z)))
        return ("application/json", json.dumps(known[bare]).encode()) if bare in known else None

    return answer


def _blosc(data: bytes) -> bytes:
    """Return bytes as a blosc buffer that is merely copied: versions, that flag, one byte an item, three sizes."""
    copied = 2
    return struct.pack("<BBBBIII", 2, 1, copied, 1, len(data), len(data), len(data) + 16) + data
