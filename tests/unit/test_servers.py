"""The servers that other tests rely on do what those take for granted, and each fault really happens."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import pytest

from tests.rig import mortal
from tests.servers import faults, s3
from tests.servers.faults import FaultProxy, Message, Request, at, every, first, on_key, only, while_time
from tests.servers.fixtures import BUCKET
from tests.servers.gcs import FakeGcs, GcpEmulator, GcsServer
from tests.servers.null_s3 import NullS3, Store
from tests.servers.process import HOST, Server, free_port
from tests.servers.rclone import RcloneS3
from tests.servers.s3 import WRONG, Keys, S3Server
from tests.servers.seaweed import Seaweed, publishing
from tests.servers.tls import TlsTerminator

BODY = bytes(range(256)) * 8
SHA256 = b64encode(hashlib.sha256(BODY).digest()).decode()
NEW = {"If-None-Match": "*"}


# Processes.


class Shell(Server):
    """Not a server at all."""

    script = "echo no licence; exit 3"
    seconds = 2.0

    def command(self) -> list[str]:
        return ["/bin/sh", "-c", self.script]

    def ready(self) -> bool:
        return self.status() == 200


class Mute(Shell):
    script = "echo thinking; sleep 600"


@pytest.mark.parametrize(("server", "said"), [(Shell, "ended with 3"), (Mute, "does not answer")])
def test_a_server_that_does_not_start_fails_with_the_end_of_its_log(
    server: type[Shell], said: str, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match=rf"{said}. The end of its log:\n(no licence|thinking)"), server(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def alive(pid: int) -> bool:
    """Whether a process runs: one that is dead and not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_server_outlives_the_tests(ending: signal.Signals, tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from tests.servers.null_s3 import NullS3, Store
print(NullS3(Path({str(tmp_path)!r})).start().pid, flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as tests:
        assert tests.stdout
        pid = int(tests.stdout.readline())
        assert alive(pid)
        tests.send_signal(ending)
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_free_ports_are_free_and_never_the_same() -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    for port in ports:
        socket.create_server((HOST, port)).close()


# SeaweedFS.


def test_seaweed_answers_nobody_without_the_right_keys(seaweed: Seaweed, prefix: str) -> None:
    key = f"{BUCKET}/{prefix}a"
    assert seaweed.ask("PUT", key, BODY).status == 200
    codes = {None: "AccessDenied", WRONG: "SignatureDoesNotMatch", Keys("x", "y"): "InvalidAccessKeyId"}
    for keys, code in codes.items():
        for method, path in (("GET", key), ("PUT", key), ("DELETE", key), ("GET", BUCKET), ("GET", "")):
            reply = seaweed.ask(method, path, keys=keys)
            assert (reply.status, reply.code) == (403, code)
    assert seaweed.ask("GET", key).body == BODY


def test_seaweed_makes_no_bucket_by_itself(seaweed: Seaweed) -> None:
    assert seaweed.ask("PUT", "no-such-bucket/a", BODY).code == "NoSuchBucket"


def test_seaweed_checks_checksums(seaweed: Seaweed, prefix: str) -> None:
    key = f"{BUCKET}/{prefix}a"
    for name, size in {"sha256": 32, "crc64nvme": 8, "crc32c": 4}.items():
        refused = seaweed.ask("PUT", key, BODY, {f"x-amz-checksum-{name}": b64encode(bytes(size)).decode()})
        assert (refused.status, refused.code) == (400, "BadDigest")
        assert seaweed.ask("HEAD", key).status == 404
    assert seaweed.ask("PUT", key, BODY, {"x-amz-checksum-sha256": SHA256}).status == 200
    told = seaweed.ask("HEAD", key, headers={"x-amz-checksum-mode": "ENABLED"})
    assert told.headers["x-amz-checksum-sha256"] == SHA256


def test_seaweed_takes_a_body_that_is_not_the_signed_one(seaweed: Seaweed, prefix: str) -> None:
    """S3 refuses that. So a signature is no protection here: tests of corrupt uploads must see a checksum sent."""
    lie = {"x-amz-content-sha256": hashlib.sha256(b"another body").hexdigest()}
    assert seaweed.ask("PUT", f"{BUCKET}/{prefix}a", BODY, lie).status == 200


def test_seaweed_minds_preconditions(seaweed: Seaweed, prefix: str) -> None:
    key = f"{BUCKET}/{prefix}a"
    made = seaweed.ask("PUT", key, BODY, NEW)
    assert made.status == 200
    assert seaweed.ask("PUT", key, b"other", NEW).code == "PreconditionFailed"
    assert seaweed.ask("PUT", key, b"other", {"If-Match": '"stale"'}).status == 412
    assert seaweed.ask("GET", key).body == BODY
    assert seaweed.ask("PUT", key, b"other", {"If-Match": made.headers["etag"]}).status == 200


def test_seaweed_completes_an_upload_once_where_it_is_told_to(seaweed: Seaweed, prefix: str) -> None:
    client, key = seaweed.client(), f"{prefix}a"

    def upload(**how: str) -> Any:
        made = {"Bucket": BUCKET, "Key": key}
        made["UploadId"] = client.create_multipart_upload(**made)["UploadId"]
        part = client.upload_part(**made, PartNumber=1, Body=BODY)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return client.complete_multipart_upload(**made, MultipartUpload=parts, **how)

    upload(IfNoneMatch="*")
    with pytest.raises(client.exceptions.ClientError, match="PreconditionFailed"):
        upload(IfNoneMatch="*")


def test_seaweed_lets_a_user_do_what_a_policy_says(seaweed: Seaweed, prefix: str) -> None:
    own, other = f"{BUCKET}/{prefix}v1/a", f"{BUCKET}/{prefix}v2/a"
    keys = seaweed.user(prefix.strip("/"), publishing(BUCKET, f"{prefix}v1/"))
    assert seaweed.ask("PUT", other, BODY).status == 200
    assert [seaweed.ask(method, own, BODY, keys=keys).status for method in ("PUT", "GET", "DELETE")] == [200, 200, 403]
    assert [seaweed.ask(method, other, BODY, keys=keys).status for method in ("PUT", "GET", "DELETE")] == [403] * 3
    assert seaweed.ask("GET", BUCKET, keys=keys, query={"list-type": "2", "prefix": f"{prefix}v1/"}).status == 200
    assert seaweed.ask("GET", BUCKET, keys=keys, query={"list-type": "2", "prefix": prefix}).status == 403
    assert seaweed.ask("GET", BUCKET, keys=keys, query={"policy": ""}).status == 403
    client = seaweed.client(keys)
    made = {"Bucket": BUCKET, "Key": f"{prefix}v1/b"}
    made["UploadId"] = client.create_multipart_upload(**made)["UploadId"]
    client.upload_part(**made, PartNumber=1, Body=BODY)
    assert len(client.list_parts(**made)["Parts"]) == 1
    client.abort_multipart_upload(**made)


def test_seaweed_shares_across_origins_only_what_the_bucket_says(tmp_path: Path) -> None:
    asked = {"Origin": "https://viewer.example", "Access-Control-Request-Method": "GET"}
    with Seaweed(tmp_path) as server:
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        assert "access-control-allow-origin" not in server.ask("OPTIONS", f"{BUCKET}/a", b"", asked, keys=None).headers
        rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"], "AllowedHeaders": ["range"]}
        client.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
        answer = server.ask("OPTIONS", f"{BUCKET}/a", b"", asked, keys=None)
        assert answer.headers["access-control-allow-methods"] == "GET"
        pid = server.pid
    assert not alive(pid)


def test_its_variables_are_enough_for_a_client(seaweed: Seaweed, prefix: str) -> None:
    code = f"import boto3; boto3.client('s3').put_object(Bucket={BUCKET!r}, Key={prefix + 'a'!r}, Body=b'by another process')"
    subprocess.run([sys.executable, "-c", code], env=os.environ | seaweed.env, check=True)
    assert seaweed.ask("GET", f"{BUCKET}/{prefix}a").body == b"by another process"


# Encryption.


def test_clients_trust_the_terminator_s_authority_and_nobody_else_s(
    seaweed_tls: TlsTerminator, seaweed: Seaweed, prefix: str
) -> None:
    from botocore.exceptions import SSLError
    from obstore.exceptions import BaseError

    key, ca = f"{prefix}a", seaweed_tls.ca
    s3.client(seaweed_tls.endpoint, ca=ca).put_object(Bucket=BUCKET, Key=key, Body=BODY)
    assert s3.store(seaweed_tls.endpoint, BUCKET, ca=ca).get(key).bytes() == BODY
    code = f"import boto3; print(boto3.client('s3').head_object(Bucket={BUCKET!r}, Key={key!r})['ContentLength'])"
    environment = os.environ | s3.environment(seaweed_tls.endpoint, ca=ca)
    assert int(subprocess.check_output([sys.executable, "-c", code], env=environment)) == len(BODY)
    with pytest.raises(SSLError):
        s3.client(seaweed_tls.endpoint).head_object(Bucket=BUCKET, Key=key)
    with pytest.raises(BaseError, match="error sending request"):
        s3.store(seaweed_tls.endpoint, BUCKET).head(key)
    assert seaweed.ask("GET", f"{BUCKET}/{key}").body == BODY


def test_over_https_boto3_adds_its_framing_to_the_stored_encoding(
    seaweed_tls: TlsTerminator, seaweed: Seaweed, prefix: str
) -> None:
    """What no test over plain HTTP shows; a checksum of one's own prevents it."""

    def stored(endpoint: str, ca: Path | None = None, **how: str) -> str:
        client = s3.client(endpoint, ca=ca)
        client.put_object(Bucket=BUCKET, Key=f"{prefix}a", Body=BODY, ContentEncoding="gzip", **how)
        return seaweed.ask("HEAD", f"{BUCKET}/{prefix}a").headers["content-encoding"]

    assert stored(seaweed.endpoint) == "gzip"
    assert stored(seaweed_tls.endpoint, seaweed_tls.ca) == "gzip,aws-chunked"
    assert stored(seaweed_tls.endpoint, seaweed_tls.ca, ChecksumSHA256=SHA256) == "gzip"


# The proxy.


def web(url: str) -> bytes:
    with urlopen(url, timeout=10) as answer:
        return answer.read()  # type: ignore[no-any-return]


def put(proxy: FaultProxy, key: str, body: bytes = BODY, headers: dict[str, str] | None = None, **how: Any) -> s3.Reply:
    return s3.ask(proxy.endpoint, "PUT", f"{BUCKET}/{key}", body, headers, **how)


def get(server: FaultProxy | Seaweed, key: str, headers: dict[str, str] | None = None, **how: Any) -> s3.Reply:
    return s3.ask(server.endpoint, "GET", f"{BUCKET}/{key}", b"", headers, **how)


@pytest.fixture
def key(prefix: str, seaweed: Seaweed) -> Iterator[str]:
    """An object that is there, and that anybody may read."""
    place = f"arn:aws:s3:::{BUCKET}/{prefix}*"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": place}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with s3.policy_kept(seaweed.client(), BUCKET):
        seaweed.client().put_bucket_policy(Bucket=BUCKET, Policy=policy)
        seaweed.ask("PUT", f"{BUCKET}/{prefix}a", BODY, {"Content-Encoding": "gzip", "Cache-Control": "no-cache"})
        yield f"{prefix}a"


def test_without_a_plan_everything_passes_as_it_is(faulty: FaultProxy, prefix: str, tmp_path: Path) -> None:
    with TlsTerminator(faulty.endpoint, tmp_path) as tls:
        for endpoint, ca in ((faulty.endpoint, None), (tls.endpoint, tls.ca)):
            client, store = s3.client(endpoint, ca=ca), s3.store(endpoint, BUCKET, ca=ca)
            for name, body in (("é/%41 b", BODY), ("empty", b""), ("big", BODY * 8000)):
                client.put_object(Bucket=BUCKET, Key=prefix + name, Body=body)
                assert store.get(prefix + name).bytes() == body
                store.put(prefix + name, body[::-1])
                assert client.get_object(Bucket=BUCKET, Key=prefix + name)["Body"].read() == body[::-1]
                assert client.head_object(Bucket=BUCKET, Key=prefix + name)["ContentLength"] == len(body)
            assert len(store.list(prefix).collect()) == 3
            client.delete_object(Bucket=BUCKET, Key=f"{prefix}empty")
    log = faulty.log
    assert [seen.number for seen in log] == list(range(len(log)))
    assert {seen.fault for seen in log} == {None}
    assert all(seen.applied == seen.status is not None for seen in log)
    first_put = log[0]
    assert (first_put.method, first_put.path, first_put.status) == ("PUT", f"/{BUCKET}/{prefix}é/%41 b", 200)
    assert first_put.body_bytes == len(BODY)
    assert "x-amz-checksum-crc32" in first_put.headers
    assert "authorization" not in first_put.headers


def test_status_answers_for_the_server(faulty: FaultProxy, prefix: str, seaweed: Seaweed) -> None:
    for fault, code in ((faults.slow_down(2), 503), (faults.expired_token(), 400), (faults.bad_digest(), 400)):
        faulty.plan = on_key(prefix, fault)
        reply = put(faulty, f"{prefix}a")
        assert reply.status == code
        assert reply.code == fault.name.split()[0]
        assert reply.headers.get("retry-after") == ("2" if code == 503 else None)
        assert s3.ask(faulty.endpoint, "HEAD", f"{BUCKET}/{prefix}a").status == code
    assert {seen.applied for seen in faulty.log} == {None}
    assert get(seaweed, f"{prefix}a").status == 404


@pytest.mark.parametrize("before", [True, False])
def test_reset_comes_before_or_after_the_server_did_it(
    before: bool,  # noqa: FBT001
    faulty: FaultProxy,
    prefix: str,
    seaweed: Seaweed,
) -> None:
    faulty.plan = at(0, faults.reset(before=before))
    with pytest.raises(ConnectionResetError):
        put(faulty, f"{prefix}a")
    assert get(seaweed, f"{prefix}a").status == (404 if before else 200)
    assert [(seen.fault, seen.applied, seen.status) for seen in faulty.log] == [
        ("reset before", None, None) if before else ("reset after", 200, None)
    ]
    assert put(faulty, f"{prefix}a", headers=NEW).status == (200 if before else 412)


def test_reset_is_one_behind_encryption_too(faulty: FaultProxy, prefix: str, tmp_path: Path) -> None:
    from botocore.exceptions import ConnectionClosedError

    faulty.plan = at(0, faults.reset(before=False))
    with TlsTerminator(faulty.endpoint, tmp_path) as tls, pytest.raises(ConnectionClosedError):
        s3.client(tls.endpoint, ca=tls.ca).put_object(Bucket=BUCKET, Key=f"{prefix}a", Body=BODY)


def test_flip_up_changes_one_bit_and_a_checksum_catches_it(faulty: FaultProxy, prefix: str, seaweed: Seaweed) -> None:
    faulty.plan = only(every(1, faults.flip_up()), "PUT")
    for number in range(20):
        reply = put(faulty, f"{prefix}{number}", headers={"x-amz-checksum-sha256": SHA256})
        assert reply.code == "BadDigest"
        assert get(seaweed, f"{prefix}{number}").status == 404
    put(faulty, f"{prefix}unchecked")
    stored = get(seaweed, f"{prefix}unchecked").body
    assert sum((one ^ other).bit_count() for one, other in zip(stored, BODY, strict=True)) == 1


def test_flip_up_spares_the_framing(faulty: FaultProxy, prefix: str, tmp_path: Path) -> None:
    """A broken frame is another fault than a broken body: the server has to find the checksum wrong, nothing else."""
    faulty.plan = only(every(1, faults.flip_up()), "PUT")
    with TlsTerminator(faulty.endpoint, tmp_path) as tls:
        client = s3.client(tls.endpoint, ca=tls.ca)
        for _ in range(20):
            with pytest.raises(client.exceptions.ClientError, match=r"BadDigest|InvalidDigest"):
                client.put_object(Bucket=BUCKET, Key=f"{prefix}a", Body=BODY)
    assert all(seen.headers["content-encoding"] == "aws-chunked" for seen in faulty.log)
    assert all(seen.body_bytes > len(BODY) for seen in faulty.log)


@pytest.mark.parametrize("bit", [0, 7, 8, 39, 40, 79])
def test_flip_finds_each_bit_of_framed_content(bit: int) -> None:
    framed = b"5;chunk-signature=x\r\nabcde\r\n5\r\nfghij\r\n0\r\nx-amz-checksum-crc32:00000000\r\n\r\n"
    head = b"PUT /a HTTP/1.1\r\nx-amz-decoded-content-length: 10\r\n\r\n"
    flipped = Message(head, framed).flipped(bit).body
    start = framed.index(b"abcde" if bit < 40 else b"fghij")
    assert [at for at in range(len(framed)) if flipped[at] != framed[at]] == [start + bit % 40 // 8]
    assert Message(head, framed).flipped(bit + 80).body == flipped


def test_flip_down_and_truncate_alter_what_is_read(faulty: FaultProxy, key: str) -> None:
    faulty.plan = at(0, faults.flip_down(9))
    assert get(faulty, key).body == bytes([BODY[0], BODY[1] ^ 2, *BODY[2:]])
    faulty.plan = at(1, faults.truncate(0.25))
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(faulty, key)
    assert caught.value.partial == BODY[: len(BODY) // 4]
    assert get(faulty, key).body == BODY


def test_delay_takes_its_time(faulty: FaultProxy, key: str) -> None:
    faulty.plan = at(1, faults.delay(0.3))
    began = time.monotonic()
    get(faulty, key)
    between = time.monotonic()
    get(faulty, key)
    assert time.monotonic() - between >= 0.3 > between - began


def test_header_leaves_out_or_replaces_what_is_answered(faulty: FaultProxy, key: str) -> None:
    assert get(faulty, key).headers["content-encoding"] == "gzip"
    faulty.plan = every(1, faults.both(faults.header("content-encoding"), faults.header("Cache-Control", "max-age=9")))
    reply = get(faulty, key)
    assert "content-encoding" not in reply.headers
    assert reply.headers["cache-control"] == "max-age=9"
    assert reply.body == BODY


def test_no_range_gives_a_stranger_the_whole(faulty: FaultProxy, key: str) -> None:
    ranged = {"Range": "bytes=0-9"}
    assert (get(faulty, key, ranged, keys=None).status, get(faulty, key, ranged).status) == (206, 206)
    faulty.plan = every(1, faults.no_range())
    reply = get(faulty, key, ranged, keys=None)
    assert (reply.status, reply.body) == (200, BODY)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("number", [0, 3])
def test_kill_ends_the_client_at_a_request(
    before: bool,  # noqa: FBT001
    number: int,
    faulty: FaultProxy,
    prefix: str,
    seaweed: Seaweed,
) -> None:
    code = f"""
from itertools import count
from tests.servers import s3
for number in count():
    assert s3.ask({faulty.endpoint!r}, "PUT", f"{BUCKET}/{prefix}{{number}}", b"body").status == 200
"""
    clients: list[subprocess.Popen[bytes]] = []
    faulty.plan = at(number, faults.kill(lambda: clients[0].pid, before=before))
    with subprocess.Popen([sys.executable, "-c", code]) as client, mortal(client):
        clients.append(client)
        assert client.wait(60) == -signal.SIGKILL
    listed = seaweed.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    assert [entry["Key"] for entry in listed] == [f"{prefix}{each}" for each in range(number if before else number + 1)]


def test_plans_choose_requests() -> None:
    fault, other = faults.slow_down(), faults.expired_token()

    def request(number: int, method: str = "PUT", path: str = "/b/k", when: float = 0.0) -> Request:
        return Request(f"{method} {path}?x=1 HTTP/1.1\r\n\r\n".encode(), number=number, time=when)

    def chosen(plan: faults.Plan, requests: Iterator[Request]) -> list[int]:
        return [each.number for each in requests if plan(each)]

    assert chosen(at(2, fault), map(request, range(5))) == [2]
    assert chosen(at({1, 3}, fault), map(request, range(5))) == [1, 3]
    share = chosen(every(0.3, fault, seed=1), map(request, range(1000)))
    assert 250 < len(share) < 350
    assert share == chosen(every(0.3, fault, seed=1), map(request, range(1000)))
    assert share != chosen(every(0.3, fault, seed=2), map(request, range(1000)))
    timed = while_time(1, fault)
    assert chosen(timed, (request(number, when=5 + number / 2) for number in range(5))) == [0, 1]
    assert on_key("releases.json", fault)(request(0, path="/b/releases.json")) is fault
    assert on_key("é ", fault)(request(0, path="/b/%C3%A9%20")) is fault
    assert on_key("x=1", fault)(request(0)) is None
    assert only(at(0, fault), "PUT", "POST", key="/k")(request(0)) is fault
    assert only(at(0, fault), "GET")(request(0)) is None
    assert only(at(0, fault), "PUT", key="/j")(request(0)) is None
    both = first(at(1, fault), at({1, 2}, other))
    assert [both(request(number)) for number in range(3)] == [None, fault, other]


def test_many_connections_are_counted_one_by_one(null_s3: NullS3) -> None:
    with FaultProxy(null_s3.endpoint, every(0.2, faults.slow_down())) as proxy:
        store = s3.store(proxy.endpoint, BUCKET, retry_config={"max_retries": 10})
        before = null_s3.stats["puts"]

        def some(number: int) -> None:
            for each in range(50):
                store.put(f"{number}/{each}", BODY)

        threads = [Thread(target=some, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log = proxy.log
    assert [seen.number for seen in log] == list(range(len(log)))
    assert len({seen.path for seen in log if seen.status == 200}) == 400
    assert len([seen for seen in log if seen.applied]) == null_s3.stats["puts"] - before == 400
    assert {seen.number for seen in log if seen.fault} == {seen.number for seen in log if seen.status == 503}
    assert any(seen.fault for seen in log)


def test_a_proxy_that_breaks_by_itself_fails_the_test(seaweed: Seaweed) -> None:
    def plan(_: Request) -> None:
        raise ValueError("a mistake in a plan")

    def ask(proxy: FaultProxy) -> None:
        with proxy, pytest.raises(http.client.RemoteDisconnected):
            get(proxy, "a")

    with pytest.raises(ExceptionGroup) as caught:
        ask(FaultProxy(seaweed.endpoint, plan))
    assert caught.group_contains(ValueError, match="a mistake in a plan")


def test_a_server_that_is_gone_is_a_reset_not_a_mistake(tmp_path: Path) -> None:
    with NullS3(tmp_path) as server, FaultProxy(server.endpoint) as proxy:
        assert get(proxy, "a").status == 404
        server.stop()
        with pytest.raises(ConnectionResetError):
            get(proxy, "a")
        assert [seen.status for seen in proxy.log] == [404, None]


CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n"
LENGTH = b"Content-Length: 5\r\n\r\nabcde"
ANSWERS = {
    "with its length": b"HTTP/1.1 200 OK\r\n" + LENGTH,
    "in chunks": b"HTTP/1.1 200 OK\r\n" + CHUNKS,
    "until the connection ends": b"HTTP/1.1 200 OK\r\n\r\nabcde",
    "after another one": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + LENGTH,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_of_every_kind_pass(answer: bytes) -> None:
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        with FaultProxy(f"http://{HOST}:{listener.getsockname()[1]}") as proxy:
            assert web(f"{proxy.endpoint}/a") == b"abcde"
        thread.join()


# The server that forgets.


@pytest.mark.parametrize("kind", [s3.client, "obstore"])
def test_null_keeps_records_alone(kind: object, null_s3: NullS3) -> None:
    record, body = f"v1/.release/{kind}.json", BODY * 5000
    store = s3.store(null_s3.endpoint, BUCKET)
    client = null_s3.client()

    def upload(name: str) -> None:
        if kind == "obstore":
            store.put(name, body)
        else:
            client.upload_fileobj(io.BytesIO(body), BUCKET, name)

    before = null_s3.stats
    upload("v1/data")
    upload(record)  # both in parts
    after = null_s3.stats
    assert after["bytes"] - before["bytes"] == 2 * len(body)
    assert after["puts"] - before["puts"] >= 4
    with pytest.raises(FileNotFoundError):
        store.head("v1/data")
    assert store.get(record).bytes() == body
    assert client.get_object(Bucket=BUCKET, Key=record, Range="bytes=5-9")["Body"].read() == body[5:10]
    assert [entry["path"] for entry in store.list("v1/").collect() if str(kind) in entry["path"]] == [record]


def test_null_minds_preconditions_of_records_and_tells_their_headers(null_s3: NullS3) -> None:
    key = f"{BUCKET}/é/releases.json"
    sent = {"Cache-Control": "no-cache", "x-amz-meta-a": "b", "Content-Type": "application/json"}
    made = null_s3.ask("PUT", key, b"{}", {**NEW, **sent})
    assert made.status == 200
    assert null_s3.ask("PUT", key, b"{}", NEW).status == 412
    assert null_s3.ask("PUT", key, b"[]", {"If-Match": '"stale"'}).status == 412
    assert null_s3.ask("GET", key).body == b"{}"
    told = null_s3.ask("HEAD", key).headers
    assert {name.lower(): value for name, value in sent.items()}.items() <= told.items()
    assert null_s3.ask("PUT", key, b"[]", {"If-Match": made.headers["etag"]}).status == 200
    assert null_s3.ask("DELETE", key).status == 204
    assert null_s3.ask("GET", key).code == "NoSuchKey"
    assert null_s3.ask("GET", BUCKET, query={"cors": ""}).code == "NoSuchCORSConfiguration"


def test_null_takes_what_boto3_sends_over_https(null_s3: NullS3, tmp_path: Path) -> None:
    with TlsTerminator(null_s3.endpoint, tmp_path) as tls:
        client = s3.client(tls.endpoint, ca=tls.ca)
        for name in ("v1/data", "v1/.release/framed"):
            client.put_object(Bucket=BUCKET, Key=name, Body=BODY * 1000)
    assert null_s3.ask("GET", f"{BUCKET}/v1/.release/framed").body == BODY * 1000


def test_null_waits_as_long_as_it_is_told_to(tmp_path: Path) -> None:
    with NullS3(tmp_path, delay=0.2) as server:
        began = time.monotonic()
        assert server.ask("PUT", f"{BUCKET}/a", BODY).status == 200
        assert time.monotonic() - began >= 0.2


def test_null_takes_twenty_thousand_puts_a_second_of_one_core(null_s3: NullS3) -> None:
    """By its own processor time: the wall's says more about what else the machine does."""
    body = bytes(16_384)
    sent = b"PUT /b/v1/key HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    before = null_s3.stats
    with socket.create_connection((HOST, null_s3.port)) as connection:
        for _ in range(5000):
            connection.sendall(sent)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    after = null_s3.stats
    assert after["puts"] - before["puts"] == 5000
    assert (after["cpu_seconds"] - before["cpu_seconds"]) / 5000 < 1 / 20_000


def test_null_tells_a_rate_for_every_hundred_thousand() -> None:
    store = Store()
    for _ in range(200_001):
        store.count(3)
    assert (store.puts, store.size, len(store.rates)) == (200_001, 600_003, 2)


# The server without preconditions.


def test_rclone_ignores_preconditions_but_not_keys(rclone_s3: RcloneS3) -> None:
    key = f"{BUCKET}/a"
    assert rclone_s3.ask("PUT", key, BODY, NEW).status == 200
    assert rclone_s3.ask("PUT", key, b"other", NEW).status == 200
    assert rclone_s3.ask("GET", key).body == b"other"
    assert rclone_s3.ask("PUT", key, BODY, keys=WRONG).code == "SignatureDoesNotMatch"
    assert rclone_s3.ask("PUT", key, BODY, keys=None).status == 400
    assert rclone_s3.ask("GET", key).body == b"other"


@pytest.mark.parametrize("name", ["seaweed", "rclone_s3", "null_s3"])
def test_a_bucket_may_be_asked_for_twice(name: str, request: pytest.FixtureRequest) -> None:
    server: S3Server = request.getfixturevalue(name)
    assert server.bucket(BUCKET) == server.bucket(BUCKET) == BUCKET


# Google's.


def test_fake_gcs_minds_generations_and_sends_uploads_through_a_proxy(tmp_path: Path) -> None:
    from google.api_core.exceptions import PreconditionFailed

    for backend in ("memory", "filesystem"):
        with FakeGcs(tmp_path / backend, backend) as server, FaultProxy(server.endpoint) as proxy:
            bucket = server.client().bucket(server.bucket(BUCKET))
            bucket.blob("a").upload_from_string(BODY, if_generation_match=0)
            with pytest.raises(PreconditionFailed):
                bucket.blob("a").upload_from_string(b"other", if_generation_match=0)
            assert bucket.blob("a").download_as_bytes() == BODY
            server.behind(proxy.endpoint)
            large = BODY * 5000
            bucket = server.client(proxy.endpoint).bucket(BUCKET)
            bucket.blob("b", chunk_size=1 << 22).upload_from_file(io.BytesIO(large), size=len(large))
            assert sum(seen.body_bytes for seen in proxy.log if seen.method == "PUT") == len(large)
            assert web(f"{proxy.endpoint}/{BUCKET}/b") == large


def test_gcp_emulator_minds_no_generations(gcp_emulator: GcpEmulator) -> None:
    blob = gcp_emulator.client().bucket(BUCKET).blob("a")
    blob.upload_from_string(BODY)
    blob.upload_from_string(b"other", if_generation_match=0)
    assert blob.download_as_bytes() == b"other"


def test_of_google_s_emulators_one_checks_what_it_is_sent(gcp_emulator: GcpEmulator, fake_gcs: FakeGcs) -> None:
    from google.api_core.exceptions import BadRequest

    def upload(server: GcsServer) -> bytes:
        with FaultProxy(server.endpoint, only(every(1, faults.flip_up(8 * 1000)), "POST")) as proxy:
            server.client(proxy.endpoint).bucket(BUCKET).blob("flipped").upload_from_string(BODY, checksum="crc32c")
        return server.client().bucket(BUCKET).blob("flipped").download_as_bytes()  # type: ignore[no-any-return]

    with pytest.raises(BadRequest, match="CRC32C"):
        upload(gcp_emulator)
    assert upload(fake_gcs) != BODY


def test_google_s_clients_understand_an_error(fake_gcs: FakeGcs) -> None:
    from google.api_core.exceptions import TooManyRequests

    fault = faults.gcs_error(429, "rateLimitExceeded")
    with FaultProxy(fake_gcs.endpoint, every(1, fault)) as proxy, pytest.raises(TooManyRequests, match="rateLimit"):
        fake_gcs.client(proxy.endpoint).bucket(BUCKET).blob("a").download_as_bytes(retry=None)


@pytest.mark.parametrize("name", ["fake_gcs", "gcp_emulator"])
def test_google_s_variables_are_enough_for_a_client(name: str, request: pytest.FixtureRequest) -> None:
    server: GcsServer = request.getfixturevalue(name)
    code = f"""
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
storage.Client("tests", AnonymousCredentials()).bucket({BUCKET!r}).blob("by/another").upload_from_string(b"process")
"""
    subprocess.run([sys.executable, "-c", code], env=os.environ | server.env, check=True)
    assert server.client().bucket(BUCKET).blob("by/another").download_as_bytes() == b"process"
