"""Who may read a release in a bucket of Cloud Storage: a role on managed folders, and one entry of the bucket's CORS.

Everybody is a Storage Object Viewer of a folder: may get what lies in it, and list it, so that what is missing is a 404.
https://docs.cloud.google.com/storage/docs/managed-folders

Cloud Storage opens folders, not single objects: a condition on the name cannot be combined with `allUsers`
(https://docs.cloud.google.com/iam/docs/conditions-overview), and managed folders demand uniform access, where there are
no ACLs. `releases.json` lies at the top of the target. So where all that lies below the target's prefix is public
releases', the folder of the prefix itself is opened; where it is not, or where there is no prefix, the release's own
folders are, and what that leaves shut is told.

Policies are written only where they are still what was read (etag), and so is CORS (metageneration).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from google.api_core.exceptions import (
    PreconditionFailed,
)

from publisher.errors import Problem, Unreachable
from publisher.objects import AccessChange
from publisher.record import Access
from publisher.targets.access import Denied, Reach, settle, unseen
from publisher.targets.cors import Document, GcsCors, cors_changes, merged
from publisher.targets.gcs.folders import SECONDS, Folders, Place, in_words

if TYPE_CHECKING:
    from google.cloud.storage import Bucket, Client
    from google.cloud.storage_control_v2 import StorageControlClient

_MOST_NAMED = 3


def changes(
    storage: Client, control: StorageControlClient | None, bucket: str, prefix: str, access: Access, reach: Reach
) -> tuple[AccessChange, ...]:
    """Return what must change for strangers to read what a release opens below a prefix, and nothing else.

    Without `control`, which emulators do not have, who may read is not looked at.
    """
    if access.mode == "unmanaged":
        return ()
    place = Place(bucket, prefix.strip("/"))
    found: list[AccessChange] = []
    if access.mode == "public":
        try:
            settings = _Settings(storage, place)
            found += cors_changes(GcsCors(), place.top, settings.cors(), access.origins)
            found += settings.in_the_way() if control is not None else ()
        except Denied as denied:
            found.append(unseen("CORS", place.top, denied))
    try:
        doors = _doors(storage, Folders(control, place), access, reach.checked())
    except Denied as denied:
        return (*found, unseen("public read", place.top, denied))
    return (*found, *doors.changes(place))


def apply(
    storage: Client, control: StorageControlClient | None, bucket: str, prefix: str, access: Access, reach: Reach
) -> None:
    """Make these changes, to what is there by then.

    Raises:
        Unreachable: this role may not, the bucket forbids it, or others write at the same time.

    """
    if access.mode == "unmanaged":
        return
    place = Place(bucket, prefix.strip("/"))
    try:
        if access.mode == "public":
            _prepare(_Settings(storage, place), access.origins, iam=control is not None)
        folders = Folders(control, place)
        doors = _doors(storage, folders, access, reach.checked())
        for folder in doors.open:
            folders.set(folder, public=True)
        for folder in doors.close:
            folders.set(folder, public=False)
    except Denied as denied:
        raise Unreachable(Problem(place.top, str(denied), denied.hint)) from denied


def _prepare(settings: _Settings, origins: Sequence[str], *, iam: bool) -> None:
    """Set CORS; raise Unreachable where the bucket's settings would keep strangers out."""
    dialect = GcsCors()
    settle(f"CORS of {settings.top}", settings.cors, lambda there: merged(dialect, there, origins), settings.set_cors)
    if iam and (problems := [Problem(each.place, each.reason, each.after) for each in settings.in_the_way()]):
        raise Unreachable(problems)


@dataclass(frozen=True, slots=True)
class _Doors:
    """Folders to be opened and closed, as whole names in the bucket; why; and what to tell of others."""

    open: tuple[str, ...] = ()
    close: tuple[str, ...] = ()
    why: str = "strangers are refused so far"
    told: tuple[AccessChange, ...] = ()

    def changes(self, place: Place) -> Iterator[AccessChange]:
        """Say it line by line."""
        for name in self.open:
            after = "everybody may read and list it" + (", now and later" if name == place.base else "")
            yield AccessChange("+", "public read", f"{place.top}/{name}", after, self.why)
        for name in self.close:
            reason = "the target is private"
            yield AccessChange("~", "public read", f"{place.top}/{name}", "strangers are refused", reason)
        yield from self.told


