"""HTTPS before a plain HTTP server: some clients send other bytes over it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Self
from urllib.parse import urlsplit

from tests.servers.process import HOST


class TlsTerminator:
    """Takes the encryption off and passes all bytes on as they are; its certificate is signed by the authority in `ca`."""

    def __init__(self, upstream: str, folder: Path) -> None:
        import trustme

        url = urlsplit(upstream)
        self._upstream = url.hostname, url.port
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST, "localhost").configure_cert(self._context)
        self._listener = socket.create_server((HOST, 0), backlog=512)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="tls", daemon=True)

    @property
    def endpoint(self) -> str:
        return f"https://{HOST}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        serving = asyncio.start_server(self._serve, sock=self._listener, ssl=self._context)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, server = await asyncio.open_connection(*self._upstream)
        except OSError:
            _reset(writer)
            return
        try:
            await asyncio.gather(_pump(reader, server), _pump(upstream, writer))
        except asyncio.CancelledError:
            writer.transport.abort()
            server.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass on what comes until there is no more; a reset stays a reset."""
    try:
        while block := await source.read(1 << 18):
            sink.write(block)
            await sink.drain()
    except OSError:
        _reset(sink)
    finally:
        with suppress(OSError):
            sink.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
