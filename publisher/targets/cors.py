"""Which pages may read a bucket from a browser: the CORS that neuroglancer and its like need, as S3 and GCS write it.

CORS is one list for a whole bucket, and opens nothing: it lets pages see what strangers may read anyway. The first rule
that fits a request's origin and method answers it, so a rule that others put before ours can hide it; theirs stay as and
where they are. https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html,
https://docs.cloud.google.com/storage/docs/cors-configurations
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

from publisher.objects import AccessChange

Document = Mapping[str, Any]

METHODS = ("GET", "HEAD")
EXPOSED = ("ETag", "Content-Range", "Content-Encoding", "Content-Length", "Accept-Ranges", "Content-Type")
MAX_AGE_SECONDS = 3600

_OURS = "publisher"
_MAX_ID = 255  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CORSRule.html
_MAX_RULES = 100  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html
_STRANGER = "https://stranger.invalid"


class Rule(NamedTuple):
    """One rule in the words of neither store: header names in small letters."""

    name: str
    origins: Sequence[str]
    methods: Sequence[str]
    asked: frozenset[str]  # request headers that a page may send
    exposed: frozenset[str]  # response headers that a page may see


class Dialect(Protocol):
    """How a store writes rules, and which of them is ours."""

    most: int
    """Rules that it takes."""

    def write(self, origins: Sequence[str]) -> Document:
        """Return our rule for pages of these origins."""

    def read(self, number: int, rule: Document) -> Rule:
        """Return a rule in the words of neither store."""

    def ours(self, rule: Document, origins: Sequence[str]) -> bool:
        """Whether it is the rule that is replaced by ours."""

    def lasts(self, rule: Document) -> bool:
        """Whether it will be there tomorrow: what other targets of the bucket have is theirs to change."""


class S3Cors:
    """Rules with names. S3 takes no `*` for ExposeHeaders, and demands origins and methods."""

    most = _MAX_RULES

    def __init__(self, prefix: str) -> None:
        """Take the target's prefix, which names its rule: each target of a bucket has its own."""
        full = f"{_OURS} {prefix}" if prefix else _OURS
        self.name = full if len(full) <= _MAX_ID else f"{_OURS} {sha256(prefix.encode()).hexdigest()}"

    def write(self, origins: Sequence[str]) -> Document:
        """Return our rule."""
        return {
            "ID": self.name,
            "AllowedOrigins": list(origins),
            "AllowedMethods": list(METHODS),
            "AllowedHeaders": ["*"],
            "ExposeHeaders": list(EXPOSED),
            "MaxAgeSeconds": MAX_AGE_SECONDS,
        }

    def read(self, number: int, rule: Document) -> Rule:
        """Return a rule in the words of neither store."""
        name, origins, methods = rule.get("ID") or number, rule["AllowedOrigins"], rule["AllowedMethods"]
        return Rule(f"rule {name!r}", origins, methods, _small(rule, "AllowedHeaders"), _small(rule, "ExposeHeaders"))

    def ours(self, rule: Document, origins: Sequence[str]) -> bool:
        """Whether it has our name."""
        del origins
        return bool(rule.get("ID") == self.name)

    def lasts(self, rule: Document) -> bool:
        """Whether it is of no target of publisher's."""
        return not str(rule.get("ID", "")).startswith(_OURS)


class GcsCors:
    """Entries without names: ours is known by what it says, and one for other origins may be another target's."""

    most = 10**6  # no number is documented

    def write(self, origins: Sequence[str]) -> Document:
        """Return our entry. `responseHeader` is both what pages may send and what they may see: Range belongs in it."""
        headers = ["Content-Type", "Range", *(header for header in EXPOSED if header != "Content-Type")]
        return {
            "origin": list(origins),
            "method": list(METHODS),
            "responseHeader": headers,
            "maxAgeSeconds": MAX_AGE_SECONDS,
        }

    def read(self, number: int, rule: Document) -> Rule:
        """Return an entry in the words of neither store."""
        headers = _small(rule, "responseHeader")
        return Rule(f"entry {number}", rule.get("origin", ()), rule.get("method", ()), headers, headers)

    def ours(self, rule: Document, origins: Sequence[str]) -> bool:
        """Whether it says what ours says."""
        return same(rule, self.write(origins))

    def lasts(self, rule: Document) -> bool:
        """Take every entry for lasting: nobody can tell whose it is."""
        del rule
        return True


