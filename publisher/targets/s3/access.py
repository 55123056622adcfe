"""Who may read a release in an S3 bucket: two statements of the bucket's policy, and one rule of its CORS.

Everybody may get the objects below a release's prefixes, and list these prefixes: to who may not list, S3 answers 403
for a key that is missing (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html). For a missing key S3
weighs the condition on `s3:prefix` against the key itself, which no page of AWS says, but others have measured:
https://github.com/ceph/ceph/pull/68577, https://github.com/kopia/kopia/pull/3072.

Our statements are known by their Sid, our rule by its ID; all others stay as they are. ACLs are never used, and Block
Public Access is never lifted: whoever owns the bucket does that by hand. S3 has no conditional write of a policy or of
CORS: both are read again right before they are written, and read back until they say what they should.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from publisher.errors import InvalidInput, Problem, Unreachable
from publisher.objects import AccessChange
from publisher.record import Access
from publisher.targets.access import OTHERWISE, Denied, Reach, settle, unseen
from publisher.targets.cors import Document, S3Cors, cors_changes, merged, same
from publisher.targets.s3.troubles import of_botocore
from publisher.targets.wire import Why

if TYPE_CHECKING:
    from botocore.client import BaseClient

MAX_POLICY_BYTES = 20 * 1024  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html

_NEAR = 0.9
_ABSENT = frozenset({"NoSuchBucketPolicy", "NoSuchCORSConfiguration", "NoSuchPublicAccessBlockConfiguration"})
_REFUSED = frozenset({"AccessDenied", "AllAccessDisabled", "MethodNotAllowed", "UnauthorizedAccess"})
_ACLS, _POLICIES = ("BlockPublicAcls", "IgnorePublicAcls"), ("BlockPublicPolicy", "RestrictPublicBuckets")
_WILD = re.compile(r"[*?]|\$\{")  # what policies take for more than itself


def changes(client: BaseClient, bucket: str, prefix: str, access: Access, reach: Reach) -> tuple[AccessChange, ...]:
    """Return what must change for strangers to read what a release opens below a prefix, and nothing else."""
    if access.mode == "unmanaged":
        return ()
    place = Place(bucket, prefix.strip("/"), client.meta.partition)
    store = _Store(client, place)
    found: list[AccessChange] = []
    if access.mode == "public":
        try:
            found += cors_changes(S3Cors(place.prefix), place.top, store.rules(), access.origins)
        except Denied as denied:
            found.append(unseen("CORS", place.top, denied))
    try:
        policy = store.policy()
    except Denied as denied:
        return (*found, unseen("public read", place.top, denied))
    found += _policy_changes(place, policy, access, reach.checked())
    if access.mode == "public":
        found += _blocked(place, policy, store.blocks())
    return tuple(found)


def apply(client: BaseClient, bucket: str, prefix: str, access: Access, reach: Reach) -> None:
    """Make these changes, to what is there by then.

    Raises:
        Unreachable: this role may not, the store has no such thing, or others write at the same time.

    """
    if access.mode == "unmanaged":
        return
    place = Place(bucket, prefix.strip("/"), client.meta.partition)
    store, public = _Store(client, place), access.mode == "public"
    reach.checked()

    def rules(there: Sequence[Document]) -> Sequence[Document]:
        return merged(S3Cors(place.prefix), there, access.origins)

    def policy(there: Document | None) -> Document | None:
        return _opened_as_wanted(there, place, access, reach)

    try:
        if public:
            settle(f"CORS of {place.top}", store.rules, rules, store.set_rules)
        settle(f"the policy of {place.top}", store.policy, policy, lambda new: store.set_policy(new, public=public))
    except Denied as denied:
        raise Unreachable(Problem(place.top, str(denied), denied.hint)) from denied


# The policy. Pure functions of documents.


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
        for statement in _statements(policy)
        if statement.get("Sid") == place.sids[0]
        for resource in _many(statement.get("Resource"))
    )
    return frozenset(key for resource in resources if (key := place.key(str(resource))))


def open_just(policy: Document | None, place: Place, keys: Iterable[str]) -> dict[str, Any]:
    """Return the policy with our statements opening just these keys and prefixes; all else in it is as it was."""
    ours = {statement["Sid"]: statement for statement in _ours(place, keys)}
    statements: list[Document] = []
    for statement in _statements(policy):
        sid = statement.get("Sid")
        if sid not in place.sids:
            statements.append(statement)
        elif sid in ours:
            statements.append(ours.pop(sid))
    return {"Version": "2012-10-17", **(policy or {}), "Statement": [*statements, *ours.values()]}


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


def _opened_as_wanted(policy: Document | None, place: Place, access: Access, reach: Reach) -> Document | None:
    """Return the policy as it must be: the same object where it is so already."""
    new = open_just(policy, place, _wanted(opened(policy, place), access, reach))
    there, wanted = _own(policy, place), _own(new, place)
    alike = len(there) == len(wanted) and all(map(same, there, wanted))
    return policy if alike else new


def _own(policy: Document | None, place: Place) -> list[Document]:
    """Return our statements, with everybody named as we do."""
    ours = [statement for statement in _statements(policy) if statement.get("Sid") in place.sids]
    return [{**statement, "Principal": _everybody(statement)} for statement in ours]


def _policy_changes(place: Place, policy: Document | None, access: Access, reach: Reach) -> Iterator[AccessChange]:
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
    new = _opened_as_wanted(policy, place, access, reach)
    if new is not policy and before == after:
        reason = "somebody changed them"
        yield AccessChange("~", "public read", place.top, f"statements {' and '.join(place.sids)} as written", reason)
    if new is not policy and new is not None:
        yield from _full(place, len(_dump(new).encode()))
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
    for statement in _statements(policy):
        gets = any(_like(action, "s3:GetObject") for action in _many(statement.get("Action")))
        allows = statement.get("Effect") == "Allow" and not statement.get("Condition")
        if gets and allows and _everybody(statement) and statement.get("Sid") not in place.sids:
            yield statement.get("Sid", ""), [str(resource) for resource in _many(statement.get("Resource"))]


def _everybody(statement: Document) -> bool:
    principal = statement.get("Principal")
    return "*" in _many(principal.get("AWS") if isinstance(principal, Mapping) else principal)


def _blocked(place: Place, policy: Document | None, blocks: Mapping[str, bool]) -> Iterator[AccessChange]:
    """Tell what of Block Public Access is in the way, and what lifting it would open besides."""
    on = [name for name in _POLICIES if blocks.get(name)]
    if on:
        others = ", ".join(repr(sid) for sid, _ in _public(policy, place))
        besides = f"; lifting it would also make what others wrote effective: statement {others}" if others else ""
        reason = f"{' and '.join(on)} keeps strangers out{besides}"
        yield AccessChange("!", "Block Public Access", place.top, _lift(place, blocks), reason)


def _lift(place: Place, blocks: Mapping[str, bool]) -> str:
    after = {name: blocks.get(name, False) for name in _ACLS} | dict.fromkeys(_POLICIES, False)
    settings = ",".join(f"{name}={str(on).lower()}" for name, on in after.items())
    command = f"aws s3api put-public-access-block --bucket {place.bucket}"
    return f"lifted for policies: {command} --public-access-block-configuration {settings}"


# The store.


@dataclass(frozen=True, slots=True)
class _Store:
    """The documents of a bucket, each read and written whole."""

    client: BaseClient
    place: Place

    def policy(self) -> Document | None:
        answer = self._ask("read the policy", self.client.get_bucket_policy)
        try:
            found: Document | None = json.loads(answer["Policy"]) if answer else None
        except ValueError as error:  # a store that knows no policies lists the bucket instead
            raise Denied("this store has no policies", OTHERWISE) from error
        return found

    def set_policy(self, policy: Document | None, *, public: bool) -> None:
        blocks = self.blocks() if public else {}
        if blocks.get("BlockPublicPolicy"):
            message = "Block Public Access is on, and publisher never lifts it"
            raise Unreachable(Problem(self.place.top, message, f"have it {_lift(self.place, blocks)}"))
        if _statements(policy):
            self._ask("write the policy", self.client.put_bucket_policy, Policy=_dump(policy))
        else:  # ours were all there were, and S3 takes no policy without statements
            self._ask("write the policy", self.client.delete_bucket_policy)

    def rules(self) -> Sequence[Document]:
        answer = self._ask("read CORS", self.client.get_bucket_cors)
        if answer and "CORSRules" not in answer:  # as above
            raise Denied("this store has no CORS of buckets", OTHERWISE)
        return list(answer["CORSRules"]) if answer else []

    def set_rules(self, rules: Sequence[Document]) -> None:
        if rules:
            self._ask("write CORS", self.client.put_bucket_cors, CORSConfiguration={"CORSRules": list(rules)})
        else:
            self._ask("write CORS", self.client.delete_bucket_cors)

    def blocks(self) -> Mapping[str, bool]:
        """Return Block Public Access of the bucket; that of the account nobody but its owner sees."""
        try:
            answer = self._ask("read Block Public Access", self.client.get_public_access_block)
        except Denied:  # then a policy is refused or not, and strangers are
            return {}
        return answer["PublicAccessBlockConfiguration"] if answer else {}

    def _ask(self, what: str, call: Callable[..., Any], **more: object) -> Any:  # noqa: ANN401 - boto3's own answers
        """Return the answer; None where there is no such document."""
        try:
            return call(Bucket=self.place.bucket, **more)
        except ClientError as error:
            told = error.response.get("Error", {})
            code, message = told.get("Code", ""), str(told.get("Message", "")).rstrip(".") or "no reason given"
            if code in _ABSENT:
                return None
            if code in _REFUSED:  # AWS names an account's Block Public Access here, where that is in the way
                raise Denied(f"this role may not {what} ({message})") from error
            if code == "NotImplemented":
                raise Denied(f"this store cannot {what}", OTHERWISE) from error
            raise self._trouble(what, error, message) from error
        except BotoCoreError as error:
            raise self._trouble(what, error, str(error)) from error

    def _trouble(self, what: str, error: Exception, message: str) -> Exception:
        """Return what passes as what is tried again, and all else in words."""
        trouble = of_botocore(error, self.client.meta.endpoint_url)
        if trouble.why in {Why.BUSY, Why.LOST}:
            return trouble
        return Unreachable(Problem(self.place.top, f"could not {what}: {message}"))


def _statements(policy: Document | None) -> list[Document]:
    found = (policy or {}).get("Statement", [])
    return [found] if isinstance(found, Mapping) else list(found)


def _many(value: object) -> list[Any]:
    """Return what may be one or many as many."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _dump(policy: Document | None) -> str:
    return json.dumps(policy, separators=(",", ":"), ensure_ascii=False)


def _like(pattern: object, text: str) -> bool:
    escaped = re.escape(str(pattern)).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(escaped, text, re.IGNORECASE) is not None
