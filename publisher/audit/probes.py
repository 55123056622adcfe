"""What a stranger tries live on a few objects.

Readers of the formats ask for more than an object: for its first or last bytes, for keys that do not exist, from a page
of another site. A store can hold every byte and still fail them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import uuid4

from publisher.objects import Entry, Finding
from publisher.stranger import MISSING, REFUSED, SIMPLE, Answer, Broken, Stranger, address, first, nothing

GZIP_MAGIC = b"\x1f\x8b"
# Ranges are of stored bytes; browsers ask for them in the same way.
UNCHANGED = {"Accept-Encoding": "identity"}
FOREIGN_ORIGINS = ("https://foreign.invalid", "http://foreign.invalid")
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}


class Probe(NamedTuple):
    """One thing to try: what it is called, which check it belongs to, whom it serves, and what is wrong (or "")."""

    name: str
    check: str
    of: str  # "gzip", "plain" or "any" objects
    for_browsers: bool
    trouble: Callable[[Stranger, str], str]


def _preflight(client: Stranger, url: str) -> str:
    answer = client.ask("OPTIONS", url, nothing, PREFLIGHT)
    fine = 200 <= answer.status < 300 and answer.admits(client.origin)  # noqa: PLR2004 - every 2xx lets a browser go on
    if fine and answer.lists("Access-Control-Allow-Headers", "range"):
        return ""
    return f"the preflight that browsers send before a range request is refused (status {answer.status})"


def _get(client: Stranger, url: str) -> str:
    admitted = client.ask("GET", url, first(1)).admits(client.origin)
    return "" if admitted else f"GET has no Access-Control-Allow-Origin for {client.origin}"


def _range(client: Stranger, url: str, wanted: str) -> Answer[bytes]:
    return client.ask("GET", url, first(64), {**UNCHANGED, "Range": f"bytes={wanted}"})


def _exposed(client: Stranger, url: str) -> str:
    exposed = _range(client, url, "0-15").lists("Access-Control-Expose-Headers", "Content-Range")
    return "" if exposed else "browsers hide Content-Range from their pages: it is not in Access-Control-Expose-Headers"


def _start(client: Stranger, url: str) -> str:
    answer = _range(client, url, "0-15")
    at, until, total = _span(answer)
    fine = at == 0 and until == min(16, total) == len(answer.body)
    return "" if fine else _unfit("0-15", answer)


def _end(client: Stranger, url: str) -> str:
    answer = _range(client, url, "-8")
    at, until, total = _span(answer)
    fine = until == total and until - at == min(8, total) == len(answer.body)
    return "" if fine else _unfit("-8", answer)


def _span(answer: Answer[bytes]) -> tuple[int, int, int]:
    """Return the bytes [at, until) of how many were answered; nothing fits the answer of one that is no range."""
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", ""))
    if answer.status != 206 or not match:  # noqa: PLR2004 - Partial Content
        return -1, -1, 0
    at, last, total = map(int, match.groups())
    return at, last + 1, total


def _unfit(wanted: str, answer: Answer[bytes]) -> str:
    got = f"status {answer.status}, Content-Range {answer.headers.get('Content-Range', 'missing')!r}"
    return f"a request for `Range: bytes={wanted}` is not answered with these bytes ({got})"


def _labelled(client: Stranger, url: str) -> str:
    answer = client.ask("GET", url, first(2), SIMPLE)
    if answer.encoding == ("gzip" if answer.body == GZIP_MAGIC else None):
        return ""
    kind = "gzip bytes" if answer.body == GZIP_MAGIC else "plain bytes"
    said = "no Content-Encoding" if answer.encoding is None else f"Content-Encoding {answer.encoding!r}"
    return f"a reader that sends no Accept-Encoding gets {kind} with {said}"


PROBES = (
    Probe("preflight", "cors", "any", for_browsers=True, trouble=_preflight),
    Probe("GET from another origin", "cors", "any", for_browsers=True, trouble=_get),
    Probe("exposed Content-Range", "cors", "plain", for_browsers=True, trouble=_exposed),
    Probe("Range: bytes=0-15", "range", "plain", for_browsers=False, trouble=_start),
    Probe("Range: bytes=-8", "range", "plain", for_browsers=False, trouble=_end),
    Probe("GET without Accept-Encoding", "content-encoding", "gzip", for_browsers=False, trouble=_labelled),
)


def probe(client: Stranger, base_url: str, entry: Entry, *, browsers: bool) -> Iterator[tuple[str, list[Finding]]]:
    """Try on one object all that fits it; yield what was tried, and what was found."""
    url = address(base_url, entry.key)
    kind = entry.headers.content_encoding or "plain"
    # What is not there at all was found already, and would fail every probe.
    if _settled(_absent, client, url):
        return
    for each in PROBES:
        if each.of in {kind, "any"} and (browsers or not each.for_browsers):
            trouble = _settled(each.trouble, client, url)
            found = [Finding(each.check, "error", entry.key, trouble, entry.artifact)] if trouble else []
            yield f"{each.name}: {entry.key}", found


def probe_missing(client: Stranger, base_url: str, version: str) -> tuple[str, list[Finding]]:
    """Ask for a key that is certainly missing: readers of sparse data rely on 404."""
    key = f"{version}/{uuid4().hex}"
    trouble = _settled(_missing, client, address(base_url, key))
    return "a missing key", [Finding("missing-key", "error", key, trouble)] if trouble else []


def probe_foreign(client: Stranger, base_url: str, key: str) -> tuple[str, list[Finding]]:
    """Come from an origin that the record does not allow; a browser should be refused."""
    trouble = _settled(_admitted, client, address(base_url, key))
    return f"HEAD from {client.origin}: {key}", [Finding("cors", "error", key, trouble)] if trouble else []


def welcome(origins: tuple[str, ...], preferred: str) -> str:
    """Return an origin that the rules allow: the preferred one, or one made after the first rule."""
    if _allows(origins, preferred) or not origins:
        return preferred
    return origins[0].replace("*", "stranger", 1)


def foreign(origins: tuple[str, ...]) -> str | None:
    """Return an origin that the rules do not allow; None where they allow everybody."""
    return next((origin for origin in FOREIGN_ORIGINS if not _allows(origins, origin)), None)


def _allows(origins: tuple[str, ...], origin: str) -> bool:
    """Tell whether a rule fits; a `*` in it stands for anything, as in buckets."""
    return any(re.fullmatch(re.escape(rule).replace(r"\*", ".*"), origin) for rule in origins)


def _settled(trouble: Callable[[Stranger, str], str], client: Stranger, url: str) -> str:
    try:
        return trouble(client, url)
    except Broken as error:
        return error.problems[0].message


def _absent(client: Stranger, url: str) -> str:
    return "" if client.ask("HEAD", url, nothing).ok else "it is not there"


def _missing(client: Stranger, url: str) -> str:
    status = client.ask("HEAD", url, nothing).status
    if status in MISSING:
        return ""
    said = f"a key that does not exist is answered with status {status} instead of 404"
    if status in REFUSED:
        return f"{said}: some readers stop there; run `publisher access`, which lets strangers list the prefix"
    return f"{said}: readers would take it for data; find out what answers in place of the store"


def _admitted(client: Stranger, url: str) -> str:
    admitted = client.ask("HEAD", url, nothing).admits(client.origin)
    return f"pages of {client.origin} may read, which the record does not allow" if admitted else ""
