"""Interactive charts: pure functions from data to a Plotly figure."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from api.charts.histories import Excerpt
from api.schemas.answers import nullable
from shared.domain.series import Timestamps, Values

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Arrays of Python numbers: Plotly would validate each item of a list, and pack an array of floats into bytes, which the
# page's scripts would have to unpack.
Column = NDArray[np.object_]

MAX_BAND_POINTS = 1_000
MAX_POINTS_WITH_MARKERS = 200  # points; longer charts have no dots
TIME = "%{x|%Y-%m-%d %H:%M:%S} UTC"
NUMBER = ",.6~g"  # as in `api.charts.ticks`, like the following
TICK_FORMATS = [
    {"dtickrange": [None, 60_000], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, 86_400_000], "value": "%H:%M\n%-d %b %Y"},
    {"dtickrange": [86_400_000, "M1"], "value": "%-d %b\n%Y"},
    {"dtickrange": ["M1", "M12"], "value": "%b %Y"},
    {"dtickrange": ["M12", None], "value": "%Y"},
]
MAX_SCORE = 6.0  # at the top of the track of scores; higher scores reach beyond it

Span = tuple[int, int]


def training_json(excerpt: Excerpt, span: Span) -> str:
    """Return the figure of a version's training data as JSON. Takes 50 ms of Python."""
    document: str = training(excerpt, span).to_json()
    return document


def training(excerpt: Excerpt, span: Span) -> "Figure":
    """Return the figure of a version's training data: values, normal band, expected values, anomalies and scores.

    It opens with the span, in seconds. The page's scripts find the traces by name. They color them by theme, load finer
    points on zoom, and fill the traces "a week before", "score" and "tried".
    """
    from plotly import graph_objects as go  # noqa: PLC0415 - slow to import: only charts pay for it

    traces = [*_band(excerpt), _week_before(), _line(excerpt), _anomalies(excerpt), _tried_points(), _score()]
    figure = go.Figure([go.Scatter(trace) for trace in traces])
    boundary = {
        "type": "line",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"width": 1, "dash": "dash"},
    }
    ends = _milliseconds(excerpt.timestamps[[0, -1]])
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        margin={"l": 64, "r": 16, "t": 8, "b": 40},
        legend={"orientation": "h", "traceorder": "normal", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
        hoverdistance=100,
        dragmode="select",
        selectdirection="h",
        xaxis={
            "type": "date",
            "range": [1000 * moment for moment in span],
            "anchor": "y2",
            "rangeslider": {"visible": True, "thickness": 0.1},
            "showgrid": False,
            "tickformatstops": TICK_FORMATS,
        },
        yaxis={"zeroline": False, "domain": [0.24, 1], "tickformat": NUMBER},
        yaxis2={
            "zeroline": False,
            "domain": [0, 0.17],
            "range": [0, _score_limit(excerpt)],
            "fixedrange": True,
            "nticks": 3,
            "title": {"text": "score", "font": {"size": 11}},
        },
        shapes=[
            *({**boundary, "x0": end, "x1": end} for end in ends),
            {**boundary, "xref": "paper", "x0": 0, "x1": 1, "yref": "y2", "y0": 1, "y1": 1, "name": "threshold"},
        ],
        annotations=[
            {
                "x": ends[1],
                "y": 1,
                "yref": "paper",
                "xanchor": "right",
                "yanchor": "top",
                "text": "end of training data",
                "showarrow": False,
                "font": {"size": 11},
            }
        ],
    )
    return figure


def band_indices(excerpt: Excerpt) -> NDArray[np.intp]:
    """Return the indices (m,) of the points that outline the band, at most `MAX_BAND_POINTS`.

    Points inside a constant part of the band are omitted.
    """
    indices = np.flatnonzero(~np.isnan(excerpt.score))
    if len(indices) > 2:
        columns = np.nan_to_num(np.stack([excerpt.expected, excerpt.lower, excerpt.upper])[:, indices])
        constant = (np.diff(columns) == 0).all(axis=0)
        indices = indices[~np.concatenate(([False], constant[:-1] & constant[1:], [False]))]
    return indices[np.unique(np.linspace(0, len(indices) - 1, min(len(indices), MAX_BAND_POINTS)).astype(np.intp))]


def band_edges(excerpt: Excerpt, indices: NDArray[np.intp]) -> tuple[Values, Values] | None:
    """Return the lower and upper edges (m,) of the band at these points; None for a detector without a band.

    An open side extends to the extreme value, so that the shading covers all normal values.
    """
    lower, upper = excerpt.lower[indices], excerpt.upper[indices]
    if np.isnan(lower).all() and np.isnan(upper).all():
        return None
    return np.where(np.isnan(lower), excerpt.values.min(), lower), np.where(
        np.isnan(upper), excerpt.values.max(), upper
    )


