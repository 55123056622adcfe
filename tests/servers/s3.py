"""What all S3 servers of the tests have in common, and requests that no client library has a say in."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tests.servers.process import Server

REGION = "us-east-1"
Headers = Mapping[str, str]


@dataclass(frozen=True)
class Keys:
    """What somebody signs with."""

    access_key: str
    secret_key: str


ADMIN = Keys("tests-admin", "tests-admin-secret")
WRONG = Keys(ADMIN.access_key, "not-the-secret")


def environment(endpoint: str, keys: Keys = ADMIN, ca: Path | None = None) -> dict[str, str]:
    """Return the variables by which the tools of AWS, and all that follow them, find a server and its keys."""
    found = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return found | ({"AWS_CA_BUNDLE": str(ca)} if ca else {})


def client(
    endpoint: str, keys: Keys | None = ADMIN, *, service: str = "s3", ca: Path | None = None, **config: Any
) -> Any:
    """Return a boto3 client that does not try again; without keys it is anonymous."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    settings: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "s3": {"addressing_style": "path"}} | config
    if keys is None:
        settings["signature_version"] = UNSIGNED
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=keys and keys.access_key,
        aws_secret_access_key=keys and keys.secret_key,
        verify=ca and str(ca),
        config=Config(**settings),
    )


@contextmanager
def policy_kept(client: Any, bucket: str) -> Iterator[None]:
    """Put the policy of a bucket back as it was: releases of other tests may be read by it."""
    try:
        before = client.get_bucket_policy(Bucket=bucket)["Policy"]
    except client.exceptions.ClientError:
        before = None  # there is none
    try:
        yield
    finally:
        if before is not None:
            client.put_bucket_policy(Bucket=bucket, Policy=before)
        else:
            client.delete_bucket_policy(Bucket=bucket)


def store(endpoint: str, bucket: str, keys: Keys = ADMIN, *, ca: Path | None = None, **config: Any) -> Any:
    """Return an obstore store that does not try again."""
    from obstore.store import S3Store

    options: Any = {"allow_http": True} | ({"root_certificate": ca.read_bytes()} if ca else {})
    settings: dict[str, Any] = {"retry_config": {"max_retries": 0}} | config
    return S3Store(
        bucket,
        endpoint=endpoint,
        region=REGION,
        access_key_id=keys.access_key,
        secret_access_key=keys.secret_key,
        virtual_hosted_style_request=False,
        client_options=options,
        **settings,
    )


@dataclass(frozen=True)
class Reply:
    """What a server said."""

    status: int
    headers: dict[str, str]  # by their names in lower case
    body: bytes

    @property
    def code(self) -> str:
        """The error's name, as S3 puts it."""
        return self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


def ask(
    endpoint: str,
    method: str,
    key: str,
    body: bytes = b"",
    headers: Headers | None = None,
    *,
    query: Mapping[str, str] | None = None,
    keys: Keys | None = ADMIN,
) -> Reply:
    """Send one request over plain HTTP exactly as told, signed unless there are no keys: client libraries add headers."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    target = f"/{quote(key)}" + (f"?{urlencode(query)}" if query else "")
    sent = dict(headers or {})
    if keys:
        signer = S3SigV4Auth(Credentials(keys.access_key, keys.secret_key), "s3", REGION)
        told = sent.pop("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
        signer.payload = lambda _: told  # else it puts the right one
        request = AWSRequest(method, endpoint + target, sent, body)
        signer.add_auth(request)
        sent = dict(request.headers.items())
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
    try:
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class S3Server(Server):
    """An S3 server that takes the keys of `ADMIN`."""

    access_key = ADMIN.access_key
    secret_key = ADMIN.secret_key

    @property
    def env(self) -> dict[str, str]:
        return environment(self.endpoint)

    def client(self, keys: Keys | None = ADMIN, **config: Any) -> Any:
        return client(self.endpoint, keys, **config)

    def ask(self, method: str, key: str, body: bytes = b"", headers: Headers | None = None, **how: Any) -> Reply:
        return ask(self.endpoint, method, key, body, headers, **how)

    def bucket(self, name: str) -> str:
        """Return a bucket's name once there is such a bucket."""
        reply = self.ask("PUT", name)
        assert reply.status == 200 or reply.code in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}, reply
        return name

    def ready(self) -> bool:
        try:
            return self.ask("GET", "").status == 200
        except (OSError, http.client.HTTPException):
            return False
