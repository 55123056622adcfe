"""What was made before: a folder that was built from the same bytes with the same options is not built again.

Beside the folder lies `<name>.made.json`: the digest of what it was made from, and what was said of it. It is removed
before a build begins and written after it ended, so that a build that was killed counts for nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from publisher.work import trouble, write_file

Said = dict[str, Any]  # what JSON holds


def digest(source: Path, options: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a file's bytes and of what is asked for; the name and the time of the file do not count."""
    try:
        with source.open("rb") as file:
            held = hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise trouble(error, source) from error
    held.update(json.dumps(options, sort_keys=True).encode())
    return held.hexdigest()


def once(folder: Path, wanted: str, make: Callable[[Path, Path], Said]) -> Said:
    """Return what was said when the folder was made; make it where it was not made from the same.

    Args:
        folder: where it lies once it is whole; one that was made from something else is replaced.
        wanted: the digest of what it is made from.
        make: fills the empty folder that it is given first, may use the second for what it needs meanwhile, and returns
            what is to be said.

    """
    stamp = folder.with_name(f"{folder.name}.made.json")
    known = _read(stamp)
    if known.get("digest") == wanted and folder.is_dir():
        said: Said = known["said"]
        return said
    bench = folder.with_name(f".{folder.name}.part")
    try:
        stamp.unlink(missing_ok=True)
        shutil.rmtree(bench, ignore_errors=True)
        whole, scratch = bench / "whole", bench / "scratch"
        whole.mkdir(parents=True)
        scratch.mkdir()
        said = make(whole, scratch)
        shutil.rmtree(folder, ignore_errors=True)
        whole.replace(folder)
        write_file(stamp, json.dumps({"digest": wanted, "said": said}, ensure_ascii=False).encode())
    except OSError as error:
        raise trouble(error, bench) from error
    finally:
        shutil.rmtree(bench, ignore_errors=True)
    return said


def _read(stamp: Path) -> Said:
    """Return what a stamp holds; nothing for one that is not there, or not whole."""
    try:
        known = json.loads(stamp.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and isinstance(known.get("said"), dict) else {}
