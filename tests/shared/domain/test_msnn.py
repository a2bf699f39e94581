import numpy as np
import pytest

from shared.domain.detectors import named
from shared.domain.detectors.contract import CENTRED, Scores
from shared.domain.detectors.msnn.bank import Bank, Layout, vectors
from shared.domain.detectors.msnn.scoring import trusts
from shared.domain.detectors.msnn.state import Msnn
from shared.domain.detectors.parameters import complete
from shared.domain.series import Series, Values
from tests import naive

MSNN = named("msnn")


def wave(points: int, seed: int = 3) -> Values:
    return np.sin(np.arange(points) * 2 * np.pi / 48) + 0.1 * np.random.default_rng(seed).normal(size=points)


def learn(values: Values, rate: str = "1 in 1000", start: int = 0) -> Msnn:
    timestamps = start + 60 * np.arange(len(values))
    state: Msnn = MSNN.fit(Series(timestamps, values), complete(MSNN.parameters, {"alarm_rate": rate}), lambda _: None)
    return state


def later(values: Values) -> tuple[Values, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    return values, 60 * 48 * 10**5 + 60 * np.arange(len(values))


def judge(state: Msnn, values: Values) -> Values:
    scores: Scores = MSNN.score(state, *later(values), np.empty(0))
    return scores.score


@pytest.mark.parametrize("lengths", [(4,), (33,), (4, 16, 32, 33, 64, 100, 128)])
def test_the_vectors_of_windows_match_their_definition(lengths: tuple[int, ...]) -> None:
    values = np.random.default_rng(len(lengths)).normal(size=300)
    ends = np.array([lengths[-1] - 1, 150, 299])
    fast = vectors(np.concatenate(([0.0], values.cumsum())), ends, Layout.of(lengths))
    for row, end in zip(fast.tolist(), ends.tolist(), strict=True):
        slow = [
            number for length in lengths for number in naive.window_vector(values[end + 1 - length : end + 1].tolist())
        ]
        np.testing.assert_allclose(row, slow, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("first", [0, 5, 130, 236])
def test_consecutive_windows_have_the_same_vectors_as_single_ones(first: int) -> None:
    sums = np.concatenate(([0.0], np.random.default_rng(2).normal(size=300).cumsum()))
    layout, ends = Layout.of((4, 16, 33, 100, 128)), np.arange(first, first + 64)
    single = np.concatenate([vectors(sums, ends[place : place + 1], layout) for place in range(64)])
    np.testing.assert_array_equal(vectors(sums, ends, layout), single)


def test_the_nearest_window_does_not_overlap_the_query() -> None:
    random = np.random.default_rng(5)
    bank_vectors, queries = random.normal(size=(2, 60, 7)).astype(np.float32)
    times = np.arange(60)
    distances, indices = Bank.of(bank_vectors, times).nearest(queries, times, 10.0)
    for index, (distance, nearest) in enumerate(zip(distances, indices, strict=True)):
        others = [other for other in range(60) if abs(other - index) >= 10]
        slow = {other: float(np.linalg.norm(queries[index] - bank_vectors[other])) for other in others}
        assert slow[int(nearest)] == pytest.approx(min(slow.values()), rel=1e-5)
        assert distance == pytest.approx(min(slow.values()), rel=1e-5)


def test_scores_match_the_slow_reference() -> None:
    values, new = wave(400), wave(200, seed=9)
    new[120:140] = 0.0
    state = learn(values)
    slow = naive.msnn_scores(state, new.tolist(), later(new)[1].tolist())
    np.testing.assert_allclose(judge(state, new), slow, rtol=1e-3, atol=1e-3)


def test_a_window_of_the_training_values_is_not_compared_with_itself() -> None:
    values = wave(3000)
    values[1500:1520] += 2.0
    state = learn(values)
    scores: Values = MSNN.score(state, values, 60 * np.arange(3000), np.empty(0)).score
    assert 1500 <= scores.argmax() < 1600


def test_one_outlier_does_not_widen_the_normal_range() -> None:
    dirty = wave(2000) * 10 + 50
    dirty[700] = 1e6
    new = wave(600, seed=4) * 10 + 50
    new[400:430] = 50.0
    assert judge(learn(dirty), new)[400:440].max() > 1
    assert learn(dirty).standard.spread < 20


def test_a_shifted_value_is_explained_by_its_phase() -> None:
    new, times = later(wave(1000, seed=8))
    new[493:501] += 1.0
    explained = MSNN.explain(learn(wave(2000)), new[500:501], times[500:501], new[:500])
    assert explained.component == "the phase in the period"


def test_centered_scores_peak_in_the_middle_of_an_event() -> None:
    new = wave(1000, seed=8)
    new[500:520] = 0.0
    scores: Values = MSNN.modes[CENTRED](learn(wave(2000)), *later(new)).score
    assert 495 <= scores.argmax() <= 525


@pytest.mark.parametrize(("period", "least", "most"), [(48, 0.5, 1.0), (46, 0.0, 0.05)])
def test_a_rhythm_is_trusted_as_far_as_the_batch_follows_it(period: int, least: float, most: float) -> None:
    state, new = learn(wave(2000)), np.sin(np.arange(2000) * 2 * np.pi / period)
    joined, times = later(state.standard.standardized(new))
    _, in_rhythm = trusts(state, joined, times, state.forecast.errors(joined))
    assert state.rhythm.trust == 1
    assert least <= in_rhythm <= most
    assert trusts(state, joined[:100], times[:100], state.forecast.errors(joined[:100]))[1] == 1


def test_the_false_positive_rate_is_close_to_the_target() -> None:
    """On independent noise, the rate is within a factor of 3."""
    random = np.random.default_rng(0)
    state = learn(random.normal(size=20_000), "1 in 100")
    share = (judge(state, random.normal(size=20_000))[256:] > 1).mean()
    assert 1 / 300 < share < 3 / 100


def test_no_window_spans_a_gap() -> None:
    values = np.concatenate([np.zeros(500), np.ones(500)]) + wave(1000)
    timestamps = 60 * np.arange(1000) + np.where(np.arange(1000) < 500, 0, 10**6)
    state = MSNN.fit(Series(timestamps, values), complete(MSNN.parameters, {}), lambda _: None)
    across = values[480:520]
    assert len(across) == 40
    ends = (state.windows.times >= timestamps[500]) & (state.windows.times < timestamps[500] + 60 * 14)
    assert not ends.any()
