"""A prefix of an S3 bucket as a target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import quote

from publisher.objects import AccessChange
from publisher.record import Access
from publisher.targets.access import Reach
from publisher.targets.base import Lane
from publisher.targets.bucket import Bucket
from publisher.targets.crew import Crew, Member, Own, hired
from publisher.targets.patience import reachable
from publisher.targets.s3 import S3Wire
from publisher.targets.wire import Notes


class S3Target(Bucket):
    """S3, and what speaks as S3 does."""

    wire: S3Wire

    _members: Sequence[Member] = ()

    @contextmanager
    def hire(self) -> Iterator[None]:
        """Make copies of this process that put beside it."""
        with hired(self) as members:
            self._members = members
            yield
        self._members = ()

    def lane(self) -> Lane | None:
        """Open the quick way, unless a proxy is between: of this process, and of its copies."""
        own = self.own_lane()
        return Crew(own, self._members, self) if own and self._members else own

    def own_lane(self) -> Own | None:
        """Open the quick way of this process."""
        return self.wire.lane(self)

    def access_changes(self, access: Access, reach: Reach) -> tuple[AccessChange, ...]:
        """Return what must change of the bucket's CORS and policy."""
        if access.mode == "unmanaged":
            return ()
        from publisher.targets.s3.access import changes  # noqa: PLC0415 - boto3, a third of a second

        return self.persistently(lambda: changes(self.wire.client(), self.wire.bucket, self.prefix, access, reach))

    def set_access(self, access: Access, reach: Reach) -> None:
        """Change the bucket's CORS and policy."""
        if access.mode == "unmanaged":
            return
        from publisher.targets.s3.access import apply  # noqa: PLC0415 - as above

        self.persistently(lambda: apply(self.wire.client(), self.wire.bucket, self.prefix, access, reach))


def target(bucket: str, prefix: str, public_url: str | None, notes: Notes) -> S3Target:
    """Open a prefix ("" for the whole bucket); nothing is asked of it yet."""
    url = f"s3://{bucket}/{prefix}".rstrip("/")
    with reachable(url):
        wire = S3Wire(bucket)
        return S3Target(wire, url, prefix, public_url or f"{wire.address}/{quote(prefix)}", notes)
