import numpy as np
import pytest

from shared.domain.detectors.msnn import rhythm
from shared.domain.detectors.standards import period_of
from shared.domain.series import Values


def daily(points: int, places: int = 48) -> Values:
    noise = np.random.default_rng(1).normal(size=points)
    return np.where(np.arange(points) % places < places // 3, 2.0, -1.0) + 0.2 * noise


def test_the_level_of_each_place_is_the_median_there() -> None:
    values = daily(480)
    found = rhythm.trial(values, np.arange(480.0), 48.0).rhythm
    slow = [float(np.median(values[place::48])) for place in range(48)]
    assert found.levels.tolist() == pytest.approx(slow)
    assert found.trust == 1


def test_held_out_errors_are_by_the_other_fifths() -> None:
    values = daily(480)
    trial = rhythm.trial(values, np.arange(480.0), 48.0)
    others = np.arange(480) >= 96
    expected = float(np.median(values[others & (np.arange(480) % 48 == 20)]))
    errors = trial.held_out(values, np.array([20]), np.arange(480.0))
    assert errors[0, 0] == pytest.approx(abs(values[20] - expected) / trial.rhythm.usual_error)


def test_a_flat_line_stays_unusual_as_long_as_it_lasts() -> None:
    values = daily(960)
    found = rhythm.best(values, np.arange(960.0), 48, 1800.0).rhythm
    flat = np.full(96, -1.0)
    errors = found.errors(flat, np.arange(96), 960 + np.arange(96.0), 1)[:, 0]
    assert errors[48:64].min() > 1  # by the second day too, where the high third should be
    assert errors[64:].max() < 1


def test_a_rhythm_that_was_not_kept_for_long_has_nothing_to_say() -> None:
    """Half a day late for three days: first every value is wrong, then it is the time that is."""
    values = daily(960)
    found = rhythm.best(values, np.arange(960.0), 48, 1800.0).rhythm
    joined = np.concatenate([values, np.roll(daily(192), 24)])
    errors = found.errors(joined, np.arange(960, 1152), np.arange(960.0, 1152), 1)[:, 0]
    assert errors[:16].max() > 1
    assert (errors[-48:] == 0).mean() > 0.9


def test_noise_has_no_rhythm() -> None:
    values = np.random.default_rng(2).normal(size=2000)
    found = rhythm.best(values, np.arange(2000.0), 37, 60.0).rhythm
    assert found.trust == pytest.approx(0, abs=0.05)


def test_a_day_is_found_although_the_series_shows_another_period_more_plainly() -> None:
    steps = np.arange(1440.0)
    found = rhythm.best(daily(1440), steps, 47, 1800.0).rhythm
    assert found.period == 48
    assert rhythm.best(daily(1440), steps, 0, 1800.0).rhythm.period == 48


def test_a_gap_in_time_moves_no_place() -> None:
    steps = np.concatenate([np.arange(480.0), np.arange(480.0) + 10_007])
    values = np.where(steps % 48 < 16, 2.0, -1.0) + 0.01 * np.sin(steps)
    assert rhythm.best(values, steps, 48, 1.0).rhythm.trust == 1


def test_the_period_of_a_slow_rhythm_is_not_that_of_its_noise() -> None:
    noise = np.random.default_rng(4).normal(size=4000)
    values = np.sin(2 * np.pi * np.arange(4000) / 200) + 0.3 * noise
    assert abs(period_of(values) - 200) <= 3
