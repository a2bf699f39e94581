import numpy as np
import pytest

from shared.domain.detectors import learn, named
from shared.domain.detectors.ar import Autoregression
from shared.domain.series import Series, Values

AR = named("ar")
TIMES = 60 * np.arange(2_000)


def fitted(values: Values) -> Autoregression:
    state: Autoregression = learn(AR, Series(TIMES[: len(values)], values), {}, lambda _share: None).state
    return state


def wave(points: int, seed: int = 3) -> Values:
    return 50 + 10 * np.sin(np.arange(points) * 2 * np.pi / 48) + 0.1 * np.random.default_rng(seed).normal(size=points)


def test_a_smooth_series_is_forecast_within_its_noise() -> None:
    new = wave(300, seed=4)
    scores = AR.score(fitted(wave(2_000)), new, TIMES[:300], np.empty(0))
    assert scores.expected is not None
    assert np.abs(scores.expected - new)[16:].max() < 1.0
    assert (scores.score[16:] > 1).mean() < 0.02


def test_a_jump_within_the_usual_range_is_an_anomaly() -> None:
    new = wave(300, seed=4)
    peak = int(new[100:].argmax()) + 100
    new[peak] = 50.0
    assert AR.score(fitted(wave(2_000)), new, TIMES[:300], np.empty(0)).score[peak] > 3


def test_a_value_without_predecessors_is_compared_with_the_median() -> None:
    state = fitted(wave(2_000))
    scores = AR.score(state, np.array([50.0]), TIMES[:1], np.empty(0))
    assert scores.expected is not None
    assert scores.expected[0] == pytest.approx(state.standard.center)


def test_a_series_without_noise_still_has_a_band() -> None:
    values = np.sin(np.arange(2_000) * 2 * np.pi / 50)
    scores = AR.score(fitted(values), values[-1:], TIMES[-1:], values[:-1])
    assert scores.lower is not None
    assert scores.upper is not None
    assert scores.lower[0] < values[-1] < scores.upper[0]
