"""Whether the content of a chunk is what its volume says: each encoding's header and length, without other libraries.

Sources of the rules: neuroglancer, src/datasource/precomputed/volume.md and src/sliceview/backend_chunk_decoders; ITU
T.81 (JPEG), the PNG specification, and the headers that compresso and crackle document. Shapes are x, y, z in voxels.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from math import prod
from typing import NamedTuple

import numpy as np


class Expected(NamedTuple):
    """What a chunk must hold."""

    shape: tuple[int, ...]
    channels: int
    data_type: str
    block: tuple[int, ...] = ()  # of compressed_segmentation

    @property
    def size_bytes(self) -> int:
        """Of all voxels, uncompressed."""
        return prod(self.shape) * self.channels * np.dtype(self.data_type).itemsize

    @property
    def words(self) -> str:
        """Shape, channels and type in words."""
        channels = f" x {self.channels} channels" if self.channels > 1 else ""
        return f"{' x '.join(map(str, self.shape))} voxels{channels} of {self.data_type}"


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG's markers SOF0 to SOF15


def trouble(encoding: str, data: bytes, expected: Expected) -> str:
    """Return why the content of a chunk cannot be decoded, "" where nothing speaks against it."""
    if not data:
        return "is empty"
    return _DECODERS[encoding](data, expected) if encoding in _DECODERS else ""


def _raw(data: bytes, expected: Expected) -> str:
    if len(data) != expected.size_bytes:
        return f"holds {len(data):,} bytes, but {expected.words} are {expected.size_bytes:,}"
    return ""


def _jpeg(data: bytes, expected: Expected) -> str:
    if not data.startswith(b"\xff\xd8"):
        return "is not JPEG"
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:  # noqa: PLR2004 - every marker begins with it
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            height, width, components = struct.unpack(">HHB", data[at + 5 : at + 10])
            whole = b"\xff\xd9" in data[-64:]
            return _image("JPEG", width * height, components, expected) or ("" if whole else "is cut off (JPEG)")
        at += 2 + length
    return "is JPEG without a frame"


def _png(data: bytes, expected: Expected) -> str:
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "is not PNG"
    at, kinds, pixels = 8, [], []
    while at + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body, mark = data[at + 8 : at + 8 + length], data[at + 8 + length : at + 12 + length]
        if len(mark) < 4 or zlib.crc32(kind + body) != int.from_bytes(mark, "big"):  # noqa: PLR2004 - bytes of a CRC
            return "is damaged (PNG)" if len(mark) == 4 else "is cut off (PNG)"  # noqa: PLR2004
        kinds.append((kind, body))
        pixels += [body] if kind == b"IDAT" else []
        at += 12 + length
    if not kinds or kinds[0][0] != b"IHDR" or kinds[-1][0] != b"IEND":
        return "is cut off (PNG)"
    width, height, depth, color = struct.unpack(">IIBB", kinds[0][1][:10])
    components = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(color, 0)
    if depth != 8 * np.dtype(expected.data_type).itemsize:
        return f"is PNG of {depth} bits, but {expected.data_type} is wanted"
    try:
        zlib.decompress(b"".join(pixels))
    except zlib.error:
        return "is damaged (PNG)"
    return _image("PNG", width * height, components, expected)


def _image(kind: str, pixels: int, components: int, expected: Expected) -> str:
    if pixels != prod(expected.shape) or components != expected.channels:
        return f"is {kind} of {pixels:,} pixels and {components} channels, but must be {expected.words}"
    return ""


def _jxl(data: bytes, expected: Expected) -> str:
    del expected
    return "" if data.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")) else "is not JPEG XL"


def _compressed_segmentation(data: bytes, expected: Expected) -> str:
    """Follow every block's header; offsets count 32-bit words from the beginning of their channel."""
    if len(data) % 4:
        return f"holds {len(data):,} bytes, which are no whole number of 32-bit words"
    words = np.frombuffer(data, "<u4")
    blocks = prod(-(-size // block) for size, block in zip(expected.shape, expected.block, strict=True))
    for channel in range(expected.channels):
        begin = int(words[channel]) if channel < len(words) else len(words)
        if begin + 2 * blocks > len(words):
            return f"is cut off: {blocks:,} blocks of {' x '.join(map(str, expected.block))} have more headers"
        header = words[begin : begin + 2 * blocks].reshape(-1, 2).astype(np.int64)
        table, bits = begin + (header[:, 0] & 0xFFFFFF), header[:, 0] >> 24
        if not np.isin(bits, (0, 1, 2, 4, 8, 16, 32)).all():
            return "has a block that is encoded in a number of bits that there is not"
        values = -(-bits * prod(expected.block) // 32)
        table_words = 2 if expected.data_type in {"uint64", "int64"} else 1
        if (table + table_words > len(words)).any() or (begin + header[:, 1] + values)[bits > 0].max(initial=0) > len(
            words
        ):
            return "is cut off: a block's values lie beyond its end"
    return ""


def _compresso(data: bytes, expected: Expected) -> str:
    if not data.startswith(b"cpso") or len(data) < 12:  # noqa: PLR2004 - magic, version, width, three sizes
        return "is not compresso"
    width, *shape = struct.unpack("<BHHH", data[5:12])
    if tuple(shape) != expected.shape or width != np.dtype(expected.data_type).itemsize:
        return f"is compresso of {' x '.join(map(str, shape))} voxels of {width} bytes, but must be {expected.words}"
    return ""


def _crackle(data: bytes, expected: Expected) -> str:
    if not data.startswith(b"crkl") or len(data) < 19:  # noqa: PLR2004 - magic, version, format, three sizes
        return "is not crackle"
    shape = struct.unpack("<III", data[7:19])
    if shape != expected.shape:
        return f"is crackle of {' x '.join(map(str, shape))} voxels, but must be {expected.words}"
    return ""


_DECODERS: dict[str, Callable[[bytes, Expected], str]] = {
    "raw": _raw,
    "jpeg": _jpeg,
    "png": _png,
    "jxl": _jxl,
    "compressed_segmentation": _compressed_segmentation,
    "compresso": _compresso,
    "crackle": _crackle,
}
