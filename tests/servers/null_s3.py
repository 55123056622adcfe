"""An S3 server that answers at once and forgets: what a client then takes is the client's own time.

It takes any key and any signature. Only records are kept (keys with `/.release/` in them, or that end in
`releases.json`), with their ETags, preconditions, ranges and headers: a publisher reads those back.

    python -m tests.servers.null_s3 --port 9000 --delay 0.03

`GET /__stats` tells what came.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib
import json
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote
from urllib.request import urlopen
from xml.sax.saxutils import escape

from tests.servers.process import HOST
from tests.servers.s3 import S3Server

WINDOW = 100_000  # puts over which a rate is told

_ETAG = "0123456789abcdef0123456789abcdef"
_TAKEN = f'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "{_ETAG}"\r\n\r\n'.encode()
_XML = {"Content-Type": "application/xml"}
_TOLD_AGAIN = re.compile(r"content-(type|encoding|disposition|language)|cache-control|x-amz-(meta|checksum)-")

# One for all connections: what comes is looked at before the loop reads again.
_buffer = bytearray(1 << 18)
_view = memoryview(_buffer)


class NullS3(S3Server):
    """The server as another process."""

    def __init__(self, folder: Path, delay: float = 0) -> None:
        super().__init__(folder)
        self.delay = delay

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(Path(__file__).parents[2])}

    def command(self) -> list[str]:
        return [sys.executable, "-m", __name__, f"--port={self.port}", f"--delay={self.delay}"]

    @property
    def stats(self) -> dict[str, Any]:
        with urlopen(f"{self.endpoint}/__stats", timeout=60) as answer:
            return json.load(answer)  # type: ignore[no-any-return]


class Asked(NamedTuple):
    """A request, whole."""

    method: str
    key: str  # with the bucket before it
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Kept:
    """A record."""

    body: bytes
    headers: dict[str, str]

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body).hexdigest()}"'


def is_kept(key: str) -> bool:
    return "/.release/" in key or key.endswith("releases.json")


def answer(status: int, body: str | bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    content = body.encode() if isinstance(body, str) else body
    lines = {"Content-Length": str(len(content)), **(headers or {})}
    return b"".join(
        (
            f"HTTP/1.1 {status} Null\r\n".encode(),
            *(f"{name}: {value}\r\n".encode("latin-1") for name, value in lines.items()),
            b"\r\n",
            content,
        )
    )


def refusal(status: int, code: str) -> bytes:
    return answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>", _XML)


@dataclass
class Store:
    """What came, counted; and the records."""

    kept: dict[str, Kept] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    uploads: count[int] = field(default_factory=count)
    puts: int = 0
    size: int = 0
    others: int = 0
    rates: list[float] = field(default_factory=list)
    _since: float = 0.0

    def count(self, size: int) -> None:
        """Count a put, of an object or of a part of one."""
        if self.puts % WINDOW == 0:
            now = time.monotonic()
            if self.puts:
                self.rates.append(round(WINDOW / (now - self._since), 1))
            self._since = now
        self.puts += 1
        self.size += size

    @property
    def stats(self) -> dict[str, Any]:
        return {
            "puts": self.puts,
            "bytes": self.size,
            "others": self.others,
            "puts_per_second": self.rates,
            "kept": sorted(self.kept),
            "cpu_seconds": time.process_time(),
        }

    def answer(self, asked: Asked) -> bytes:
        """Answer whatever is no put of an object that is dropped."""
        match asked.method:
            case "PUT" if "/" in asked.key and not asked.query.keys() - {"x-id", "partNumber", "uploadId"}:
                return self._put(asked)
            case "POST":
                return self._post(asked)
            case "GET" | "HEAD":
                self.others += 1
                return self._get(asked)
            case "DELETE":
                self.others += 1
                self.kept.pop(asked.key, None)
                return answer(204)
            case _:
                self.others += 1
                return answer(200)

    def _put(self, asked: Asked) -> bytes:
        self.count(len(asked.body))
        if not is_kept(asked.key):
            return _TAKEN
        if "uploadId" in asked.query:
            self.parts[asked.query["uploadId"]][int(asked.query["partNumber"])] = asked.body
            return _TAKEN
        return self._keep(asked, asked.body) or answer(200, headers={"ETag": self.kept[asked.key].etag})

    def _keep(self, asked: Asked, body: bytes) -> bytes | None:
        """Keep a record; return the refusal where there is a precondition that does not hold."""
        there = self.kept.get(asked.key)
        if there and asked.headers.get("if-none-match") == "*":
            return refusal(412, "PreconditionFailed")
        expected = asked.headers.get("if-match")
        if expected and not there:
            return refusal(404, "NoSuchKey")
        if expected and there and expected.strip('"') != there.etag.strip('"'):
            return refusal(412, "PreconditionFailed")
        told = {name: value for name, value in asked.headers.items() if _TOLD_AGAIN.match(name)}
        self.kept[asked.key] = Kept(body, told | {"Last-Modified": formatdate(usegmt=True)})
        return None

    def _post(self, asked: Asked) -> bytes:
        self.others += 1
        bucket, _, key = asked.key.partition("/")
        name = f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key>"
        if "uploads" in asked.query:
            upload = f"upload-{next(self.uploads)}"
            self.parts[upload] = {}
            made = f"<InitiateMultipartUploadResult>{name}<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            return answer(200, made, _XML)
        if "uploadId" in asked.query:
            parts = self.parts.pop(asked.query["uploadId"], {})
            whole = b"".join(parts[number] for number in sorted(parts))
            refused = self._keep(asked, whole) if is_kept(asked.key) else None
            done = f'<CompleteMultipartUploadResult>{name}<ETag>"{_ETAG}-1"</ETag></CompleteMultipartUploadResult>'
            return refused or answer(200, done, _XML)
        return answer(200)

    def _get(self, asked: Asked) -> bytes:
        if asked.key == "__stats":
            return answer(200, json.dumps(self.stats), {"Content-Type": "application/json"})
        if asked.key in self.kept:
            return self._record(asked, self.kept[asked.key])
        if "/" in asked.key:
            return answer(404) if asked.method == "HEAD" else refusal(404, "NoSuchKey")
        if missing := _NOT_CONFIGURED.keys() & asked.query:
            return refusal(404, _NOT_CONFIGURED[missing.pop()])
        return answer(200, self._listing(asked) if asked.method == "GET" else b"", _XML)

    def _record(self, asked: Asked, kept: Kept) -> bytes:
        headers = kept.headers | {"ETag": kept.etag}
        if asked.method == "HEAD":
            return answer(200, headers=headers | {"Content-Length": str(len(kept.body))})
        size = len(kept.body)
        span = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.headers.get("range", ""))
        if not span:
            return answer(200, kept.body, headers)
        start = int(span[1]) if span[1] else max(0, size - int(span[2]))
        end = min(size, int(span[2]) + 1) if span[1] and span[2] else size
        if start >= end:
            return refusal(416, "InvalidRange")
        return answer(206, kept.body[start:end], headers | {"Content-Range": f"bytes {start}-{end - 1}/{size}"})

    def _listing(self, asked: Asked) -> str:
        if not asked.key:
            return "<ListAllMyBucketsResult><Buckets></Buckets></ListAllMyBucketsResult>"
        if "uploads" in asked.query:
            return "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
        place = f"{asked.key}/"
        prefix = asked.query.get("prefix", "")
        coded = asked.query.get("encoding-type") == "url"
        found = "".join(
            f"<Contents><Key>{quote(name, safe='/') if coded else escape(name)}</Key><Size>{len(kept.body)}</Size>"
            f"<ETag>{kept.etag}</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key, kept in sorted(self.kept.items())
            if key.startswith(place + prefix)
            for name in [key.removeprefix(place)]
        )
        told = f"<Name>{asked.key}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{found.count('<Key>')}</KeyCount>"
        more = "<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>" + ("<EncodingType>url</EncodingType>" * coded)
        return f"<ListBucketResult>{told}{more}{found}</ListBucketResult>"


_NOT_CONFIGURED = {"cors": "NoSuchCORSConfiguration", "policy": "NoSuchBucketPolicy"}


class Connection(asyncio.BufferedProtocol):
    """One client. A body that is dropped is counted where it arrives, and copied nowhere."""

    def __init__(self, store: Store, delay: float) -> None:
        self.store = store
        self.delay = delay
        self.loop = asyncio.get_running_loop()
        self.transport: Any = None
        self.dropping = 0  # bytes of a body that are still to come
        self.waiting = bytearray()  # what came of a request that is answered once it is whole

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def get_buffer(self, _: int) -> memoryview:
        return _view

    def buffer_updated(self, size: int) -> None:
        start = 0
        if self.dropping:
            start = min(size, self.dropping)
            self.dropping -= start
            if self.dropping:
                return
            self.write(_TAKEN)
        if start < size and (self.waiting or not self.drop(start, size)):
            self.waiting += _view[start:size]
            while self.waiting and self.reply():
                pass

    def drop(self, start: int, size: int) -> bool:
        """Whether what came is a put of an object of which nothing is kept, and nothing else."""
        if not _buffer.startswith(b"PUT ", start):
            return False
        end = _buffer.find(b"\r\n\r\n", start, size)
        if end < 0:
            return False
        head = bytes(_view[start:end]).lower()
        target = head[4 : head.index(b" ", 4)]
        at = head.find(b"\r\ncontent-length:")
        if at < 0 or b"?" in target or b"/.release/" in target or target.endswith(b"releases.json"):
            return False
        if b"/" not in target[1:] or b"\r\nexpect:" in head:
            return False
        stop = head.find(b"\r\n", at + 2)
        length = int(head[at + 17 : stop if stop > 0 else None])
        came = size - end - 4
        if came > length:
            return False
        self.store.count(length)
        self.dropping = length - came
        if not self.dropping:
            self.write(_TAKEN)
        return True

    def reply(self) -> bool:
        """Answer the request that came first, if it is whole."""
        end = self.waiting.find(b"\r\n\r\n")
        if end < 0:
            return False
        line, *lines = self.waiting[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        if headers.pop("expect", ""):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            without = re.sub(rb"(?i)\r\nexpect:[^\r]*", b"", self.waiting[:end])
            self.waiting[:end] = without
            end = len(without)
        body, stop = self.body(headers, end + 4)
        if stop < 0:
            return False
        del self.waiting[:stop]
        method, target, _ = line.split(" ")
        path, _, query = target.partition("?")
        asked = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        self.write(self.store.answer(Asked(method, unquote(path).strip("/"), asked, headers, body)))
        return True

    def body(self, headers: dict[str, str], start: int) -> tuple[bytes, int]:
        """Return a request's body and where it ends, or -1 while there is more to come."""
        if "chunked" not in headers.get("transfer-encoding", ""):
            stop = start + int(headers.get("content-length", "0"))
            found = bytes(self.waiting[start:stop]), stop if stop <= len(self.waiting) else -1
        else:
            found = unframed(self.waiting, start, b"\r\n\r\n")
        if found[1] >= 0 and "x-amz-decoded-content-length" in headers:
            return unframed(found[0], 0, b"\r\n")[0], found[1]
        return found

    def write(self, said: bytes) -> None:
        if self.delay:
            self.loop.call_later(self.delay, self.transport.write, said)
        else:
            self.transport.write(said)


def unframed(data: bytes | bytearray, at: int, finish: bytes) -> tuple[bytes, int]:
    """Return what chunks hold, of HTTP's kind or of AWS's, and where they end; -1 while there is more to come."""
    blocks: list[bytes] = []
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(bytes(data[at:line]).partition(b";")[0], 16)
        if not size:
            stop = data.find(finish, line)
            return b"".join(blocks), stop + len(finish) if stop >= 0 else -1
        blocks.append(bytes(data[line + 2 : line + 2 + size]))
        at = line + 2 + size + 2
    return b"", -1


async def serve(port: int, delay: float) -> None:
    store = Store()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(store, delay), HOST, port, backlog=2048)
    await server.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    given = options.parse_args()
    loops: Any = asyncio
    with suppress(ImportError):
        loops = importlib.import_module("uvloop")
    with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
        runner.run(serve(given.port, given.delay))


if __name__ == "__main__":
    main()
