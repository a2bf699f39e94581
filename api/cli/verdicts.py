"""Verdicts of the API: their labels and lines, and the exit code that sums them up."""

from collections.abc import Mapping
from typing import Any

import typer
from rich.text import Text

from api.cli.output import cell, show, show_json, utc_time
from shared.errors import Code
from shared.wording import band, readable

ANOMALY_FOUND = 5  # exit code of --fail-on-anomaly
NOT_JUDGED = 6  # exit code if a point got no verdict
UNJUDGED = (Code.CONTEXT_REQUIRED, Code.TIME_NOT_LEARNED)  # problems in place of a verdict

_LABELS = {None: "not judged", True: "anomaly", False: "normal"}


def print_verdict(timestamp: int, value: float | None, verdict: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the verdict on a point as JSON or as a sentence, followed by any explanation."""
    if as_json:
        show_json({"timestamp": timestamp, "value": value, **verdict})
    else:
        show(_sentence(timestamp, value, verdict))


def not_judged(reason: str) -> dict[str, Any]:
    """Return what stands for the verdict on a point that cannot be judged: neither normal nor an anomaly."""
    return {"anomaly": None, "score": None, "reason": reason}


def label(anomaly: bool | None, absorbed: bool | None = None) -> str:  # noqa: FBT001 - fields of the API's response
    """Return the label of a verdict; None means that the point was not judged, or that nothing is ever absorbed."""
    return "absorbed" if absorbed else _LABELS[anomaly]


def exit_with(*, anomaly: bool, unjudged: bool, fail_on_anomaly: bool) -> None:
    """End the command with the code for these verdicts; return if every point was judged and nothing is to report."""
    if anomaly and fail_on_anomaly:
        raise typer.Exit(ANOMALY_FOUND)
    if unjudged:
        raise typer.Exit(NOT_JUDGED)


def _sentence(timestamp: int, value: float | None, verdict: Mapping[str, Any]) -> Text:
    lower, upper = verdict.get("lower"), verdict.get("upper")
    written = "no value" if value is None else readable(value, lower, upper)
    line = Text.assemble(
        f"{utc_time(timestamp)}  {written}  ", cell(label(verdict["anomaly"], verdict.get("absorbed")))
    )
    if verdict["anomaly"] is None:
        return line.append_text(Text(": ")).append_text(cell(verdict["reason"]))
    detector = f" ({verdict['detector']})" if "detector" in verdict else ""
    line.append(f", score {readable(verdict['score'], digits=3)}, version {verdict['model_version']}{detector}")
    if lower is not None or upper is not None:
        line.append(f", normal band {band(value, lower, upper)}")
    if explanation := verdict.get("explanation"):
        line.append_text(Text("\n")).append_text(cell(explanation))
    return line
