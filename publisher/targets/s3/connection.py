"""The two ways to a bucket: obstore, which is quick, and boto3, which reads an answer to its last header."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from publisher import __version__
from publisher.targets.s3.settings import (
    CONNECT_SECONDS,
    READ_SECONDS,
    Credentials,
    Keys,
    Sdk,
    Settings,
    certificates,
    keys_of_environment,
    of_environment,
    speaking_plainly,
)
from publisher.targets.s3.troubles import Answered, elsewhere, of_obstore
from publisher.targets.wire import Trouble, Why

if TYPE_CHECKING:  # what obstore has only for type checkers
    from obstore.store import ClientConfig

T = TypeVar("T")

_PAGE_TRIES = 8  # in less than two seconds, for which an interrupt has to wait
_LONGEST_SECONDS = 3600  # of one request
_IDLE_SECONDS = 15  # a connection that the store closes is not one to send a put on


class Connection:
    """What a bucket is asked through: made when it is first needed, and anew when credentials have expired."""

    def __init__(self, bucket: str) -> None:
        """Take the bucket's name; nothing is looked for yet."""
        self.bucket = bucket
        self._lock = RLock()
        self._made = Made(bucket)

    @property
    def settings(self) -> Settings:
        """How the service is spoken to."""
        with self._lock:
            return self._made.settings

    @property
    def made(self) -> Made:
        """What is asked with now."""
        with self._lock:
            return self._made

    @property
    def client(self) -> Any:  # noqa: ANN401 - boto3 has no types
        """boto3's client, which does not try again."""
        with self._lock:
            return self._made.sdk.client

    def quick(self, ask: Callable[[S3Store], T], *, again: bool = False) -> T:
        """Ask through obstore; `again`: what is safe to be asked twice is asked until there is an answer."""
        with self._lock:
            made = self._made
            store = made.patient_store if again else made.store
        try:
            return ask(store)
        except (BaseError, OSError, ValueError) as error:
            trouble = of_obstore(error, made.settings.endpoint)
            self.renew(made, trouble)
            if isinstance(trouble, Answered) and trouble.is_elsewhere:
                trouble = elsewhere(self._region())
            raise trouble from error

    def careful(self, operation: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3 has no types
        """Ask through boto3 about this bucket; Trouble tells all that the answer says."""
        with self._lock:
            made = self._made
            client = made.sdk.client
        try:
            with speaking_plainly(made.settings.endpoint):
                return cast("dict[str, Any]", getattr(client, operation)(Bucket=self.bucket, **arguments))
        except Trouble as trouble:
            self.renew(made, trouble)
            raise

    def pages(self, operation: str, markers: Mapping[str, str], **arguments: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
        """Yield what is told in pages; `markers`: which argument takes the word that tells where the next begins."""
        place: dict[str, Any] = {}
        while True:
            page = self.careful(operation, **arguments, **place)
            yield page
            following = {name: page[told] for name, told in markers.items() if page.get(told)}
            if not page.get("IsTruncated") or not following or following == place:
                return
            place = following

    def _region(self) -> str:
        """Return the region that the bucket lies in, which is told in a header; "" where it is not."""
        with suppress(Trouble):
            return str(self.careful("head_bucket").get("BucketRegion", ""))
        return ""

    def renew(self, made: Made, trouble: Trouble) -> None:
        """Have the next request look for credentials anew where these have expired."""
        with self._lock:
            if trouble.why is Why.EXPIRED and self._made is made:
                self._made = Made(self.bucket)


class Made:
    """What was made for one set of credentials."""

    def __init__(self, bucket: str) -> None:
        """Take the bucket; nothing is looked for yet."""
        self._bucket = bucket
        self._told = of_environment()

    @cached_property
    def sdk(self) -> Sdk:
        """boto3, and what it found."""
        return Sdk()

    @cached_property
    def settings(self) -> Settings:
        """How the service is spoken to; raise Trouble where that is not to be known."""
        found = self._told or self.sdk.settings
        parts = urlsplit(found.endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:  # it would make obstore panic
            raise Trouble(Why.WRONG, f"AWS_ENDPOINT_URL is no address: {found.endpoint}")
        return found

    @property
    def keys(self) -> Keys:
        """What a request is signed with, as it is valid now; raise Trouble where there is nothing."""
        found = keys_of_environment() if self._told else None
        return found or self._credentials.keys

    @cached_property
    def _credentials(self) -> Credentials:
        return self.sdk.credentials()

    @cached_property
    def store(self) -> S3Store:
        """obstore's, which asks once."""
        return self._store(0)

    @cached_property
    def patient_store(self) -> S3Store:
        """obstore's, which asks again by itself."""
        return self._store(_PAGE_TRIES)

    def _store(self, retries: int) -> S3Store:
        settings = self.settings
        address = settings.address(self._bucket)
        path_style = address.endswith(f"/{self._bucket}")
        endpoint = settings.endpoint if path_style else address
        options: ClientConfig = {
            "allow_http": address.startswith("http:"),
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=READ_SECONDS),
            "timeout": timedelta(seconds=_LONGEST_SECONDS),
            "pool_idle_timeout": timedelta(seconds=_IDLE_SECONDS),
            "user_agent": f"publisher/{__version__}",
        }
        if settings.ca and not options["allow_http"]:
            options["root_certificate"] = certificates(settings.ca)
        pauses = timedelta(milliseconds=50), timedelta(milliseconds=250)
        try:
            return S3Store(
                self._bucket,
                config={
                    "endpoint": endpoint,
                    "aws_endpoint_url_s3": endpoint,  # else the environment's would come first
                    "region": settings.region,
                    "virtual_hosted_style_request": not path_style,
                    "checksum_algorithm": "crc64nvme",
                    "unsigned_payload": False,
                },
                client_options=options,
                retry_config={
                    "max_retries": retries,
                    "backoff": {"init_backoff": pauses[0], "max_backoff": pauses[1], "base": 2},
                },
                credential_provider=None if self._told else self._credentials,
            )
        except (BaseError, ValueError) as error:
            raise Trouble(Why.WRONG, f"{error}".partition("\n")[0]) from error
