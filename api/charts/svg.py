"""Static charts as SVG text, for chats, emails and wikis, drawn without a browser."""

from datetime import UTC, datetime

import numpy as np

from api.charts import ticks
from api.charts.figures import band_edges, band_indices
from api.charts.frames import Frame, path, value_range
from api.charts.histories import Excerpt
from api.pages import templates, writing
from shared.domain.series import Timestamps, Values
from shared.domain.versions import Version

THEMES = {
    "light": {
        "paper": "#ffffff",
        "ink": "#1c2733",
        "faint": "#5d6b7a",
        "rule": "#e6ebf0",
        "line": "#2f6f9f",
        "band": "#dfe9f1",
        "anomaly": "#c4432b",
    },
    "dark": {
        "paper": "#12181f",
        "ink": "#e6edf3",
        "faint": "#9aa7b4",
        "rule": "#25303b",
        "line": "#6db3e8",
        "band": "#1e3446",
        "anomaly": "#ff8a66",
    },
}
DIAMOND = "m0-5l5 5l-5 5l-5-5z"
CHARACTER_WIDTH = 7.2  # approximate width of a character, in pixels


def training(version: Version, excerpt: Excerpt, width: int, height: int, theme: str) -> str:
    """Return the chart of a version's training data as an SVG document of `width` by `height` pixels."""
    indices = band_indices(excerpt)
    edges = band_edges(excerpt, indices)
    low, high = value_range(excerpt.values, edges)
    y_ticks = ticks.numbers(low, high, max((height - 84) // 36, 1))
    frame = _frame(excerpt, width, height, (low, high), [label for _, label in y_ticks])
    line_length = max(int((frame.right - frame.left) / CHARACTER_WIDTH), 1)  # characters between left and right
    x_ticks = ticks.times(frame.first, frame.last, line_length // 12 + 1)
    title = f"{version.series_id} · version {version.version} · {version.detector}"
    summary = _summary(version)
    anomalous = excerpt.score > 1
    return templates.get_template("plot.svg").render(
        width=width,
        height=height,
        colors=THEMES[theme],
        frame=frame,
        title=title,
        summary=summary,
        shown_title=_shortened(title, line_length * 6 // 7),
        shown_summary=_shortened(summary, line_length * 8 // 7),
        y_ticks=[(frame.y(np.array(value)), label) for value, label in y_ticks],
        x_ticks=[(frame.x(np.array(moment)), label) for moment, label in x_ticks],
        line=path(frame, excerpt.timestamps, excerpt.values),
        band=_area(frame, excerpt.timestamps[indices], edges),
        expected=_expected(frame, excerpt.timestamps[indices], excerpt.expected[indices]),
        marks="".join(
            f"M{x} {y}{DIAMOND}"
            for x, y in zip(frame.x(excerpt.timestamps[anomalous]), frame.y(excerpt.values[anomalous]), strict=True)
        ),
    )


def _frame(excerpt: Excerpt, width: int, height: int, limits: tuple[float, float], y_labels: list[str]) -> Frame:
    """Return the plot area, with margins for the title and the labels."""
    margin = 14 + CHARACTER_WIDTH * max(len(label) for label in y_labels)
    return Frame(
        left=round(min(margin, width / 3)),
        right=width - 26,
        top=48,
        bottom=height - 28,
        first=int(excerpt.timestamps[0]),
        last=int(excerpt.timestamps[-1]),
        low=limits[0],
        high=limits[1],
    )


def _area(frame: Frame, timestamps: Timestamps, edges: tuple[Values, Values] | None) -> str:
    if edges is None:
        return ""
    lower, upper = edges
    return f"{path(frame, timestamps, upper)}L{path(frame, timestamps[::-1], lower[::-1])[1:]}Z"


def _expected(frame: Frame, timestamps: Timestamps, expected: Values) -> str:
    """Return the expected values as a path; a detector may have none for some points."""
    known = ~np.isnan(expected)
    return path(frame, timestamps[known], expected[known]) if known.any() else ""


def _summary(version: Version) -> str:
    first, last = (
        f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"
        for moment in (version.first_timestamp, version.last_timestamp)
    )
    share = writing.share(version.anomaly_share)
    return f"{version.points:,} points, {share} anomalous, {first} to {last} UTC"


def _shortened(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[: max(max_length - 1, 0)]}…"
