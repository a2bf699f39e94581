"""The command `tsad`."""

import sys
from importlib import import_module
from typing import Annotated

import typer

from shared import __version__
from shared.errors import InputError, SetupError, TsadError

# Each is a function in the module of `api.cli` that is called like it.
COMMANDS = ("up", "demo", "migrate")


def main() -> None:
    """Run the command of the command line; what was to be expected ends in a sentence and an exit code."""
    try:
        command_line(sys.argv[1:])()
    except TsadError as error:
        print(error.detail, file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError | SetupError) else 1)
    except KeyboardInterrupt:  # while the command was being imported
        sys.exit(130)


def command_line(arguments: list[str]) -> typer.Typer:
    """Build the app. Only the module of the command asked for is imported: others may take seconds, or be broken."""
    app = typer.Typer(
        name="tsad",
        help="Anomaly detection for many univariate time series.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(options)
    asked = next((argument for argument in arguments if not argument.startswith("-")), "")
    for name in [asked] if asked in COMMANDS else COMMANDS:
        app.command(name)(getattr(import_module(f"api.cli.{name}"), name))
    return app


def print_version(asked: bool) -> None:  # noqa: FBT001 - Typer calls it with the option's value
    if asked:
        print(f"tsad {__version__}")
        raise typer.Exit


def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Do nothing further: an option that applies to no command acts by itself."""


if __name__ == "__main__":
    main()
