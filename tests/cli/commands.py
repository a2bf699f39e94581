"""Run commands of `tsad` in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from api.cli.main import command_line, error_lines, exit_code
from shared.errors import TsadError


@dataclass(frozen=True)
class Result:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def answers(self) -> list[Any]:
        """The decoded JSON of each line of output."""
        return [json.loads(line) for line in self.out.splitlines()]


Tsad = Callable[..., Result]


def run(*arguments: str, stdin: str | bytes = "", **environment: str) -> Result:
    """Run `tsad` with these arguments."""
    runner = CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1", **environment})
    invocation = runner.invoke(command_line(list(arguments)), list(arguments), input=stdin, prog_name="tsad")
    error = invocation.exception
    if isinstance(error, TsadError):
        return Result(exit_code(error), invocation.stdout, "\n".join([invocation.stderr, *error_lines(error)]))
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Result(invocation.exit_code, invocation.stdout, invocation.stderr)
