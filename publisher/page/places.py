"""Addresses: where a key of the release, or an artifact that others host, can be read and copied from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

_GCS = "https://storage.googleapis.com/"
_GCS_HOST = re.compile(r"(?P<bucket>.+)\.storage\.googleapis\.com")
_S3_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3[.-](?:dualstack\.)?(?:[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?")
VIEWER = "https://neuroglancer-demo.appspot.com/#!"
_PLAIN = re.compile(r"https?://[A-Za-z0-9._~%+:@,=/-]+")
_ARCHIVE = re.compile(r"\.(zip|tar|tgz|gz|bz2|xz|zst|dump)$")
_FORMAT = re.compile(r"^(precomputed|n5|zarr|zarr2|zarr3)://(?=[a-z0-9+]+://)")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or an object: its address for everybody, and its name in the store where that is a known one."""

    url: str
    store: str = ""  # gs://bucket/key or s3://bucket/key
    endpoint: str = ""  # of a store that is not Amazon's or Google's own

    @property
    def scheme(self) -> str:
        """`gs`, `s3`, or "" for what is only on the web."""
        return self.store.partition("://")[0] if self.store else ""

    @property
    def bare(self) -> str:
        """The bucket and key, without the scheme."""
        return self.store.partition("://")[2]

    @property
    def bucket(self) -> str:
        """The bucket."""
        return self.bare.partition("/")[0]

    @property
    def key(self) -> str:
        """The key in the bucket."""
        return self.bare.partition("/")[2]

    @property
    def name(self) -> str:
        """The last part of the key."""
        return unquote(self.url.rstrip("/").rpartition("/")[2])

    def at(self, key: str) -> Place:
        """Return the place of a key below this one."""
        store = f"{self.store}/{key}" if self.store else ""
        return Place(f"{self.url}/{quote(key, safe='/~:@!$&*+,=')}", store, self.endpoint)


def target(public_url: str, storage: str = "", endpoint: str | None = None) -> Place:
    """Return where a release lies.

    `storage` is its target's URL, where the public address does not tell the bucket. `endpoint` is where that store
    answers, "" for Amazon's and Google's own; where it is not known, an address that ends in bucket and key tells it.
    """
    url, storage = public_url.rstrip("/"), storage.rstrip("/")
    if not storage.startswith(("gs://", "s3://")):
        return Place(url, store_of(url))
    return Place(url, storage, (_endpoint(url, storage) if endpoint is None else endpoint).rstrip("/"))


def _endpoint(url: str, store: str) -> str:
    tail = "/" + store.partition("://")[2]
    ends = (tail, quote(tail))
    return "" if store_of(url) else next((url.removesuffix(end) for end in ends if url.endswith(end)), "")


def store_of(url: str) -> str:
    """Return gs://… or s3://… for a provider's own https address, "" for any other."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if url.startswith(_GCS):
        return f"gs:/{path}"
    if parts.scheme == "https" and (match := _GCS_HOST.fullmatch(parts.netloc)):
        return f"gs://{match['bucket']}{path}"
    match = _S3_HOST.fullmatch(parts.netloc)
    if parts.scheme == "https" and match:
        return f"s3://{match['bucket']}{path}" if match["bucket"] else f"s3:/{path}"
    return ""


def external(given: str) -> Place:
    """Return the place of an artifact that is hosted elsewhere; the viewer's format prefixes and suffixes are dropped."""
    bare = _FORMAT.sub("", given).split("|")[0].rstrip("/")
    scheme, _, rest = bare.partition("://")
    bucket, _, key = rest.partition("/")
    path = quote(key, safe="/~:@!$&*+,=")
    if scheme == "gs":
        return Place(f"{_GCS}{bucket}/{path}".rstrip("/"), bare)
    if scheme == "s3":
        return Place(f"https://{bucket}.s3.amazonaws.com/{path}".rstrip("/"), bare)
    return Place(bare, store_of(bare))


def is_file(section: str, name: str) -> bool:
    """Whether what others host is one object, as far as its name tells; folders have dots in their names, too."""
    return "." in name if section in {"tables", "files"} else _ARCHIVE.search(name) is not None


def viewer(scene: Place) -> str:
    """Return the address that opens a scene in the public Neuroglancer; gs:// needs no CORS there, and is shorter."""
    google = scene.scheme == "gs" and not scene.endpoint
    return VIEWER + (f"gs://{quote(scene.bare, safe='/')}" if google else scene.url)


def public(url: str) -> str:
    """Return an address that others than this machine may reach, and that is plain enough for any document; else ""."""
    host = urlsplit(url).hostname or ""
    own = host in {"", "localhost", "::1"} or host.startswith("127.") or host.endswith(".localhost")
    return url if not own and _PLAIN.fullmatch(url) else ""
