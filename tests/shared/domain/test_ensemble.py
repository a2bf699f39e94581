import numpy as np

from shared.domain.detectors import learn, named
from shared.domain.detectors.ensemble import Ensemble
from shared.domain.series import Series, Values

ENSEMBLE = named("ensemble")
TIMES = 60 * np.arange(4_000)


def wave(points: int, seed: int = 3) -> Values:
    return np.sin(np.arange(points) * 2 * np.pi / 48) + 0.2 * np.random.default_rng(seed).normal(size=points)


def fitted() -> Ensemble:
    state: Ensemble = learn(ENSEMBLE, Series(TIMES[:3_000], wave(3_000)), {}, lambda _share: None).state
    return state


def test_what_both_witnesses_find_odd_scores_more_than_what_one_does() -> None:
    state, context = fitted(), wave(3_000)
    after = TIMES[3_000:3_030]

    def highest(new: Values) -> float:
        return float(ENSEMBLE.score(state, new, after, context).score.max())

    usual = wave(3_030)[3_000:]
    flat, both = np.full(30, 0.0), np.full(30, 1.9)
    assert highest(usual) < highest(flat) < highest(both)
    assert highest(both) > 1


def test_a_rarer_score_of_either_witness_is_rarer_in_the_sum() -> None:
    state = fitted()
    assert (np.diff(state.stretch_scores) > 0).all()
    assert (np.diff(state.level_scores) > 0).all()


def test_the_explanation_names_the_witness_that_finds_it_rarer() -> None:
    state, context = fitted(), wave(3_000)
    flat = ENSEMBLE.explain(state, np.zeros(40), TIMES[3_000:3_040], context)
    spike = ENSEMBLE.explain(state, np.array([300.0]), TIMES[3_000:3_001], context)
    assert any(word in str(flat.component) for word in ("window", "forecast", "period"))
    assert spike.similar_from is not None
