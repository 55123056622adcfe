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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from google.api_core.exceptions import (
    Aborted,
    AlreadyExists,
    Conflict,
    Forbidden,
    GoogleAPIError,
    NotFound,
    PreconditionFailed,
    Unauthorized,
)
from google.auth.exceptions import GoogleAuthError

from publisher.errors import Problem, Unreachable
from publisher.objects import AccessChange
from publisher.record import Access
from publisher.targets.access import OTHERWISE, Denied, Reach, settle, unseen
from publisher.targets.cors import Document, GcsCors, cors_changes, merged

if TYPE_CHECKING:
    from google.cloud.storage import Bucket, Client
    from google.cloud.storage_control_v2 import StorageControlClient
    from google.iam.v1.policy_pb2 import Policy

EVERYBODY = "allUsers"
ROLE = "roles/storage.objectViewer"

_MOST_NAMED = 3
_SECONDS = 60
# Roles that may get objects: https://docs.cloud.google.com/storage/docs/access-control/iam-roles
_READERS = frozenset(
    f"roles/storage.{name}" for name in ("objectViewer", "legacyObjectReader", "objectUser", "objectAdmin", "admin")
)


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
        doors = _doors(storage, _Folders(control, place), access, reach.checked())
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
        folders = _Folders(control, place)
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
class Place:
    """A target: a prefix of a bucket ("" is the whole)."""

    bucket: str
    prefix: str

    @property
    def top(self) -> str:
        """The bucket, as people call it."""
        return f"gs://{self.bucket}"

    @property
    def base(self) -> str:
        """What every key of the target begins with."""
        return f"{self.prefix}/" if self.prefix else ""

    def command(self, verb: str, folder: str) -> str:
        """Return the command that lets everybody read a folder ("" is the bucket), or ends that."""
        kind = "managed-folders" if folder else "buckets"
        what = f"{verb}-iam-policy-binding {self.top}/{folder}"
        return f"gcloud storage {kind} {what} --member={EVERYBODY} --role={ROLE}"


# Which folders.


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


def _doors(storage: Client, folders: _Folders, access: Access, reach: Reach) -> _Doors:
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
    with _in_words(place, "list the target"):
        for page in storage.list_blobs(place.bucket, prefix=prefix, delimiter="/", timeout=_SECONDS).pages:
            yield from (blob.name for blob in page if blob.name not in known and blob.name != prefix)
            for folder in sorted(set(page.prefixes) - known):
                if any(name.startswith(folder) for name in known):
                    yield from _strange(storage, place, folder, known)
                else:
                    yield folder


# What is there.


