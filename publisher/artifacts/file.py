"""Anything else: one file, or a folder of files, published as it is."""

from __future__ import annotations

from typing import ClassVar

from publisher.artifacts.base import Artifact, Bench, Made
from publisher.errors import Problem
from publisher.facts import FileFacts
from publisher.headers import rule_for_name


class File(Artifact):
    """A file or a folder: tarballs, summaries, meshes as OBJ, anything that people download as it is."""

    section: ClassVar[str] = "files"
    default_group: ClassVar[str] = "Files"

    def stage(self, bench: Bench) -> Made:
        """Publish it where it lies."""
        folder = bench.source.is_dir()
        if folder:
            return Made((self.tree(bench),), FileFacts(tree=True))
        warnings = []
        if bench.source.suffix and not bench.key.endswith(bench.source.suffix):
            name = bench.key.rpartition("/")[2]
            message = f"people will download {bench.source.name} as {name}, without its extension"
            warnings.append(Problem("", message, f'set `key: "{{version}}/{{section}}/{bench.source.name}"`'))
        media = rule_for_name(bench.source.name).content_type
        return Made((self.tree(bench),), FileFacts(tree=False, media_type=media), warnings=tuple(warnings))
