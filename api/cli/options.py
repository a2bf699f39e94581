"""Options that several commands share."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.points import Doubled
from api.cli.times import Unit
from shared.errors import Code, InputError

DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option("--url", envvar="TSAD_URL", help="URL of the API.")]
Key = Annotated[
    str,
    typer.Option("--key", envvar="TSAD_API_KEY", help="API key; prefer the environment variable.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one per line for a list.")]
Limit = Annotated[int, typer.Option(min=1, help="Maximum number of entries.")]
Patience = Annotated[
    float, typer.Option("--timeout", min=0, help="How long to retry while the API is away, in seconds.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0, help="Maximum wait, in seconds.")]

Detector = Annotated[
    str,
    typer.Option(
        help="Detector to fit; GET /detectors lists them.", show_default="auto; with parameters, the API's default"
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter", "-p", help="Detector parameter, such as threshold=2.5; repeatable.", metavar="NAME=VALUE"
    ),
]
Version = Annotated[str, typer.Option(help="Version such as 3 or v3, or latest.")]

TimeColumn = Annotated[str | None, typer.Option(help="Name of the timestamp column.", show_default="guessed")]
ValueColumn = Annotated[str | None, typer.Option(help="Name of the value column.", show_default="guessed")]
TimeUnit = Annotated[Unit | None, typer.Option(help="Unit of numeric timestamps.", show_default="guessed")]
IfDoubled = Annotated[Doubled, typer.Option(help="What to do with different values for the same second.")]

HomeFolder = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="TSAD_HOME",
        help="Home folder of `tsad up`, used if DATABASE_URL is not set.",
        show_default="~/.local/state/tsad, or /var/lib/tsad for root",
    ),
]

ApiPort = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the API; 0 picks a free one.")]
FlowerPort = Annotated[int, typer.Option(min=0, max=65535, help="Port of Flower; 0 picks a free one.")]
Concurrency = Annotated[
    int | None, typer.Option(min=1, help="Fits to run in parallel.", show_default="WORKER_CONCURRENCY, else 2")
]
ApiProcesses = Annotated[int, typer.Option(min=1, help="Number of API processes.")]


def fit_fields(detector: str, parameters: list[str] | None) -> dict[str, Any]:
    """Return the fields of a fit request that select the detector and its parameters.

    A value that is valid JSON is decoded; any other stays text. Raises `InputError` without an equals sign.
    """
    if not detector and not parameters:
        return {"detector": "auto"}
    fields: dict[str, Any] = {"detector": detector} if detector else {}
    for parameter in parameters or ():
        name, equals, value = parameter.partition("=")
        if not equals:
            raise InputError(Code.INVALID_PARAMETER, f"{parameter} is not a valid parameter: write name=value.")
        fields.setdefault("parameters", {})[name] = _decoded(value)
    return fields


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
