"""The `tsad` command: its subcommands, errors and exit codes."""

import sys
from importlib import import_module
from typing import Annotated

import typer

from api.cli.output import escaped
from shared import __version__
from shared.errors import BusyError, InputError, NotFoundError, SetupError, TsadError, UnavailableError

# Each names a module of `api.cli.commands` and, in it, a function or an app with subcommands.
COMMANDS = (
    *("up", "demo", "fit", "fit-many", "predict", "watch", "jobs", "series"),
    *("doctor", "gc", "backup", "restore", "keys", "migrate", "service"),
)
EXIT_CODES: dict[int, tuple[type[TsadError], ...]] = {
    2: (InputError, SetupError),
    3: (BusyError, UnavailableError),
    4: (NotFoundError,),
    1: (TsadError,),
}


def main() -> None:
    """Run the command; print an expected error without a traceback and exit with its code."""
    try:
        command_line(sys.argv[1:])()
    except TsadError as error:
        print("\n".join(error_lines(error)), file=sys.stderr)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has exited, such as `head`
        sys.stderr.close()
        sys.exit(0)


def command_line(arguments: list[str]) -> typer.Typer:
    """Build the app, importing only the requested command's module: others may take seconds, or fail."""
    app = typer.Typer(
        name="tsad",
        help="Anomaly detection for many univariate time series.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(root_options)
    requested = next((argument for argument in arguments if not argument.startswith("-")), "")
    for name in [requested] if requested in COMMANDS else COMMANDS:
        module = name.replace("-", "_")
        command = getattr(import_module(f"api.cli.commands.{module}"), module)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def error_lines(error: TsadError) -> list[str]:
    """Return the detail of an error, then each flaw that the detail does not mention."""
    flaws = [f"{'.'.join(map(str, flaw.loc))}: {flaw.msg}" for flaw in error.flaws if flaw.msg not in error.detail]
    return [*map(escaped, error.detail.splitlines()), *(f"  {escaped(flaw)}" for flaw in flaws)]


def exit_code(error: TsadError) -> int:
    """Return the first code in `EXIT_CODES` whose classes match; docs/reference/cli.md explains the codes."""
    return next(code for code, kinds in EXIT_CODES.items() if isinstance(error, kinds))


def print_version(requested: bool) -> None:  # noqa: FBT001 - Typer calls it with the option's value
    if requested:
        print(f"tsad {__version__}")
        raise typer.Exit


def root_options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Declare the options of `tsad` itself; their callbacks do the work."""


if __name__ == "__main__":
    main()
