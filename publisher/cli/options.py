"""The options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

VERIFY_FOUND = 8
PLAN_CHANGES = 10


class Until(StrEnum):
    """Steps that `release` can stop after."""

    STAGE = "stage"
    PLAN = "plan"
    PUBLISH = "publish"
    VERIFY = "verify"


class Depth(StrEnum):
    """How much of the content the checks read."""

    QUICK = "quick"
    SAMPLE = "sample"
    FULL = "full"


ManifestPath = Annotated[
    Path, typer.Argument(metavar="MANIFEST", help="The release's YAML manifest.", show_default=False)
]
TargetName = Annotated[
    str | None,
    typer.Option(
        "--target", "-t", metavar="NAME|URL|PATH", help="Where the release goes; default: the manifest's first."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output; all else on standard error.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what was asked for, and errors.")]
DepthOption = Annotated[
    Depth, typer.Option("--depth", help="Content that is read: none, a sample of each artifact, all.")
]
NoAccess = Annotated[bool, typer.Option("--no-access", help="Leave CORS and public reading of the bucket alone.")]
Checksum = Annotated[
    bool, typer.Option("--checksum", help="Read every source, also where size, time and inode are as they were.")
]
Render = Annotated[
    bool | None,
    typer.Option(
        "--render/--no-render",
        envvar="PUBLISHER_RENDER",
        help="Open each scene in the real Neuroglancer; default: where Chromium and playwright are found.",
        show_default=False,
    ),
]
Links = Annotated[
    bool, typer.Option("--links", help="Ask for what the site links to at others, too; its own links always are.")
]
Examples = Annotated[
    bool | None,
    typer.Option(
        "--examples/--no-examples",
        envvar="PUBLISHER_EXAMPLES",
        help="Run the release's examples; default: where bash and Rscript are found.",
        show_default=False,
    ),
]
