"""Services that serve the same data: what a page says of each, and its examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from publisher.page.copying import Shown

TITLES = {
    "neuprint": "neuPrint",
    "flybrains": "navis and flybrains",
    "dvid": "DVID",
    "bossdb": "BossDB",
    "cave": "CAVE",
}
_BOSSDB = "api.bossdb.io"


@dataclass(frozen=True, slots=True)
class Service:
    """A service as a page tells of it: its key in the manifest, its name, and what the manifest says (None for the rest)."""

    key: str
    title: str
    given: Mapping[str, Any]


def services(programmatic: Mapping[str, Any]) -> tuple[Service, ...]:
    """Return the services that a release names, in the order of the page."""
    named = ((key, programmatic.get(key)) for key in TITLES)
    return tuple(
        Service(
            key, _title(key, value), defaultdict(lambda: None, value if isinstance(value, dict) else {"name": value})
        )
        for key, value in named
        if value
    )


def _title(key: str, value: Any) -> str:  # noqa: ANN401 - as the manifest has it
    """Return what a service is called: BossDB is one BOSS, and others run their own."""
    other = key == "bossdb" and _host(value.get("server", "")) != _BOSSDB
    return "BOSS" if other else TITLES[key]


def examples(programmatic: Mapping[str, Any]) -> Iterator[tuple[str, Shown]]:
    """Yield the examples of each service, each with the name of its service."""
    for service in services(programmatic):
        given = dict(service.given)
        if service.key == "neuprint":
            neuprint = {"example": None} | given
            yield "neuprint", Shown("neuprint-python", "neuprint.py", neuprint)
            yield "neuprint", Shown("navis", "navis.py", neuprint)
            yield "neuprint", Shown("neuprintr", "neuprint.R", neuprint)
            yield "neuprint", Shown("Cypher with curl", "neuprint.sh", neuprint)
        elif service.key == "flybrains":
            yield "flybrains", Shown("navis-flybrains", "flybrains.py", given)
        elif service.key == "dvid" and given.get("server"):
            dvid = {"instances": {}} | given
            yield "dvid", Shown("DVID", "dvid.py", dvid)
            yield "dvid", Shown("DVID with curl", "dvid.sh", dvid)
        elif service.key == "bossdb":
            yield from _boss(given)
        elif service.key == "cave":
            yield "cave", Shown("CAVEclient", "cave.py", given)


def _boss(given: Mapping[str, Any]) -> Iterator[tuple[str, Shown]]:
    channels: Sequence[Mapping[str, Any]] = given.get("channels") or ({},)
    host = _host(given["server"])
    extent = given.get("extent")
    boss = {
        **given,
        "channel": given.get("channel") or channels[0].get("name"),
        "host": host,
        # `intern.array` asks api.bossdb.io, whatever it is told: other servers are asked with what lies below it.
        "simple": host == _BOSSDB and not given.get("account"),
        "account": bool(given.get("account")),
        "block": _block(extent) if extent else ((0, 512), (0, 512), (0, 1)),
    }
    yield "bossdb", Shown("intern", "bossdb.py", boss)
    if given.get("ndex") and boss["channel"]:
        yield "bossdb", Shown("ndpull, TIFF stacks", "bossdb-ndpull.sh", boss)


def _block(extent: Any) -> tuple[tuple[int, int], ...]:  # noqa: ANN401 - three whole numbers
    """Return a small block in the middle: from and to along x, y, z."""
    edges = (512, 512, 8)
    begins = (max(0, size // 2 - edge // 2) for size, edge in zip(extent, edges, strict=True))
    return tuple((low, min(low + edge, size)) for low, edge, size in zip(begins, edges, extent, strict=True))


def _host(server: str) -> str:
    return urlsplit(server).netloc or server
