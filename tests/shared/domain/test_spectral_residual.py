import numpy as np

from shared.domain.detectors import learn, named
from shared.domain.series import Series, Values

SPECTRAL_RESIDUAL = named("spectral_residual")
TIMES = 60 * np.arange(3_000)


def judged(values: Values, new: Values) -> Values:
    state = learn(SPECTRAL_RESIDUAL, Series(TIMES[: len(values)], values), {}, lambda _share: None).state
    scores: Values = SPECTRAL_RESIDUAL.score(state, new, TIMES[: len(new)], values).score
    return scores


def wave(points: int, seed: int = 3) -> Values:
    return np.sin(np.arange(points) * 2 * np.pi / 32) + 0.1 * np.random.default_rng(seed).normal(size=points)


def test_a_spike_is_salient_and_the_wave_around_it_is_not() -> None:
    new = wave(200, seed=4)
    new[100] += 3.0
    scores = judged(wave(2_000), new)
    assert scores.argmax() == 100
    assert scores[100] > 2
    assert (scores > 1).mean() < 0.03


def test_the_level_does_not_matter() -> None:
    new = wave(200, seed=4)
    assert (judged(wave(2_000), new + 30)[128:] > 1).mean() < 0.03


def test_a_flat_window_is_not_salient() -> None:
    assert judged(wave(2_000), np.full(300, 0.5))[128:].max() < 1
