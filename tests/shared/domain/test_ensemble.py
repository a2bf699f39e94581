import numpy as np

from shared.domain.detectors import learn, named
from shared.domain.detectors.contract import Fitted
from shared.domain.detectors.ensemble import BOUNDARY_SUM, Ensemble
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

    def typical(new: Values) -> float:
        return float(np.median(ENSEMBLE.score(state, new, after, context).score))

    usual = wave(3_030)[3_000:]
    flat, both = np.full(30, 0.0), np.full(30, 1.9)
    assert typical(usual) < typical(flat) < typical(both)
    assert typical(both) > 1


def test_one_witness_must_be_surprised_and_the_other_must_not_object() -> None:
    state = fitted()
    after, context = TIMES[3_000:3_001], wave(3_000)
    level = state.level.state
    values = level.median + np.array([0.1, 0.9, 1.02, 3.0]) * level.deviation * level.boundary.value
    stretch, near, found = (
        np.array([float(each.detector.score(each.state, one, after, context).score[0]) for one in values[:, None]])
        for each in (state.stretch, state.level, Fitted(ENSEMBLE, state))
    )
    assert ((found > 1) == ((stretch + near > BOUNDARY_SUM) & (np.maximum(stretch, near) > 1))).all()
    assert found[0] < 1 < found[-1]


def test_the_explanation_names_the_witness_that_finds_it_rarer() -> None:
    state, context = fitted(), wave(3_000)
    flat = ENSEMBLE.explain(state, np.zeros(40), TIMES[3_000:3_040], context)
    spike = ENSEMBLE.explain(state, np.array([300.0]), TIMES[3_000:3_001], context)
    assert any(word in str(flat.component) for word in ("window", "forecast", "period"))
    assert spike.similar_from is not None
