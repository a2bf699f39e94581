"""Commands run in this very process, as somebody typed them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from api.cli.main import command_line, exit_code, sentences
from shared.errors import TsadError


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    told: str  # on standard error

    @property
    def answers(self) -> list[Any]:
        """The JSON it printed, line by line."""
        return [json.loads(line) for line in self.out.splitlines()]


Tsad = Callable[..., Ended]


def run(*arguments: str, stdin: str | bytes = "", **environment: str) -> Ended:
    """Run `tsad` with these arguments."""
    runner = CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1", **environment})
    ended = runner.invoke(command_line(list(arguments)), list(arguments), input=stdin, prog_name="tsad")
    error = ended.exception
    if isinstance(error, TsadError):
        return Ended(exit_code(error), ended.stdout, "\n".join([ended.stderr, *sentences(error)]))
    if error is not None and not isinstance(error, SystemExit):
        raise error
    return Ended(ended.exit_code, ended.stdout, ended.stderr)
