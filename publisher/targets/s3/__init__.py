"""S3, and what speaks as S3 does."""

from __future__ import annotations

from publisher.targets.s3.wire import S3Wire

__all__ = ["S3Wire"]
