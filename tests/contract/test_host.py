"""A site beside the data: on a folder, on S3 and on Cloud Storage, looked at around the target that wrote it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import pytest
import urllib3

from publisher import host
from publisher.errors import Conflict, Incomplete, Problem, Unhosted
from publisher.headers import IMMUTABLE, MOVING, rule_for_name
from publisher.ledger import Ledger
from publisher.record import ReleaseRef
from publisher.targets import LocalTarget, Target, open_target
from tests.servers.faults import Fault, FaultProxy, Request, kill, nothing
from tests.servers.fixtures import BUCKET

SCRIPT = "assets/javascripts/bundle.a5f9d56c.min.js"
PAGE = '<!doctype html><title>{0}</title><link rel="stylesheet" href="assets/site.css"><script src="{1}"></script>{2}'
FILES = {
    "index.html": PAGE.format("Home", SCRIPT, '<a href="files.html">Files</a>'),
    "files.html": PAGE.format("Files", SCRIPT, '<img src="renders/main.png">'),
    "tables/bodies.html": f'<!doctype html><title>Bodies</title><script src="../{SCRIPT}"></script>',
    SCRIPT: "script()",
    f"{SCRIPT}.map": "{}",
    "assets/site.css": "p {}",
    "renders/main.png": "\x89PNG",
    "search/search_index.json": "{}",
}
RELEASES = {
    name: ReleaseRef(name, status, date, name, f"{name}/.release/release.json")
    for name, status, date in (
        ("v3", "draft", "2026-03-01"),
        ("v2", "final", "2026-02-01"),
        ("v1", "final", "2026-01-01"),
    )
}

Told = dict[str, tuple[bytes, str, str, str]]  # content, Content-Type, Cache-Control, what changes with each writing


@dataclass(frozen=True)
class Seen:
    """A target, and everything that lies below `site/`, by another way than its own."""

    target: Target
    all: Callable[[], Told]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / ".publisher-site").write_text("\n".join(FILES))
    return folder


def on_disk(tmp_path: Path, _: pytest.FixtureRequest) -> Seen:
    root = tmp_path / "public"

    def told() -> Told:
        found = {}
        for path in sorted(root.glob("site/**/*")):
            if path.is_file():
                seen = path.stat()
                name = path.relative_to(root).as_posix()
                found[name] = (path.read_bytes(), "", "", f"{seen.st_ino} {seen.st_mtime_ns}")
        return found

    return Seen(LocalTarget(root), told)


def on_s3(tmp_path: Path, request: pytest.FixtureRequest) -> Seen:
    server, prefix = request.getfixturevalue("seaweed"), request.getfixturevalue("prefix")
    _environment(request, server.env)
    client, url = server.client(), f"s3://{BUCKET}/{prefix}"

    def told() -> Told:
        found = {}
        for each in client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}site/").get("Contents", ()):
            answer = client.get_object(Bucket=BUCKET, Key=each["Key"])
            written = str(answer["LastModified"]) + answer["ETag"]
            head = (answer["Body"].read(), answer["ContentType"], answer["CacheControl"], written)
            found[each["Key"].removeprefix(prefix)] = head
        return found

    return Seen(open_target(url, None, tmp_path, Ledger(tmp_path, url)), told)


def on_gcs(tmp_path: Path, request: pytest.FixtureRequest) -> Seen:
    server, prefix = request.getfixturevalue("fake_gcs"), request.getfixturevalue("prefix")
    _environment(request, server.env)
    url, top = f"gs://{BUCKET}/{prefix}", f"{server.endpoint}/storage/v1/b/{BUCKET}/o"

    def told() -> Told:
        found = {}
        listed = urllib3.request("GET", f"{top}?prefix={quote(prefix + 'site/', safe='')}").json()
        for each in listed.get("items", ()):
            body = urllib3.request("GET", f"{top}/{quote(each['name'], safe='')}?alt=media").data
            key = each["name"].removeprefix(prefix)
            found[key] = (body, each["contentType"], each["cacheControl"], str(each["generation"]))
        return found

    return Seen(open_target(url, None, tmp_path, Ledger(tmp_path, url)), told)


def _environment(request: pytest.FixtureRequest, env: dict[str, str]) -> None:
    for name, value in env.items():
        request.getfixturevalue("monkeypatch").setenv(name, value)


@pytest.fixture(params=[on_disk, on_s3, on_gcs], ids=["local", "s3", "gcs"])
def there(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Seen]:
    return request.param(tmp_path, request)  # type: ignore[no-any-return]


def up(target: Target, built: Path, version: str = "v1") -> host.Hosted:
    return host.upload(target, built, version, RELEASES, "v2")


def versions(told: Told) -> list[dict[str, Any]]:
    return json.loads(told["site/versions.json"][0])  # type: ignore[no-any-return]


def test_a_site_arrives_whole_and_a_second_time_nothing_is_written(there: Seen, built: Path) -> None:
    done = up(there.target, built)
    assert (done.sent, done.kept, done.left) == (len(FILES), 0, ())
    told = there.all()
    assert {key.removeprefix("site/v1/"): body.decode() for key, (body, *_) in told.items() if "/v1/" in key} == FILES
    assert {key for key in told if "/v1/" not in key} == {"site/versions.json", "site/index.html"}
    if not isinstance(there.target, LocalTarget):  # a folder's headers are for whoever serves it
        for key, (_, content_type, cache_control, _) in told.items():
            assert content_type == rule_for_name(key).content_type
            assert cache_control == (IMMUTABLE if "a5f9d56c" in key else MOVING), key
        assert told["site/v1/index.html"][1] == "text/html; charset=utf-8"
    again = up(there.target, built)
    assert (again.sent, again.kept, again.left) == (0, len(FILES), ())
    assert there.all() == told


def test_only_what_changed_is_sent_and_nothing_is_deleted(there: Seen, built: Path) -> None:
    up(there.target, built)
    before = there.all()
    (built / "files.html").write_text(FILES["files.html"] + "!")
    (built / "renders/main.png").unlink()
    done = up(there.target, built)
    assert (done.sent, done.kept, done.left) == (1, len(FILES) - 2, ("site/v1/renders/main.png",))
    after = there.all()
    assert [key for key in before if before[key] != after[key]] == ["site/v1/files.html"]
    assert after.keys() == before.keys()


def test_versions_are_listed_newest_first_and_the_first_address_leads_to_the_latest(there: Seen, built: Path) -> None:
    up(there.target, built)
    told = there.all()
    assert [row["version"] for row in versions(told)] == ["v1"]
    assert b"url=v1/index.html" in told["site/index.html"][0]
    for version in ("v3", "v2"):
        up(there.target, built, version)
    told = there.all()
    assert [(row["version"], row["status"], row["date"], row["aliases"]) for row in versions(told)] == [
        ("v3", "draft", "2026-03-01", []),
        ("v2", "final", "2026-02-01", ["latest"]),
        ("v1", "final", "2026-01-01", []),
    ]
    page = told["site/index.html"][0].decode()
    assert '<meta http-equiv="refresh" content="0; url=v2/index.html">' in page
    assert "<script" not in page
    up(there.target, built)
    assert there.all() == told


def test_what_others_keep_in_the_list_of_versions_stays(there: Seen, built: Path) -> None:
    row = {"version": "v0", "title": "The first", "aliases": ["old", "latest"], "properties": {"hidden": True}}
    there.target.swap("site/versions.json", lambda _: json.dumps([row]).encode(), host.head("versions.json"))
    up(there.target, built)
    assert [each["version"] for each in versions(there.all())] == ["v1", "v0"]
    assert versions(there.all())[1] == {**row, "aliases": ["old"]}


def test_another_file_called_versions_is_no_list_to_write_over(there: Seen, built: Path) -> None:
    there.target.swap("site/versions.json", lambda _: b'{"a": 1}', host.head("versions.json"))
    with pytest.raises(Conflict, match="no list of a site's versions"):
        up(there.target, built)
    assert there.all()["site/versions.json"][0] == b'{"a": 1}'


# A run that ends in the middle


class Killed(BaseException):
    """What ends a process while it writes."""


class Ending:
    """A target of which the n-th object is the last that it takes, or takes it not."""

    def __init__(self, target: Target, takes: int, error: BaseException) -> None:
        self._target, self._left, self._error = target, takes, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._error

    def put(self, *words: Any, **more: Any) -> str:
        self._count()
        return self._target.put(*words, **more)

    def swap(self, *words: Any) -> None:
        self._count()
        self._target.swap(*words)


def broken(told: Told) -> list[str]:
    """What pages that are there need to be shown, and is not there."""
    needs = re.compile(r'(?:src|rel="stylesheet" href)="([^"]+)"')
    found = (
        (key, source) for key, (body, *_) in told.items() for source in needs.findall(body.decode(errors="replace"))
    )
    return [f"{key} → {source}" for key, source in found if urljoin(key, source) not in told]


@pytest.mark.parametrize("takes", range(len(FILES) + 2))
def test_a_killed_upload_leaves_no_page_without_its_assets_and_a_rerun_sends_the_rest(
    takes: int, built: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seen = on_disk(tmp_path, request)
    with pytest.raises(Killed):
        up(Ending(seen.target, takes, Killed()), built)  # type: ignore[arg-type]
    assert broken(seen.all()) == []
    assert ("site/versions.json" in seen.all()) == (takes > len(FILES))
    done = up(seen.target, built)
    assert done.sent + done.kept == len(FILES)
    assert done.kept >= min(takes, len(FILES)) - host.ABREAST
    up(LocalTarget(tmp_path / "other"), built)
    whole = {path.relative_to(tmp_path / "other").as_posix() for path in (tmp_path / "other/site").rglob("*")}
    assert {key for key in whole if (tmp_path / "other" / key).is_file()} == seen.all().keys()


def test_killed_in_a_bucket(there: Seen, built: Path) -> None:
    with pytest.raises(Killed):
        up(Ending(there.target, 3, Killed()), built)  # type: ignore[arg-type]
    assert broken(there.all()) == []
    assert not [key for key in there.all() if key.endswith(".html")]
    assert up(there.target, built).sent >= len(FILES) - 3 - host.ABREAST
    assert len(there.all()) == len(FILES) + 2
    assert broken(there.all()) == []


def test_the_check_of_assets_sees_one_that_is_missing() -> None:
    assert broken({"site/v1/index.html": (FILES["index.html"].encode(), "", "", "")}) == [
        "site/v1/index.html → assets/site.css",
        f"site/v1/index.html → {SCRIPT}",
    ]


def test_an_asset_that_cannot_be_stored_keeps_pages_back(built: Path, tmp_path: Path, request: Any) -> None:
    seen = on_disk(tmp_path, request)
    failing = Ending(seen.target, 0, Incomplete(Problem("site/v1/x", "was refused")))
    with pytest.raises(Unhosted, match="was refused"):
        up(failing, built)  # type: ignore[arg-type]
    assert seen.all() == {}


# A folder that becomes a branch


def test_a_branch_has_what_pages_of_github_need_and_keeps_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "CNAME").write_text("data.example.org")
    host.branch(tmp_path, "v1", RELEASES, "v2")
    host.branch(tmp_path, "v2", RELEASES, "v2")
    assert {path.name for path in tmp_path.iterdir()} == {"CNAME", ".nojekyll", "versions.json", "index.html"}
    assert [row["version"] for row in json.loads((tmp_path / "versions.json").read_text())] == ["v2", "v1"]
    assert "url=v2/index.html" in (tmp_path / "index.html").read_text()


def test_a_site_without_a_target_has_a_list_of_its_own(tmp_path: Path) -> None:
    host.branch(tmp_path, "v7", {}, "")
    assert json.loads((tmp_path / "versions.json").read_text()) == [
        {"version": "v7", "title": "v7", "aliases": ["latest"]}
    ]


UPLOAD = """
import sys
from pathlib import Path
from publisher import host
from publisher.ledger import Ledger
from publisher.targets import lock, open_target
from tests.contract.test_host import RELEASES
lock.LEASE_SECONDS = float(sys.argv[4])
folder = Path(sys.argv[2])
target = open_target(sys.argv[1], None, folder, Ledger(folder, sys.argv[1]))
print(host.upload(target, Path(sys.argv[3]), "v1", RELEASES, "v2").sent)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 3, 5, 7, 8, 9])
def test_a_process_that_is_killed_at_a_request_is_finished_by_another(
    number: int, built: Path, tmp_path: Path, faulty: FaultProxy, request: pytest.FixtureRequest
) -> None:
    """SIGKILL, once the store has the n-th of the site's objects: readers find no page that lacks something."""
    seen = on_s3(tmp_path, request)
    words = [sys.executable, "-c", UPLOAD, seen.target.url, str(tmp_path), str(built), "3"]
    env = os.environ | {"AWS_ENDPOINT_URL": faulty.endpoint}
    counted = count()
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as process:

        def plan(asked: Request) -> Fault | None:
            late = asked.method == "PUT" and "/site/" in asked.path and next(counted) >= number
            return kill(process.pid, before=False) if late else None

        faulty.plan = plan
        assert process.wait(120) == -9
    faulty.plan = nothing
    left = seen.all()
    assert broken(left) == []
    assert len(left) > number
    again = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert again.returncode == 0, again.stderr
    assert int(again.stdout) == len(FILES) - len([key for key in left if "/v1/" in key])
    assert len(seen.all()) == len(FILES) + 2
    assert broken(seen.all()) == []
