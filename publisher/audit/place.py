"""Where a release is live, found from any address that a person may paste: a target, a release, a record, the list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from publisher import record
from publisher.errors import Damaged, InvalidInput, Problem, PublisherError, Unreachable
from publisher.record import RELEASES_KEY, Record, record_key
from publisher.stranger import MISSING, REFUSED, Stranger, address, first

MOST_JSON_BYTES = 64 << 20

Get = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a release is live: keys lie below `base_url`; `version` is the folder in which the record was found."""

    base_url: str
    version: str
    record: Record


class Refused(Unreachable):
    """The server is there, and refuses anonymous readers."""


def find(url: str, client: Stranger, version: str | None = None) -> Place:
    """Find the record of a release: of `version`, of the one that the address names, or of the target's latest.

    Raise InvalidInput where there is none, Unreachable where no server answers, or refuses strangers.
    """
    start = _clean(url)
    tried: dict[str, int] = {}

    def get(where: str) -> bytes | None:
        answer = client.ask("GET", where, first(MOST_JSON_BYTES))
        tried[where] = answer.status
        return answer.body if answer.ok else None

    for base_url, name in _readings(start, version, get):
        where = address(base_url, record_key(name))
        data = get(where)
        if data is not None:
            return Place(base_url, name, record.parse(data, where))
    raise _nowhere(start, tried)


def _clean(url: str) -> str:
    """Return the address alone: no query, no fragment, no slash at the end, and never somebody's password."""
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        hint = "give the public address of a target or release, such as https://example.org/data/v0.9"
        raise InvalidInput(Problem(url, "a stranger reads over http:// or https:// only", hint))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def _readings(start: str, version: str | None, get: Get) -> Iterator[tuple[str, str]]:
    """Yield what an address can mean, likeliest first: the target's address, and which release is meant."""
    folder = start.removesuffix(record_key(""))
    target = start.removesuffix(f"/{RELEASES_KEY}")
    if folder == start:
        name = version or _latest(address(target, RELEASES_KEY), get)
        if name:
            yield target, name
    base_url, _, named = folder.rpartition("/")
    name = unquote(named)
    if target == start and urlsplit(base_url).hostname and version in {None, name}:
        yield base_url, name


def _latest(where: str, get: Get) -> str:
    data = get(where)
    if data is None:
        return ""
    try:
        latest = json.loads(data)["latest"]
    except (ValueError, TypeError, KeyError):
        latest = None
    if not latest or not isinstance(latest, str):
        hint = "give the address of a release, such as …/v0.9"
        raise InvalidInput(Problem(where, "this is not a list of releases that names its latest", hint))
    return latest


def _nowhere(start: str, tried: dict[str, int]) -> PublisherError:
    addresses = ", ".join(f"{where} ({status})" for where, status in tried.items())
    if REFUSED & {*tried.values()}:
        hint = "is it public? A bucket without the right to list also answers so where nothing is"
        return Refused(Problem(start, f"the server refuses anonymous readers; tried {addresses}", hint))
    if not {*tried.values()} <= MISSING:
        return Unreachable(
            Problem(start, f"the server does not answer as it should; tried {addresses}", "try again later")
        )
    listed = [where for where, status in tried.items() if where.endswith(RELEASES_KEY) and status not in MISSING]
    if listed:
        message = f"the list of releases is here, but the record is not; tried {addresses}"
        return Damaged(Problem(listed[0], message, "restore the record from a copy"))
    hint = "is the address right, and was the release published to the end?"
    return InvalidInput(Problem(start, f"there is no release here; tried {addresses}", hint))
