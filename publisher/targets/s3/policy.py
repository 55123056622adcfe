"""The statements of a bucket's policy that are ours: pure functions of documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from publisher.errors import InvalidInput, Problem
from publisher.objects import AccessChange
from publisher.record import Access
from publisher.targets.access import Reach
from publisher.targets.cors import Document, same

MAX_POLICY_BYTES = 20 * 1024  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html

_NEAR = 0.9
_ACLS, _POLICIES = ("BlockPublicAcls", "IgnorePublicAcls"), ("BlockPublicPolicy", "RestrictPublicBuckets")
_WILD = re.compile(r"[*?]|\$\{")  # what policies take for more than itself


@dataclass(frozen=True, slots=True)
class Place:
    """A target: a prefix of a bucket ("" is the whole), in a partition of AWS (aws, aws-cn …)."""

    bucket: str
    prefix: str
    partition: str = "aws"

    @property
    def top(self) -> str:
        """The bucket, as people call it."""
        return f"s3://{self.bucket}"

    @property
    def base(self) -> str:
        """What every key of the target begins with."""
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def sids(self) -> tuple[str, str]:
        """The Sids of our statements, which may hold letters and digits only: to get, and to list."""
        mark = sha256(self.prefix.encode()).hexdigest()[:16]
        return f"publisher{mark}Get", f"publisher{mark}List"

    @property
    def arn(self) -> str:
        """The bucket, as policies call it."""
        return f"arn:{self.partition}:s3:::{self.bucket}"

    def resource(self, key: str) -> str:
        """Return how a policy names a key, or all keys below a prefix.

        Raises:
            InvalidInput: there is a wildcard in it, which would open other keys too.

        """
        name = self.base + key
        if _WILD.search(name):
            message = "has a character in it that policies take for a wildcard, so it cannot be opened alone"
            raise InvalidInput(Problem(f"{self.top}/{name}", message, "choose a key or prefix without * ? ${"))
        return f"{self.arn}/{name}{'*' if key.endswith('/') else ''}"

    def key(self, resource: str) -> str:
        """Return the key or prefix that a resource of ours names; "" where it is none of this target's."""
        top = f"{self.arn}/{self.base}"
        key = resource.removeprefix(top).removesuffix("*")
        good = resource.startswith(top) and key not in {"", "/"} and not _WILD.search(key)
        return key if good and key.endswith("/") == resource.endswith("*") else ""


def opened(policy: Document | None, place: Place) -> frozenset[str]:
    """Return the keys and prefixes of a target that our statement opens."""
    resources = (
        resource
        for statement in statements(policy)
        if statement.get("Sid") == place.sids[0]
        for resource in _many(statement.get("Resource"))
    )
    return frozenset(key for resource in resources if (key := place.key(str(resource))))


def open_just(policy: Document | None, place: Place, keys: Iterable[str]) -> dict[str, Any]:
    """Return the policy with our statements opening just these keys and prefixes; all else in it is as it was."""
    ours = {statement["Sid"]: statement for statement in _ours(place, keys)}
    kept: list[Document] = []
    for statement in statements(policy):
        sid = statement.get("Sid")
        if sid not in place.sids:
            kept.append(statement)
        elif sid in ours:
            kept.append(ours.pop(sid))
    return {"Version": "2012-10-17", **(policy or {}), "Statement": [*kept, *ours.values()]}


