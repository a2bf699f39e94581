"""`tsad fit`: create a fit job from a file."""

from typing import Annotated

import typer

from api.cli.fits import accept, finish
from api.cli.jobs import print_job
from api.cli.options import (
    DEFAULT_URL,
    AsJson,
    Detector,
    Key,
    Parameters,
    Timeout,
    Url,
    fit_fields,
    reads_files,
)
from api.cli.output import note
from api.cli.patience import PatientClient
from api.files.choices import Choices
from api.files.reading import read
from shared.domain.series import check_series_id

Source = Annotated[str, typer.Argument(help="CSV, NDJSON, JSON or Parquet file; - reads standard input.")]


@reads_files()
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
    choices: Choices,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Fit a series from a file. tsad infers columns and formats where only one reading is possible, and reports them.

    A command that was interrupted can be repeated: it finds the job that it created.

    [bold]tsad fit boiler.csv --series boiler --wait[/]

    [bold]tsad fit - --series boiler --detector robust -p threshold=2.5 < boiler.ndjson[/]
    """
    series_id = check_series_id(series)
    points = read(source, choices, series=series_id)
    note(*points.notes)
    with PatientClient(url, key, timeout) as client:
        job = accept(client, series_id, points.body() | fit_fields(detector, parameter), again=again)
        if not wait:
            print_job(job, as_json=as_json)
            return
        finish(client, job, timeout, as_json=as_json)
