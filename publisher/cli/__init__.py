"""The command line: the only place that prints, prompts, exits, or reads publisher's own variables."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from publisher import __version__
from publisher.cli import ci, look, run

app = typer.Typer(
    name="publisher",
    help="Publish a dataset release: staged, uploaded, verified and described, from one YAML manifest.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    run.validate,
    run.plan,
    run.release,
    run.verify,
    run.access,
    look.scene,
    look.site,
    look.serve,
    look.schema,
):
    app.command()(command)
app.add_typer(ci.app, name="ci")


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"publisher {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    # Millions of small values pass by, none of them in a circle: looking for circles takes a tenth of the time.
    gc.set_threshold(50_000, 20, 50)
    try:
        app()
    finally:
        gc.freeze()  # at its end Python looks for circles once more, which takes another tenth of a second
