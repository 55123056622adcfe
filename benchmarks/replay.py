"""A load generator: sends requests that were signed beforehand over bare sockets. What it gets is the server's ceiling.

Prints the seconds between the first byte and the last answer, and the processors' time that sending took.

    python benchmarks/replay.py FOLDER BUCKET PREFIX [--connections 16] [--gzip]
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import hmac
import json
import mmap
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

PART_BYTES = 16 << 20  # larger files are sent as so many objects of this size
GOOD = b"HTTP/1.1 200"


class Request(NamedTuple):
    """One put, whole."""

    head: bytes
    body: bytes | memoryview


class Signer:
    """AWS's signature, version 4, of puts to one bucket."""

    def __init__(self, endpoint: str, bucket: str, region: str, access_key: str, secret_key: str) -> None:
        """Take whom to ask, and what to sign with."""
        self._host, self._bucket = urlsplit(endpoint).netloc, bucket
        self._time = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._scope = f"{self._time[:8]}/{region}/s3/aws4_request"
        key = f"AWS4{secret_key}".encode()
        for part in self._scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key, self._access_key = key, access_key

    def put(self, key: str, body: bytes | memoryview, headers: str = "") -> Request:
        """Return the request."""
        path = f"/{self._bucket}/{quote(key)}"
        digest = hashlib.sha256(body).hexdigest()
        names = "host;x-amz-content-sha256;x-amz-date"
        signed = f"host:{self._host}\nx-amz-content-sha256:{digest}\nx-amz-date:{self._time}\n"
        asked = hashlib.sha256(f"PUT\n{path}\n\n{signed}\n{names}\n{digest}".encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{self._time}\n{self._scope}\n{asked}"
        signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        head = (
            f"PUT {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {len(body)}\r\n{headers}"
            f"x-amz-content-sha256: {digest}\r\nx-amz-date: {self._time}\r\n"
            f"Authorization: AWS4-HMAC-SHA256 Credential={self._access_key}/{self._scope}, "
            f"SignedHeaders={names}, Signature={signature}\r\n\r\n"
        )
        return Request(head.encode(), body)


def requests(source: Path, prefix: str, signer: Signer, *, packed: bool) -> Iterator[Request]:
    """Yield a put for each file, or for each part of a large one."""
    for path in (path for path in source.rglob("*") if path.is_file()):
        key = f"{prefix}/{path.relative_to(source)}"
        if packed:
            yield signer.put(key, gzip.compress(path.read_bytes(), 6), "Content-Encoding: gzip\r\n")
        elif path.stat().st_size <= PART_BYTES:
            yield signer.put(key, path.read_bytes())
        else:
            with path.open("rb") as file:
                whole = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
            for start in range(0, len(whole), PART_BYTES):
                yield signer.put(f"{key}/{start}", whole[start : start + PART_BYTES])


def send(place: tuple[str, int], sent: list[Request]) -> None:
    """Send requests over one connection, each once the one before it was answered."""
    with socket.create_connection(place) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for head, body in sent:
            if len(body) <= PART_BYTES >> 4:
                connection.sendall(head + bytes(body))
            else:
                connection.sendall(head)
                connection.sendall(body)
            answer = b""
            while b"\r\n\r\n" not in answer:
                more = connection.recv(4096)
                answer += more
                if not more:
                    break
            if not answer.startswith(GOOD) or b"content-length: 0\r\n" not in answer.lower():
                raise SystemExit(answer.decode(errors="replace"))


def main() -> None:
    """Sign, send and tell."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("source", type=Path)
    words.add_argument("bucket")
    words.add_argument("prefix")
    words.add_argument("--connections", type=int, default=16)
    words.add_argument("--gzip", action="store_true", help="compress beforehand, too")
    given = words.parse_args()
    env = os.environ
    keys = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    signer = Signer(env["AWS_ENDPOINT_URL"], given.bucket, env["AWS_DEFAULT_REGION"], *keys)
    every = list(requests(given.source, given.prefix, signer, packed=given.gzip))
    address = urlsplit(env["AWS_ENDPOINT_URL"])
    place = address.hostname or "", address.port or 80
    start, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(given.connections) as pool:
        for done in [pool.submit(send, place, every[first :: given.connections]) for first in range(given.connections)]:
            done.result()
    print(json.dumps({"wall": time.perf_counter() - start, "cpu": time.process_time() - used}))


if __name__ == "__main__":
    main()
