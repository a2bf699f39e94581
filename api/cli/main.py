"""The command `tsad`."""

import sys
from importlib import import_module
from typing import Annotated

import typer

from api.cli.output import plain
from shared import __version__
from shared.errors import BusyError, InputError, NotFoundError, SetupError, TsadError, UnavailableError

# Each is a function, or an app with commands of its own, in the module of `api.cli.commands` that is called like it.
COMMANDS = (
    *("up", "demo", "fit", "fit-many", "predict", "watch", "jobs", "series"),
    *("doctor", "gc", "backup", "restore", "keys", "migrate"),
)
EXIT_CODES: dict[int, tuple[type[TsadError], ...]] = {
    2: (InputError, SetupError),
    3: (BusyError, UnavailableError),
    4: (NotFoundError,),
    1: (TsadError,),
}


def main() -> None:
    """Run the command of the command line; what was to be expected ends in a sentence and an exit code."""
    try:
        command_line(sys.argv[1:])()
    except TsadError as error:
        print("\n".join(sentences(error)), file=sys.stderr)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stderr.close()
        sys.exit(0)


def command_line(arguments: list[str]) -> typer.Typer:
    """Build the app. Only the module of the command asked for is imported: others may take seconds, or be broken."""
    app = typer.Typer(
        name="tsad",
        help="Anomaly detection for many univariate time series.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(options)
    asked = next((argument for argument in arguments if not argument.startswith("-")), "")
    for name in [asked] if asked in COMMANDS else COMMANDS:
        module = name.replace("-", "_")
        command = getattr(import_module(f"api.cli.commands.{module}"), module)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def sentences(error: TsadError) -> list[str]:
    """What is said of an error: its sentence, and what is wrong where, unless the sentence says it."""
    where = [f"{'.'.join(map(str, flaw.loc))}: {flaw.msg}" for flaw in error.flaws if flaw.msg not in error.detail]
    return [*map(plain, error.detail.splitlines()), *(f"  {plain(flaw)}" for flaw in where)]


def exit_code(error: TsadError) -> int:
    """The first of the table that fits; docs/cli.md explains them."""
    return next(code for code, kinds in EXIT_CODES.items() if isinstance(error, kinds))


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
