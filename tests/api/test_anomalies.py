"""Runs of flagged points, as people count them."""

import numpy as np
import pytest

from api.charts.anomalies import GAP, MAX_LISTED, anomalies, count
from api.charts.histories import History
from shared.domain.series import Series
from shared.domain.training_scores import TrainingScores


def history(score: list[float], *, band: bool = True) -> History:
    """A history of one point a minute whose values are its scores, in a band from 0 to 1."""
    column = np.array(score)
    points = len(column)
    series = Series(60 * np.arange(points), column)
    bounds = (np.zeros(points, np.float32), np.ones(points, np.float32)) if band else (None, None)
    scores = np.abs(column).astype(np.float32)
    return History(series, TrainingScores(np.arange(points, dtype=np.int32), scores, None, *bounds))


def test_no_flagged_point_is_no_anomaly() -> None:
    calm = history([0.5] * 10)
    assert (anomalies(calm), count(calm)) == ([], 0)


def test_flagged_points_close_together_are_one_anomaly() -> None:
    score = [0.0] * 30
    score[3], score[3 + GAP], score[3 + 2 * GAP + 1] = 2.0, 5.0, -3.0
    first, second = anomalies(history(score))
    assert (first.first, first.last, first.peak) == (180, 60 * (3 + GAP), 60 * (3 + GAP))
    assert (first.value, first.score, first.direction, first.duration_s) == (5.0, 5.0, "high", 60 * GAP)
    assert (second.first, second.last, second.direction, second.duration_s) == (720, 720, "low", 0)


def test_an_anomaly_without_a_band_has_no_direction() -> None:
    (anomaly,) = anomalies(history([0, 0, 7, 0], band=False))
    assert anomaly.direction == ""


def test_of_too_many_anomalies_those_with_the_highest_scores_are_listed_in_order() -> None:
    places = (GAP + 1) * np.arange(MAX_LISTED + 50)
    score = np.zeros(places[-1] + 1)
    score[places] = np.random.default_rng(7).permutation(len(places)) + 2.0
    many = history(score.tolist())
    listed = anomalies(many)
    assert (len(listed), count(many)) == (MAX_LISTED, MAX_LISTED + 50)
    assert min(anomaly.score for anomaly in listed) == 52
    assert [anomaly.first for anomaly in listed] == sorted(anomaly.first for anomaly in listed)


@pytest.mark.parametrize("place", [0, 9])
def test_anomalies_at_the_ends_are_found(place: int) -> None:
    score = [0.0] * 10
    score[place] = 3.0
    assert [anomaly.peak for anomaly in anomalies(history(score))] == [60 * place]
