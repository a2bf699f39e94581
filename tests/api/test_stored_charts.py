"""Charts of stored points, as pure functions."""

import re

import numpy as np
import pytest

from api.charts.fluid import HEIGHT, WIDTH, FluidChart, chart
from api.charts.stored import excerpt, thinned
from shared.domain.watching.stored import StoredPoints

NAN = float("nan")
WEEK = 7 * 86_400


def stored(values: list[float], scores: list[float] | None = None, step: int = 60) -> StoredPoints:
    """Points a minute apart, with a band from 1 to 3 where they have a score."""
    column = np.array(values, dtype=np.float64)
    score = np.full(len(values), 0.5) if scores is None else np.array(scores, dtype=np.float64)
    band = {name: np.where(np.isnan(score), NAN, edge) for name, edge in (("expected", 2), ("lower", 1), ("upper", 3))}
    times = np.arange(len(values)) * step + WEEK
    return StoredPoints(times, column, score, boundaries=score * 0 + 1, versions=(1,) * len(values), **band)


def drawn(
    points: StoredPoints, before: StoredPoints | None = None, region: tuple[int, int] | None = None
) -> FluidChart:
    return chart(excerpt(points, 400), before or stored([]), (WEEK, WEEK + 60 * 9), region)


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"[-0-9.]+", path.replace("h0", ""))]


def test_a_chart_draws_what_deviates_and_what_was_not_judged_apart_from_the_rest() -> None:
    values = [2.0, 2.0, 9.0, 9.0, 2.0, NAN, 2.0, 2.0, 2.0, 2.0]
    scores = [0.1, 0.1, 4.0, 5.0, 0.1, NAN, NAN, NAN, 0.1, 0.1]
    shown = drawn(stored(values, scores), region=(WEEK + 120, WEEK + 180))
    assert shown.paths["fired"].count("M") == 1
    assert numbers(shown.paths["fired"])[::2] == pytest.approx([222.2, 333.3], abs=0.1)
    assert numbers(shown.paths["unjudged"])[::2] == pytest.approx([666.7, 777.8], abs=0.1)
    assert shown.paths["value"].count("M") == 2, "the line breaks at the known gap"
    assert shown.region == pytest.approx((222.2, 111.1), abs=0.2)
    assert shown.peak
    assert shown.peak.label == "9"
    assert shown.peak.left == pytest.approx(33.3, abs=0.1)
    assert shown.paths["score"].count("Z") == 2
    assert drawn(stored(values, scores)).peak is None


def test_a_chart_has_the_week_before_on_the_same_axis_and_breaks_at_a_silence() -> None:
    before = stored([2.0] * 10)
    before = StoredPoints(before.timestamps - WEEK, *(getattr(before, name) for name in StoredPoints.__slots__[1:]))
    points = stored([2.0] * 10)
    points.timestamps[5:] += 60 * 60
    shown = drawn(points, before)
    assert numbers(shown.paths["before"])[::2] == pytest.approx(np.linspace(0, WIDTH, 10), abs=0.1)
    assert shown.paths["value"].count("M") == 2


@pytest.mark.parametrize(
    ("values", "scores"),
    [
        ([], []),
        ([1.0], [9.0]),
        ([NAN], [NAN]),
        ([NAN] * 3, [NAN] * 3),
        ([1.0, 2.0], [NAN, NAN]),
        ([0.0, 1e308, -1e308], [0.1, 1e3, 1e300]),
        ([5e-324, 0.0], [0.1, 0.2]),
        ([1e12, 1e12 + 1e-3], [0.1, 2.0]),
    ],
)
def test_a_chart_of_any_points_is_finite_and_inside_its_box(values: list[float], scores: list[float]) -> None:
    shown = drawn(stored(values, scores), region=(WEEK, WEEK + 60))
    for name, path in shown.paths.items():
        assert not re.search("nan|inf", path), name
        assert all(0 <= number <= max(WIDTH, HEIGHT) for number in numbers(path)), name


def test_thinned_points_keep_extremes_the_highest_score_and_known_gaps() -> None:
    values = [float(place % 7) for place in range(5_000)]
    values[1_234], values[2_345], values[3_000:3_010] = 99.0, -99.0, [NAN] * 10
    scores = [0.1] * 5_000
    scores[4_321] = 7.0
    shown = thinned(stored(values, scores), 64)
    assert len(shown) <= 64
    assert {99.0, -99.0} <= set(shown.values.tolist())
    assert 7.0 in shown.scores
    assert np.isnan(shown.values).sum() == 1
    assert thinned(stored([1.0] * 16), 16).timestamps.tolist() == stored([1.0] * 16).timestamps.tolist()
