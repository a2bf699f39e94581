"""`tsad detectors`: list the detectors that the API has."""

import shutil
import textwrap
from typing import Annotated, Any

import typer

from api.cli.client import Client
from api.cli.options import DEFAULT_URL, FIT_DEFAULT, AsJson, Key, Url
from api.cli.output import cell, show, show_json
from shared.errors import Code, NotFoundError

INDENT = "  "


def detectors(
    name: Annotated[str, typer.Argument(help="Show only this detector.", show_default="all")] = "",
    *,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the detectors: what each is for, and its parameters with their defaults.

    [bold]tsad detectors seasonal[/]
    """
    with Client(url, key) as client:
        every = client.get("/detectors")["detectors"]
    listed = [detector for detector in every if name in ("", detector["name"])]
    if not listed:
        names = ", ".join(detector["name"] for detector in every)
        raise NotFoundError(Code.UNKNOWN_DETECTOR, f"There is no detector {name}. Detectors: {names}.")
    for detector in listed:
        if as_json:
            show_json(detector)
        else:
            for line in _lines(detector):
                show(cell(line))


def _lines(detector: dict[str, Any]) -> list[str]:
    """Describe a detector in lines of the terminal's width."""
    defaults = {"of the API": detector["default"], "of `tsad fit`": detector["name"] == FIT_DEFAULT}
    uses = " and ".join(use for use, applies in defaults.items() if applies)
    default = f" (default {uses})" if uses else ""
    lines = [f"{detector['name']}{default}: {detector['purpose']}"]
    lines.append(f"{INDENT}at least {detector['min_points']:,} points; false alarms: {detector['false_alarms']}")
    for name, schema in detector["parameters"]["properties"].items():
        lines.append(f"{INDENT}-p {name}={_written(schema['default'])}: {schema['description']}")
    width = max(shutil.get_terminal_size().columns, 40)
    return [part for line in lines for part in textwrap.wrap(line, width, subsequent_indent=2 * INDENT) or [""]]


def _written(default: object) -> str:
    return default if isinstance(default, str) else f"{default:g}" if isinstance(default, float) else str(default)
