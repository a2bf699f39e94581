"""Small charts in rows of tables: the outline of a span of stored points, as paths in a box of `WIDTH` units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from api.charts.fluid import MAX_SCORE, WIDTH
from api.charts.frames import value_range
from shared.store.outlines import Slice

HEIGHT = 30
GAP = 3  # usual distances between slices with points; a line breaks at longer ones


@dataclass(frozen=True, slots=True)
class Spark:
    """A small chart: paths by the name of their style, and the shaded time in units."""

    paths: dict[str, str]
    region: tuple[float, float] | None


def spark(
    slices: Sequence[Slice],
    week_before: Sequence[Slice],
    number: int,
    region: tuple[float, float] | None,
) -> Spark:
    """Return the spark of an outline of `number` slices. region: shares of its time to shade, from 0 to 1."""
    values = np.array([edge for part in (*slices, *week_before) for edge in (part.low, part.high)])
    low, high = value_range(values, None)
    usual = max(_usual_distance(slices), _usual_distance(week_before))
    shown = {
        name: _line(parts, number, low, high, GAP * usual)
        for name, parts in (
            ("before", week_before),
            ("value", [part for part in slices if part.score is not None]),
            ("unjudged", [part for part in slices if part.score is None]),
            ("fired", [part for part in slices if (part.score or 0) > 1]),
        )
    }
    if region is None:
        return Spark(shown, None)
    left, right = (round(WIDTH * min(max(share, 0.0), 1.0), 1) for share in region)
    return Spark(shown, (left, max(right - left, 6.0)))


def score_track(slices: Sequence[Slice], number: int) -> Spark:
    """Return the scores of an outline, with those above 1 apart."""
    bars: dict[bool, list[str]] = {False: [], True: []}
    width = WIDTH / number
    for part in slices:
        if part.score is not None:
            top = round(HEIGHT * (1 - min(part.score, MAX_SCORE) / MAX_SCORE), 1)
            left, right = round(part.place * width, 1), round((part.place + 1) * width, 1)
            bars[part.score > 1].append(f"M{left} {HEIGHT}V{top}H{right}V{HEIGHT}Z")
    return Spark({"score": "".join(bars[False]), "score fired": "".join(bars[True])}, None)


def _usual_distance(slices: Sequence[Slice]) -> float:
    """Return the usual number of slices from one with points to the next: more than 1 if points are rare."""
    return float(np.median(np.diff([part.place for part in slices]))) if len(slices) > 1 else 1.0


def _line(slices: Sequence[Slice], number: int, low: float, high: float, longest: float) -> str:
    """Return a line through the smallest and the largest value of each slice, which breaks at distances > `longest`."""
    path = ""
    for index, part in enumerate(slices):
        x = round((part.place + 0.5) / number * WIDTH, 1)
        is_new = index == 0 or part.place - slices[index - 1].place > longest
        heights = [_height(part.low, low, high), _height(part.high, low, high)][:: 1 if index % 2 else -1]
        path += f"{'M' if is_new else 'L'}{x} {heights[0]}" + (f"V{heights[1]}" if heights[0] != heights[1] else "")
        if is_new and heights[0] == heights[1]:
            path += "h0"  # a point alone, which a round cap makes visible
    return path


def _height(value: float, low: float, high: float) -> float:
    # halved first, because the difference may overflow
    return round(2 + (HEIGHT - 4) * (1 - (value / 2 - low / 2) / (high / 2 - low / 2)), 1)
