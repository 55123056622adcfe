"""Who may read: what access as code does to a bucket that others use as well.

S3 is tried on SeaweedFS, which keeps policies and CORS as the bucket has them and answers strangers by them. It has no
Block Public Access (a client that tells of one stands in for it), and answers 404 for a missing key with or without
ListBucket, so that AWS's 403 cannot be shown. No emulator of Cloud Storage has IAM: `Gcs` below is the interface itself,
in this process (gRPC for managed folders, HTTP for the bucket), with the rules that Google documents: etags,
metagenerations, and that a folder's readers read all whose names begin with it. That Google's own service keeps to its
documentation is not tried.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import grpc
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage_control_v2 import CreateManagedFolderRequest, ManagedFolder, StorageControlClient
from google.cloud.storage_control_v2.services.storage_control.transports import StorageControlGrpcTransport
from google.iam.v1 import iam_policy_pb2, policy_pb2
from hypothesis import given
from hypothesis import strategies as st

from publisher.audit.drift import drift
from publisher.errors import InvalidInput, Unreachable
from publisher.record import Access
from publisher.targets import access as common
from publisher.targets.access import Reach
from publisher.targets.gcs import access as gcs
from publisher.targets.s3 import access as s3
from tests.servers.fixtures import BUCKET
from tests.servers.rclone import RcloneS3
from tests.servers.s3 import Reply
from tests.servers.seaweed import Seaweed, publishing

PREFIX = "labs/da1"
REACH = Reach(("v0.9/", "em/grey/"), ("releases.json",))
PUBLIC, PRIVATE, UNMANAGED = Access(), Access("private"), Access("unmanaged")
INSIDE = ("v0.9/info", "v0.9/.release/release.json", "em/grey/0/0", "releases.json")
OUTSIDE = ("v0.90/info", "v0.9", "v0.9.bak", "em/private", "em/grey2", "releases.json.bak", "notes.txt", "../da10/v0.9/info", "../../secret.txt")  # fmt: skip
CORS_WANTED = {"etag", "content-range", "content-encoding", "content-length", "accept-ranges", "content-type"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "PAUSE_SECONDS", 0.01)


def names(keys: tuple[str, ...]) -> list[str]:
    """The whole names in the bucket of keys of the target."""
    found = []
    for key in keys:
        base = PREFIX.split("/")
        while key.startswith("../"):
            key, base = key.removeprefix("../"), base[:-1]  # noqa: PLW2901
        found.append("/".join([*base, key]))
    return found


# S3.


class S3Place:
    """A bucket that somebody else's things lie in as well."""

    bucket = "shared"

    def __init__(self, server: Seaweed) -> None:
        self.server, self.client = server, server.client()
        server.bucket(self.bucket)
        for forget in (self.client.delete_bucket_policy, self.client.delete_bucket_cors):
            with suppress(self.client.exceptions.ClientError):  # this server minds where there is none
                forget(Bucket=self.bucket)
        self.fill()

    def fill(self) -> None:
        for name in names(INSIDE + OUTSIDE):
            if name != f"{PREFIX}/v0.9":  # a folder there already: this server keeps keys in a tree
                self.client.put_object(Bucket=self.bucket, Key=name, Body=b"data")

    def changes(
        self, access: Access = PUBLIC, reach: Reach = REACH, prefix: str = PREFIX
    ) -> list[tuple[str, str, str]]:
        found = s3.changes(self.client, self.bucket, prefix, access, reach)
        return [(change.op, change.what, change.place.removeprefix(f"s3://{self.bucket}")) for change in found]

    def apply(self, access: Access = PUBLIC, reach: Reach = REACH, prefix: str = PREFIX) -> None:
        s3.apply(self.client, self.bucket, prefix, access, reach)

    def policy(self) -> dict[str, Any]:
        return dict(json.loads(self.client.get_bucket_policy(Bucket=self.bucket)["Policy"]))

    def put_policy(self, *statements: dict[str, Any]) -> None:
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        self.client.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(policy))

    def rules(self) -> list[dict[str, Any]]:
        return list(self.client.get_bucket_cors(Bucket=self.bucket)["CORSRules"])

    def put_rules(self, *rules: dict[str, Any]) -> None:
        self.client.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": list(rules)})

    def stranger(self, method: str, name: str, **headers: str) -> Reply:
        key, _, query = name.partition("?")
        asked = dict(parse_qsl(query, keep_blank_values=True))
        return self.server.ask(method, f"{self.bucket}/{key}", headers=headers, query=asked, keys=None)

    def matrix(self) -> dict[str, int]:
        """What strangers are answered: for each object, for what is missing, for lists, for attempts to write."""
        base = f"{PREFIX}/"
        keys = [*names(INSIDE), *names(OUTSIDE), *(f"{base}{key}" for key in ("v0.9/none", "v0.90/none", "none"))]
        asked = [(method, key) for method in ("GET", "HEAD") for key in keys]
        lists = ("", "labs/", base, f"{base}v0.9", f"{base}v0.9/", f"{base}v0.9/i", f"{base}v0.90", f"{base}v0.90/",
                 f"{base}em/", f"{base}em/grey", f"{base}em/grey/", f"{base}releases.json", "labs/da10/")  # fmt: skip
        asked += [("GET", f"?list-type=2&prefix={prefix}") for prefix in lists]
        asked += [("GET", f"?{more}") for more in ("", "policy", "cors", "acl", "uploads", "versions")]
        asked += [(method, key) for method in ("PUT", "DELETE") for key in (*names(INSIDE), *names(OUTSIDE), "new")]
        return {f"{method} {name}": self.stranger(method, name).status for method, name in asked}


