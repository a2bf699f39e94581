"""Charts: pure functions from data to a figure."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from api.charts.histories import Excerpt, nullable
from shared.domain.series import Timestamps, Values

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Numbers of Python: Plotly looks at each item of a list, and packs an array of floats into bytes, which the scripts of
# the page would have to unpack.
Column = NDArray[np.object_]

MOST_OF_BAND = 1_000
FEW = 200  # points that are told apart by dots
TIME = "%{x|%Y-%m-%d %H:%M:%S} UTC"


def training(excerpt: Excerpt) -> "Figure":
    """A version's training data: the line, the normal band, what was expected, and the points it calls anomalous.

    Traces are known by their names to the page's scripts, which colour them as the theme asks, give them finer points
    where the reader looks closer, and fill the last with points that are tried out.
    """
    from plotly import graph_objects as go  # noqa: PLC0415 - takes long to import: only who draws pays for it

    figure = go.Figure(
        [go.Scatter(trace) for trace in [*_band(excerpt), _line(excerpt), _anomalies(excerpt), _tried()]]
    )
    edges = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": {"width": 1, "dash": "dash"}}
    ends = _milliseconds(excerpt.timestamps[[0, -1]])
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        margin={"l": 56, "r": 16, "t": 8, "b": 32},
        legend={"orientation": "h", "traceorder": "normal", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
        hoverdistance=100,
        xaxis={"type": "date", "rangeslider": {"visible": True, "thickness": 0.1}, "showgrid": False},
        yaxis={"zeroline": False, "automargin": True},
        shapes=[{**edges, "x0": end, "x1": end} for end in ends],
        annotations=[
            {
                "x": ends[1],
                "y": 1,
                "yref": "paper",
                "xanchor": "right",
                "yanchor": "top",
                "text": "end of the training data",
                "showarrow": False,
                "font": {"size": 11},
            }
        ],
    )
    return figure


def band_places(excerpt: Excerpt) -> NDArray[np.intp]:
    """Where (m,) the band has to be drawn: not between points where it stays the same; at most `MOST_OF_BAND`."""
    told = np.flatnonzero(~np.isnan(excerpt.score))
    if len(told) > 2:
        columns = np.nan_to_num(np.stack([excerpt.expected, excerpt.lower, excerpt.upper])[:, told])
        steady = (np.diff(columns) == 0).all(axis=0)
        told = told[~np.concatenate(([False], steady[:-1] & steady[1:], [False]))]
    return told[np.unique(np.linspace(0, len(told) - 1, min(len(told), MOST_OF_BAND)).astype(np.intp))]


def band_edges(excerpt: Excerpt, places: NDArray[np.intp]) -> tuple[Values, Values] | None:
    """Lower and upper edge (m,) there. An open side reaches to the farthest value, so that the shading shows normal."""
    lower, upper = excerpt.lower[places], excerpt.upper[places]
    if np.isnan(lower).all() and np.isnan(upper).all():
        return None
    return np.where(np.isnan(lower), excerpt.values.min(), lower), np.where(
        np.isnan(upper), excerpt.values.max(), upper
    )


def _band(excerpt: Excerpt) -> list[dict[str, Any]]:
    places = band_places(excerpt)
    x = _milliseconds(excerpt.timestamps[places])
    quiet = {"x": x, "mode": "lines", "hoverinfo": "skip"}
    traces: list[dict[str, Any]] = []
    if edges := band_edges(excerpt, places):
        lower, upper = (
            {**quiet, "y": edge.astype(object), "line": {"width": 0}, "meta": {"is_open": bool(np.isnan(column).all())}}
            for edge, column in zip(edges, (excerpt.lower, excerpt.upper), strict=True)
        )
        traces.append({**lower, "name": "lower edge", "showlegend": False})
        traces.append({**upper, "name": "normal band", "fill": "tonexty"})
    expected = excerpt.expected[places]
    if not np.isnan(expected).any():
        traces.append({**quiet, "y": expected.astype(object), "name": "expected", "line": {"width": 1, "dash": "dot"}})
    return traces


def _line(excerpt: Excerpt) -> dict[str, Any]:
    return {
        "x": _milliseconds(excerpt.timestamps),
        "y": excerpt.values.astype(object),
        "customdata": _with_scores(excerpt, np.arange(len(excerpt.timestamps))),
        "mode": "lines+markers" if len(excerpt.timestamps) <= FEW else "lines",
        "name": "value",
        "line": {"width": 1.5},
        "marker": {"size": 4},
        "hovertemplate": f"%{{y}}<br>{TIME}<br>%{{customdata[0]:d}}<extra></extra>",
    }


def _anomalies(excerpt: Excerpt) -> dict[str, Any]:
    above = np.flatnonzero(excerpt.score > 1)
    return {
        "x": _milliseconds(excerpt.timestamps[above]),
        "y": excerpt.values[above].astype(object),
        "customdata": _with_scores(excerpt, above),
        "mode": "markers",
        "name": "anomaly",
        "marker": {"symbol": "diamond", "size": 9, "line": {"width": 1}},
        "hovertemplate": f"%{{y}}<br>score %{{customdata[1]:.3g}}<br>{TIME}<br>%{{customdata[0]:d}}<extra></extra>",
    }


def _tried() -> dict[str, Any]:
    """Points that the reader tries out: none yet."""
    return {
        "x": [],
        "y": [],
        "customdata": [],
        "mode": "markers",
        "name": "tried",
        "showlegend": False,
        "marker": {"size": 11, "line": {"width": 2}},
        "hovertemplate": f"%{{y}}, tried<br>%{{customdata[1]}}<br>{TIME}<br>%{{customdata[0]:d}}<extra></extra>",
    }


def _with_scores(excerpt: Excerpt, places: NDArray[np.intp]) -> Column:
    """For each point its time in seconds and its score, None where none is stored."""
    scores = np.array(nullable(excerpt.score[places]), dtype=object)
    return np.column_stack((excerpt.timestamps[places].astype(object), scores))


def _milliseconds(timestamps: Timestamps) -> Column:
    return (timestamps * 1000).astype(object)
