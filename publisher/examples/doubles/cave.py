"""A stand-in of CAVE: one datastack with two tables, materialized once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from publisher.examples.doubles import Answer, Answers

_TABLES = ["synapses", "nucleus_detection"]


def answers(given: Mapping[str, Any]) -> Answers:
    """Answer as a server that has the manifest's datastack."""
    name, server = given["datastack"], given["server"].rstrip("/")
    volume = {"id": 1, "name": "stand-in", "display_name": "Stand-in", "image_source": "precomputed://gs://stand-in/em"}
    volume["description"] = "An image that is not there."
    info = {
        "aligned_volume": volume,
        "analysis_database": None,
        "description": "A datastack that is not there.",
        "local_server": server,
        "proofreading_status_table": None,
        "segmentation_source": "graphene://https://stand-in/segmentation/table/stand_in",
        "soma_table": None,
        "synapse_table": _TABLES[0],
        "viewer_resolution_x": 4.0,
        "viewer_resolution_y": 4.0,
        "viewer_resolution_z": 40.0,
        "viewer_site": "https://neuroglancer-demo.appspot.com/",
    }
    stamp = {"id": 1, "version": 1, "valid": True, "datastack": name, "status": "AVAILABLE"}
    stamp |= {"time_stamp": "2026-11-21T00:00:00+00:00", "expires_on": "2036-11-21T00:00:00+00:00"}
    materialized = f"/materialize/api/v3/datastack/{name}"
    known = {
        f"/info/api/v2/datastack/full/{name}": info,
        "/info/api/v2/datastacks": [name],
        "/info/version": "4.0.0",
        "/materialize/version": "4.36.0",
        "/materialize/api/versions": [2, 3],
        f"{materialized}/versions": [1],
        f"{materialized}/metadata": [stamp],
        f"{materialized}/version/1": stamp,
        f"{materialized}/version/1/tables": _TABLES,
        f"{materialized}/version/1/tables/metadata": [],
        f"{materialized}/version/1/views": {},
        f"/materialize/api/v2/datastack/{name}/version/1/tables": _TABLES,
    }

    def answer(method: str, path: str, body: bytes) -> Answer | None:
        del body
        found = known.get(path.partition("?")[0]) if method == "GET" else None
        return None if found is None else ("application/json", json.dumps(found).encode())

    return answer