OPENED = {
    **{f"{method} {name}": 200 for method in ("GET", "HEAD") for name in names(INSIDE)},
    **{f"{method} {PREFIX}/v0.9/none": 404 for method in ("GET", "HEAD")},
    **{f"GET ?list-type=2&prefix={PREFIX}/{prefix}": 200 for prefix in ("v0.9/", "v0.9/i", "em/grey/")},
}


@pytest.fixture
def place(seaweed: Seaweed) -> S3Place:
    return S3Place(seaweed)


THEIRS = (
    {
        "Sid": "TheirNotes",
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": f"arn:aws:s3:::BUCKET/{PREFIX}/notes.txt",
    },
    {
        "Sid": "TheirGuard",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject", "s3:PutObject"],
        "Resource": ["arn:aws:s3:::BUCKET/secret.txt", "arn:aws:s3:::BUCKET/labs/é/*"],
        "Condition": {"StringNotEquals": {"aws:PrincipalTag/team": "EM & co"}},
    },
)


def theirs(place: S3Place) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(json.dumps(THEIRS).replace("BUCKET", place.bucket)))


def test_strangers_read_the_release_and_nothing_else(place: S3Place) -> None:
    before = place.matrix()
    assert set(before.values()) == {403}
    assert place.changes() == [
        ("+", "CORS", ""),
        ("+", "public read", f"/{PREFIX}/em/grey/"),
        ("+", "public read", f"/{PREFIX}/releases.json"),
        ("+", "public read", f"/{PREFIX}/v0.9/"),
    ]
    assert place.matrix() == before  # looking is not doing
    place.apply()
    assert place.matrix() == before | OPENED
    listed = place.stranger("GET", f"?list-type=2&prefix={PREFIX}/v0.9/").body
    assert listed.count(b"<Key>") == 2


