import numpy as np
import pytest

from shared.domain.detectors import learn, named
from shared.domain.detectors.contract import Scores
from shared.domain.detectors.profiles import smoothed, spreads
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
    """Score one point without context."""
    return SEASONAL.score(state, np.array([value]), np.array([timestamp]), np.empty(0))


def test_the_cycle_with_the_smallest_error_is_chosen() -> None:
    daily, weekly = 100.0 * WORKING, 100.0 * (WORKING & ~WEEKEND)
    lengths = [fitted(HOURS, values + NOISE).cycle.seconds for values in (daily, weekly, 0 * daily)]
    assert lengths == [86_400, 604_800, 0]


@pytest.mark.parametrize("period", [11.0, 37.5, 250.3])
def test_a_period_is_measured_over_many_cycles(period: float) -> None:
    indices = np.arange(10_000)
    values = np.sign(np.sin(2 * np.pi * indices / period)) + 0.1 * RANDOM.normal(size=10_000)
    state = fitted(MONDAY + 7 * indices, values)
    assert state.cycle.seconds == pytest.approx(7 * period, rel=1e-3)
    assert state.explained > 0.5


def test_a_usual_value_of_one_hour_is_an_anomaly_at_another() -> None:
    state = fitted(HOURS, 100.0 * WORKING + NOISE)
    noon, midnight = MONDAY + 86_400 * 100 + 43_200, MONDAY + 86_400 * 100
    assert judged(state, noon, 100.0).score[0] < 1 < judged(state, midnight, 100.0).score[0]
    assert judged(state, midnight, 0.0).score[0] < 1 < judged(state, noon, 0.0).score[0]


def test_three_days_are_enough_for_a_daily_cycle() -> None:
    state = fitted(HOURS[:72], (100.0 * WORKING + NOISE)[:72])
    assert (state.cycle.seconds, len(state.profile.level)) == (86_400, 24)
    assert judged(state, int(HOURS[72]), 100.0).score[0] > 1


@pytest.mark.parametrize("cycle", ["day", "week"])
def test_hours_that_the_training_data_never_shows_get_no_verdict(cycle: str) -> None:
    is_open = (HOURS // 3_600 % 24 >= 6) & (HOURS // 3_600 % 24 < 20) & ~WEEKEND
    state = fitted(HOURS[is_open], (50 + NOISE)[is_open], cycle)
    week = MONDAY + 86_400 * 70 + 3_600 * np.arange(168)
    scores = SEASONAL.score(state, np.full(168, 1000.0), week, np.empty(0))
    expected = np.tile(is_open[:24], 7) if cycle == "day" else is_open[:168]
    assert scores.unseen is not None
    assert (~scores.unseen).tolist() == expected.tolist()
    assert ((scores.score > 1) == expected).all()


def test_an_hour_without_points_by_chance_borrows_from_its_neighbors() -> None:
    timestamps = MONDAY + np.sort(RANDOM.choice(86_400 * 10, 900, replace=False))
    state = fitted(timestamps, RANDOM.normal(size=900), "day")
    assert len(state.profile.level) > 100
    assert (state.profile.spread > 0).mean() > 0.98


def test_minor_changes_in_a_quiet_hour_are_not_anomalies() -> None:
    state = fitted(HOURS, np.where(WORKING, 50 + 5 * NOISE, 1e-6 * NOISE), "day")
    assert judged(state, MONDAY + 86_400 * 100, 0.05).score[0] < 1


@pytest.mark.parametrize("quiet", [0.05, 1.0])
def test_a_phase_has_its_own_spread_only_if_that_makes_the_band_narrower(quiet: float) -> None:
    bins = RANDOM.integers(0, 6, 6_000)
    distances = np.abs(RANDOM.normal(size=6_000)) * np.where(bins < 3, quiet, 1.0) / 10
    spread = spreads(distances, bins, 6, distances)
    assert (spread.min() < 0.4 * spread.max()) == (quiet < 1)


def test_smooth_levels_keep_steps_and_narrow_peaks_and_lose_noise() -> None:
    places = np.arange(288)
    true = np.where((places > 100) & (places < 200), 60.0, 0.0) + 5 * np.sin(places / 288 * 2 * np.pi)
    true[240] = 30.0
    noisy = true + RANDOM.normal(size=288)
    error = np.abs(smoothed(noisy, 1.0) - true)
    assert error.mean() < 0.6 * np.abs(noisy - true).mean()
    assert error.max() < 4


def test_a_long_series_is_sampled_without_aliasing() -> None:
    """With a point every 15 seconds, an evenly spaced sample would always hit the same seconds of a minute."""
    timestamps = MONDAY + 15 * np.arange(200_000)
    values = 10.0 * (timestamps % 60 == 0) + RANDOM.normal(size=200_000)
    state = fitted(timestamps, values)
    assert state.cycle.seconds == pytest.approx(60, rel=1e-6)
    assert judged(state, int(timestamps[-1]) + 15 + int(timestamps[-1] + 15) % 60, 10.0).score[0] > 0


@pytest.mark.parametrize("turns", [3, 4, 8])
def test_few_repetitions_of_a_cycle_keep_the_alarm_rate_without_a_much_wider_band(turns: int) -> None:
    alarms, widths = [], []
    for seed in range(12):
        indices = np.arange(168 * (turns + 4))
        timestamps = MONDAY + 3_600 * indices
        values = 10 * np.sin(2 * np.pi * indices / 168) + np.random.default_rng(seed).normal(size=len(indices))
        state = fitted(timestamps[: 168 * turns], values[: 168 * turns], "week")
        scores = SEASONAL.score(state, values[168 * turns :], timestamps[168 * turns :], np.empty(0))
        assert scores.upper is not None
        assert scores.lower is not None
        alarms.append((scores.score > 1).mean())
        widths.append(np.median(scores.upper - scores.lower) / 2)
    assert np.mean(alarms) < 0.003
    assert np.mean(widths) < 1.35 * 3.29  # what one in a thousand normal values exceeds
