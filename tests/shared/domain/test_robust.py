import numpy as np
import pytest

from shared.domain.detectors import named
from shared.domain.detectors.parameters import complete
from shared.domain.detectors.robust import Robust
from shared.domain.series import Series, Values

ROBUST = named("robust")


def learn(values: Values) -> Robust:
    state: Robust = ROBUST.fit(
        Series(np.arange(len(values)), values), complete(ROBUST.parameters, {}), lambda _share: None
    )
    return state


def test_one_thousand_among_tens_does_not_widen_the_band() -> None:
    tens = 10 + np.random.default_rng(1).normal(size=500)
    dirty = np.append(tens, 1000.0)
    clean, infected = (learn(values) for values in (tens, dirty))
    assert max(infected.band) < 1.1 * max(clean.band)
    assert ROBUST.score(infected, np.array([1000.0, 10.0]), np.arange(2), np.empty(0)).score.tolist()[0] > 1


def test_mostly_equal_values_still_have_a_band() -> None:
    state = learn(np.where(np.arange(100) % 10, 5.0, 6.0))
    assert state.deviation > 0
    assert ROBUST.score(state, np.array([5.0]), np.arange(1), np.empty(0)).score.tolist() == [0.0]


def test_a_negative_value_is_an_anomaly_of_skewed_positive_ones() -> None:
    """A band that is as wide below the median as above would hold it."""
    state = learn(np.exp(4.6 + 0.6 * np.random.default_rng(1).normal(size=1_000)))
    low, usual, high = ROBUST.score(state, np.array([-100.0, 30.0, 2_000.0]), np.arange(3), np.empty(0)).score
    assert min(low, high) > 1.2
    assert usual < 1


@pytest.mark.parametrize("points", [8, 20, 40])
def test_a_value_ten_deviations_out_is_an_anomaly_after_few_points(points: int) -> None:
    noise = np.random.default_rng(points).normal(size=points)
    assert ROBUST.score(learn(noise), np.array([10.0]), np.arange(1), np.empty(0)).score[0] > 1
