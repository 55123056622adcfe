"""Why a source failed, in words: from what the browser said of its requests, and from a look at the bytes as stored."""

from __future__ import annotations

from contextlib import suppress

from publisher.errors import PublisherError
from publisher.render.seen import Layer, Source
from publisher.render.traffic import Answer, Traffic, ok, place_of
from publisher.stranger import Stranger, first

_LOOKED_AT = 12  # answers of one source that are asked for again
_GZIP = b"\x1f\x8b"
_MISSING = frozenset({404, 410})
_REFUSED = frozenset({401, 403})
_AWAY = frozenset({"net::ERR_NAME_NOT_RESOLVED", "net::ERR_INTERNET_DISCONNECTED", "net::ERR_ADDRESS_UNREACHABLE"})
_NETWORK = {
    "net::ERR_CONTENT_DECODING_FAILED": "says Content-Encoding: gzip, but its bytes are not gzip; publish it again",
    "net::ERR_CONNECTION_REFUSED": "is on a server that does not answer",
    "net::ERR_NAME_NOT_RESOLVED": "is on a host that does not exist",
    "net::ERR_INTERNET_DISCONNECTED": "cannot be reached: this machine is offline",
}


def of_source(source: Source, traffic: Traffic, client: Stranger) -> str:
    """Return why a source could not be loaded."""
    place = place_of(source.url)
    return _refused(place, traffic) or _failed(place, traffic) or _read(place, traffic, client) or source.error


def unreachable(source: Source, traffic: Traffic) -> bool:
    """Whether nobody at the source's host could be asked, which says nothing of the source."""
    place = place_of(source.url)
    return any(why in _AWAY for url, why in traffic.failures.items() if place in place_of(url))


def of_chunks(layer: Layer, traffic: Traffic, client: Stranger) -> str:
    """Return why parts of a layer failed whose sources are good."""
    for source in layer.sources:
        place = place_of(source.url)
        known = _refused(place, traffic) or _failed(place, traffic) or unlabelled(source, traffic, client)
        known = known or _status(place, traffic, missing=True)
        if known:
            return known
    return "; ".join(traffic.chunk_errors[:2]) or "the viewer does not say why"


def unlabelled(source: Source, traffic: Traffic, client: Stranger) -> str:
    """Return which object of a precomputed source is gzip without saying so, or "".

    The viewer does not always notice: it may draw such bytes as if they were labels. N5 and zarr have their own codecs.
    """
    if not source.url.startswith("precomputed://") and "neuroglancer-precomputed" not in source.url:
        return ""
    plain = [each for each in traffic.below(place_of(source.url)) if ok(each) and not each.encoding and not each.ranged]
    for answer in plain[:_LOOKED_AT]:
        if _head(answer, client).startswith(_GZIP):
            return f"{answer.url} is gzip, but carries no Content-Encoding: gzip; publish it again"
    return ""


def _refused(place: str, traffic: Traffic) -> str:
    for url, why in traffic.refused.items():
        if place in place_of(url):
            return f"CORS: a page of {traffic.origin} may not read {url} ({why}); run `publisher access`"
    return ""


def _failed(place: str, traffic: Traffic) -> str:
    for url, why in traffic.failures.items():
        if place in place_of(url):
            return f"{url} {_NETWORK.get(why, f'cannot be read ({why})')}"
    return ""


def _read(place: str, traffic: Traffic, client: Stranger) -> str:
    if told := _status(place, traffic, missing=False):
        return told
    for answer in traffic.below(place)[:_LOOKED_AT]:
        if ok(answer) and _is_metadata(answer.url):
            head = b"" if answer.encoding else _head(answer, client)
            if head.startswith(_GZIP):
                return f"{answer.url} is gzip, but carries no Content-Encoding: gzip; publish it again"
            if head and not head.lstrip().startswith((b"{", b"[")):
                return f"{answer.url} is not JSON: it begins with {head[:20]!r}"
    return _status(place, traffic, missing=True)


def _status(place: str, traffic: Traffic, *, missing: bool) -> str:
    """Return what was answered with an error; `missing` objects are told last, since some may be missing."""
    for answer in traffic.below(place):
        if answer.status in _REFUSED:
            return f"{answer.url} is refused with status {answer.status}; if everybody should read it, run `publisher access`"
        if answer.status >= 500:  # noqa: PLR2004 - the server's own faults begin here
            return f"{answer.url} is answered with status {answer.status}; try again later"
        if missing and answer.status in _MISSING:
            return f"{answer.url} is not there (status {answer.status})"
    return ""


def _is_metadata(url: str) -> bool:
    name = place_of(url).partition("?")[0].rpartition("/")[2]
    return name == "info" or name.endswith(".json") or name.startswith(".z")


def _head(answer: Answer, client: Stranger) -> bytes:
    """Return an object's first bytes as they are stored; nothing where it is not to be had any more."""
    with suppress(PublisherError):
        return client.ask("GET", answer.url, first(64)).body
    return b""
