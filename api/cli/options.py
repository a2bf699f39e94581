"""Options that several commands share."""

import functools
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from api.files.choices import NOTHING_STATED, Choices, Doubled, Unit
from api.files.lines import parse_time
from shared.domain.series import DAY_S
from shared.errors import Code, InputError

FIT_DEFAULT = "auto"
EXCLUDE = "exclude"  # the parameter of time ranges that a fit leaves out
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
DEFAULT_URL = "http://127.0.0.1:8000"

Url = Annotated[str, typer.Option("--url", envvar="TSAD_URL", help="URL of the API.")]
Key = Annotated[
    str,
    typer.Option("--key", envvar="TSAD_API_KEY", help="API key; prefer the environment variable.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one per line for a list.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Limit = Annotated[int, typer.Option(min=1, help="Maximum number of entries.")]
Patience = Annotated[
    float, typer.Option("--timeout", min=0, help="How long to retry while the API is away, in seconds.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0, help="Maximum wait, in seconds.")]

Detector = Annotated[
    str,
    typer.Option(
        help="Detector to fit; `tsad detectors` lists them.", show_default="auto; with parameters, the API's default"
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        "-p",
        help="Detector parameter, such as threshold=2.5, or exclude=2026-01-07/2026-01-09; repeatable.",
        metavar="NAME=VALUE",
    ),
]
Version = Annotated[str, typer.Option(help="Version such as 3 or v3, or latest.")]

TimeUnit = Annotated[Unit | None, typer.Option(help="Unit of numeric timestamps.", show_default="inferred")]

# The options about files, by field of `Choices`.
_FILE_OPTIONS: dict[str, Any] = {
    "time_column": Annotated[
        str | None,
        typer.Option("--time", "--time-column", help="Timestamp column, by name or number.", show_default="inferred"),
    ],
    "value_column": Annotated[
        str | None,
        typer.Option("--value", "--value-column", help="Value column, by name or number.", show_default="inferred"),
    ],
    "series_column": Annotated[
        str | None, typer.Option("--series-column", help="Column that tells the series of a file apart.")
    ],
    "unit": TimeUnit,
    "time_format": Annotated[
        str | None,
        typer.Option(
            "--time-format",
            help="Format of timestamps, such as '%d/%m/%Y %H:%M', or excel for days since 1900.",
            show_default="inferred",
        ),
    ],
    "timezone": Annotated[
        str | None,
        typer.Option(
            "--timezone", help="Time zone of timestamps without one, such as Europe/Berlin.", show_default="UTC"
        ),
    ],
    "delimiter": Annotated[
        str | None, typer.Option("--delimiter", help="Character between cells, or tab.", show_default="inferred")
    ],
    "decimal": Annotated[str | None, typer.Option("--decimal", help="Decimal sign.", show_default="inferred")],
    "thousands": Annotated[
        str | None, typer.Option("--thousands", help="Thousands separator.", show_default="inferred")
    ],
    "encoding": Annotated[
        str | None, typer.Option("--encoding", help="Encoding of text, such as cp1252.", show_default="inferred")
    ],
    "skip_rows": Annotated[int, typer.Option("--skip-rows", min=0, help="Rows to skip before the header.")],
    "doubled": Annotated[
        Doubled, typer.Option("--doubled", help="What to do with different values for the same second.")
    ],
}

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
        return {"detector": FIT_DEFAULT}
    fields: dict[str, Any] = {"detector": detector} if detector else {}
    for parameter in parameters or ():
        name, equals, value = parameter.partition("=")
        if not equals:
            raise InputError(Code.INVALID_PARAMETER, f"{parameter} is not a valid parameter: write name=value.")
        fields.setdefault("parameters", {})[name] = spans_of(value) if name == EXCLUDE else _decoded(value)
    return fields


def spans_of(text: str) -> Any:
    """Parse FROM/TO[,FROM/TO…] as the value of the parameter `exclude`; JSON is returned decoded.

    Times are dates, or seconds since 1970; a date without a time of day includes that day. Raises `InputError`.
    """
    decoded = _decoded(text)
    if not isinstance(decoded, str):
        return decoded
    spans = []
    for span in filter(None, text.split(",")):
        first, slash, last = span.partition("/")
        if not slash:
            raise InputError(
                Code.INVALID_PARAMETER,
                f"{span} is not a time range: write exclude=FROM/TO, such as exclude=2026-01-07/2026-01-08T06:00.",
            )
        whole_day = DAY_S - 1 if _DATE.fullmatch(last.strip()) else 0
        spans.append([parse_time(first, NOTHING_STATED), parse_time(last, NOTHING_STATED) + whole_day])
    return spans


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def reads_files(*, without: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command with an argument `choices` the options about files instead, except those of fields in `without`.

    The value column has no short option in a command with a value of its own.
    """
    defaults = {field.name: field.default for field in fields(Choices) if field.name not in without}

    def add_options(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        options = []
        for name, default in defaults.items():
            annotation = _FILE_OPTIONS[name]
            if name == "value_column" and "value" in signature.parameters:
                annotation = _LONG_VALUE_COLUMN
            options.append(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            )
        parameters = []
        for parameter in signature.parameters.values():
            parameters += options if parameter.name == "choices" else [parameter]

        @functools.wraps(command)
        def wrapper(**arguments: Any) -> None:
            choices = Choices(**{name: arguments.pop(name) for name in defaults})
            command(choices=choices, **arguments)

        wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return wrapper

    return add_options


_LONG_VALUE_COLUMN = Annotated[
    str | None, typer.Option("--value-column", help="Value column, by name or number.", show_default="inferred")
]
