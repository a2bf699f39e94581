"""`tsad watch`: score points from standard input as they arrive."""

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from api.cli.client import Client, segment
from api.cli.options import DEFAULT_URL, AsJson, Key, Patience, Url, Version, reads_files
from api.cli.output import flush, note, utc_time
from api.cli.patience import PatientClient
from api.cli.verdicts import ANOMALY_FOUND, UNJUDGED, exit_with, not_judged, print_verdict
from api.files.choices import Choices
from api.files.lines import parse_point
from shared.domain.series import check_series_id
from shared.errors import Code, InputError

MAX_CONTEXT = 4096  # the default of MAX_CONTEXT_POINTS
ABOUT_THE_POINT = (Code.INVALID_FILE, Code.INVALID_TIMESTAMP, Code.INVALID_REQUEST)


@reads_files(without=("series_column", "encoding", "skip_rows", "doubled"))
def watch(
    series: Annotated[str, typer.Argument(help="Id of the series.")],
    *,
    only_anomalies: Annotated[
        bool,
        typer.Option("--only-anomalies", help="Print only anomalies, and where points stop or start being judged."),
    ] = False,
    version: Version = "latest",
    choices: Choices,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help=f"Exit with code {ANOMALY_FOUND} at the first anomaly.")
    ] = False,
    timeout: Patience = 900,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Score points from standard input as they arrive, one per line.

    A line is TIME,VALUE, or VALUE alone for the current time, or {"timestamp": …, "value": …}.
    tsad keeps recent values for detectors that need them to score a point.
    A point that cannot be judged is printed with the reason; the exit code at the end is then 6.
    Invalid lines are reported and skipped. A restart of the API only delays verdicts.

    [bold]tail -f boiler.csv | tsad watch boiler --only-anomalies[/]
    """
    with PatientClient(url, key, timeout) as client:
        judge = Judge(client, check_series_id(series), version)
        was_judged = all_judged = True
        for number, line in enumerate(sys.stdin or (), 1):
            try:
                for timestamp, value in points_of(line, choices):
                    verdict = judge.verdict(timestamp, value)
                    is_judged = verdict["anomaly"] is not None
                    if verdict["anomaly"] or not only_anomalies or is_judged is not was_judged:
                        print_verdict(timestamp, value, verdict, as_json=as_json)
                        flush()
                    exit_with(anomaly=bool(verdict["anomaly"]), unjudged=False, fail_on_anomaly=fail_on_anomaly)
                    was_judged, all_judged = is_judged, all_judged and is_judged
            except InputError as error:
                if error.code not in ABOUT_THE_POINT:
                    raise
                note(f"Line {number} was skipped: {error.detail}")
        exit_with(anomaly=False, unjudged=not all_judged, fail_on_anomaly=fail_on_anomaly)


class Judge:
    """Asks the API for verdicts, with the recent values that the detector of the version may use."""

    def __init__(self, client: Client, series_id: str, version: str) -> None:
        self._client = client
        self._series_id = series_id
        self._version = version
        self._recent: deque[float | None] = deque(maxlen=self._context_points())

    def verdict(self, timestamp: int, value: float | None) -> Mapping[str, Any]:
        """Return the verdict; its `anomaly` is None for a point that cannot be judged, and `reason` says why.

        Raises `InputError` for a point from before the training data: its line means something else.
        """
        if timestamp < self._first_timestamp:
            raise InputError(
                Code.INVALID_FILE,
                f"{utc_time(timestamp)} is before the training data, which begins {utc_time(self._first_timestamp)}. "
                "A line is TIME,VALUE: state --time-format or --unit if it has another form.",
            )
        verdict = self._verdict(timestamp, value)
        self._recent.append(value)
        return verdict

    def _verdict(self, timestamp: int, value: float | None) -> Mapping[str, Any]:
        if value is None:
            return not_judged("the line has no value.")
        body: dict[str, Any] = {"timestamp": timestamp, "value": value}
        if self._recent:
            body["context"] = list(self._recent)
        try:
            return self._client.post(f"/predict/{self._series_id}", body, version=self._version)
        except InputError as error:
            if error.code not in UNJUDGED:
                raise
            return not_judged(error.detail.partition(" Send ")[0])  # `watch` itself sends the values that it has read

    def _context_points(self) -> int:
        """Return how many previous values the detector may use, and remember when the training data begins."""
        row = self._client.get(f"/series/{self._series_id}/versions/{segment(self._version)}")
        self._first_timestamp = int(row["first_timestamp"])
        detectors = self._client.get("/detectors")["detectors"]
        by_name = {detector["name"]: int(detector["context_points"]) for detector in detectors}
        return min(by_name.get(row["detector"], MAX_CONTEXT), MAX_CONTEXT)


def points_of(line: str, choices: Choices) -> Iterator[tuple[int, float | None]]:
    """Yield the point of a line, with None for a missing value; nothing for an empty line or a header."""
    if point := parse_point(line, choices):
        yield int(time.time()) if point.timestamp is None else point.timestamp, point.value
