"""The reference of the command line, made from the commands. `python -m tests.docs.reference` rewrites it."""

import re
from collections.abc import Iterator
from typing import Any

import typer.main

from api.cli.main import command_line
from tests.docs.markdown import ROOT

DOCUMENT = ROOT / "docs/reference/cli.md"
HEAD = "\n## Reference\n\n"
_MARKUP = re.compile(r"\[bold\](.*?)\[/\]")


def reference() -> str:
    """The text below the heading."""
    commands = typer.main.get_command(command_line([]))
    return "\n".join(line for name, command in _leaves("tsad", commands) for line in _lines(name, command)) + "\n"


def _leaves(prefix: str, command: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, subcommand in command.commands.items():
            yield from _leaves(f"{prefix} {name}", subcommand)
    else:
        yield prefix, command


def _lines(name: str, command: Any) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    shown = [argument.metavar or argument.name.upper() for argument in arguments]
    yield f"### {name}\n"
    yield f"`{' '.join([name, *shown, '[OPTIONS]'])}`\n"
    help_text = command.help.split("\f")[0].strip()
    examples = _MARKUP.findall(help_text)
    yield " ".join(_MARKUP.sub("", help_text).split()) + "\n"
    if examples:
        yield "\n".join(["```text", *examples, "```\n"])
    for argument, metavar in zip(arguments, shown, strict=True):
        yield f"- `{metavar}`: {argument.help}"
    for option in command.params:
        if option not in arguments:
            yield f"- `{', '.join(reversed(option.opts))}`: {option.help}{_rest(option)}"
    yield ""


def _rest(option: Any) -> str:
    rest = []
    if option.required:
        rest.append("required")
    if isinstance(option.show_default, str) and option.show_default:
        rest.append(f"default: {option.show_default}")
    elif option.show_default and option.default not in (None, "", False) and not isinstance(option.default, list):
        rest.append(f"default: {option.default}")
    if option.envvar:
        rest.append(f"environment: {option.envvar}")
    return f" ({'; '.join(rest)})" if rest else ""


if __name__ == "__main__":
    introduction, _, _ = DOCUMENT.read_text().partition(HEAD)
    DOCUMENT.write_text(introduction + HEAD + reference())
