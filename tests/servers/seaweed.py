"""SeaweedFS, the main S3 server of the tests: it checks signatures, checksums, preconditions and policies."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.servers.process import HOST, free_port, installed
from tests.servers.s3 import ADMIN, Keys, S3Server

_SERVICES = ("master", "volume", "filer", "s3")


def publishing(bucket: str, prefix: str) -> dict[str, Any]:
    """Return the policy of somebody who may write and read objects below a prefix, and change nothing else."""
    actions = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:GetObject"]
    listing = {"StringLike": {"s3:prefix": f"{prefix}*"}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": f"arn:aws:s3:::{bucket}/{prefix}*"},
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}", "Condition": listing},
        ],
    }


class Seaweed(S3Server):
    """One administrator, nobody else until `user` makes them, and no rights without a signature.

    Each bucket takes seven volumes of its own: use one bucket, and a prefix for each test.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ports = {name: (free_port(), free_port()) for name in _SERVICES} | {"s3": (self.port, free_port())}

    def command(self) -> list[str]:
        rights = ["Admin", "Read", "List", "Tagging", "Write"]
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        (self.data / "s3.json").write_text(
            json.dumps({"identities": [{"name": "admin", "credentials": [keys], "actions": rights}]})
        )
        ports = [
            f"-{name}.{option}={port}"
            for name, pair in self._ports.items()
            for option, port in zip(("port", "port.grpc"), pair, strict=True)
        ]
        return [
            installed("weed"),
            "-logtostderr=true",
            "server",
            *ports,
            "-dir=.",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            "-master.telemetry=false",
            "-master.peers=none",  # it is alone, and need not wait for others
            "-master.volumeSizeLimitMB=512",
            "-volume.max=5000",
            "-filer",
            "-filer.localSocket=filer.sock",  # as short as it is: a socket's path has room for 107 characters
            "-s3",
            "-s3.localSocket=s3.sock",
            "-s3.config=s3.json",
            "-s3.iam.readOnly=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.allowedOrigins=",  # else it answers CORS with a star of its own
            "-s3.autoCreateBucket=false",
        ]

    def ready(self) -> bool:
        """Whether it takes an object: it answers a little before the volumes are there."""
        try:
            done = [self.ask(method, "ready-or-not" + key).status for method, key in _PROBE]
        except (OSError, http.client.HTTPException):
            return False
        return max(done) < 300

    def user(self, name: str, policy: Mapping[str, Any]) -> Keys:
        """Return the keys of a new user who may do what a policy of AWS's kind says, once they are in force."""
        iam = self.client(service="iam")
        iam.create_user(UserName=name)
        arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(policy))["Policy"]["Arn"]
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        keys = Keys(made["AccessKeyId"], made["SecretAccessKey"])
        deadline = time.monotonic() + 10
        while (reply := self.ask("GET", "", keys=keys)).code == "InvalidAccessKeyId":
            assert time.monotonic() < deadline, reply
            time.sleep(0.01)
        return keys

    def stop(self) -> None:
        super().stop()
        for name, (_, port) in self._ports.items():  # the one thing whose place it does not let us choose
            Path(f"/tmp/seaweedfs-{name}-grpc-{port}.sock").unlink(missing_ok=True)


_PROBE = (("PUT", ""), ("PUT", "/object"), ("DELETE", "/object"), ("DELETE", ""))

__all__ = ["ADMIN", "Keys", "Seaweed", "publishing"]
