"""Whether the content of a chunk of an N5 or zarr array is what its metadata say: headers, codecs, lengths, checksums.

Sources of the rules: the N5 specification, the zarr v2 and v3 specifications with their codecs, the headers of blosc
(c-blosc, README_CHUNK_FORMAT) and zstd (RFC 8878). Axes as in the array's own metadata.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from publisher.health.layout import JSON, Array
from publisher.health.presence import Cell

_MISSING = (1 << 64) - 1  # offset and length of an inner chunk that a shard does not hold
_ZSTD = 0xFD2FB528
_N5_MODES = {0: "default", 1: "varlength", 2: "object"}


class Bad(ValueError):
    """Content that is not as the metadata say; the message says how."""


def trouble(array: Array, cell: Cell, data: bytes) -> str:
    """Return why the content of a chunk's file cannot be decoded, "" where nothing speaks against it."""
    if not data:
        return "is empty"
    try:
        if array.format == "n5":
            _n5(array, cell, data)
        elif array.sharding is not None:
            _shard(array.sharding, array, data)
        else:
            _sized(_undone(codecs(array.meta, array.format), data), array, array.present.grid.chunk)
    except Bad as error:
        return str(error)
    except (zlib.error, OSError, EOFError, lzma.LZMAError, struct.error) as error:
        return f"does not decompress: {error}"
    return ""


def codecs(meta: JSON, kind: str) -> list[JSON]:
    """Return what turns an array's bytes into the stored ones, in the words of zarr v3, outermost last."""
    if kind == "zarr3":
        return [codec for codec in meta.get("codecs", ()) if isinstance(codec, dict)]
    if kind == "zarr2":
        compressor = meta.get("compressor")
        return [{"name": str(compressor.get("id")), "configuration": compressor}] if compressor else []
    compression = meta.get("compression") or {"type": meta.get("compressionType", "raw")}
    name = str(compression.get("type"))
    name = "zlib" if name == "gzip" and compression.get("useZlib") else name
    return [] if name == "raw" else [{"name": name, "configuration": compression}]


def _n5(array: Array, cell: Cell, data: bytes) -> None:
    mode, axes = struct.unpack_from(">HH", data)
    grid = array.present.grid
    if mode != 0:
        raise Bad(f"is a block of mode {mode} ({_N5_MODES.get(mode, 'unknown')}), and arrays have mode 0")
    if axes != len(grid.size):
        raise Bad(f"is a block of {axes} axes, and the array has {len(grid.size)}")
    shape = struct.unpack_from(f">{axes}I", data, 4)
    if any(not least <= n <= most for least, n, most in zip(grid.shape(cell), shape, grid.chunk, strict=True)):
        wanted = " x ".join(map(str, grid.shape(cell)))
        raise Bad(f"says that it has {' x '.join(map(str, shape))} voxels, but {wanted} are there")
    _sized(_undone(codecs(array.meta, "n5"), data[4 + 4 * axes :]), array, shape)


def _sized(data: bytes | int | None, array: Array, shape: tuple[int, ...]) -> None:
    """Hold the length of decoded bytes, as far as it is known, against a shape."""
    length = len(data) if isinstance(data, bytes) else data
    wanted = prod(shape) * itemsize(array.data_type)
    if length is not None and wanted and length != wanted:
        words = f"{' x '.join(map(str, shape))} voxels of {array.data_type}"
        raise Bad(f"holds {length:,} bytes, but {words} are {wanted:,}")


def itemsize(data_type: str) -> int:
    """Return the bytes of a voxel, 0 for a type that is no number of a fixed size."""
    try:
        return int(np.dtype(data_type).itemsize)
    except TypeError:
        return 0


def _undone(chain: list[JSON], data: bytes) -> bytes | int | None:
    """Undo codecs, the last first: bytes, or their number where only a header tells it, or None where nothing does."""
    for codec in reversed(chain):
        name = codec.get("name")
        if name in {"bytes", "transpose"}:
            continue  # these change the order of bytes, and not their number
        if name == "gzip":
            data = _inflated(data, 31)
        elif name == "zlib":
            data = _inflated(data, 15)
        elif name == "crc32c":
            data = _checked(data)
        elif name in {"bz2", "bzip2"}:
            data = bz2.decompress(data)
        elif name in {"xz", "lzma"}:
            data = lzma.decompress(data)
        elif name == "blosc":
            return _blosc(data)
        elif name == "zstd":
            return _zstd(data)
        else:
            return None
    return data