def merged(dialect: Dialect, rules: Sequence[Document], origins: Sequence[str]) -> Sequence[Document]:
    """Return the rules with ours for these origins. The very same object: nothing need change."""
    number = next((at for at, rule in enumerate(rules) if dialect.ours(rule, origins)), None)
    if not origins:
        return rules if number is None else [*rules[:number], *rules[number + 1 :]]
    ours = dialect.write(origins)
    if number is not None:
        return rules if same(rules[number], ours) else [*rules[:number], ours, *rules[number + 1 :]]
    lasting = [dialect.read(at, rule) for at, rule in enumerate(rules, 1) if dialect.lasts(rule)]
    return rules if _serve(lasting, origins) else [*rules, ours]


def cors_changes(
    dialect: Dialect, place: str, rules: Sequence[Document], origins: Sequence[str]
) -> Iterator[AccessChange]:
    """Yield what must change for pages of these origins, and for no others, to read; `!` is others' to change."""
    new = merged(dialect, rules, origins)
    if new is not rules:
        there = len(new) <= len(rules)
        reason = "publisher's rule is another" if there else "no rule gives them that"
        yield AccessChange("~" if there else "+", "CORS", place, _words(origins), reason)
    if len(new) > dialect.most:
        reason = f"there are {len(rules)} rules, and the store takes {dialect.most}"
        yield AccessChange("!", "CORS", place, "rules that nobody needs are taken out", reason)
    neutral = [dialect.read(at, rule) for at, rule in enumerate(new, 1)]
    yield from _hidden(place, neutral, origins)
    if "*" not in origins:
        yield from _too_many(place, neutral, origins)


def same(one: Document, other: Document) -> bool:
    """Whether two documents say the same: stores turn lists of one into the one, and sort as they like."""
    return bool(_normal(one) == _normal(other))


def _hidden(place: str, rules: Sequence[Rule], origins: Sequence[str]) -> Iterator[AccessChange]:
    asked = ((origin, method) for origin in _samples(rules, origins) for method in METHODS)
    first = {rule.name: _hides(rule) for each in asked if (rule := _first(rules, *each)) is not None}
    for name, hidden in first.items():
        if hidden:
            reason = f"{name} answers first, and hides {', '.join(hidden)} from pages"
            yield AccessChange("!", "CORS", place, f"{name} exposes that, or comes after publisher's", reason)


def _too_many(place: str, rules: Sequence[Rule], origins: Sequence[str]) -> Iterator[AccessChange]:
    for rule in rules:
        if any(_admits(rule, _STRANGER, method) for method in METHODS):
            reason = f"{rule.name} lets pages of every origin read, in the whole bucket"
            after = f"only pages of {', '.join(origins) or 'no origin'} may read: it is removed, if nobody needs it"
            yield AccessChange("!", "CORS", place, after, reason)


def _serve(rules: Sequence[Rule], origins: Sequence[str]) -> bool:
    """Whether pages of these origins can read ranges, and see every header that readers of the formats look at."""

    def serves(origin: str, method: str) -> bool:
        first = _first(rules, origin, method)
        ranges = (_fits_any(rule.asked, "range") for rule in rules if _admits(rule, origin, method))
        return first is not None and not _hides(first) and any(ranges)

    return all(serves(origin, method) for origin in _samples(rules, origins) for method in METHODS)


def _first(rules: Sequence[Rule], origin: str, method: str) -> Rule | None:
    return next((rule for rule in rules if _admits(rule, origin, method)), None)


def _admits(rule: Rule, origin: str, method: str) -> bool:
    return bool({method, "*"} & set(rule.methods)) and _fits_any(rule.origins, origin)


def _hides(rule: Rule) -> tuple[str, ...]:
    return tuple(header for header in EXPOSED if header.lower() not in rule.exposed)


def _samples(rules: Sequence[Rule], origins: Sequence[str]) -> Iterator[str]:
    """Yield an origin of each kind that is wanted, and those that others have rules for and that are wanted, too."""
    special = [_sample(pattern) for rule in rules for pattern in rule.origins]
    for wanted in origins:
        yield _sample(wanted)
        yield from (origin for origin in special if _fits_any([wanted], origin))


def _sample(pattern: str) -> str:
    return _STRANGER if pattern == "*" else pattern.replace("*", "stranger")


def _fits_any(patterns: Iterable[str], text: str) -> bool:
    return any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) for pattern in patterns)


def _words(origins: Sequence[str]) -> str:
    who = ", ".join("every origin" if origin == "*" else origin for origin in origins)
    return (
        f"pages of {who} may read, ranges too, and see {', '.join(EXPOSED)}" if origins else "publisher's rule is gone"
    )


def _small(rule: Document, name: str) -> frozenset[str]:
    return frozenset(header.lower() for header in rule.get(name, ()))


def _normal(value: object) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, Mapping):
        return {name: _normal(each) for name, each in value.items()}
    return sorted(map(str, value)) if isinstance(value, list | tuple) else [str(value)]
