"""`rclone serve s3`: the server that ignores preconditions in silence."""

from __future__ import annotations

from tests.servers.process import HOST, installed
from tests.servers.s3 import S3Server


class RcloneS3(S3Server):
    """A folder behind S3's interface; every folder in it is a bucket."""

    def command(self) -> list[str]:
        (self.data / "buckets").mkdir()
        return [
            installed("rclone"),
            "serve",
            "s3",
            "buckets",
            f"--addr={HOST}:{self.port}",
            f"--auth-key={self.access_key},{self.secret_key}",
            "--config=",
            "--cache-dir=cache",
        ]
