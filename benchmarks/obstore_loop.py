"""A bare loop over obstore: reads each file and puts it, with headers and SHA-256. It keeps no promises.

    python benchmarks/obstore_loop.py FOLDER BUCKET PREFIX [--threads 8 | --flying 256] [--gzip]

The environment says where the store is, and who asks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from obstore.store import S3Store

BATCH = 8  # files that a thread is given at once
PART_BYTES = 16 << 20
HEADERS = {"Content-Type": "application/octet-stream", "Cache-Control": "public, max-age=31536000, immutable"}


def below(folder: str) -> Iterator[str]:
    """Yield the files below a folder."""
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from below(entry.path)
        else:
            yield entry.path


class Loop:
    """What is done with a file."""

    def __init__(self, given: argparse.Namespace) -> None:
        """Take the command's words."""
        self._store = S3Store(
            given.bucket,
            config={
                "endpoint": os.environ["AWS_ENDPOINT_URL"],
                "checksum_algorithm": "sha256",
                "virtual_hosted_style_request": False,
            },
            client_options={"allow_http": True},
        )
        self._root, self._prefix, self._gzip = f"{given.source}/", given.prefix, given.gzip
        self._headers: Any = HEADERS | ({"Content-Encoding": "gzip"} if given.gzip else {})

    def put(self, paths: list[str]) -> None:
        """Store files."""
        for path in paths:
            key = f"{self._prefix}/{path.removeprefix(self._root)}"
            if os.path.getsize(path) > PART_BYTES:  # noqa: PTH202 - quick
                self._store.put(key, Path(path), attributes=self._headers, chunk_size=PART_BYTES, max_concurrency=8)
            else:
                self._store.put(key, self._read(path), attributes=self._headers, use_multipart=False)

    async def put_later(self, path: str, room: asyncio.Semaphore) -> None:
        """Store a file while others are stored."""
        async with room:
            key = f"{self._prefix}/{path.removeprefix(self._root)}"
            await self._store.put_async(key, self._read(path), attributes=self._headers, use_multipart=False)

    def _read(self, path: str) -> bytes:
        with open(path, "rb") as file:  # noqa: PTH123 - quick
            data = file.read()
        if self._gzip:
            import deflate  # noqa: PLC0415 - only where it is asked for

            data = bytes(deflate.gzip_compress(data, 6))
        return data


async def fly(loop: Loop, paths: list[str], most: int) -> None:
    """Store files, so many at once."""
    room = asyncio.Semaphore(most)
    async with asyncio.TaskGroup() as tasks:
        for path in paths:
            tasks.create_task(loop.put_later(path, room))


def main() -> None:
    """Store all that is below a folder."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("source", type=Path)
    words.add_argument("bucket")
    words.add_argument("prefix")
    words.add_argument("--threads", type=int, default=8)
    words.add_argument("--flying", type=int, default=0, help="at once in asyncio, instead of threads")
    words.add_argument("--gzip", action="store_true", help="compress with libdeflate, level 6")
    given = words.parse_args()
    loop, paths = Loop(given), list(below(str(given.source)))
    if given.flying:
        asyncio.run(fly(loop, paths, given.flying))
        return
    batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(given.threads) as pool:
        for _ in pool.map(loop.put, batches):
            pass


if __name__ == "__main__":
    main()