def _ours(place: Place, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
    named = sorted(set(keys))
    everybody = {"Effect": "Allow", "Principal": "*"}
    get, list_ = place.sids
    if named:
        resources = [place.resource(key) for key in named]
        yield {"Sid": get, **everybody, "Action": "s3:GetObject", "Resource": resources}
    # With its slash: whoever may list v0.9 may list v0.90 as well.
    if prefixes := [f"{place.base}{key}*" for key in named if key.endswith("/")]:
        condition = {"StringLike": {"s3:prefix": prefixes}}
        yield {"Sid": list_, **everybody, "Action": "s3:ListBucket", "Resource": place.arn, "Condition": condition}


def _wanted(before: frozenset[str], access: Access, reach: Reach) -> frozenset[str]:
    """Return what our statement must open: other releases' places stay, whatever this one wants for itself."""
    if access.mode == "public":
        return before | {*reach.own, *reach.shared}
    after = before - set(reach.own)
    return frozenset() if after <= set(reach.shared) else after


def opened_as_wanted(policy: Document | None, place: Place, access: Access, reach: Reach) -> Document | None:
    """Return the policy as it must be: the same object where it is so already."""
    new = open_just(policy, place, _wanted(opened(policy, place), access, reach))
    there, wanted = _own(policy, place), _own(new, place)
    alike = len(there) == len(wanted) and all(map(same, there, wanted))
    return policy if alike else new


def _own(policy: Document | None, place: Place) -> list[Document]:
    """Return our statements, with everybody named as we do."""
    ours = [statement for statement in statements(policy) if statement.get("Sid") in place.sids]
    return [{**statement, "Principal": _everybody(statement)} for statement in ours]


def policy_changes(place: Place, policy: Document | None, access: Access, reach: Reach) -> Iterator[AccessChange]:
    """Yield what must change of a policy, line by line."""
    before = opened(policy, place)
    after = _wanted(before, access, reach)
    for key in sorted(after - before):
        what = "everybody may read and list it" if key.endswith("/") else "everybody may read it"
        yield AccessChange("+", "public read", f"{place.top}/{place.base}{key}", what, "no statement of ours opens it")
    for key in sorted(before - after):
        where = f"{place.top}/{place.base}{key}"
        yield AccessChange("~", "public read", where, "strangers are refused", f"the target is {access.mode}")
    known = {*reach.own, *reach.shared, *reach.others} if access.mode == "public" else after
    for key in sorted(after - known):
        reason = f"the statement {place.sids[0]!r} opens it, and no public release that is listed has it"
        what = "strangers are refused, if it is not for everybody: it is taken out of that statement"
        yield AccessChange("!", "public read", f"{place.top}/{place.base}{key}", what, reason)
    new = opened_as_wanted(policy, place, access, reach)
    if new is not policy and before == after:
        reason = "somebody changed them"
        yield AccessChange("~", "public read", place.top, f"statements {' and '.join(place.sids)} as written", reason)
    if new is not policy and new is not None:
        yield from _full(place, len(dump(new).encode()))
    if access.mode == "private":
        yield from _opened_by_others(place, policy, reach)


def _full(place: Place, size_bytes: int) -> Iterator[AccessChange]:
    if size_bytes > _NEAR * MAX_POLICY_BYTES:
        reason = f"it will have {size_bytes:,} of the {MAX_POLICY_BYTES:,} bytes that S3 takes"
        after = "statements that nobody needs are taken out, or the next release goes to another bucket"
        yield AccessChange("!", "policy", place.top, after, reason)


def _opened_by_others(place: Place, policy: Document | None, reach: Reach) -> Iterator[AccessChange]:
    for key in reach.own:
        where = f"{place.arn}/{place.base}{key}"
        for sid, resources in _public(policy, place):
            if any(resource.startswith(where) or _like(resource, f"{where}x") for resource in resources):
                reason = f"the statement {sid!r} lets everybody read it or some of it, and is not publisher's"
                at = f"{place.top}/{place.base}{key}"
                yield AccessChange("!", "public read", at, "strangers are refused: that statement is removed", reason)


def _public(policy: Document | None, place: Place) -> Iterator[tuple[str, list[str]]]:
    """Yield the Sid and the resources of others' statements that let everybody get objects."""
    for statement in statements(policy):
        gets = any(_like(action, "s3:GetObject") for action in _many(statement.get("Action")))
        allows = statement.get("Effect") == "Allow" and not statement.get("Condition")
        if gets and allows and _everybody(statement) and statement.get("Sid") not in place.sids:
            yield statement.get("Sid", ""), [str(resource) for resource in _many(statement.get("Resource"))]


def _everybody(statement: Document) -> bool:
    principal = statement.get("Principal")
    return "*" in _many(principal.get("AWS") if isinstance(principal, Mapping) else principal)


def blocked(place: Place, policy: Document | None, blocks: Mapping[str, bool]) -> Iterator[AccessChange]:
    """Tell what of Block Public Access is in the way, and what lifting it would open besides."""
    on = [name for name in _POLICIES if blocks.get(name)]
    if on:
        others = ", ".join(repr(sid) for sid, _ in _public(policy, place))
        besides = f"; lifting it would also make what others wrote effective: statement {others}" if others else ""
        reason = f"{' and '.join(on)} keeps strangers out{besides}"
        yield AccessChange("!", "Block Public Access", place.top, lift(place, blocks), reason)


def lift(place: Place, blocks: Mapping[str, bool]) -> str:
    """Return the command that lifts Block Public Access for policies, and leaves the rest of it."""
    after = {name: blocks.get(name, False) for name in _ACLS} | dict.fromkeys(_POLICIES, False)
    settings = ",".join(f"{name}={str(on).lower()}" for name, on in after.items())
    command = f"aws s3api put-public-access-block --bucket {place.bucket}"
    return f"lifted for policies: {command} --public-access-block-configuration {settings}"


def statements(policy: Document | None) -> list[Document]:
    """Return the statements of a policy, of which there may be one without a list."""
    found = (policy or {}).get("Statement", [])
    return [found] if isinstance(found, Mapping) else list(found)


def _many(value: object) -> list[Any]:
    """Return what may be one or many as many."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def dump(policy: Document | None) -> str:
    """Return a policy as it is sent."""
    return json.dumps(policy, separators=(",", ":"), ensure_ascii=False)


def _like(pattern: object, text: str) -> bool:
    escaped = re.escape(str(pattern)).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(escaped, text, re.IGNORECASE) is not None
