"""What pyarrow does not tell of an Arrow IPC file: how its column data are compressed.

Sources: Arrow columnar format, Message.fbs (a record batch has a `compression`, whose `codec` is 0 for LZ4 frames and 1 for
zstd); FlatBuffers internals (a table begins with its distance from its vtable, which has the place of each field).
"""

from __future__ import annotations

import struct
from pathlib import Path

CODECS = ("lz4", "zstd")
_MAGIC_BYTES = 8  # "ARROW1" and padding; the messages stand behind
_HEADER, _COMPRESSION, _CODEC = 2, 3, 0  # numbers of the fields in their tables


def codec(path: Path) -> str | None:
    """Return the codec of the first record batch that holds anything: "" for none, None where there is no such batch."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and `--help` must be instant

    with pa.memory_map(str(path)) as file:
        file.seek(_MAGIC_BYTES)
        for message in pa.ipc.MessageReader.open_stream(file):
            if message.type == "record batch" and message.body is not None and message.body.size:
                return _codec(message.metadata.to_pybytes())
    return None


def _codec(message: bytes) -> str:
    batch = _follow(message, _field(message, _follow(message, 0), _HEADER))
    compression = _field(message, batch, _COMPRESSION)
    if not compression:
        return ""
    chosen = _field(message, _follow(message, compression), _CODEC)
    return CODECS[message[chosen] if chosen else 0]  # a field that has its default value is left out


def _follow(data: bytes, at: int) -> int:
    """Return where the table lies that the offset at this place points to."""
    return at + int(struct.unpack_from("<I", data, at)[0])


def _field(data: bytes, table: int, number: int) -> int:
    """Return where a field of a table lies, or 0 where it is left out."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    place = 4 + 2 * number
    if place >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset = int(struct.unpack_from("<H", data, vtable + place)[0])
    return table + offset if offset else 0
