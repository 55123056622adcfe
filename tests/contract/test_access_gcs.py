"""Who may read: what access as code does to a bucket of Cloud Storage that others use as well.

No emulator has IAM: `Gcs` below is the interface itself, in this process (gRPC for managed folders, HTTP for the bucket),
with the rules that Google documents: etags, metagenerations, and that a folder's readers read all whose names begin with
it. Google's own clients speak to it; that Google's own service keeps to its documentation is not tried.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage_control_v2 import CreateManagedFolderRequest, ManagedFolder, StorageControlClient
from google.cloud.storage_control_v2.services.storage_control.transports import StorageControlGrpcTransport
from google.iam.v1 import iam_policy_pb2, policy_pb2

from publisher.errors import Unreachable
from publisher.record import Access
from publisher.targets import access as common
from publisher.targets.access import Reach
from publisher.targets.gcs import access as gcs
from publisher.targets.gcs.folders import ROLE
from tests.contract.test_access import CORS_WANTED, INSIDE, OUTSIDE, PREFIX, PRIVATE, PUBLIC, REACH, UNMANAGED, names


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "PAUSE_SECONDS", 0.01)


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


def test_a_prefix_of_its_own_is_opened_as_one_folder(cloud: GcsPlace) -> None:
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


def test_where_others_things_lie_the_releases_own_folders_are_opened(cloud: GcsPlace) -> None:
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


def test_a_stranger_deep_among_known_folders_is_found(cloud: GcsPlace) -> None:
    cloud.state.objects |= {f"{PREFIX}/em/private/x"}
    assert ("+", "public read", f"/{PREFIX}/") not in cloud.changes()
    assert f"{PREFIX}/em/private/ may not be for everybody" in cloud.told()[-1].reason
    others = REACH._replace(others=("em/private/",))  # another public release's
    assert cloud.changes(reach=others)[1:] == [("+", "public read", f"/{PREFIX}/")]


def test_what_may_be_an_object_or_a_folder_is_opened_as_a_folder(cloud: GcsPlace) -> None:
    cloud.state.objects |= {f"{PREFIX}/notes.txt"}
    both = Reach(("v0.9/", "em/grey", "em/grey/"))
    assert cloud.changes(reach=both)[1:] == [("+", "public read", f"/{PREFIX}/{key}") for key in ("em/grey/", "v0.9/")]


def test_a_whole_bucket_is_never_opened(cloud: GcsPlace) -> None:
    cloud.state.objects = {"v0.9/info", "releases.json"}
    reach = Reach(("v0.9/",), ("releases.json",))
    assert cloud.changes(reach=reach, prefix="")[1:] == [
        ("+", "public read", "/v0.9/"),
        ("!", "public read", "/releases.json"),
    ]
    assert "gcloud storage buckets add-iam-policy-binding gs://shared/ " in cloud.told(reach=reach, prefix="")[-1].after
    cloud.apply(reach=reach, prefix="")
    assert cloud.state.written == ["patch", "create v0.9/", "set v0.9/"]
    cloud.state.grant("", ROLE, "allUsers")  # its owner has
    assert cloud.changes(reach=reach, prefix="") == []


def test_what_comes_to_lie_in_an_open_folder_is_told(cloud: GcsPlace) -> None:
    cloud.apply()
    cloud.state.objects |= {f"{PREFIX}/notes.txt"}
    assert cloud.changes() == [("!", "public read", f"/{PREFIX}/notes.txt")]


def test_what_others_wrote_stays(cloud: GcsPlace) -> None:
    theirs = {"origin": ["https://lab.example"], "method": ["PUT"], "responseHeader": ["X-Lab"], "maxAgeSeconds": 7}
    cloud.state.settings["cors"] = [theirs]
    cloud.state.grant(f"{PREFIX}/", "roles/storage.objectUser", "user:a@lab.example", "user:b@lab.example")
    cloud.state.grant(f"{PREFIX}/", ROLE, "user:c@lab.example", condition="request.time < timestamp('2030-01-01')")
    before = [str(binding) for binding in cloud.state.policies[f"{PREFIX}/"].bindings]
    cloud.apply()
    after = [str(binding) for binding in cloud.state.policies[f"{PREFIX}/"].bindings]
    assert after[:2] == before
    assert len(after) == 3
    assert cloud.state.settings["cors"][0] == theirs
    assert len(cloud.state.settings["cors"]) == 2


def test_a_private_target_is_shut(cloud: GcsPlace) -> None:
    cloud.state.objects |= set(names(OUTSIDE))
    cloud.state.grant(f"{PREFIX}/v0.9/", ROLE, "user:a@lab.example", "allUsers")
    cloud.state.grant(f"{PREFIX}/em/grey/", ROLE, "allUsers")
    cloud.state.grant(f"{PREFIX}/v0.8/", ROLE, "allUsers")
    assert cloud.changes(PRIVATE) == [("~", "public read", f"/{PREFIX}/{key}") for key in ("v0.9/", "em/grey/")]
    cloud.apply(PRIVATE)
    assert not any(cloud.readable(INSIDE))
    assert cloud.state.readable(f"{PREFIX}/v0.8/info")
    assert list(cloud.state.policies[f"{PREFIX}/v0.9/"].bindings[0].members) == ["user:a@lab.example"]
    assert cloud.changes(PRIVATE) == []
    cloud.state.grant(f"{PREFIX}/", ROLE, "allUsers")
    assert [change.op for change in cloud.told(PRIVATE)] == ["!", "!"]
    assert f"managed-folders remove-iam-policy-binding gs://shared/{PREFIX}/ " in cloud.told(PRIVATE)[0].after


def test_a_write_that_another_overtook_is_made_again(cloud: GcsPlace) -> None:
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


def test_settings_that_keep_strangers_out_are_told_and_never_lifted(cloud: GcsPlace) -> None:
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


def test_a_role_that_may_not_is_told_who_may(cloud: GcsPlace) -> None:
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


def test_without_iam_nobody_can_tell(cloud: GcsPlace) -> None:
    cloud.control = None
    assert cloud.changes() == [("+", "CORS", ""), ("!", "public read", "")]
    with pytest.raises(Unreachable, match="this service has no IAM"):
        cloud.apply()


def test_a_bucket_that_is_not_there_is_told_in_words(cloud: GcsPlace) -> None:
    with pytest.raises(Unreachable, match=r"gs://none: could not read the bucket's settings: .*does not exist"):
        gcs.changes(cloud.client, cloud.control, "none", PREFIX, PUBLIC, REACH)


def test_fewer_origins_are_told_where_a_wider_entry_stays(cloud: GcsPlace) -> None:
    some = Access("public", ("https://lab.example",))
    cloud.apply()
    assert cloud.changes(some) == [("!", "CORS", "")]
    cloud.state.settings["cors"] = []
    cloud.apply(some)
    assert cloud.changes(some) == []
    assert cloud.state.settings["cors"][0]["origin"] == ["https://lab.example"]


def test_an_unmanaged_target_is_not_even_looked_at() -> None:
    nobody: Any = SimpleNamespace()  # any request would be an AttributeError
    assert gcs.changes(nobody, nobody, "b", PREFIX, UNMANAGED, REACH) == ()
    gcs.apply(nobody, nobody, "b", PREFIX, UNMANAGED, REACH)
