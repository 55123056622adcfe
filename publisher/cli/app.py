"""The commands, as one program."""

from __future__ import annotations

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
