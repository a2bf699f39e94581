"""`tsad watch`: score points from standard input as they arrive."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from api.cli.client import Client
from api.cli.options import DEFAULT_URL, AsJson, Key, TimeUnit, Url, Version
from api.cli.output import note
from api.cli.times import Unit, is_number, parse_one
from api.cli.verdicts import ANOMALY_FOUND, print_verdict
from shared.domain.series import check_series_id
from shared.errors import Code, InputError, TsadError

MAX_CONTEXT = 4096  # the default of MAX_CONTEXT_POINTS


def watch(
    series: Annotated[str, typer.Argument(help="Id of the series.")],
    *,
    only_anomalies: Annotated[bool, typer.Option("--only-anomalies", help="Print only anomalies.")] = False,
    version: Version = "latest",
    unit: TimeUnit = None,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help=f"Exit with code {ANOMALY_FOUND} at the first anomaly.")
    ] = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Score points from standard input as they arrive, one per line.

    A line is TIME,VALUE, or VALUE alone for the current time, or {"timestamp": …, "value": …}.
    tsad keeps recent values for detectors that need them to score a point.
    Invalid lines are reported and skipped.

    [bold]tail -f boiler.csv | tsad watch boiler --only-anomalies[/]
    """
    path = f"/predict/{check_series_id(series)}"
    with Client(url, key) as client:
        recent: deque[float] = deque(maxlen=context_points(client, series, version))
        for line in sys.stdin:
            try:
                for timestamp, value in points_of(line, unit):
                    verdict = score(client, path, version, timestamp, value, list(recent))
                    recent.append(value)
                    if verdict["anomaly"] or not only_anomalies:
                        report(timestamp, value, verdict, as_json=as_json)
                    if verdict["anomaly"] and fail_on_anomaly:
                        raise typer.Exit(ANOMALY_FOUND)
            except InputError as error:
                note(error.detail)


def context_points(client: Client, series: str, version: str) -> int:
    """Return how many previous values the detector of this version may use."""
    name = client.get(f"/series/{check_series_id(series)}/versions/{version}")["detector"]
    by_detector = {detector["name"]: detector["context_points"] for detector in client.get("/detectors")["detectors"]}
    return min(int(by_detector.get(name, 0)), MAX_CONTEXT)


def score(client: Client, path: str, version: str, timestamp: int, value: float, recent: list[float]) -> dict[str, Any]:
    """Return the verdict; its `anomaly` is None while recent and training values are too few for the detector."""
    body: dict[str, Any] = {"timestamp": timestamp, "value": value} | ({"context": recent} if recent else {})
    try:
        answer: dict[str, Any] = client.post(path, body, version=version)
    except TsadError as error:
        if error.code is not Code.CONTEXT_REQUIRED:
            raise
        return {"anomaly": None, "reason": error.detail}
    return answer


def points_of(line: str, unit: Unit | None) -> Iterator[tuple[int, float]]:
    """Yield the point of a line; nothing for an empty line or a header."""
    text = line.strip()
    if not text:
        return
    if text.startswith("{"):
        time_text, value = _parse_json(text)
    else:
        time_text, _, value = text.rpartition(",")
    if not is_number(value):
        if any(character.isdigit() for character in text):
            raise InputError(Code.INVALID_FILE, f"{text[:60]!r} is not a valid point: write TIME,VALUE or VALUE.")
        return
    yield parse_one(time_text.strip(), unit) if time_text else int(time.time()), float(value)


def report(timestamp: int, value: float, verdict: dict[str, Any], *, as_json: bool) -> None:
    """Print a verdict and flush: the output may be a pipe whose reader acts on each line."""
    if verdict["anomaly"] is None and not as_json:
        note(str(verdict["reason"]))
    else:
        print_verdict(timestamp, value, verdict, as_json=as_json)
    sys.stdout.flush()


def _parse_json(text: str) -> tuple[str, str]:
    try:
        point = json.loads(text)
        return str(point["timestamp"]), str(point["value"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            Code.INVALID_FILE, f"{text[:60]!r} is not a valid point: it needs timestamp and value."
        ) from None
