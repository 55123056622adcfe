"""A stand-in of DVID: one repository with a segmentation and its annotations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from publisher.examples.doubles import Answer, Answers

_TYPES = {"segmentation": "labelmap", "synapses": "annotation", "grayscale": "uint8blk"}


def answers(given: Mapping[str, Any]) -> Answers:
    """Answer as a server that has the manifest's repository."""
    uuid = given["uuid"]
    instances = {name: {"Base": {"TypeName": kind, "Name": name, "DataUUID": uuid}} for name, kind in _TYPES.items()}
    info = {"Root": uuid, "Alias": "stand-in", "DataInstances": instances, "DAG": {"Root": uuid, "Nodes": {}}}

    def answer(method: str, path: str, body: bytes) -> Answer | None:
        del body
        if (method, path) == ("GET", f"/api/repo/{uuid}/info"):
            return "application/json", json.dumps(info).encode()
        return None

    return answer
