"""Verdicts after gaps, by a detector whose parts abstain until they know enough values."""

from functools import cache

import numpy as np
import pytest

from shared.domain.detectors import learn, named
from shared.domain.detectors.contract import Fitted
from shared.domain.series import Series, Values
from shared.judging.context import context_in_stream
from shared.judging.verdicts import explain, judge

POINTS, NEW = 1_000, 600
TIMES = 600 * np.arange(POINTS + NEW)
WAVE = 10 + np.sin(np.arange(POINTS + NEW) / 8) + np.random.default_rng(2).normal(0, 0.1, POINTS + NEW)
DRIFT = WAVE + np.maximum(np.arange(POINTS + NEW) - 700, 0) / 20


@cache
def fitted(name: str, *, drifts: bool = False) -> Fitted:
    values = DRIFT if drifts else WAVE
    return learn(named(name), Series(TIMES[:POINTS], values[:POINTS]), {}, lambda _share: None)


def new(values: Values, start: int = 0) -> Series:
    """Return the points from the one `start` points after the training data on."""
    return Series(TIMES[POINTS + start :], values[POINTS + start :])


@pytest.mark.parametrize("detector", ["auto", "ar"])
def test_after_a_gap_the_next_points_are_judged_unless_every_part_needs_earlier_values(detector: str) -> None:
    state, gap = fitted(detector), 100
    values = WAVE.copy()
    values[POINTS + gap + 3] += 30
    verdicts = judge(state, new(values, gap))
    is_judged = verdicts.unknown is None or not verdicts.unknown[0]
    assert is_judged is (detector == "auto")
    if is_judged:
        assert np.flatnonzero(verdicts.scores.score[:60] > 1).tolist() == [3]


def test_a_drifting_level_is_no_guide_so_the_forecast_must_know_its_lags() -> None:
    state = fitted("auto", drifts=True)
    least = state.needs().least
    unknown = judge(state, new(DRIFT, 300)).unknown
    assert 0 < least < state.needs().points
    assert unknown is not None
    assert np.flatnonzero(unknown).tolist() == list(range(least))


def test_a_long_gap_of_nulls_gives_the_same_verdicts_in_a_batch_and_in_a_stream() -> None:
    state, points = fitted("auto"), new(WAVE)
    missing = np.zeros(NEW, dtype=np.bool_)
    missing[[5, 90, 91]] = missing[200:290] = True
    values = np.where(missing, np.nan, points.values + np.where(np.arange(NEW) == 295, 30, 0))
    batch = judge(state, Series(points.timestamps, np.nan_to_num(values)), missing)
    assert batch.unknown is not None
    assert np.flatnonzero(batch.unknown).tolist() == np.flatnonzero(missing).tolist()
    assert batch.scores.score[295] > 1
    assert batch.scores.expected is not None
    assert (np.abs(batch.scores.expected - 10) < 3).all()
    carry, need = None, state.needs().points
    for start, stop in ((0, 150), (150, 210), (210, 280), (280, 290), (290, 291), (291, 320), (320, NEW)):
        part, before = slice(start, stop), slice(max(start - need, 0), start)
        context = context_in_stream(
            state.needs(), int(points.timestamps[start]), points.timestamps[before], values[before]
        )
        stretch = Series(points.timestamps[part], np.nan_to_num(values[part]))
        verdicts = judge(state, stretch, missing[part], context=context, carry=carry)
        carry = verdicts.carry
        unknown = missing[part] if verdicts.unknown is None else verdicts.unknown
        assert unknown.tolist() == batch.unknown[part].tolist()
        np.testing.assert_allclose(verdicts.scores.score[~unknown], batch.scores.score[part][~unknown], rtol=1e-4)


def test_an_explanation_names_the_witnesses_that_know_too_few_values() -> None:
    state, gap = fitted("auto"), 100
    point = Series(TIMES[POINTS + gap :][:1], WAVE[POINTS + gap :][:1])
    abstaining = explain(state, point, judge(state, point)).abstaining
    assert "the forecast" in abstaining
    assert "the level" not in abstaining
    recent = WAVE[POINTS - 200 : POINTS + gap]
    assert explain(state, point, judge(state, point, recent=recent)).abstaining == ()


def test_where_many_values_are_missing_the_witnesses_that_need_few_others_judge() -> None:
    """A sensor that loses every third reading has no complete window, but a level: every known point is judged."""
    state, points = fitted("auto"), new(WAVE)
    missing = np.random.default_rng(4).random(NEW) < 0.3
    missing[[300, 301]] = False, True
    values = points.values + np.where(np.arange(NEW) == 300, 30, 0)
    batch = judge(state, Series(points.timestamps, values), missing)
    assert batch.unknown is not None
    assert batch.unknown.tolist() == missing.tolist()
    assert np.flatnonzero(batch.scores.score > 1).tolist() == [300]
    need = state.needs()
    recent = np.where(missing, np.nan, values)[300 - need.points : 300]
    point = Series(points.timestamps[300:301], values[300:301])
    alone = judge(state, point, recent=recent)
    assert alone.unknown is None or not alone.unknown[0]
    np.testing.assert_allclose(alone.scores.score[0], batch.scores.score[300], rtol=1e-4)
    assert "the shape of the last stretch" in explain(state, point, alone).abstaining
