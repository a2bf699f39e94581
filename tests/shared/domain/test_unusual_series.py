"""Unusual but realistic series: how every detector handles them."""

from typing import Any

import numpy as np
import pytest

from shared.domain.detectors import learn, named
from shared.domain.detectors.contract import Fitted, Scores
from shared.domain.series import Series, Timestamps, Values
from shared.errors import Code, InputError
from tests.shared.domain.contract import AnyDetector, each

POINTS = 800
TIMES = 1_700_000_000 + 3_600 * np.arange(POINTS)


def daily(seed: int = 1) -> Values:
    """Return a month of values around 12 with a daily cycle."""
    noise = np.random.default_rng(seed).normal(size=POINTS)
    return 12 + 2 * np.sin(2 * np.pi * np.arange(POINTS) / 24) + 0.3 * noise


def fitted(detector: AnyDetector, values: Values, timestamps: Timestamps = TIMES) -> Fitted:
    return learn(detector, Series(timestamps, values), {}, lambda _share: None)


def next_value(model: Fitted, values: Values, value: float) -> Scores:
    """Score a value right after the series."""
    after = np.array([TIMES[-1] + 3_600])
    scores: Scores = model.detector.score(model.state, np.array([value]), after, values)
    return scores


@each()
def test_one_thousand_among_tens_does_not_widen_the_normal_range(
    detector: AnyDetector, parameters: dict[str, Any]
) -> None:
    values = daily()
    dirty = values.copy()
    dirty[300] = 1000.0
    clean, infected = (next_value(fitted(detector, known), values, 1000.0) for known in (values, dirty))
    assert infected.score[0] > 1
    if clean.lower is not None and clean.upper is not None:
        assert infected.lower is not None
        assert infected.upper is not None
        assert infected.upper[0] - infected.lower[0] < 1.5 * (clean.upper[0] - clean.lower[0])


@each()
def test_excluded_points_are_not_learned(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    values = daily()
    values[200:300] = 1e6
    window = [int(TIMES[200]), int(TIMES[299])]
    known = learn(detector, Series(TIMES, values), {"exclude": [window]}, lambda _share: None)
    assert next_value(known, values, 1e6).score[0] > 1


@each()
def test_a_third_value_is_an_anomaly_in_a_series_of_two(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    values = (np.arange(POINTS) % 2).astype(np.float64)
    known = fitted(detector, values)
    assert next_value(known, values, 0.0).score[0] <= 1
    assert next_value(known, values, 40.0).score[0] > 1


@each()
def test_huge_and_tiny_values_are_judged_like_any_other(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    for scale in (2.0**490, 2.0**-990):
        values = daily() * scale
        known = fitted(detector, values)
        assert next_value(known, values, 13.0 * scale).score[0] <= 1
        assert next_value(known, values, 300.0 * scale).score[0] > 1


@each()
def test_gaps_and_irregular_timestamps_are_supported(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    random = np.random.default_rng(5)
    uneven = 1_700_000_000 + np.cumsum(random.integers(1, 7_200, POINTS))
    gappy = TIMES + np.where(np.arange(POINTS) < POINTS // 2, 0, 40 * 86_400)
    for timestamps in (uneven, gappy):
        values = 12 + 2 * np.sin(2 * np.pi * timestamps / 86_400) + 0.3 * random.normal(size=POINTS)
        known = fitted(detector, values, timestamps)
        scores = detector.score(known.state, values, timestamps, np.empty(0)).score
        assert np.isfinite(scores).all()
        assert (scores[-POINTS // 2 :] > 1).mean() < 0.05


@each()
def test_the_shortest_series_separates_far_from_near_values(detector: AnyDetector, parameters: dict[str, Any]) -> None:
    values = daily()[: detector.min_points]
    known = fitted(detector, values, TIMES[: detector.min_points])
    far, near = (next_value(known, values, value).score[0] for value in (1e4, float(values[-1])))
    assert far > near


@pytest.mark.parametrize("cycle", ["week", "period"])
def test_a_cycle_that_does_not_occur_twice_is_rejected_with_the_required_length(cycle: str) -> None:
    values = np.random.default_rng(3).normal(size=100).cumsum()
    with pytest.raises(InputError) as caught:
        learn(named("seasonal"), Series(TIMES[:100], np.sort(values)), {"cycle": cycle}, lambda _share: None)
    assert caught.value.code is Code.TOO_FEW_POINTS
    assert "at least 2 " in caught.value.detail
