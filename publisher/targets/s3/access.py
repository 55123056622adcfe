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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from publisher.errors import Problem, Unreachable
from publisher.objects import AccessChange
from publisher.record import Access
from publisher.targets.access import OTHERWISE, Denied, Reach, settle, unseen
from publisher.targets.cors import Document, S3Cors, cors_changes, merged
from publisher.targets.s3.policy import Place, blocked, dump, lift, opened_as_wanted, policy_changes, statements
from publisher.targets.s3.troubles import of_botocore
from publisher.targets.wire import Why

if TYPE_CHECKING:
    from botocore.client import BaseClient

_ABSENT = frozenset({"NoSuchBucketPolicy", "NoSuchCORSConfiguration", "NoSuchPublicAccessBlockConfiguration"})
_REFUSED = frozenset({"AccessDenied", "AllAccessDisabled", "MethodNotAllowed", "UnauthorizedAccess"})


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
    found += policy_changes(place, policy, access, reach.checked())
    if access.mode == "public":
        found += blocked(place, policy, store.blocks())
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
        return opened_as_wanted(there, place, access, reach)

    try:
        if public:
            settle(f"CORS of {place.top}", store.rules, rules, store.set_rules)
        settle(f"the policy of {place.top}", store.policy, policy, lambda new: store.set_policy(new, public=public))
    except Denied as denied:
        raise Unreachable(Problem(place.top, str(denied), denied.hint)) from denied


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
            raise Unreachable(Problem(self.place.top, message, f"have it {lift(self.place, blocks)}"))
        if statements(policy):
            self._ask("write the policy", self.client.put_bucket_policy, Policy=dump(policy))
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
