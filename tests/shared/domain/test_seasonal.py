import numpy as np
import pytest

from shared.domain.detectors import learn, named
from shared.domain.detectors.contract import Scores
from shared.domain.detectors.cycles import Profile
from shared.domain.detectors.seasonal import Seasonal
from shared.domain.series import Series, Timestamps, Values

SEASONAL = named("seasonal")
MONDAY = 1_704_067_200  # 2024-01-01
HOURS = MONDAY + 3_600 * np.arange(24 * 28)
RANDOM = np.random.default_rng(2)
NOISE = RANDOM.normal(size=len(HOURS))
WORKING = (HOURS // 3_600 % 24 >= 8) & (HOURS // 3_600 % 24 < 18)
WEEKEND = (HOURS - MONDAY) // 86_400 % 7 >= 5


def fitted(timestamps: Timestamps, values: Values, cycle: str = "auto") -> Seasonal:
    state: Seasonal = learn(SEASONAL, Series(timestamps, values), {"cycle": cycle}, lambda _share: None).state
    return state


def judged(state: Seasonal, timestamp: int, value: float) -> Scores:
    """One point, without any other."""
    return SEASONAL.score(state, np.array([value]), np.array([timestamp]), np.empty(0))


def test_the_cycle_is_the_one_that_forecasts_best() -> None:
    daily, weekly = 100.0 * WORKING, 100.0 * (WORKING & ~WEEKEND)
    lengths = [fitted(HOURS, values + NOISE).cycle.seconds for values in (daily, weekly, 0 * daily)]
    assert lengths == [86_400, 604_800, 0]


@pytest.mark.parametrize("period", [11.0, 37.5, 250.3])
def test_a_period_is_measured_over_many_of_its_turns(period: float) -> None:
    places = np.arange(10_000)
    values = np.sign(np.sin(2 * np.pi * places / period)) + 0.1 * RANDOM.normal(size=10_000)
    state = fitted(MONDAY + 7 * places, values)
    assert state.cycle.seconds == pytest.approx(7 * period, rel=1e-3)
    assert state.explained > 0.5


def test_what_is_usual_at_one_hour_is_unusual_at_another() -> None:
    state = fitted(HOURS, 100.0 * WORKING + NOISE)
    noon, midnight = MONDAY + 86_400 * 100 + 43_200, MONDAY + 86_400 * 100
    assert judged(state, noon, 100.0).score[0] < 1 < judged(state, midnight, 100.0).score[0]
    assert judged(state, midnight, 0.0).score[0] < 1 < judged(state, noon, 0.0).score[0]


def test_three_days_are_enough_to_know_a_day() -> None:
    state = fitted(HOURS[:72], (100.0 * WORKING + NOISE)[:72])
    assert (state.cycle.seconds, len(state.profile.level)) == (86_400, 24)
    assert judged(state, int(HOURS[72]), 100.0).score[0] > 1


def test_hours_without_any_point_borrow_from_their_neighbours() -> None:
    day = HOURS // 3_600 % 24
    open_hours = (day >= 6) & (day < 20)
    state = fitted(HOURS[open_hours], (10 + day + NOISE)[open_hours], "day")
    assert np.isfinite(state.profile.level).all()
    assert judged(state, MONDAY + 86_400 * 50 + 3_600 * 3, 1000.0).score[0] > 1


def test_a_calm_hour_does_not_make_every_ripple_unusual() -> None:
    state = fitted(HOURS, np.where(WORKING, 50 + 5 * NOISE, 1e-6 * NOISE), "day")
    assert judged(state, MONDAY + 86_400 * 100, 0.05).score[0] < 1


def test_levels_and_spreads_are_those_of_each_phase() -> None:
    bins = RANDOM.integers(0, 5, 1_000)
    values = RANDOM.normal(size=1_000) / 10 + bins / 10
    profile = Profile.of(values, bins, 5)
    for number in range(5):
        own = sorted(values[bins == number].tolist())
        middle = (own[(len(own) - 1) // 2] + own[len(own) // 2]) / 2
        assert profile.level[number] == pytest.approx(middle)
        distances = sorted(abs(value - middle) for value in own)
        deviation = 1.4826 * (distances[(len(own) - 1) // 2] + distances[len(own) // 2]) / 2
        assert profile.spread[number] == pytest.approx(deviation)


def test_a_long_series_is_sampled_without_losing_its_rhythm() -> None:
    """Every 15 seconds: a sample of every so many points would always meet the same seconds of a minute."""
    timestamps = MONDAY + 15 * np.arange(200_000)
    values = 10.0 * (timestamps % 60 == 0) + RANDOM.normal(size=200_000)
    state = fitted(timestamps, values)
    assert state.cycle.seconds == pytest.approx(60, rel=1e-6)
    assert judged(state, int(timestamps[-1]) + 15 + int(timestamps[-1] + 15) % 60, 10.0).score[0] > 0
