"""The other releases at a target: what they have is not for this one to change."""

from __future__ import annotations

from functools import cached_property
from threading import Lock

from publisher import inventory, record
from publisher.errors import Conflict, LocalTrouble, Problem
from publisher.objects import ObjectSpec
from publisher.payload import content_digest
from publisher.targets import Target


class Others:
    """The other releases at a target: an object that they have, too, is not this one's to change."""

    def __init__(self, target: Target, version: str) -> None:
        """Read which releases there are; raise Conflict where somebody else's file has that name."""
        self._target, self._lock = target, Lock()
        try:
            refs = record.parse_releases(target.read(record.RELEASES_KEY))
        except (ValueError, KeyError, TypeError, AttributeError):
            message = "is there already, and is no list of releases"
            place = f"{target.url}/{record.RELEASES_KEY}"
            raise Conflict(Problem(place, message, "publish to a folder or prefix of its own")) from None
        self._versions = [other for other in refs if other != version]

    def holding(self, key: str) -> str:
        """Return the other release in whose folder a key lies, or nothing."""
        return next((version for version in self._versions if key.startswith(f"{version}/")), "")

    @cached_property
    def _indexes(self) -> list[tuple[str, inventory.Index]]:
        found: list[tuple[str, inventory.Index]] = []
        for version in self._versions:
            data = self._target.read(record.record_key(version))
            told = record.parse(data, record.record_key(version)) if data else None
            file = self._target.open(told.inventory.key) if told and told.inventory else None
            try:
                found += [(version, inventory.Index(file))] if file else []
            except ValueError as error:  # pyarrow's own
                message = f"the inventory of release {version} is damaged ({error})"
                raise LocalTrouble(Problem(self._target.url, message, "restore it from a copy")) from None
        return found

    def spoilt(self, spec: ObjectSpec) -> str:
        """Return which other release has other bytes at the key of this object, and would lose them."""
        with self._lock:  # only replacements are looked up here, which are few
            entries = ((version, index.get(spec.key)) for version, index in self._indexes)
            found = [(version, entry) for version, entry in entries if entry is not None]
        digest = content_digest(spec) if found else None
        encoding = spec.headers.content_encoding
        same = (digest, encoding)
        for version, entry in found:
            if ((entry.content_sha256, entry.content_size_bytes), entry.headers.content_encoding) != same:
                return version
        return ""
