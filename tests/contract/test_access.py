"""Who may read: what access as code does to an S3 bucket that others use as well.

Tried on SeaweedFS, which keeps policies and CORS as the bucket has them and answers strangers by them. It has no Block
Public Access (a client that tells of one stands in for it), and answers 404 for a missing key with or without
ListBucket, so that AWS's 403 cannot be shown.
"""

from __future__ import annotations

import json
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.audit.drift import drift
from publisher.errors import InvalidInput, Unreachable
from publisher.record import Access
from publisher.targets import access as common
from publisher.targets.access import Reach
from publisher.targets.s3 import access as s3
from publisher.targets.s3 import policy as documents
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
        documents.Place("b", PREFIX).resource(key)


def test_a_policy_that_grows_too_large_is_told() -> None:
    place = documents.Place("b", PREFIX)
    many = Reach(tuple(f"v{number}/" for number in range(400)))
    told = list(documents.policy_changes(place, None, PUBLIC, many))
    assert [change.op for change in told].count("+") == 400
    assert told[-1].op == "!"
    assert "of the 20,480 bytes" in told[-1].reason
    full = documents.open_just(None, place, many.own)
    assert not [each for each in documents.policy_changes(place, full, PUBLIC, many) if each.op == "!"]


words = st.text("abXY09-_./ é", min_size=1, max_size=12)
statements = st.lists(
    st.fixed_dictionaries(
        {"Effect": st.sampled_from(["Allow", "Deny"]), "Resource": words | st.lists(words)},
        optional={"Sid": words, "Principal": words | st.fixed_dictionaries({"AWS": words}), "Condition": st.none()},
    ),
    max_size=4,
)


@settings(deadline=None)
@given(statements, st.sets(words.map(lambda word: f"x{word}")), st.sets(words.map(lambda word: f"y{word}/")), words)
def test_whatever_others_wrote_is_what_it_was(
    foreign: list[dict[str, Any]], keys: set[str], more: set[str], prefix: str
) -> None:
    place = documents.Place("b", prefix)
    before = {"Version": "2008-10-17", "Id": "theirs", "Statement": foreign}
    opened = documents.open_just(before, place, keys | more)
    assert [each for each in opened["Statement"] if each.get("Sid") not in place.sids] == foreign
    assert documents.opened(opened, place) == keys | more
    assert documents.open_just(opened, place, keys | more) == opened
    assert documents.open_just(opened, place, ()) == before
    many = documents._many  # noqa: SLF001 - one or a list, as policies may say it
    everything = {resource for each in opened["Statement"][len(foreign) :] for resource in many(each["Resource"])}
    assert all(
        resource.startswith(f"arn:aws:s3:::b/{prefix}/") or resource == "arn:aws:s3:::b" for resource in everything
    )
