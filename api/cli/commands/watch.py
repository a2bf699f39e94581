"""`tsad watch`: points from standard input, verdicts as they come."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from api.cli.client import Client
from api.cli.options import DEFAULT_URL, AsJson, Key, OfUnit, OfVersion, Url
from api.cli.output import note
from api.cli.times import Unit, is_number, second
from api.cli.verdicts import ANOMALY_FOUND, print_verdict
from shared.domain.series import check_series_id
from shared.errors import Code, InputError, TsadError

MOST_CONTEXT = 4096  # what the API takes unless MAX_CONTEXT_POINTS says otherwise


def watch(
    series: Annotated[str, typer.Argument(help="Id of the series.")],
    *,
    only_anomalies: Annotated[bool, typer.Option("--only-anomalies", help="Print nothing for normal points.")] = False,
    version: OfVersion = "latest",
    unit: OfUnit = None,
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help=f"End with exit code {ANOMALY_FOUND} at the first anomaly.")
    ] = False,
    url: Url = DEFAULT_URL,
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Judge points as they come: one a line, as TIME,VALUE, as VALUE alone for now, or as {"timestamp": …, "value": …}.

    Values are remembered for detectors that judge a point by those before it. A line that is no point is told, and the
    next one is read.

    [bold]tail -f boiler.csv | tsad watch boiler --only-anomalies[/]
    """
    path = f"/predict/{check_series_id(series)}"
    with Client(url, key) as client:
        recent: deque[float] = deque(maxlen=context_points(client, series, version))
        for line in sys.stdin:
            try:
                for timestamp, value in points_of(line, unit):
                    verdict = judge(client, path, version, timestamp, value, list(recent))
                    recent.append(value)
                    if verdict["anomaly"] or not only_anomalies:
                        report(timestamp, value, verdict, as_json=as_json)
                    if verdict["anomaly"] and fail_on_anomaly:
                        raise typer.Exit(ANOMALY_FOUND)
            except InputError as error:
                note(error.detail)


def context_points(client: Client, series: str, version: str) -> int:
    """Return how many values before a point the detector of this version may look at."""
    name = client.get(f"/series/{check_series_id(series)}/versions/{version}")["detector"]
    known = {detector["name"]: detector["context_points"] for detector in client.get("/detectors")["detectors"]}
    return min(int(known.get(name, 0)), MOST_CONTEXT)


def judge(client: Client, path: str, version: str, timestamp: int, value: float, recent: list[float]) -> dict[str, Any]:
    """Return the verdict, which the API joins with the training values; without an anomaly while too few are known."""
    body: dict[str, Any] = {"timestamp": timestamp, "value": value} | ({"context": recent} if recent else {})
    try:
        answer: dict[str, Any] = client.post(path, body, version=version)
    except TsadError as error:
        if error.code is not Code.CONTEXT_REQUIRED:
            raise
        return {"anomaly": None, "reason": error.detail}
    return answer


def points_of(line: str, unit: Unit | None) -> Iterator[tuple[int, float]]:
    """Yield the point of a line; nothing for an empty line or the names of columns."""
    text = line.strip()
    if not text:
        return
    if text.startswith("{"):
        moment, value = _of_json(text)
    else:
        moment, _, value = text.rpartition(",")
    if not is_number(value):
        if any(character.isdigit() for character in text):
            raise InputError(Code.INVALID_FILE, f"{text[:60]!r} is no point: write TIME,VALUE or VALUE.")
        return
    yield second(moment.strip(), unit) if moment else int(time.time()), float(value)


def report(timestamp: int, value: float, verdict: dict[str, Any], *, as_json: bool) -> None:
    """Print a verdict and flush, because somebody may read it through a pipe."""
    if verdict["anomaly"] is None and not as_json:
        note(str(verdict["reason"]))
    else:
        print_verdict(timestamp, value, verdict, as_json=as_json)
    sys.stdout.flush()


def _of_json(text: str) -> tuple[str, str]:
    try:
        point = json.loads(text)
        return str(point["timestamp"]), str(point["value"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(Code.INVALID_FILE, f"{text[:60]!r} is no point: it needs timestamp and value.") from None
