import numpy as np

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
    assert infected.deviation * infected.boundary.value < 1.1 * clean.deviation * clean.boundary.value
    assert ROBUST.score(infected, np.array([1000.0, 10.0]), np.arange(2), np.empty(0)).score.tolist()[0] > 1


def test_mostly_equal_values_still_have_a_band() -> None:
    state = learn(np.where(np.arange(100) % 10, 5.0, 6.0))
    assert state.deviation > 0
    assert ROBUST.score(state, np.array([5.0]), np.arange(1), np.empty(0)).score.tolist() == [0.0]
