"""The verdict on a point, as commands print it."""

from typing import Any

from rich.text import Text

from api.cli.output import cell, moment, show, show_json

ANOMALY_FOUND = 5  # exit code of --fail-on-anomaly


def print_verdict(timestamp: int, value: float, verdict: dict[str, Any], *, as_json: bool) -> None:
    """Print the verdict on a point, as JSON or as a sentence; an explanation takes further lines."""
    if as_json:
        show_json({"timestamp": timestamp, "value": value, **verdict})
    else:
        show(_sentence(timestamp, value, verdict))


def word(anomaly: bool | None) -> str:  # noqa: FBT001 - a field of the API's answer
    """Name of a verdict; None means that too few values precede the point."""
    return "unknown" if anomaly is None else "anomaly" if anomaly else "normal"


def _sentence(timestamp: int, value: float, verdict: dict[str, Any]) -> Text:
    line = Text.assemble(f"{moment(timestamp)}  {value:.6g}  ", cell(word(verdict["anomaly"])))
    line.append(f", score {verdict['score']:.3g}, by version {verdict['model_version']} ({verdict['detector']})")
    if verdict["lower"] is not None or verdict["upper"] is not None:
        line.append(f", normal is {_edge(verdict['lower'])} to {_edge(verdict['upper'])}")
    if explanation := verdict.get("explanation"):
        line.append_text(Text("\n")).append_text(cell(explanation))
    return line


def _edge(edge: float | None) -> str:
    return "any" if edge is None else f"{edge:.6g}"
