import numpy as np
import pytest

from shared.domain.detectors.msnn import rhythm
from shared.domain.detectors.standards import period_of
from shared.domain.series import Values


def daily(points: int, phases: int = 48) -> Values:
    noise = np.random.default_rng(1).normal(size=points)
    return np.where(np.arange(points) % phases < phases // 3, 2.0, -1.0) + 0.2 * noise


def test_the_level_of_each_phase_is_its_median() -> None:
    values = daily(480)
    fitted = rhythm.trial(values, np.arange(480.0), 48.0).rhythm
    medians = [float(np.median(values[phase::48])) for phase in range(48)]
    assert fitted.levels.tolist() == pytest.approx(medians)
    assert fitted.trust == 1


def test_held_out_errors_use_the_levels_of_the_other_folds() -> None:
    values = daily(480)
    trial = rhythm.trial(values, np.arange(480.0), 48.0)
    others = np.arange(480) >= 96
    expected = float(np.median(values[others & (np.arange(480) % 48 == 20)]))
    errors = trial.held_out(values, np.array([20]), np.arange(480.0))
    assert errors[0, 0] == pytest.approx(abs(values[20] - expected) / trial.rhythm.usual_error)


def test_a_flat_line_stays_unusual_as_long_as_it_lasts() -> None:
    values = daily(960)
    fitted = rhythm.best(values, np.arange(960.0), 48, 1800.0).rhythm
    flat = np.full(96, -1.0)
    errors = fitted.errors(flat, np.arange(96), 960 + np.arange(96.0), 1)[:, 0]
    assert errors[48:64].min() > 1  # the second day too, during the high third
    assert errors[64:].max() < 1


def test_a_rhythm_that_was_not_kept_is_ignored() -> None:
    """Half a day late for three days: the values look wrong at first, then the rhythm is ignored."""
    values = daily(960)
    fitted = rhythm.best(values, np.arange(960.0), 48, 1800.0).rhythm
    joined = np.concatenate([values, np.roll(daily(192), 24)])
    errors = fitted.errors(joined, np.arange(960, 1152), np.arange(960.0, 1152), 1)[:, 0]
    assert errors[:16].max() > 1
    assert (errors[-48:] == 0).mean() > 0.9


def test_noise_has_no_rhythm() -> None:
    values = np.random.default_rng(2).normal(size=2000)
    fitted = rhythm.best(values, np.arange(2000.0), 37, 60.0).rhythm
    assert fitted.trust == pytest.approx(0, abs=0.05)


def test_a_daily_rhythm_is_found_next_to_another_period() -> None:
    steps = np.arange(1440.0)
    fitted = rhythm.best(daily(1440), steps, 47, 1800.0).rhythm
    assert fitted.period == 48
    assert rhythm.best(daily(1440), steps, 0, 1800.0).rhythm.period == 48


def test_a_gap_does_not_shift_phases() -> None:
    steps = np.concatenate([np.arange(480.0), np.arange(480.0) + 10_007])
    values = np.where(steps % 48 < 16, 2.0, -1.0) + 0.01 * np.sin(steps)
    assert rhythm.best(values, steps, 48, 1.0).rhythm.trust == 1


def test_noise_does_not_hide_the_period_of_a_slow_rhythm() -> None:
    noise = np.random.default_rng(4).normal(size=4000)
    values = np.sin(2 * np.pi * np.arange(4000) / 200) + 0.3 * noise
    assert abs(period_of(values) - 200) <= 3
