"""Charts: pure functions from data to a figure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.domain.series import Series, Timestamps, Values
from shared.domain.thinning import extremes
from shared.domain.training_scores import TrainingScores

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_POINTS = 4_000
MOST_MARKS = 2_000

LINE, BAND, ANOMALY = "#2f6f9f", "rgba(47, 111, 159, 0.16)", "#c4432b"


@dataclass(frozen=True, slots=True)
class Marks:
    """Points called anomalous, with their scores."""

    timestamps: Timestamps
    values: Values
    score: Values


def anomalies(series: Series, scores: TrainingScores) -> Marks:
    """The points with the highest scores above 1, in order of time."""
    above = np.flatnonzero(scores.score > 1)
    if len(above) > MOST_MARKS:
        above = np.sort(above[np.argsort(scores.score[above])[-MOST_MARKS:]])
    index = scores.index[above]
    return Marks(series.timestamps[index], series.values[index], scores.score[above].astype(np.float64))


def training(series: Series, scores: TrainingScores) -> "Figure":
    """A version's training data: the line with every extreme, the normal band, the points it calls anomalous."""
    from plotly import graph_objects as go  # noqa: PLC0415 - takes a second to import: only who draws pays for it

    figure = go.Figure()
    for trace in _band(series, scores):
        figure.add_trace(go.Scatter(**trace))
    shown = extremes(series.values, MOST_POINTS)
    figure.add_trace(
        go.Scatter(
            x=_milliseconds(series.timestamps[shown]),
            y=series.values[shown],
            customdata=series.timestamps[shown],
            mode="lines+markers" if len(shown) <= 200 else "lines",
            line={"color": LINE, "width": 1.5},
            marker={"size": 4},
            name="value",
            hovertemplate="%{y}<br>%{x|%Y-%m-%d %H:%M:%S} UTC<br>%{customdata}<extra></extra>",
        )
    )
    marks = anomalies(series, scores)
    figure.add_trace(
        go.Scatter(
            x=_milliseconds(marks.timestamps),
            y=marks.values,
            customdata=np.column_stack((marks.timestamps, marks.score)),
            mode="markers",
            marker={"color": ANOMALY, "symbol": "diamond", "size": 9, "line": {"color": "white", "width": 1}},
            name="anomaly",
            hovertemplate="%{y}<br>score %{customdata[1]:.3g}<br>%{x|%Y-%m-%d %H:%M:%S} UTC"
            "<br>%{customdata[0]:d}<extra></extra>",
        )
    )
    figure.update_layout(
        template="plotly_white",
        margin={"l": 56, "r": 24, "t": 24, "b": 40},
        legend={"orientation": "h", "y": 1.06},
        hovermode="closest",
        xaxis={"type": "date", "rangeslider": {"visible": True, "thickness": 0.08}},
    )
    return figure


def _band(series: Series, scores: TrainingScores) -> list[dict[str, Any]]:
    """Expected value and band; an open side reaches to the farthest value, so that the shading shows what is normal."""
    shown = np.unique(np.linspace(0, len(scores.index) - 1, min(len(scores.index), MOST_POINTS // 4)).astype(int))
    x = _milliseconds(series.timestamps[scores.index[shown]])
    traces: list[dict[str, Any]] = []
    if scores.lower is not None or scores.upper is not None:
        floor, ceiling = (np.full(len(shown), edge) for edge in (series.values.min(), series.values.max()))
        lower = floor if scores.lower is None else scores.lower[shown]
        upper = ceiling if scores.upper is None else scores.upper[shown]
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        traces.append({"x": x, "y": lower, "showlegend": False, **edge})
        traces.append({"x": x, "y": upper, "fill": "tonexty", "fillcolor": BAND, "name": "normal band", **edge})
    if scores.expected is not None:
        dashes = {"color": LINE, "width": 1, "dash": "dot"}
        traces.append(
            {
                "x": x,
                "y": scores.expected[shown],
                "mode": "lines",
                "line": dashes,
                "name": "expected",
                "hoverinfo": "skip",
            }
        )
    return traces


def _milliseconds(timestamps: Timestamps) -> Timestamps:
    return timestamps * 1000
