"""The content of a source's file as a reader gets it: where `.gz` stands for gzip of the transport, that is undone."""

from __future__ import annotations

import zlib
from pathlib import Path

from publisher.headers import GZIP_MAGIC


def stored(folder: Path, relative: str, *, encoded_names: bool) -> bytes | None:
    """Return what a reader gets of a file, or of its `.gz` where names may say so; None if there is none.

    Raises:
        zlib.error: it is gzip that is not whole.
        OSError: it cannot be read.

    """
    plain = folder / relative
    for path in (plain, plain.with_name(f"{plain.name}.gz")) if encoded_names else (plain,):
        if path.is_file():
            data = path.read_bytes()
            return content(data) if encoded_names else data
    return None


def content(data: bytes) -> bytes:
    """Undo gzip where bytes are gzip; raise zlib.error where they are so only at their beginning."""
    if not data.startswith(GZIP_MAGIC):
        return data
    whole = []
    while data:
        inflate = zlib.decompressobj(wbits=31)
        whole.append(inflate.decompress(data))
        if not inflate.eof:
            raise zlib.error("it ends too early")
        data = inflate.unused_data
    return b"".join(whole)