def _inflated(data: bytes, wbits: int) -> bytes:
    inflate = zlib.decompressobj(wbits=wbits)
    whole = inflate.decompress(data)
    if not inflate.eof:
        raise Bad("is cut off")
    return whole


def _blosc(data: bytes) -> int:
    if len(data) < 16:  # noqa: PLR2004 - the length of its header
        raise Bad("is cut off (blosc)")
    size, _, stored = struct.unpack_from("<III", data, 4)
    if stored != len(data):
        raise Bad(f"holds {len(data):,} bytes, but blosc's header says {stored:,}")
    return int(size)


def _zstd(data: bytes) -> int | None:
    """Return how long the content is by the frame's header, None where it does not say."""
    magic, described = struct.unpack_from("<IB", data)
    if magic != _ZSTD:
        raise Bad("is not zstd")
    single, flag = described >> 5 & 1, described >> 6
    at = 5 + (0 if single else 1) + (0, 1, 2, 4)[described & 3]
    width = (1 if single else 0, 2, 4, 8)[flag]
    if not width:
        return None
    return int.from_bytes(data[at : at + width], "little") + (256 if width == 2 else 0)  # noqa: PLR2004 - RFC 8878, 3.1.1.1.4


def _shard(sharding: JSON, array: Array, data: bytes) -> None:
    """Read a shard's index, check its checksum, and look into each chunk in it."""
    inner = tuple(sharding["chunk_shape"])
    for offset, size in index(sharding, array.present.grid.chunk, data):
        chain = [codec for codec in sharding.get("codecs", ()) if isinstance(codec, dict)]
        try:
            _sized(_undone(chain, data[offset : offset + size]), array, inner)
        except (Bad, zlib.error, struct.error) as error:
            raise Bad(f"its chunk at byte {offset:,}: {error}") from None


def index(sharding: JSON, shape: tuple[int, ...], data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the chunks of a shard of so many voxels lie in it: offset and length in bytes; raise Bad."""
    count = prod(outer // inner for outer, inner in zip(shape, sharding["chunk_shape"], strict=True))
    summed = any(codec.get("name") == "crc32c" for codec in sharding.get("index_codecs", ()))
    length = 16 * count + (4 if summed else 0)
    if len(data) < length:
        raise Bad(f"is {len(data):,} bytes long, and its index alone has {length:,}")
    part = data[:length] if sharding.get("index_location") == "start" else data[-length:]
    pairs = np.frombuffer(_checked(part) if summed else part, "<u8").reshape(-1, 2)
    for offset, size in pairs.tolist():
        if (offset, size) == (_MISSING, _MISSING):
            continue
        if offset + size > len(data):
            raise Bad(f"its index places {size:,} bytes at {offset:,}, outside of the file")
        yield offset, size


def _checked(data: bytes) -> bytes:
    """Return bytes without the CRC-32C at their end; raise Bad where it is not theirs."""
    if len(data) < 4:  # noqa: PLR2004 - its length
        raise Bad("is cut off (crc32c)")
    body, told = data[:-4], int.from_bytes(data[-4:], "little")
    if _crc32c(body) != told:
        raise Bad("its checksum (crc32c) is that of other bytes")
    return body


def _crc32c(data: bytes) -> int:
    try:
        import google_crc32c  # noqa: PLC0415 - in extras only
    except ImportError:
        value = 0xFFFFFFFF
        for byte in data:
            value = _TABLE[(value ^ byte) & 0xFF] ^ value >> 8
        return value ^ 0xFFFFFFFF
    return int(google_crc32c.value(data))


def _table() -> list[int]:
    """Return Castagnoli's polynomial (RFC 3720, B.4) by bytes."""
    rows = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        rows.append(value)
    return rows


_TABLE: Any = _table()
