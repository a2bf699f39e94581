"""`tsad fit`: create a fit job from a file."""

from typing import Annotated

import typer

from api.cli.fits import accept, finish
from api.cli.jobs import print_job
from api.cli.options import (
    DEFAULT_URL,
    AsJson,
    Detector,
    IfDoubled,
    Key,
    Parameters,
    TimeColumn,
    Timeout,
    TimeUnit,
    Url,
    ValueColumn,
    fit_fields,
)
from api.cli.output import note
from api.cli.patience import PatientClient
from api.cli.points import Choices, Doubled, read
from shared.domain.series import check_series_id

Source = Annotated[str, typer.Argument(help="CSV, NDJSON, JSON or Parquet file; - reads standard input.")]


def fit(
    source: Source,
    *,
    series: Annotated[str, typer.Option(help="Id of the series to fit.")],
    detector: Detector = "",
    parameter: Parameters = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the job ends, and print what the detector found.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Fit even if the newest version has the same points.")] = False,
    timeout: Timeout = 900,
    time_column: TimeColumn = None,
    value_column: ValueColumn = None,
    unit: TimeUnit = None,
    doubled: IfDoubled = Doubled.REFUSE,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Fit a series from a file. tsad guesses columns and time unit, and reports its guesses.

    A command that was interrupted can be repeated: it finds the job that it created.

    [bold]tsad fit boiler.csv --series boiler --wait[/]

    [bold]tsad fit - --series boiler --detector robust -p threshold=2.5 < boiler.ndjson[/]
    """
    series_id = check_series_id(series)
    points = read(source, Choices(time_column, value_column, unit, doubled))
    note(*points.notes)
    with PatientClient(url, key, timeout) as client:
        job = accept(client, series_id, points.body() | fit_fields(detector, parameter), again=again)
        if not wait:
            print_job(job, as_json=as_json)
            return
        finish(client, job, timeout, as_json=as_json)
