"""A listing in the order of keys, whatever the order in which a store lists.

Amazon's buckets list by the bytes of the key, and begin behind any key; its directory buckets have no order
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html). Other stores may walk a tree: SeaweedFS tells
`a`, `a/b`, `a-b`, and behind `a` it begins with `a-b`. So theirs is read whole and sorted, through the disk where it
is long.

obstore is quick, but takes `a/` for `a`, and gives up at a key such as `a//b`. Where either shows, boto3 goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import obstore
from obstore.store import S3Store

from publisher.objects import UNTOLD, Stored
from publisher.runs import in_order
from publisher.targets.s3.connection import Connection
from publisher.targets.s3.troubles import OddKey
from publisher.targets.wire import Trouble, Why

_HELD = 220_000  # keys that are sorted in memory: some 60 MB
_PAGE = 1000  # the most that a store tells at once
_DIRECTORY_BUCKET = "--x-s3"  # how their names end

_Row = tuple[str, int, str, str]  # what Stored has, as a plain tuple


def listed(connection: Connection, prefix: str, after: str) -> Iterator[Stored]:
    """List what lies below a prefix and sorts after a key, in the order of keys."""
    if connection.settings.aws and not connection.bucket.endswith(_DIRECTORY_BUCKET):
        yield from ascending(connection, prefix, after)
        return
    try:
        yield from map(Stored._make, in_order((row for row in _quick(connection, prefix) if row[0] > after), _HELD))
    except OddKey:  # met before the first was passed on: sorting has read them all by then
        yield from map(Stored._make, in_order((row for row in _careful(connection, prefix) if row[0] > after), _HELD))


def ascending(connection: Connection, prefix: str, after: str) -> Iterator[Stored]:
    """Pass on what a store lists in order; raise Trouble where it does not."""
    last = after
    try:
        for row in _quick(connection, prefix, after):
            if row[0] <= last:
                break
            yield Stored._make(row)
            last = row[0]
        else:
            return
    except OddKey:
        pass
    for row in _careful(connection, prefix, last):
        if row[0] <= last:
            raise Trouble(Why.WRONG, f"the store lists {row[0]} after {last}, which is not the order of keys")
        yield Stored._make(row)
        last = row[0]


def _quick(connection: Connection, prefix: str, after: str = "") -> Iterator[_Row]:
    def begin(store: S3Store) -> Iterator[Any]:
        return iter(obstore.list(store, prefix or None, offset=after or None, chunk_size=_PAGE))

    pages = connection.quick(begin, again=True)
    while page := connection.quick(lambda _: next(pages, None), again=True):
        # The empty object that stands for the folder itself is called as the prefix is, but for its slash.
        yield from [
            (found["path"], found["size"], UNTOLD, found["e_tag"] or "")
            for found in page
            if found["path"].startswith(prefix)
        ]


def _careful(connection: Connection, prefix: str, after: str = "") -> Iterator[_Row]:
    marker = {"ContinuationToken": "NextContinuationToken"}
    for page in connection.pages("list_objects_v2", marker, Prefix=prefix, StartAfter=after):
        for found in page.get("Contents", ()):
            if found["Key"] != prefix:
                yield found["Key"], found["Size"], UNTOLD, found.get("ETag", "")
