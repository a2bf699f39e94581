"""Options that several commands share, and the fields of a fit that two of them become."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.points import Doubled
from api.cli.times import Unit
from shared.errors import Code, InputError

DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option("--url", envvar="TSAD_URL", help="Address of the API.")]
Key = Annotated[
    str,
    typer.Option("--key", envvar="TSAD_API_KEY", help="API key, better from the environment.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one a line.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]
Longest = Annotated[float, typer.Option("--timeout", min=0, help="Longest wait, in seconds.")]

Detector = Annotated[str, typer.Option(help="One of those that the API lists.", show_default="the API's default")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", help="As in threshold=2.5; may be repeated.", metavar="NAME=VALUE"),
]
OfVersion = Annotated[str, typer.Option(help="A version as in 3 or v3, or latest.")]

TimeColumn = Annotated[str | None, typer.Option(help="Name of the column of times.", show_default="guessed")]
ValueColumn = Annotated[str | None, typer.Option(help="Name of the column of values.", show_default="guessed")]
OfUnit = Annotated[Unit | None, typer.Option(help="Of times that are numbers.", show_default="guessed")]
IfDoubled = Annotated[Doubled, typer.Option(help="What to do with several values for one second.")]

OfHome = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="TSAD_HOME",
        help="The folder of `tsad up`, where DATABASE_URL is not set.",
        show_default="~/.local/state/tsad, or /var/lib/tsad for root",
    ),
]

ApiPort = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the API; 0 picks a free one.")]
FlowerPort = Annotated[int, typer.Option(min=0, max=65535, help="Port of Flower; 0 picks a free one.")]
Concurrency = Annotated[
    int | None, typer.Option(min=1, help="Fits at a time.", show_default="WORKER_CONCURRENCY, else 2")
]
ApiProcesses = Annotated[int, typer.Option(min=1, help="Processes that serve the API.")]


def fit_fields(detector: str, parameters: list[str] | None) -> dict[str, Any]:
    """Fields of a fit's body that choose the detector and its parameters; `InputError` without an equals sign.

    A value that is JSON is decoded, any other is text.
    """
    fields: dict[str, Any] = {"detector": detector} if detector else {}
    for parameter in parameters or ():
        name, equals, value = parameter.partition("=")
        if not equals:
            raise InputError(Code.INVALID_PARAMETER, f"{parameter} is no parameter: write it as name=value.")
        fields.setdefault("parameters", {})[name] = _decoded(value)
    return fields


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
