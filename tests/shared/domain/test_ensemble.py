import numpy as np

from shared.domain.detectors import learn, named
from shared.domain.detectors.contract import Fitted
from shared.domain.detectors.ensemble import BOUNDARY_SUM, Ensemble
from shared.domain.series import Series, Values

ENSEMBLE = named("ensemble")
TIMES = 60 * np.arange(4_000)


def wave(points: int, seed: int = 3) -> Values:
    return np.sin(np.arange(points) * 2 * np.pi / 48) + 0.2 * np.random.default_rng(seed).normal(size=points)


def fitted_ensemble() -> Ensemble:
    state: Ensemble = learn(ENSEMBLE, Series(TIMES[:3_000], wave(3_000)), {}, lambda _share: None).state
    return state


def test_a_stretch_that_both_detectors_flag_scores_higher() -> None:
    state, context = fitted_ensemble(), wave(3_000)
    after = TIMES[3_000:3_030]

    def typical(new: Values) -> float:
        return float(np.median(ENSEMBLE.score(state, new, after, context).score))

    usual = wave(3_030)[3_000:]
    flat, both = np.full(30, 0.0), np.full(30, 1.9)
    assert typical(usual) < typical(flat) < typical(both)
    assert typical(both) > 1


def test_an_anomaly_exceeds_the_boundary_of_one_detector_and_of_the_sum() -> None:
    state = fitted_ensemble()
    after, context = TIMES[3_000:3_001], wave(3_000)
    level = state.level.state
    values = level.median + np.array([0.1, 0.9, 1.02, 3.0]) * level.deviation * level.boundary.value
    stretch, distance, combined = (
        np.array(
            [float(fitted.detector.score(fitted.state, value, after, context).score[0]) for value in values[:, None]]
        )
        for fitted in (state.stretch, state.level, Fitted(ENSEMBLE, state))
    )
    assert ((combined > 1) == ((stretch + distance > BOUNDARY_SUM) & (np.maximum(stretch, distance) > 1))).all()
    assert combined[0] < 1 < combined[-1]


def test_the_explanation_names_what_dominates_the_score() -> None:
    state, context = fitted_ensemble(), wave(3_000)
    flat = ENSEMBLE.explain(state, np.zeros(40), TIMES[3_000:3_040], context)
    spike = ENSEMBLE.explain(state, np.array([300.0]), TIMES[3_000:3_001], context)
    assert any(word in str(flat.component) for word in ("window", "forecast", "period"))
    assert spike.similar_from is not None
