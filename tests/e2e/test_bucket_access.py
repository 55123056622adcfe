"""Who may read a release in a bucket, and what `verify` and `plan` say of it: the whole way, on SeaweedFS.

`tests/contract/test_access.py` has the rules one by one. Each test has a bucket of its own here, because a policy and
CORS are one for a whole bucket.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from publisher import serve
from tests.e2e.buckets import CHANGES, FOUND, alone, publisher
from tests.e2e.conftest import Result
from tests.e2e.test_site_build import Page
from tests.servers.faults import FaultProxy, Request
from tests.servers.gcs import FakeGcs
from tests.servers.seaweed import Seaweed

pytestmark = pytest.mark.xdist_group("buckets")

MANIFEST = """\
schema: 1
version: v1
date: 2026-11-21
status: draft
dataset: {name: doors, title: Doors, description: Who may read., license: CC0-1.0, authors: [{name: A}]}
targets: {bucket: {url: "URL", access: ACCESS}}
files: [{name: notes, source: notes}]
"""
PREFIX = "labs/doors"
NOT_CHECKED = "anonymous access was not checked"
_numbers = count()


@dataclass
class Doors:
    """A small draft, and the bucket that it goes to."""

    server: Seaweed
    bucket: str
    manifest: Path

    def __post_init__(self) -> None:
        self.client = self.server.client()

    @property
    def base(self) -> str:
        return f"{self.server.endpoint}/{self.bucket}/{PREFIX}"

    def says(self, access: str, url: str = "") -> None:
        """Write the manifest anew."""
        to = url or f"s3://{self.bucket}/{PREFIX}"
        self.manifest.write_text(MANIFEST.replace("URL", to).replace("ACCESS", access))

    def run(self, command: str, *words: str, **env: str) -> Result:
        return publisher(command, self.manifest, "--json", *words, env=self.server.env | env)

    def released(self, *words: str, **env: str) -> list[dict[str, Any]]:
        """Release it, and return what was found."""
        done = self.run("release", "--until", "verify", *words, **env)
        assert done.code == 0, done.err
        assert done.json["objects"] in {
            3 + 4,
            3 + 5,
        }  # a list, and an example of each tool; of the web's, where it may be
        return list(done.json["findings"])

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket)["Contents"]
        return [each["Key"] for each in found]

    def answers(self) -> set[int]:
        """What strangers are answered who ask for an object, or for a list."""
        top = f"{self.server.endpoint}/{self.bucket}"
        asked = [f"{top}/{key}" for key in self.keys()]
        asked += [f"{top}?list-type=2&prefix={prefix}" for prefix in ("", f"{PREFIX}/", f"{PREFIX}/v1/")]
        return {requests.request(method, url, timeout=30).status_code for url in asked for method in ("GET", "HEAD")}

    def settings(self) -> tuple[bytes, bytes]:
        """The bucket's policy and CORS to the byte, or what is answered where there is none."""
        policy, cors = (self.server.ask("GET", self.bucket, query={name: ""}) for name in ("policy", "cors"))
        return policy.body if policy.status == 200 else b"", cors.body if cors.status == 200 else b""


def made(seaweed: Seaweed, folder: Path) -> Doors:
    (folder / "notes").mkdir()
    for name in ("a.md", "b.md", "c.csv"):
        (folder / "notes" / name).write_text(f"# {name}\n")
    doors = Doors(seaweed, seaweed.bucket(f"doors{next(_numbers)}"), folder / "v1.yaml")
    doors.says("public")
    return doors


@pytest.fixture
def doors(seaweed: Seaweed, tmp_path: Path) -> Doors:
    return made(seaweed, tmp_path)


# Private, unmanaged, left alone


def test_a_private_release_is_its_owners(doors: Doors) -> None:
    doors.says("private")
    (found,) = doors.released()
    assert (found["check"], found["severity"]) == ("anonymous", "note")
    assert NOT_CHECKED in found["message"]
    assert doors.settings() == (b"", b"")
    assert doors.answers() == {403}
    again = doors.run("verify")
    assert (again.code, again.json["findings"]) == (0, [found])
    assert publisher("verify", doors.base, env={}).code == 7  # strangers are refused


