"""Print the verdict on a point."""

from typing import Any

from rich.text import Text

from api.cli.output import cell, show, show_json, utc_time

ANOMALY_FOUND = 5  # exit code of --fail-on-anomaly


def print_verdict(timestamp: int, value: float, verdict: dict[str, Any], *, as_json: bool) -> None:
    """Print the verdict on a point as JSON or as a sentence, followed by any explanation."""
    if as_json:
        show_json({"timestamp": timestamp, "value": value, **verdict})
    else:
        show(_sentence(timestamp, value, verdict))


def label(anomaly: bool | None) -> str:  # noqa: FBT001 - a field of the API's response
    """Return the label of a verdict; None means that too few values precede the point."""
    return "unknown" if anomaly is None else "anomaly" if anomaly else "normal"


def _sentence(timestamp: int, value: float, verdict: dict[str, Any]) -> Text:
    line = Text.assemble(f"{utc_time(timestamp)}  {value:.6g}  ", cell(label(verdict["anomaly"])))
    line.append(f", score {verdict['score']:.3g}, version {verdict['model_version']} ({verdict['detector']})")
    if verdict["lower"] is not None or verdict["upper"] is not None:
        line.append(f", normal band {_band(verdict['lower'], verdict['upper'])}")
    if explanation := verdict.get("explanation"):
        line.append_text(Text("\n")).append_text(cell(explanation))
    return line


def _band(lower: float | None, upper: float | None) -> str:
    if lower is None:
        return f"at most {upper:.6g}"
    return f"at least {lower:.6g}" if upper is None else f"{lower:.6g} to {upper:.6g}"
