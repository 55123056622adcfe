"""Managed folders of a bucket, and who may read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
from publisher.targets.access import OTHERWISE, Denied, settle

if TYPE_CHECKING:
    from google.cloud.storage_control_v2 import StorageControlClient
    from google.iam.v1.policy_pb2 import Policy

EVERYBODY = "allUsers"
ROLE = "roles/storage.objectViewer"
SECONDS = 60
# Roles that may get objects: https://docs.cloud.google.com/storage/docs/access-control/iam-roles
_READERS = frozenset(
    f"roles/storage.{name}" for name in ("objectViewer", "legacyObjectReader", "objectUser", "objectAdmin", "admin")
)


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


class Folders:
    """Who may read which folder: the policies of managed folders, and of the bucket, which is the folder ""."""

    def __init__(self, control: StorageControlClient | None, place: Place) -> None:
        """Take Google's client; raise Denied where there is none."""
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
                self._control.set_iam_policy({"resource": self._name(folder), "policy": policy}, timeout=SECONDS)

        where = f"{self.place.top}/{folder}"
        with in_words(self.place, f"change who may read {where}"):
            settle(where, read, lambda policy: _opened(policy) if public else _closed(policy), write)

    def _look(self, folder: str) -> bool:
        try:
            with in_words(self.place, f"see who may read {self.place.top}/{folder}"):
                policy = self._policy(folder)
        except Denied:
            if folder:
                raise
            return False  # who may look at folders need not see the policy of the bucket
        return policy is not None and any(_lets_read(binding) for binding in policy.bindings)

    def _policy(self, folder: str) -> Policy | None:
        options = {"requested_policy_version": 3}  # with conditions, so that none is lost when it is written back
        try:
            return self._control.get_iam_policy({"resource": self._name(folder), "options": options}, timeout=SECONDS)
        except NotFound:
            if not folder:
                raise
            return None

    def _create(self, folder: str) -> None:
        request = {"parent": self._name(""), "managed_folder": {}, "managed_folder_id": folder}
        with suppress(AlreadyExists):
            self._control.create_managed_folder(request, timeout=SECONDS)

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


@contextmanager
def in_words(place: Place, what: str) -> Iterator[None]:
    """Say in words what Google's clients raise; Denied where the role may not."""
    try:
        yield
    except (Forbidden, Unauthorized) as error:
        raise Denied(f"this role may not {what} ({error.message})") from error
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        message = getattr(error, "message", "") or str(error)
        raise Unreachable(Problem(place.top, f"could not {what}: {message}")) from error