def test_a_second_run_changes_nothing(place: S3Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.apply()
    policy, rules = place.policy(), place.rules()
    assert place.changes() == []
    for name in ("put_bucket_policy", "put_bucket_cors", "delete_bucket_policy", "delete_bucket_cors"):
        monkeypatch.setattr(place.client, name, None)
    place.apply()
    assert (place.policy(), place.rules()) == (policy, rules)


def test_what_others_wrote_stays(place: S3Place) -> None:
    other = {"ID": "theirs", "AllowedOrigins": ["https://lab.example"], "AllowedMethods": ["PUT"], "MaxAgeSeconds": 7}
    place.put_policy(*theirs(place))
    place.put_rules(other)
    before, policy, rules = place.matrix(), place.policy(), place.rules()
    assert before[f"GET {PREFIX}/notes.txt"] == 200
    place.apply()
    assert place.policy()["Statement"][:2] == policy["Statement"]
    assert place.rules()[:1] == rules
    assert (len(place.policy()["Statement"]), len(place.rules())) == (4, 2)
    assert place.matrix() == before | OPENED
    place.apply(PRIVATE)
    assert place.policy() == policy
    assert place.matrix() == before


def test_pages_may_read_by_the_buckets_own_cors(place: S3Place) -> None:
    def preflight() -> Any:
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
        return place.stranger("OPTIONS", f"{PREFIX}/v0.9/info", Origin="https://page.example", **asked)

    assert "access-control-allow-origin" not in preflight().headers
    place.apply()
    assert preflight().status == 200
    assert preflight().headers["access-control-allow-origin"] in {"*", "https://page.example"}
    assert preflight().headers["access-control-allow-headers"].lower() in {"*", "range"}
    answer = place.stranger("GET", f"{PREFIX}/v0.9/info", Origin="https://page.example", Range="bytes=0-1")
    exposed = {header.strip().lower() for header in answer.headers["access-control-expose-headers"].split(",")}
    assert (answer.status, exposed) == (206, CORS_WANTED)


def test_a_private_target_is_shut_and_other_releases_stay_open(place: S3Place) -> None:
    closed = place.matrix()
    place.apply()
    place.apply(reach=Reach(("v0.90/",), ("releases.json",)))
    both = place.matrix()
    assert both[f"GET {PREFIX}/v0.90/info"] == 200
    assert place.changes(PRIVATE) == [("~", "public read", f"/{PREFIX}/{key}") for key in ("em/grey/", "v0.9/")]
    place.apply(PRIVATE)
    now = place.matrix()
    assert {name for name in now if now[name] != both[name]} == set(OPENED) - {f"{m} {PREFIX}/releases.json" for m in ("GET", "HEAD")}  # fmt: skip
    assert place.changes(PRIVATE) == []
    place.apply(PRIVATE, Reach(("v0.90/",), ("releases.json",)))  # nothing public is left for releases.json to tell of
    assert place.matrix() == closed
    with pytest.raises(place.client.exceptions.ClientError, match="NoSuchBucketPolicy"):
        place.policy()


def test_targets_of_one_bucket_leave_each_other_alone(place: S3Place) -> None:
    lab = Access("public", ("https://lab.example",))
    place.apply()
    place.apply(lab, prefix="labs/da10")
    assert [rule["ID"] for rule in place.rules()] == [f"publisher {PREFIX}", "publisher labs/da10"]
    assert place.matrix()["GET labs/da10/v0.9/info"] == 200
    assert place.changes() == []
    assert place.changes(lab, prefix="labs/da10") == [("!", "CORS", "")]  # the other's rule is for every page
    place.apply(PRIVATE)
    assert place.matrix()["GET labs/da10/v0.9/info"] == 200


def test_other_origins_take_the_place_of_those_before(place: S3Place) -> None:
    place.put_rules({"ID": "theirs", "AllowedOrigins": ["https://a.example"], "AllowedMethods": ["PUT"]})
    place.apply()
    place.put_rules(*place.rules(), {"ID": "after", "AllowedOrigins": ["https://z.example"], "AllowedMethods": ["PUT"]})
    some = Access("public", ("https://b.example", "https://*.c.example"))
    assert place.changes(some) == [("~", "CORS", "")]
    place.apply(some)
    assert [rule["ID"] for rule in place.rules()] == ["theirs", f"publisher {PREFIX}", "after"]
    assert place.rules()[1]["AllowedOrigins"] == list(some.origins)
    assert place.changes(some) == []
    place.apply(Access("public", ()))
    assert [rule["ID"] for rule in place.rules()] == ["theirs", "after"]


def test_a_rule_that_gives_all_that_is_needed_is_enough(place: S3Place) -> None:
    theirs = {"ID": "all", "AllowedOrigins": ["*"], "AllowedMethods": ["GET", "HEAD", "PUT"], "AllowedHeaders": ["*"],
              "ExposeHeaders": [*CORS_WANTED, "x-amz-meta-more"]}  # fmt: skip
    place.put_rules(theirs)
    assert ("+", "CORS", "") not in place.changes()
    place.apply()
    assert [rule["ID"] for rule in place.rules()] == ["all"]


def test_a_rule_that_hides_ours_is_told_and_left_alone(place: S3Place) -> None:
    place.put_rules({"ID": "bare", "AllowedOrigins": ["https://lab.example"], "AllowedMethods": ["GET"]})
    place.apply()
    (told,) = s3.changes(place.client, place.bucket, PREFIX, PUBLIC, REACH)
    assert told.op == "!"
    assert "rule 'bare' answers first, and hides ETag, Content-Range" in told.reason
    answer = place.stranger("GET", f"{PREFIX}/v0.9/info", Origin="https://lab.example")
    assert "access-control-expose-headers" not in answer.headers  # so it is
    answer = place.stranger("GET", f"{PREFIX}/v0.9/info", Origin="https://other.example")
    assert "Content-Range" in answer.headers["access-control-expose-headers"]


def test_a_rule_for_every_page_that_exposes_nothing_is_not_enough(place: S3Place) -> None:
    place.put_rules({"ID": "bare", "AllowedOrigins": ["*"], "AllowedMethods": ["GET", "HEAD"], "AllowedHeaders": ["*"]})
    assert [change for change in place.changes() if change[1] == "CORS"] == [("+", "CORS", ""), ("!", "CORS", "")]
    place.apply()
    assert [rule["ID"] for rule in place.rules()] == ["bare", f"publisher {PREFIX}"]


def test_statements_of_ours_that_somebody_changed_are_put_back(place: S3Place) -> None:
    place.apply()
    good = place.matrix()
    get, list_ = place.policy()["Statement"]
    get["Resource"] = [*get["Resource"], f"arn:aws:s3:::{place.bucket}/*"]
    place.put_policy(get | {"Action": "s3:*"}, list_ | {"Condition": {"StringLike": {"s3:prefix": "*"}}})
    assert place.matrix()["GET secret.txt"] == 200
    assert place.changes() == [("~", "public read", "")]
    place.apply()
    place.fill()  # strangers have deleted, while they could
    assert place.matrix() == good


def test_what_somebody_changes_later_is_a_finding(place: S3Place) -> None:
    def found() -> list[tuple[str, str]]:
        told = s3.changes(place.client, place.bucket, PREFIX, PUBLIC, REACH)
        return [(finding.severity, finding.key) for finding in drift(told)]

    place.apply()
    assert found() == []
    place.client.delete_bucket_cors(Bucket=place.bucket)
    assert found() == [("error", f"s3://{place.bucket}")]
    place.put_policy(place.policy()["Statement"][0])  # without the one that lets them list
    assert found() == [("error", f"s3://{place.bucket}")] * 2
    place.client.delete_bucket_policy(Bucket=place.bucket)
    assert len(found()) == 4


def test_an_unmanaged_target_is_not_even_looked_at() -> None:
    nobody = SimpleNamespace()  # any request would be an AttributeError
    assert s3.changes(nobody, "b", PREFIX, UNMANAGED, REACH) == ()
    s3.apply(nobody, "b", PREFIX, UNMANAGED, REACH)
    assert gcs.changes(nobody, nobody, "b", PREFIX, UNMANAGED, REACH) == ()  # type: ignore[arg-type]
    gcs.apply(nobody, nobody, "b", PREFIX, UNMANAGED, REACH)  # type: ignore[arg-type]


def test_a_role_that_may_not_is_told_who_may(place: S3Place) -> None:
    client = place.server.client(place.server.user("access-publisher", publishing(place.bucket, f"{PREFIX}/")))
    told = s3.changes(client, place.bucket, PREFIX, PUBLIC, REACH)
    assert [(change.op, change.what, change.after) for change in told] == [("!", "CORS", ""), ("!", "public read", "")]
    assert all("this role may not read" in change.reason and "publisher access" in change.reason for change in told)
    with pytest.raises(
        Unreachable, match=r"this role may not read CORS \(Access Denied\) → ask who .* `publisher access`"
    ):
        s3.apply(client, place.bucket, PREFIX, PUBLIC, REACH)


def test_a_store_that_has_neither_policies_nor_cors_is_told(rclone_s3: RcloneS3) -> None:
    told = s3.changes(rclone_s3.client(), BUCKET, PREFIX, PUBLIC, REACH)
    assert [(change.op, change.what, change.after) for change in told] == [("!", "CORS", ""), ("!", "public read", "")]
    with pytest.raises(Unreachable, match="this store has no CORS of buckets"):
        s3.apply(rclone_s3.client(), BUCKET, PREFIX, PUBLIC, REACH)


def test_a_bucket_that_is_not_there_is_told_in_words(place: S3Place) -> None:
    with pytest.raises(Unreachable, match=r"s3://none: could not read CORS: .*does not exist"):
        s3.changes(place.client, "none", PREFIX, PUBLIC, REACH)


class Blocked:
    """A client whose bucket has Block Public Access, which SeaweedFS has not."""

    def __init__(self, client: Any, **settings: bool) -> None:
        self._client, self._settings = client, settings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_public_access_block(self, **_: str) -> Any:
        return {"PublicAccessBlockConfiguration": self._settings}


def test_block_public_access_is_told_and_never_lifted(place: S3Place) -> None:
    place.put_policy(theirs(place)[0])
    client = Blocked(place.client, BlockPublicAcls=True, IgnorePublicAcls=False, BlockPublicPolicy=True)
    told = s3.changes(client, place.bucket, PREFIX, PUBLIC, REACH)[-1]
    assert (told.op, told.what) == ("!", "Block Public Access")
    assert told.after == (
        f"lifted for policies: aws s3api put-public-access-block --bucket {place.bucket} --public-access-block-configuration"
        " BlockPublicAcls=true,IgnorePublicAcls=false,BlockPublicPolicy=false,RestrictPublicBuckets=false"
    )
    assert "'TheirNotes'" in told.reason  # what lifting it would open as well
    with pytest.raises(Unreachable, match="publisher never lifts it"):
        s3.apply(client, place.bucket, PREFIX, PUBLIC, REACH)
    assert len(place.policy()["Statement"]) == 1
    client = Blocked(place.client, RestrictPublicBuckets=True)
    s3.apply(client, place.bucket, PREFIX, PUBLIC, REACH)
    assert [change.op for change in s3.changes(client, place.bucket, PREFIX, PUBLIC, REACH)] == ["!"]


def test_a_private_target_that_others_opened_is_told(place: S3Place) -> None:
    everything = theirs(place)[0] | {"Sid": "All", "Resource": f"arn:aws:s3:::{place.bucket}/labs/*"}
    inside = everything | {"Sid": "Inside", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}
    place.put_policy(everything, inside)
    (first, second) = s3.changes(place.client, place.bucket, PREFIX, PRIVATE, REACH)
    assert first.op == second.op == "!"
    assert "the statement 'All' lets everybody read it" in first.reason
    place.apply(PRIVATE)
    assert [statement["Sid"] for statement in place.policy()["Statement"]] == ["All", "Inside"]


class Hasty:
    """A client whose first writes somebody else, who has read before, overwrites at once."""

    def __init__(self, place: S3Place, times: int) -> None:
        self._place, self._left = place, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._place.client, name)

    def put_bucket_policy(self, **given: str) -> None:
        self._place.client.put_bucket_policy(**given)
        if self._left:
            self._left -= 1
            self._place.put_policy(*theirs(self._place))