def test_the_page_of_a_private_release_has_commands_for_its_owners(doors: Doors, tmp_path: Path) -> None:
    """Also where the address of its target does not tell where the store is."""
    doors.says('private, public_url: "https://data.invalid/x"')
    done = doors.run("release")
    assert done.code == 0, done.err
    code = Page((tmp_path / ".publisher/v1/html/download.html").read_text()).code
    lines = [line for text in code for line in text.splitlines()]
    assert not [line for line in lines if "anonymous" in line or "no-sign-request" in line or "urlopen" in line]
    # Besides, the picker has one for what is ticked.
    (command,) = [line for line in lines if line.startswith("rclone ") and line.endswith(" notes")]
    for who, copied in ((doors.server.env, True), ({}, False)):
        at = tmp_path / f"copied-{copied}"
        at.mkdir()
        env = alone({"HOME": str(at), **who})
        copying = subprocess.run(["bash", "-ec", command], cwd=at, env=env, capture_output=True, check=False)
        assert (copying.returncode == 0) is copied
        assert (at / "notes/a.md").is_file() is copied


def test_a_private_release_that_others_opened_is_found(doors: Doors) -> None:
    doors.says("private")
    doors.released()
    theirs = {"Sid": "Theirs", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    policy = {"Version": "2012-10-17", "Statement": [theirs | {"Resource": f"arn:aws:s3:::{doors.bucket}/*"}]}
    doors.client.put_bucket_policy(Bucket=doors.bucket, Policy=json.dumps(policy))
    found = {each["check"]: each for each in doors.run("verify").json["findings"]}
    assert set(found) == {"anonymous", "access-drift"}
    assert "the statement 'Theirs' lets everybody read it" in found["access-drift"]["message"]
    before = doors.keys()
    (doors.manifest.parent / "notes/a.md").write_text("# secret\n")
    refused = doors.run("release")
    assert (refused.code, doors.keys()) == (7, before)
    assert "'Theirs'" in refused.err
    assert requests.get(f"{doors.base}/v1/files/notes/a.md", timeout=30).text == "# a.md\n"


@pytest.mark.parametrize(("access", "word"), [("unmanaged", ""), ("public", "--no-access")])
def test_the_buckets_settings_stay_to_the_byte(doors: Doors, access: str, word: str) -> None:
    words = [word] if word else []
    doors.says(access)
    statement = {"Sid": "Theirs", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    policy = {"Version": "2012-10-17", "Statement": [statement | {"Resource": f"arn:aws:s3:::{doors.bucket}/x/*"}]}
    doors.client.put_bucket_policy(Bucket=doors.bucket, Policy=json.dumps(policy))
    rule = {"ID": "theirs", "AllowedOrigins": ["https://x.example"], "AllowedMethods": ["GET"]}
    doors.client.put_bucket_cors(Bucket=doors.bucket, CORSConfiguration={"CORSRules": [rule]})
    before = doors.settings()
    assert all(before)
    found = doors.released(*words)
    assert doors.settings() == before
    assert [(each["check"], each["severity"]) for each in found] == [("anonymous", "note")]
    assert NOT_CHECKED in found[0]["message"]
    assert doors.run("plan", *words).json["access"] == []


def test_what_was_public_is_shut_before_anything_is_written(doors: Doors) -> None:
    """But for the lock, which is held while it is shut."""
    assert doors.released() == []
    assert doors.answers() == {200, 403}  # the whole bucket and the target's prefix are not to be listed
    assert requests.get(f"{doors.base}/v1/files/notes/a.md", timeout=30).text == "# a.md\n"
    doors.says("private")
    (doors.manifest.parent / "notes/a.md").write_text("# secret\n")
    seen: list[tuple[str, int]] = []

    def at_every_put(request: Request) -> None:
        if request.method == "PUT" and "policy" not in request.query and "cors" not in request.query:
            status = requests.get(f"{doors.base}/v1/files/notes/a.md", timeout=30).status_code
            seen.append((request.path.removeprefix(f"/{doors.bucket}/{PREFIX}/"), status))

    with FaultProxy(doors.server.endpoint, at_every_put) as proxy:
        found = doors.released(AWS_ENDPOINT_URL=proxy.endpoint)
    # The example that copies over the web is not for a private release; what a draft no longer has is left where it is.
    left = [each["key"] for each in found if each["check"] != "anonymous"]
    assert [key.rpartition("-notes-")[2] for key in left] == ["copy-tree.py"]
    assert {each["severity"] for each in found} == {"note"}
    open_still = {key for key, status in seen if status == 200}
    assert open_still <= {"v1/.release/lock.json"}
    assert ("v1/files/notes/a.md", 403) in seen
    assert doors.answers() == {403}


def test_what_is_private_is_not_written_where_it_is_open(doors: Doors) -> None:
    """Not even when the bucket is to be left alone: then it is for somebody else to shut first."""
    doors.released()
    doors.says("private")
    (doors.manifest.parent / "notes/a.md").write_text("# secret\n")
    refused = doors.run("release", "--no-access")
    assert refused.code == 7, refused.err
    assert "the target is private" in refused.err
    assert requests.get(f"{doors.base}/v1/files/notes/a.md", timeout=30).text == "# a.md\n"


def test_credentials_lead_to_the_bucket_whatever_its_public_address_is(
    doors: Doors, fake_gcs: FakeGcs, tmp_path: Path
) -> None:
    """What stands before a bucket may be somebody else's, who is not to see who asks."""
    asked: list[str] = []
    fake_gcs.bucket(doors.bucket)
    (tmp_path / "elsewhere").mkdir()
    with serve.running(tmp_path / "elsewhere", log=asked.append) as public:
        for url, env in ((f"s3://{doors.bucket}/x", doors.server.env), (f"gs://{doors.bucket}/x", fake_gcs.env)):
            doors.says(f'unmanaged, public_url: "{public}/x"', url)
            done = publisher("release", doors.manifest, "--until", "verify", "--json", env=env)
            assert done.code == 0, done.err
            assert [each["check"] for each in done.json["findings"]] == ["anonymous"]
    assert asked == []


# Drift


def no_cors(doors: Doors) -> None:
    doors.client.delete_bucket_cors(Bucket=doors.bucket)


def no_policy(doors: Doors) -> None:
    doors.client.delete_bucket_policy(Bucket=doors.bucket)


def less_of_both(doors: Doors) -> None:
    """Pages no longer see where a range lies, and strangers nothing but the list of releases."""
    (rule,) = doors.client.get_bucket_cors(Bucket=doors.bucket)["CORSRules"]
    rules = {"CORSRules": [rule | {"ExposeHeaders": ["ETag"]}]}
    doors.client.put_bucket_cors(Bucket=doors.bucket, CORSConfiguration=rules)
    policy = json.loads(doors.client.get_bucket_policy(Bucket=doors.bucket)["Policy"])
    get = next(each for each in policy["Statement"] if each["Action"] == "s3:GetObject")
    get["Resource"] = f"arn:aws:s3:::{doors.bucket}/{PREFIX}/releases.json"
    doors.client.put_bucket_policy(Bucket=doors.bucket, Policy=json.dumps(policy))


@pytest.fixture(scope="module")
def opened(seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Doors:
    """A public release, which each test finds as it should be and leaves so."""
    doors = made(seaweed, tmp_path_factory.mktemp("drift"))
    assert doors.released() == []
    return doors


@pytest.mark.parametrize(
    ("break_it", "what", "strangers"),
    [
        (no_cors, {"CORS"}, {"cors"}),
        (no_policy, {"public read"}, {"access"}),
        (less_of_both, {"CORS", "public read"}, {"access"}),
    ],
)
def test_drift_is_found_planned_and_repaired(
    opened: Doors, break_it: Callable[[Doors], None], what: set[str], strangers: set[str]
) -> None:
    before = opened.settings()
    break_it(opened)
    found = opened.run("verify")
    assert found.code == FOUND, found.err
    errors = [each for each in found.json["findings"] if each["severity"] == "error"]
    assert {each["check"] for each in errors} == {"access-drift", *strangers}
    drifted = [each["message"] for each in errors if each["check"] == "access-drift"]
    assert {word for word in ("CORS", "public read") for message in drifted if message.startswith(word)} == what
    assert all("run `publisher access`" in message for message in drifted)
    plan = opened.run("plan")
    assert (plan.code, plan.json["changes"], plan.json["record"]) == (CHANGES, [], [])
    assert {change["what"] for change in plan.json["access"]} == what
    done = opened.run("access")
    assert (done.code, done.json["left"]) == (0, []), done.err
    assert {change["what"] for change in done.json["changed"]} == what
    assert opened.settings() == before
    good = opened.run("verify")
    assert (good.code, good.json["findings"]) == (0, []), good.err


def test_what_others_wrote_into_the_releases_own_statement_is_told(doors: Doors) -> None:
    doors.released()
    policy = json.loads(doors.client.get_bucket_policy(Bucket=doors.bucket)["Policy"])
    get = next(each for each in policy["Statement"] if each["Action"] == "s3:GetObject")
    get["Resource"].append(f"arn:aws:s3:::{doors.bucket}/{PREFIX}/secret/*")
    doors.client.put_bucket_policy(Bucket=doors.bucket, Policy=json.dumps(policy))
    found = [each for each in doors.run("verify").json["findings"] if "no public release" in each["message"]]
    assert [each["key"] for each in found] == [f"s3://{doors.bucket}/{PREFIX}/secret/"]
    assert [change["op"] for change in doors.run("plan").json["access"]].count("!") == 1
