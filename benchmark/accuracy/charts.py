"""A page of charts beside the file of results."""

from pathlib import Path
from typing import Any

from benchmark.accuracy.results import FILE, Results, Section


def write(results: Results) -> Path:
    """Write it and return where."""
    page = FILE.with_suffix(".html")
    figures = [
        _finding(results.sections["summary"]),
        _nab(results.sections["nab"]),
        _alarms(results.sections["alarms"]),
    ]
    parts = [
        figure.to_html(include_plotlyjs="directory" if first else False, full_html=False)
        for first, figure in zip((True, False, False), figures, strict=True)
    ]
    page.write_text(f'<!doctype html><meta charset="utf-8"><title>Accuracy of the detectors</title>{"".join(parts)}')
    (page.parent / "plotly.min.js").write_text(_script())
    return page


def _script() -> str:
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - measuring needs none

    return str(get_plotlyjs())


def _finding(section: Section) -> Any:
    """VUS-PR of each detector and mode, by part of a corpus, where it learns once."""
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
        for name, ratio in (("median", median), ("mean", mean)):
            heights.setdefault(f"{name}, {rate}", {})[str(detector)] = ratio or 0.0
    return _bars("False alarms, as a multiple of what was asked for", heights)


def _bars(title: str, heights: dict[str, dict[str, float]]) -> Any:
    from plotly import graph_objects as go  # noqa: PLC0415 - measuring needs none

    bars = [go.Bar(name=name, x=list(group), y=list(group.values())) for name, group in heights.items()]
    return go.Figure(bars, go.Layout(title=title, barmode="group"))
