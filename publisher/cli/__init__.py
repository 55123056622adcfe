"""The command line: the only place that prints, prompts, exits, or reads publisher's own variables."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from pathlib import Path
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    # Millions of small values pass by, none of them in a circle: looking for circles takes a tenth of the time, and so
    # it does while modules are imported, which is why the commands are imported here.
    gc.set_threshold(200_000, 20, 50)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # nobody else's code has a say in reading a manifest
    # numpy makes a thread for each core as it is imported, for nothing; and who has threads cannot be copied.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from publisher.cli.app import app  # noqa: PLC0415 - as above

    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever wants to hear nothing
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
    try:
        app()
    except SystemExit as end:
        _leave(end)
    sys.exit()


def _leave(end: SystemExit) -> NoReturn:
    """End the process as Python would, but for taking every module and value apart: a tenth of a short run."""
    gc.freeze()
    if isinstance(end.code, str):
        raise end
    atexit._run_exitfuncs()  # noqa: SLF001 - what was to be done at the end is done
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads any more, which Python says in its own way
        raise end from None
    os._exit(end.code or 0)