def test_a_write_that_another_overtook_is_made_again(place: S3Place) -> None:
    s3.apply(Hasty(place, 2), place.bucket, PREFIX, PUBLIC, REACH)
    assert [statement["Sid"] for statement in place.policy()["Statement"][:2]] == ["TheirNotes", "TheirGuard"]
    assert len(place.policy()["Statement"]) == 4
    with pytest.raises(Unreachable, match="not what was written, 5 times"):
        s3.apply(Hasty(place, 99), place.bucket, PREFIX, PUBLIC, Reach(("v2/",)))


@pytest.mark.parametrize("key", ["", "/", "v1//", "../v1/", "./", "/v1/"])
def test_no_key_can_open_a_whole_target_or_more(key: str) -> None:
    with pytest.raises(ValueError, match="is no place of a release"):
        Reach(("v1/",), (key,)).checked()


@pytest.mark.parametrize("key", ["v1/*", "a?c", "${aws:username}/"])
def test_a_wildcard_in_a_key_opens_nothing(key: str) -> None:
    with pytest.raises(InvalidInput, match="take for a wildcard"):
        s3.Place("b", PREFIX).resource(key)


def test_a_policy_that_grows_too_large_is_told() -> None:
    place = s3.Place("b", PREFIX)
    many = Reach(tuple(f"v{number}/" for number in range(400)))
    told = list(s3._policy_changes(place, None, PUBLIC, many))  # noqa: SLF001
    assert [change.op for change in told].count("+") == 400
    assert told[-1].op == "!"
    assert "of the 20,480 bytes" in told[-1].reason
    full = s3.open_just(None, place, many.own)
    assert not [each for each in s3._policy_changes(place, full, PUBLIC, many) if each.op == "!"]  # noqa: SLF001 - no news


