"""A stand-in of neuPrint: two neurons that talk to each other. Of Cypher it understands what is to be returned."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from publisher.examples.doubles import Answer, Answers

_ROIS = {"SIP(R)": {"pre": 3, "post": 4}}
_SWC = b"1 1 100 100 100 20 -1\n2 0 140 100 100 8 1\n3 0 180 120 100 4 2\n"
_META = {
    "dataset": "stand-in",
    "tag": "v1",
    "uuid": "0",
    "lastDatabaseEdit": "2026-11-21T00:00:00",
    "latestMutationId": 0,
    "totalPreCount": 60,
    "totalPostCount": 80,
    "primaryRois": ["SIP(R)"],
    "superLevelRois": ["SIP(R)"],
    "nonHierarchicalROIs": [],
    "roiInfo": {"SIP(R)": {"isPrimary": True, "parent": "brain"}},
    "roiHierarchy": {"name": "brain", "children": [{"name": "SIP(R)"}]},
    "neuroglancerInfo": {},
    "statusDefinitions": {"Traced": "Followed to its ends."},
    "neuronProperties": json.dumps(dict.fromkeys(("bodyId", "type", "instance", "pre", "post", "size"), "")),
    "voxelSize": [8, 8, 8],
    "voxelUnits": "nanometers",
    "neuroglancerMeta": [],
    "postHighAccuracyThreshold": 0.5,
    "preHPThreshold": 0.0,
    "postHPThreshold": 0.0,
}


def answers(given: Mapping[str, Any]) -> Answers:
    """Answer as a server that has the manifest's dataset."""
    dataset, kind = given["dataset"], given.get("example") or "PN"
    name = dataset.partition(":")[0]
    about = {"last-mod": "2026-11-21", "uuid": "0", "ROIs": ["SIP(R)"], "superLevelROIs": ["SIP(R)"]}
    fixed = {
        "/api/version": {"Version": "1.7.5"},
        "/api/dbmeta/datasets": {dataset: about, name: about},
        "/api/serverinfo": {"IsPublic": True},
    }

    def answer(method: str, path: str, body: bytes) -> Answer | None:
        if path in fixed:
            return _json(fixed[path])
        if method == "GET" and path.startswith("/api/skeletons/skeleton/"):
            return "text/plain", _SWC
        if (method, path) == ("POST", "/api/custom/custom"):
            asked = json.loads(body)
            return _json(table(asked["cypher"], kind)) if asked["dataset"] in {dataset, name} else None
        return None

    return answer


def _json(value: object) -> Answer:
    return "application/json", json.dumps(value).encode()


def table(cypher: str, kind: str) -> dict[str, Any]:
    """Return what a query returns, in neuPrint's form: its own names of columns, and a row for each of the two neurons."""
    returned = re.split(r"\bRETURN\b", cypher, flags=re.IGNORECASE)[-1]
    returned = re.split(r"\b(?:ORDER BY|LIMIT|SKIP)\b", returned, flags=re.IGNORECASE)[0]
    items = [_item(part) for part in _split(returned.replace("DISTINCT", ""))]
    meta = ":Meta" in cypher
    rows = [
        [_described(each[0]) if meta else _cell(*each, row, kind) for each in items]
        for row in range(1 if meta or "count(" in cypher else 2)
    ]
    return {"columns": [alias for _, alias in items], "data": rows, "debug": ""}


def _split(text: str) -> list[str]:
    """Split what is returned at its commas, but for those within brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [" ".join(part.split()) for part in parts if part.strip()]


def _item(part: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.+?) AS `?([^`]+)`?", part, flags=re.IGNORECASE)
    return (found[1], found[2]) if found else (part, part)


def _described(expression: str) -> Any:  # noqa: ANN401 - JSON
    """Return a property of the dataset, or all of them."""
    name = expression.rpartition(".")[2].strip("`")
    return _META.get(name, dict(_META) if len(name) == 1 else None)


def _cell(expression: str, alias: str, row: int, kind: str) -> Any:  # noqa: ANN401 - JSON
    """Return a property of one of the neurons, of its connection to the other, or of its synapse."""
    bodies, name = (1001, 1002), expression.rpartition(".")[2].strip("`")
    if alias == "count" or expression.startswith("count("):
        return len(bodies)
    values: dict[str, Any] = {
        "type": kind,
        "instance": f"{kind}_R",
        "status": "Traced",
        "pre": 30,
        "post": 40,
        "upstream": 40,
        "downstream": 90,
        "size": 123456,
        "weight": 5,
        "confidence": 0.9,
        "x": 100,
        "y": 100,
        "z": 100 + row,
        "roiInfo": json.dumps(_ROIS),
        "somaLocation": {"coordinates": [100, 100, 100], "crs": {"name": "cartesian-3d", "srid": 9157}},
        "somaRadius": 20.0,
    }
    if name in {"bodyId", "body"}:
        return bodies[1 - row if expression.startswith("m.") else row]
    if name == "type" and expression.startswith("s"):  # of a synapse
        return ("pre", "post")[row]
    return values.get(name)