def _doors(storage: Client, folders: Folders, access: Access, reach: Reach) -> _Doors:
    place = folders.place
    if access.mode == "private":
        own = [place.base + key for key in reach.own if key.endswith("/")]
        above = [(name, found) for name in own if (found := folders.opened_above(name)) is not None]
        told = tuple(_still_open(place, name, found) for name, found in above)
        return _Doors(close=tuple(name for name in own if folders.is_open(name)), told=told)
    names = {place.base + key for key in (*reach.own, *reach.shared)}
    # What may be one object or a folder is opened as a folder.
    wanted = sorted(name for name in names if f"{name}/" not in names)
    shut = [name for name in wanted if not folders.is_readable(name)]
    alone = tuple(name for name in shut if not name.endswith("/"))
    below = tuple(name for name in shut if name.endswith("/"))
    if not alone and not (place.base and folders.is_readable(place.base)):
        return _Doors(below)
    known = names | {place.base + key for key in reach.others}
    strange = tuple(islice(_strange(storage, place, place.base, known), _MOST_NAMED)) if place.base else ()
    if not alone:
        return _Doors(below, told=tuple(_besides(place, name) for name in strange))
    if place.base and not strange:
        why = f"{', '.join(alone)} cannot be opened alone, and all that lies there is public releases'"
        return _Doors((place.base,), why=why)
    return _Doors(below, told=tuple(_left_shut(place, name, strange) for name in alone))


def _still_open(place: Place, name: str, above: str) -> AccessChange:
    after = f"strangers are refused: {place.command('remove', above)}"
    reason = f"everybody may read all of {place.top}/{above}"
    return AccessChange("!", "public read", f"{place.top}/{name}", after, reason)


def _besides(place: Place, name: str) -> AccessChange:
    reason = f"it is no public release's, and everybody may read all of {place.top}/{place.base}"
    return AccessChange(
        "!", "public read", f"{place.top}/{name}", "it is elsewhere, if it is not for everybody", reason
    )


def _left_shut(place: Place, name: str, strange: Sequence[str]) -> AccessChange:
    around = f"{', '.join(strange)} may not be for everybody" if strange else "around it is nothing but the bucket"
    after = f"a target of its own below a prefix; or, if all else may be read, too: {place.command('add', place.base)}"
    return AccessChange(
        "!", "public read", f"{place.top}/{name}", after, f"Cloud Storage opens folders only, and {around}"
    )


def _strange(storage: Client, place: Place, prefix: str, known: set[str]) -> Iterator[str]:
    """Yield what lies below a prefix and is none of the known keys and folders; a folder that holds none as a whole."""
    with in_words(place, "list the target"):
        for page in storage.list_blobs(place.bucket, prefix=prefix, delimiter="/", timeout=SECONDS).pages:
            yield from (blob.name for blob in page if blob.name not in known and blob.name != prefix)
            for folder in sorted(set(page.prefixes) - known):
                if any(name.startswith(folder) for name in known):
                    yield from _strange(storage, place, folder, known)
                else:
                    yield folder


class _Settings:
    """The bucket's own settings."""

    def __init__(self, storage: Client, place: Place) -> None:
        self._storage, self._place, self.top = storage, place, place.top
        self._bucket: Bucket | None = None

    def cors(self) -> Sequence[Document]:
        """Return the entries as they are now."""
        with in_words(self._place, "read the bucket's settings"):
            self._bucket = self._storage.get_bucket(self._place.bucket, timeout=SECONDS)
            found: Sequence[Document] = self._bucket.cors
        return found

    def set_cors(self, entries: Sequence[Document]) -> None:
        """Write the entries, if nothing of the settings has changed since they were read."""
        assert self._bucket is not None
        with in_words(self._place, "change CORS"), suppress(PreconditionFailed):
            self._bucket.cors = entries
            self._bucket.patch(if_metageneration_match=self._bucket.metageneration, timeout=SECONDS)

    def in_the_way(self) -> Iterator[AccessChange]:
        """Tell what keeps strangers out, of what was read last."""
        assert self._bucket is not None
        iam, top = self._bucket.iam_configuration, self.top
        command = f"gcloud storage buckets update {top}"
        if not iam.uniform_bucket_level_access_enabled:
            reason = "managed folders need it, and it is off; who reads by ACLs now will not when it is on"
            yield AccessChange("!", "uniform access", top, f"{command} --uniform-bucket-level-access", reason)
        if iam.public_access_prevention == "enforced":
            reason = "it keeps strangers out, and publisher never lifts it"
            yield AccessChange("!", "public access prevention", top, f"{command} --no-public-access-prevention", reason)