class _Folders:
    """Who may read which folder: the policies of managed folders, and of the bucket, which is the folder ""."""

    def __init__(self, control: StorageControlClient | None, place: Place) -> None:
        if control is None:
            raise Denied("this service has no IAM", OTHERWISE)
        self._control, self.place = control, place
        self._open: dict[str, bool] = {}

    def is_open(self, folder: str) -> bool:
        """Whether everybody may read a folder by its own policy."""
        if folder not in self._open:
            self._open[folder] = self._look(folder)
        return self._open[folder]

    def opened_above(self, name: str) -> str | None:
        """Return the folder above that makes a folder or object readable to everybody, or None."""
        parts = name.removesuffix("/").split("/")[:-1]
        above = ("".join(f"{part}/" for part in parts[:end]) for end in range(len(parts) + 1))
        return next((folder for folder in above if self.is_open(folder)), None)

    def is_readable(self, name: str) -> bool:
        """Whether everybody may read a folder or object, by whichever policy."""
        return (name.endswith("/") and self.is_open(name)) or self.opened_above(name) is not None

    def set(self, folder: str, *, public: bool) -> None:
        """Let everybody read a folder, or not, and leave its policy as it is otherwise."""

        def read() -> Policy | None:
            policy = self._policy(folder)
            if policy is None and public:
                self._create(folder)
                policy = self._policy(folder)
            return policy

        def write(policy: Policy | None) -> None:
            with suppress(Aborted, Conflict, PreconditionFailed):  # somebody else was quicker
                self._control.set_iam_policy({"resource": self._name(folder), "policy": policy}, timeout=_SECONDS)

        where = f"{self.place.top}/{folder}"
        with _in_words(self.place, f"change who may read {where}"):
            settle(where, read, lambda policy: _opened(policy) if public else _closed(policy), write)

    def _look(self, folder: str) -> bool:
        try:
            with _in_words(self.place, f"see who may read {self.place.top}/{folder}"):
                policy = self._policy(folder)
        except Denied:
            if folder:
                raise
            return False  # who may look at folders need not see the policy of the bucket
        return policy is not None and any(_lets_read(binding) for binding in policy.bindings)

    def _policy(self, folder: str) -> Policy | None:
        options = {"requested_policy_version": 3}  # with conditions, so that none is lost when it is written back
        try:
            return self._control.get_iam_policy({"resource": self._name(folder), "options": options}, timeout=_SECONDS)
        except NotFound:
            if not folder:
                raise
            return None

    def _create(self, folder: str) -> None:
        request = {"parent": self._name(""), "managed_folder": {}, "managed_folder_id": folder}
        with suppress(AlreadyExists):
            self._control.create_managed_folder(request, timeout=_SECONDS)

    def _name(self, folder: str) -> str:
        bucket = f"projects/_/buckets/{self.place.bucket}"
        return f"{bucket}/managedFolders/{folder}" if folder else bucket


def _lets_read(binding: Any) -> bool:  # noqa: ANN401 - protobuf
    return binding.role in _READERS and EVERYBODY in binding.members and not binding.condition.expression


def _opened(policy: Policy | None) -> Policy | None:
    """Return the policy with everybody as a viewer; the very same where they are."""
    if policy is None or any(_lets_read(binding) for binding in policy.bindings):
        return policy
    new = _copied(policy)
    new.bindings.add(role=ROLE, members=[EVERYBODY])
    return new


def _closed(policy: Policy | None) -> Policy | None:
    """Return the policy without everybody as readers; the very same where they are none."""
    if policy is None or not any(_lets_read(binding) for binding in policy.bindings):
        return policy
    new = _copied(policy)
    for binding in [each for each in new.bindings if _lets_read(each)]:
        binding.members.remove(EVERYBODY)
        if not binding.members:
            new.bindings.remove(binding)
    return new


def _copied(policy: Policy) -> Policy:
    new = type(policy)()
    new.CopyFrom(policy)
    return new


class _Settings:
    """The bucket's own settings."""

    def __init__(self, storage: Client, place: Place) -> None:
        self._storage, self._place, self.top = storage, place, place.top
        self._bucket: Bucket | None = None

    def cors(self) -> Sequence[Document]:
        """Return the entries as they are now."""
        with _in_words(self._place, "read the bucket's settings"):
            self._bucket = self._storage.get_bucket(self._place.bucket, timeout=_SECONDS)
            found: Sequence[Document] = self._bucket.cors
        return found

    def set_cors(self, entries: Sequence[Document]) -> None:
        """Write the entries, if nothing of the settings has changed since they were read."""
        assert self._bucket is not None
        with _in_words(self._place, "change CORS"), suppress(PreconditionFailed):
            self._bucket.cors = entries
            self._bucket.patch(if_metageneration_match=self._bucket.metageneration, timeout=_SECONDS)

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


@contextmanager
def _in_words(place: Place, what: str) -> Iterator[None]:
    try:
        yield
    except (Forbidden, Unauthorized) as error:
        raise Denied(f"this role may not {what} ({error.message})") from error
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        message = getattr(error, "message", "") or str(error)
        raise Unreachable(Problem(place.top, f"could not {what}: {message}")) from error
