"""Puts that are signed here: their heads, to be sent on lines of our own.

Signature Version 4: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. The SHA-256 of the
body is in what is signed. Beside it goes a CRC32C, which the store compares and keeps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from hmac import digest
from time import gmtime, strftime
from typing import NamedTuple

from publisher.targets.lines import Answer
from publisher.targets.s3.connection import Made

DONE = 200
_ETAG = re.compile(rb"\r\netag: *([^\r]*)", re.IGNORECASE)
_NO_LABELS: Mapping[str, str] = {}


class Sent(NamedTuple):
    """What is sent: its size, its SHA-256 in hexadecimal, its CRC32C in base64 of four bytes, the highest first."""

    size_bytes: int
    sha256: str
    crc32c: str


class Signer(NamedTuple):
    """What puts are signed with during one second."""

    made: Made
    """What the keys come from."""
    who: str
    token: str | None
    date: str
    scope: str
    key: bytes

    def put(
        self, path: str, names: str, lines: str, sent: Sent, *, labels: Mapping[str, str] = _NO_LABELS, query: str = ""
    ) -> bytes:
        """Return the head of a put.

        `path` and `query` are escaped, the query's words sorted. `names` and `lines` are of headers that sort before
        `x-amz-`, as Signature Version 4 has them, `host` among them; `labels` come sorted.
        """
        signed = f"{names};x-amz-checksum-crc32c;x-amz-content-sha256;x-amz-date"
        lines += f"x-amz-checksum-crc32c:{sent.crc32c}\nx-amz-content-sha256:{sent.sha256}\nx-amz-date:{self.date}\n"
        for name, value in labels.items():
            signed += f";x-amz-meta-{name}"
            lines += f"x-amz-meta-{name}:{value}\n"
        if self.token:
            signed += ";x-amz-security-token"
            lines += f"x-amz-security-token:{self.token}\n"
        asked = sha256(f"PUT\n{path}\n{query}\n{lines}\n{signed}\n{sent.sha256}".encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{self.date}\n{self.scope}\n{asked}"
        signature = digest(self.key, text.encode(), "sha256").hex()
        head = (
            f"PUT {path}{query and '?'}{query} HTTP/1.1\n{lines}content-length:{sent.size_bytes}\n"
            f"authorization:AWS4-HMAC-SHA256 Credential={self.who}/{self.scope}, SignedHeaders={signed}, "
            f"Signature={signature}\n\n"
        )
        return head.replace("\n", "\r\n").encode()


def signer(made: Made, now: int) -> Signer:
    """Return what signs at this second; raise Trouble where no keys are to be had."""
    keys, date = made.keys, strftime("%Y%m%dT%H%M%SZ", gmtime(now))
    scope = f"{date[:8]}/{made.settings.region}/s3/aws4_request"
    key = f"AWS4{keys.secret_key}".encode()
    for part in scope.split("/"):
        key = digest(key, part.encode(), "sha256")
    return Signer(made, keys.access_key, keys.token, date, scope, key)


def tag(answer: Answer) -> str:
    """Return the tag of what was put."""
    found = _ETAG.search(answer.head)
    return found[1].decode("latin-1") if found else ""