words = st.text("abXY09-_./ é", min_size=1, max_size=12)
statements = st.lists(
    st.fixed_dictionaries(
        {"Effect": st.sampled_from(["Allow", "Deny"]), "Resource": words | st.lists(words)},
        optional={"Sid": words, "Principal": words | st.fixed_dictionaries({"AWS": words}), "Condition": st.none()},
    ),
    max_size=4,
)


@given(statements, st.sets(words.map(lambda word: f"x{word}")), st.sets(words.map(lambda word: f"y{word}/")), words)
def test_whatever_others_wrote_is_what_it_was(
    foreign: list[dict[str, Any]], keys: set[str], more: set[str], prefix: str
) -> None:
    place = s3.Place("b", prefix)
    before = {"Version": "2008-10-17", "Id": "theirs", "Statement": foreign}
    opened = s3.open_just(before, place, keys | more)
    assert [each for each in opened["Statement"] if each.get("Sid") not in place.sids] == foreign
    assert s3.opened(opened, place) == keys | more
    assert s3.open_just(opened, place, keys | more) == opened
    assert s3.open_just(opened, place, ()) == before
    everything = {resource for each in opened["Statement"][len(foreign) :] for resource in s3._many(each["Resource"])}  # noqa: SLF001
    assert all(
        resource.startswith(f"arn:aws:s3:::b/{prefix}/") or resource == "arn:aws:s3:::b" for resource in everything
    )


# Cloud Storage.


