"""A page of charts, written next to the results file."""

from pathlib import Path
from typing import Any

from benchmark.accuracy.results import FILE, Results, Section


def write(results: Results) -> Path:
    """Write the page and return its path."""
    page = FILE.with_suffix(".html")
    figures = [
        _finding(results.sections["summary"]),
        _nab(results.sections["nab"]),
        _alarms(results.sections["alarms"]),
    ]
    parts = [
        figure.to_html(include_plotlyjs=False if index else "directory", full_html=False)
        for index, figure in enumerate(figures)
    ]
    page.write_text(f'<!doctype html><meta charset="utf-8"><title>Accuracy of the detectors</title>{"".join(parts)}')
    (page.parent / "plotly.min.js").write_text(_script())
    return page


def _script() -> str:
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - measuring does not need it

    return str(get_plotlyjs())


def _finding(section: Section) -> Any:
    """Chart the VUS-PR of each detector and mode without refits, by part of a corpus."""
    heights: dict[str, dict[str, float]] = {}
    for (corpus, part, refit, detector, mode), figures in sorted(section.rows.items()):
        volume = figures["mean"][0]
        if refit == 0 and volume is not None:
            heights.setdefault(f"{corpus} {part}", {})[f"{detector} {mode}"] = volume
    return _bars("VUS-PR", heights)


def _nab(section: Section) -> Any:
    heights: dict[str, dict[str, float]] = {}
    for (refit, detector, silence), figures in sorted(section.rows.items()):
        standard = figures["score"][0]
        heights.setdefault(f"silence {silence}, refit {refit}", {})[str(detector)] = standard or 0.0
    return _bars("NAB, standard profile", heights)


def _alarms(section: Section) -> Any:
    heights: dict[str, dict[str, float]] = {}
    for (_, _, detector, rate), figures in sorted(section.rows.items()):
        median, mean, *_ = figures["ratio"]
        heights.setdefault(f"median, {rate}", {})[str(detector)] = median or 0.0
        heights.setdefault(f"mean, {rate}", {})[str(detector)] = mean or 0.0
    return _bars("False alarms, as a multiple of the requested rate", heights)


def _bars(title: str, heights: dict[str, dict[str, float]]) -> Any:
    from plotly import graph_objects as go  # noqa: PLC0415 - measuring does not need it

    bars = [go.Bar(name=name, x=list(group), y=list(group.values())) for name, group in heights.items()]
    return go.Figure(bars, go.Layout(title=title, barmode="group"))
