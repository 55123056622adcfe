"""The storage rules as data: what each object must carry, by its role; first match wins.

A role is a short name that an artifact gives to a file ("chunk/jpeg", "shard", "table/feather" …); the rules know
nothing of folders. Sources of the rules: the specifications of Neuroglancer's precomputed formats, N5, zarr v2 and v3,
Arrow and Parquet, and what tensorstore, cloud-volume and browsers do with each combination (docs/storage-rules.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from publisher.objects import Form, Headers

GZIP_MAGIC = b"\x1f\x8b\x08"


class Gzip(StrEnum):
    """Whether an object may be stored with Content-Encoding: gzip."""

    SHOULD = "should"  # compress it, unless it is gzip already
    MAY = "may"  # publish it as it lies: plain or gzip
    NEVER = "never"  # gzip would break its readers
    INSIDE = "inside"  # its own bytes may be gzip (a codec, an archive): never looked into, never encoded


@dataclass(frozen=True, slots=True, eq=False)  # there is one of each: a million objects are looked up by theirs
class Rule:
    """One row of the table: which roles, what about gzip, which Content-Type, and whether readers need ranges."""

    roles: str
    gzip: Gzip
    content_type: str
    ranged: bool = False


BINARY = "application/octet-stream"
JSON = "application/json"

RULES: tuple[Rule, ...] = (
    Rule("json", Gzip.MAY, JSON),
    Rule("scene", Gzip.NEVER, JSON),
    Rule("chunk/jpeg", Gzip.NEVER, "image/jpeg"),
    Rule("chunk/png", Gzip.NEVER, "image/png"),
    Rule("chunk/jxl", Gzip.NEVER, "image/jxl"),
    Rule("chunk/raw", Gzip.SHOULD, BINARY),
    Rule("chunk/compressed_segmentation", Gzip.SHOULD, BINARY),
    Rule("chunk/compresso", Gzip.SHOULD, BINARY),
    Rule("chunk/crackle", Gzip.MAY, BINARY),
    Rule("chunk/*", Gzip.NEVER, BINARY),  # fpzip, zfpc, kempressed: compressed inside
    Rule("shard", Gzip.NEVER, BINARY, ranged=True),
    Rule("mesh/fragment", Gzip.SHOULD, BINARY),
    Rule("mesh/manifest", Gzip.MAY, JSON),
    Rule("mesh/index", Gzip.MAY, BINARY),
    Rule("mesh/multiresolution", Gzip.NEVER, BINARY, ranged=True),
    Rule("skeleton", Gzip.SHOULD, BINARY),
    Rule("annotation", Gzip.SHOULD, BINARY),
    Rule("array/chunk", Gzip.INSIDE, BINARY),  # N5 block, zarr chunk: the codec is inside
    Rule("array/shard", Gzip.INSIDE, BINARY, ranged=True),
    Rule("table/feather", Gzip.NEVER, "application/vnd.apache.arrow.file", ranged=True),
    Rule("table/parquet", Gzip.NEVER, "application/vnd.apache.parquet", ranged=True),
    Rule("table/csv", Gzip.MAY, "text/csv; charset=utf-8"),
    Rule("swc", Gzip.MAY, "text/plain; charset=utf-8"),
    Rule("licence", Gzip.MAY, "text/plain; charset=utf-8"),  # of what travels with a release: its name says nothing
    Rule("example", Gzip.NEVER, "text/plain; charset=utf-8"),  # of how to read a release: pages show it as it lies
    Rule("opaque", Gzip.INSIDE, BINARY, ranged=True),  # database stores and dumps
)

_BY_ROLE = {row.roles: row for row in RULES}

# What a file is by its name alone, for files that no format claims.
NAMES: tuple[tuple[str, Rule], ...] = (
    ("*.gz", Rule("", Gzip.INSIDE, "application/gzip", ranged=True)),
    ("*.tgz", Rule("", Gzip.INSIDE, "application/gzip", ranged=True)),
    ("*.zip", Rule("", Gzip.INSIDE, "application/zip", ranged=True)),
    ("*.tar", Rule("", Gzip.INSIDE, "application/x-tar", ranged=True)),
    ("*.feather", _BY_ROLE["table/feather"]),
    ("*.arrow", _BY_ROLE["table/feather"]),
    ("*.parquet", _BY_ROLE["table/parquet"]),
    ("*.csv", _BY_ROLE["table/csv"]),
    ("*.tsv", Rule("", Gzip.MAY, "text/tab-separated-values; charset=utf-8")),
    ("*.swc", _BY_ROLE["swc"]),
    ("*.json", _BY_ROLE["json"]),
    ("*.txt", Rule("", Gzip.MAY, "text/plain; charset=utf-8")),
    ("*.md", Rule("", Gzip.MAY, "text/markdown; charset=utf-8")),
    ("*.obj", Rule("", Gzip.MAY, "model/obj")),
    ("*.stl", Rule("", Gzip.MAY, "model/stl")),
    ("*.html", Rule("", Gzip.NEVER, "text/html; charset=utf-8")),
    ("*.css", Rule("", Gzip.NEVER, "text/css; charset=utf-8")),
    ("*.js", Rule("", Gzip.NEVER, "text/javascript; charset=utf-8")),
    ("*.map", Rule("", Gzip.NEVER, JSON)),  # of a script or a style
    ("*.wasm", Rule("", Gzip.NEVER, "application/wasm")),
    ("*.svg", Rule("", Gzip.NEVER, "image/svg+xml")),
    ("*.xml", Rule("", Gzip.NEVER, "application/xml")),
    ("*.png", Rule("", Gzip.NEVER, "image/png")),
    ("*.jpg", Rule("", Gzip.NEVER, "image/jpeg")),
    ("*.jpeg", Rule("", Gzip.NEVER, "image/jpeg")),
    ("*.webp", Rule("", Gzip.NEVER, "image/webp")),
    ("*.ico", Rule("", Gzip.NEVER, "image/x-icon")),
    ("*.woff2", Rule("", Gzip.NEVER, "font/woff2")),
    ("*.pdf", Rule("", Gzip.NEVER, "application/pdf")),
    ("*.yaml", Rule("", Gzip.MAY, "application/yaml")),
    ("*.yml", Rule("", Gzip.MAY, "application/yaml")),
    ("*.cff", Rule("", Gzip.MAY, "application/yaml")),
    ("*.bib", Rule("", Gzip.MAY, "application/x-bibtex")),
    ("*.ris", Rule("", Gzip.MAY, "application/x-research-info-systems")),
    ("*.jsonld", Rule("", Gzip.MAY, "application/ld+json")),
    ("sha256sums", Rule("", Gzip.MAY, "text/plain; charset=utf-8")),
    ("*.py", Rule("", Gzip.MAY, "text/plain; charset=utf-8")),  # which browsers show
    ("*.R", Rule("", Gzip.MAY, "text/plain; charset=utf-8")),
    ("*.sh", Rule("", Gzip.MAY, "text/plain; charset=utf-8")),
    ("*", Rule("", Gzip.INSIDE, BINARY, ranged=True)),
)

IMMUTABLE = "public, max-age=31536000, immutable"
MOVING = "no-cache"
# Else Cloud Storage, and what else stands before a store, may undo gzip on the way: without a length, ranges ignored.
AS_STORED = "no-transform"

# `.gz` belongs to the name where another extension stands before it: edges.csv.gz is a file that people download.
# A chunk, an info or a skeleton that was compressed on disk has none: 0-64_0-64_0-64.gz, info.gz, 722817260.gz.
_KEEPS_GZ = re.compile(r"\.(?!index\.)[A-Za-z][A-Za-z0-9]{0,9}\.gz$")  # 722817260.index.gz: a mesh's manifest


@lru_cache(maxsize=1024)
def rule(role: str) -> Rule:
    """Return the rule of a role; a role that no rule names is a mistake of ours."""
    for row in RULES:
        if fnmatchcase(role, row.roles):
            return row
    raise LookupError(f"no storage rule for the role {role!r}")


def rule_for_name(name: str) -> Rule:
    """Return the rule of a file that no format claims, by its name."""
    return next(row for pattern, row in NAMES if fnmatchcase(name.lower(), pattern.lower()))


def keeps_gz(name: str) -> bool:
    """Whether `.gz` is a part of this name (`edges.csv.gz`), rather than how a chunk is stored (`0-64_0-64_0-64.gz`)."""
    return _KEEPS_GZ.search(name) is not None


@lru_cache(maxsize=1024)
def headers(row: Rule, *, encoded: bool, final: bool) -> Headers:
    """Return the headers of an object: final releases may be cached for ever, drafts never."""
    cache_control = IMMUTABLE if final else MOVING
    if encoded:
        return Headers(row.content_type, "gzip", f"{cache_control}, {AS_STORED}")
    return Headers(row.content_type, None, cache_control)


def _spoken(row: Rule) -> str:
    """Return what people call the objects of a rule: a jpeg chunk, a shard, text/html."""
    name = " ".join(reversed(row.roles.removesuffix("/*").split("/")))
    return f"a {name}" if name else row.content_type


class Contradiction(Exception):
    """The bytes, the name and the rule do not agree; the message says how."""


@lru_cache(maxsize=1024)
def stored_form(row: Rule, *, gz_name: bool, gzip_bytes: bool) -> tuple[Form, bool]:
    """Decide how an object is stored: (form, with Content-Encoding: gzip).

    Args:
        row: the rule of its role.
        gz_name: the file is called `X.gz` and stands for object `X`.
        gzip_bytes: its first bytes are gzip's magic, and they inflate.

    Raises:
        Contradiction: the name says gzip and the bytes do not, or the rule forbids what they are.

    """
    if gz_name and not gzip_bytes:
        raise Contradiction("is named .gz, but its bytes are not gzip")
    if row.gzip is Gzip.INSIDE:
        if gz_name:
            raise Contradiction("must not carry Content-Encoding (its codec is inside), but is stored as .gz")
        return Form.AS_IS, False
    if row.gzip is Gzip.NEVER:
        if gz_name or gzip_bytes:
            raise Contradiction(f"is gzip, which {_spoken(row)} must not be")
        return Form.AS_IS, False
    if gzip_bytes:
        return Form.AS_IS, True
    return (Form.GZIP, True) if row.gzip is Gzip.SHOULD else (Form.AS_IS, False)