class Gcs:
    """A bucket of Cloud Storage as its interfaces show it: settings over HTTP, managed folders over gRPC."""

    def __init__(self) -> None:
        self.objects: set[str] = set()
        self.settings: dict[str, Any] = {
            "name": "shared",
            "metageneration": "1",
            "iamConfiguration": {
                "uniformBucketLevelAccess": {"enabled": True},
                "publicAccessPrevention": "inherited",
            },
        }
        self.policies = {"": policy_pb2.Policy(etag=b"0")}  # "" is the bucket's own
        self.written: list[str] = []
        self.refused: set[str] = set()  # methods, by name
        self.overtaken = 0  # writes that somebody else is quicker with

    # What strangers may, by the rules that Google documents.

    def readable(self, name: str) -> bool:
        return any(
            name.startswith(folder) and any("allUsers" in binding.members for binding in policy.bindings)
            for folder, policy in self.policies.items()
        )

    def grant(self, folder: str, role: str, *members: str, condition: str = "") -> None:
        policy = self.policies.setdefault(folder, policy_pb2.Policy(etag=b"0"))
        binding = policy.bindings.add(role=role, members=members)
        binding.condition.expression = condition

    # gRPC

    def create(self, request: CreateManagedFolderRequest, context: grpc.ServicerContext) -> ManagedFolder:
        self._admit("create", context)
        folder = request.managed_folder_id
        if folder in self.policies:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "it exists")
        self.written.append(f"create {folder}")
        self.policies[folder] = policy_pb2.Policy(etag=b"0")
        return ManagedFolder(name=f"{request.parent}/managedFolders/{folder}")

    def get(self, request: iam_policy_pb2.GetIamPolicyRequest, context: grpc.ServicerContext) -> policy_pb2.Policy:
        self._admit("get", context)
        folder = self._folder(request.resource, context)
        if not folder:
            self._admit("get bucket", context)
        policy = policy_pb2.Policy()
        policy.CopyFrom(self.policies[folder])
        if request.options.requested_policy_version < 3:
            for binding in policy.bindings:
                binding.ClearField("condition")
        return policy

    def set(self, request: iam_policy_pb2.SetIamPolicyRequest, context: grpc.ServicerContext) -> policy_pb2.Policy:
        self._admit("set", context)
        folder = self._folder(request.resource, context)
        there = self.policies[folder]
        if self.overtaken:
            self.overtaken -= 1
            there.bindings.add(role="roles/storage.objectUser", members=[f"user:{self.overtaken}@lab.example"])
            there.etag += b"+"
        if request.policy.etag != there.etag:
            context.abort(grpc.StatusCode.ABORTED, "the etag is another")
        self.written.append(f"set {folder}")
        there.CopyFrom(request.policy)
        there.etag += b"+"
        return there

    def _folder(self, resource: str, context: grpc.ServicerContext) -> str:
        bucket, _, folder = resource.partition("/managedFolders/")
        if bucket != "projects/_/buckets/shared" or folder not in self.policies:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no {resource}")
        return folder

    def _admit(self, method: str, context: grpc.ServicerContext) -> None:
        if method in self.refused:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "it takes storage.managedFolders.setIamPolicy")

    # HTTP

    def http(self, method: str, path: str, asked: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        if "settings" in self.refused:
            return 403, {"error": {"message": "it takes storage.buckets.get"}}
        if not path.startswith("/storage/v1/b/shared"):
            return 404, {"error": {"message": "The specified bucket does not exist."}}
        if path.endswith("/o"):
            return 200, self._listed(asked["prefix"][0])
        if method == "PATCH":
            if self.overtaken:
                self.overtaken -= 1
                self._touch(
                    cors=[*self.settings.get("cors", []), {"origin": ["https://quicker.example"], "method": ["PUT"]}]
                )
            if asked["ifMetagenerationMatch"][0] != self.settings["metageneration"]:
                return 412, {"error": {"message": "metageneration is another"}}
            self.written.append("patch")
            self._touch(**json.loads(body))
        return 200, self.settings

    def _touch(self, **news: Any) -> None:
        self.settings |= news | {"metageneration": str(int(self.settings["metageneration"]) + 1)}

    def _listed(self, prefix: str) -> Any:
        below = sorted(name for name in self.objects if name.startswith(prefix))
        folders = {
            prefix + rest.partition("/")[0] + "/" for name in below if "/" in (rest := name.removeprefix(prefix))
        }
        items = [{"name": name, "bucket": "shared"} for name in below if "/" not in name.removeprefix(prefix)]
        return {"items": items, "prefixes": sorted(folders)}


@pytest.fixture
def cloud() -> Iterator[Any]:
    """The interface, and clients of Google's own that speak to it."""
    state = Gcs()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, told = state.http(self.command, address.path, parse_qs(address.query), body)
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PATCH = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    def handler(function: Callable[..., Any], asked: Any, told: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(function, asked, told)

    create = (CreateManagedFolderRequest.deserialize, ManagedFolder.serialize)
    policies = policy_pb2.Policy.SerializeToString
    methods = {
        "CreateManagedFolder": handler(state.create, *create),
        "GetIamPolicy": handler(state.get, iam_policy_pb2.GetIamPolicyRequest.FromString, policies),
        "SetIamPolicy": handler(state.set, iam_policy_pb2.SetIamPolicyRequest.FromString, policies),
    }
    service = grpc.method_handlers_generic_handler("google.storage.control.v2.StorageControl", methods)
    rpc = grpc.server(futures.ThreadPoolExecutor(2), handlers=(service,))
    port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
    options = ClientOptions(api_endpoint=f"http://127.0.0.1:{web.server_port}")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        client = storage.Client("project", AnonymousCredentials(), client_options=options)  # type: ignore[no-untyped-call]
        control = StorageControlClient(transport=StorageControlGrpcTransport(channel=channel))
        yield GcsPlace(state, client, control)
    web.shutdown()
    web.server_close()
    rpc.stop(None)


class GcsPlace:
    """The fake, and the functions that are tried on it."""

    def __init__(self, state: Gcs, client: Any, control: Any) -> None:
        self.state, self.client, self.control = state, client, control
        state.objects |= set(names(INSIDE))

    def told(self, access: Access = PUBLIC, reach: Reach = REACH, prefix: str = PREFIX) -> Any:
        return gcs.changes(self.client, self.control, "shared", prefix, access, reach)

    def changes(self, *more: Any, **named: Any) -> list[tuple[str, str, str]]:
        return [(op, what, where.removeprefix("gs://shared")) for op, what, where, *_ in self.told(*more, **named)]

    def apply(self, access: Access = PUBLIC, reach: Reach = REACH, prefix: str = PREFIX) -> None:
        gcs.apply(self.client, self.control, "shared", prefix, access, reach)

    def readable(self, keys: tuple[str, ...]) -> list[bool]:
        return [self.state.readable(name) for name in names(keys)]


def test_gcs_a_prefix_of_its_own_is_opened_as_one_folder(cloud: GcsPlace) -> None:
    assert cloud.changes() == [("+", "CORS", ""), ("+", "public read", f"/{PREFIX}/")]
    assert "releases.json cannot be opened alone" in cloud.told()[1].reason
    assert cloud.told()[1].after == "everybody may read and list it, now and later"
    assert cloud.state.written == []
    cloud.apply()
    assert all(cloud.readable(INSIDE))
    assert not any(cloud.state.readable(name) for name in ("secret.txt", "labs/da10/v0.9/info", "labs/x"))
    assert cloud.state.written == ["patch", f"create {PREFIX}/", f"set {PREFIX}/"]
    (entry,) = cloud.state.settings["cors"]
    assert set(entry) == {"origin", "method", "responseHeader", "maxAgeSeconds"}
    assert {header.lower() for header in entry["responseHeader"]} == {*CORS_WANTED, "range"}
    assert cloud.changes() == []
    cloud.apply()
    assert len(cloud.state.written) == 3


def test_gcs_where_others_things_lie_the_releases_own_folders_are_opened(cloud: GcsPlace) -> None:
    cloud.state.objects |= set(names(OUTSIDE))
    assert cloud.changes()[1:] == [
        ("+", "public read", f"/{PREFIX}/em/grey/"),
        ("+", "public read", f"/{PREFIX}/v0.9/"),
        ("!", "public read", f"/{PREFIX}/releases.json"),
    ]
    assert f"{PREFIX}/notes.txt" in cloud.told()[-1].reason
    cloud.apply()
    assert dict(zip(INSIDE, cloud.readable(INSIDE), strict=True)) == dict.fromkeys(INSIDE, True) | {
        "releases.json": False
    }
    assert not any(cloud.readable(OUTSIDE))
    assert cloud.changes() == [("!", "public read", f"/{PREFIX}/releases.json")]


def test_gcs_a_stranger_deep_among_known_folders_is_found(cloud: GcsPlace) -> None:
    cloud.state.objects |= {f"{PREFIX}/em/private/x"}
    assert ("+", "public read", f"/{PREFIX}/") not in cloud.changes()
    assert f"{PREFIX}/em/private/ may not be for everybody" in cloud.told()[-1].reason
    others = REACH._replace(others=("em/private/",))  # another public release's
    assert cloud.changes(reach=others)[1:] == [("+", "public read", f"/{PREFIX}/")]


def test_gcs_a_whole_bucket_is_never_opened(cloud: GcsPlace) -> None:
    cloud.state.objects = {"v0.9/info", "releases.json"}
    reach = Reach(("v0.9/",), ("releases.json",))
    assert cloud.changes(reach=reach, prefix="")[1:] == [
        ("+", "public read", "/v0.9/"),
        ("!", "public read", "/releases.json"),
    ]
    assert "gcloud storage buckets add-iam-policy-binding gs://shared/ " in cloud.told(reach=reach, prefix="")[-1].after
    cloud.apply(reach=reach, prefix="")
    assert cloud.state.written == ["patch", "create v0.9/", "set v0.9/"]
    cloud.state.grant("", gcs.ROLE, "allUsers")  # its owner has
    assert cloud.changes(reach=reach, prefix="") == []


def test_gcs_what_comes_to_lie_in_an_open_folder_is_told(cloud: GcsPlace) -> None:
    cloud.apply()
    cloud.state.objects |= {f"{PREFIX}/notes.txt"}
    assert cloud.changes() == [("!", "public read", f"/{PREFIX}/notes.txt")]


def test_gcs_what_others_wrote_stays(cloud: GcsPlace) -> None:
    theirs = {"origin": ["https://lab.example"], "method": ["PUT"], "responseHeader": ["X-Lab"], "maxAgeSeconds": 7}
    cloud.state.settings["cors"] = [theirs]
    cloud.state.grant(f"{PREFIX}/", "roles/storage.objectUser", "user:a@lab.example", "user:b@lab.example")
    cloud.state.grant(f"{PREFIX}/", gcs.ROLE, "user:c@lab.example", condition="request.time < timestamp('2030-01-01')")
    before = [str(binding) for binding in cloud.state.policies[f"{PREFIX}/"].bindings]
    cloud.apply()
    after = [str(binding) for binding in cloud.state.policies[f"{PREFIX}/"].bindings]
    assert after[:2] == before
    assert len(after) == 3
    assert cloud.state.settings["cors"][0] == theirs
    assert len(cloud.state.settings["cors"]) == 2


def test_gcs_a_private_target_is_shut(cloud: GcsPlace) -> None:
    cloud.state.objects |= set(names(OUTSIDE))
    cloud.state.grant(f"{PREFIX}/v0.9/", gcs.ROLE, "user:a@lab.example", "allUsers")
    cloud.state.grant(f"{PREFIX}/em/grey/", gcs.ROLE, "allUsers")
    cloud.state.grant(f"{PREFIX}/v0.8/", gcs.ROLE, "allUsers")
    assert cloud.changes(PRIVATE) == [("~", "public read", f"/{PREFIX}/{key}") for key in ("v0.9/", "em/grey/")]
    cloud.apply(PRIVATE)
    assert not any(cloud.readable(INSIDE))
    assert cloud.state.readable(f"{PREFIX}/v0.8/info")
    assert list(cloud.state.policies[f"{PREFIX}/v0.9/"].bindings[0].members) == ["user:a@lab.example"]
    assert cloud.changes(PRIVATE) == []
    cloud.state.grant(f"{PREFIX}/", gcs.ROLE, "allUsers")
    assert [change.op for change in cloud.told(PRIVATE)] == ["!", "!"]
    assert f"managed-folders remove-iam-policy-binding gs://shared/{PREFIX}/ " in cloud.told(PRIVATE)[0].after


def test_gcs_a_write_that_another_overtook_is_made_again(cloud: GcsPlace) -> None:
    cloud.state.overtaken = 2
    cloud.apply()
    assert len(cloud.state.settings["cors"]) == 3
    assert all(cloud.readable(INSIDE))
    cloud.state.overtaken = 2
    cloud.apply(reach=Reach(("v1/",)), prefix="labs/da10")
    assert len(cloud.state.policies["labs/da10/v1/"].bindings) == 3
    cloud.state.overtaken = 99
    with pytest.raises(Unreachable, match="not what was written, 5 times"):
        cloud.apply(reach=Reach(("v2/",)), prefix="labs/da10")


def test_gcs_settings_that_keep_strangers_out_are_told_and_never_lifted(cloud: GcsPlace) -> None:
    cloud.state.settings["iamConfiguration"] = {
        "uniformBucketLevelAccess": {"enabled": False},
        "publicAccessPrevention": "enforced",
    }
    assert [(op, what) for op, what, _ in cloud.changes()][1:3] == [("!", "uniform access"), ("!", "public access prevention")]  # fmt: skip
    with pytest.raises(Unreachable) as caught:
        cloud.apply()
    assert "gcloud storage buckets update gs://shared --no-public-access-prevention" in str(caught.value)
    assert "gcloud storage buckets update gs://shared --uniform-bucket-level-access" in str(caught.value)
    assert cloud.state.written == ["patch"]


def test_gcs_a_role_that_may_not_is_told_who_may(cloud: GcsPlace) -> None:
    cloud.state.refused = {"settings", "get"}
    assert [change.after for change in cloud.told()] == ["", ""]
    with pytest.raises(
        Unreachable, match=r"this role may not read the bucket's settings \(.*storage\.buckets\.get\) → ask who"
    ):
        cloud.apply()
    cloud.state.refused = {"get bucket"}  # which the bucket's own policy takes; folders do without
    assert cloud.changes() == [("+", "CORS", ""), ("+", "public read", f"/{PREFIX}/")]
    cloud.state.refused = {"create"}
    with pytest.raises(Unreachable, match=f"this role may not change who may read gs://shared/{PREFIX}/"):
        cloud.apply()


def test_gcs_without_iam_nobody_can_tell(cloud: GcsPlace) -> None:
    cloud.control = None
    assert cloud.changes() == [("+", "CORS", ""), ("!", "public read", "")]
    with pytest.raises(Unreachable, match="this service has no IAM"):
        cloud.apply()


def test_gcs_a_bucket_that_is_not_there_is_told_in_words(cloud: GcsPlace) -> None:
    with pytest.raises(Unreachable, match=r"gs://none: could not read the bucket's settings: .*does not exist"):
        gcs.changes(cloud.client, cloud.control, "none", PREFIX, PUBLIC, REACH)


def test_gcs_fewer_origins_are_told_where_a_wider_entry_stays(cloud: GcsPlace) -> None:
    some = Access("public", ("https://lab.example",))
    cloud.apply()
    assert cloud.changes(some) == [("!", "CORS", "")]
    cloud.state.settings["cors"] = []
    cloud.apply(some)
    assert cloud.changes(some) == []
    assert cloud.state.settings["cors"][0]["origin"] == ["https://lab.example"]
