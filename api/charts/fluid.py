"""Charts in pages, as SVG that fits any width without a script.

The page draws the paths into a box of `WIDTH` units that stretches to the width of the page, and the labels at
percentages of that width. Colors come from the style sheet, by the names of the paths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from api.charts import ticks
from api.charts.frames import Frame, path, value_range
from api.charts.histories import Excerpt
from api.charts.stored import unjudged
from shared.domain.series import WEEK_S, Flags, Timestamps, Values
from shared.domain.watching.stored import StoredPoints

WIDTH = 1000
VALUE_HEIGHT, SCORE_TOP, HEIGHT = 250, 272, 330  # pixels: of the values, above the scores, and of both
MAX_SCORE = 12.0  # at the top of the track of scores; higher ones are cut off there
MAX_Y_TICKS, MAX_X_TICKS = 5, 7
LONGEST_STEP = 10  # usual steps; a line breaks where points are further apart

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of the chart with a label."""

    left: float  # percent of the width
    top: float  # pixels
    label: str


@dataclass(frozen=True, slots=True)
class FluidChart:
    """A chart of values above a track of scores, on one time axis."""

    span: Span
    paths: dict[str, str]  # by the name of their style, in the order of drawing
    region: tuple[float, float] | None  # left edge and width of the shaded time, in units
    marked: list[tuple[str, float, float]]  # style, left edge and width of each span that people marked
    boundary: float  # pixels from the top to a score of 1
    y_ticks: list[tuple[float, str]]  # pixels from the top
    x_ticks: list[tuple[float, str]]  # percent of the width
    peak: Mark | None


def chart(
    excerpt: Excerpt,
    week_before: StoredPoints,
    span: Span,
    region: Span | None,
    marked: Sequence[tuple[str, Span]] = (),
) -> FluidChart:
    """Return the chart of stored points in `span`, in seconds.

    week_before: points with timestamps a week earlier. region: the time to shade; the highest score in it is marked.
    marked: style and time of spans that people marked and that overlap `span`.
    """
    limits = value_range(np.concatenate((excerpt.values, week_before.values)), (excerpt.lower, excerpt.upper))
    frame = Frame(0, WIDTH, 4, VALUE_HEIGHT, *span, *limits)
    score_limit = float(np.nanmax(excerpt.score, initial=1.5).clip(max=MAX_SCORE))
    track = Frame(0, WIDTH, SCORE_TOP, HEIGHT, *span, 0.0, score_limit)
    joined = _joined(excerpt.timestamps, excerpt.values)
    unknown, anomalous = unjudged(excerpt), excerpt.score > 1
    without_verdict = joined & unknown[1:]
    fired = joined & anomalous[:-1] & anomalous[1:]
    before = week_before.timestamps + WEEK_S
    return FluidChart(
        span=span,
        paths={
            "band": _band(frame, excerpt),
            "before": path(frame, before, week_before.values, _joined(before, week_before.values)),
            "expected": path(
                frame, excerpt.timestamps, excerpt.expected, _joined(excerpt.timestamps, excerpt.expected)
            ),
            "value": path(frame, excerpt.timestamps, excerpt.values, joined & ~without_verdict)
            + _dots(frame, excerpt, _alone(joined) & ~np.isnan(excerpt.values) & ~unknown),
            "unjudged": path(frame, excerpt.timestamps, excerpt.values, without_verdict)
            + _dots(frame, excerpt, _alone(joined) & unknown),
            "fired": path(frame, excerpt.timestamps, excerpt.values, fired)
            + _dots(frame, excerpt, anomalous & _alone(fired)),
            "score": _area(track, excerpt.timestamps, excerpt.score, ~np.isnan(excerpt.score)),
            "score fired": _area(track, excerpt.timestamps, excerpt.score, anomalous),
        },
        region=None if region is None else _region(frame, region),
        marked=[(style, *_region(frame, moments)) for style, moments in marked],
        boundary=float(track.y(np.array(1.0))),
        y_ticks=[(float(frame.y(np.array(value))), label) for value, label in ticks.numbers(*limits, MAX_Y_TICKS)],
        x_ticks=[(_percent(frame, moment), label) for moment, label in ticks.times(*span, MAX_X_TICKS)],
        peak=None if region is None else _peak(frame, excerpt, region),
    )


def _joined(timestamps: Timestamps, values: Values) -> Flags:
    """Flag the lines (n - 1,) between neighbors that both have a value, and no silence between them."""
    if len(timestamps) < 2:
        return np.zeros(0, dtype=np.bool_)
    steps = np.diff(timestamps)
    known = ~np.isnan(values)
    flags: Flags = known[:-1] & known[1:] & (steps <= LONGEST_STEP * np.median(steps))
    return flags


def _alone(joined: Flags) -> Flags:
    """Flag the points (n,) that no line (n - 1,) touches."""
    flags: Flags = ~(np.concatenate((joined, [False])) | np.concatenate(([False], joined)))
    return flags


def _dots(frame: Frame, excerpt: Excerpt, flags: Flags) -> str:
    """Return points without a line as lines of no length, which round caps make visible."""
    flags = flags[: len(excerpt.timestamps)]
    x, y = frame.x(excerpt.timestamps[flags]).tolist(), frame.y(excerpt.values[flags]).tolist()
    return "".join(f"M{place} {height}h0" for place, height in zip(x, y, strict=True))


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """Return the first index of each run of flagged points, and the index after it."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8))).tolist()
    return list(pairwise(edges))[::2]


def _band(frame: Frame, excerpt: Excerpt) -> str:
    """Return the band as areas. An open side extends to the edge of the frame."""
    lower, upper = excerpt.lower, excerpt.upper
    areas = []
    for start, end in _runs(~(np.isnan(lower) & np.isnan(upper))):
        times = excerpt.timestamps[start:end]
        top, bottom = np.nan_to_num(upper[start:end], nan=frame.high), np.nan_to_num(lower[start:end], nan=frame.low)
        areas.append(f"{path(frame, times, top)}L{path(frame, times[::-1], bottom[::-1])[1:]}Z")
    return "".join(areas)


def _area(frame: Frame, timestamps: Timestamps, values: Values, flags: Flags) -> str:
    """Return the areas between flagged values and the bottom of the frame."""
    areas = []
    for start, end in _runs(flags):
        left, right = frame.x(timestamps[[start, end - 1]]).tolist()
        line = path(frame, timestamps[start:end], values[start:end])[1:]
        areas.append(f"M{left} {frame.bottom}L{line}L{right} {frame.bottom}Z")
    return "".join(areas)


def _region(frame: Frame, region: Span) -> tuple[float, float]:
    left, right = frame.x(np.array(region).clip(frame.first, frame.last)).tolist()
    return left, max(round(right - left, 1), 2.0)


def _percent(frame: Frame, moment: int) -> float:
    return round(float(frame.x(np.array(moment))) / WIDTH * 100, 2)


def _peak(frame: Frame, excerpt: Excerpt, region: Span) -> Mark | None:
    inside = np.flatnonzero((excerpt.timestamps >= region[0]) & (excerpt.timestamps <= region[1]) & (excerpt.score > 1))
    if len(inside) == 0:
        return None
    place = inside[excerpt.score[inside].argmax()]
    value = float(excerpt.values[place])
    return Mark(_percent(frame, int(excerpt.timestamps[place])), float(frame.y(np.array(value))), f"{value:,.4g}")