def _band(excerpt: Excerpt) -> list[dict[str, Any]]:
    indices = band_indices(excerpt)
    x = _milliseconds(excerpt.timestamps[indices])
    without_hover = {"x": x, "mode": "lines", "hoverinfo": "skip"}
    traces: list[dict[str, Any]] = []
    if edges := band_edges(excerpt, indices):
        lower, upper = (
            {
                **without_hover,
                "y": edge.astype(object),
                "line": {"width": 0},
                "meta": {"is_open": bool(np.isnan(column).all())},
            }
            for edge, column in zip(edges, (excerpt.lower, excerpt.upper), strict=True)
        )
        traces.append({**lower, "name": "lower edge", "showlegend": False})
        traces.append({**upper, "name": "normal band", "fill": "tonexty"})
    expected = excerpt.expected[indices]
    if not np.isnan(expected).all():
        line = {"width": 1, "dash": "dot"}
        traces.append(
            {**without_hover, "y": np.array(nullable(expected), dtype=object), "name": "expected", "line": line}
        )
    return traces


def _week_before() -> dict[str, Any]:
    """Return the empty trace for the values a week earlier, which the scripts draw from those of the line."""
    return {"x": [], "y": [], "mode": "lines", "name": "a week before", "line": {"width": 1}, "hoverinfo": "skip"}


def _score() -> dict[str, Any]:
    """Return the empty trace for the scores, which the scripts draw from those of the line."""
    return {
        "x": [],
        "y": [],
        "yaxis": "y2",
        "mode": "lines",
        "name": "score",
        "showlegend": False,
        "fill": "tozeroy",
        "line": {"width": 1},
        "hovertemplate": f"score %{{y:.3g}}<br>{TIME}<extra></extra>",
    }


def _score_limit(excerpt: Excerpt) -> float:
    """Return the top of the track of scores: room for the highest one, but at least for the threshold."""
    return min(max(1.1 * float(np.nanmax(excerpt.score, initial=0)), 1.5), MAX_SCORE)


def _line(excerpt: Excerpt) -> dict[str, Any]:
    return {
        "x": _milliseconds(excerpt.timestamps),
        "y": excerpt.values.astype(object),
        "customdata": _with_scores(excerpt, np.arange(len(excerpt.timestamps))),
        "mode": "lines+markers" if len(excerpt.timestamps) <= MAX_POINTS_WITH_MARKERS else "lines",
        "name": "value",
        "line": {"width": 1.5},
        "marker": {"size": 4},
        "unselected": {"marker": {"opacity": 1}},
        "hovertemplate": f"%{{y}}<br>{TIME}<br>%{{customdata[0]:d}}<extra></extra>",
    }


def _anomalies(excerpt: Excerpt) -> dict[str, Any]:
    anomalous = np.flatnonzero(excerpt.score > 1)
    return {
        "x": _milliseconds(excerpt.timestamps[anomalous]),
        "y": excerpt.values[anomalous].astype(object),
        "customdata": _with_scores(excerpt, anomalous),
        "mode": "markers",
        "name": "anomaly",
        "marker": {"symbol": "diamond", "size": 9, "line": {"width": 1}},
        "unselected": {"marker": {"opacity": 1}},
        "hovertemplate": f"%{{y}}<br>score %{{customdata[1]:.3g}}<br>{TIME}<br>%{{customdata[0]:d}}<extra></extra>",
    }


def _tried_points() -> dict[str, Any]:
    """Return the empty trace for the points that the user tries out."""
    return {
        "x": [],
        "y": [],
        "customdata": [],
        "mode": "markers",
        "name": "tried",
        "showlegend": False,
        "marker": {"size": 11, "line": {"width": 2}},
        "unselected": {"marker": {"opacity": 1}},
        "hovertemplate": f"%{{y}}, tried<br>%{{customdata[1]}}<br>{TIME}<br>%{{customdata[0]:d}}<extra></extra>",
    }


def _with_scores(excerpt: Excerpt, indices: NDArray[np.intp]) -> Column:
    """Return the time in seconds and the score (m, 2) of these points; the score is None where none is stored."""
    scores = np.array(nullable(excerpt.score[indices]), dtype=object)
    return np.column_stack((excerpt.timestamps[indices].astype(object), scores))


def _milliseconds(timestamps: Timestamps) -> Column:
    return (timestamps * 1000).astype(object)
