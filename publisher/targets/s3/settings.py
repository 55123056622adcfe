"""Where a bucket is, and who asks: read from the SDKs' own places and from nowhere else.

https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html. Where the environment alone decides, obstore
reads it by itself, and botocore, which takes a third of a second to import, stays where it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from publisher.targets.s3.troubles import no_credentials, of_botocore
from publisher.targets.wire import Trouble, Why

if TYPE_CHECKING:  # what obstore has only for type checkers
    from obstore.store import S3Credential

DEFAULT_REGION = "us-east-1"
CONNECT_SECONDS = 10
READ_SECONDS = 300  # until an answer begins: sending the body is in it, and lines are slow
CONNECTIONS = 256  # of boto3, which complains on the terminal where there are more; obstore has as many as it needs

_ENOUGH = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI",),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
)
_ONLY_BOTOCORE = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
)
_AWS = re.compile(r"(^|\.)(amazonaws\.(com|com\.cn|eu)|api\.aws)$")
# obstore asks again five minutes before the end; botocore renews what is good for less than ten.
_KEPT = timedelta(minutes=10)


class Settings(NamedTuple):
    """How a service is spoken to. `ca` is a file of certificates to trust beside the system's, "" for none."""

    endpoint: str
    region: str
    path_style: bool
    ca: str

    @property
    def aws(self) -> bool:
        """Whether it is Amazon's own."""
        return is_aws(self.endpoint)

    def address(self, bucket: str) -> str:
        """Return the address below which the bucket's keys are."""
        endpoint = self.endpoint.rstrip("/")
        if self.path_style or "." in bucket:  # a certificate's * stands for no dots
            return f"{endpoint}/{bucket}"
        return endpoint.replace("://", f"://{bucket}.", 1)


def of_environment() -> Settings | None:
    """Return what the environment says, or None where only botocore can tell."""
    env = os.environ
    config = Path(env.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
    enough = any(all(env.get(name) for name in names) for names in _ENOUGH)
    if not enough or any(env.get(name) for name in _ONLY_BOTOCORE) or config.exists():
        return None
    region = _region() or DEFAULT_REGION
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL")
    china = ".cn" if region.startswith("cn-") else ""
    ca = env.get("AWS_CA_BUNDLE") or env.get("REQUESTS_CA_BUNDLE") or ""
    return Settings(endpoint or f"https://s3.{region}.amazonaws.com{china}", region, bool(endpoint), ca)


class Keys(NamedTuple):
    """What a request is signed with."""

    access_key: str
    secret_key: str
    token: str | None


def keys_of_environment() -> Keys | None:
    """Return the keys that the environment holds, if it does."""
    access, secret = (os.environ.get(name) for name in _ENOUGH[0])
    return Keys(access, secret, os.environ.get("AWS_SESSION_TOKEN")) if access and secret else None


class Sdk:
    """boto3, which knows of profiles, of single sign-on and of everything else that S3 does."""

    def __init__(self) -> None:
        """Read the configuration; it takes a third of a second. Raise Trouble where it is not to be understood."""
        import boto3.session  # noqa: PLC0415 - only where it is needed
        import botocore.session  # noqa: PLC0415

        with speaking_plainly():
            self._core = botocore.session.get_session()
            region = _region() or self._core.get_config_variable("region")
            self._session = boto3.session.Session(botocore_session=self._core, region_name=region)
            style = (self._core.get_scoped_config().get("s3") or {}).get("addressing_style", "auto")
            self.client = self._client({})
            self._path_style = style == "path"
            if style == "auto" and not is_aws(self.client.meta.endpoint_url):
                self._path_style = True
                self.client = self._client({"addressing_style": "path"})

    @property
    def settings(self) -> Settings:
        """Return what it found."""
        meta = self.client.meta
        ca = self._core.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE") or ""
        return Settings(meta.endpoint_url, meta.region_name, self._path_style, ca)

    def credentials(self) -> Credentials:
        """Return what obstore asks for credentials; raise Trouble where there are none."""
        with speaking_plainly():
            found = self._session.get_credentials()
        if found is None:
            raise no_credentials()
        return Credentials(found)

    def _client(self, s3: dict[str, Any]) -> Any:  # noqa: ANN401 - boto3 has no types
        from botocore.config import Config  # noqa: PLC0415

        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=CONNECTIONS,
            # A digest of the body in what is signed: also a store that knows no checksums refuses other bytes.
            s3={"payload_signing_enabled": True, **s3},
        )
        region = self._session.region_name or DEFAULT_REGION
        return self._session.client("s3", region_name=region, config=config)


class Credentials:
    """botocore's credentials as obstore asks for them. What expires is renewed by botocore."""

    def __init__(self, found: Any) -> None:  # noqa: ANN401 - boto3 has no types
        """Take what botocore found."""
        self._found = found

    @property
    def keys(self) -> Keys:
        """What is valid now; raise Trouble where it cannot be renewed."""
        with speaking_plainly():
            frozen = self._found.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def __call__(self) -> S3Credential:
        """Return what is valid now."""
        frozen = self._found.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _KEPT,
        }


@contextmanager
def speaking_plainly(place: str = "") -> Iterator[None]:
    """Have what botocore raises come out as Trouble; `place` is where it asks."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only where it is needed

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise of_botocore(error, place) from error
    except ValueError as error:  # of an endpoint that is no address
        raise Trouble(Why.WRONG, f"{error}") from error


def is_aws(endpoint: str) -> bool:
    """Whether an address is Amazon's own."""
    return bool(_AWS.search(urlsplit(endpoint).hostname or ""))


def certificates(path: str) -> bytes:
    """Read the certificates to trust; raise Trouble where they cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}): AWS_CA_BUNDLE must name a file of certificates"
        raise Trouble(Why.WRONG, message) from error


def _region() -> str | None:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
