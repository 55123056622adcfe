"""A prefix of a Google Cloud Storage bucket as a target."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from publisher.objects import AccessChange
from publisher.record import Access
from publisher.targets.access import Reach
from publisher.targets.bucket import Bucket
from publisher.targets.gcs import GcsWire
from publisher.targets.patience import reachable
from publisher.targets.wire import Notes

if TYPE_CHECKING:
    from google.cloud.storage_control_v2 import StorageControlClient


class GcsTarget(Bucket):
    """Google Cloud Storage."""

    wire: GcsWire

    def access_changes(self, access: Access, reach: Reach) -> tuple[AccessChange, ...]:
        """Return what must change of the bucket's CORS and of who may view its managed folders."""
        if access.mode == "unmanaged":
            return ()
        from publisher.targets.gcs.access import changes  # noqa: PLC0415 - Google's clients, half a second

        with reachable(self.url):
            return changes(*self._clients(), self.wire.bucket, self.prefix, access, reach)

    def set_access(self, access: Access, reach: Reach) -> None:
        """Change the bucket's CORS, and who may view its managed folders."""
        if access.mode == "unmanaged":
            return
        from publisher.targets.gcs.access import apply  # noqa: PLC0415 - as above

        with reachable(self.url):
            apply(*self._clients(), self.wire.bucket, self.prefix, access, reach)

    def _clients(self) -> tuple[Any, StorageControlClient | None]:
        """Return the clients for what is no object; emulators have no managed folders."""
        if os.environ.get("STORAGE_EMULATOR_HOST"):
            return self.wire.client(), None
        from google.cloud import storage_control_v2  # noqa: PLC0415 - gRPC

        return self.wire.client(), storage_control_v2.StorageControlClient()


def target(bucket: str, prefix: str, public_url: str | None, notes: Notes) -> GcsTarget:
    """Open a prefix ("" for the whole bucket); nothing is asked of it yet."""
    url = f"gs://{bucket}/{prefix}".rstrip("/")
    with reachable(url):
        wire = GcsWire(bucket)
        public = public_url or f"{wire.service.endpoint}/{bucket}/{quote(prefix)}"
        return GcsTarget(wire, url, prefix, public, notes)
