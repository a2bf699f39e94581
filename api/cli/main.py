"""The `tsad` command: its subcommands, errors and exit codes."""

import io
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from api.cli.output import escaped, flush
from shared import __version__
from shared.errors import BusyError, Code, InputError, NotFoundError, SetupError, TsadError, UnavailableError

NAME = "tsad"
# Each names a module of `api.cli.commands` and, in it, a function or an app with subcommands.
COMMANDS = (
    *("up", "demo", "fit", "fit-many", "predict", "watch", "push", "watches", "apply", "alerts", "receivers"),
    "simulate",
    *("jobs", "series", "detectors"),
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
    replace_what_cannot_be_encoded()
    try:
        check_completion(sys.argv[1:])
        try:
            command_line(sys.argv[1:])(prog_name=NAME)  # raises SystemExit
        finally:
            flush()
    except TsadError as error:
        fail("\n".join(error_lines(error)), exit_code(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has exited, such as `head`
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # of the machine, such as a full disk or a forbidden folder
        discard_output()
        fail(f"{error.filename or 'The output'}: {error.strerror or error}.", 1)


def fail(sentence: str, code: int) -> NoReturn:
    """Print the reason on standard error, and exit."""
    print(sentence, file=sys.stderr)
    sys.exit(code)


def replace_what_cannot_be_encoded() -> None:
    """Let standard streams replace characters that their encoding lacks, instead of ending the command."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def discard_output() -> None:
    """Drop what is still buffered for standard output, so that Python does not try to write it at the end."""
    if sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def check_completion(arguments: list[str]) -> None:
    """Raise `SetupError` for the completion of a command that no shell finds."""
    if {"--install-completion", "--show-completion"} & set(arguments[:1]) and shutil.which(NAME) is None:
        folder = Path(sys.argv[0]).resolve().parent
        raise SetupError(
            Code.CONFIGURATION,
            f"`{NAME}` is not on the PATH, so a shell cannot complete it. Add {folder} to the PATH, then run "
            f"`{NAME} {arguments[0]}`.",
        )


def command_line(arguments: list[str]) -> typer.Typer:
    """Build the app, importing only the requested command's module: others may take seconds, or fail."""
    app = typer.Typer(
        name=NAME,
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
