"""Training scores come from states that have not seen the points."""

from typing import Any

import numpy as np
import pytest

from shared.domain import held_out
from shared.domain.detectors import learn, learn_and_judge, named
from shared.domain.detectors.contract import Scores
from shared.domain.series import Series, Values
from shared.domain.training_scores import judged
from tests.shared.domain.contract import AnyDetector, each

POINTS = 1_200
TIMES = 1_700_000_000 + 3_600 * np.arange(POINTS)


def load() -> Values:
    """A load with a daily pattern, which doubles for a day."""
    values = 100 + 20 * np.sin(2 * np.pi * np.arange(POINTS) / 24) + np.random.default_rng(0).normal(0, 3, POINTS)
    values[600:624] *= 2
    return values


def training_scores(detector: AnyDetector, series: Series, parameters: dict[str, Any]) -> Scores:
    fitted, learned_from, scores = learn_and_judge(detector, series, parameters, lambda _share: None)
    if scores is None:
        scores = held_out.by_folds(fitted, learned_from, parameters, lambda: None)
    return held_out.with_excluded(scores, learned_from, fitted, series, lambda: None)


@each()
def test_an_incident_in_the_history_is_marked(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    scores = training_scores(detector, Series(TIMES, load()), {"alarm_rate": "1 in 1000"})
    assert (scores.score[600:624] > 1).any()
    assert len(scores.score) == POINTS


@each()
def test_excluded_points_are_judged_by_the_state_and_the_others_held_out(
    detector: AnyDetector, parameters: dict[str, Any]
) -> None:
    excluded = {"alarm_rate": "1 in 1000", "exclude": [[int(TIMES[590]), int(TIMES[640])]]}
    scores = training_scores(detector, Series(TIMES, load()), excluded)
    assert len(scores.score) == POINTS
    assert (scores.score[600:624] > 1).any()
    assert (scores.score[:590] > 1).mean() < 0.05


def test_a_fold_is_judged_by_a_state_fitted_to_the_others() -> None:
    values = np.random.default_rng(1).normal(size=90)
    series = Series(TIMES[:90], values)
    robust = named("robust")
    scores = held_out.by_folds(learn(robust, series, {}, lambda _share: None), series, {}, lambda: None)
    others = Series(np.delete(series.timestamps, slice(30, 60)), np.delete(values, slice(30, 60)))
    expected = learn(robust, others, {}, lambda _share: None).score(values[30:60], TIMES[30:60], np.empty(0))
    np.testing.assert_array_equal(scores.score[30:60], expected.score)


@pytest.mark.parametrize("values", [[0.0] * 20 + [1.0] * 10, [5.0, 6.0]])
def test_the_state_itself_judges_a_fold_if_the_others_are_not_enough(values: list[float]) -> None:
    series = Series(TIMES[: len(values)], np.array(values))
    fitted = learn(named("baseline"), series, {}, lambda _share: None)
    scores = held_out.by_folds(fitted, series, {}, lambda: None)
    assert len(scores.score) == len(values)
    np.testing.assert_array_equal(scores.score[-1:], judged(fitted, series, lambda: None).score[-1:])


def test_a_promise_that_the_newest_third_broke_is_withdrawn() -> None:
    values = np.random.default_rng(2).normal(size=900) + np.where(np.arange(900) < 600, 0.0, 4.0)
    series = Series(TIMES[:900], values)
    for detector, kept in ((named("robust"), False), (named("auto"), True)):
        scores = training_scores(detector, series, {"alarm_rate": "1 in 1000"}).score
        sentence = held_out.checked_promise("One false alarm in 1,000 points.", 0.001, scores)
        assert (sentence == "One false alarm in 1,000 points.") == kept
        assert kept or sentence.startswith("Not promised: of the newest 300 training points, ")


def test_a_single_spike_does_not_withdraw_a_promise() -> None:
    score = np.zeros(90)
    score[80] = 5.0
    assert (
        held_out.checked_promise("One false alarm in 1,000 points.", 0.001, score) == "One false alarm in 1,000 points."
    )
