"""The quick way for parts of large objects: puts that are signed here, on lines of our own, and never copied.

It is for fair weather. Where a line does not come to a 200, boto3 sends the part again: it asks before it sends, goes
through proxies, and reads an answer to its last header.
"""

from __future__ import annotations

from hashlib import sha256
from time import time
from urllib.parse import quote, urlsplit

from publisher.targets.lines import Lines, straight
from publisher.targets.s3.connection import Connection
from publisher.targets.s3.settings import CONNECT_SECONDS, READ_SECONDS
from publisher.targets.s3.signing import DONE, Sent, signer, tag
from publisher.targets.wire import Trouble


class Courier:
    """Puts on one bucket. Many threads may use it, each on a line that it has for itself meanwhile."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection, which knows where the bucket is and who asks."""
        self.connection = connection
        self._idle: list[Lines] = []

    def put(self, key: str, query: str, data: bytes, crc32c: str) -> str | None:
        """Send what a key's `query` names, with its checksum; return its tag, or None where it is not known to be there."""
        settings = self.connection.settings
        address = urlsplit(settings.address(self.connection.bucket))
        if not straight(address.geturl()):
            return None
        try:
            signs = signer(self.connection.made, int(time()))
        except Trouble:
            return None
        sent = Sent(len(data), sha256(data).hexdigest(), crc32c)
        head = signs.put(f"{address.path}/{quote(key)}", "host", f"host:{address.netloc}\n", sent, query=query)
        try:
            lines = self._idle.pop()
            lines.answers(0)  # what the store has closed meanwhile is taken note of
        except IndexError:
            lines = Lines(address.geturl(), settings.ca, CONNECT_SECONDS, READ_SECONDS)
        try:
            lines.send(0, head, data)
            while not (answers := lines.answers(READ_SECONDS)):
                pass
        except BaseException:
            lines.close()
            raise
        self._idle.append(lines)
        return tag(answers[0]) if answers[0].status == DONE else None
